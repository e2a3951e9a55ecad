"""What operators do, for the facts that rows of the operator table state.

    facts.py schemas    prints of every version of every operator of ai.onnx the types that it gives, those of
                        its inputs by name, and the default of its attribute axis
    facts.py run        runs each operator that the JSON list on standard input names, alone in a model, and tells
                        what it does to numbers

A request is {"op", "versions", "roles"}: the first version that runs counts. Inputs of Data, Operands and Settings
are [2,3,4,5], other ones one number. An operator that does not run on such inputs, or gives no tensor of that shape,
is left out.
"""

import itertools
import json
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

DIMS = [2, 3, 4, 5]
SIZE = int(np.prod(DIMS))


def schemas():
    out = {}
    for s in onnx.defs.get_all_schemas_with_history():
        if s.domain or s.deprecated:
            continue
        axis = s.attributes.get("axis")
        out.setdefault(s.name, []).append({
            "since": s.since_version,
            "gives": sorted(s.outputs[0].types) if s.outputs else [],
            "output": s.outputs[0].type_str if s.outputs else "",
            "inputs": [i.type_str for i in s.inputs],
            "axis": axis.default_value.i if axis and axis.default_value.HasField("i") else None,
        })
    return out


# Types to try, in this order, and how to draw numbers of them. Exponents and bounds stay small.
DRAWS = {
    TensorProto.FLOAT: lambda rng, dims: np.float32(rng.normal(0, 1, dims)),
    TensorProto.BOOL: lambda rng, dims: rng.random(dims) < 0.5,
    TensorProto.INT32: lambda rng, dims: np.int32(rng.integers(-9, 9, dims)),
    TensorProto.UINT8: lambda rng, dims: np.uint8(rng.integers(0, 9, dims)),
}

# What has no default.
ATTRIBUTES = {
    "BitShift": {"direction": "LEFT"}, "ParametricSoftplus": {"alpha": 1.0, "beta": 1.0}, "ScaledTanh": {"alpha": 1.0, "beta": 1.0},
}


def session(request, version, kind):
    inputs, names = [], []
    for i, role in enumerate(request["roles"]):
        setting = role == "Setting"
        spread = role in ("Data", "Operand") or setting
        names.append(f"x{i}")
        inputs.append(helper.make_tensor_value_info(f"x{i}", TensorProto.BOOL if setting else kind, DIMS if spread else [1] if role == "Weight" else []))
    node = helper.make_node(request["op"], names, ["y"], **ATTRIBUTES.get(request["op"], {}))
    graph = helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def look(request):
    for version, (kind, draw) in itertools.product(request["versions"], DRAWS.items()):
        try:
            return examine(session(request, version, kind), draw)
        except Exception:  # no kernel of that type, or other inputs wanted: the test counts what ran
            continue
    return None


def examine(s, draw):
    rng = np.random.default_rng(1)
    wide = {i.name for i in s.get_inputs() if i.shape == DIMS}
    feeds = {i.name: np.asarray(draw(rng, i.shape) if i.type != "tensor(bool)" else rng.random(i.shape) < 0.5) for i in s.get_inputs()}
    y = s.run(None, feeds)[0]
    if list(y.shape) != DIMS:
        return None
    order = rng.permutation(SIZE)
    moved = {n: x.reshape(-1)[order].reshape(DIMS) if n in wide else x for n, x in feeds.items()}
    z = s.run(None, moved)[0]
    again = s.run(None, feeds)[0]
    positive = {n: np.asarray(np.abs(x)) if x.dtype.kind in "fi" else x for n, x in feeds.items()}
    p = s.run(None, positive)[0]
    return {
        "elementwise": bool(np.array_equal(y.reshape(-1)[order].reshape(DIMS), z, equal_nan=y.dtype.kind == "f")),
        "repeats": bool(np.array_equal(y, again, equal_nan=y.dtype.kind == "f")),
        "least": float(np.nanmin(y.astype(np.float64))),
        "least_of_positive": float(np.nanmin(p.astype(np.float64))),
    }


if __name__ == "__main__":
    json.dump(schemas() if sys.argv[1] == "schemas" else [look(r) for r in json.load(sys.stdin)], sys.stdout)
