#!/bin/sh
# Brings the second opinions that only tests ask; `make deps-oracle`. What cannot be had here is named,
# and the tests that need it skip.
set -eu
cd "$(dirname "$0")/.."
step=oracle
. tools/lib.sh

# missing WHAT HOW...
missing() {
	what=$1
	shift
	say "$what: missing, the tests that need it skip. $*" >&2
}

# suitable PYTHON: whether the pinned packages exist for it.
suitable() { "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python_311() {
	for python in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
		if suitable "$python"; then
			echo "$python"
			return
		fi
	done
	return 1
}

# environment WHAT NAME CHECK PIPFLAG PYTHON: a Python environment in the cache with the packages of
# tools/NAME-requirements.txt. It is made without pip of its own: making one with pip needs a package that
# Debian leaves out. PYTHON is the only one that will do, if any.
environment() {
	what=$1
	dir=$cache/$2
	list=tools/$2-requirements.txt
	if cmp -s "$list" "$dir/requirements.txt" && "$dir/bin/python" -c '' 2>/dev/null; then
		say "$what: already there ($dir)"
		return
	fi
	if ! python_311 >/dev/null || ! pip_command >/dev/null; then
		if ! apt_install python3 python3-pip || ! python_311 >/dev/null || ! pip_command >/dev/null; then
			missing "$what" "It needs Python 3.11 or newer and pip: $(apt_command python3 python3-pip)"
			return
		fi
	fi
	python=${5:-$(python_311)}
	if ! suitable "$python"; then
		missing "$what" "It needs $python."
		return
	fi
	say "$what: making an environment with $("$python" --version)"
	env=$scratch/$2
	if ! "$python" -m venv --without-pip "$env" ||
		! $(pip_command) --python "$env/bin/python" install ${4:-} --requirement "$list" ||
		! "$env/bin/python" -c "$3"; then
		missing "$what" "See above."
		return
	fi
	cp "$list" "$env/requirements.txt"
	replace "$env" "$dir"
	say "$what: now there ($dir)"
}

python_oracle() {
	if [ -n "${BNC_ORACLE_PYTHON:-}" ]; then
		say "Python with onnx and onnxruntime: BNC_ORACLE_PYTHON names $BNC_ORACLE_PYTHON"
		return
	fi
	environment "Python with onnx and onnxruntime" oracle 'import numpy, onnx, onnxruntime, PIL, tritonclient.grpc, tritonclient.http' --only-binary=:all:
}

# DVC, for the example of a build system's step.
dvc() { environment DVC dvc 'import dvc'; }

# A real Triton server. It wants the shared libpython that Debian's Python comes with.
pytriton() {
	environment "Triton (nvidia-pytriton)" pytriton 'import onnxruntime, pytriton, tritonclient.grpc' --only-binary=:all: /usr/bin/python3
}

# Debian's PyTorch exports well-known networks without a network connection.
torchvision() {
	what="Python with torchvision"
	python=${BNC_TORCH_PYTHON:-/usr/bin/python3}
	has_torchvision() {
		"$python" -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("torchvision"))' 2>/dev/null
	}
	if has_torchvision; then
		say "$what: already there ($python)"
	elif [ -z "${BNC_TORCH_PYTHON:-}" ] && apt_install python3-torchvision && has_torchvision; then
		say "$what: now there ($python)"
	else
		missing "$what" "As root: $(apt_command python3-torchvision), or let BNC_TORCH_PYTHON name a Python that has it."
	fi
}

# The runtime of a Jetson TX2.
old_onnxruntime() {
	ort_fetch 1.11.0 || missing "ONNX Runtime 1.11.0" "npm is needed to fetch it."
}

# gRPC's curl, a client that learns the protocol from the server's reflection.
grpcurl() {
	version=1.9.3
	dir=$cache/grpcurl-$version
	if [ -x "$dir/grpcurl" ]; then
		say "grpcurl: already there ($dir)"
	elif GOBIN=$scratch/grpcurl go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$version"; then
		replace "$scratch/grpcurl" "$dir"
		say "grpcurl: now there ($dir)"
	else
		missing grpcurl "See above."
	fi
}

# Compilers and an emulator for other processors: codec transform writes the same bytes on each.
# shellcheck disable=SC2086 # packages are words
processors() {
	what="compilers for arm64 and WebAssembly, qemu"
	packages="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user clang lld wasi-libc libclang-rt-dev-wasm32"
	here() {
		have aarch64-linux-gnu-gcc && have qemu-aarch64 && have clang &&
			echo 'int main(void) { return 0; }' | clang --target=wasm32-wasi -x c - -o "$scratch/probe.wasm" 2>/dev/null
	}
	if here; then
		say "$what: already there"
	elif apt_install $packages && here; then
		say "$what: now there"
	else
		missing "$what" "As root: $(apt_command $packages)"
	fi
}

python_oracle
dvc
pytriton
torchvision
old_onnxruntime
grpcurl
processors
