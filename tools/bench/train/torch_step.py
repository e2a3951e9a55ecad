"""PyTorch's time for the same training steps as main.go: python torch_step.py NETWORK BATCH SIZE STEPS."""
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision


class Block(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, 1, 1, bias=False), nn.BatchNorm2d(o)
        self.short = nn.Identity()
        if stride != 1 or i != o:
            self.short = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.short(x), inplace=True)


def resnet20(num_classes):
    layers = [nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    width = 16
    for out in (16, 32, 64):
        for k in range(3):
            layers.append(Block(width, out, 2 if k == 0 and out > 16 else 1))
            width = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, num_classes))


network, batch, size, steps = sys.argv[1], *map(int, sys.argv[2:5])
torch.manual_seed(0)
build = {"resnet20": resnet20, "resnet18": torchvision.models.resnet18, "mobilenetv2": torchvision.models.mobilenet_v2}[network]
model = build(num_classes=10).train()
optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
x, y = torch.randn(batch, 1 if network == "resnet20" else 3, size, size), torch.randint(0, 10, (batch,))
times = []
for i in range(steps + 3):
    start = time.perf_counter()
    optimiser.zero_grad(set_to_none=True)
    F.cross_entropy(model(x), y).backward()
    optimiser.step()
    if i >= 3:
        times.append(1000 * (time.perf_counter() - start))
times.sort()
print(f"{times[0]:.1f} {times[len(times) // 2]:.1f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}")
