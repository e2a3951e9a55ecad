"""What the oracle's scripts share.

A script gets the op library's path as its argument and a job as JSON on stdin,
and prints {"checks": n, "problems": [text]}.
"""

import io
import json
import struct
import sys

import numpy as np
import onnx
import onnxruntime
from PIL import Image

PLUGIN = sys.argv[1]
checks, problems = 0, []


def check(condition, text):
    global checks
    checks += 1
    if not condition:
        problems.append(text)
    return condition


def report():
    json.dump({"checks": checks, "problems": problems}, sys.stdout)


def options(custom_ops=True):
    o = onnxruntime.SessionOptions()
    if custom_ops:
        o.register_custom_ops_library(PLUGIN)
    o.log_severity_level = 4
    o.intra_op_num_threads = 1
    return o


def session(model, custom_ops=True):
    """A session of a file, or of a model in memory."""
    source = model if isinstance(model, str) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options(custom_ops))


def exposed(path, *tensors):
    """The model of a file with these tensors as further outputs; onnxruntime finds out their types."""
    model = onnx.load(path)
    for name in tensors:
        if name not in [o.name for o in model.graph.output]:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
    return model


def node(path, name):
    """The node of that name in a file."""
    (found,) = [n for n in onnx.load(path).graph.node if n.name == name]
    return found


def run(model, feed, custom_ops=True):
    """The outputs of a model by name."""
    s = session(model, custom_ops)
    return dict(zip([o.name for o in s.get_outputs()], s.run(None, feed)))


def metadata(model):
    return {p.key.removeprefix("bnc."): json.loads(p.value) for p in model.metadata_props if p.key.startswith("bnc.")}


def inputs_for(model, seed, batch=1):
    """A random feed for a model's inputs; symbolic dimensions become batch."""
    rng = np.random.default_rng(seed)
    held = {t.name for t in model.graph.initializer}
    feed = {}
    for v in model.graph.input:
        if v.name in held:  # IR 3 lists weights as inputs as well
            continue
        t = v.type.tensor_type
        shape = [d.dim_value or batch for d in t.shape.dim]
        if t.elem_type == onnx.TensorProto.UINT8:
            feed[v.name] = rng.integers(0, 256, shape, dtype=np.uint8)
        else:
            feed[v.name] = rng.normal(size=shape).astype(np.float32)
    return feed


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out + bytes([n]))


def pillow(tile, quality):
    """The entropy-coded bytes of Pillow's JPEG of a tile [H,W], and what that file decodes to."""
    file = io.BytesIO()
    Image.fromarray(tile).save(file, "JPEG", quality=quality)
    jpeg = file.getvalue()
    at = 2
    while True:
        kind, size = struct.unpack(">xBH", jpeg[at : at + 4])
        at += 2 + size
        if kind == 0xDA:
            return jpeg[at:-2], np.asarray(Image.open(io.BytesIO(jpeg)))
