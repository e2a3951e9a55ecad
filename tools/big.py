"""Splits a model whose weights take 2.5 GB and checks peak memory and results.

A process starts with the peak memory of the one that it was forked from, so the
one that measures imports nothing large: making the model and running the results
are processes of their own.
"""
import os, subprocess, sys

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


def compare():
    import numpy as np
    import onnxruntime as ort

    def run(path, feed):
        s = ort.InferenceSession(path)
        return s.run(None, {s.get_inputs()[0].name: feed})[0]

    rng = np.random.default_rng(1)
    image, another = rng.standard_normal((2, 1, CHANNELS, 2, 2)).astype(np.float32)
    whole = run("big.onnx", image)
    error = np.abs(run("plain/cloud.onnx", run("plain/mobile.onnx", image)) - whole).max()
    spread = np.abs(whole - run("big.onnx", another)).max()
    print(f"plain pair: largest error {error:.3g}, two inputs differ by {spread:.3g}")
    assert spread > 0 and error <= 1e-3 * spread


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
    bnc = os.path.abspath(sys.argv[1])
    script = os.path.abspath(__file__)
    os.chdir(sys.argv[2])
    step = lambda name: subprocess.run([sys.executable, script, name], check=True)
    step("make")
    split(bnc, "plain", "--after", "cut20", "--plain")
    step("compare")
    written = split(bnc, "pair", "--after", "cut20", "--c", "4")
    assert "bottlenet.onnx.data" in written, "a file over 2 GB needs external data"


{"make": make, "compare": compare}.get(sys.argv[1], main)()
