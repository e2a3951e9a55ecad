"""Serves bundles' cloud halves, or whole models, in a real Triton server (PyPI's nvidia-pytriton).

usage: pytriton_server.py PLUGIN RANK MODEL... HTTP_PORT GRPC_PORT METRICS_PORT

A model is called as the folder that it is in. RANK 1: batching off, a request carries all dimensions, a payload is [L]. RANK 2: batching on, Triton adds a batch
dimension and joins requests of one shape, a payload is [1, L]. The models run in Python's ONNX Runtime. It prints
"ready" when the server answers, and ends, with the server, on SIGINT.
"""

import os
import signal
import sys

import numpy as np
import onnxruntime
from pytriton.model_config import DynamicBatcher, ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

PLUGIN, RANK, *MODELS = sys.argv[1:-3]
HTTP, GRPC, METRICS = map(int, sys.argv[-3:])
TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}

# The server writes its log to standard output; only "ready" shall be there.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

# A shell's background job has SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

options = onnxruntime.SessionOptions()
options.log_severity_level = 4
options.intra_op_num_threads = 1
options.register_custom_ops_library(PLUGIN)
batched = RANK == "2"


def is_payload(i):
    return i.name == "payload"


def tensor(i):
    dims = [-1] if is_payload(i) else [d if isinstance(d, int) else -1 for d in i.shape]
    if batched and not is_payload(i):
        dims = dims[1:]
    return Tensor(name=i.name, dtype=TYPES[i.type], shape=tuple(dims))


def infer_with(session):
    def infer(requests):
        answers = []
        for request in requests:
            # [k, L] holds k records of one length: joined they are a payload as well.
            feed = {i.name: request[i.name].ravel() if is_payload(i) else request[i.name] for i in session.get_inputs()}
            results = session.run(None, feed)
            answers.append({o.name: r for o, r in zip(session.get_outputs(), results)})
        return answers

    return infer


config = TritonConfig(
    http_address="127.0.0.1",
    http_port=HTTP,
    grpc_address="127.0.0.1",
    grpc_port=GRPC,
    metrics_address="127.0.0.1",
    metrics_port=METRICS,
    log_verbose=0,
)
with Triton(config=config) as triton:
    for model in MODELS:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        triton.bind(
            model_name=os.path.basename(os.path.dirname(model)),
            infer_func=infer_with(session),
            inputs=[tensor(i) for i in session.get_inputs()],
            outputs=[tensor(o) for o in session.get_outputs()],
            config=ModelConfig(batching=batched, max_batch_size=8, batcher=DynamicBatcher(max_queue_delay_microseconds=2000)),
            strict=True,
        )
    triton.run()
    print("ready", file=answers, flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
