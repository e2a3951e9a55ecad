"""Compares with torchvision: torchvision_run.py NETWORK RESULT.npz...

Loads the weights of a file that run.py wrote into the torchvision network, runs
it on the same images, and prints, as JSON, for each pair the largest difference
of a logit, and between the two images. A NETWORK like "8,M,16,M" is a VGG of these convolutions
and poolings. The sizes of dense layers are those of the weights.
"""
import json
import sys

import numpy as np
import torch
import torchvision

torch.set_num_threads(2)


def build(network):
    if "," not in network:
        return getattr(torchvision.models, network)()
    widths = [w if w == "M" else int(w) for w in network.split(",")]
    return torchvision.models.VGG(torchvision.models.vgg.make_layers(widths), init_weights=False)


def compare(network, path):
    arrays = {k: torch.from_numpy(v) for k, v in np.load(path).items()}
    images, expected = arrays.pop("input"), arrays.pop("output")
    model = build(network)
    for name, module in list(model.named_modules()):
        if isinstance(module, torch.nn.Linear):
            outputs, inputs = arrays[name + ".weight"].shape
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, torch.nn.Linear(inputs, outputs))
    missing, unexpected = model.load_state_dict(arrays, strict=False)
    missing = [k for k in missing if not k.endswith("num_batches_tracked")]
    assert not missing and not unexpected, (missing, unexpected)
    with torch.no_grad():
        got = model.eval()(images)
    return {"difference": float((got - expected).abs().max()), "spread": float((got[0] - got[1]).abs().max())}


# Only weights of the files are used: drawing others costs more than the rest.
for name in ("kaiming_normal_", "kaiming_uniform_", "normal_", "uniform_"):
    setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)

json.dump([compare(*pair) for pair in zip(sys.argv[1::2], sys.argv[2::2])], sys.stdout)
