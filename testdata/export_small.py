"""Exports torchvision's networks for small images, with their batch normalisation, to check gradients with.

    export_small.py OUTDIR NAME...

The weights are made as export_torchvision.py makes them, but for inputs of white noise, which is what gradients are
checked with: with the running statistics of anything else a network of many layers can magnify rounding without end.
"""

import os
import sys

import torch

from export_torchvision import Export, build, write

NETWORKS = {
    "densenet121": Export("densenet121", size=64, fold=False),
    "efficientnet_b0": Export("efficientnet_b0", size=64, fold=False),
    "googlenet": Export(
        "googlenet",
        size=64,
        fold=False,
        arguments={"aux_logits": False, "transform_input": False, "init_weights": False},
    ),
    "inception_v3": Export(
        "inception_v3",
        size=107,
        fold=False,
        arguments={"aux_logits": False, "transform_input": False, "init_weights": False},
    ),
    "mnasnet0_5": Export("mnasnet0_5", size=64, fold=False),
    "mobilenet_v2": Export("mobilenet_v2", size=64, fold=False),
    "mobilenet_v3_small": Export("mobilenet_v3_small", size=64, fold=False),
    "regnet_y_400mf": Export("regnet_y_400mf", size=64, fold=False),
    "resnet18": Export("resnet18", size=64, fold=False),
    "shufflenet_v2_x0_5": Export("shufflenet_v2_x0_5", size=64, fold=False),
    "squeezenet1_1": Export("squeezenet1_1", size=64, fold=False),
}


def noise(count, size):
    return torch.randn(count, 3, size, size)


def main(arguments):
    if len(arguments) < 2 or not set(arguments[1:]) <= set(NETWORKS):
        sys.exit(f"{__doc__}\nNames: {', '.join(NETWORKS)}")
    os.makedirs(arguments[0], exist_ok=True)
    for name in arguments[1:]:
        torch.manual_seed(1)
        with torch.no_grad():
            model = build(NETWORKS[name], noise)
            write(model, NETWORKS[name], os.path.join(arguments[0], name + ".onnx"))


if __name__ == "__main__":
    main(sys.argv[1:])
