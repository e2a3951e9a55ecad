"""Loads NAME.onnx with onnx and saves it to inside/ and, with external data, to outside/.

usage: resave.py FOLDER NAME...
"""
import os
import sys

import onnx

folder, names = sys.argv[1], sys.argv[2:]
for sub in ("inside", "outside"):
    os.mkdir(os.path.join(folder, sub))
for name in names:
    model = onnx.load(os.path.join(folder, name))
    onnx.save_model(model, os.path.join(folder, "inside", name))
    onnx.save_model(model, os.path.join(folder, "outside", name), save_as_external_data=True,
                    location=name + ".weights", size_threshold=100, convert_attribute=True)
