#!/bin/sh
# fuzz.sh SECONDS: runs every fuzz target of the module, sharing SECONDS among them.
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
