"""Writes models of single operators with many settings, for the tests of compiler/shape.

    cases.py OUTDIR

Data inputs are graph inputs, everything else is constant. The settings are random with a fixed seed; those
that ONNX Runtime refuses are for the test to count.
"""

import os
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

rng = np.random.default_rng(7)
DTYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64,
          np.dtype(np.uint8): TensorProto.UINT8, np.dtype(np.int8): TensorProto.INT8,
          np.dtype(np.bool_): TensorProto.BOOL, np.dtype(np.int32): TensorProto.INT32}
cases = []


class Const:
    """A constant input."""

    def __init__(self, value, dtype=np.int64):
        self.array = np.asarray(value, dtype)


def floats(*dims):
    return Const(rng.random(dims), np.float32)


class Data:
    """A graph input of the given shape."""

    def __init__(self, *dims, dtype=np.float32):
        self.dims, self.dtype = dims, np.dtype(dtype)


def case(op, inputs, version, outputs=1, domain="", **attributes):
    names, feeds, constants = [], [], []
    for i, v in enumerate(inputs):
        name = f"in{i}"
        if v is None:
            name = ""
        elif isinstance(v, Const):
            constants.append(numpy_helper.from_array(v.array, name))
        else:
            feeds.append(helper.make_tensor_value_info(name, DTYPES[v.dtype], v.dims))
        names.append(name)
    outs = [f"out{i}" for i in range(outputs)]
    attributes = {k: v for k, v in attributes.items() if v is not None}
    node = helper.make_node(op, names, outs, domain=domain, **attributes)
    graph = helper.make_graph([node], op, feeds, [], constants)
    add(op, version, graph, domain)


def add(name, opset, graph, domain=""):
    imports = [helper.make_opsetid("", opset)]
    if domain:
        imports.append(helper.make_opsetid(domain, 3 if domain == "ai.onnx.ml" else 1))
    if not graph.output:
        for node in graph.node:
            for o in node.output:
                graph.output.append(helper.make_empty_tensor_value_info(o))
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    cases.append((f"{len(cases):04}_{domain}{name}_{opset}", model))


def pick(*options):
    return options[rng.integers(len(options))]


def ints(low, high, count):
    return [int(v) for v in rng.integers(low, high + 1, count)]


def windows():
    for op, opset in [("MaxPool", 8), ("MaxPool", 12), ("MaxPool", 22), ("AveragePool", 10), ("AveragePool", 19), ("LpPool", 18)] * 14:
        auto = pick("NOTSET", "NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
        kernel = ints(1, 4, 2)
        dilated = opset >= 12 and auto == "NOTSET"
        attributes = dict(kernel_shape=kernel, strides=ints(1, 4, 2), auto_pad=auto)
        if opset >= 10:
            attributes["ceil_mode"] = pick(0, 1, 1) if auto == "NOTSET" else 0
        if dilated:
            attributes["dilations"] = ints(1, 2, 2)
        if auto == "NOTSET":
            attributes["pads"] = [int(rng.integers(0, k)) for k in kernel * 2]
        case(op, [Data(2, 3, *ints(7, 15, 2))], opset, outputs=pick(1, 2) if op == "MaxPool" and not dilated else 1, **attributes)
    for _ in range(40):
        auto = pick("NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
        group, kernel = pick(1, 1, 2, 4), ints(1, 4, 2)
        attributes = dict(kernel_shape=pick(None, kernel), strides=pick(None, ints(1, 3, 2)), group=group, auto_pad=auto)
        if auto == "NOTSET":
            attributes.update(pads=pick(None, ints(0, 3, 4)), dilations=pick(None, ints(1, 2, 2)))
        x = Data(2, 4, *ints(9, 16, 2))
        case("Conv", [x, floats(8, 4 // group, *kernel)] + pick([], [floats(8)]), pick(7, 11, 22), **attributes)
        attributes["output_padding"] = pick(None, [0, 0], [1, 0]) if attributes["strides"] and min(attributes["strides"]) > 1 else None
        case("ConvTranspose", [x, floats(4, 3, *kernel)], pick(7, 11), **attributes)
    case("ConvTranspose", [Data(1, 2, 5, 6), floats(2, 3, 3, 3)], 11, strides=[3, 2], output_shape=[14, 12])
    case("Conv", [Data(2, 4, 17), floats(6, 4, 3)], 11, strides=[2])
    case("Conv", [Data(2, 2, 5, 6, 7), floats(6, 2, 3, 1, 2)], 11)
    for op in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"):
        case(op, [Data(2, 3, 5, 6)], 11)
    case("MaxUnpool", [Data(1, 1, 2, 2), Const([[[[5, 7], [13, 15]]]])], 11, kernel_shape=[2, 2], strides=[2, 2])
    case("DeformConv", [Data(1, 2, 6, 6), floats(3, 2, 3, 3), Data(1, 18, 4, 4)], 19)
    case("Col2Im", [Data(2, 18, 16), Const([6, 6]), Const([3, 3])], 18)


def images():
    for opset in (11, 13, 18, 19):
        for _ in range(6):
            x = Data(2, 3, *ints(5, 11, 2))
            roi = Const([], np.float32) if opset == 11 else None
            case("Resize", [x, roi, Const([1, 1, pick(0.5, 2, 0.6, 1.7), pick(1.5, 3, 0.3)], np.float32)], opset)
            case("Resize", [x, roi, roi, Const([2, 3] + ints(3, 20, 2))], opset)
        if opset >= 18:
            for policy in ("stretch", "not_larger", "not_smaller"):
                case("Resize", [Data(2, 3, 7, 10), None, None, Const([12, 9])], opset, axes=[2, 3], keep_aspect_ratio_policy=policy)
            case("Resize", [Data(2, 3, 7, 10), None, Const([2.5], np.float32)], opset, axes=[-1])
    case("Resize", [Data(1, 2, 5, 7), Const([1, 1, 2, 0.7], np.float32)], 10)
    case("Upsample", [Data(1, 2, 5, 7), Const([1, 1, 2, 3], np.float32)], 9, mode="nearest")
    case("Upsample", [Data(1, 2, 5, 7)], 7, mode="nearest", scales=[1.0, 1.0, 2.0, 1.5])
    for mode in ("DCR", "CRD"):
        case("DepthToSpace", [Data(2, 12, 3, 5)], 13, blocksize=2, mode=mode)
    case("SpaceToDepth", [Data(2, 3, 6, 10)], 13, blocksize=2)
    case("GridSample", [Data(2, 3, 5, 6), Data(2, 7, 8, 2)], 16)
    case("AffineGrid", [Data(2, 2, 3), Const([2, 3, 5, 6])], 20)
    case("RoiAlign", [Data(1, 3, 9, 9), floats(4, 4), Const([0, 0, 0, 0])], 16, output_height=3, output_width=2)
    case("MaxRoiPool", [Data(1, 3, 9, 9), Const([[0, 1, 1, 4, 5]], np.float32)], 11, pooled_shape=[2, 3])
    case("NonMaxSuppression", [Data(1, 6, 4), Data(1, 2, 6), Const([3])], 11)
    for op in ("ImageScaler", "Crop"):
        case(op, [Data(1, 3, 8, 9)], 8, **(dict(scale=2.0, bias=[1.0, 2.0, 3.0]) if op == "ImageScaler" else dict(border=[1, 2, 3, 1])))
    case("Crop", [Data(1, 3, 8, 9)], 8, border=[1, 2, 0, 0], scale=[4, 5])
    for op, attributes in (("Affine", {}), ("ParametricSoftplus", dict(alpha=1.0, beta=1.0)), ("ScaledTanh", dict(alpha=1.0, beta=1.0)), ("ThresholdedRelu", {}), ("MeanVarianceNormalization", {})):
        case(op, [Data(1, 3, 8, 9)], 8, **attributes)
    case("CenterCropPad", [Data(7, 8, 3), Const([5, 10])], 18, axes=[0, 1])


def movement():
    for _ in range(30):
        x = Data(*ints(3, 9, 3))
        case("Slice", [x, Const(ints(-9, 8, 2)), Const(ints(-9, 9, 2)), Const([0, 2]), Const([pick(1, 2, -1, -2), pick(1, 3)])], pick(10, 13))
    case("Slice", [Data(5, 6)], 9, starts=[1, -3], ends=[9223372036854775807, -1])
    case("Slice", [Data(5, 6)], 9, starts=[1], ends=[4], axes=[1])
    case("Slice", [Data(5, 6), Const([-1]), Const([-9223372036854775808]), Const([1]), Const([-1])], 13)
    for target in ([0, -1], [-1], [2, 0, -1], [4, 3, 2, 5], [-1, 6], [0, 0, 0, 0], [1, -1, 5, 2]):
        case("Reshape", [Data(2, 3, 4, 5), Const(target)], pick(7, 13, 14, 21))
    case("Reshape", [Data(0, 3), Const([3, 0])], 14, allowzero=1)
    for axis in (-3, -1, 0, 1, 2, 4):
        case("Flatten", [Data(2, 3, 4, 5)], 13, axis=axis)
    for opset in (11, 13):
        axes = [0, -2]
        x = Data(1, 3, 1, 5)
        case("Squeeze", [x] + ([Const(axes)] if opset > 11 else []), opset, axes=None if opset > 11 else axes)
        case("Squeeze", [x], opset)
        case("Unsqueeze", [x] + ([Const(axes)] if opset > 11 else []), opset, axes=None if opset > 11 else axes)
    case("Transpose", [Data(2, 3, 4)], 13)
    case("Transpose", [Data(2, 3, 4)], 13, perm=[1, 2, 0])
    case("Split", [Data(2, 9)], 11, outputs=3, axis=1)
    case("Split", [Data(2, 9)], 11, outputs=2, axis=-1, split=[4, 5])
    case("Split", [Data(2, 9), Const([2, 3, 4])], 13, outputs=3, axis=1)
    case("Split", [Data(2, 10)], 18, outputs=4, axis=1, num_outputs=4)
    case("Split", [Data(2, 9)], 18, outputs=2, axis=1, num_outputs=2)
    case("Concat", [Data(2, 3), Data(2, 4), floats(2, 1)], 13, axis=-1)
    case("Expand", [Data(3, 1), Const([2, 1, 4])], 13)
    case("Expand", [Data(2, 3), Const([1])], 13)
    case("Tile", [Data(2, 3), Const([2, 3])], 13)
    case("Gather", [Data(4, 5, 6), Const([[0, 1], [-1, 2]])], 13, axis=1)
    case("Gather", [Data(4, 5), Const(2)], 13)
    case("GatherElements", [Data(3, 4), Const([[0, 1], [2, 0]])], 13)
    case("GatherND", [Data(3, 4, 5), Const([[0, 1], [2, 0]])], 13)
    case("GatherND", [Data(2, 4, 5), Const([[1], [0]])], 13, batch_dims=1)
    case("ScatterND", [Data(4, 5), Const([[1], [0]]), Data(2, 5)], 13)
    case("ScatterElements", [Data(3, 4), Const([[0, 1]]), Data(1, 2)], 13)
    case("Scatter", [Data(3, 4), Const([[0, 1]]), Data(1, 2)], 9)
    case("Pad", [Data(2, 3, 4)], 7, pads=[0, 1, 2, 1, 0, 3])
    case("Pad", [Data(2, 3, 4), Const([0, 1, 2, 1, 0, -1])], 13)
    case("Pad", [Data(2, 3, 4), Const([1, 2]), None, Const([-1])], 18)
    case("NonZero", [Data(3, 4)], 13)
    case("Compress", [Data(3, 4), Const([1, 0, 1], np.bool_)], 11, axis=0)
    case("Compress", [Data(3, 4), Const([1, 0, 1], np.bool_)], 11)
    case("Unique", [Data(9)], 11, outputs=4)
    case("Unique", [Data(3, 4)], 11, outputs=4, axis=1)
    case("TopK", [Data(3, 8), Const([5])], 11, outputs=2)
    case("TopK", [Data(8, 3)], 9, outputs=2, k=2, axis=0)
    case("OneHot", [Data(3, 4, dtype=np.int64), Const(7), Const([0, 1], np.float32)], 11, axis=1)
    case("ConstantOfShape", [Const([2, 3])], 9)
    case("Range", [Const(3), Const(17), Const(4)], 11)
    case("Range", [Const(3, np.float32), Const(-2.5, np.float32), Const(-0.7, np.float32)], 11)
    case("EyeLike", [Data(3, 4)], 9)
    case("Trilu", [Data(3, 4)], 14)
    case("CumSum", [Data(3, 4), Const(1)], 14)
    case("ReverseSequence", [Data(4, 3), Const([1, 2, 3])], 10)
    case("Shape", [Data(3, 4, 5)], 13)
    case("Shape", [Data(3, 4, 5, 6)], 15, start=1, end=-1)
    case("Size", [Data(3, 4, 5)], 13)
    case("Dropout", [Data(3, 4)], 7, outputs=2)
    case("Dropout", [Data(3, 4)], 13, outputs=2)


def arithmetic():
    for op in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "PRelu"):
        case(op, [Data(2, 1, 4), Data(3, 1) if op != "PRelu" else floats(1, 4)], 13)
    for op in ("Less", "Greater", "Equal", "LessOrEqual", "GreaterOrEqual"):
        case(op, [Data(2, 1), Data(1, 3)], 13)
    case("Where", [Data(2, 1, dtype=np.bool_), Data(3), Data(4, 1, 1)], 9)
    case("Mod", [Data(4, 3), Data(3)], 13, fmod=1)
    case("Clip", [Data(2, 3), Const(0, np.float32), Const(1, np.float32)], 13)
    case("Clip", [Data(2, 3)], 7, min=0.0, max=6.0)
    case("Cast", [Data(2, 3)], 13, to=TensorProto.INT32)
    case("IsNaN", [Data(2, 3)], 13)
    for op in "Relu Sigmoid Tanh HardSwish HardSigmoid Elu Selu Softplus Softsign Erf LRN LpNormalization Softmax LogSoftmax Identity Mish".split():
        case(op, [Data(2, 4, 3, 3)], 18, **({"size": 3} if op == "LRN" else {}))
    reductions = [("L1", 18), ("L2", 18), ("LogSum", 18), ("LogSumExp", 18), ("Max", 18), ("Mean", 18), ("Min", 18), ("Prod", 18), ("Sum", 13), ("SumSquare", 18)]
    for name, changed in reductions:
        for opset in (11, changed):
            for axes in (None, [1], [-1, 0], []):
                keep = pick(0, 1)
                if opset == changed:
                    case("Reduce" + name, [Data(2, 3, 4)] + ([] if axes is None else [Const(axes)]), opset,
                         keepdims=keep, noop_with_empty_axes=pick(0, 1))
                else:
                    case("Reduce" + name, [Data(2, 3, 4)], opset, keepdims=keep, axes=axes or None)
    for op in ("ArgMax", "ArgMin"):
        case(op, [Data(2, 3, 4)], 13, axis=-1, keepdims=pick(0, 1))
    for a, b in (((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 1, 3, 4), (5, 4, 6)), ((2, 3, 4), (4, 6)), ((4,), (2, 4, 5))):
        case("MatMul", [Data(*a), Data(*b)], 13)
        case("MatMul", [Data(*a), floats(*b)], 9)
    for ta, tb in ((0, 0), (1, 0), (0, 1), (1, 1)):
        a, b = ((4, 3) if ta else (3, 4)), ((5, 4) if tb else (4, 5))
        case("Gemm", [Data(*a), Data(*b), floats(5)], 11, transA=ta, transB=tb)
        case("FusedMatMul", [Data(2, *a), Data(*b)], 11, domain="com.microsoft", transA=ta, transB=tb)
    for equation, shapes in (("ij,jk->ik", ((2, 3), (3, 4))), ("bij,bjk", ((2, 3, 4), (2, 4, 5))), ("...ij,...jk->...ik", ((2, 7, 3, 4), (2, 7, 4, 5))),
                             ("ii->i", ((3, 3),)), ("i,j->ji", ((3,), (4,))), ("b...->...b", ((2, 3, 4),)), ("ijk->", ((2, 3, 4),))):
        case("Einsum", [Data(*s) for s in shapes], 12, equation=equation)
    case("Det", [Data(2, 3, 3)], 11)


def networks():
    for op, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        for direction, d in (("forward", 1), ("bidirectional", 2)):
            case(op, [Data(5, 2, 3), floats(d, gates * 4, 3), floats(d, gates * 4, 4)], 14, outputs=3 if op == "LSTM" else 2,
                 hidden_size=4, direction=direction)
    vector = floats(4)
    for opset in (7, 9, 14, 15):
        case("BatchNormalization", [Data(2, 4, 3, 3), vector, vector, vector, vector], opset)
    case("InstanceNormalization", [Data(2, 4, 3, 3), vector, vector], 11)
    case("LayerNormalization", [Data(2, 3, 4), vector, vector], 17, outputs=3)
    case("LayerNormalization", [Data(2, 3, 4), floats(3, 4)], 17, outputs=3, axis=1)
    case("GroupNormalization", [Data(2, 4, 3, 3), vector, vector], 21, num_groups=2)
    case("DFT", [Data(2, 9, 1)], 17, onesided=1)
    case("DFT", [Data(2, 9, 2), Const(16)], 17)
    case("STFT", [Data(1, 128, 1), Const(8), floats(16)], 17)
    for op in ("HannWindow", "HammingWindow", "BlackmanWindow"):
        case(op, [Const(10)], 17)
    case("MelWeightMatrix", [Const(8), Const(64), Const(8000), Const(0, np.float32), Const(4000, np.float32)], 17)
    case("SoftmaxCrossEntropyLoss", [Data(3, 5), Const([1, 0, 4])], 13, outputs=2)
    case("NegativeLogLikelihoodLoss", [Data(3, 5), Const([1, 0, 4])], 13, reduction="none")


def quantised():
    scale, zero, signed = Const(0.1, np.float32), Const(3, np.uint8), Const(0, np.int8)
    byte = dict(dtype=np.uint8)
    weights = Const(rng.integers(0, 255, (6, 4, 3, 3)), np.uint8)
    for opset in (10, 13, 19):
        case("QuantizeLinear", [Data(2, 4), scale, zero], opset)
        case("QuantizeLinear", [Data(2, 4), scale, signed], opset)
        case("QuantizeLinear", [Data(2, 4), scale], opset)
        case("DequantizeLinear", [Data(2, 4, **byte), scale, zero], opset)
    case("QuantizeLinear", [Data(2, 4), scale], 21, output_dtype=TensorProto.INT8)
    case("DynamicQuantizeLinear", [Data(2, 4)], 11, outputs=3)
    case("QLinearConv", [Data(1, 4, 7, 8, **byte), scale, zero, weights, scale, zero, scale, zero], 10, pads=[1, 1, 1, 1], strides=[2, 2])
    case("ConvInteger", [Data(1, 4, 7, 8, **byte), weights, zero, zero], 10, strides=[2, 1])
    case("MatMulInteger", [Data(2, 3, 4, **byte), Const(rng.integers(0, 9, (4, 5)), np.uint8)], 10)
    case("QLinearMatMul", [Data(3, 4, **byte), scale, zero, Const(rng.integers(0, 9, (4, 5)), np.uint8), scale, zero, scale, zero], 10)
    ms = dict(domain="com.microsoft")
    x, y = Data(1, 4, 7, 8, **byte), Data(1, 4, 1, 8, **byte)
    for op in ("QLinearAdd", "QLinearMul"):
        case(op, [x, scale, zero, y, scale, zero, scale, zero], 13, **ms)
    case("QLinearConcat", [scale, zero, x, scale, zero, y, scale, zero], 13, axis=2, **ms)
    case("QLinearSigmoid", [x, scale, zero, scale, zero], 13, **ms)
    case("QLinearLeakyRelu", [x, scale, zero, scale, zero], 13, alpha=0.1, **ms)
    for last in (0, 1):
        case("QLinearAveragePool", [x, scale, zero, scale, zero], 13, kernel_shape=[2, 2], strides=[2, 2], channels_last=last, **ms)
        case("QLinearGlobalAveragePool", [x, scale, zero, scale, zero], 13, channels_last=last, **ms)
    case("QLinearConv", [Data(1, 7, 8, 4, **byte), scale, zero, weights, scale, zero, scale, zero], 13, channels_last=1, **ms)
    case("QLinearSoftmax", [Data(2, 4, **byte), scale, zero, scale, zero], 13, opset=13, **ms)
    case("NhwcMaxPool", [Data(1, 7, 8, 4, **byte)], 13, kernel_shape=[3, 2], strides=[2, 1], **ms)
    case("QGemm", [Data(3, 4, **byte), scale, zero, Const(rng.integers(0, 9, (5, 4)), np.uint8), scale, zero], 13, transB=1, **ms)
    case("QGemm", [Data(3, 4, **byte), scale, zero, Const(rng.integers(0, 9, (4, 5)), np.uint8), scale, zero, None, scale, zero], 13, **ms)
    case("MatMulIntegerToFloat", [Data(3, 4, **byte), Const(rng.integers(0, 9, (4, 5)), np.uint8), scale, scale], 13, **ms)
    case("DynamicQuantizeMatMul", [Data(3, 4), Const(rng.integers(0, 9, (4, 5)), np.uint8), scale], 13, **ms)
    case("FusedConv", [Data(1, 4, 7, 8), floats(6, 4, 3, 3)], 13, activation="Relu", pads=[1, 0, 1, 0], **ms)
    case("FusedGemm", [Data(3, 4), floats(4, 5), floats(5)], 13, activation="Relu", **ms)
    for op in ("Gelu", "QuickGelu", "FastGelu"):
        case(op, [Data(2, 3, 4)], 13, **ms)
    case("BiasGelu", [Data(2, 3, 4), floats(4)], 13, **ms)
    case("SkipLayerNormalization", [Data(2, 3, 4), Data(2, 3, 4), floats(4), floats(4)], 13, **ms)
    case("Attention", [Data(2, 3, 8), floats(8, 24), floats(24)], 13, num_heads=2, **ms)


def classical():
    ml = dict(domain="ai.onnx.ml")
    x = Data(5, 4)
    case("Scaler", [x], 13, offset=[0.0], scale=[2.0], **ml)
    case("Normalizer", [x], 13, **ml)
    case("Binarizer", [x], 13, **ml)
    case("Imputer", [x], 13, imputed_value_floats=[0.0], **ml)
    case("ArrayFeatureExtractor", [x, Const([[0, 2]])], 13, **ml)
    case("FeatureVectorizer", [x, Data(5, 2)], 13, inputdimensions=[4, 2], **ml)
    case("LabelEncoder", [Data(5, dtype=np.int64)], 13, keys_int64s=[0, 1], values_floats=[1.0, 2.0], **ml)
    case("LinearRegressor", [x], 13, coefficients=[1.0] * 8, intercepts=[0.0, 1.0], targets=2, **ml)
    for labels in (dict(classlabels_ints=[3, 4, 5]), dict(classlabels_strings=["a", "b", "c"])):
        case("LinearClassifier", [x], 13, outputs=2, coefficients=[1.0] * 12, intercepts=[0.0] * 3, multi_class=1, **labels, **ml)
    case("OneHotEncoder", [Data(5, dtype=np.int64)], 13, cats_int64s=[0, 1, 2], zeros=1, **ml)


def sequences():
    x, y = Data(2, 3), Data(2, 3)
    for nodes, inputs in (
        ([("SequenceConstruct", ["in0", "in1"], "s", {}), ("ConcatFromSequence", ["s"], "out", dict(axis=1))], [x, y]),
        ([("SequenceConstruct", ["in0", "in1"], "s", {}), ("ConcatFromSequence", ["s"], "out", dict(axis=0, new_axis=1))], [x, y]),
        ([("SequenceConstruct", ["in0", "in1"], "s", {}), ("SequenceAt", ["s", "zero"], "a", {}), ("SequenceLength", ["s"], "n", {}),
          ("SequenceInsert", ["s", "a"], "more", {}), ("SequenceErase", ["more"], "fewer", {})], [x, y]),
        ([("SplitToSequence", ["in0"], "s", dict(axis=1)), ("SequenceAt", ["s", "zero"], "a", {})], [x]),
        ([("SplitToSequence", ["in0"], "s", dict(axis=1, keepdims=0)), ("SequenceAt", ["s", "zero"], "a", {})], [x]),
        ([("Optional", ["in0"], "o", {}), ("OptionalHasElement", ["o"], "has", {}), ("OptionalGetElement", ["o"], "a", {})], [x]),
    ):
        made = [helper.make_node(op, ins, [out], **attributes) for op, ins, out, attributes in nodes]
        feeds = [helper.make_tensor_value_info(f"in{i}", TensorProto.FLOAT, v.dims) for i, v in enumerate(inputs)]
        zero = numpy_helper.from_array(np.array(0), "zero")
        add(nodes[-1][0], 18, helper.make_graph(made, "g", feeds, [], [zero]))


def control():
    tensor = helper.make_tensor_value_info
    feed = tensor("x", TensorProto.FLOAT, [2, 3])

    def branch(op, **attributes):
        name = op.lower()
        node = helper.make_node(op, ["x"], [name], **attributes)
        return helper.make_graph([node], name, [], [helper.make_empty_tensor_value_info(name)])

    def graph(nodes, constants=()):
        return helper.make_graph(nodes, "g", [feed], [], list(constants))

    yes = numpy_helper.from_array(np.array(True), "yes")
    trips = numpy_helper.from_array(np.array(3), "trips")
    for then, other in ((branch("Relu"), branch("Abs")), (branch("Transpose"), branch("Exp")), (branch("ReduceSum"), branch("Neg"))):
        add("If", 16, graph([helper.make_node("If", ["yes"], ["out"], then_branch=then, else_branch=other)], [yes]))
        dynamic = [helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0), helper.make_node("Cast", ["m"], ["c"], to=TensorProto.BOOL),
                   helper.make_node("If", ["c"], ["out"], then_branch=then, else_branch=other)]
        add("If", 16, graph(dynamic))
    grow = helper.make_graph(
        [helper.make_node("Concat", ["state", "x"], ["longer"], axis=0), helper.make_node("Identity", ["c_in"], ["c_out"]),
         helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0), helper.make_node("Exp", ["fixed"], ["fixed_out"])],
        "grow", [tensor("i", TensorProto.INT64, []), tensor("c_in", TensorProto.BOOL, []), tensor("state", TensorProto.FLOAT, None), tensor("fixed", TensorProto.FLOAT, None)],
        [tensor("c_out", TensorProto.BOOL, []), tensor("longer", TensorProto.FLOAT, None), tensor("fixed_out", TensorProto.FLOAT, None), tensor("sum", TensorProto.FLOAT, None)])
    add("Loop", 16, graph([helper.make_node("Loop", ["trips", "yes", "x", "x"], ["grown", "same", "sums"], body=grow)], [yes, trips]))
    step = helper.make_graph(
        [helper.make_node("Add", ["acc", "row"], ["acc_out"]), helper.make_node("Neg", ["row"], ["scanned"])], "step",
        [tensor("acc", TensorProto.FLOAT, None), tensor("row", TensorProto.FLOAT, None)],
        [tensor("acc_out", TensorProto.FLOAT, None), tensor("scanned", TensorProto.FLOAT, None)])
    start = numpy_helper.from_array(np.zeros(2, np.float32), "start")
    scan = helper.make_node("Scan", ["start", "x"], ["total", "rows"], body=step, num_scan_inputs=1, scan_input_axes=[1], scan_output_axes=[1])
    add("Scan", 16, graph([scan], [start]))


if __name__ == "__main__":
    for family in (windows, images, movement, arithmetic, networks, quantised, classical, sequences, control):
        family()
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, model in cases:
        with open(os.path.join(sys.argv[1], name + ".onnx"), "wb") as f:
            f.write(model.SerializeToString())
