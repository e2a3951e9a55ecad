"""Convolution, pooling and resizing of ONNX in PyTorch.

Padding is always spelt out and the operators themselves get none, so that none of PyTorch's own rules for odd
sizes takes part.
"""

import math

import numpy
import torch
from torch.nn import functional


def window(a, kernel, size, deconvolution=False):
    """Strides, dilations and pads as lists of one element an axis; size is that of the input's rows and columns."""
    rank = len(kernel)
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    extent = [d * (k - 1) + 1 for d, k in zip(dilations, kernel)]
    pads = a.get("pads", [0] * 2 * rank)
    before, after = list(pads[:rank]), list(pads[rank:])
    auto = a.get("auto_pad", "NOTSET")
    if auto.startswith("SAME") or "output_shape" in a:
        for i in range(rank):
            if deconvolution:
                extra = a.get("output_padding", [0] * rank)[i]
                out = a["output_shape"][-rank:][i] if "output_shape" in a else size[i] * strides[i]
                total = (size[i] - 1) * strides[i] + extra + extent[i] - out
                small = total // 2
                before[i] = small if auto == "SAME_UPPER" else total - small
            else:
                out = -(-size[i] // strides[i])
                total = max((out - 1) * strides[i] + extent[i] - size[i], 0)
                before[i] = total // 2 if auto == "SAME_UPPER" else total - total // 2
            after[i] = total - before[i]
    return strides, dilations, extent, before, after


def padded(x, before, after, value=0.0):
    flat = [n for pair in zip(before[::-1], after[::-1]) for n in pair]
    return functional.pad(x, flat, value=value)


def conv(a, x, w, b=None):
    strides, dilations, _, before, after = window(a, w.shape[2:], x.shape[2:])
    wide, group = padded(x, before, after), a.get("group", 1)
    if x.dim() == 4 and group == x.shape[1] > 1:
        return depthwise(wide, w, b, strides, dilations)
    f = {3: functional.conv1d, 4: functional.conv2d, 5: functional.conv3d}[x.dim()]
    return f(wide, w, b, strides, 0, dilations, group)


def depthwise(x, w, b, strides, dilations):
    """PyTorch's own takes a second in float64."""
    n, c = x.shape[:2]
    size = [(i - d * (k - 1) - 1) // s + 1 for i, d, k, s in zip(x.shape[2:], dilations, w.shape[2:], strides)]
    columns = functional.unfold(x, w.shape[2:], dilations, 0, strides).reshape(n, c, -1, math.prod(size))
    y = torch.matmul(w.reshape(c, w.shape[0] // c, -1), columns).reshape(n, w.shape[0], *size)
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def conv_transpose(a, x, w, b=None):
    strides, dilations, _, before, after = window(a, w.shape[2:], x.shape[2:], deconvolution=True)
    f = {3: functional.conv_transpose1d, 4: functional.conv_transpose2d}[x.dim()]
    full = f(x, w, None, strides, 0, 0, a.get("group", 1), dilations)
    extra = a.get("output_padding", [0] * len(before))
    y = padded(full, [-n for n in before], [e - n for e, n in zip(extra, after)])
    return y if b is None else y + b.reshape([1, -1] + [1] * len(before))


def hanging(a, x, before, after, extent, strides):
    """What the last windows reach beyond the padding: with ceil_mode a part of one, if it begins inside."""
    out = []
    for n, b, e, k, s in zip(x.shape[2:], before, after, extent, strides):
        count = (n + b + e - k) / s + 1
        count = math.ceil(count) if a.get("ceil_mode", 0) else math.floor(count)
        if (count - 1) * s >= n + b:
            count -= 1
        out.append(max((count - 1) * s + k - (n + b + e), 0))
    return out


def max_pool(a, x):
    kernel = a["kernel_shape"]
    strides, dilations, extent, before, after = window(a, kernel, x.shape[2:])
    more = hanging(a, x, before, after, extent, strides)
    wide = padded(x, before, [p + m for p, m in zip(after, more)], -math.inf)
    return functional.max_pool2d(wide, kernel, strides, 0, dilations)


def average_pool(a, x):
    """The sum of each window's elements, columns of unfold, over how many of them count."""
    kernel = a["kernel_shape"]
    strides, dilations, extent, before, after = window(a, kernel, x.shape[2:])
    more = hanging(a, x, before, after, extent, strides)
    size = [
        (n + b + e + m - k) // s + 1 for n, b, e, m, k, s in zip(x.shape[2:], before, after, more, extent, strides)
    ]

    def sums(v):
        columns = functional.unfold(v, kernel, dilations, 0, strides)
        return columns.reshape(*v.shape[:2], math.prod(kernel), *size).sum(2)

    counted = torch.ones_like(x)
    if a.get("count_include_pad", 0):
        counted = padded(padded(counted, before, after, 1.0), [0, 0], more)
    else:
        counted = padded(counted, before, [p + m for p, m in zip(after, more)])
    return sums(padded(x, before, [p + m for p, m in zip(after, more)])) / sums(counted)


def source(a, out, size, scale):
    """Where in the input an output position is, by ONNX's coordinate_transformation_mode.

    In float32, as ONNX Runtime computes: the nearest element can depend on the last bit. PyTorch divides otherwise.
    """
    mode = a.get("coordinate_transformation_mode", "half_pixel")
    i = numpy.arange(out, dtype=numpy.float32)
    one, half, size, scale = (numpy.float32(v) for v in (1, 0.5, size, scale))
    if mode == "asymmetric":
        at = i / scale
    elif out == 1 and mode in ("align_corners", "pytorch_half_pixel"):
        at = i * 0
    elif mode == "align_corners":
        at = i * (size - one) / numpy.float32(out - 1)
    else:
        at = (i + half) / scale
        if mode == "half_pixel_symmetric":
            at = size * half * (one - numpy.float32(out) / (scale * size)) + at
        at = at - half
    return torch.from_numpy(at)


def resize(a, x, roi=None, scales=None, sizes=None):
    y = x
    for axis in range(x.dim()):
        size = x.shape[axis]
        if sizes is not None and sizes.numel():
            out = int(sizes[axis])
            scale = out / size
        else:
            scale = float(scales[axis])
            out = math.floor(size * scale)
        if (out, scale) == (size, 1):
            continue
        at = source(a, out, size, scale)
        if a.get("mode", "nearest") == "linear":
            at = at.clamp(0, size - 1)
            low = at.floor().long()
            part = (at - low).to(x.dtype).reshape([-1 if d == axis else 1 for d in range(x.dim())])
            above = (low + 1).clamp(max=size - 1)
            y = y.index_select(axis, low) * (1 - part) + y.index_select(axis, above) * part
            continue
        near = {
            "floor": torch.floor,
            "ceil": torch.ceil,
            "round_prefer_floor": lambda v: torch.ceil(v - 0.5),
            "round_prefer_ceil": lambda v: torch.floor(v + 0.5),
        }[a.get("nearest_mode", "round_prefer_floor")](at)
        y = y.index_select(axis, near.long().clamp(0, size - 1))
    return y
