"""What operators do, for the facts that rows of the operator table state.

    facts.py schemas    prints of every version of every operator of ai.onnx the types that it gives, those of
                        its inputs by name, and the default of its attribute axis
    facts.py run        runs each operator that the JSON list on standard input names, alone in a model, and tells
                        what it does to numbers

A request is {"op", "versions", "roles"}: the first version that runs counts. Inputs of Data, Operands and Settings
are [2,3,4,5], two images; kernels are [3,3,2,2], weights [1] or [3], other ones one number. An operator that does not
run on such inputs is left out, and so is what its outputs are too few or too many for.
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

# What has no default, or one that takes the batch for something else. Older versions have as attributes what newer
# ones have as inputs.
ATTRIBUTES = {
    "BitShift": {"direction": "LEFT"}, "ParametricSoftplus": {"alpha": 1.0, "beta": 1.0}, "ScaledTanh": {"alpha": 1.0, "beta": 1.0},
    "GroupNormalization": {"num_groups": 1}, "LRN": {"size": 3}, "Transpose": {"perm": [0, 2, 3, 1]},
    "Upsample": {"scales": [1.0, 1.0, 2.0, 2.0]},
}
for op in ["AveragePool", "LpPool", "MaxPool"]:
    ATTRIBUTES[op] = {"kernel_shape": [2, 2]}
for op in ["L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"]:
    ATTRIBUTES["Reduce" + op] = {"axes": [1, 2]}


def session(request, version, kind, weight):
    inputs, names = [], []
    for i, role in enumerate(request["roles"]):
        dims = {"Kernel": [3, 3, 2, 2], "Weight": weight, "Statistic": weight, "Number": []}.get(role, ["N", *DIMS[1:]])
        names.append(f"x{i}")
        inputs.append(helper.make_tensor_value_info(f"x{i}", TensorProto.BOOL if role == "Setting" else kind, dims))
    node = helper.make_node(request["op"], names, ["y"], **ATTRIBUTES.get(request["op"], {}))
    graph = helper.make_graph([node], "g", inputs, [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=10)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def look(request):
    for version, (kind, draw), weight in itertools.product(request["versions"], DRAWS.items(), ([1], [3])):
        try:
            return examine(session(request, version, kind, weight), draw)
        except Exception:  # no kernel of that type, or other inputs wanted: the test counts what ran
            continue
    return None


def same(a, b):
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def examine(s, draw):
    rng = np.random.default_rng(1)
    shapes = {i.name: [DIMS[0] if d == "N" else d for d in i.shape] for i in s.get_inputs()}
    whole = {n for n, dims in shapes.items() if dims == DIMS}
    feeds = {i.name: np.asarray(rng.random(shapes[i.name]) < 0.5 if i.type == "tensor(bool)" else draw(rng, shapes[i.name]))
             for i in s.get_inputs()}

    def run(f):
        return s.run(None, {n: np.asarray(f(x)) if n in whole else x for n, x in feeds.items()})[0]

    y = run(lambda x: x)
    if isinstance(y, list) or y.dtype.kind not in "fiub":
        return None
    positive = s.run(None, {n: np.asarray(np.abs(x) if x.dtype.kind in "fi" else x) for n, x in feeds.items()})[0]
    large = run(lambda x: x * 200 / np.abs(x).max() if x.dtype.kind == "f" else x)
    result = {
        "largest_of_200": float(min(np.nanmax(np.abs(large.astype(np.float64))), 1e300)),  # JSON has no infinity
        "repeats": same(y, run(lambda x: x)),
        "least": float(np.nanmin(y.astype(np.float64))),
        "least_of_positive": float(np.nanmin(positive.astype(np.float64))),
    }
    if list(y.shape) == DIMS:
        order = rng.permutation(SIZE)
        result["elementwise"] = same(y.reshape(-1)[order].reshape(DIMS), run(lambda x: x.reshape(-1)[order].reshape(DIMS)))
    if y.ndim > 0 and y.shape[0] == DIMS[0]:
        parts = [run(lambda x: x[:1]), run(lambda x: x[1:])]
        if parts[0].ndim == y.ndim:  # Squeeze takes an axis of one image for one to go
            both = np.concatenate(parts)
            # Sums are added up in an order that depends on the batch: some roundings of float32 more or less.
            result["apart"] = both.shape == y.shape and bool(np.allclose(y, both, rtol=1e-5, atol=1e-6, equal_nan=y.dtype.kind == "f"))
    return result


if __name__ == "__main__":
    json.dump(schemas() if sys.argv[1] == "schemas" else [look(r) for r in json.load(sys.stdin)], sys.stdout)
