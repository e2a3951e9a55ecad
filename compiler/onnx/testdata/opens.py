"""Tells, a line a model file, whether ONNX Runtime opens it: 1 or 0."""
import sys

import onnxruntime

options = onnxruntime.SessionOptions()
options.log_severity_level = 4
for path in sys.argv[1:]:
    try:
        onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        print(1)
    except Exception:
        print(0)
