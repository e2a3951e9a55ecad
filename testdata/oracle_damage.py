"""Demands that cloud graphs refuse damaged payloads in Python's onnxruntime.

Job: [{"name", "cloud", "payload"}], the payload as base64.
"""

import base64
import json
import sys

import numpy as np

from oracle import check, report, session

for job in json.load(sys.stdin):
    payload = np.frombuffer(base64.b64decode(job["payload"] or ""), np.uint8)
    try:
        session(job["cloud"]).run(None, {"payload": payload})
        found = "an answer"
    except Exception as error:
        found = str(error)
    check("JpegDecode" in found and "payload" in found, f"{job['name']}: expected JpegDecode's error, found {found}")
report()
