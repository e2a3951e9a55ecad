"""Gives the ONNX project's light models weights that matter.

    randomise_light.py INDIR OUTDIR

The light models' weights are constants (ConstantOfShape), which hides swapped channels. Here every weight
becomes an initialiser with seeded random values of a scale that keeps the signal's own, every
BatchNormalization gets the mean and variance of the images it sees, and the last layer's bias takes out what
all images have in common, so that different images are of different classes. The rest stays as it is: IR 3, opset 9,
initialisers listed among the graph's inputs. Needs onnx, onnxruntime and numpy.
A model that this very script has already written is left alone.
"""

import hashlib
import os
import sys
import time

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

IMAGES = 8  # how many the measured values are taken from

# Outputs of two images must differ by this much: half the sum of absolute differences for probabilities (1 is
# most), relative to the output's size otherwise. The models written here lie from 0.09 to 0.70; with the
# constant weights all is 0.
CLEARLY = 0.05


def image(rng, shape):
    """A random picture: coloured patches of several sizes and a little noise, like a normalised photograph."""
    _, channels, height, width = shape
    picture = 0.1 * rng.standard_normal((channels, height, width))
    for cells in (1, 4, 8, 28):
        patches = rng.standard_normal((channels, cells, cells))
        picture += patches.repeat(-(-height // cells), 1).repeat(-(-width // cells), 2)[:, :height, :width]
    return (picture[None] / 2).astype(np.float32)


# How a weight is drawn, given its role and shape. The scale of a kernel follows He et al. (2015): variance
# 2 / fan-in keeps the signal's through a ReLU.
def he(rng, shape, fan_in):
    return rng.standard_normal(shape) * np.sqrt(2 / fan_in)


def offset(rng, shape, fan_in):
    return rng.standard_normal(shape) * 0.1


def factor(rng, shape, fan_in):
    return rng.uniform(0.5, 1.5, shape)


def zero(rng, shape, fan_in):
    return np.zeros(shape)


def one(rng, shape, fan_in):
    return np.ones(shape)


ROLES = {  # (operator, input): how its values are drawn
    ("Conv", 1): he,
    ("Conv", 2): offset,
    ("Gemm", 1): he,
    ("Gemm", 2): offset,
    ("BatchNormalization", 1): factor,
    ("BatchNormalization", 2): offset,
    ("BatchNormalization", 3): zero,  # mean and variance are measured afterwards
    ("BatchNormalization", 4): one,
    ("Mul", 1): factor,
    ("Add", 1): offset,
}


def draw_weights(graph, rng):
    """One new array for each weight of the graph, by name."""
    constants = {i.name: numpy_helper.to_array(i) for i in graph.initializer}
    shapes = {name: value.shape for name, value in constants.items() if value.dtype == np.float32}
    for node in graph.node:
        if node.op_type == "ConstantOfShape":
            shapes[node.output[0]] = tuple(int(d) for d in constants[node.input[0]])
    views = {name: (name, shape) for name, shape in shapes.items()}  # tensor: its weight, in which shape
    values = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in views:
                continue
            weight, shape = views[name]
            if node.op_type == "Unsqueeze":
                views[node.output[0]] = weight, shape
            elif node.op_type == "Reshape":
                views[node.output[0]] = weight, tuple(int(d) for d in constants[node.input[1]])
            else:
                draw = ROLES[node.op_type, place]
                values[weight] = draw(rng, shapes[weight], fan_in(node, shape)).astype(np.float32)
    return values


def fan_in(node, shape):
    """How many inputs one output of a Conv or Gemm with a kernel of this shape sums up."""
    if node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute):
        return shape[0]
    return int(np.prod(shape[1:]))


def replace_weights(model, values):
    """Puts values in as initialisers and drops the ConstantOfShape nodes and what only they used."""
    graph = model.graph
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {name for node in nodes for name in node.input}
    kept = [i for i in graph.initializer if i.name in used and i.name not in values]
    dropped = {i.name for i in graph.initializer} - {i.name for i in kept}
    inputs = [i for i in graph.input if i.name not in dropped and i.name in used]
    for name, value in values.items():
        kept.append(numpy_helper.from_array(value, name))
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    for field, items in (("node", nodes), ("initializer", kept), ("input", inputs)):
        del getattr(graph, field)[:]
        getattr(graph, field).extend(items)


def measuring_model(model):
    """A copy whose BatchNormalizations take the statistics of the one image at hand, and give them as outputs.

    Returns the copy and, for each BatchNormalization, the names of its mean and variance weights and of the
    outputs that hold the measured ones.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    graph, nodes, measured = copy.graph, [], []
    for index, node in enumerate(model.graph.node):
        if node.op_type != "BatchNormalization":
            nodes.append(node)
            continue
        x, scale, bias, mean, variance = node.input
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        part = {p: f"measured{index}.{p}" for p in
                ("mean", "centred", "square", "variance", "epsilon", "shifted", "deviation", "unit", "s", "b", "scaled")}
        graph.initializer.append(numpy_helper.from_array(np.float32(epsilon), part["epsilon"]))
        graph.input.append(helper.make_tensor_value_info(part["epsilon"], TensorProto.FLOAT, []))
        planes = {"axes": [2, 3], "keepdims": 1}
        nodes += [
            helper.make_node("ReduceMean", [x], [part["mean"]], **planes),
            helper.make_node("Sub", [x, part["mean"]], [part["centred"]]),
            helper.make_node("Mul", [part["centred"], part["centred"]], [part["square"]]),
            helper.make_node("ReduceMean", [part["square"]], [part["variance"]], **planes),
            helper.make_node("Add", [part["variance"], part["epsilon"]], [part["shifted"]]),
            helper.make_node("Sqrt", [part["shifted"]], [part["deviation"]]),
            helper.make_node("Div", [part["centred"], part["deviation"]], [part["unit"]]),
            helper.make_node("Unsqueeze", [scale], [part["s"]], axes=[1, 2]),
            helper.make_node("Unsqueeze", [bias], [part["b"]], axes=[1, 2]),
            helper.make_node("Mul", [part["unit"], part["s"]], [part["scaled"]]),
            helper.make_node("Add", [part["scaled"], part["b"]], [node.output[0]]),
        ]
        measured.append((mean, variance, part["mean"], part["variance"]))
        for name in (part["mean"], part["variance"]):
            graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    del graph.node[:]
    graph.node.extend(nodes)
    return copy, measured


def session(model):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # weights that are graph inputs draw a warning each
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def image_input(model):
    weights = {i.name for i in model.graph.initializer}
    (value,) = [i for i in model.graph.input if i.name not in weights]
    return value.name, [d.dim_value for d in value.type.tensor_type.shape.dim]


def measure_statistics(model, rng):
    """The mean and variance over IMAGES random images for every BatchNormalization, by weight name."""
    copy, measured = measuring_model(model)
    if not measured:
        return {}
    name, shape = image_input(model)
    running = session(copy)
    wanted = [output for _, _, *outputs in measured for output in outputs]
    runs = [running.run(wanted, {name: image(rng, shape)}) for _ in range(IMAGES)]
    values = {}
    for layer, (mean, variance, _, _) in enumerate(measured):
        means = np.array([run[2 * layer].ravel() for run in runs])
        variances = np.array([run[2 * layer + 1].ravel() for run in runs])
        values[mean] = means.mean(0)
        values[variance] = variances.mean(0) + means.var(0)  # within the images and between them
    return values


def centred_bias(model, rng):
    """The last layer's bias such that each class has the mean 0 over IMAGES random images, by weight name."""
    last = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")][-1]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.graph.output.append(helper.make_tensor_value_info(last.output[0], TensorProto.FLOAT, None))
    name, shape = image_input(model)
    running = session(copy)
    runs = [running.run([last.output[0]], {name: image(rng, shape)})[0] for _ in range(IMAGES)]
    classes = np.mean([run.reshape(run.shape[1], -1).mean(1) for run in runs], 0)
    (bias,) = [i for i in model.graph.initializer if i.name == last.input[2]]
    return {bias.name: numpy_helper.to_array(bias) - classes}


def set_weights(model, values):
    for initializer in model.graph.initializer:
        if initializer.name in values:
            initializer.CopyFrom(numpy_helper.from_array(values[initializer.name], initializer.name))


def difference(model, rng):
    """How far apart the outputs for two images are; see CLEARLY."""
    name, shape = image_input(model)
    running = session(model)
    first, second = (running.run(None, {name: image(rng, shape)})[0].ravel() for _ in range(2))
    if np.isclose(first.sum(), 1, atol=1e-3) and first.min() >= 0:
        return np.abs(first - second).sum() / 2
    return np.linalg.norm(first - second) / np.linalg.norm(first)


def randomise(model, seed):
    rng = np.random.default_rng(seed)
    replace_weights(model, draw_weights(model.graph, rng))
    set_weights(model, measure_statistics(model, rng))
    set_weights(model, centred_bias(model, rng))
    return difference(model, rng)


def script_hash():
    with open(__file__, "rb") as script:
        return hashlib.sha256(script.read()).hexdigest()


def main(arguments):
    if len(arguments) != 2:
        sys.exit(__doc__)
    indir, outdir = arguments
    os.makedirs(outdir, exist_ok=True)
    mine = script_hash()
    for file in sorted(os.listdir(indir)):
        name, extension = os.path.splitext(file)
        if extension != ".onnx":
            continue
        path = os.path.join(outdir, file)
        stamp = os.path.join(outdir, f".{name}.script")
        if os.path.exists(path) and os.path.exists(stamp) and open(stamp).read() == mine:
            print(f"{name}: already there")
            continue
        start = time.monotonic()
        model = onnx.load(os.path.join(indir, file))
        differs = randomise(model, seed=1)
        if not differs > CLEARLY:
            sys.exit(f"{name}: outputs of two images differ by {differs:.3g}, want over {CLEARLY}")
        onnx.checker.check_model(model)
        onnx.save(model, path + ".tmp")
        os.replace(path + ".tmp", path)
        with open(stamp, "w") as out:
            out.write(mine)
        seconds = time.monotonic() - start
        print(f"{name}: {os.path.getsize(path) / 1e6:.1f} MB in {seconds:.0f} s, two images differ by {differs:.2f}")


if __name__ == "__main__":
    main(sys.argv[1:])
