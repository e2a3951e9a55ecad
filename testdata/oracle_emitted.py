"""Checks what bnc split wrote: onnx's checker, and a run in Python's onnxruntime.

Job: [{"name", "model", "dir", "plain", "codec_at", "tx2", "fp16"}].
"""

import json
import os
import sys

import numpy as np
import onnx

from oracle import check, inputs_for, problems, report, session


def checked(path):
    """onnx's checker with full, strict shape inference; it passes over the bnc domain, which it does not know."""
    try:
        onnx.checker.check_model(path, full_check=True)
        check(True, path)
    except Exception as error:
        check(False, f"{path}: onnx's checker: {error}")
    return onnx.load(path)


def domains(model):
    return {n.domain for n in model.graph.node}


def agree(name, got, want):
    """The pair against the joined network: the same tile gives the same restored tensor, so only the order of
    float32 sums may differ, 1e-3 of the spread as in the corpus test; 8-bit outputs, one step."""
    for key, a in got.items():
        b = want[key]
        slack = 1 if a.dtype.kind in "iu" else 1e-3 * max(float(np.ptp(b)), 1e-6)
        difference = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
        check(a.shape == b.shape and difference <= slack, f"{name}: output {key} is {difference} off, {slack} is allowed")


def examine(job):
    name, codec_at = job["name"], job["codec_at"]
    files = {p: os.path.join(job["dir"], p + ".onnx") for p in ("mobile", "cloud", "bottlenet")}
    if job["plain"]:
        check(not os.path.exists(files.pop("bottlenet")), f"{name}: a plain pair has a joined network")
    models = {part: checked(path) for part, path in files.items()}
    with_ops = {
        "mobile": not job["plain"] and codec_at == "graph",
        "cloud": not job["plain"] and codec_at != "host",
        "bottlenet": True,
    }
    sessions = {}
    for part, model in models.items():
        check(("bnc" in domains(model)) == with_ops[part], f"{name}: {part} uses the domains {domains(model)}")
        imported = {o.domain for o in model.opset_import}
        check(domains(model) <= imported | {"ai.onnx"}, f"{name}: {part} imports {imported}")
        sessions[part] = session(files[part], custom_ops=with_ops[part])
    if job["tx2"]:
        mobile = models["mobile"]
        opset = max(o.version for o in mobile.opset_import if o.domain in ("", "ai.onnx"))
        check(opset <= 13 and mobile.ir_version <= 7, f"{name}: opset {opset}, IR {mobile.ir_version}")

    x = inputs_for(models["mobile"], 1)
    names = [o.name for o in sessions["mobile"].get_outputs()]
    sent = dict(zip(names, sessions["mobile"].run(None, x)))
    wanted = [i.name for i in sessions["cloud"].get_inputs()]
    if job["plain"] or codec_at in ("graph", "host"):
        check(wanted == names[: len(wanted)], f"{name}: {names} leave, {wanted} are expected")
        outputs = [o.name for o in sessions["cloud"].get_outputs()]
        got = dict(zip(outputs, sessions["cloud"].run(None, {n: sent[n] for n in wanted})))
        for key, value in got.items():
            check(np.isfinite(value.astype(np.float64)).all(), f"{name}: output {key} is not finite")
    if not job["plain"]:
        joined = dict(zip([o.name for o in sessions["bottlenet"].get_outputs()], sessions["bottlenet"].run(None, x)))
        check(list(joined)[-1] == "payload_bytes", f"{name}: outputs of the joined network: {list(joined)}")
        if codec_at == "graph":
            check(int(joined["payload_bytes"].sum()) == sent["payload"].size, f"{name}: payload_bytes {joined['payload_bytes']}")
            if not job["fp16"]:  # float16 can move a feature over a quantiser step: TestHalfPrecision compares those
                agree(name, got, joined)
    else:
        whole = session(job["model"])
        agree(name, got, dict(zip([o.name for o in whole.get_outputs()], whole.run(None, x))))


for job in json.load(sys.stdin):
    try:
        examine(job)
    except Exception as error:  # a file that does not load is a finding about that file
        problems.append(f"{job['name']}: {error}")
report()
