"""Compares lowered mobile graphs with their source in Python's onnxruntime.

Job: [{"name", "model", "mobile", "tensor"}]: a tensor that both compute.
"""

import json
import sys

import numpy as np

from oracle import check, exposed, inputs_for, problems, report, run


def examine(job):
    whole, mobile = exposed(job["model"], job["tensor"]), exposed(job["mobile"], job["tensor"])
    (opset,) = [o.version for o in mobile.opset_import]
    check(opset <= 13 and mobile.ir_version <= 7, f"{job['name']}: opset {opset}, IR {mobile.ir_version}")
    feed = inputs_for(whole, 7)
    want = run(whole, feed, custom_ops=False)[job["tensor"]]
    got = run(mobile, feed, custom_ops=False)[job["tensor"]]
    error, spread = np.abs(got - want).max(), np.ptp(want)
    # An expansion into several operators rounds several times: a few float32 units (1e-7) of the largest term.
    check(spread > 0 and error <= 2e-5 * spread, f"{job['name']}: {error} off, the values spread over {spread}")


for job in json.load(sys.stdin):
    try:
        examine(job)
    except Exception as error:
        problems.append(f"{job['name']}: {error!r}")
report()
