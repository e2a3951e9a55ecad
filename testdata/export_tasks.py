"""Exports networks of tasks other than classification as ONNX with seeded random weights.

    export_tasks.py OUTDIR [NAME...]

torchvision's detectors and segmenters with small backbones, and small networks of the forms that others have:
heads of YOLO's families, a U-Net, super-resolution, text recognition, two inputs, several outputs. Written for
torch 1.13 and torchvision 0.14; needs no network connection and no trained weights. The weights are those of
export_torchvision.py: they keep the signal's scale, so that different images have different answers, and scores
lie apart, so that what is selected by them does not hang on rounding.
A model that these two scripts have already written is left alone.
"""

import functools
import hashlib
import math
import os
import sys
import tempfile
import time

import torch
import torchvision
from torch import nn
from torch.nn import functional
from torchvision.models import detection, resnet, segmentation
from torchvision.models.detection import anchor_utils, backbone_utils

import export_torchvision

CLEARLY = 0.003  # outputs of two images differ by this much of their size, at least: the scores of the best boxes are near 1


def conv(inputs, outputs, size=3, stride=1, groups=1, activation=nn.SiLU):
    layers = [
        nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, activation()) if activation else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, width, activation=nn.SiLU):
        super().__init__()
        self.first = conv(width, width, activation=activation)
        self.second = conv(width, width, activation=activation)

    def forward(self, x):
        return x + self.second(self.first(x))


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        self.join = nn.ModuleList()
        inputs = 3
        for level in range(4):
            outputs = width << level
            self.down.append(nn.Sequential(conv(inputs, outputs, activation=nn.ReLU), conv(outputs, outputs, activation=nn.ReLU)))
            if level < 3:
                self.up.append(nn.ConvTranspose2d(2 * outputs, outputs, 2, 2))
                self.join.append(conv(2 * outputs, outputs, activation=nn.ReLU))
            inputs = outputs
        self.mask = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        skips = []
        for level, down in enumerate(self.down):
            x = down(functional.max_pool2d(x, 2) if level else x)
            skips.append(x)
        for level in (2, 1, 0):
            x = self.join[level](torch.cat([self.up[level](x), skips[level]], 1))
        return torch.sigmoid(self.mask(x))


class ESPCN(nn.Module):
    def __init__(self, scale=3):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2), nn.Tanh(), nn.Conv2d(32, 16, 3, padding=1), nn.Tanh(),
            nn.Conv2d(16, scale * scale, 3, padding=1), nn.PixelShuffle(scale),
        )

    def forward(self, x):
        return self.layers(x)


class DnCNN(nn.Module):
    def __init__(self, width=16, depth=5):
        super().__init__()
        layers = [nn.Conv2d(1, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth):
            layers.append(conv(width, width, activation=nn.ReLU))
        self.noise = nn.Sequential(*layers, nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, x):
        return x - self.noise(x)


def encoder(width=8, levels=3, activation=nn.PReLU):
    layers, inputs = [], 3
    for level in range(levels):
        layers += [conv(inputs, width << level, stride=2, activation=activation), Residual(width << level, activation)]
        inputs = width << level
    return nn.Sequential(*layers)


class Embedding(nn.Module):
    """As MobileFaceNet: a depthwise convolution over the whole map, a vector of length 1."""

    def __init__(self):
        super().__init__()
        self.features = encoder()
        self.map = conv(32, 32, groups=32, activation=None)
        self.whole = nn.Conv2d(32, 32, 8, groups=32)
        self.vector = nn.Linear(32, 128)

    def forward(self, x):
        return functional.normalize(self.vector(self.whole(self.map(self.features(x))).flatten(1)))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = encoder()
        self.same = nn.Linear(32, 1)

    def forward(self, a, b):
        a, b = (self.features(x).mean((2, 3)) for x in (a, b))
        return torch.sigmoid(self.same((a - b).abs()))


class ImageAndVector(nn.Module):
    """The vector is read at the end only, as a vehicle's speed is by a steering network."""

    def __init__(self):
        super().__init__()
        self.features = encoder()
        self.join = nn.Linear(32 + 5, 16)
        self.out = nn.Linear(16, 2)

    def forward(self, image, vector):
        joined = torch.cat([self.features(image).mean((2, 3)), vector], 1)
        return self.out(torch.tanh(self.join(joined)))


class Heads(nn.Module):
    """Several answers of one network: bins of three angles, the characters of a captcha."""

    def __init__(self, heads, classes):
        super().__init__()
        self.features = encoder(activation=nn.ReLU)
        self.heads = nn.ModuleList(nn.Linear(32, classes) for _ in range(heads))

    def forward(self, x):
        x = self.features(x).mean((2, 3))
        return tuple(torch.softmax(head(x), 1) for head in self.heads)


class Landmarks(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = encoder(activation=nn.ReLU)
        self.points = nn.Linear(32 * 64, 136)

    def forward(self, x):
        return self.points(self.features(x).flatten(1))


class CRNN(nn.Module):
    def __init__(self, classes=37):
        super().__init__()
        self.features = nn.Sequential(
            conv(1, 16, activation=nn.ReLU), nn.MaxPool2d(2), conv(16, 32, activation=nn.ReLU), nn.MaxPool2d(2),
            conv(32, 32, activation=nn.ReLU), nn.MaxPool2d((2, 1)), conv(32, 48, activation=nn.ReLU), nn.MaxPool2d((4, 1)),
        )
        self.sequence = nn.LSTM(48, 24, bidirectional=True)
        self.classes = nn.Linear(48, classes)

    def forward(self, x):
        x = self.features(x).squeeze(2).permute(2, 0, 1)
        return torch.log_softmax(self.classes(self.sequence(x)[0]), 2)


class Pyramid(nn.Module):
    """Backbone and neck of a YOLO: three maps, made of skips from three depths."""

    def __init__(self, width=8):
        super().__init__()
        self.stem = nn.Sequential(conv(3, width, stride=2), conv(width, 2 * width, stride=2), Residual(2 * width))
        self.third = nn.Sequential(conv(2 * width, 4 * width, stride=2), Residual(4 * width))
        self.fourth = nn.Sequential(conv(4 * width, 4 * width, stride=2), Residual(4 * width))
        self.fifth = nn.Sequential(conv(4 * width, 4 * width, stride=2), Residual(4 * width))
        self.lateral = nn.ModuleList(conv(8 * width, 4 * width, 1) for _ in range(2))
        self.down = nn.ModuleList(conv(4 * width, 4 * width, stride=2) for _ in range(2))
        self.join = nn.ModuleList(conv(8 * width, 4 * width, 1) for _ in range(2))
        self.width = 4 * width

    def forward(self, x):
        p3 = self.third(self.stem(x))
        p4 = self.fourth(p3)
        p5 = self.fifth(p4)
        p4 = self.lateral[0](torch.cat([functional.interpolate(p5, scale_factor=2.0), p4], 1))
        p3 = self.lateral[1](torch.cat([functional.interpolate(p4, scale_factor=2.0), p3], 1))
        p4 = self.join[0](torch.cat([self.down[0](p3), p4], 1))
        p5 = self.join[1](torch.cat([self.down[1](p4), p5], 1))
        return p3, p4, p5


STRIDES = (8, 16, 32)


def cells(height, width):
    rows, columns = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return torch.stack([columns, rows], -1)


class YOLOv5(nn.Module):
    """Three anchors a cell: [N, A, 5 + K] with centre, size, objectness and classes."""

    ANCHORS = (((10, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)), ((116, 90), (156, 198), (373, 326)))

    def __init__(self, size, classes=7):
        super().__init__()
        self.pyramid = Pyramid()
        self.heads = nn.ModuleList(nn.Conv2d(self.pyramid.width, 3 * (5 + classes), 1) for _ in STRIDES)
        self.values, self.size = 5 + classes, size

    def forward(self, x):
        out = []
        for level, (features, head) in enumerate(zip(self.pyramid(x), self.heads)):
            side = self.size // STRIDES[level]
            y = head(features).view(-1, 3, self.values, side, side).permute(0, 1, 3, 4, 2).sigmoid()
            centre = (y[..., 0:2] * 2 - 0.5 + cells(side, side)) * STRIDES[level]
            size = (y[..., 2:4] * 2) ** 2 * torch.tensor(self.ANCHORS[level]).float().view(1, 3, 1, 1, 2)
            out.append(torch.cat([centre, size, y[..., 4:]], -1).view(-1, 3 * side * side, self.values))
        return torch.cat(out, 1)


class YOLOv8(nn.Module):
    """No anchors, edges as distributions: [N, 4 + K, A]."""

    BINS = 8

    def __init__(self, size, classes=7):
        super().__init__()
        self.pyramid = Pyramid()
        width = self.pyramid.width
        self.boxes = nn.ModuleList(nn.Sequential(conv(width, width), nn.Conv2d(width, 4 * self.BINS, 1)) for _ in STRIDES)
        self.scores = nn.ModuleList(nn.Sequential(conv(width, width), nn.Conv2d(width, classes, 1)) for _ in STRIDES)
        self.classes, self.size = classes, size

    def distances_and_scores(self, x):
        maps = [torch.cat([b(f), s(f)], 1).flatten(2) for f, b, s in zip(self.pyramid(x), self.boxes, self.scores)]
        boxes, scores = torch.cat(maps, 2).split((4 * self.BINS, self.classes), 1)
        boxes = boxes.view(-1, 4, self.BINS, boxes.shape[2]).transpose(2, 1).softmax(1)
        weights = torch.arange(self.BINS).float().view(1, self.BINS, 1, 1)
        return (boxes * weights).sum(1), scores.sigmoid()

    def grid(self):
        sides = [self.size // s for s in STRIDES]
        centres = torch.cat([cells(s, s).view(-1, 2) + 0.5 for s in sides]).t()
        strides = torch.cat([torch.full((s * s,), float(stride)) for s, stride in zip(sides, STRIDES)])
        return centres, strides

    def forward(self, x):
        distances, scores = self.distances_and_scores(x)
        centres, strides = self.grid()
        first, last = centres - distances[:, :2], centres + distances[:, 2:]
        return torch.cat([torch.cat([(first + last) / 2, last - first], 1) * strides, scores], 1)


class YOLOv10(YOLOv8):
    """The best 20 boxes of each image, sorted: [N, M, 6] with corners, score and class."""

    def forward(self, x):
        distances, scores = self.distances_and_scores(x)
        centres, strides = self.grid()
        boxes = (torch.cat([centres - distances[:, :2], centres + distances[:, 2:]], 1) * strides).transpose(1, 2)
        scores = scores.transpose(1, 2)
        best, index = scores.amax(2).topk(20, 1)
        boxes = boxes.gather(1, index.unsqueeze(2).expand(-1, -1, 4))
        scores = scores.gather(1, index.unsqueeze(2).expand(-1, -1, self.classes))
        best, index = scores.flatten(1).topk(20, 1)
        boxes = boxes.gather(1, index.div(self.classes, rounding_mode="floor").unsqueeze(2).expand(-1, -1, 4))
        return torch.cat([boxes, best.unsqueeze(2), (index % self.classes).unsqueeze(2).float()], 2)


class YOLOWithNMS(YOLOv8):
    """Non-maximum suppression inside, of the only image: [1, M, 6], M depends on it."""

    def forward(self, x):
        distances, scores = self.distances_and_scores(x)
        centres, strides = self.grid()
        boxes = (torch.cat([centres - distances[:, :2], centres + distances[:, 2:]], 1) * strides)[0].t()
        best, label = scores[0].max(0)
        keep = torchvision.ops.nms(boxes, best, 0.45)
        found = torch.cat([boxes, best.unsqueeze(1), label.unsqueeze(1).float()], 1)
        return found[keep].unsqueeze(0)


class YOLOX(nn.Module):
    """Undecoded boxes, decoupled heads: [N, A, 5 + K]."""

    def __init__(self, classes=7):
        super().__init__()
        self.pyramid = Pyramid()
        width = self.pyramid.width
        self.stems = nn.ModuleList(conv(width, width, 1) for _ in STRIDES)
        self.boxes = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in STRIDES)
        self.objects = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in STRIDES)
        self.classes = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in STRIDES)

    def forward(self, x):
        out = []
        for level, features in enumerate(self.pyramid(x)):
            features = self.stems[level](features)
            parts = [self.boxes[level](features), self.objects[level](features).sigmoid(), self.classes[level](features).sigmoid()]
            out.append(torch.cat(parts, 1).flatten(2))
        return torch.cat(out, 2).permute(0, 2, 1)


class UltraFace(nn.Module):
    """As UltraFace and other SSDs: scores [N, A, 2] and boxes [N, A, 4] as corners."""

    def __init__(self, size):
        super().__init__()
        self.pyramid = Pyramid()
        self.heads = nn.ModuleList(nn.Conv2d(self.pyramid.width, 2 * 6, 3, padding=1) for _ in STRIDES)
        centres = []
        for stride in STRIDES:
            at = (cells(size // stride, size // stride).view(-1, 1, 2) + 0.5).repeat(1, 2, 1).view(-1, 2) * stride / size
            centres.append(torch.cat([at, torch.full_like(at, 2.0 * stride / size)], 1))
        self.register_buffer("priors", torch.cat(centres))

    def forward(self, x):
        maps = [h(f).permute(0, 2, 3, 1).flatten(1).view(x.shape[0], -1, 6) for f, h in zip(self.pyramid(x), self.heads)]
        scores, boxes = torch.cat(maps, 1).split((2, 4), 2)
        centre = boxes[..., :2] * 0.1 * self.priors[:, 2:] + self.priors[:, :2]
        size = torch.exp(boxes[..., 2:] * 0.2) * self.priors[:, 2:]
        return torch.softmax(scores, 2), torch.cat([centre - size / 2, centre + size / 2], 2)


WIDTH = 64  # of the maps of feature pyramids


def resnet_fpn():
    network = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1])
    layers = {f"layer{i + 1}": str(i) for i in range(4)}
    return backbone_utils.BackboneWithFPN(network, layers, [64, 128, 256, 512], WIDTH)


def small_fpn():
    network = torchvision.models.mobilenet_v3_small(weights=None).features
    return backbone_utils.BackboneWithFPN(network, {"1": "0", "3": "1", "8": "2", "12": "3"}, [16, 24, 48, 576], WIDTH)


class Maps(nn.Module):
    """A backbone's maps in place of their dict."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, x):
        return tuple(self.backbone(x).values())


class Boxes(nn.Module):
    """torchvision's detectors take lists of images and return lists of dicts: that of the first."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return tuple(self.model([x[i] for i in range(x.shape[0])])[0].values())


class OnlyOut(nn.Module):
    """torchvision's segmenters return dicts."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x)["out"]


SMALL = {"min_size": 128, "max_size": 128}  # torchvision's detectors scale their images themselves


def retinanet():
    anchors = anchor_utils.AnchorGenerator(tuple((x, x * 1.5) for x in (16, 32, 64, 128, 256)), ((0.5, 1.0, 2.0),) * 5)
    normalised = functools.partial(nn.GroupNorm, 8)  # several maps share the head
    head = detection.retinanet.RetinaNetHead(WIDTH, 6, 7, norm_layer=normalised)
    return detection.RetinaNet(
        small_fpn(), 7, anchor_generator=anchors, head=head, detections_per_img=20, topk_candidates=50, **SMALL
    )


def fcos():
    anchors = anchor_utils.AnchorGenerator(((8,), (16,), (32,), (64,), (128,)), ((1.0,),) * 5)
    return detection.FCOS(small_fpn(), 7, anchor_generator=anchors, detections_per_img=20, topk_candidates=50, **SMALL)


def rcnn(**more):
    """What both R-CNNs are told: few boxes, narrow heads."""
    return dict(
        box_head=detection.faster_rcnn.TwoMLPHead(WIDTH * 49, 64), box_predictor=detection.faster_rcnn.FastRCNNPredictor(64, 7),
        rpn_anchor_generator=anchor_utils.AnchorGenerator(((16,), (32,), (64,), (96,), (128,)), ((0.5, 1.0, 2.0),) * 5),
        rpn_pre_nms_top_n_test=100, rpn_post_nms_top_n_test=20, box_detections_per_img=10, **SMALL, **more,
    )


def maskrcnn():
    heads = detection.mask_rcnn
    return detection.MaskRCNN(
        small_fpn(), mask_head=heads.MaskRCNNHeads(WIDTH, (32, 32), 1), mask_predictor=heads.MaskRCNNPredictor(32, 32, 7), **rcnn()
    )


def keypointrcnn():
    heads = detection.keypoint_rcnn
    return detection.KeypointRCNN(
        small_fpn(), keypoint_head=heads.KeypointRCNNHeads(WIDTH, (32, 32)), keypoint_predictor=heads.KeypointRCNNPredictor(32, 5), **rcnn()
    )


def ssdlite():
    return detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=7, detections_per_img=20, topk_candidates=30)


def image(count, size, channels=3):
    return export_torchvision.images(count, size)[:, :channels].contiguous()


class Export:
    """One file: how its network is made, its inputs for a number of images, names of the outputs."""

    def __init__(self, make, draw, outputs=("output",), inputs=("input",), batch=True, opset=13):
        self.make, self.draw, self.outputs, self.inputs, self.batch, self.opset = make, draw, outputs, inputs, batch, opset


def pictures(size, channels=3):
    return lambda count: (image(count, size, channels),)


EXPORTS = {
    "unet": Export(UNet, pictures(64), ("mask",)),
    "espcn": Export(ESPCN, pictures(32, 1)),
    "dncnn": Export(DnCNN, pictures(48, 1)),
    "embedding": Export(Embedding, pictures(64), ("embedding",)),
    "landmarks": Export(Landmarks, pictures(64), ("points",)),
    "pose": Export(lambda: Heads(3, 66), pictures(64), ("yaw", "pitch", "roll")),
    "captcha": Export(lambda: Heads(5, 10), pictures(64), tuple(f"digit{i}" for i in range(1, 6))),
    "siamese": Export(Siamese, lambda n: (image(n, 64), image(n, 64)), ("same",), ("first", "second")),
    "image_vector": Export(ImageAndVector, lambda n: (image(n, 64), torch.randn(n, 5)), ("command",), ("image", "vector")),
    "crnn": Export(CRNN, lambda n: (image(n, 96, 1)[:, :, :32].contiguous(),), ("text",), batch=False),
    "yolov5": Export(lambda: YOLOv5(96), pictures(96)),
    "yolov8": Export(lambda: YOLOv8(96), pictures(96)),
    "yolov10": Export(lambda: YOLOv10(96), pictures(96)),
    "yolo_nms": Export(lambda: YOLOWithNMS(96), pictures(96), batch=False),
    "yolox": Export(YOLOX, pictures(96)),
    "ultraface": Export(lambda: UltraFace(96), pictures(96), ("scores", "boxes"), batch=False),
    "ssdlite": Export(lambda: Boxes(ssdlite()), pictures(320), ("boxes", "scores", "labels"), batch=False),
    "fcos": Export(lambda: Boxes(fcos()), pictures(128), ("boxes", "scores", "labels"), batch=False),
    "retinanet": Export(lambda: Boxes(retinanet()), pictures(128), ("boxes", "scores", "labels"), batch=False),
    "maskrcnn": Export(lambda: Boxes(maskrcnn()), pictures(128), ("boxes", "labels", "scores", "masks"), batch=False),
    "keypointrcnn": Export(lambda: Boxes(keypointrcnn()), pictures(128),
                           ("boxes", "labels", "scores", "keypoints", "keypoint_scores"), batch=False),
    "fpn": Export(lambda: Maps(resnet_fpn()), pictures(128), ("p2", "p3", "p4", "p5", "pool")),
    "deeplabv3": Export(lambda: OnlyOut(segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=7)),
                        pictures(128), ("out",)),
    "lraspp": Export(lambda: OnlyOut(segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=7)),
                     pictures(128), ("out",)),
}


def scale_layers(model, draw):
    """Gives what every layer computes a deviation of 1 on random inputs: without normalisation between them, and
    with heads that several maps share, kaiming's would saturate what comes after."""

    def scale(layer, _, output):
        if layer not in done:
            done.add(layer)
            deviation = output.std().clamp(min=1e-6)
            layer.weight /= deviation
            if layer.bias is not None:
                layer.bias /= deviation
            return output / deviation

    done = set()
    hooks = [m.register_forward_hook(scale) for m in model.modules() if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))]
    model(*draw())
    for hook in hooks:
        hook.remove()


def measure_statistics(model, draw):
    """Sets the mean and variance of every batch normalisation to those of random inputs."""
    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain average over all batches
        layer.train()
    for _ in range(8 if layers else 0):
        model(*draw())
    model.eval()


def difference(model, draw):
    """Distance of the outputs for two images, relative to their size, of the output where it is the least."""
    first, second = (model(*draw(1)) for _ in range(2))
    if torch.is_tensor(first):
        first, second = (first,), (second,)
    apart = []
    for a, b in zip(first, second):
        if a.is_floating_point() and a.shape == b.shape and a.numel():
            apart.append(float((a - b).norm() / a.norm()))
    return min(apart, default=math.inf)  # other numbers of boxes: different


def write(export, path):
    model = export.make().eval()
    export_torchvision.initialise(model)
    scale_layers(model, lambda: export.draw(4))
    measure_statistics(model, lambda: export.draw(4))
    scale_layers(model, lambda: export.draw(4))
    differs = difference(model, export.draw)
    axes = {name: {0: "batch"} for name in export.inputs + export.outputs} if export.batch else None
    torch.onnx.export(
        model, export.draw(2 if export.batch else 1), path, opset_version=export.opset,
        input_names=list(export.inputs), output_names=list(export.outputs), dynamic_axes=axes,
    )
    return differs


def script_hash():
    sha = hashlib.sha256()
    for file in (__file__, export_torchvision.__file__):
        with open(file, "rb") as script:
            sha.update(script.read())
    return sha.hexdigest()


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
        torch.manual_seed(1)
        with torch.no_grad(), tempfile.TemporaryDirectory(dir=outdir) as scratch:
            unfinished = os.path.join(scratch, "model.onnx")
            differs = write(EXPORTS[name], unfinished)
            if not differs > CLEARLY:
                sys.exit(f"{name}: outputs of two images differ by {differs:.3g} of their size, want over {CLEARLY}")
            os.replace(unfinished, path)
        with open(stamp, "w") as file:
            file.write(mine)
        seconds = time.monotonic() - start
        print(f"{name}: {os.path.getsize(path) / 1e6:.1f} MB in {seconds:.0f} s, two images differ by {differs:.2f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
