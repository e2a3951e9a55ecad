"""What models compute in ONNX Runtime where a caller overrides their defaults.

Standard input is a JSON list of requests {"whole": path, "chain": [paths]}: the chain is run one after
another, each file reading outputs of those before by name. Every default is overridden by random values
of its shape. Printed is for each request {"overridable": [names of the whole model, names of the chain],
"difference": the largest of any output of the whole model, "effect": the largest that overriding makes}.
"""

import json
import sys

import numpy as np
import onnxruntime as ort

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}


def sessions(paths):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return [ort.InferenceSession(p, options, providers=["CPUExecutionProvider"]) for p in paths]


def run(chain, feeds):
    values = dict(feeds)
    for s in chain:
        wanted = [o.name for o in s.get_outputs()]
        known = [i.name for i in s.get_inputs()] + [i.name for i in s.get_overridable_initializers()]
        values.update(zip(wanted, s.run(wanted, {n: values[n] for n in known if n in values})))
    return values


def largest(a, b, names):
    if any(a[n].shape != b[n].shape for n in names):
        return 1e9
    return max(float(np.abs(a[n].astype(np.float64) - b[n].astype(np.float64)).max()) for n in names)


def answer(request):
    whole, chain = sessions([request["whole"]]), sessions(request["chain"])
    rng = np.random.default_rng(1)

    def draw(port):
        dims = [d if isinstance(d, int) else 2 for d in port.shape]
        if port.type == "tensor(int64)":  # a shape
            return np.array([-1, 1, 4, 4], np.int64)
        return rng.uniform(0.5, 2, dims).astype(TYPES[port.type])

    feeds = {i.name: draw(i) for i in whole[0].get_inputs()}
    defaults = {i.name: draw(i) for i in whole[0].get_overridable_initializers()}
    outputs = [o.name for o in whole[0].get_outputs()]
    want, got = run(whole, {**feeds, **defaults}), run(chain, {**feeds, **defaults})
    return {
        "overridable": [sorted(defaults), sorted({i.name for s in chain for i in s.get_overridable_initializers()})],
        "difference": largest(want, got, outputs),
        "effect": largest(want, run(whole, feeds), outputs),
    }


json.dump([answer(r) for r in json.load(sys.stdin)], sys.stdout)
