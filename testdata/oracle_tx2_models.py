"""Writes small models whose operators are newer than operator set 13.

Job: {"dir"}. Answers {"takes": [{"name", "path"}], "refuses": [{"name", "path", "op"}]}: models that --target tx2 has
to convert, and models that it cannot, because of a node of type op named "new". All compute cut [batch,8,12,12].
"""

import json
import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

node = helper.make_node
rng = np.random.default_rng(1)


def const(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def floats(*shape):
    return rng.normal(0, 0.3, shape).astype(np.float32)


def write(folder, name, opset, nodes, init=(), ir=8):
    """x -> Conv -> h -> the nodes -> y -> Conv, Relu -> cut -> Conv -> out."""
    weights = [const("w1", floats(8, 4, 3, 3)), const("w2", floats(8, 8, 1, 1)), const("w3", floats(3, 8, 1, 1))]
    same = dict(kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    graph = helper.make_graph(
        [node("Conv", ["x", "w1"], ["h"], "first", **same), *nodes, node("Conv", ["y", "w2"], ["z"], "second"),
         node("Relu", ["z"], ["cut"], "relu"), node("Conv", ["cut", "w3"], ["out"], "third")],
        name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 12, 12])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", 3, 12, 12])],
        weights + list(init),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)
    path = os.path.join(folder, f"{name}.onnx")
    with open(path, "wb") as f:
        f.write(model.SerializeToString(deterministic=True))
    return path


def one(op, *more, **attributes):
    """A node named new from h and further inputs to y."""
    return [node(op, ["h", *more], ["y"], "new", **attributes)]


def reduction(op, axes, **attributes):
    """The hyperbolic tangent of h less a reduction of it."""
    return [node("Tanh", ["h"], ["t"], "tanh"), node(op, ["t", "axes"] if axes else ["t"], ["r"], "new", keepdims=1, **attributes),
            node("Sub", ["t", "r"], ["y"], "sub")]


I64 = np.int64
SPATIAL, ROWS = [const("axes", np.array([2, -1], I64))], [const("axes", np.array([-1], I64))]
PADS = [const("pads", np.array([0, 0, 1, 2, 0, 0, 1, 0], I64)), const("value", np.float32(0.5))]
POOL = node("MaxPool", ["p"], ["y"], "pool", kernel_shape=[3, 3])  # 14 x 14 -> 12 x 12
DOUBLE = [const("scales", np.array([1, 1, 2, 2], np.float32))]
SIZES = [const("sizes", np.array([1, 8, 24, 24], I64))]
HALVE = node("AveragePool", ["p"], ["y"], "pool", kernel_shape=[2, 2], strides=[2, 2])
NORM = [const("scale", floats(12)), const("bias", floats(12))]

TAKES = [
    ("hardswish", 14, one("HardSwish"), []),
    ("gelu", 20, one("Gelu"), []),
    ("mish", 18, one("Mish"), []),
    ("layernorm", 17, one("LayerNormalization", "scale", "bias", axis=-1, epsilon=1e-3), NORM),
    ("layernorm_planes", 17, one("LayerNormalization", "scale", axis=1), [const("scale", floats(8, 12, 12))]),
    *[(op.lower(), opset, reduction(op, True), axes)
      for op, opset, axes in [("ReduceMean", 18, SPATIAL), ("ReduceMax", 20, SPATIAL), ("ReduceMin", 18, SPATIAL),
                              ("ReduceL1", 18, ROWS), ("ReduceL2", 18, SPATIAL), ("ReduceSumSquare", 18, ROWS),
                              ("ReduceProd", 18, ROWS)]],
    ("reduce_nothing", 18, reduction("ReduceMean", False, noop_with_empty_axes=0), []),
    ("reduce_noop", 18, one("ReduceMean", noop_with_empty_axes=1), []),
    ("reduce_noop_empty", 18, one("ReduceMax", "axes", noop_with_empty_axes=1), [const("axes", np.array([], I64))]),
    ("reducelogsumexp", 18, reduction("ReduceLogSumExp", True), SPATIAL),
    # As PyTorch's exporter by torch.export writes every view and conversion.
    ("reshape_allowzero", 18, [node("Reshape", ["h", "shape"], ["r"], "new", allowzero=1),
                               node("Reshape", ["r", "back"], ["y"], "back", allowzero=1)],
     [const("shape", np.array([-1, 2, 4, 12, 12], I64)), const("back", np.array([-1, 8, 12, 12], I64))]),
    ("reshape_computed", 18, [node("Shape", ["h"], ["n"], "batch", start=0, end=1),
                              node("Concat", ["n", "rest"], ["shape"], "concat", axis=0),
                              node("Reshape", ["h", "shape"], ["y"], "new", allowzero=1)],
     [const("rest", np.array([8, 12, 12], I64))]),
    ("castlike", 18, [node("CastLike", ["two", "h"], ["f"], "new"), node("Mul", ["h", "f"], ["y"], "mul")], [const("two", np.int64(2))]),
    ("pad_axes", 18, [node("Pad", ["h", "pads", "", "axes"], ["p"], "new"), POOL],
     [const("pads", np.array([1, 2, 1, 0], I64)), const("axes", np.array([2, -1], I64))]),
    ("split", 18, [node("Split", ["h"], ["a", "b"], "new", axis=1, num_outputs=2),
                   node("Concat", ["b", "a"], ["y"], "concat", axis=1)], []),
    ("split_uneven", 18, [node("Split", ["h"], ["a", "b", "c"], "new", axis=-3, num_outputs=3),
                          node("Concat", ["c", "a", "b"], ["y"], "concat", axis=1)], []),
    ("pad", 18, [node("Pad", ["h", "pads", "value"], ["p"], "new"), POOL], PADS),
    ("pad_reflect", 19, [node("Pad", ["h", "pads"], ["p"], "new", mode="reflect"), POOL], PADS[:1]),
    ("resize_scales", 18, [node("Resize", ["h", "", "scales"], ["p"], "new", mode="linear", antialias=0), HALVE], DOUBLE),
    ("resize_sizes", 19, [node("Resize", ["h", "", "", "sizes"], ["p"], "new", mode="nearest",
                               keep_aspect_ratio_policy="stretch"), HALVE], SIZES),
    ("shape", 15, [node("Shape", ["h"], ["tail"], "new", start=1, end=3), node("Concat", ["zero", "tail", "last"], ["dims"], "dims", axis=0),
                   node("Reshape", ["h", "dims"], ["y"], "reshape", allowzero=0)],
     [const("zero", np.array([0], I64)), const("last", np.array([-1], I64))]),
    ("batchnorm", 15, one("BatchNormalization", *"abcd", training_mode=0),
     [const(n, np.abs(floats(8)) + np.float32(0.1)) for n in "abcd"]),
    ("averagepool", 19, one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], dilations=[1, 1]), []),
    ("cast", 19, [node("Cast", ["h"], ["i"], "new", to=TensorProto.INT32, saturate=1),
                  node("Cast", ["i"], ["f"], "back", to=TensorProto.FLOAT), node("Sub", ["h", "f"], ["y"], "sub")], []),
    ("prelu", 16, one("PRelu", "slope"), [const("slope", floats(8, 1, 1))]),
    ("plain22", 22, [node("Identity", ["h"], ["i"], "new"), node("Elu", ["i"], ["y"], "elu")], []),
]

REFUSES = [
    ("gelu_tanh", 20, one("Gelu", approximate="tanh"), []),
    ("resize_antialias", 18, [node("Resize", ["h", "", "scales"], ["p"], "new", mode="linear", antialias=1), HALVE], DOUBLE),
    ("resize_axes", 18, [node("Resize", ["h", "", "scales"], ["p"], "new", axes=[2, 3]), HALVE],
     [const("scales", np.array([2, 2], np.float32))]),
    ("pad_wrap", 19, [node("Pad", ["h", "pads"], ["p"], "new", mode="wrap"), POOL], PADS[:1]),
    ("averagepool_dilated", 19, one("AveragePool", kernel_shape=[2, 2], pads=[1, 1, 1, 1], dilations=[2, 2]), []),
    ("groupnorm", 21, one("GroupNormalization", "scale", "bias", num_groups=2), [const("scale", floats(8)), const("bias", floats(8))]),
    ("layernorm_mean", 17, [node("LayerNormalization", ["h", "scale"], ["n", "m"], "new"), node("Add", ["n", "m"], ["y"], "add")], NORM[:1]),
    ("reduce_noop_squares", 18, reduction("ReduceSumSquare", False, noop_with_empty_axes=1), []),
    ("round", 13, one("Round"), []),
]

folder = json.load(sys.stdin)["dir"]
answer = {
    "takes": [{"name": n, "path": write(folder, n, *rest)} for n, *rest in TAKES],
    "refuses": [{"name": n, "path": write(folder, n, *rest), "op": next(x.op_type for x in rest[1] if x.name == "new")}
                for n, *rest in REFUSES],
}
json.dump(answer, sys.stdout)
