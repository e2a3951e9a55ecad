"""Networks of several outputs, trained from scratch by PyTorch on pictures that are drawn here.

    torch_outputs.py < JOB.json

JOB is {"dir": FOLDER}. For each network NAME of embedding, pose and captcha the folder gets NAME.onnx, and pictures
[N,1,H,W] in float32 as NAME-train.npy and NAME-val.npy. On stdout is {NAME: how good the network is on val}.
"""

import json
import os
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional

# Digits of 3 x 5 cells, a number a row.
DIGITS = ["75557", "26227", "71747", "71717", "55711", "74717", "74757", "71111", "75757", "75717"]


def glyphs():
    cells = np.array([[[int(row) >> bit & 1 for bit in (2, 1, 0)] for row in digit] for digit in DIGITS], np.float32)
    return cells.repeat(3, 1).repeat(2, 2)  # 15 x 6


def captchas(rng, n):
    """Five digits side by side, each somewhere in its field, of its own brightness, in noise."""
    shapes, labels = glyphs(), rng.integers(0, 10, (n, 5))
    x = rng.normal(0, 0.15, (n, 1, 20, 60)).astype(np.float32)
    for i in range(n):
        for k, digit in enumerate(labels[i]):
            top, left = rng.integers(0, 6), 12 * k + rng.integers(0, 7)
            x[i, 0, top:top + 15, left:left + 6] += rng.uniform(0.6, 1.2) * shapes[digit]
    return x, labels


def faces(rng, n):
    """An oval with two eyes and a mouth, turned: where they lie tells three angles, -1 to 1."""
    angles = rng.uniform(-1, 1, (n, 3))
    rows, columns = np.mgrid[0:32, 0:32].astype(np.float32)
    x = rng.normal(0, 0.1, (n, 1, 32, 32)).astype(np.float32)
    for i, (yaw, pitch, roll) in enumerate(angles):
        def spot(u, v, size, value):
            turn = 0.6 * roll
            cx = 16 + (u + 4 * yaw) * np.cos(turn) - (v + 4 * pitch) * np.sin(turn)
            cy = 16 + (u + 4 * yaw) * np.sin(turn) + (v + 4 * pitch) * np.cos(turn)
            x[i, 0] += value * np.exp(-((columns - cx) ** 2 + (rows - cy) ** 2) / size)
        x[i, 0] += 0.7 * ((columns - 16) ** 2 / 120 + (rows - 16) ** 2 / 170 < 1)
        spot(-4, -3, 3, 1.0), spot(4, -3, 3, 1.0), spot(0, 4, 6, -1.0)
    return x, angles


def people(rng, n):
    """Patterns of 16 kinds, moved, brighter or darker, in noise."""
    patterns = np.random.default_rng(7).normal(0, 1, (16, 6, 6)).astype(np.float32)
    labels = rng.integers(0, 16, n)
    x = rng.normal(0, 0.4, (n, 1, 32, 32)).astype(np.float32)
    for i, k in enumerate(labels):
        top, left = rng.integers(0, 9, 2)
        x[i, 0, top:top + 24, left:left + 24] += rng.uniform(0.6, 1.4) * patterns[k].repeat(4, 0).repeat(4, 1)
    return x, labels


def block(i, o, stride):
    return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU())


class Net(nn.Module):
    def __init__(self, heads, cells):
        super().__init__()
        self.body = nn.Sequential(block(1, 16, 1), block(16, 24, 2), block(24, 32, 2), block(32, 32, 1))
        self.heads = nn.ModuleList(nn.Linear(32 * cells, n) for n in heads)

    def forward(self, x):
        f = self.body(x).flatten(1)
        return tuple(head(f) for head in self.heads)


class Embedding(Net):
    def forward(self, x):
        v, = super().forward(x)
        return v / torch.linalg.vector_norm(v, dim=1, keepdim=True),


class Captcha(Net):
    def forward(self, x):
        return tuple(functional.softmax(y, 1) for y in super().forward(x))


CENTRES = torch.linspace(-1, 1, 16)


def angle(bins):
    """Angles from scores of bins, as networks of a head's pose have them."""
    return functional.softmax(bins, 1) @ CENTRES


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    directory, good = json.load(sys.stdin)["dir"], {}
    agents = nn.Parameter(torch.randn(16, 24))
    tasks = {
        "embedding": (people, Embedding([24], 64), ["vector"],
                      lambda y, label: functional.cross_entropy(10 * y[0] @ functional.normalize(agents, dim=1).T, label),
                      lambda y, label: ((y[0] @ functional.normalize(agents, dim=1).T).argmax(1) == label).float().mean()),
        "pose": (faces, Net([16, 16, 16], 64), ["yaw", "pitch", "roll"],
                 lambda y, angles: sum((angle(b) - angles[:, i]).square().mean() + 0.2 * functional.cross_entropy(b, ((angles[:, i] + 1) * 7.5).round().long())
                                       for i, b in enumerate(y)),
                 lambda y, angles: 1 - torch.stack([(angle(b) - angles[:, i]).abs().mean() for i, b in enumerate(y)]).mean()),
        "captcha": (captchas, Captcha([10] * 5, 75), ["d1", "d2", "d3", "d4", "d5"],
                    lambda y, label: sum(functional.nll_loss((p + 1e-9).log(), label[:, i]) for i, p in enumerate(y)),
                    lambda y, label: torch.stack([(p.argmax(1) == label[:, i]).float().mean() for i, p in enumerate(y)]).mean()),
    }
    for name, (draw, net, outputs, loss, right) in tasks.items():
        rng = np.random.default_rng(3)
        (x, target), (v, truth) = draw(rng, 1024), draw(rng, 256)
        images, targets = torch.from_numpy(x), torch.from_numpy(target)
        targets = targets.float() if targets.is_floating_point() else targets
        optimizer = torch.optim.Adam(list(net.parameters()) + [agents], 3e-3)
        epochs = 8
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * 16)
        for _ in range(epochs):
            for batch in torch.randperm(1024).view(16, 64):
                optimizer.zero_grad()
                loss(net(images[batch]), targets[batch]).backward()
                optimizer.step()
                schedule.step()
        net.eval()
        with torch.no_grad():
            good[name] = float(right(net(torch.from_numpy(v)), torch.from_numpy(truth)))
        path = os.path.join(directory, name)
        torch.onnx.export(net, images[:2], path + ".onnx", input_names=["x"], output_names=outputs, opset_version=14,
                          dynamic_axes={n: {0: "batch"} for n in ["x"] + outputs})
        np.save(path + "-train.npy", x)
        np.save(path + "-val.npy", v)
    json.dump(good, sys.stdout)


if __name__ == "__main__":
    main()
