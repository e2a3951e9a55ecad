"""Gradients of ONNX models by PyTorch's autograd, in float64 and in float32.

    torch_oracle.py < CASES.json

CASES.json is a list of {"model", "feeds", "seeds", "values", "wrt", "batch_norm", "dir"}: the model's file, arrays
({"file", "dtype", "shape"}, raw little-endian) of its inputs, of the gradient of each output, and of tensors that
are taken as given on the way forward (what a codec did) and passed straight through on the way back, of codec transform
what it gives back of each coefficient; the names of what gradients are wanted for; whether BatchNormalization takes the batch's own statistics, and a folder. For each
case DIR/grad.float64.I and DIR/grad.float32.I get the gradient of the I-th of "wrt" as raw float64, DIR/out.I output
number I in float64. On stdout is a list of {"shapes", "error"} of the gradients.

Needs torch and numpy only. Graphs are read by onnx_wire.py and interpreted with the table in torch_ops.py.
"""

import json
import os
import sys

import numpy
import torch

import onnx_wire
import torch_codec
import torch_ops

INTEGERS = {2: (0, 255), 3: (-128, 127), 4: (0, 65535), 5: (-32768, 32767)}


def array(entry):
    return numpy.fromfile(entry["file"], entry["dtype"]).reshape(entry["shape"])


def as_tensor(a, dtype):
    # 16-bit unsigned integers have no type in torch; nothing depends on the width.
    t = torch.from_numpy(a.astype(numpy.int32) if a.dtype == numpy.uint16 else a.copy())
    return t.to(dtype) if t.is_floating_point() else t


class Interpreter:
    def __init__(self, model, case, dtype):
        self.model, self.case, self.dtype = model, case, dtype
        self.kinds = {name: INTEGERS[code] for name, code in self.integer_types()}
        self.given = {k: as_tensor(array(v), dtype) for k, v in (case["values"] or {}).items()}

    def integer_types(self):
        codes = {numpy.dtype(onnx_wire.DTYPES[c]): c for c in INTEGERS}
        for name, a in self.model.initializers.items():
            if a.dtype in codes:
                yield name, codes[a.dtype]

    def apply(self, node, inputs):
        attributes = dict(node.attributes, outputs=len(node.outputs))
        quantiser = node.name.startswith(("bnc.quantiser.", "quantiser_"))
        if node.op == "Cast":
            return self.cast(attributes["to"], inputs[0])
        if node.op.endswith("RoundTrip"):
            given = self.given[node.outputs[0]]
            back = torch_codec.given_back(inputs[0], attributes) if node.op == "TransformRoundTrip" else inputs[0]
            return torch_ops.straight(given, back), None
        if node.op == "QuantizeLinear" and len(node.inputs) > 2:
            attributes["range of the zero point"] = self.kinds[node.inputs[2]]
        if node.op == "BatchNormalization":
            attributes["batch statistics"] = self.case["batch_norm"]
        table = torch_ops.QUANTISER if quantiser and node.op in torch_ops.QUANTISER else torch_ops.OPS
        return table[node.op](attributes, *inputs)

    def cast(self, to, x):
        """Between numbers: rounding towards zero is passed straight through, other types hold no gradients."""
        if not x.is_floating_point() or to in (7, 9):
            numpy_type = numpy.dtype(onnx_wire.DTYPES[to])
            kind = self.dtype if numpy_type.kind == "f" else getattr(torch, numpy_type.name)
            return x.to(kind)
        return torch_ops.straight(x.trunc(), x) if numpy.dtype(onnx_wire.DTYPES[to]).kind in "iu" else x

    def run(self):
        model, case = self.model, self.case
        values = {"": None}
        for name, a in model.initializers.items():
            values[name] = as_tensor(a, self.dtype)
        for name, entry in case["feeds"].items():
            values[name] = as_tensor(array(entry), self.dtype)
        wrt = []
        for name in case["wrt"]:
            wrt.append(values[name].requires_grad_())
        for node in model.nodes:
            results = self.apply(node, [values[name] for name in node.inputs])
            if isinstance(results, torch.Tensor):
                results = [results]
            values.update((name, r) for name, r in zip(node.outputs, results) if name)
        loss = sum((values[name] * as_tensor(array(dy), self.dtype)).sum() for name, dy in case["seeds"].items())
        grads = torch.autograd.grad(loss, wrt, allow_unused=True) if wrt else []
        grads = [torch.zeros_like(v) if g is None else g for v, g in zip(wrt, grads)]
        return grads, [values[name] for name in model.outputs]


def solve(case):
    model = onnx_wire.load(case["model"])
    shapes = []
    for dtype in (torch.float64, torch.float32):
        grads, outputs = Interpreter(model, case, dtype).run()
        shapes = [list(g.shape) for g in grads]
        for i, g in enumerate(grads):
            g.double().numpy().tofile(os.path.join(case["dir"], f"grad.{str(dtype)[6:]}.{i}"))
        if dtype == torch.float64:
            for i, y in enumerate(outputs):
                if y is not None:
                    y.detach().double().numpy().tofile(os.path.join(case["dir"], f"out.{i}"))
    return shapes


def main():
    torch.set_num_threads(1)  # more wait for each other wherever a machine has other work
    answers = []
    for case in json.load(sys.stdin):
        try:
            answers.append({"shapes": solve(case), "error": ""})
        except Exception as e:  # one broken case must not hide the others
            answers.append({"shapes": [], "error": f"{type(e).__name__}: {e}"})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
