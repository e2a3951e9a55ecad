"""ONNX operators in PyTorch: OPS maps an operator to a function of its attributes, opset and inputs.

Rounding inside a bottleneck's quantiser is passed straight through, which is spelt out with detach: the value
is that of the rounding, the gradient that of the identity.
"""

import math

import numpy
import torch
from torch.nn import functional

import torch_windows as windows


def straight(value, x):
    """Value, with the gradient of x."""
    return x + (value - x).detach()


def ints(v):
    return [int(n) for n in v.reshape(-1)]


def reduce(f):
    """F gets x, axes and keepdim. Axes are an attribute or, later, the second input.

    With noop_with_empty_axes nothing is reduced, but squares, magnitudes and so on are taken.
    """

    def apply(a, x, axes=None):
        dims = a.get("axes", []) if axes is None else ints(axes)
        if not dims and a.get("noop_with_empty_axes", 0):
            return f(x.unsqueeze(0), [0], False)
        return f(x, dims or list(range(x.dim())), bool(a.get("keepdims", 1)))

    return apply


def product(x, dims, keep):
    for d in sorted((d % x.dim() for d in dims), reverse=True):
        x = x.prod(d, keepdim=keep)
    return x


def gemm(a, x, w, c=None):
    x = x.T if a.get("transA", 0) else x
    w = w.T if a.get("transB", 0) else w
    y = a.get("alpha", 1.0) * (x @ w)
    return y if c is None else y + a.get("beta", 1.0) * c


def channels(v, x):
    return v.reshape([1, -1] + [1] * (x.dim() - 2))


def batch_norm(a, x, gamma, beta, mean, var):
    eps = a.get("epsilon", 1e-5)
    if a.get("batch statistics"):
        axes = [d for d in range(x.dim()) if d != 1]
        mean, var = x.mean(axes), x.var(axes, unbiased=False)
    z = (x - channels(mean, x)) / (channels(var, x) + eps).sqrt()
    return z * channels(gamma, x) + channels(beta, x)


def layer_norm(a, x, gamma, beta=None):
    axes = list(range(a.get("axis", -1) % x.dim(), x.dim()))
    centred = x - x.mean(axes, keepdim=True)
    z = centred / (centred.square().mean(axes, keepdim=True) + a.get("epsilon", 1e-5)).sqrt()
    return z * gamma if beta is None else z * gamma + beta


def rms_norm(a, x, gamma):
    axes = list(range(a.get("axis", -1) % x.dim(), x.dim()))
    return x / (x.square().mean(axes, keepdim=True) + a.get("epsilon", 1e-5)).sqrt() * gamma


def group_norm(a, x, gamma, beta):
    groups, eps = a["num_groups"], a.get("epsilon", 1e-5)
    y = functional.group_norm(x, groups, eps=eps)
    if gamma.numel() == groups != x.shape[1]:  # before opset 21: one factor a group
        gamma, beta = (v.repeat_interleave(x.shape[1] // groups) for v in (gamma, beta))
    return y * channels(gamma, x) + channels(beta, x)


def lrn(a, x):
    size, ch = a["size"], x.shape[1]
    squares = x.square()
    rows = []
    for c in range(ch):
        rows.append(squares[:, max(0, c - (size - 1) // 2) : min(ch - 1, c + size // 2) + 1].sum(1))
    s = a.get("bias", 1.0) + a.get("alpha", 1e-4) / size * torch.stack(rows, 1)
    return x / s ** a.get("beta", 0.75)


def mean_variance(a, x):
    axes = a.get("axes", [0, 2, 3])
    return (x - x.mean(axes, keepdim=True)) / (x.std(axes, unbiased=False, keepdim=True) + 1e-9)


def clip(a, x, lo=None, hi=None):
    if lo is not None:
        x = torch.where(x <= lo, lo.expand_as(x), x)
    if hi is not None:
        x = torch.where(x >= hi, hi.expand_as(x), x)
    return x


def quantiser_clip(a, x, lo, hi):
    """The lowest and the highest level are inside."""
    return torch.where((x < lo) | (x > hi), x.clamp(float(lo), float(hi)).detach(), x)


def gelu(a, x):
    if a.get("approximate", "none") == "tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def slices(a, x, starts, ends, axes=None, steps=None):
    starts, ends = ints(starts), ints(ends)
    axes = ints(axes) if axes is not None else range(len(starts))
    steps = ints(steps) if steps is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        size = x.shape[axis]
        bounds = slice(start, end if step > 0 or end >= -size else None, step).indices(size)
        x = x.index_select(axis, torch.tensor(list(range(*bounds)), dtype=torch.long))
    return x


def pad(a, x, pads, value=None, axes=None):
    pads = ints(pads)
    axes = [n % x.dim() for n in ints(axes)] if axes is not None else list(range(x.dim()))
    before, after = [0] * x.dim(), [0] * x.dim()
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[len(axes) + i]
    mode = a.get("mode", "constant")
    if mode == "constant":
        return windows.padded(x, before, after, 0.0 if value is None else float(value))
    for axis in range(x.dim()):  # each position's source
        at = numpy.pad(numpy.arange(x.shape[axis]), (max(before[axis], 0), max(after[axis], 0)), mode)
        at = at[max(-before[axis], 0) : len(at) - max(-after[axis], 0)]
        x = x.index_select(axis, torch.as_tensor(at))
    return x


def gather(a, x, index):
    axis = a.get("axis", 0) % x.dim()
    index = torch.where(index < 0, index + x.shape[axis], index)
    shape = list(x.shape[:axis]) + list(index.shape) + list(x.shape[axis + 1 :])
    return x.index_select(axis, index.reshape(-1).long()).reshape(shape)


def reshape(a, x, shape):
    dims = ints(shape)
    if not a.get("allowzero", 0):
        dims = [x.shape[i] if n == 0 else n for i, n in enumerate(dims)]
    return x.reshape(dims)


def squeeze(a, x, axes=None):
    dims = ints(axes) if axes is not None else [d for d in range(x.dim()) if x.shape[d] == 1]
    gone = {d % x.dim() for d in dims}
    return x.reshape([n for d, n in enumerate(x.shape) if d not in gone])


def unsqueeze(a, x, axes):
    axes = ints(axes)
    rank = x.dim() + len(axes)
    new, old = {d % rank for d in axes}, iter(x.shape)
    return x.reshape([1 if d in new else next(old) for d in range(rank)])


def split(a, x, sizes=None):
    axis = a.get("axis", 0)
    if sizes is None:
        parts = a.get("num_outputs", a["outputs"])
        return x.split(-(-x.shape[axis] // parts), axis)
    return x.split(ints(sizes), axis)


def depth_to_space(a, x):
    n, c, h, w = x.shape
    s = a["blocksize"]
    if a.get("mode", "DCR") == "DCR":
        return x.reshape(n, s, s, c // s**2, h, w).permute(0, 3, 4, 1, 5, 2).reshape(n, c // s**2, h * s, w * s)
    return functional.pixel_shuffle(x, s)


def space_to_depth(a, x):
    n, c, h, w = x.shape
    s = a["blocksize"]
    return x.reshape(n, c, h // s, s, w // s, s).permute(0, 3, 5, 1, 2, 4).reshape(n, c * s * s, h // s, w // s)


def cumsum(a, x, axis):
    axis = int(axis)
    x = x.flip(axis) if a.get("reverse", 0) else x
    y = x.cumsum(axis)
    y = y - x if a.get("exclusive", 0) else y
    return y.flip(axis) if a.get("reverse", 0) else y


def along(v, a, x):
    """A scale or zero point, one number or one an element of an axis."""
    if v.numel() == 1:
        return v.reshape(())
    return v.reshape([-1 if d == a.get("axis", 1) % x.dim() else 1 for d in range(x.dim())])


def quantize(a, x, scale, zero=None):
    """Real numbers all the way: the integers of ONNX as what they stand for, straight through where in range."""
    lo, hi = a["range of the zero point"] if zero is not None else (0, 255)
    u = x / along(scale, a, x)
    shift = 0 if zero is None else along(zero, a, x)
    q = u.round() + shift
    inside = (q >= lo) & (q <= hi)
    return torch.where(inside, straight(q, u + shift), q.clamp(lo, hi).detach())


def dequantize(a, x, scale, zero=None):
    return (x - (0 if zero is None else along(zero, a, x))) * along(scale, a, x)


def extremum(f):
    def apply(a, *xs):
        y = xs[0]
        for x in xs[1:]:
            y = f(y, x)
        return y

    return apply


def total(a, *xs):
    return sum(xs[1:], xs[0])


def softmax(f):
    return lambda a, x: f(x, dim=a.get("axis", -1))


def unary(f):
    return lambda a, x: f(x)


SPATIAL = lambda x: list(range(2, x.dim()))  # noqa: E731

OPS = {
    "Identity": unary(lambda x: x),
    "Dropout": lambda a, x, *rest: x,
    "Constant": lambda a: next(torch.as_tensor(numpy.array(v)) for k, v in a.items() if k.startswith("value")),
    "Shape": lambda a, x: torch.tensor(list(x.shape)[a.get("start", 0) : a.get("end")]),
    # Elementwise functions.
    "Neg": unary(torch.neg), "Relu": unary(torch.relu), "Sigmoid": unary(torch.sigmoid), "Tanh": unary(torch.tanh),
    "Erf": unary(torch.erf), "Exp": unary(torch.exp), "Log": unary(torch.log), "Sqrt": unary(torch.sqrt),
    "Abs": unary(torch.abs), "Reciprocal": unary(torch.reciprocal), "Sin": unary(torch.sin), "Cos": unary(torch.cos),
    "Tan": unary(torch.tan), "Sinh": unary(torch.sinh), "Cosh": unary(torch.cosh), "Asin": unary(torch.asin),
    "Acos": unary(torch.acos), "Atan": unary(torch.atan), "Asinh": unary(torch.asinh), "Acosh": unary(torch.acosh),
    "Atanh": unary(torch.atanh), "Sign": unary(torch.sign), "Floor": unary(torch.floor), "Ceil": unary(torch.ceil),
    "Round": unary(torch.round), "Softplus": unary(lambda x: torch.logaddexp(x, torch.zeros_like(x))),
    "Softsign": unary(functional.softsign), "Mish": unary(functional.mish), "Gelu": gelu, "Clip": clip,
    "LeakyRelu": lambda a, x: functional.leaky_relu(x, a.get("alpha", 0.01)),
    "Elu": lambda a, x: torch.where(x > 0, x, a.get("alpha", 1.0) * torch.expm1(x.clamp(max=0))),
    "Selu": lambda a, x: a.get("gamma", 1.05070102214813232421875)
    * torch.where(x > 0, x, a.get("alpha", 1.67326319217681884765625) * torch.expm1(x.clamp(max=0))),
    "Celu": lambda a, x: functional.celu(x, a.get("alpha", 1.0)),
    "ThresholdedRelu": lambda a, x: torch.where(x > a.get("alpha", 1.0), x, torch.zeros_like(x)),
    "Shrink": lambda a, x: torch.where(x < -a.get("lambd", 0.5), x + a.get("bias", 0.0),
        torch.where(x > a.get("lambd", 0.5), x - a.get("bias", 0.0), torch.zeros_like(x))),
    "HardSigmoid": lambda a, x: (a.get("alpha", 0.2) * x + a.get("beta", 0.5)).clamp(0, 1),
    "HardSwish": unary(lambda x: x * (x / 6 + 0.5).clamp(0, 1)),
    "Swish": lambda a, x: x * torch.sigmoid(a.get("alpha", 1.0) * x),
    "PRelu": lambda a, x, s: torch.where(x > 0, x, x * s),
    "Softmax": softmax(torch.softmax), "LogSoftmax": softmax(torch.log_softmax),
    # Several operands.
    "Add": lambda a, x, y: x + y, "Sub": lambda a, x, y: x - y, "Mul": lambda a, x, y: x * y,
    "Div": lambda a, x, y: x / y, "Pow": lambda a, x, y: x**y, "Sum": total,
    "Mean": lambda a, *xs: total(a, *xs) / len(xs), "Where": lambda a, c, x, y: torch.where(c, x, y),
    "Max": extremum(torch.maximum), "Min": extremum(torch.minimum), "Mod": lambda a, x, y: torch.fmod(x, y),
    "Greater": lambda a, x, y: x > y, "Less": lambda a, x, y: x < y, "Equal": lambda a, x, y: x == y,
    # Linear maps and normalisations.
    "Conv": windows.conv, "ConvTranspose": windows.conv_transpose, "Gemm": gemm, "MatMul": lambda a, x, y: x @ y,
    "Einsum": lambda a, *xs: torch.einsum(a["equation"], *xs),
    "BatchNormalization": batch_norm, "LayerNormalization": layer_norm, "RMSNormalization": rms_norm,
    "GroupNormalization": group_norm, "LRN": lrn, "MeanVarianceNormalization": mean_variance,
    "InstanceNormalization": lambda a, x, g, b: functional.instance_norm(x, weight=g, bias=b, eps=a.get("epsilon", 1e-5)),
    "SimplifiedLayerNormalization": rms_norm,
    "LpNormalization": lambda a, x: x / x.norm(a.get("p", 2), dim=a.get("axis", -1), keepdim=True),
    # Moving elements about.
    "Reshape": reshape, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Slice": slices, "Pad": pad, "Gather": gather,
    "Flatten": lambda a, x: x.reshape(math.prod(x.shape[: a.get("axis", 1)]), -1),
    "Transpose": lambda a, x: x.permute(a.get("perm", list(range(x.dim()))[::-1])),
    "Expand": lambda a, x, shape: x.expand(torch.broadcast_shapes(x.shape, ints(shape))),
    "Concat": lambda a, *xs: torch.cat(xs, a["axis"]), "Split": split, "Tile": lambda a, x, n: x.tile(ints(n)),
    "Range": lambda a, s, e, d: s + d * torch.arange(math.ceil((float(e) - float(s)) / float(d))),
    "DepthToSpace": depth_to_space, "SpaceToDepth": space_to_depth,
    "CumSum": cumsum, "CastLike": lambda a, x, y: x, "Trilu": lambda a, x, k=None: (torch.triu if a.get("upper", 1)
        else torch.tril)(x, 0 if k is None else int(k)),
    # Pooling, reductions.
    "MaxPool": windows.max_pool, "AveragePool": windows.average_pool, "Resize": windows.resize,
    "GlobalAveragePool": unary(lambda x: x.mean(SPATIAL(x), keepdim=True)),
    "GlobalMaxPool": unary(lambda x: x.amax(SPATIAL(x), keepdim=True)),
    "ReduceSum": reduce(lambda x, d, k: x.sum(d, keepdim=k)), "ReduceMean": reduce(lambda x, d, k: x.mean(d, keepdim=k)),
    "ReduceMax": reduce(lambda x, d, k: x.amax(d, keepdim=k)), "ReduceMin": reduce(lambda x, d, k: x.amin(d, keepdim=k)),
    "ReduceSumSquare": reduce(lambda x, d, k: x.square().sum(d, keepdim=k)), "ReduceProd": reduce(product),
    "ReduceL2": reduce(lambda x, d, k: x.square().sum(d, keepdim=k).sqrt()),
    "ReduceL1": reduce(lambda x, d, k: x.abs().sum(d, keepdim=k)),
    "ReduceLogSum": reduce(lambda x, d, k: x.sum(d, keepdim=k).log()),
    "ReduceLogSumExp": reduce(lambda x, d, k: x.logsumexp(d, keepdim=k)),
    # Integers that stand for numbers.
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize,
}  # fmt: skip

# The same in a bottleneck's quantiser, straight through.
QUANTISER = {
    "Floor": unary(lambda x: straight(x.floor(), x)),
    "Round": unary(lambda x: straight(x.round(), x)),
    "Clip": quantiser_clip,
}
