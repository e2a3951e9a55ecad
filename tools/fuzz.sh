#!/bin/sh
# fuzz.sh SECONDS: runs every fuzz target of the module, sharing SECONDS among them, and, where
# clang has libFuzzer (Debian: libclang-rt-dev), codec transform under sanitizers for SECONDS.
set -eu
cd "$(dirname "$0")/.."
go=${GO:-go}

# `go test -list` prints a package's targets, then "ok" and the package's path.
list=$("$go" test -list '^Fuzz' ./...)
targets=$(echo "$list" | awk '
	/^Fuzz/ { name[n++] = $1 }
	/^ok/   { for (i = 0; i < n; i++) print $2, name[i]; n = 0 }')
[ -n "$targets" ] || { echo "fuzz: no targets" >&2; exit 1; }

count=$(echo "$targets" | wc -l)
each=$(($1 / count))
[ "$each" -gt 0 ] || each=1
echo "fuzz: $count targets, $each s each"
echo "$targets" | while read -r package name; do
	"$go" test -run '^$' -fuzz "^$name\$" -fuzztime "${each}s" -fuzzminimizetime 1s "$package"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if clang -std=c11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	ops/testdata/fuzz_transform.c ops/transform.c -o "$work/fuzz" 2>/dev/null; then
	"$work/fuzz" -max_total_time="$1" -max_len=6000 -artifact_prefix="$work/" -print_final_stats=1 >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
	tail -n 6 "$work/log"
else
	echo "fuzz: without codec transform under sanitizers: clang has no libFuzzer here"
fi
