"""What codec transform gives back of a tile, as a linear map: each coefficient's share that survives rounding.

Written from docs/payload.md, block by block and wave by wave.
"""

import math

import torch

from onnx_wire import varint


def read(attributes):
    """Planes, height, width, block height, block width, and a share for each coefficient of a block of each plane."""
    table = attributes["table"].encode("utf-8", "surrogateescape")
    planes, at = varint(table, 1)
    height, at = varint(table, at)
    width, at = varint(table, at)
    down, across = table[at], table[at + 1]
    at += 2 + planes
    finer = 2 ** ((50 - attributes["quality"]) / 16)
    shares = []
    while len(shares) < planes * down * across:
        first, second = table[at], table[at + 1]
        at += 2
        if first == 0:
            shares += [0.0] * second
            continue
        mean = 2 ** ((second - first) / 16) / finer  # the mean magnitude in steps
        coded = 16 * math.log2(mean) >= -50
        # A normal number of variance pi/2 mean^2, with an error of a step's square by 12.
        shares.append(max(0.0, 1 - 1 / (12 * math.pi / 2 * mean**2)) if coded else 0.0)
    return planes, height, width, down, across, torch.tensor(shares).view(planes, down, across)


def waves(n, dtype):
    rows = [[math.sqrt((1 if k == 0 else 2) / n) * math.cos((2 * i + 1) * k * math.pi / (2 * n)) for i in range(n)] for k in range(n)]
    return torch.tensor(rows, dtype=torch.float64).to(dtype)


def repeated(n, block, dtype):
    """The matrix [n rounded up, n] that repeats the last of n samples until they fill blocks."""
    at = torch.arange((n + block - 1) // block * block).clamp(max=n - 1)
    return torch.nn.functional.one_hot(at, n).to(dtype)


def given_back(tile, attributes):
    """The map of tiles [N,1,H,W]. Samples that fill a last block are repeated before, and their mean is taken behind."""
    planes, height, width, down, across, shares = read(attributes)
    vertical, horizontal = waves(down, tile.dtype), waves(across, tile.dtype)
    tall, wide = repeated(height, down, tile.dtype), repeated(width, across, tile.dtype)
    counts = torch.outer(tall.sum(0), wide.sum(0))
    columns = tile.shape[3] // width
    out = []
    for k in range(tile.shape[2] // height * columns):
        top, left = k // columns * height, k % columns * width
        plane = tile[:, 0, top : top + height, left : left + width]
        if k >= planes:
            out.append(torch.zeros_like(plane))
            continue
        whole = tall @ plane @ wide.T
        blocks = whole.unflatten(2, (-1, across)).unflatten(1, (-1, down)).transpose(2, 3)
        blocks = vertical.T @ ((vertical @ blocks @ horizontal.T) * shares[k].to(tile.dtype)) @ horizontal
        whole = blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        out.append(tall.T @ whole @ wide / counts)
    rows = [torch.cat(out[i : i + columns], 2) for i in range(0, len(out), columns)]
    return torch.cat(rows, 1)[:, None]
