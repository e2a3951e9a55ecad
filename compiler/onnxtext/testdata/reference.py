"""Reads ONNX text with onnx.parser: reference.py FOLDER

Beside each NAME.txt of the folder goes the model, NAME.onnx, or, where the
parser takes the text for wrong, NAME.error with what it said.
"""
import pathlib
import sys

import onnx.parser

for path in pathlib.Path(sys.argv[1]).glob("*.txt"):
    try:
        model = onnx.parser.parse_model(path.read_bytes().decode())
    except (onnx.parser.ParseError, RuntimeError, ValueError, IndexError) as e:
        path.with_suffix(".error").write_text(str(e))
    else:
        path.with_suffix(".onnx").write_bytes(model.SerializeToString())
