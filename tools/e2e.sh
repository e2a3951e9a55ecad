#!/bin/sh
# End to end over the paper's 3G, 4G and Wi-Fi: a ResNet-50 on the device alone, in
# the cloud alone (photographs as they are, and as JPEG of the paper's 26.8 kB),
# divided plainly at rb14 and rb16, and with bottlenecks at rb1, rb4, rb8 and rb14.
# Then the client that changes the cut. Prints Markdown.
# usage: e2e.sh [RUNS]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bnc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
bnc=$root/bin/bnc
export BNC_OPS_LIB="$root/bin/libbnc_ops.so"
"$bnc" models resnet50 -o resnet50.onnx >/dev/null
for cut in rb1 rb4 rb8 rb14; do
	"$bnc" split resnet50.onnx --after $cut --c 1 --s 2 --calib "$cache/photos" -o $cut >/dev/null 2>&1
done
for cut in rb14 rb16; do
	"$bnc" split resnet50.onnx --after $cut --plain -o $cut-plain >/dev/null
done
"$bnc" bench resnet50.onnx rb14-plain rb16-plain rb1 rb4 rb8 rb14 --input "$cache/photos" --jpeg-bytes 26800 --n "${1:-20}" --markdown
for split in "shallow --after rb1 --c 64 --s 1 --quality 90" "deep --after rb14 --c 4 --s 2"; do
	# shellcheck disable=SC2086 # flags
	set -- $split
	name=$1
	shift
	"$bnc" split resnet50.onnx "$@" --calib "$cache/photos" -o "$name" >/dev/null 2>&1
done
echo
echo '```'
(cd "$root" && go run ./tools/switch "$bnc" "$cache/photos/chelsea.png" "$work/shallow" "$work/deep")
echo '```'
