#!/bin/sh
# Runs what dist-arm64.sh built under an emulator of an ARM processor, with the ONNX Runtime of JetPack 4.6, and
# compares the payload with this machine's; `make test-arm64`. Emulation is some hundred times slower than a board.
set -eu
cd "$(dirname "$0")/.."
step=test-arm64
. tools/lib.sh

ort_fetch 1.11.0 aarch64 || fail "ONNX Runtime 1.11.0 for aarch64: npm is needed to fetch it"
unpacked qemu qemu-user-static || fail "qemu-user-static: apt-get does not get it"
find "$cache/qemu/usr/bin" -type f ! -name qemu-aarch64-static -exec rm -f {} + # other processors' take 350 MB
unpacked arm64-sysroot libc6:arm64 libstdc++6:arm64 libgcc-s1:arm64 || fail "the C library for arm64: apt-get does not get it"
emulated() {
	BNC_ORT_LIB=$cache/onnxruntime-1.11.0-aarch64/libonnxruntime.so \
		"$cache/qemu/usr/bin/qemu-aarch64-static" -L "$cache/arm64-sysroot" "$@"
}

# The pair's 2 bits and static range: nothing crosses that the order of a sum decides.
say "making a pair"
bin/bnc models resnet20 -o "$scratch/net.onnx" >/dev/null
bin/bnc split "$scratch/net.onnx" --after rb1 --c 1 --s 2 --bits 2 --target tx2 --calib "$cache/photos" -o "$scratch/pair" >/dev/null
${GO:-go} build -o "$scratch/payload-here" ./tools/payload
(
	. tools/cross.sh
	cross_build ./tools/payload "$scratch/payload-arm64"
)
cp dist/arm64/*.so "$scratch"

emulated dist/arm64/bnc doctor
"$scratch/payload-here" "$scratch/pair" >"$scratch/here"
emulated "$scratch/payload-arm64" "$scratch/pair" >"$scratch/there"
cmp "$scratch/here" "$scratch/there" || fail "the payloads differ"
say "the same payload: $(cat "$scratch/here")"

# The emulated board as the mobile side of a server on this machine.
bin/bnc serve "$scratch/pair" --http 127.0.0.1:0 --grpc "" --json >"$scratch/served" 2>"$scratch/serve.log" &
server=$!
trap 'kill "$server" 2>/dev/null; rm -rf "$scratch"' EXIT
for _ in $(seq 100); do
	address=$(grep -o '127\.0\.0\.1:[0-9]*' "$scratch/served" | head -n 1)
	[ -z "$address" ] || break
	sleep 0.1
done
[ -n "$address" ] || { cat "$scratch/serve.log" >&2; fail "bnc serve does not start"; }
# results COMMAND...: class, size and place of each result, a line each.
results() { "$@" run "$scratch/pair" "$cache/photos" --top 1 --fallback=false --cloud "http://$address" --json |
	grep -E '"(class|payload_bytes|where)"'; }
results bin/bnc >"$scratch/here"
results emulated dist/arm64/bnc >"$scratch/there"
cmp "$scratch/here" "$scratch/there" || fail "bnc run --cloud gives other results"
say "bnc run --cloud: the same results of $(grep -c where "$scratch/here") photographs"
