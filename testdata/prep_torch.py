"""Exports networks with a batch size of 1 built in, and what PyTorch computes for a batch of 3.

    prep_torch.py OUTDIR

Prints {"NETWORK OPSET": {"file": ..., "shape": [3,C,H,W], "input": [...], "output": [...], "outputshape": [...]}}.
The networks are small ones with what exporters make of channel shuffles, squeeze-and-excite blocks, attention
and resizing, in several operator sets; with torchvision installed, three of its own.
"""

import json
import os
import sys
import warnings

import torch
from torch import nn
from torch.nn import functional

warnings.simplefilter("ignore")
OUTDIR = sys.argv[1]
OPSETS = 9, 11, 13, 17


def unit(inputs, outputs, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, groups=groups, bias=False), nn.BatchNorm2d(outputs), nn.ReLU6()
    )


class Classifier(nn.Module):
    """A stem, a body that a network brings, and a dense layer."""

    def __init__(self, body, channels=16):
        super().__init__()
        self.stem, self.body, self.dense = unit(3, 16, 2), body, nn.Linear(channels, 10)

    def forward(self, x):
        x = self.body(self.stem(x))
        x = functional.adaptive_avg_pool2d(x, 1)
        return self.dense(x.view(x.size(0), -1))


class Shuffle(nn.Module):
    """ShuffleNet's unit: half of the channels go through a branch, and then the halves mix."""

    def __init__(self):
        super().__init__()
        self.branch = unit(8, 8)

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        x = torch.cat((a, self.branch(b)), dim=1)
        n, c, h, w = x.size()
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).contiguous().view(n, c, h, w)


class Excite(nn.Module):
    """Squeeze and excite as SENet has it, with dense layers."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Linear(16, 4), nn.Linear(4, 16)

    def forward(self, x):
        n, c, _, _ = x.size()
        g = x.mean((2, 3)).view(n, c)
        g = torch.sigmoid(self.up(torch.relu(self.down(g)))).view(n, c, 1, 1)
        return x * g.expand_as(x)


class Attention(nn.Module):
    """Non-local attention between the places of a map."""

    def forward(self, x):
        n, c, h, w = x.size()
        t = x.flatten(2).permute(0, 2, 1)
        a = torch.softmax(torch.bmm(t, t.transpose(1, 2)) / c, dim=-1)
        return x + torch.bmm(a, t).permute(0, 2, 1).reshape(n, c, h, w)


class Pyramid(nn.Module):
    """Coarse and fine maps are added, the coarse ones resized to given sizes and by factors."""

    def __init__(self):
        super().__init__()
        self.down, self.further = unit(16, 16, 2), unit(16, 16, 2)

    def forward(self, x):
        y = self.down(x)
        z = functional.interpolate(self.further(y), size=y.shape[2:], mode="bilinear", align_corners=False)
        return x + functional.interpolate(y + z, scale_factor=2, mode="nearest")


class Norms(nn.Module):
    """Group and layer normalisation, which old operator sets spell with Reshape."""

    def __init__(self):
        super().__init__()
        self.group, self.layer = nn.GroupNorm(4, 16), nn.LayerNorm(16)

    def forward(self, x):
        x = self.group(x)
        return self.layer(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def networks():
    """Name, module, size of the image, operator sets."""
    yield "plain", Classifier(nn.Sequential(unit(16, 16), nn.MaxPool2d(2), nn.Dropout(0.5), unit(16, 16))), 32, OPSETS
    for body in Shuffle, Excite, Attention, Norms:
        yield body.__name__.lower(), Classifier(body()), 32, OPSETS
    # Until 11 there is no Resize with half-pixel centres: torch warns that its export computes something else.
    yield "pyramid", Classifier(Pyramid()), 32, OPSETS[1:]
    try:
        import torchvision
    except ImportError:
        return
    for name in "mobilenet_v3_small", "shufflenet_v2_x0_5", "efficientnet_b0":
        yield name, getattr(torchvision.models, name)(weights=None), 96, OPSETS[2:3]


def initialise(model):
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)


def main():
    found = {}
    for name, model, size, opsets in networks():
        torch.manual_seed(1)
        initialise(model.eval())
        x = torch.randn(3, 3, 1, 1) + torch.randn(3, 3, size, size)
        with torch.no_grad():
            y = model(x)
            for opset in opsets:
                file = os.path.join(OUTDIR, f"{name}-{opset}.onnx")
                torch.onnx.export(model, x[:1], file, opset_version=opset, input_names=["input"], output_names=["output"])
                found[f"{name} {opset}"] = {
                    "file": file,
                    "shape": list(x.shape),
                    "input": x.flatten().tolist(),
                    "output": y.flatten().tolist(),
                    "outputshape": list(y.shape),
                }
    json.dump(found, sys.stdout)


main()
