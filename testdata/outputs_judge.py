"""How near a bundle's outputs are to those of the model that it was split from, by ONNX Runtime.

    outputs_judge.py PLUGIN < JOB.json

JOB is {"model", "bundles": {NAME: bottlenet.onnx}, "images": file.npy}. On stdout is {NAME: {OUTPUT: likeness}}: for vectors
the mean cosine, for scores of 16 bins minus the mean difference of the angles that they tell, for probabilities of classes the
share of images with the same best one.
"""

import json
import sys

import numpy as np
import onnxruntime as rt


def run(path, images):
    options = rt.SessionOptions()
    options.intra_op_num_threads = 1
    options.register_custom_ops_library(sys.argv[1])
    session = rt.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return dict(zip((o.name for o in session.get_outputs()), session.run(None, {session.get_inputs()[0].name: images})))


def angles(bins):
    shares = np.exp(bins - bins.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True) @ np.linspace(-90, 90, 16)


def likeness(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    if a.shape[1] == 24:
        return float(((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean())
    if a.shape[1] == 16:
        return -float(np.abs(angles(a) - angles(b)).mean())
    return float((a.argmax(1) == b.argmax(1)).mean())


def main():
    job = json.load(sys.stdin)
    images = np.load(job["images"])
    whole = run(job["model"], images)
    json.dump({name: {o: likeness(y, got[o]) for o, y in whole.items()}
               for name, got in ((name, run(path, images)) for name, path in job["bundles"].items())}, sys.stdout)


if __name__ == "__main__":
    main()
