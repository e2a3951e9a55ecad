"""Serves a model repository, as it is, in the Triton server that PyPI's nvidia-pytriton carries.

usage: triton_server.py REPOSITORY HTTP_PORT GRPC_PORT METRICS_PORT

That server has only the Python backend; triton_backend.py stands for the backend "onnxruntime". It prints "ready"
when all models are, the server's log goes to stderr, and it ends, with the server, on SIGINT.
"""

import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import pytriton

REPOSITORY = sys.argv[1]
HTTP, GRPC, METRICS = sys.argv[2:5]
HERE = pathlib.Path(__file__).parent
PACKAGE = pathlib.Path(pytriton.__file__).parent
LIBRARIES = PACKAGE.parent / "nvidia_pytriton.libs"

signal.signal(signal.SIGINT, signal.default_int_handler)


def ready():
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP}/v2/health/ready", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


with tempfile.TemporaryDirectory() as folder:
    backends = pathlib.Path(folder) / "backends"
    shutil.copytree(PACKAGE / "tritonserver" / "backends", backends)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    stub = "triton_python_backend_stub"
    shutil.copy(PACKAGE / "tritonserver" / "python_backend_stubs" / version / stub, backends / "python" / stub)
    (backends / "onnxruntime").mkdir()
    shutil.copy(HERE / "triton_backend.py", backends / "onnxruntime" / "model.py")
    server = subprocess.Popen(
        [
            PACKAGE / "tritonserver" / "bin" / "tritonserver",
            f"--model-repository={REPOSITORY}",
            f"--backend-directory={backends}",
            "--http-address=127.0.0.1",
            f"--http-port={HTTP}",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={GRPC}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={METRICS}",
        ],
        env={
            "LD_LIBRARY_PATH": str(LIBRARIES),
            "PATH": f"{pathlib.Path(sys.executable).parent}:/usr/bin:/bin",
            "PYTHONPATH": ":".join(p for p in sys.path if p.endswith("site-packages")),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=sys.stderr,
    )
    try:
        while not ready():
            if server.poll() is not None:
                sys.exit(f"tritonserver ended with {server.returncode}")
            time.sleep(0.1)
        print("ready", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        # The group's SIGINT may have reached the server already.
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
        server.wait()
