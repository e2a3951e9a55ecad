"""Checks Triton model repositories and answers requests as Triton's ONNX backend would.

usage: triton_repository.py PLUGIN <JOB >ANSWER

JOB is {"models": [{"dir", "batches": [[{INPUT: {"dtype", "shape", "data" in base64}}, ...], ...]}]}: batches of
requests. For each model the answer has the parsed configuration's fields, the problems the backend would have
when it loads the model, and for each batch the requests' outputs or the run's error.

config.pbtxt is parsed with Triton's own model_config.proto (tritonclient.grpc.model_config_pb2). What the
backend demands of a graph is in triton-inference-server/onnxruntime_backend, src/onnxruntime.cc
(ValidateInputs, ValidateOutputs) and src/onnxruntime_utils.cc (CompareDimsSupported); how it joins ragged
requests and divides outputs is in SetInputTensors and in triton-inference-server/backend,
src/backend_input_collector.cc and src/backend_output_responder.cc.
"""

import base64
import json
import os
import sys

import numpy as np
import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

PLUGIN = sys.argv[1]
ELEMENTS = {
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_FP16": "tensor(float16)",
}
KINDS = model_config_pb2.BatchInput


def data_type(io):
    return model_config_pb2.DataType.Name(io.data_type)


def shape_of(arg):
    return [d if isinstance(d, int) else -1 for d in arg.shape]


def compare(name, model_shape, dims, max_batch, exact):
    """CompareDimsSupported."""
    full = list(dims)
    if max_batch > 0:
        if not model_shape or model_shape[0] != -1:
            return [f"{name}: the first dimension must be -1, the model has {model_shape}"]
        full = [-1] + full
    if len(full) != len(model_shape):
        return [f"{name}: the model has {model_shape}, the configuration {full}"]
    for have, want in zip(model_shape, full):
        if (exact or have != -1) and have != want:
            return [f"{name}: the model has {model_shape}, the configuration {full}"]
    return []


def validate(config, session):
    """ValidateInputs and ValidateOutputs."""
    problems = []
    inputs = {i.name: i for i in session.get_inputs()}
    outputs = {o.name: o for o in session.get_outputs()}
    made = [n for b in config.batch_input for n in b.target_name]
    if len(inputs) != len(config.input) + len(made):
        problems.append(f"the model has the inputs {sorted(inputs)}")
    problems += [f"no input {n}" for n in made if n not in inputs]
    for ios, found, exact in ((config.input, inputs, False), (config.output, outputs, True)):
        for io in ios:
            if io.name not in found:
                problems.append(f"the model has no {io.name}")
                continue
            have = found[io.name]
            if ELEMENTS[data_type(io)] != have.type:
                problems.append(f"{io.name}: {data_type(io)}, the model has {have.type}")
            if not io.dims:
                problems.append(f"{io.name}: no dims")
            if not exact and io.allow_ragged_batch:
                if shape_of(have) != [-1]:
                    problems.append(f"{io.name}: ragged, the model has {have.shape}")
            elif have.shape:
                problems += compare(io.name, shape_of(have), io.dims, config.max_batch_size, exact)
            elif any(d != 1 for d in io.dims):
                problems.append(f"{io.name}: a scalar, the configuration has {list(io.dims)}")
    return problems


def numpy_type(io):
    return {"TYPE_UINT8": np.uint8, "TYPE_FP32": np.float32, "TYPE_INT64": np.int64}[data_type(io)]


def warmup(config, folder):
    """The requests of each warm-up sample."""
    for sample in config.model_warmup:
        request = {}
        for name, meta in sample.inputs.items():
            kind = numpy_type(meta)
            if meta.WhichOneof("input_data_type") == "input_data_file":
                with open(os.path.join(folder, "warmup", meta.input_data_file), "rb") as f:
                    value = np.frombuffer(f.read(), kind).reshape(list(meta.dims))
            else:
                value = np.zeros(list(meta.dims), kind)
            request[name] = value[None] if config.max_batch_size > 0 else value
        yield [request] * sample.batch_size


def run(config, session, requests):
    """One batch: what each request gets."""
    ragged = {i.name for i in config.input if i.allow_ragged_batch}
    feed = {}
    for io in config.input:
        values = [r[io.name] for r in requests]
        if io.name in ragged:
            feed[io.name] = np.concatenate([v.ravel() for v in values])
        else:
            feed[io.name] = np.concatenate(values)
    for b in config.batch_input:
        counts = np.array([r[b.source_input[0]].size for r in requests], np.int32)
        feed[b.target_name[0]] = counts if b.kind == KINDS.BATCH_ELEMENT_COUNT else np.cumsum(counts, dtype=np.int32)
    results = session.run([o.name for o in config.output], feed)
    if config.max_batch_size == 0:
        return [[r.ravel().tolist() for r in results]]
    answers, row = [], 0
    for r in requests:
        rows = next(iter(r.values())).shape[0]
        answers.append([x[row : row + rows].ravel().tolist() for x in results])
        row += rows
    return answers


def requests_of(batch):
    def value(t):
        return np.frombuffer(base64.b64decode(t["data"]), t["dtype"]).reshape(t["shape"])

    return [{name: value(t) for name, t in request.items()} for request in batch]


def check(job):
    folder = job["dir"]
    config = model_config_pb2.ModelConfig()
    with open(os.path.join(folder, "config.pbtxt"), encoding="utf-8") as f:
        text_format.Parse(f.read(), config)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    if config.model_operations.op_library_filename:
        options.register_custom_ops_library(PLUGIN)
    session = onnxruntime.InferenceSession(os.path.join(folder, "1", "model.onnx"), options, providers=["CPUExecutionProvider"])
    answer = {
        "name": config.name,
        "backend": config.backend,
        "max_batch": config.max_batch_size,
        "delay_us": config.dynamic_batching.max_queue_delay_microseconds,
        "ragged": [i.name for i in config.input if i.allow_ragged_batch],
        "inputs": [i.name for i in config.input],
        "instances": [[g.count, model_config_pb2.ModelInstanceGroup.Kind.Name(g.kind)] for g in config.instance_group],
        "plugins": list(config.model_operations.op_library_filename),
        "parameters": {k: v.string_value for k, v in config.parameters.items()},
        "problems": validate(config, session),
        "warmups": [],
        "batches": [],
    }
    for requests in warmup(config, folder):
        answer["warmups"].append(len(run(config, session, requests)))
    for batch in job["batches"] or []:
        try:
            answer["batches"].append({"answers": run(config, session, requests_of(batch))})
        except Exception as e:  # ONNX Runtime's errors have no common class
            answer["batches"].append({"error": str(e)})
    return answer


json.dump({"models": [check(m) for m in json.load(sys.stdin)["models"]]}, sys.stdout)
