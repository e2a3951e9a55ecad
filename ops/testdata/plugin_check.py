"""Checks the plugin inside Python's ONNX Runtime: plugin_check.py PLUGIN

What the ops must give is built here, from Pillow's JPEG files. Prints the
number of checks; an AssertionError names the first that fails.
"""

import io
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image

U8, F32, I64 = TensorProto.UINT8, TensorProto.FLOAT, TensorProto.INT64
TILE, RANGE, PAYLOAD = ("tile", U8), ("range", F32), ("payload", U8)
checks = 0


def check(condition, text):
    global checks
    checks += 1
    assert condition, text


def options():
    o = onnxruntime.SessionOptions()
    o.register_custom_ops_library(sys.argv[1])
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    return o


def session(op, inputs, outputs, **attributes):
    node = helper.make_node(op, [n for n, _ in inputs], [n for n, _ in outputs], domain="bnc", **attributes)
    infos = [[helper.make_tensor_value_info(n, t, None) for n, t in side if n] for side in (inputs, outputs)]
    model = helper.make_model(
        helper.make_graph([node], op, *infos),
        opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("bnc", 1)],
        ir_version=7,
    )
    return onnxruntime.InferenceSession(model.SerializeToString(), options())


def error_of(call):
    try:
        call()
    except Exception as error:
        return str(error)
    return "no error"


def refuses(call, text):
    found = error_of(call)
    check(text in found, f"expected an error with {text!r}, found: {found}")


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def pillow(tile, quality):
    """The data of one tile and the tile it decodes to."""
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "JPEG", quality=quality)
    jpeg = file.getvalue()
    at = 2
    while True:
        kind, size = struct.unpack(">xBH", jpeg[at : at + 4])
        at += 2 + size
        if kind == 0xDA:
            break
    return jpeg[at:-2], np.asarray(Image.open(io.BytesIO(jpeg)))


def reference(tiles, quality, ranges=None):
    """The payload of tiles [N,1,H,W], its records' sizes, and what it decodes to."""
    records, decoded = [], []
    for i, tile in enumerate(tiles[:, 0]):
        data, back = pillow(tile, quality)
        if ranges is not None:
            data = ranges[i].astype("<f4").tobytes() + data
        records.append(varint(len(data)) + data)
        decoded.append(back[None])
    payload = np.frombuffer(b"".join(records), np.uint8)
    return payload, np.array([len(r) for r in records]), np.stack(decoded)


def same(a, b):
    # Two builds of libjpeg-turbo: the accurate integer transform is exact on
    # both, with and without SIMD.
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b)


def check_values(rng):
    for n, height, width, quality in [(1, 1, 1, 20), (3, 7, 13, 5), (4, 28, 28, 20), (2, 56, 28, 75), (1, 224, 224, 20)]:
        tiles = rng.integers(0, 256, (n, 1, height, width), dtype=np.uint8)
        tiles[0] = np.add.outer(np.arange(height), np.arange(width)) % 256
        sized = dict(height=height, width=width, quality=quality)
        for ranges in (None, rng.normal(size=(n, 2)).astype(np.float32)):
            feed = {"tile": tiles} if ranges is None else {"tile": tiles, "range": ranges}
            extra = [] if ranges is None else [RANGE]
            payload, lengths, decoded = reference(tiles, quality, ranges)

            (got,) = session("JpegEncode", [TILE] + extra, [PAYLOAD], quality=quality).run(None, feed)
            check(np.array_equal(got, payload), f"payload of {sized}")

            decode = session("JpegDecode", [PAYLOAD], [TILE] + extra, **sized, dynamic_range=len(extra))
            for shape in [(-1,), (1, -1)]:
                got = decode.run(None, {"payload": payload.reshape(shape)})
                check(same(got[0], decoded), f"tile of {sized}, payload of rank {len(shape)}")
                check(ranges is None or np.array_equal(got[1], ranges), f"range of {sized}")

            outputs = [("decoded", U8), ("payload_bytes", I64)]
            got = session("JpegRoundTrip", [TILE] + extra, outputs, quality=quality).run(None, feed)
            check(same(got[0], decoded), f"round trip of {sized}")
            check(got[1].dtype == np.int64 and np.array_equal(got[1], lengths), f"sizes of {sized}")


def check_errors(rng):
    sized = dict(height=8, width=8, quality=20)
    for op, inputs, outputs, attributes, text in [
        ("JpegEncode", [TILE], [PAYLOAD], {}, "bnc.JpegEncode: attribute quality is missing"),
        ("JpegEncode", [TILE], [PAYLOAD], {"quality": 0}, "quality is 0, expected 1..100"),
        ("JpegRoundTrip", [TILE], [("decoded", U8), ("n", I64)], {"quality": 101}, "quality is 101"),
        ("JpegDecode", [PAYLOAD], [TILE], {"height": 8, "quality": 20}, "attribute width is missing"),
        ("JpegDecode", [PAYLOAD], [TILE], sized | {"width": 65501}, "tile is 8x65501"),
        ("JpegDecode", [PAYLOAD], [TILE], sized | {"dynamic_range": 2}, "dynamic_range is 2, expected 0 or 1"),
    ]:
        refuses(lambda: session(op, inputs, outputs, **attributes), text)

    encode = session("JpegEncode", [TILE, RANGE], [PAYLOAD], quality=20)
    tiles = rng.integers(0, 256, (2, 1, 8, 8), dtype=np.uint8)
    ranges = np.array([[0, 1], [0, 1]], np.float32)
    for tile, span, text in [
        (tiles[0], ranges, "tile has shape [1,8,8], expected [N,1,H,W]"),
        (tiles.reshape(1, 2, 8, 8), ranges, "expected [N,1,H,W]"),
        (tiles[:0], ranges[:0], "N at least 1"),
        (tiles[:, :, :0], ranges, "tile is 0x8"),
        (tiles, ranges[:1], "range has shape [1,2], expected [2,2]"),
        (tiles, ranges[0], "range has shape [2]"),
        (tiles, ranges * [[1, 1], [1, np.inf]], "range of tile 1"),
        (tiles[:, None], ranges, "rank 5"),
    ]:
        refuses(lambda: encode.run(None, {"tile": tile, "range": span.astype(np.float32)}), text)

    decode = session("JpegDecode", [PAYLOAD], [TILE], **sized)
    (payload, lengths, decoded) = reference(tiles, 20)
    damaged = payload.copy()
    damaged[lengths[0] + 3 : lengths[0] + 5] = 255, 217
    for value, text in [
        (payload[:0], "the payload is empty"),
        (payload[:-1], f"payload record 1 at byte {lengths[0]}"),
        (damaged, f"payload record 1 at byte {lengths[0]}: the data holds a marker"),
        (payload.reshape(1, 1, -1), "payload has shape [1,1,"),
        (np.stack([payload, payload]), "expected [L] or [1,L]"),
    ]:
        refuses(lambda: decode.run(None, {"payload": value}), text)
        check(same(decode.run(None, {"payload": payload})[0], decoded), "the op works after an error")

    for outputs, dynamic in [([TILE], 1), ([TILE, RANGE], 0)]:
        wrong = session("JpegDecode", [PAYLOAD], outputs, **sized, dynamic_range=dynamic)
        refuses(lambda: wrong.run(None, {"payload": payload}), f"the node has {len(outputs)} outputs")


def check_threads(rng):
    """One session's kernels, 16 threads: more than the pool keeps codecs warm."""
    tiles = rng.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8)
    payload, lengths, decoded = reference(tiles, 50)
    ends = np.cumsum(lengths)
    encode = session("JpegEncode", [TILE], [PAYLOAD], quality=50)
    decode = session("JpegDecode", [PAYLOAD], [TILE], height=28, width=28, quality=50)

    def work(i):
        i %= len(tiles)
        one = payload[ends[i] - lengths[i] : ends[i]]
        (got,) = encode.run(None, {"tile": tiles[i : i + 1]})
        (back,) = decode.run(None, {"payload": got})
        damaged = error_of(lambda: decode.run(None, {"payload": got[:-1]})) if i % 8 == 0 else "JpegDecode"
        return np.array_equal(got, one) and same(back[0], decoded[i]) and "JpegDecode" in damaged

    with ThreadPoolExecutor(16) as pool:
        check(all(pool.map(work, range(2000))), "16 threads on one session")
    with ThreadPoolExecutor(8) as pool:
        made = pool.map(lambda _: session("JpegEncode", [TILE], [PAYLOAD], quality=50), range(64))
        check(all(np.array_equal(s.run(None, {"tile": tiles})[0], payload) for s in made), "sessions made at once")


check_values(np.random.default_rng(1))
check_errors(np.random.default_rng(2))
check_threads(np.random.default_rng(3))
print(checks, "checks")
