"""Central differences of ONNX models in float64, by onnx's reference implementation.

Standard input holds a list of {"model", "feeds", "seeds", "wrt", "dir"}, a case as testdata/torch_oracle.py reads it.
For each name in "wrt" a random direction is drawn; the answer has, case by case and name by name, that direction's
slope of sum(dy * y): {"slopes": [[number, ...], ...], "errors": ["", ...]}. DIR/direction.I gets the unit vector
of that direction, DIR/reference.NAME the output NAME, as raw float64.
"""

import json
import os
import sys

import numpy
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

STEP = 1e-5  # the error is about STEP**2 and 1e-16 / STEP, both 1e-10


def array(entry):
    return numpy.fromfile(entry["file"], entry["dtype"]).reshape(entry["shape"])


def double(a):
    return a.astype(numpy.float64) if a.dtype == numpy.float32 else a


def in_double(model):
    """Makes every float32 of a model float64."""
    for value in list(model.graph.input) + list(model.graph.output) + list(model.graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
    for i, tensor in enumerate(model.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT:
            model.graph.initializer[i].CopyFrom(numpy_helper.from_array(double(numpy_helper.to_array(tensor)), tensor.name))
    return model


def slopes(case):
    model = in_double(onnx.load(case["model"]))
    evaluator = ReferenceEvaluator(model)
    feeds = {name: double(array(entry)) for name, entry in case["feeds"].items()}
    seeds = {name: double(array(entry)) for name, entry in case["seeds"].items()}

    def total(changed):
        outputs = evaluator.run(list(seeds), feeds | changed)
        for y in outputs:
            assert numpy.asarray(y).dtype == numpy.float64, "the reference computed in another type"
        return sum(float((y * dy).sum()) for y, dy in zip(outputs, seeds.values()))

    for name, y in zip(seeds, evaluator.run(list(seeds), feeds)):
        numpy.asarray(y, numpy.float64).tofile(os.path.join(case["dir"], f"reference.{name}"))
    found = []
    rng = numpy.random.default_rng(1)
    for i, name in enumerate(case["wrt"]):
        direction = rng.standard_normal(feeds[name].shape)
        direction /= max(numpy.linalg.norm(direction), 1e-300)
        numpy.asarray(direction).tofile(os.path.join(case["dir"], f"direction.{i}"))
        up = total({name: feeds[name] + STEP * direction})
        down = total({name: feeds[name] - STEP * direction})
        found.append((up - down) / (2 * STEP))
    return found


def main():
    answer = {"slopes": [], "errors": []}
    for case in json.load(sys.stdin):
        try:
            found, error = slopes(case), ""
        except Exception as e:  # one that the reference cannot do must not hide the others
            found, error = [], f"{type(e).__name__}: {e}"
        answer["slopes"].append(found)
        answer["errors"].append(error)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
