"""Writes quantised files, QuantizeLinear and DequantizeLinear around every operator, beside float ones.

    quantise_tasks.py DIR NAME...

DIR/NAME_qdq.onnx is made of DIR/NAME.onnx by ONNX Runtime's own quantisation, calibrated on random inputs. Needs
onnx, onnxruntime and numpy. A file that is newer than the float one and than this script is left alone.
"""

import os
import sys
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

INPUTS = 8


class Random(CalibrationDataReader):
    def __init__(self, model):
        random = np.random.default_rng(1)
        self.feeds = iter(
            [
                {i.name: random.standard_normal([d.dim_value or 1 for d in i.type.tensor_type.shape.dim]).astype(np.float32)
                 for i in model.graph.input}
                for _ in range(INPUTS)
            ]
        )

    def get_next(self):
        return next(self.feeds, None)


def main(arguments):
    if len(arguments) < 2:
        sys.exit(__doc__)
    folder, names = arguments[0], arguments[1:]
    for name in names:
        source = os.path.join(folder, name + ".onnx")
        path = os.path.join(folder, name + "_qdq.onnx")
        if os.path.exists(path) and os.path.getmtime(path) > max(map(os.path.getmtime, (source, __file__))):
            print(f"{name}_qdq: already there")
            continue
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            unfinished = os.path.join(scratch, "model.onnx")
            quantize_static(
                source, unfinished, Random(onnx.load(source)), quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )
            os.replace(unfinished, path)
        print(f"{name}_qdq: {os.path.getsize(path) / 1e6:.1f} MB")


if __name__ == "__main__":
    main(sys.argv[1:])
