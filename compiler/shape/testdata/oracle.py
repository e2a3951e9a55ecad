"""What ONNX and ONNX Runtime say, for the tests of compiler/shape.

    oracle.py schemas    prints the versions and arities of every operator schema
    oracle.py run        runs the models that the JSON list on standard input names and prints
                         the real element type and shape of every value
    oracle.py verdicts   tells of the models that the JSON list on standard input holds in ONNX's text
                         syntax whether onnx.checker and ONNX Runtime take them

A request is {"model": path, "sizes": {symbol or input.axis: size}, "feeds": {input: path of a TensorProto}}.
Inputs without a file are random; sizes that the request leaves open are 1.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime as ort


def schema_rows(schemas):
    rows = {}
    for s in schemas:
        rows.setdefault(s.domain, {}).setdefault(s.name, []).append(
            {"since": s.since_version, "deprecated": s.deprecated,
             "in": [s.min_input, s.max_input], "out": [s.min_output, s.max_output]})
    return rows


def schemas():
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    return {
        "onnx": schema_rows(onnx.defs.get_all_schemas_with_history()),
        "onnxruntime": schema_rows(state.get_all_operator_schema()),
    }


def describe(value):
    if value is None:
        return None
    if isinstance(value, list):
        return {"sequence": [describe(v) for v in value]}
    if not isinstance(value, np.ndarray):
        return None
    result = {"dtype": "string" if value.dtype.kind in "OU" else str(value.dtype), "dims": list(value.shape)}
    if value.dtype.kind in "iub" and value.size <= 64:
        result["ints"] = [int(v) for v in value.flatten()]
    return result


TYPES = {
    "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
    "tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8,
    "tensor(bool)": np.bool_, "tensor(uint16)": np.uint16, "tensor(int16)": np.int16,
}


def run(request):
    model = onnx.load(request["model"])
    have = {o.name for o in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in have:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    feeds, sizes = {}, request.get("sizes", {})
    for i in session.get_inputs():
        if i.name in request.get("feeds", {}):
            tensor = onnx.TensorProto()
            with open(request["feeds"][i.name], "rb") as f:
                tensor.ParseFromString(f.read())
            feeds[i.name] = onnx.numpy_helper.to_array(tensor)
            continue
        dims = [d if isinstance(d, int) else sizes.get(d, sizes.get(f"{i.name}.{axis}", 1))
                for axis, d in enumerate(i.shape)]
        feeds[i.name] = rng.random(dims).astype(TYPES[i.type])
    names = [o.name for o in session.get_outputs()]
    values = dict(zip(names, session.run(names, feeds)))
    values.update(feeds)
    return {name: describe(v) for name, v in values.items()}


def takes(f, *args):
    try:
        f(*args)
        return True
    except Exception:  # each library has its own
        return False


def verdict(text):
    model = onnx.parser.parse_model(text)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return {"checker": takes(onnx.checker.check_model, model),
            "runtime": takes(ort.InferenceSession, model.SerializeToString(), options)}


def attempt(request):
    try:
        return {"values": run(request)}
    except Exception as e:  # the test decides what a refusal means
        return {"error": str(e)}


if __name__ == "__main__":
    if sys.argv[1] == "schemas":
        result = schemas()
    elif sys.argv[1] == "verdicts":
        result = [verdict(text) for text in json.load(sys.stdin)]
    else:
        result = [attempt(r) for r in json.load(sys.stdin)]
    json.dump(result, sys.stdout)
