#!/bin/sh
# make demo: a ResNet-50, split after its first residual block, run on a real
# photograph, here and over a network, and what crosses compared with the alternatives;
# then a small network and its bottleneck, trained on Fashion-MNIST, for a minute or two.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
photos=${XDG_CACHE_HOME:-$HOME/.cache}/bnc/photos
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill $server; rm -rf "$work"' EXIT
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
echo

echo "== Serve the cloud half, and send the photograph over an emulated 4G link"
bnc serve resnet50-rb1-c1-s2 --http 127.0.0.1:0 --grpc "" --json --log-level error >serving.json &
server=$!
while kill -0 $server 2>/dev/null && ! grep -q '}' serving.json; do sleep 0.1; done
address=$(tr -d ' "\n' <serving.json | sed 's/.*http:\([^,]*\),.*/\1/')
show bnc run resnet50-rb1-c1-s2 "$photo" --cloud "http://$address" --link 4g --top 1
kill -TERM $server
wait $server
server=
echo

data=${XDG_CACHE_HOME:-$HOME/.cache}/bnc/fashion-mnist
echo "== Train a ResNet-20 on 12,000 images of Fashion-MNIST"
bnc models resnet20 -o resnet20.onnx >/dev/null
show bnc train resnet20.onnx --data "$data" --limit 12000 --val-limit 2000 --epochs 2 -o clothes.onnx
echo "== Put a bottleneck behind its first block, and train with the codec in the loop"
bnc split clothes.onnx --after rb1 --c 1 --s 2 --calib "$data" >/dev/null
bnc eval clothes.onnx --data "$data" --limit 2000 --json >whole.json
bnc eval clothes-rb1-c1-s2 --data "$data" --limit 2000 --json >before.json
show bnc train clothes-rb1-c1-s2 --data "$data" --limit 12000 --val-limit 2000 --epochs 1
bnc eval clothes-rb1-c1-s2 --data "$data" --limit 2000 --json >after.json
bnc eval clothes.onnx --data "$data" --limit 2000 --input-codec png --json >png.json
echo "== Accuracy and bytes on 2,000 test images"
# row LABEL FILE
row() { awk -v l="$1" -v a="$(field "$2" top1)" -v b="$(mean "$2")" 'BEGIN { printf "%-44s %6.1f%% %9.1f bytes\n", l, 100 * a, b }'; }
# mean prints the mean of payload_bytes.
mean() { tr -d ' \n' <"$1" | sed 's/.*"payload_bytes":{"mean":\([0-9.]*\).*/\1/'; }
row "the whole network, images as PNG" png.json
row "split, calibrated" before.json
row "split, trained with the codec" after.json
