"""Runs ONNX models in ONNX Runtime: run.py [--keep] MODEL.onnx...

Each model is checked, then run on two images, noise and a ramp, in one batch.
Prints, as JSON, for each model whether all logits are finite, the largest of
them, and the largest difference between the two images. With --keep,
MODEL.npz beside the model gets the initializers under their names, the images
as "input" and the logits as "output".
"""
import argparse
import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

parser = argparse.ArgumentParser()
parser.add_argument("--keep", action="store_true")
parser.add_argument("models", nargs="+")
arguments = parser.parse_args()

found = []
for path in arguments.models:
    model = onnx.load(path)
    onnx.checker.check_model(model)
    assert [i.name for i in model.graph.input] == ["input"], "inputs"
    assert [o.name for o in model.graph.output] == ["output"], "outputs"

    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim[1:]]
    noise = np.random.default_rng(1).standard_normal(shape)
    ramp = np.broadcast_to(np.linspace(-1, 1, shape[-1]), shape)
    images = np.stack([noise, ramp]).astype(np.float32)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 2
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    output = session.run(["output"], {"input": images})[0]
    found.append({
        "finite": bool(np.isfinite(output).all()),
        "largest": float(np.abs(output).max()),
        "difference": float(np.abs(output[0] - output[1]).max()),
    })
    if arguments.keep:
        weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        np.savez(path.removesuffix(".onnx") + ".npz", input=images, output=output, **weights)
json.dump(found, sys.stdout)
