#!/bin/sh
# Split of a ResNet-50 beside cp of the bytes it writes and beside
# onnx.utils.extract_model doing the two halves, in one run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bnc
python=${BNC_ORACLE_PYTHON:-$cache/oracle/bin/python}
[ -x "$python" ] || { echo "split: no Python with onnx at $python: run make deps-oracle" >&2; exit 0; }
exec "$python" "$here/split.py" "$here/../../bin/bnc" "${1:-11}"
