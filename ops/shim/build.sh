#!/bin/sh
# Builds the library that stands before an old ONNX Runtime: build.sh OUT
#
# CC       the C compiler, default cc
# CFLAGS   added to the flags below
# ORT_INC  the folder of onnxruntime_c_api.h, default: that of the
#          onnxruntime_go module named in go.mod
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh OUT" >&2; exit 2; }
out=$1
src=$(dirname "$0")
inc=${ORT_INC:-$(cd "$src" && go list -m -f '{{.Dir}}' github.com/yalue/onnxruntime_go)}
[ -f "$inc/onnxruntime_c_api.h" ] || {
	echo "build.sh: no onnxruntime_c_api.h in '$inc': run 'go mod download' or set ORT_INC" >&2
	exit 1
}
gen=$(mktemp -d)
trap 'rm -rf "$gen"' EXIT

# The members of OrtApi, a line each once the preprocessor has been through them.
# shellcheck disable=SC2086 # CC is a list of words
echo '#include <onnxruntime_c_api.h>' | ${CC:-cc} -E -P -x c -I "$inc" - |
	sed -n '/^struct OrtApi {/,/^};/p' |
	sed -n -e 's/^ *OrtStatus *\*(\* *\([A-Za-z_0-9]*\)).*/STATUS(\1)/p;t' \
		-e 's/^ *OrtStatusPtr(\* *\([A-Za-z_0-9]*\)).*/STATUS(\1)/p;t' \
		-e 's/^ *[a-zA-Z_][^(]*( *\* *\([A-Za-z_0-9]*\)).*/OTHER(\1)/p' >"$gen/members.inc"

# shellcheck disable=SC2086 # CC and CFLAGS are lists of words
${CC:-cc} -std=c11 -Os -fPIC -fvisibility=hidden -Wall -Wextra ${CFLAGS:-} \
	-I "$gen" -isystem "$inc" -shared -o "$out.tmp" "$src/shim.c" \
	-Wl,--version-script="$src/exports.map" -Wl,-z,nodelete -Wl,-z,defs -ldl
mv "$out.tmp" "$out"
