#!/bin/sh
# MobileNetV2 with real ImageNet weights, no labels: bottlenecks at several
# blocks, distilled on unlabelled photographs and judged on others, beside the
# photographs themselves as JPEG.
# usage: [SHORT=1] photos.sh MODEL UNLABELLED VAL [FOLDER]     results go to FOLDER (default
# build/photos); SHORT leaves out all but one bottleneck a block
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 3 ] || { sed -n 2,6p "$0" >&2; exit 2; }
model=$1 unlabelled=$2 val=$3 out=${4:-$root/build/photos}
bnc=${BNC:-$root/bin/bnc}
mkdir -p "$out"
name=$(basename "$model" .onnx)
# How the authors prepared the images: a float input takes (x - 128) / 127, an
# integer one the pixels themselves.
prepare="--resize 256 --crop 224x224"
case $name in
*_tf) ;;
*) prepare="$prepare --scale 1 --mean 128,128,128 --std 127,127,127" ;;
esac

keep() {
	file=$1
	shift
	[ -s "$file" ] && return 0
	echo "$(date +%T) $file" >&2
	"$@" >"$file.tmp" && mv "$file.tmp" "$file"
}

# shellcheck disable=SC2086 # the flags are words
keep "$out/$name.json" "$bnc" eval "$model" --data "$val" $prepare --json
# shellcheck disable=SC2086
keep "$out/$name-jpeg.json" "$bnc" eval "$model" --data "$val" $prepare --input-codec jpeg --quality 5,10,15,20,30,50,75,90 --json

# pair CUT C S QUALITY EPOCHS [TRAIN FLAGS]
pair() {
	cut=$1 c=$2 s=$3 quality=$4 epochs=$5
	shift 5
	id=$out/$name-$cut-c$c-s$s-q$quality-e$epochs$(printf %s "$*" | tr ' ' _)
	[ -s "$id.json" ] && return 0
	if [ ! -s "$id.train.json" ]; then
		# shellcheck disable=SC2086
		"$bnc" split "$model" --after "$cut" --c "$c" --s "$s" --quality "$quality" --restore-width 64 --calib "$unlabelled" $prepare -o "$id" >/dev/null
		keep "$id.untrained.json" "$bnc" eval "$id" --data "$val" --json
		keep "$id.train.json" "$bnc" train "$id" --data "$unlabelled" --val "$val" --distill --epochs "$epochs" --keep-last --json "$@"
	fi
	keep "$id.json" "$bnc" eval "$id" --data "$val" --quality 5,10,20,35,50,75 --json
}

# One a block first, then other sizes and qualities, then longer trainings.
for cut in "rb3 16" "rb6 24" "rb9 24" "rb1 8"; do
	# shellcheck disable=SC2086
	pair $cut 1 35 5 --freeze backbone --batch 8
done
if [ -z "${SHORT:-}" ]; then
	pair rb6 24 1 20 5 --freeze backbone --batch 8
	pair rb3 16 1 20 5 --freeze backbone --batch 8
	pair rb6 8 1 20 5 --freeze backbone --batch 8 --lr 2e-3
	pair rb3 8 1 20 5 --freeze backbone --batch 8 --lr 2e-3
	pair rb3 16 1 35 20 --freeze backbone --batch 8
	pair rb6 24 1 20 20 --freeze backbone --batch 8
	pair rb6 24 1 20 20 --lr 0.002
	pair rb6 16 2 50 20 --freeze backbone --batch 8
fi
cd "$root" && go run ./tools/photos "$out" docs/photos
