#!/bin/sh
# A search from its first candidate to its report: bnc search, profiles of this machine
# as device (one thread) and as server (all), bnc select, bnc report. An hour or two;
# what is done already is not done again.
# usage: [IMAGE_BYTES=N] search.sh NAME MODEL DATA [FLAGS OF bnc search...]
# The search goes to the cache folder's results/search-NAME, the report to
# docs/search-NAME.html and .md; Chromium, where it is installed, takes pictures of it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -ge 3 ] || { sed -n 2,7p "$0" >&2; exit 2; }
name=$1 model=$(basename "$2") data=$3
out=${XDG_CACHE_HOME:-$HOME/.cache}/bnc/results/search-$name
page=$root/docs/search-$name
bnc=${BNC:-$root/bin/bnc}
mkdir -p "$out"
cp "$2" "$out/$model"
shift 3
cd "$out"

"$bnc" search "$model" --data "$data" -o found "$@" >search.txt
for who in device:1 server:0; do
	profile=${who%:*}.json
	[ -s "$profile" ] || "$bnc" profile "$model" --threads "${who#*:}" --power constant:3000 -o "$profile" >/dev/null
done
set -- --results found/results.json --profile device.json --cloud-profile server.json --image-bytes "${IMAGE_BYTES:-0}"
"$bnc" select "$@" >select.txt
"$bnc" report "$@" --model "$model" -o "$page.html" --markdown "$page.md" >/dev/null
sed -i "s|$(dirname "$data")/||g; s|$HOME|~|g" "$page.html" "$page.md"
if command -v chromium >/dev/null; then
	for width in 1280 390; do
		chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync \
			--hide-scrollbars --user-data-dir="$out/chromium" --window-size=$width,3000 --screenshot="$page-$width.png" "file://$page.html" >/dev/null 2>&1
	done
fi
cat search.txt select.txt
