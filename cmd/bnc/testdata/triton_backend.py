"""Stands for Triton's ONNX Runtime backend in a Triton server that has only the Python backend.

The server's own core reads the repository, runs the warm-up and joins requests; this does what
triton-inference-server/onnxruntime_backend and backend do with a batch: SetInputTensors in src/onnxruntime.cc,
src/backend_input_collector.cc, src/backend_output_responder.cc.
"""

import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        return config

    def initialize(self, args):
        self.config = json.loads(args["model_config"])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        for path in self.config.get("model_operations", {}).get("op_library_filename", []):
            options.register_custom_ops_library(path)
        model = os.path.join(args["model_repository"], args["model_version"], self.config["default_model_filename"])
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        try:
            return self.answer(requests)
        except Exception as e:  # ONNX Runtime's errors have no common class
            error = pb_utils.TritonError(str(e))
            return [pb_utils.InferenceResponse(output_tensors=[], error=error) for _ in requests]

    def answer(self, requests):
        brought = {
            io["name"]: [pb_utils.get_input_tensor_by_name(r, io["name"]).as_numpy() for r in requests]
            for io in self.config["input"]
        }
        feed = {}
        for io in self.config["input"]:
            values = brought[io["name"]]
            ragged = io["allow_ragged_batch"]
            feed[io["name"]] = np.concatenate([v.ravel() for v in values] if ragged else values)
        for b in self.config["batch_input"]:
            counts = np.array([v.size for v in brought[b["source_input"][0]]], np.int32)
            ends = np.cumsum(counts, dtype=np.int32)
            feed[b["target_name"][0]] = counts if b["kind"] == "BATCH_ELEMENT_COUNT" else ends
        if len(requests) > 1:
            # Tests look for it in the server's log.
            print(f"joined {len(requests)} requests", flush=True)
        names = [o["name"] for o in self.config["output"]]
        results = dict(zip(names, self.session.run(names, feed)))
        responses, row = [], 0
        for i in range(len(requests)):
            rows = next(iter(brought.values()))[i].shape[0] if self.config["max_batch_size"] > 0 else None
            take = slice(None) if rows is None else slice(row, row + rows)
            responses.append(
                pb_utils.InferenceResponse([pb_utils.Tensor(n, np.ascontiguousarray(r[take])) for n, r in results.items()])
            )
            row += rows or 0
        return responses
