#!/bin/sh
# MobileNetV2 with real ImageNet weights, no labels: bottlenecks at several
# blocks, distilled on unlabelled photographs and judged on others, beside the
# photographs themselves as AVIF, WebP and JPEG.
# usage: [SHORT=1] [JOBS=N] photos.sh MODEL UNLABELLED VAL [FOLDER]     results go to
# FOLDER (default: the cache folder's results/photos); SHORT leaves out all but one bottleneck a block; JOBS
# trainings run at a time (default 1), which share the cores
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 3 ] || { sed -n 2,7p "$0" >&2; exit 2; }
model=$1 unlabelled=$2 val=$3 out=${4:-${XDG_CACHE_HOME:-$HOME/.cache}/bnc/results/photos}
bnc=${BNC:-$root/bin/bnc}
jobs=${JOBS:-1}
threads=$(($(nproc) / jobs))
[ "$threads" -gt 0 ] || threads=1
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

# pair CUT C S QUALITY EPOCHS [TRAIN FLAGS]
pair() {
	cut=$1 c=$2 s=$3 quality=$4 epochs=$5
	shift 5
	id=$out/$name-$cut-c$c-s$s-q$quality-e$epochs$(printf %s "$*" | tr ' ' _)
	[ -s "$id.json" ] && return 0
	if [ ! -s "$id.train.json" ]; then
		# shellcheck disable=SC2086 # the flags are words
		"$bnc" split "$model" --after "$cut" --c "$c" --s "$s" --quality "$quality" --restore-width 64 --calib "$unlabelled" $prepare -o "$id" >/dev/null
		keep "$id.untrained.json" "$bnc" eval "$id" --data "$val" --threads "$threads" --json
		keep "$id.train.json" "$bnc" train "$id" --data "$unlabelled" --val "$val" --distill --epochs "$epochs" --keep-last --threads "$threads" --json "$@"
	fi
	keep "$id.json" "$bnc" eval "$id" --data "$val" --quality 5,10,15,20,25,35,50,75 --threads "$threads" --json
}

# Called by itself, below: one of the jobs.
if [ $# -gt 4 ]; then
	shift 4
	"$@"
	exit
fi

# shellcheck disable=SC2086 # the flags are words
keep "$out/$name.json" "$bnc" eval "$model" --data "$val" $prepare --json
image() {
	codec=$1
	file=$2
	shift 2
	# shellcheck disable=SC2086
	keep "$out/$name-$file.json" "$bnc" eval "$model" --data "$val" $prepare --input-codec "$codec" "$@" --json
}
image jpeg jpeg --quality 5,10,15,20,30,50,75,90
image webp webp --quality 1,10,30,60,85
image avif avif --quality 8,12,16,20,25,30,37,45,55,65,75
image avif avif160 --quality 15,25,40,60 --input-size 160

frozen="--freeze backbone --batch 8"
{
	# One a block first, then all channels at a low quality, then those of a trial in
	# PyTorch, then other ways.
	for size in "rb3 16 1 35" "rb6 24 1 35" "rb9 24 1 35" "rb1 8 1 35"; do
		echo "pair $size 5 $frozen"
	done
	if [ -z "${SHORT:-}" ]; then
		for size in "rb6 64 1 10" "rb9 160 1 10" "rb3 32 1 10" "rb6 64 1 5" "rb6 64 1 20" "rb6 48 1 20" "rb6 32 1 20" "rb6 24 1 20" "rb3 16 1 20"; do
			echo "pair $size 5 $frozen"
		done
		for size in "rb3 8 1 20" "rb6 8 1 20"; do
			echo "pair $size 5 $frozen --lr 2e-3"
		done
		for size in "rb3 16 1 35" "rb6 8 1 35"; do
			echo "pair $size 15 $frozen"
		done
		echo "pair rb6 64 1 10 5 $frozen --rate-weight 0.0002"
		echo "pair rb9 160 1 10 5 $frozen --lr 5e-4"
		echo "pair rb9 160 1 10 15 $frozen --lr 5e-4"
		echo "pair rb3 32 1 10 5 $frozen --lr 5e-4"
		echo "pair rb6 64 1 10 5 $frozen --lr 1e-3"
		echo "pair rb6 64 2 50 5 $frozen"
		echo "pair rb6 64 1 10 2 --batch 8 --lr 0.002" # the whole network
	fi
} | xargs -P "$jobs" -L 1 sh "$root/tools/photos.sh" "$model" "$unlabelled" "$val" "$out"
cd "$root" && go run ./tools/photos "$out" docs/photos
