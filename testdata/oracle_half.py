"""Compares float16 bundles with float32 ones of the same settings.

Job: [{"name", "half", "single", "allowed"}]: two folders of bundles, and how far off an output may be, as a share of its
spread.

The halves are compared one by one, on the same input and the same payload: a feature that float16 moves over a
quantiser step changes a tile value by a whole step, which no tolerance for float16 covers.
"""

import json
import os
import sys

import numpy as np
import onnx

from oracle import check, exposed, inputs_for, node, problems, report, run


def close(name, got, want, other, allowed):
    """Within a share of the spread of the values, which have to depend on the input by more than that error."""
    error, spread = np.abs(got.astype(np.float64) - want).max(), float(np.ptp(want))
    told = np.abs(want.astype(np.float64) - other).max()
    check(error <= min(allowed * spread, told / 2), f"{name}: {error:.3g} off, spread {spread:.3g}, two inputs differ by {told:.3g}")


def examine(job):
    half, single = (os.path.join(job[k], "mobile.onnx") for k in ("half", "single"))
    graphs = [onnx.load(p).graph for p in (half, single)]
    kinds = [[(v.name, v.type.tensor_type.elem_type) for v in (*g.input, *g.output)] for g in graphs]
    check(kinds[0] == kinds[1], f"{job['name']}: inputs and outputs {kinds[0]}, in float32 {kinds[1]}")
    smaller = os.path.getsize(half) < 0.6 * os.path.getsize(single)
    check(smaller, f"{job['name']}: {os.path.getsize(half)} bytes, in float32 {os.path.getsize(single)}")
    features = node(single, "bnc.quantiser.sub").input[0]
    feeds = [inputs_for(onnx.load(single), seed) for seed in (1, 2)]
    want, other = (run(exposed(single, features), f) for f in feeds)
    got = run(exposed(half, node(half, "bnc.quantiser.sub").input[0]), feeds[0])
    close(f"{job['name']}: features", list(got.values())[-1], want[features], other[features], 1e-2)

    half, single = (os.path.join(job[k], "cloud.onnx") for k in ("half", "single"))
    payloads = [{"payload": out["payload"]} for out in (want, other)]
    want, other = (run(single, p) for p in payloads)
    got = run(half, payloads[0])
    for name in want:
        close(f"{job['name']}: output {name}", got[name], want[name], other[name], job["allowed"])


for job in json.load(sys.stdin):
    try:
        examine(job)
    except Exception as error:
        problems.append(f"{job['name']}: {error!r}")
report()
