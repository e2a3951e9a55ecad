"""Times bnc split against cp and onnx.utils.extract_model, whole processes in turn."""
import os, shutil, statistics, subprocess, sys, tempfile, time

bnc, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2])
work = tempfile.mkdtemp(prefix="bnc-bench-")
os.chdir(work)
model, bundle, copy = "resnet50.onnx", "resnet50-rb1-c1-s2", "copy"
EXTRACT = """
import onnx.utils, onnx, sys
onnx.utils.extract_model("resnet50.onnx", "m.onnx", ["input"], ["layer1.0.relu_2"])
onnx.utils.extract_model("resnet50.onnx", "c.onnx", ["layer1.0.relu_2"], ["output"])
"""


def run(args):
    """Returns wall seconds and peak bytes of a child process."""
    start = time.perf_counter()
    p = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    assert status == 0, args
    return time.perf_counter() - start, usage.ru_maxrss * 1024


try:
    subprocess.run([bnc, "models", "resnet50", "-o", model], check=True, stdout=subprocess.DEVNULL)
    split = [bnc, "split", model, "--after", "rb1", "--c", "1", "--s", "2"]
    subprocess.run(split, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    files = [os.path.join(bundle, f) for f in os.listdir(bundle)]
    size, written = os.path.getsize(model), sum(map(os.path.getsize, files))
    saved = [f"{f}.saved" for f in files]
    for f, s in zip(files, saved):
        shutil.copy(f, os.path.join(work, os.path.basename(s)))
    saved = [os.path.basename(s) for s in saved]
    times = {"bnc": [], "cp": [], "extract_model": []}
    peak = 0
    for _ in range(rounds):
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.rmtree(copy, ignore_errors=True)
        os.mkdir(copy)
        os.sync()
        seconds, mem = run(split)
        times["bnc"].append(seconds)
        peak = max(peak, mem)
        times["cp"].append(run(["cp", *saved, copy])[0])
        times["extract_model"].append(run([sys.executable, "-c", EXTRACT])[0])
    m = {k: statistics.median(v) for k, v in times.items()}
    print(f"split of a {size / 1e6:.0f} MB ResNet-50 at rb1, {written / 1e6:.0f} MB written, medians of {rounds} rounds:")
    print(f"  bnc split {m['bnc'] * 1e3:.0f} ms, cp {m['cp'] * 1e3:.0f} ms, extract_model of two halves {m['extract_model'] * 1e3:.0f} ms")
    print(f"  {m['bnc'] / m['cp']:.2f} x cp, extract_model takes {m['extract_model'] / m['bnc']:.1f} x bnc, "
          f"peak memory {peak / 1e6:.0f} MB = {peak / size:.2f} x the model")
finally:
    shutil.rmtree(work)
