#!/bin/sh
# End to end over the paper's 3G, 4G and Wi-Fi: a ResNet-50 with random weights on the
# device alone, in the cloud alone (photographs as they are, as JPEG of the paper's
# 26.8 kB, and what the model takes of them as AVIF and JPEG), divided plainly at rb14
# and rb16, and with bottlenecks of both codecs; then the client that changes the cut.
# With a MODEL of real weights the same of it, with bottlenecks of codec transform at
# CUTS, each with its channels, calibrated on PHOTOS; the first 20 are measured with
# and not calibrated on. Prints Markdown.
# usage: [CUTS="rb3:32 ..."] [QUALITY=Q] [AVIF=Q] [AVIF_FAST=Q] [JPEG=Q] e2e.sh [RUNS [MODEL PHOTOS [FLAGS]]]
# FLAGS say how images become the model's input. The defaults are a MobileNetV2's: its
# cuts, and qualities at which bottlenecks, AVIF and JPEG keep about as much accuracy.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bnc
runs=${1:-20} model=${2:-} photos=${3:-}
[ $# -ne 2 ] || { sed -n 2,13p "$0" >&2; exit 2; }
shift $(($# < 3 ? $# : 3))
avif=${AVIF:-55} fast=${AVIF_FAST:-60} jpeg=${JPEG:-80}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ -z "$model" ] || { model=$(realpath "$model") && photos=$(realpath "$photos"); }
cd "$work"
bnc=$root/bin/bnc
export BNC_OPS_LIB="$root/bin/libbnc_ops.so"

# pair NAME MODEL CALIBRATION FLAGS
pair() {
	name=$1 of=$2 calibration=$3
	shift 3
	"$bnc" split "$of" "$@" --calib "$calibration" -o "$name" >/dev/null 2>&1
}

# measure PHOTOS MODEL|BUNDLE... [FLAGS]
measure() {
	input=$1
	shift
	"$bnc" bench "$@" --input "$input" --jpeg-bytes 26800 --input-codec avif,avif-fast,jpeg --quality "$avif,$fast,$jpeg" --slower 1,3,10 --n "$runs" --markdown
	# What the same codec takes as a program of the machine's own.
	python=${BNC_ORACLE_PYTHON:-$cache/oracle/bin/python}
	if [ -x "$python" ]; then
		echo
		"$python" "$root/tools/avif.py" "$avif" "$fast" "$input"/*
	fi
}

"$bnc" models resnet50 -o resnet50.onnx >/dev/null
pairs=
for cut in rb14 rb16; do
	"$bnc" split resnet50.onnx --after $cut --plain -o $cut-plain >/dev/null
	pairs="$pairs $cut-plain"
done
for codec in jpeg transform; do
	for cut in rb1 rb4 rb8 rb14; do
		pair $cut-$codec resnet50.onnx "$cache/photos" --after $cut --c 1 --s 2 --codec $codec
		pairs="$pairs $cut-$codec"
	done
done
echo "## ResNet-50"
echo
# shellcheck disable=SC2086 # names
measure "$cache/photos" resnet50.onnx $pairs

if [ -n "$model" ]; then
	mkdir measured others
	pairs=
	find -L "$photos" -maxdepth 1 -type f | sort >all
	head -n 20 all | xargs -I{} ln -s {} measured/
	tail -n +21 all | xargs -I{} ln -s {} others/
	for size in ${CUTS:-rb3:32 rb6:64 rb9:160}; do
		cut=${size%:*}
		pair "$cut" "$model" others --after "$cut" --c "${size#*:}" --s 1 --codec transform --quality "${QUALITY:-40}" "$@"
		pairs="$pairs $cut"
	done
	echo
	echo "## $(basename "$model" .onnx)"
	echo
	# shellcheck disable=SC2086 # names
	measure measured "$model" $pairs "$@"
fi

pair shallow resnet50.onnx "$cache/photos" --after rb1 --c 64 --s 1 --quality 90
pair deep resnet50.onnx "$cache/photos" --after rb14 --c 4 --s 2
echo
echo '```'
(cd "$root" && go run ./tools/switch "$bnc" "$cache/photos/chelsea.png" "$work/shallow" "$work/deep")
echo '```'
