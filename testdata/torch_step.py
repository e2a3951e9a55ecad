"""Training steps of ONNX models by PyTorch: its autograd, losses, optimisers and batch normalisation, in float64.

    torch_step.py < CASES.json

CASES.json is a list of {"model", "feeds", "values", "labels", "train", "statistics", "rates", "optimizer", "loss",
"targets", "negated", "last_values", "dir"}. Model, feeds and values are those of torch_oracle.py; labels an array or null; train names the
initializers that change, statistics those that are running means and variances; rates holds the learning rate of each
step. DIR/after.I gets the I-th of train and then of statistics after the last step as raw float64, DIR/average.I the
exponential average of the I-th of train. Statistics are the mean of
those of batches under the last weights, or under their averages: see measure. On stdout is a list of {"losses", "norms", "hits", "error"}.
"""

import io
import json
import math
import os
import sys

import torch
from PIL import Image
from torch.nn import functional

import onnx_wire
from torch_oracle import Interpreter, array, as_tensor


class Network(Interpreter):
    """Interprets the forward graph with weights that change and PyTorch's batch normalisation."""

    def __init__(self, model, case):
        super().__init__(model, case, torch.float64)
        self.values = {name: as_tensor(a, torch.float64) for name, a in model.initializers.items()}
        self.values |= {name: as_tensor(array(entry), torch.float64) for name, entry in case["feeds"].items()}
        self.weights = [self.values[name].requires_grad_() for name in case["train"]]
        self.statistics = {id(self.values[name]) for name in case["statistics"] or []}

    def apply(self, node, inputs):
        if node.op == "BatchNormalization" and id(inputs[3]) in self.statistics:
            x, gamma, beta, mean, var = inputs
            # momentum 1: the running statistics become this batch's
            return functional.batch_norm(x, mean, var, gamma, beta, training=True, momentum=1, eps=node.attributes.get("epsilon", 1e-5))
        return super().apply(node, inputs)

    def __call__(self):
        values = {"": None} | self.values
        self.case["batch_norm"] = False
        for node in self.model.nodes:
            results = self.apply(node, [values[name] for name in node.inputs])
            results = [results] if isinstance(results, torch.Tensor) else results
            values.update((name, r) for name, r in zip(node.outputs, results) if name)
        return values


def loss_of(values, case, labels):
    """The loss, and the classes that count as right, of the first output."""
    o, targets = case["loss"], case["targets"]
    heads = [loss_of_head(values, o, head, labels) for head in targets["Heads"] if not head["By"]]
    by_end = [(head["By"]["Weight"], loss_of_end(values, o, head)) for head in targets["Heads"] if head["By"]]
    left, hits = 1 - sum(weight for weight, _ in by_end), heads[0][1] if heads else 0
    loss = sum(left / len(heads) * loss for loss, _ in heads) + sum(weight * loss for weight, loss in by_end)
    if o["FeatureWeight"]:
        for match in targets["Features"]:
            feature = values[match["Original"]].detach()
            part = functional.mse_loss(values[match["Restored"]], feature) / (match["Scale"] or feature.square().mean())
            loss = loss + o["FeatureWeight"] / len(targets["Features"]) * part
    if o["Rate"]:
        for tile in targets["Tiles"]:
            loss = loss + case["byte_weight"] * rate_of(values[tile["Name"]], tile["Codec"]["parameters"]["quality"])
    return loss, hits


def loss_of_masks(x, o, masks, labels):
    """The loss of labels [N,H,W] that tell the class of each place, 255 for those that do not count."""
    if not masks["Each"]:
        return functional.cross_entropy(x.movedim(masks["Axis"], 1), labels, ignore_index=255, label_smoothing=o["LabelSmoothing"])
    x = x[:, None] if masks["Axis"] < 0 else x.movedim(masks["Axis"], 1)
    truth = torch.stack([labels == k + 1 for k in range(x.shape[1])], 1).double() * (1 - o["LabelSmoothing"]) + o["LabelSmoothing"] / 2
    counted = (labels != 255)[:, None].expand_as(x)
    return functional.binary_cross_entropy_with_logits(x[counted], truth[counted])


def loss_of_head(values, o, head, labels):
    if head["Masks"]:
        return loss_of_masks(values[head["Scores"]], o, head["Masks"], labels), 0
    scores = values[head["Scores"]].flatten(1)
    if head["Teacher"]:
        teacher = values[head["Teacher"]].flatten(1).detach()
        right = teacher.argmax(1)
    else:
        teacher, right = functional.one_hot(labels, scores.shape[1]).double(), labels
    if o["Kind"] == "mse":
        loss = functional.mse_loss(scores, teacher)
    elif not head["Teacher"]:
        loss = functional.cross_entropy(scores, labels, label_smoothing=o["LabelSmoothing"])
    else:
        t = o["Temperature"] or 1
        p, q = functional.log_softmax(scores / t, 1), functional.log_softmax(teacher / t, 1)
        loss = t * t * functional.kl_div(p, q, reduction="batchmean", log_target=True)
    return loss, int((scores.argmax(1) == right).sum())


def loss_of_end(values, o, head):
    """The loss of an output, or a part of it, by what it ends in: a mean over images and positions, over what it is scaled by."""
    by, x, teacher = head["By"], values[head["Scores"]], values[head["Teacher"]].detach()
    axis, weights = by["Axis"], torch.ones((), dtype=x.dtype)
    if by["Focus"]:
        focus = by["Focus"]
        weights = (torch.sigmoid(values[focus["Scores"]].detach()).amax(focus["Axis"], keepdim=True) + 0.01).permute(focus["Order"])
        weights = weights / weights.mean()
    scale = torch.tensor(by["Scale"] or [1.0], dtype=x.dtype)
    if by["Loss"] == "kl":
        t = o["Temperature"] or 1
        p, q = (functional.log_softmax(v / t, axis) for v in (x, teacher))
        each = functional.kl_div(p, q, reduction="none", log_target=True).sum(axis, keepdim=True)
        return t * t * (each * weights).mean() / scale[0]
    if by["Loss"] == "binary":
        q = torch.sigmoid(teacher)
        each, least = (functional.binary_cross_entropy_with_logits(v, q, reduction="none") for v in (x, teacher))
        return ((each - least) * weights).mean() / scale[0]
    if by["Loss"] == "dice":
        p, q = torch.sigmoid(x), torch.sigmoid(teacher)
        along = [i for i in range(1, x.dim()) if i != axis]
        least = 0.02 * math.prod(x.shape[i] for i in along)
        shares = (2 * (p * q).sum(along) + least) / ((p * p + q * q).sum(along) + least)
        return (1 - shares).mean()
    if by["Loss"] == "cosine":
        angle = (1 - functional.cosine_similarity(x, teacher, dim=axis)).mean()
        return angle / scale[0] / 2 + (x - teacher).square().sum(axis).mean() / scale[-1] / 2
    if by["Loss"] == "squared":
        errors = (x - teacher).square() * weights
        channels = errors.movedim(axis, 0).flatten(1).mean(1) if axis >= 0 else errors.mean()
        return (channels / scale).mean()
    raise ValueError(by["Loss"])


def rate_of(tile, quality):
    """Estimates bytes of JPEG by 2.3/2 log2(1 + (coefficient / (0.375 step))^2) bits, without those of frequency 0.

    The steps are read off a file that Pillow writes, the basis is evaluated function by function.
    """
    file = io.BytesIO()
    Image.new("L", (8, 8)).save(file, "jpeg", quality=quality)
    steps = torch.tensor(Image.open(file).quantization[0], dtype=tile.dtype).view(8, 8)
    images, (h, w) = len(tile), tile.shape[2:]
    tile = functional.pad(tile, (0, -w % 8, 0, -h % 8), mode="replicate")
    total = 0
    for v in range(8):
        for u in range(8):
            if u == v == 0:
                continue
            x = torch.arange(8, dtype=tile.dtype)
            rows, columns = (torch.cos((2 * x + 1) * k * math.pi / 16) * (0.5 if k else math.sqrt(0.125)) for k in (v, u))
            kernel = torch.outer(rows, columns).view(1, 1, 8, 8)
            total = total + 2.3 / 2 * (1 + (functional.conv2d(tile, kernel, stride=8) / (0.375 * steps[v, u])).square()).log2().sum()
    return total / 8 / images


def optimizer_of(o, weights):
    decay = o["WeightDecay"]
    groups = [{"params": [w], "weight_decay": decay if o["DecayAll"] or w.dim() >= 2 else 0, "size": 1} for w in weights]
    if o["Kind"] == "sgd":
        return torch.optim.SGD(groups, lr=0, momentum=o["Momentum"], nesterov=o["Nesterov"])
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adam-relative": torch.optim.Adam}[o["Kind"]]
    if o["Kind"] == "adam-relative":
        for group, w in zip(groups, weights):
            group["size"] = max(w.detach().square().mean().sqrt().item(), 1e-3)
    return kind(groups, lr=0, betas=(o["Beta1"] or 0.9, o["Beta2"] or 0.999), eps=o["Epsilon"] or 1e-8)


def measure(net, case, weights):
    """Sets the running statistics to the average over batches under these weights: the images and, for "negated", their
    negatives. What last_values names is taken as given."""
    names = case["statistics"] or []
    trained, given = [w.detach().clone() for w in net.weights], {name: net.values[name] for name in case["feeds"]}
    seen = []
    net.given = {name: as_tensor(array(entry), torch.float64) for name, entry in (case["last_values"] or {}).items()}
    with torch.no_grad():
        for w, last in zip(net.weights, [w.detach().clone() for w in weights]):
            w.copy_(last)
        for sign in (1, -1) if case["negated"] else (1,):
            net.values |= {name: sign * x for name, x in given.items()}
            net()
            seen.append([net.values[name].clone() for name in names])
        for name, batches in zip(names, zip(*seen)):
            net.values[name].copy_(sum(batches) / len(batches))
        for w, last in zip(net.weights, trained):
            w.copy_(last)


def solve(case):
    model = onnx_wire.load(case["model"])
    net = Network(model, case)
    labels = as_tensor(array(case["labels"]), torch.float64) if case["labels"] else None
    optimizer, o = optimizer_of(case["optimizer"], net.weights), case["optimizer"]
    averages = [w.detach().clone() for w in net.weights]
    losses, norms, hits = [], [], []
    for rate in case["rates"]:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["size"]
        optimizer.zero_grad()
        loss, right = loss_of(net(), case, labels)
        loss.backward()
        limit = o["ClipNorm"] or float("inf")
        norms.append(float(torch.nn.utils.clip_grad_norm_(net.weights, limit)))
        optimizer.step()
        losses.append(float(loss))
        hits.append(right)
        for average, w in zip(averages, net.weights):
            average.mul_(o["EMA"]).add_(w.detach(), alpha=1 - o["EMA"])
    measure(net, case, averages if o["EMA"] else net.weights)
    after = net.weights + [net.values[name] for name in case["statistics"] or []]
    for kind, tensors in (("after", after), ("average", averages)):
        for i, w in enumerate(tensors):
            w.detach().numpy().tofile(os.path.join(case["dir"], f"{kind}.{i}"))
    return losses, norms, hits


def main():
    torch.set_num_threads(1)  # more wait for each other wherever a machine has other work
    answers = []
    for case in json.load(sys.stdin):
        try:
            losses, norms, hits = solve(case)
            answers.append({"losses": losses, "norms": norms, "hits": hits, "error": ""})
        except Exception as e:  # one broken case must not hide the others
            answers.append({"losses": [], "norms": [], "hits": [], "error": f"{type(e).__name__}: {e}"})
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
