#!/bin/sh
# make big: a model of 2.5 GB splits in a process that stays under 1 GB over the
# size of the largest tensor, and the results load in ONNX Runtime.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${BNC_ORACLE_PYTHON:-${XDG_CACHE_HOME:-$HOME/.cache}/bnc/oracle/bin/python}
work=$(mktemp -d "${TMPDIR:-/tmp}/bnc-big-XXXXXX")
trap 'rm -rf "$work"' EXIT
"$python" "$root/tools/big.py" "$root/bin" "$work"
