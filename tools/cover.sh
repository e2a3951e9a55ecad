#!/bin/sh
# cover.sh: how much of the passes their own tests run, those in passes/*/oracle among
# them and none of cmd; fails where it is less than demanded. See make cover.
set -eu
cd "$(dirname "$0")/.."
profile=$(mktemp)
trap 'rm -f "$profile"' EXIT
"${GO:-go}" test -timeout 30m -coverpkg=./passes/... -coverprofile="$profile" ./passes/...
# A block is in the profile once for each package of tests: it counts once.
awk '
	BEGIN { demanded["passes/grad"] = 80; demanded["float16"] = demanded["tx2"] = 70 }
	function count(name, block) {
		if (name == "") return
		of[name] += size[block]
		if (ran[block] > 0) in_tests[name] += size[block]
	}
	NR > 1 { size[$1] = $2; ran[$1] += $3 }
	END {
		for (block in size) {
			name = block; sub(/:.*/, "", name); sub(/.*\/bnc\//, "", name)
			count(name ~ /convert\/fp16/ ? "float16" : name ~ /convert\/(tx2|tensorrt)/ ? "tx2" : "", block)
			sub(/\/[^\/]*$/, "", name)
			count(name, block)
		}
		for (name in of) {
			share = 100 * in_tests[name] / of[name]
			printf "%-32s %5.1f%% of %4d statements%s\n", name, share, of[name], name in demanded ? ", demanded " demanded[name] "%" : "" | "sort"
			if (name in demanded && share < demanded[name]) less = 1
		}
		for (name in demanded) if (!(name in of)) { print name " is not there" | "sort"; less = 1 }
		close("sort")
		exit less
	}' "$profile"
