"""Calls a running bnc serve with Triton's client library and compares its answers with ONNX Runtime's own.

usage: tritonclient_calls.py PLUGIN <JOB >ANSWER

JOB is {"http", "grpc": addresses, "bundle", "whole": paths of two served models whose names are the last parts of
their paths}. ANSWER is {"checks": number, "problems": [text]}.
"""

import asyncio
import json
import os
import queue
import sys

import numpy as np
import onnxruntime
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as grpcaio
import tritonclient.http as httpclient
import tritonclient.http.aio as httpaio
from tritonclient.utils import InferenceServerException

job = json.load(sys.stdin)
checks, problems = 0, []


def check(what, ok, found=""):
    global checks
    checks += 1
    if not ok:
        problems.append(f"{what}: {found}")
    return ok


def session(path):
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(sys.argv[1])
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def make(module, name, array, datatype, **how):
    x = module.InferInput(name, list(array.shape), datatype)
    x.set_data_from_numpy(array, **how)
    return x


def same(what, result, want):
    # The same library computes the same graph; only how it divides work among threads may differ.
    for name, array in want.items():
        got = result.as_numpy(name)
        ok = got is not None and got.shape == array.shape and np.allclose(got, array, rtol=1e-5, atol=1e-6)
        check(f"{what}: {name}", ok, f"{got} instead of {array}")


mobile, cloud = (session(f"{job['bundle']}/{half}.onnx") for half in ("mobile", "cloud"))
name = os.path.basename(job["bundle"])
pair = json.loads(cloud.get_modelmeta().custom_metadata_map["bnc.pair"])
rng = np.random.default_rng(1)


def images(n):
    return rng.random((n, 3, 32, 32), dtype=np.float32)


def answers(payload):
    return dict(zip([o.name for o in cloud.get_outputs()], cloud.run(None, {"payload": payload})))


payload = mobile.run(["payload"], {"input": images(1)})[0]
two = mobile.run(["payload"], {"input": images(2)})[0]
want = answers(payload)
http = httpclient.InferenceServerClient(job["http"], concurrency=4)
grpc = grpcclient.InferenceServerClient(job["grpc"])

# Health and metadata.
for what, client in (("http", http), ("grpc", grpc)):
    check(f"{what}: live", client.is_server_live())
    check(f"{what}: ready", client.is_server_ready())
    check(f"{what}: model ready", client.is_model_ready(name) and client.is_model_ready(name, "1"))
    check(f"{what}: no such model", not client.is_model_ready("none"))
    as_json = {} if client is http else {"as_json": True}
    server = client.get_server_metadata(**as_json)
    check(f"{what}: server", server["name"] == "bnc" and "binary_tensor_data" in server["extensions"], server)
    model = client.get_model_metadata(name, **as_json)
    (entry,) = model["inputs"]
    check(f"{what}: input", (entry["name"], entry["datatype"], [int(d) for d in entry["shape"]]) == ("payload", "UINT8", [-1]), model)
    check(f"{what}: outputs", [o["name"] for o in model["outputs"]] == list(want), model)
check("http: pair", http.get_model_metadata(name)["properties"]["bnc_pair"] == pair)

# Inference, every way the library has.
for what, array in (("rank 1", payload), ("rank 2", payload[np.newaxis]), ("two images", two)):
    right = answers(array.reshape(-1))
    for binary in (True, False):
        outputs = [httpclient.InferRequestedOutput(o, binary_data=binary) for o in right]
        inputs = [make(httpclient, "payload", array, "UINT8", binary_data=binary)]
        result = http.infer(name, inputs, outputs=outputs, request_id="r1", parameters={"bnc_pair": pair})
        same(f"http {what} binary={binary}", result, right)
        check("http: id", result.get_response()["id"] == "r1")
        times = result.get_response()["parameters"]
        check("http: times", times["bnc_queue_ms"] >= 0 and times["bnc_compute_ms"] > 0, times)
    inputs = [make(grpcclient, "payload", array, "UINT8")]
    result = grpc.infer(name, inputs, request_id="r2", parameters={"bnc_pair": pair})
    same(f"grpc {what}", result, right)
    check("grpc: id", result.get_response().id == "r2")
    check("grpc: times", result.get_response().parameters["bnc_compute_ms"].double_param > 0)

waiting = [http.async_infer(name, [make(httpclient, "payload", payload, "UINT8")]) for _ in range(16)]
for one in waiting:
    same("http async_infer", one.get_result(), want)
done = queue.Queue()
for _ in range(16):
    grpc.async_infer(name, [make(grpcclient, "payload", payload, "UINT8")], callback=lambda result, error: done.put((result, error)))
for _ in range(16):
    result, error = done.get(timeout=60)
    check("grpc async_infer: error", error is None, error)
    if error is None:
        same("grpc async_infer", result, want)


async def asynchronous():
    async with httpaio.InferenceServerClient(job["http"]) as client:
        same("http.aio", await client.infer(name, [make(httpaio, "payload", payload, "UINT8")]), want)
    async with grpcaio.InferenceServerClient(job["grpc"]) as client:
        same("grpc.aio", await client.infer(name, [make(grpcaio, "payload", payload, "UINT8")]), want)


asyncio.run(asynchronous())

# A whole model beside it.
whole = session(job["whole"])
source = os.path.basename(job["whole"]).removesuffix(".onnx")
x = images(1)
right = dict(zip([o.name for o in whole.get_outputs()], whole.run(None, {"input": x})))
same("http whole", http.infer(source, [make(httpclient, "input", x, "FP32")]), right)
same("grpc whole", grpc.infer(source, [make(grpcclient, "input", x, "FP32")]), right)

# The largest elements of an output by class_count: "VALUE:INDEX", and ":LABEL" where the file has labels.
labels = json.loads(cloud.get_modelmeta().custom_metadata_map["bnc.labels"])
both = answers(two)["logits"]
for transport, module, client in (("http", httpclient, http), ("grpc", grpcclient, grpc)):
    for form in ({"binary_data": True}, {"binary_data": False}) if client is http else ({},):
        for served, inputs, scores, named in (
            (name, [make(module, "payload", two, "UINT8")], both, labels),
            (source, [make(module, "input", x, "FP32")], right["logits"], None),
        ):
            for count in (1, 3, 9):
                what = f"{transport} {served} class_count={count} {form}"
                result = client.infer(served, inputs, outputs=[module.InferRequestedOutput("logits", class_count=count, **form)])
                got = result.as_numpy("logits")
                order = np.argsort(-scores, axis=1, kind="stable")[:, :count]
                if not check(what, got is not None and got.shape == order.shape, got):
                    continue
                for row, (texts, classes) in enumerate(zip(got, order)):
                    for text, c in zip(texts, classes):
                        text = text.decode() if isinstance(text, bytes) else text
                        value, rest = text.split(":", 1)
                        expected = f"{c}:{named[c]}" if named else str(c)
                        check(what, rest == expected and np.isclose(float(value), scores[row, c], rtol=1e-5, atol=1e-6), f"{text} of {scores[row]}")
    check(f"{transport}: extensions", "classification" in (client.get_server_metadata(**({} if client is http else {"as_json": True})))["extensions"])

# Refusals: the status, and a word of the message that helps. After each the server answers as before.
damaged = payload.copy()
damaged[len(damaged) // 2 :] ^= 0xFF
huge = np.zeros(100 << 20, np.uint8)
refused = [
    ("model", dict(model="none"), "404", "NOT_FOUND", name),
    ("version", dict(version="7"), "404", "NOT_FOUND", "version"),
    ("input name", dict(input="image"), "400", "INVALID_ARGUMENT", "payload"),
    ("datatype", dict(array=payload.astype(np.float32), datatype="FP32"), "400", "INVALID_ARGUMENT", "UINT8"),
    ("shape", dict(array=payload.reshape(1, 1, -1)), "400", "INVALID_ARGUMENT", "[1, L]"),
    ("truncated payload", dict(array=payload[:-3]), "400", "INVALID_ARGUMENT", "payload"),
    ("damaged payload", dict(array=damaged), "400", "INVALID_ARGUMENT", "payload"),
    ("empty payload", dict(array=payload[:0]), "400", "INVALID_ARGUMENT", "payload"),
    ("parameter", dict(parameters={"no_such": "x"}), "400", "INVALID_ARGUMENT", "no_such"),
    ("pair", dict(parameters={"bnc_pair": "another"}), "409", "FAILED_PRECONDITION", "another"),
    ("time", dict(timeout=1), "504", "DEADLINE_EXCEEDED", ""),
    ("100 MB", dict(array=huge), "413", "RESOURCE_EXHAUSTED", str(64 << 20)),
]
for what, how, http_status, grpc_status, word in refused:
    for transport, module, client, status in (("http", httpclient, http, http_status), ("grpc", grpcclient, grpc, "StatusCode." + grpc_status)):
        inputs = [make(module, how.get("input", "payload"), how.get("array", payload), how.get("datatype", "UINT8"))]
        options = {"parameters": how.get("parameters"), "timeout": how.get("timeout")}
        try:
            client.infer(how.get("model", name), inputs, model_version=how.get("version", ""), **options)
            check(f"{transport}: wrong {what}", False, "answered")
        except InferenceServerException as e:
            check(f"{transport}: wrong {what}: status", e.status() == status, f"{e.status()}: {e.message()}")
            check(f"{transport}: wrong {what}: message", word in e.message(), e.message())
        same(f"{transport} after wrong {what}", client.infer(name, [make(module, "payload", payload, "UINT8")]), want)
try:
    http.infer(name, [make(httpclient, "payload", payload, "UINT8")], request_compression_algorithm="gzip")
    check("gzip", False, "answered")
except InferenceServerException as e:
    check("gzip", e.status() == "415" and "Content-Encoding" in e.message(), e)

json.dump({"checks": checks, "problems": problems}, sys.stdout)
