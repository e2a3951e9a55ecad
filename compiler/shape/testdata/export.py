"""Exports networks and shape arithmetic as PyTorch writes them, for the tests of compiler/shape.

    export.py OUTDIR

Written for torch 1.13 and torchvision 0.14. Inputs are small: only shapes count. Every input is called
"input"; batch is symbolic, and where the name ends in _hw height and width are too.
"""

import os
import sys
import warnings

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
NONE = {"weights": None}


class Function(nn.Module):
    """A module that is one function of its input."""

    def __init__(self, f):
        super().__init__()
        self.f = f
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x):
        return self.f(self.conv(x))


def channel_shuffle(x):
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, -1, h, w)


def windows(x):
    n, c, h, w = x.shape
    x = F.pad(x, (0, (4 - w % 4) % 4, 0, (4 - h % 4) % 4))
    hp, wp = x.shape[2], x.shape[3]
    return x.view(n, c, hp // 4, 4, wp // 4, 4).permute(0, 2, 4, 1, 3, 5).reshape(-1, c, 4, 4)


def pyramid(x):
    a = F.avg_pool2d(x, 2, ceil_mode=True)
    b = F.max_pool2d(a, 3, stride=2, padding=1)
    return x + F.interpolate(F.interpolate(b, size=a.shape[2:]) + a, size=x.shape[2:], mode="bilinear", align_corners=False)


FUNCTIONS = {
    "interpolate_size": lambda x: F.interpolate(x, size=(20, 24)),
    "interpolate_scale": lambda x: F.interpolate(x, scale_factor=2.0),
    "interpolate_half": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=True),
    "interpolate_ratio": lambda x: F.interpolate(x, scale_factor=1.5, recompute_scale_factor=True),
    "flatten": lambda x: x.flatten(1) * 2,
    "flatten_space": lambda x: x.flatten(2).transpose(1, 2).softmax(-1),
    "view_size": lambda x: x.view(x.size(0), -1),
    "view_minus": lambda x: x.view(-1, x.size(2) * x.size(3)),
    "shuffle": channel_shuffle,
    "windows": windows,
    "pyramid": pyramid,
    "chunk": lambda x: torch.cat([y * 2 for y in x.chunk(4, 1)][::-1], 1),
    "split": lambda x: torch.cat(x.split([1, 2, 5], 1)[1:], 1),
    "mean": lambda x: x.mean((2, 3)) + x.amax((2, 3)),
    "expand": lambda x: x.mean((2, 3), keepdim=True).expand_as(x) + x.new_zeros(x.shape),
    "squeeze": lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1).unsqueeze(1),
    "crop": lambda x: x[:, 1:-1, : x.shape[2] // 2, 3:] + x[:, :6, : x.shape[2] // 2, :-3],
    "stride": lambda x: x[:, ::2, ::3, 1::2],
    "pixel_shuffle": lambda x: F.pixel_shuffle(x, 2),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "one_hot": lambda x: F.one_hot(x.argmax(1), 8).permute(0, 3, 1, 2),
    "topk": lambda x: x.flatten(2).topk(3, -1)[0] + 1,
    "matmul": lambda x: x @ x.transpose(2, 3),
    "repeat": lambda x: x.repeat(1, 2, 1, 1).repeat(1, 1, 3, 1),
    "arange": lambda x: x + torch.arange(x.shape[3], dtype=x.dtype).view(1, 1, 1, -1),
    "stack": lambda x: torch.stack([x, x * 2], 1).flatten(0, 1),
    "unfold": lambda x: F.unfold(x, 3, padding=1),
    "transposed": lambda x: F.conv_transpose2d(x, torch.ones(8, 2, 4, 4), stride=3, padding=1, output_padding=2, groups=2),
    "where": lambda x: torch.where(x > 0, x, x.mean(1, keepdim=True)),
    "roll": lambda x: torch.roll(x, shifts=(-1, 2), dims=(2, 3)),
    "cumsum": lambda x: x.cumsum(1).clamp(0, 6).round(),
    "norm": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (8,)) / F.normalize(x, dim=1).permute(0, 2, 3, 1),
    "groups": lambda x: F.group_norm(x, 4) * F.instance_norm(x),
    "maximum": lambda x: torch.maximum(x, x.flip(1)),
    "reflect": lambda x: F.pad(x, (1, 2, 3, 4), mode="reflect"),
}

T = torchvision.models
NETWORKS = {
    "resnet18": (lambda: T.resnet18(**NONE), 64, 9),
    "squeezenet": (lambda: T.squeezenet1_1(**NONE), 64, 11),
    "inception_v3": (lambda: T.inception_v3(**NONE, aux_logits=False, transform_input=True, init_weights=False), 96, 12),
    "mobilenet_v3_small": (lambda: T.mobilenet_v3_small(**NONE), 64, 13),
    "efficientnet_b0": (lambda: T.efficientnet_b0(**NONE), 64, 14),
    "densenet121": (lambda: T.densenet121(**NONE), 64, 13),
    "shufflenet": (lambda: T.shufflenet_v2_x0_5(**NONE), 64, 11),
    "googlenet": (lambda: T.googlenet(**NONE, aux_logits=False, init_weights=False), 64, 13),
    "regnet": (lambda: T.regnet_y_400mf(**NONE), 64, 15),
    "convnext_tiny": (lambda: T.convnext_tiny(**NONE), 64, 17),
    "mnasnet": (lambda: T.mnasnet0_5(**NONE), 64, 10),
    "segmentation_hw": (lambda: Scores(torchvision.models.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)), 64, 13),
}


class Scores(nn.Module):
    """Takes the scores out of a segmentation network's dictionary."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)["out"]


def write(module, size, opset, path):
    axes = {0: "batch"}
    if "_hw" in path:
        axes.update({2: "height", 3: "width"})
    torch.onnx.export(module.eval(), torch.rand(2, 3, size, size), path, opset_version=opset,
                      input_names=["input"], dynamic_axes={"input": axes})


def attempt(name, *arguments):
    try:
        write(*arguments)
    except Exception as e:  # not everything can be written in every operator set
        print(f"{name}: {str(e).splitlines()[0]}", file=sys.stderr)
        if os.path.exists(arguments[-1]):
            os.remove(arguments[-1])


def main(out):
    torch.manual_seed(1)
    os.makedirs(out, exist_ok=True)
    for name, (make, size, opset) in NETWORKS.items():
        attempt(name, make(), size, opset, os.path.join(out, name + ".onnx"))
    for name, f in FUNCTIONS.items():
        for opset in (9, 11, 16):
            label = f"{name}_opset{opset}_hw"
            attempt(label, Function(f), 16, opset, os.path.join(out, label + ".onnx"))


if __name__ == "__main__":
    main(sys.argv[1])
