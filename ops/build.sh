#!/bin/sh
# Builds the ONNX Runtime plugin: build.sh OUT
#
# CC       the C compiler, default cc
# CFLAGS   added to the flags below
# ORT_INC  the folder of onnxruntime_c_api.h, default: that of the
#          onnxruntime_go module named in go.mod
# CODECS   the C file with the table of codecs, default: codecs.c
# LIBJPEG  the static libjpeg-turbo, default: the linker's libjpeg.a
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh OUT" >&2; exit 2; }
out=$1
src=$(dirname "$0")
inc=${ORT_INC:-$(cd "$src" && go list -m -f '{{.Dir}}' github.com/yalue/onnxruntime_go)}
[ -f "$inc/onnxruntime_c_api.h" ] || {
	echo "build.sh: no onnxruntime_c_api.h in '$inc': run 'go mod download' or set ORT_INC" >&2
	exit 1
}

# picture.c is the Go face's alone.
set --
for file in "$src"/*.c; do
	case $file in
	*/picture.c | */codecs.c) ;;
	*) set -- "$@" "$file" ;;
	esac
done

# exports.map keeps libjpeg's symbols in; nodelete is what register.c relies on.
# shellcheck disable=SC2086 # CC and CFLAGS are lists of words
${CC:-cc} -std=c11 -O2 -fPIC -fvisibility=hidden -Wall -Wextra ${CFLAGS:-} \
	-isystem "$inc" -shared -o "$out.tmp" \
	"$@" "${CODECS:-$src/codecs.c}" \
	"$src/plugin/pool.c" "$src/plugin/kernels.c" "$src/plugin/register.c" \
	"${LIBJPEG:--l:libjpeg.a}" \
	-Wl,--version-script="$src/plugin/exports.map" -Wl,-z,nodelete -Wl,-z,defs
mv "$out.tmp" "$out"
