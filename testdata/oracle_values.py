"""Checks the values that cross, against an independent quantiser, tiling and JPEG encoder.

Job: [{"name", "dir", "shape", "input", "payload", "outputs"}]: a float32 input, and the payload and first output
that bnc's own runtime makes of it; arrays as base64.
"""

import base64
import json
import math
import os
import sys

import numpy as np
import onnx

from oracle import check, exposed, metadata, node, pillow, problems, report, run, varint

F32 = np.float32


def grid(c):
    """Rows and columns of the tile: the paper's for powers of two, as square as possible otherwise."""
    k = c.bit_length() - 1
    if c == 1 << k:
        return 1 << k // 2, 1 << (k + 1) // 2
    columns = math.isqrt(c - 1) + 1
    return -(-c // columns), columns


def quantise(x, lo, hi, bits):
    """Planes of one image as tile values, in float32 and in the order that the format fixes."""
    if not hi > lo:
        return np.zeros(x.shape, np.uint8)
    top = F32(2**bits - 1)
    q = np.clip(np.floor((x - lo) / (hi - lo) * top + F32(0.5)), F32(0), top)
    return np.floor(q * F32(255) / top + F32(0.5)).astype(np.uint8)


def tiled(planes):
    c, h, w = planes.shape
    rows, columns = grid(c)
    tile = np.zeros((rows * h, columns * w), np.uint8)
    for k, plane in enumerate(planes):
        y, x = k // columns * h, k % columns * w
        tile[y : y + h, x : x + w] = plane
    return tile


def untiled(tile, c):
    rows, columns = grid(c)
    h, w = tile.shape[0] // rows, tile.shape[1] // columns
    return np.stack([tile[k // columns * h :, k % columns * w :][:h, :w] for k in range(c)])


def examine(job):
    name, mobile, cloud = job["name"], os.path.join(job["dir"], "mobile.onnx"), os.path.join(job["dir"], "cloud.onnx")
    meta = metadata(onnx.load(mobile))
    dynamic, graph = meta["range"] == "dynamic", meta["codec_at"] == "graph"
    x = np.frombuffer(base64.b64decode(job["input"]), F32).reshape(job["shape"])
    payload = base64.b64decode(job["payload"])

    features = node(mobile, "bnc.quantiser.sub").input[0]
    tile_name = node(mobile, "bnc.encode").input[0] if graph else "tile"
    out = run(exposed(mobile, features, tile_name), {"input": x})
    reduced, tiles = out[features], out[tile_name]
    rows, columns = grid(reduced.shape[1])
    h, w = reduced.shape[2:]
    check(meta["grid"] == [rows, columns] and meta["tile"] == [rows * h, columns * w], f"{name}: {meta['grid']}, {meta['tile']}")

    records, restored, decoded_tiles, spans = [], [], [], []
    for planes, tile in zip(reduced, tiles):
        lo, hi = (planes.min(), planes.max()) if dynamic else (F32(meta["lo"]), F32(meta["hi"]))
        want = tiled(quantise(planes, lo, hi, meta["bits"]))
        check(tile.shape == (1, *want.shape) and np.array_equal(tile[0], want), f"{name}: {np.sum(tile[0] != want)} other values in the tile")
        data, decoded = pillow(want, meta["quality"])
        if dynamic:
            spans.append([lo, hi])
            data = np.array([lo, hi], "<f4").tobytes() + data
        records.append(varint(len(data)) + data)
        decoded_tiles.append(decoded[None])
        width = max(hi - lo, F32(0))
        restored.append(lo + untiled(decoded, len(planes)).astype(F32) / F32(255) * width)
    expected = b"".join(records)
    check(payload == expected, f"{name}: payload of {len(payload)} bytes, {len(expected)} other ones expected")
    if graph:
        check(out["payload"].tobytes() == expected, f"{name}: the graph's payload differs in Python's onnxruntime")
    elif dynamic:
        check(np.array_equal(out["range"], np.array(spans)), f"{name}: range {out['range']}")

    feed = {"payload": np.frombuffer(expected, np.uint8)}
    if meta["codec_at"] == "host":
        feed = {"tile": np.stack(decoded_tiles)} | ({"range": np.array(spans, F32)} if dynamic else {})
    dequantised = node(cloud, "bnc.quantiser.decode.add").output[0]
    back = run(exposed(cloud, dequantised), feed)
    check(np.array_equal(back[dequantised], np.stack(restored)), f"{name}: other values behind the decoder")
    y = next(iter(back.values()))
    # The same kernels, on another number of threads: sums in another order.
    same = np.allclose(y.ravel(), np.frombuffer(base64.b64decode(job["outputs"]), F32), rtol=1e-4, atol=1e-4 * np.abs(y).max())
    check(same, f"{name}: bnc's runtime has other outputs")


for job in json.load(sys.stdin):
    try:
        examine(job)
    except Exception as error:
        problems.append(f"{job['name']}: {error!r}")
report()
