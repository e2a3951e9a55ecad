"""Splits a model whose weights take 2.5 GB and checks peak memory and results.

A process starts with the peak memory of the one that it was forked from, so the
one that measures imports nothing large: making the model and running the results
are processes of their own.
"""
import functools, os, shutil, subprocess, sys

CHANNELS, LAYERS = 4096, 38
SIZE = CHANNELS * CHANNELS * 4


def make():
    import numpy as np
    import onnx
    from onnx import TensorProto, helper

    weights = (np.random.default_rng(0).standard_normal((CHANNELS, CHANNELS)) * (2 / CHANNELS) ** 0.5).astype(np.float32)
    nodes, inits, x = [], [], "x"
    with open("big.data", "wb") as f:
        for i in range(LAYERS):
            f.write(np.roll(weights, i * 7, axis=0).tobytes())
            w = TensorProto(name=f"w{i}", data_type=TensorProto.FLOAT, dims=[CHANNELS, CHANNELS, 1, 1],
                            data_location=TensorProto.EXTERNAL)
            for key, value in (("location", "big.data"), ("offset", i * SIZE), ("length", SIZE)):
                w.external_data.add(key=key, value=str(value))
            inits.append(w)
            nodes += [helper.make_node("Conv", [x, w.name], [f"c{i}"]), helper.make_node("Relu", [f"c{i}"], [f"r{i}"])]
            x = f"r{i}"
    info = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", CHANNELS, 2, 2])
    graph = helper.make_graph(nodes, "big", [info("x")], [info(x)], inits)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), "big.onnx")


def compare_plain():
    from_two = lambda image: run("plain/cloud.onnx", run("plain/mobile.onnx", image)[0])[0]
    error, spread = errors(lambda image: run("big.onnx", image)[0], from_two, 1)
    print(f"plain pair: largest error {error[0]:.3g}, two inputs differ by {spread:.3g}", flush=True)
    assert spread > 0 and error[0] <= 1e-3 * spread


def compare_pair():
    """The joined network is over 2 GB and so is the cloud half: both with external data."""
    from_two = lambda image: run("pair/cloud.onnx", run("pair/mobile.onnx", image)[0])[0]
    error, spread = errors(lambda image: run("pair/bottlenet.onnx", image)[0], from_two, 4)
    agreed = sum(e <= 1e-3 * spread for e in error)
    print(f"pair: {agreed} of 4 inputs agree with the joined network, two inputs differ by {spread:.3g}", flush=True)
    # A feature on the edge of a quantiser step may fall on its other side.
    assert spread > 0 and agreed >= 3


def errors(whole, parts, n):
    """The largest error on each of n images, and how far the first one's output is from another's."""
    import numpy as np

    images = np.random.default_rng(1).standard_normal((n + 1, 1, CHANNELS, 2, 2)).astype(np.float32)
    want = whole(images[0])
    spread = np.abs(want - whole(images[n])).max()
    return [np.abs(parts(x) - (want if i == 0 else whole(x))).max() for i, x in enumerate(images[:n])], spread


@functools.cache
def session(path):
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.register_custom_ops_library(sys.argv[2])
    return ort.InferenceSession(path, options)


def run(path, feed):
    s = session(path)
    return s.run(None, {s.get_inputs()[0].name: feed})


def split(bnc, out, *flags):
    p = subprocess.Popen([bnc, "split", "big.onnx", "-o", out, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    assert status == 0, (out, status)
    peak = usage.ru_maxrss * 1024
    written = {f: os.path.getsize(os.path.join(out, f)) for f in sorted(os.listdir(out))}
    print(f"split {' '.join(flags)}: {os.path.getsize('big.data') / 1e9:.2f} GB model, largest tensor {SIZE / 1e6:.0f} MB, "
          f"peak memory {peak / 1e6:.0f} MB; wrote " + ", ".join(f"{f} {n / 1e6:.1f} MB" for f, n in written.items()), flush=True)
    assert peak < 1e9 + SIZE, "peak memory is over 1 GB above the largest tensor"
    return written


def main():
    bnc, ops = (os.path.abspath(os.path.join(sys.argv[1], name)) for name in ("bnc", "libbnc_ops.so"))
    script = os.path.abspath(__file__)
    os.chdir(sys.argv[2])
    step = lambda name: subprocess.run([sys.executable, script, name, ops], check=True)
    step("make")
    split(bnc, "plain", "--after", "cut20", "--plain")
    step("compare_plain")
    shutil.rmtree("plain")
    written = split(bnc, "pair", "--after", "cut4", "--c", "4")
    for part in "cloud", "bottlenet":
        assert written[f"{part}.onnx.data"] > 2**31, f"{part}.onnx: a file over 2 GB needs external data"
    step("compare_pair")


{"make": make, "compare_plain": compare_plain, "compare_pair": compare_pair}.get(sys.argv[1], main)()
