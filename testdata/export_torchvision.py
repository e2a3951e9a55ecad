"""Exports torchvision's networks as ONNX with seeded random weights.

    export_torchvision.py OUTDIR [NAME...]

Written for torch 1.13 and torchvision 0.14; needs no network connection and no trained weights.
Every model has the input "input" [batch, 3, H, W] and the output "output" [batch, 1000]. The weights keep
the signal's scale from layer to layer, batch normalisation has the statistics of the images it sees, and the
last layer's bias takes out what all images have in common, so that different images are of different classes:
with untrained defaults many of these networks give nearly the same output whatever the input. Two files of one network hold the same weights.
A model that this very script has already written is left alone.
"""

import hashlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field

import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.onnx import TrainingMode


@dataclass(frozen=True)
class Export:
    """One file: which network, and how it is written."""

    network: str
    opset: int = 13
    size: int = 224  # H and W of the input
    # torch folds a BatchNormalization into the Conv before it, unless told to preserve the training graph.
    fold: bool = True
    arguments: dict = field(default_factory=dict)


EXPORTS = {
    "alexnet": Export("alexnet"),
    "densenet121": Export("densenet121"),
    "densenet121_bn": Export("densenet121", fold=False),
    "inception_v3": Export(
        "inception_v3",
        size=299,
        arguments={"aux_logits": False, "transform_input": False, "init_weights": False},
    ),
    "mobilenet_v2": Export("mobilenet_v2"),
    "resnet18": Export("resnet18"),
    "resnet18_bn": Export("resnet18", fold=False),
    "resnet50": Export("resnet50"),
    "resnet50_opset17": Export("resnet50", opset=17),
    "squeezenet1_1": Export("squeezenet1_1"),
    "vgg11": Export("vgg11"),
}

BATCH = 8  # images a batch, for the measured values
BATCHES = 2

# Outputs of two images must differ by this much of their own size. The networks written here lie from 0.43
# to 1.55; with torchvision's own initial weights ResNet-50 has 0.09 and AlexNet 0.10.
CLEARLY = 0.25


def images(count, size):
    """Random pictures: coloured patches of several sizes and a little noise, like normalised photographs."""
    picture = torch.zeros(count, 3, size, size)
    for cells in (1, 3, 7, 20):
        patches = torch.randn(count, 3, cells, cells)
        picture += functional.interpolate(patches, size=(size, size), mode="bilinear", align_corners=False)
    return (picture + 0.1 * torch.randn_like(picture)) / 2


def initialise(model):
    """Gives every layer weights that keep the signal's scale, and biases and factors that matter."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)


def measure_statistics(model, size, draw):
    """Sets the mean and variance of every batch normalisation to those of random inputs."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average over all batches
        layer.train()
    if layers:
        for _ in range(BATCHES):
            model(draw(BATCH, size))
    model.eval()


def centre_classes(model, size, draw):
    """Sets the last layer's bias such that each class has the mean 0 over a batch of random inputs."""
    last = [module for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))][-1]

    def shift(layer, _, output):
        layer.bias -= output.transpose(0, 1).flatten(1).mean(1)

    hook = last.register_forward_hook(shift)
    model(draw(BATCH, size))
    hook.remove()


def difference(model, size):
    """Distance of the outputs for two images, relative to the outputs' own size."""
    first, second = model(images(2, size))
    return float((first - second).norm() / first.norm())


def build(export, draw=images):
    """Makes a network for inputs as draw(count, size) gives them."""
    model = getattr(torchvision.models, export.network)(weights=None, **export.arguments).eval()
    initialise(model)
    measure_statistics(model, export.size, draw)
    centre_classes(model, export.size, draw)
    return model


def write(model, export, path):
    torch.onnx.export(
        model,
        images(1, export.size),
        path,
        opset_version=export.opset,
        training=TrainingMode.EVAL if export.fold else TrainingMode.PRESERVE,
        do_constant_folding=export.fold,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
    )


def script_hash():
    with open(__file__, "rb") as script:
        return hashlib.sha256(script.read()).hexdigest()


def main(arguments):
    if not arguments:
        sys.exit(__doc__)
    outdir, names = arguments[0], arguments[1:] or list(EXPORTS)
    unknown = sorted(set(names) - set(EXPORTS))
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; known: {', '.join(EXPORTS)}")
    os.makedirs(outdir, exist_ok=True)
    mine = script_hash()
    for name in names:
        path = os.path.join(outdir, name + ".onnx")
        stamp = os.path.join(outdir, f".{name}.script")
        if os.path.exists(path) and os.path.exists(stamp) and open(stamp).read() == mine:
            print(f"{name}: already there")
            continue
        start = time.monotonic()
        export = EXPORTS[name]
        torch.manual_seed(1)
        with torch.no_grad(), tempfile.TemporaryDirectory(dir=outdir) as scratch:
            model = build(export)
            differs = difference(model, export.size)
            if not differs > CLEARLY:
                sys.exit(f"{name}: outputs of two images differ by {differs:.3g} of their size, want over {CLEARLY}")
            unfinished = os.path.join(scratch, "model.onnx")
            write(model, export, unfinished)
            os.replace(unfinished, path)
        with open(stamp, "w") as file:
            file.write(mine)
        seconds = time.monotonic() - start
        print(f"{name}: {os.path.getsize(path) / 1e6:.1f} MB in {seconds:.0f} s, two images differ by {differs:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
