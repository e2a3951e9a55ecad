#!/bin/sh
# A plain pair in one process against one session of the whole model.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
go build -o "$work/pair" ./tools/bench/pair
bin/bnc models resnet50 -o "$work/resnet50.onnx" >/dev/null
for cut in rb1 rb8 rb14; do
	bin/bnc split "$work/resnet50.onnx" --after $cut --plain -o "$work/$cut" >/dev/null
	(cd "$work" && ./pair resnet50.onnx $cut "${1:-101}")
done
