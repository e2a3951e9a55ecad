#!/bin/sh
# bnc serve under load with the cloud half of a ResNet-50 cut at rb1: throughput
# beside a bare loop of ONNX Runtime, 200 clients for five minutes, three times
# more requests than it can answer. Before that, large image files for the whole
# ResNet-50: it fails where they take more memory or time than they may.
# usage: load.sh [FLAGS OF tools/load]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bnc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
export BNC_OPS_LIB="$root/bin/libbnc_ops.so"
go build -o "$work/load" ./tools/load
bin/bnc models resnet50 -o "$work/resnet50.onnx" >/dev/null
bin/bnc split "$work/resnet50.onnx" --after rb1 --c 1 --s 2 -o "$work/resnet50-rb1" >/dev/null
"$work/load" --images "$work/resnet50.onnx" "$@" bin/bnc "$work/resnet50-rb1" "$cache/photos"
