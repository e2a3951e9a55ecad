#!/bin/sh
# Training steps of bnc and of PyTorch in alternating processes, both with a
# thread a core: the ratio of the best medians of several rounds, and the peak
# memory of whole processes.
# usage: train.sh [ROUNDS]
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${BNC_TORCH_PYTHON:-/usr/bin/python3}
rounds=${1:-3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
"$python" -c 'import torch, torchvision' 2>/dev/null || { echo "train.sh: no torchvision in $python: make deps-oracle, or BNC_TORCH_PYTHON" >&2; exit 1; }
go build -o "$work/train" ./tools/bench/train
OMP_NUM_THREADS=$(nproc)
export OMP_NUM_THREADS
printf '%-12s %5s %5s  %16s %16s %16s\n' network batch size 'bnc ms, MB' 'PyTorch ms, MB' 'ratio ms, MB'
for row in "resnet20 64 28 20" "resnet18 16 64 10" "mobilenetv2 16 96 10"; do
	set -- $row
	: >"$work/bnc" && : >"$work/torch"
	round=0
	while [ $round -lt "$rounds" ]; do
		"$work/train" "$1" "$2" "$3" "$4" >>"$work/bnc"
		"$python" tools/bench/train/torch_step.py "$1" "$2" "$3" "$4" >>"$work/torch"
		round=$((round + 1))
	done
	# NETWORK BATCH SIZE, then minimum, median and MB of each
	set -- "$1" "$2" "$3" $(sort -n -k2 "$work/bnc" | head -1) $(sort -n -k2 "$work/torch" | head -1)
	awk -v n="$1" -v b="$2" -v s="$3" -v t="$5" -v m="$6" -v u="$8" -v v="$9" \
		'BEGIN { printf "%-12s %5d %5d  %9.1f %6d %9.1f %6d %9.2f %6.2f\n", n, b, s, t, m, u, v, t / u, m / v }'
done
