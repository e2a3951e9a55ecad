#!/bin/sh
# What calibration alone is worth: top-1, agreement with the whole model and mean
# payload of bottlenecks that nobody trained, over every labelled photograph.
# usage: calibrated.sh [FOLDER with models/imagenet and photos, ../shared]
# shellcheck disable=SC2086 # flags are several words
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
shared=$(cd "${1:-$root/../shared}" 2>/dev/null && pwd) || {
	echo "calibrated: no folder ${1:-../shared} with models/imagenet and photos" >&2
	exit 1
}
model=$shared/models/imagenet/mobilenetv2.onnx
val=$shared/photos/val
bnc=$root/bin/bnc
images="--scale 1 --mean 128,128,128 --std 127,127,127 --resize 256 --crop 224x224"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/calib"
find "$shared/photos/unlabelled" -type f | sort | head -n 60 | while read -r file; do ln -s "$file" "$work/calib/"; done

# classes MODEL: the folder, best class and payload of each photograph.
classes() {
	"$bnc" run "$1" "$val" --top 1 --jsonl $images 2>/dev/null |
		sed 's|.*"input":".*/\([^/]*\)/[^/]*","top":\[{"class":\([0-9]*\),.*"payload_bytes":\([0-9]*\),.*|\1 \2 \3|'
}

# row NAME FILE: counts what classes printed into FILE beside the labels and the whole model's classes.
row() {
	awk -v name="$1" '
		FNR == 1 { file++ }
		file == 1 { label[$1] = FNR - 1; next }
		file == 2 { whole[FNR] = $2; next }
		{ n++; right += $2 == label[$1]; same += $2 == whole[FNR]; bytes += $3 }
		END { printf "%-24s top-1 %.1f%%  agreement %.1f%%  %s  (%d photographs)\n", name, 100*right/n, 100*same/n, bytes ? int(bytes/n + 0.5) " bytes" : "nothing crosses", n }
	' "$val/classes.txt" "$work/whole" "$work/$2"
}

classes "$model" >"$work/whole"
row "whole model" whole
for setting in rb6:24 rb3:16; do
	cut=${setting%:*} c=${setting#*:}
	for calib in "--calib $work/calib" ""; do
		"$bnc" split "$model" --after "$cut" --c "$c" --s 1 $calib $images -o "$work/pair" >/dev/null 2>&1
		classes "$work/pair" >"$work/pair.classes"
		row "$cut c=$c s=1 ${calib:+calibrated}" pair.classes
	done
done
