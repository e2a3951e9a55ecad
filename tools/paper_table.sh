#!/bin/sh
# Prints docs/resnet50-table.md: tile sizes and payload bytes of a ResNet-50 cut
# at each residual block with the paper's c and s, with both codecs, beside the paper's
# bytes.
# usage: paper_table.sh [CALIBRATION-IMAGES [IMAGES]]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
photos=${XDG_CACHE_HOME:-$HOME/.cache}/bnc/photos
calib=${1:-$photos}
images=${2:-$calib}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bnc=$root/bin/bnc
export BNC_OPS_LIB="$root/bin/libbnc_ops.so"
"$bnc" models resnet50 -o "$work/resnet50.onnx" >/dev/null
n=$(find -L "$images" -type f | wc -l)
cat <<HEAD
# ResNet-50 at every residual block

Tile and mean payload of the paper's settings (section 3.2: c = 1, 2, 5, 10, s = 2,
8 bits), with codec jpeg at the paper's quality of 20 and with codec transform at the
lowest quality whose squared error of the tile is no larger, calibrated on photographs
(\`--calib-by variance\`, so that both have the same tiles), beside the bytes of its
Table 4. The network is \`bnc models resnet50\`: **its weights are random**, so the bytes
show what tiling, quantiser and codecs do with such features, not what a trained network
sends. Mean of $n photographs.

    sh tools/paper_table.sh CALIBRATION-IMAGES IMAGES > docs/resnet50-table.md

| cut | c | cut tensor | tile | jpeg, bytes | transform, bytes | its quality | paper's bytes |
|---|---|---|---|---|---|---|---|
HEAD
i=0
for row in 1:316 1:317 1:314 2:166 2:171 2:168 2:170 5:96 5:90 5:98 5:101 5:101 5:95 10:52 10:52 10:53; do
	i=$((i + 1))
	c=${row%:*}
	for codec in jpeg transform; do
		"$bnc" split "$work/resnet50.onnx" --after rb$i --c "$c" --s 2 --codec $codec --codec-at host --calib "$calib" --calib-by variance -o "$work/$codec" --json >"$work/split.json" 2>/dev/null
	done
	bytes=$(cd "$root" && go run ./tools/equal "$work/jpeg" "$work/transform" "$images" | tr ' ' '|' | sed 's/|/ | /g')
	shape=$(tr -d ' \n"' <"$work/split.json" | sed 's/.*cut_shape:\[batch,\([^]]*\)\].*/\1/; s/,/ x /g')
	tile=$(tr -d ' \n"' <"$work/split.json" | sed 's/.*tile:\[\([^]]*\)\].*/\1/; s/,/ x /')
	echo "| rb$i | $c | $shape | $tile | $bytes | ${row#*:} |"
	rm -r "$work/jpeg" "$work/transform"
done
