#!/bin/sh
# Fashion-MNIST, ResNet-20: the whole network from scratch, then bottlenecks of
# several sizes at several blocks, trained with the codec and without it, beside
# the images themselves as JPEG and PNG. Hours on two cores; what is done already
# is not done again. The weights of the last epoch count, not of the one that the test
# images like best.
# usage: [EPOCHS=N] fashion.sh [FOLDER]     results go there (default build/fashion);
# EPOCHS are those of the other sizes and blocks (default 4)
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/build/fashion}
data=${XDG_CACHE_HOME:-$HOME/.cache}/bnc/fashion-mnist
bnc=${BNC:-$root/bin/bnc}
mkdir -p "$out"
cd "$out"

# The qualities of the sweeps: the paper's Fig. 7, and a few of them.
whole=1,2,3,5,7,10,15,20,25,30,40,50,60,70,80,90,95,100
some=5,10,20,30,50,75,90

# keep FILE COMMAND... writes what the command prints to FILE, once and whole.
keep() {
	file=$1
	shift
	[ -s "$file" ] && return 0
	echo "$(date +%T) $file" >&2
	"$@" >"$file.tmp" && mv "$file.tmp" "$file"
}

# base: the network that everything starts from.
base() {
	[ -s resnet20.onnx ] || "$bnc" models resnet20 -o resnet20.onnx >/dev/null
	keep base.train.json "$bnc" train resnet20.onnx --data "$data" --epochs 10 --seed 1 --keep-last -o base.onnx --json
	keep base.json "$bnc" eval base.onnx --data "$data" --json
}

# inputs: the images themselves.
inputs() {
	keep input-jpeg.json "$bnc" eval base.onnx --data "$data" --input-codec jpeg --quality 5,10,15,20,30,40,50,60,70,75,80,85,90,95 --json
	keep input-png.json "$bnc" eval base.onnx --data "$data" --input-codec png --json
}

# pair CUT C S SEED EPOCHS QUALITIES [FLAG]: one bottleneck, trained and judged; of
# $model, whose results begin with $mark.
model=base.onnx
mark=
pair() {
	name=$mark$1-c$2-s$3-seed$4${7:-}
	[ -s "$name.json" ] && return 0
	if [ ! -s "$name.train.json" ]; then
		"$bnc" split "$model" --after "$1" --c "$2" --s "$3" --seed "$4" -o "$name" >/dev/null 2>&1
		# shellcheck disable=SC2086 # the flag may be none
		keep "$name.train.json" "$bnc" train "$name" --data "$data" --epochs "$5" --seed "$4" --keep-last --json ${7:-}
	fi
	keep "$name.json" "$bnc" eval "$name" --data "$data" --quality "$6" --json
}

both() {
	pair "$1" "$2" "$3" "$4" "$5" "$6"
	pair "$1" "$2" "$3" "$4" "$5" "$6" --naive
}

base
both rb1 1 2 0 4 "$whole"
inputs

# Without labels: the network teaches, and only the bottleneck learns.
if [ ! -s distill.json ]; then
	[ -d distill ] || "$bnc" split base.onnx --after rb1 --c 4 --s 1 -o distill >/dev/null 2>&1
	keep distill.train.json "$bnc" train distill --data "$data" --distill --freeze backbone --epochs 2 --keep-last --json
	keep distill.json "$bnc" eval distill --data "$data" --quality "$some" --json
fi

# The headline from a network whose batch normalisation an exporter has folded.
[ -s folded.onnx ] || (cd "$root" && go run ./tools/fold "$out/base.onnx" "$out/folded.onnx")
model=folded.onnx
mark=folded-
pair rb1 1 2 0 4 "$some"
model=base.onnx
mark=

for size in "rb1 2 2" "rb1 4 2" "rb1 1 1" "rb1 2 1" "rb1 4 1" "rb5 1 2" "rb5 4 2" "rb9 1 2" "rb9 4 2" "rb1 full 1"; do
	# shellcheck disable=SC2086
	both $size 0 "${EPOCHS:-4}" "$some"
done
for seed in 1 2; do
	both rb1 1 2 $seed 4 "$some"
done
pair rb1 1 2 10 20 "$whole" # more epochs
cd "$root" && go run ./tools/fashion "$out" docs/fashion-mnist
