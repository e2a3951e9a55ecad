"""Reads ONNX files with nothing but numpy: the few messages that an interpreter of graphs needs.

Field numbers are those of onnx.proto; the wire format is that of protocol buffers.
"""

import struct
from types import SimpleNamespace

import numpy

DTYPES = {
    1: numpy.float32, 2: numpy.uint8, 3: numpy.int8, 4: numpy.uint16, 5: numpy.int16, 6: numpy.int32,
    7: numpy.int64, 9: numpy.bool_, 10: numpy.float16, 11: numpy.float64, 12: numpy.uint32, 13: numpy.uint64,
}  # fmt: skip


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """Splits a message into {number: [value, ...]}: an int, or bytes of any other wire type."""
    out, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                size, at = varint(data, at)
            value = data[at : at + size]
            at += size
        out.setdefault(tag >> 3, []).append(value)
    return out


def signed(value):
    return value - (1 << 64) if value >> 63 else value


def integers(values):
    """A repeated int64, packed or not."""
    out = []
    for value in values:
        if isinstance(value, int):
            out.append(signed(value))
            continue
        at = 0
        while at < len(value):
            one, at = varint(value, at)
            out.append(signed(one))
    return out


def text(message, number):
    """A string; bytes that are no text, as those of a codec's table, come back by the same error handler."""
    return bytes(message.get(number, [b""])[-1]).decode(errors="surrogateescape")


def tensor(data):
    """A TensorProto as (name, array)."""
    message = fields(data)
    dtype = DTYPES[message[2][-1]]
    dims = integers(message.get(1, []))
    if 9 in message:
        array = numpy.frombuffer(message[9][-1], dtype)
    elif 4 in message:
        array = numpy.frombuffer(b"".join(bytes(v) for v in message[4]), numpy.float32)
    elif 10 in message:
        array = numpy.frombuffer(b"".join(bytes(v) for v in message[10]), numpy.float64)
    else:
        array = numpy.array(integers(message.get(5, []) + message.get(7, [])))
    return text(message, 8), array.astype(dtype).reshape(dims)


def attribute(data):
    """An AttributeProto as (name, value), by the kind that it states."""
    message = fields(data)
    kind = message[20][-1]
    values = {
        1: lambda: struct.unpack("<f", message[2][-1])[0],
        2: lambda: signed(message[3][-1]),
        3: lambda: text(message, 4),
        4: lambda: tensor(message[5][-1])[1],
        6: lambda: list(numpy.frombuffer(b"".join(bytes(v) for v in message.get(7, [])), numpy.float32).astype(float)),
        7: lambda: integers(message.get(8, [])),
    }
    # The value 0, the empty string and so on may be left out of the message.
    empty = {1: 2, 2: 3, 3: 4}.get(kind)
    if empty and empty not in message:
        return text(message, 1), {1: 0.0, 2: 0, 3: ""}[kind]
    return text(message, 1), values[kind]()


def node(data):
    message = fields(data)
    return SimpleNamespace(
        inputs=[bytes(v).decode() for v in message.get(1, [])],
        outputs=[bytes(v).decode() for v in message.get(2, [])],
        name=text(message, 3),
        op=text(message, 4),
        domain=text(message, 7),
        attributes=dict(attribute(a) for a in message.get(5, [])),
    )


def load(path):
    """Reads a model: nodes in order, initializers by name, names of outputs, opset of the default domain."""
    with open(path, "rb") as file:
        model = fields(memoryview(file.read()))
    graph = fields(model[7][-1])
    opset = 1
    for entry in map(fields, model.get(8, [])):
        if text(entry, 1) in ("", "ai.onnx"):
            opset = entry[2][-1]
    return SimpleNamespace(
        nodes=[node(n) for n in graph.get(1, [])],
        initializers=dict(tensor(t) for t in graph.get(5, [])),
        outputs=[text(fields(v), 1) for v in graph.get(12, [])],
        opset=opset,
    )
