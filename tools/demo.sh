#!/bin/sh
# make demo: a ResNet-50, split after its first residual block, run on a real
# photograph, and what crosses compared with the alternatives.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
photos=${XDG_CACHE_HOME:-$HOME/.cache}/bnc/photos
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
PATH=$root/bin:$PATH

photo=
for p in "$photos"/coffee.png "$photos"/*; do
	[ -f "$p" ] && { photo=$p; break; }
done
[ -n "$photo" ] || { echo "demo: no photograph in $photos: run make deps" >&2; exit 1; }

# show prints a command and runs it.
show() {
	echo "\$ $*"
	"$@"
	echo
}
# field prints a number of a JSON document.
field() { tr -d ' \n' <"$1" | sed "s/.*\"$2\":\([0-9.]*\).*/\1/"; }

echo "== A network"
show bnc models resnet50 -o resnet50.onnx
echo "== Split after residual block 1, one channel at half the resolution crosses"
show bnc split resnet50.onnx --after rb1 --c 1 --s 2 --calib "$photos"
echo "== Run both halves on $(basename "$photo")"
show bnc run resnet50-rb1-c1-s2 "$photo"

bnc run resnet50-rb1-c1-s2 "$photo" "$photo" "$photo" --json >split.json
bnc split resnet50.onnx --after rb1 --plain >/dev/null
bnc run resnet50-rb1-plain "$photo" --json >plain.json
jpeg=$(cd "$root" && go run ./tools/jpegsize "$photo" 224)
payload=$(field split.json payload_bytes)
tensor=$(field plain.json payload_bytes)
echo "== What crosses, and how long that takes at 3G's 1.1 Mbit/s"
awk -v p="$payload" -v t="$tensor" -v j="$jpeg" 'BEGIN {
	printf "%-44s %9s %10s\n", "", "bytes", "upload"
	printf "%-44s %9d %7.1f ms\n", "the bottleneck'"'"'s payload", p, p * 8 / 1100
	printf "%-44s %9d %7.1f ms   %.0f x\n", "the photograph as JPEG, 224 x 224, quality 75", j, j * 8 / 1100, j / p
	printf "%-44s %9d %7.1f ms   %.0f x\n", "the cut tensor itself", t, t * 8 / 1100, t / p
}'
echo
echo "mobile $(field split.json mobile_ms) ms, cloud $(field split.json cloud_ms) ms on this machine."
echo "The network's weights are random, so its classes mean nothing; bring your own model."
