# A trial: a lighter encoder in place of a bundle's mobile half, of the original's own layers
# with fewer hidden channels. Channels go by what the outputs feel (the diagonal of the Fisher
# matrix at what a block adds to the network, by what noise there does to the scores), each
# taking with it what the others cannot say for it (optimal brain surgeon); then each
# projection is solved anew, in order, to give what the original gives from what the narrowed
# network has (least squares). What training makes of it: bnc train --distill.
# Of networks of 1x1 convolutions around depthwise ones whose batch normalisation is folded,
# as mobilenetv2.onnx of docs/evidence/photos.md, whose images it prepares.
# usage: student.py BUNDLE MODEL SHARE PHOTOGRAPH...     SHARE of the multiply-adds stays;
# BUNDLE of MODEL is changed, but for its cloud half
import copy
import heapq
import json
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper
from PIL import Image

SIZE, SHORT, SCALE, MEAN = 224, 256, np.float32(0.00787402), 128
POSITIONS, RIDGE = 196, 1e-3
ELEMENTWISE = ("Clip", "Relu")


class Network:
    """A model, with what is asked of its graph."""

    def __init__(self, model):
        self.model = model
        self.weights = {i.name: i for i in model.graph.initializer}
        self.producer = {v: n for n in model.graph.node for v in n.output}
        self.readers = {}
        for n in model.graph.node:
            for v in n.input:
                self.readers.setdefault(v, []).append(n)

    def weight(self, name):
        return numpy_helper.to_array(self.weights[name])

    def set(self, name, values):
        values = np.ascontiguousarray(values, np.float32)
        self.weights[name].CopyFrom(numpy_helper.from_array(values, name))

    def session(self, *outputs):
        model = copy.deepcopy(self.model)
        del model.graph.output[:]
        for name in outputs:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, 1, None))
        return open_session(model)

    def before(self, tensor):
        """The nodes that tensor depends on."""
        found, todo = set(), [tensor]
        while todo:
            node = self.producer.get(todo.pop())
            if node is not None and node.output[0] not in found:
                found.add(node.output[0])
                todo += node.input
        return [n for n in self.model.graph.node if n.output[0] in found]


def open_session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options)


def groups_of(node):
    return next((a.i for a in node.attribute if a.name == "group"), 1)


def hidden(net, cut):
    """The hidden channels before a cut: the convolutions that give them, the projection that
    reads them, and the tensor it reads."""
    nodes = net.before(cut)
    inside = {n.output[0] for n in nodes}
    for first in nodes:
        if first.op_type != "Conv" or groups_of(first) != 1:
            continue
        width, convs, tensor = net.weight(first.input[1]).shape[0], [first], first.output[0]
        while True:
            readers = net.readers.get(tensor, [])
            if len(readers) != 1 or readers[0].output[0] not in inside:
                break
            node = readers[0]
            if node.op_type == "Conv" and groups_of(node) == 1:
                if net.weight(node.input[1]).shape[2:] == (1, 1):
                    yield convs, node, tensor
                break
            if node.op_type == "Conv" and groups_of(node) == width:
                convs.append(node)
            elif node.op_type not in ELEMENTWISE:
                break
            tensor = node.output[0]


def photograph(path):
    img = Image.open(path).convert("RGB")
    scale = SHORT / min(img.size)
    img = img.resize([round(side * scale) for side in img.size], Image.BILINEAR)
    left, top = [(side - SIZE) // 2 for side in img.size]
    x = np.asarray(img.crop((left, top, left + SIZE, top + SIZE)), np.float32)
    return (x.transpose(2, 0, 1)[None] - MEAN) * SCALE


def felt(net, name, images, rng):
    """What an error of variance 1 in each channel of a tensor costs, in nats."""
    model = copy.deepcopy(net.model)
    at = next(i for i, n in enumerate(model.graph.node) if n.output[0] == name)
    model.graph.node[at].output[0] = "clean"
    model.graph.node.insert(at + 1, onnx.helper.make_node("Add", ["clean", "noise"], [name]))
    model.graph.input.append(onnx.helper.make_tensor_value_info("noise", 1, list("nchw")))
    model.graph.output.append(onnx.helper.make_tensor_value_info("clean", 1, None))
    session, feed = open_session(model), net.model.graph.input[0].name
    none = np.zeros((1, 1, 1, 1), np.float32)
    clean = [session.run(None, {feed: x, "noise": none}) for x in images]
    shape, cost = clean[0][-1].shape, np.zeros(clean[0][-1].shape[1])
    for channel in range(shape[1]):
        size = 0.3 * clean[0][-1][:, channel].std() + 1e-3
        for k in range(4):
            i = (4 * channel + k) % len(images)
            noise = np.zeros(shape, np.float32)
            noise[:, channel] = size * rng.standard_normal(shape[2:])
            p = clean[i][0].astype(np.float64)
            q = session.run(None, {feed: images[i], "noise": noise})[0].astype(np.float64)
            cost[channel] += np.sum(p * np.log((p + 1e-12) / (q + 1e-12))) / size**2 / 4
    return cost


def sampled(x, rng, most):
    x = x.reshape(x.shape[1], -1)
    at = rng.choice(x.shape[1], min(most, x.shape[1]), replace=False)
    return x[:, at].astype(np.float64), at


def surgeon(w, cov, cost):
    """Takes channels away one by one: what each costs, those that stay, and their weights."""
    precision, w, alive = np.linalg.inv(cov), w.copy(), list(range(len(cov)))
    while len(alive) > 4:
        diagonal = precision[alive, alive]
        prices = (cost[:, None] * w[:, alive] ** 2).sum(0) / diagonal
        j = alive[int(prices.argmin())]
        w -= np.outer(w[:, j], precision[j]) / precision[j, j]
        precision -= np.outer(precision[j], precision[j]) / precision[j, j]
        alive.remove(j)
        w[:, j] = 0
        yield float(prices.min()), list(alive), w.copy()


def narrow(net, cut, share, images, rng):
    parts = list(hidden(net, cut))
    sizes = onnx.shape_inference.infer_shapes(net.model).graph.value_info
    sizes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in sizes}

    def macs(node):
        return net.weight(node.input[1]).size * int(np.prod(sizes[node.output[0]][2:]))

    total = left = sum(macs(n) for n in net.before(cut) if n.op_type == "Conv")
    session, feed = net.session(*[t for _, _, t in parts]), net.model.graph.input[0].name
    count, first, second = [[0] * len(parts) for _ in range(3)]
    for x in images[:200]:
        for k, h in enumerate(session.run(None, {feed: x})):
            h, _ = sampled(h, rng, POSITIONS // 2)
            count[k] += h.shape[1]
            first[k] = first[k] + h.sum(1)
            second[k] = second[k] + h @ h.T
    heap, steps, per = [], [], []
    for k, (convs, project, _) in enumerate(parts):
        cost = felt(net, project.output[0], images[:: max(1, len(images) // 16)][:16], rng)
        mean = first[k] / count[k]
        cov = second[k] / count[k] - np.outer(mean, mean)
        cov += np.eye(len(cov)) * 1e-4 * np.trace(cov) / len(cov)
        steps.append(surgeon(net.weight(project.input[1])[:, :, 0, 0].astype(np.float64), cov, cost))
        per.append(sum(macs(n) for n in [*convs, project]) / len(cov))
        heapq.heappush(heap, (0, k, None))
    while heap and left > share * total:  # the cheapest channel a multiply-add goes next
        price, k, state = heapq.heappop(heap)
        if state is not None:
            left -= per[k]
            parts[k] = (*parts[k][:3], state)
        step = next(steps[k], None)
        if step is not None:
            heapq.heappush(heap, (max(price, step[0] / per[k]), k, step))
    print(f"{total / 1e6:.1f}M multiply-adds before the cut, {left / 1e6:.1f}M stay: {left / total:.1%}")
    for k, (convs, project, _, *state) in enumerate(parts):
        if not state:
            continue
        _, keep, w = state[0]
        keep = sorted(keep)
        whole = net.weight(project.input[1])[:, :, 0, 0].astype(np.float64)
        net.set(project.input[2], net.weight(project.input[2]) + (whole - w) @ (first[k] / count[k]))
        net.set(project.input[1], w[:, keep][:, :, None, None])
        for n in convs:
            for name in n.input[1:3]:
                net.set(name, net.weight(name)[keep])
            for a in n.attribute:
                if a.name == "group" and a.i > 1:
                    a.i = len(keep)
        print(f"  {project.name}: {len(whole[0])} -> {len(keep)}", file=sys.stderr)
        yield project


def refit(net, original, projects, images, rng):
    feed = net.model.graph.input[0].name
    for node in projects:
        readers = net.readers[node.output[0]]
        target, other = node.output[0], []
        if len(readers) == 1 and readers[0].op_type == "Add":
            target, other = readers[0].output[0], [v for v in readers[0].input if v != target]
        theirs, mine = original.session(target), net.session(node.input[0], *other)
        square, cross = 0, 0
        for x in images:
            y, (h, *rest) = theirs.run(None, {feed: x})[0], mine.run(None, {feed: x})
            for r in rest:
                y = y - r
            h, at = sampled(h, rng, POSITIONS)
            h = np.vstack([h, np.ones((1, h.shape[1]))])
            square, cross = square + h @ h.T, cross + y.reshape(y.shape[1], -1)[:, at].astype(np.float64) @ h.T
        w = np.hstack([net.weight(node.input[1])[:, :, 0, 0], net.weight(node.input[2])[:, None]]).astype(np.float64)
        ridge = RIDGE * np.trace(square) / len(square) * np.eye(len(square))
        w += np.linalg.solve(square + ridge, (cross - w @ square).T).T
        net.set(node.input[1], w[:, :-1, None, None])
        net.set(node.input[2], w[:, -1])


def put(net, path):
    """Writes the narrowed convolutions into a graph of the bundle."""
    model = onnx.load(path)
    groups = {n.output[0]: groups_of(n) for n in net.model.graph.node if n.op_type == "Conv"}
    for i in model.graph.initializer:
        if i.name in net.weights:
            i.CopyFrom(net.weights[i.name])
    for n in model.graph.node:
        for a in n.attribute if n.output[0] in groups else []:
            if a.name == "group":
                a.i = groups[n.output[0]]
    del model.graph.value_info[:]
    onnx.save(model, path + ".tmp")
    os.replace(path + ".tmp", path)


def main(bundle, path, share, *files):
    meta = {p.key: p.value for p in onnx.load(os.path.join(bundle, "mobile.onnx")).metadata_props}
    cut = json.loads(meta["bnc.tensor"])
    cut = cut if isinstance(cut, str) else cut[0]
    rng = np.random.default_rng(0)
    images = [photograph(f) for f in files]
    original, net = Network(onnx.load(path)), Network(onnx.load(path))
    projects = list(narrow(net, cut, float(share), images, rng))
    refit(net, original, projects, images, rng)
    for part in "mobile", "bottlenet":
        put(net, os.path.join(bundle, part + ".onnx"))


main(*sys.argv[1:])
