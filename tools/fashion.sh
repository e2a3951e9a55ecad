#!/bin/sh
# Fashion-MNIST, ResNet-20: the whole network from scratch, then bottlenecks of
# several sizes at several blocks, trained with the codec and without it, and with codec
# transform to a target of bytes, beside the images themselves as AVIF, WebP, JPEG and
# PNG. Hours on two cores; what is done already is not done again. The weights of the
# last epoch count, not of the one that the test images like best.
# usage: [EPOCHS=N] [LIMIT=N] [JOBS=N] fashion.sh [FOLDER]     results go there (default:
# the cache folder's results/fashion); the other sizes and blocks are trained for EPOCHS
# (default 4) on LIMIT images (default: all); JOBS trainings run at a time (default 1),
# which share the cores
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bnc
out=${1:-$cache/results/fashion}
data=$cache/fashion-mnist
bnc=${BNC:-$root/bin/bnc}
jobs=${JOBS:-1}
threads=$(($(nproc) / jobs))
[ "$threads" -gt 0 ] || threads=1
mkdir -p "$out"
cd "$out"

# The qualities of the sweeps: the paper's Fig. 7, and a few of them.
whole=1,2,3,5,7,10,15,20,25,30,40,50,60,70,80,90,95,100
some=5,10,20,50,90
rates=5-100:5

# keep FILE COMMAND... writes what the command prints to FILE, once and whole.
keep() {
	file=$1
	shift
	[ -s "$file" ] && return 0
	echo "$(date +%T) $file" >&2
	"$@" >"$file.tmp" && mv "$file.tmp" "$file"
}

# pair MODEL NAME CUT C S SEED EPOCHS QUALITIES [TRAINING FLAG...]: one bottleneck,
# trained and judged.
pair() {
	model=$1 name=$2 cut=$3 c=$4 s=$5 seed=$6 epochs=$7 qualities=$8
	shift 8
	[ -s "$name.json" ] && return 0
	if [ ! -s "$name.train.json" ]; then
		"$bnc" split "$model" --after "$cut" --c "$c" --s "$s" --seed "$seed" -o "$name" >/dev/null 2>&1
		keep "$name.train.json" "$bnc" train "$name" --data "$data" --epochs "$epochs" --seed "$seed" --keep-last --threads "$threads" --json "$@"
	fi
	keep "$name.json" "$bnc" eval "$name" --data "$data" --quality "$qualities" --threads "$threads" --json
}

# transform CUT C S QUALITY BYTES EPOCHS: a bottleneck of codec transform, calibrated; trained
# at that quality; and trained to a target.
transform() {
	name=transform-$1-c$2-s$3 cut=$1 c=$2 s=$3 quality=$4 target=$5 epochs=$6
	[ -s "$name-steered.json" ] && return 0
	[ -d "$name-calibrated" ] || "$bnc" split base.onnx --after "$cut" --c "$c" --s "$s" --codec transform --quality "$quality" --calib "$data" -o "$name-calibrated" >/dev/null 2>&1
	keep "$name-calibrated.json" "$bnc" eval "$name-calibrated" --data "$data" --quality "$rates" --threads "$threads" --json
	for how in fixed steered; do
		aim=
		[ $how = fixed ] || aim="--target-bytes $target"
		[ -d "$name-$how" ] || cp -R "$name-calibrated" "$name-$how"
		# shellcheck disable=SC2086 # flags
		keep "$name-$how.train.json" "$bnc" train "$name-$how" --data "$data" --epochs "$epochs" --keep-last --threads "$threads" --json $aim
		keep "$name-$how.json" "$bnc" eval "$name-$how" --data "$data" --quality "$rates" --threads "$threads" --json
	done
}

# inputs: the images themselves.
inputs() {
	keep input-jpeg.json "$bnc" eval base.onnx --data "$data" --input-codec jpeg --quality 5,10,15,20,30,40,50,60,70,75,80,85,90,95 --threads "$threads" --json
	keep input-avif.json "$bnc" eval base.onnx --data "$data" --input-codec avif --quality 10,20,30,40,50,60,70,80,90,95 --threads "$threads" --json
	keep input-webp.json "$bnc" eval base.onnx --data "$data" --input-codec webp --quality 1,10,20,30,40,50,60,70,80,90 --threads "$threads" --json
	keep input-png.json "$bnc" eval base.onnx --data "$data" --input-codec png --threads "$threads" --json
}

# Called by itself, below: one of the jobs.
if [ $# -gt 1 ]; then
	shift
	"$@"
	exit
fi

[ -s resnet20.onnx ] || "$bnc" models resnet20 -o resnet20.onnx >/dev/null
keep base.train.json "$bnc" train resnet20.onnx --data "$data" --epochs 10 --seed 1 --keep-last -o base.onnx --json
keep base.json "$bnc" eval base.onnx --data "$data" --json
# As an exporter folds batch normalisation.
[ -s folded.onnx ] || (cd "$root" && go run ./tools/fold "$out/base.onnx" "$out/folded.onnx")

# both CUT C S SEED EPOCHS QUALITIES: with the codec, and without it.
both() {
	echo "pair base.onnx $1-c$2-s$3-seed$4 $*"
	echo "pair base.onnx $1-c$2-s$3-seed$4--naive $* --naive"
}
{
	both rb1 1 2 0 4 $whole
	echo transform rb1 4 2 10 28 12
	echo transform rb9 8 1 100 7 2
	echo inputs
	echo "pair folded.onnx folded-rb1-c1-s2-seed0 rb1 1 2 0 4 $some"
	echo "pair base.onnx distill rb1 4 1 0 2 $some --distill --freeze backbone"
	for seed in 1 2; do
		both rb1 1 2 $seed 4 $some
	done
	for size in "rb1 2 2" "rb1 4 2" "rb1 1 1" "rb1 2 1" "rb1 4 1" "rb5 1 2" "rb5 4 2" "rb9 1 2" "rb9 4 2" "rb1 full 1"; do
		both $size 0 "${EPOCHS:-4}" $some ${LIMIT:+--limit $LIMIT}
	done
	echo "pair base.onnx rb1-c1-s2-seed10 rb1 1 2 10 10 $whole" # more epochs
} | xargs -P "$jobs" -L 1 sh "$root/tools/fashion.sh" "$out"
cd "$root" && go run ./tools/fashion "$out" docs/fashion-mnist
