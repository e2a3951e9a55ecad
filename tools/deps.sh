#!/bin/sh
# Brings what bnc needs to be built and run; `make deps`. Run again, it only looks.
# shellcheck disable=SC2015
set -eu
cd "$(dirname "$0")/.."
step=deps
. tools/lib.sh

# Linking is the check: it needs the compiler, the header and the static library, wherever they are.
links_libjpeg() {
	cat >"$scratch/jpeg.c" <<-'C'
		#include <stdio.h>
		#include <jpeglib.h>
		int main(void) { struct jpeg_compress_struct c; jpeg_create_compress(&c); return 0; }
	C
	# shellcheck disable=SC2086 # CC may carry arguments
	${CC:-cc} -o "$scratch/jpeg" "$scratch/jpeg.c" -l:libjpeg.a >/dev/null 2>&1
}

# shellcheck disable=SC2086 # CC may carry arguments, packages are words
libjpeg() {
	if links_libjpeg; then
		say "C compiler and libjpeg-turbo: already there"
		return
	fi
	packages=libjpeg62-turbo-dev
	have ${CC:-cc} || packages="gcc libc6-dev $packages"
	apt_install $packages && links_libjpeg ||
		fail "C compiler and libjpeg-turbo (headers and libjpeg.a): missing. As root: $(apt_command $packages)"
	say "C compiler and libjpeg-turbo: now there"
}

onnxruntime() {
	if [ -n "${BNC_ORT_LIB:-}" ]; then
		[ -f "$BNC_ORT_LIB" ] || fail "BNC_ORT_LIB names $BNC_ORT_LIB, which is no file"
		say "ONNX Runtime: BNC_ORT_LIB names $BNC_ORT_LIB"
		return
	fi
	ort_fetch 1.30.0 ||
		fail "ONNX Runtime 1.30.0: neither pip nor npm got it for $(uname -s) $(uname -m); install one of the two, or let BNC_ORT_LIB name libonnxruntime.so"
}

# have_all DIR FILE...
have_all() (
	cd "$1" 2>/dev/null || exit 1
	shift
	for file; do
		[ -s "$file" ] || exit 1
	done
)

# dataset NAME PACKAGE FOLDER FILE...: files of a Debian package's folder, copied to the cache as NAME/.
dataset() {
	name=$1 package=$2 folder=$3
	shift 3
	if have_all "$cache/$name" "$@"; then
		say "$name: already there ($cache/$name)"
		return
	fi
	root=
	if ! have_all "$folder" "$@"; then
		root=$scratch/$package
		apt_unpack "$package" "$root" && have_all "$root$folder" "$@" || return 1
	fi
	mkdir "$scratch/$name" &&
		(cd "$root$folder" && cp "$@" "$scratch/$name/") &&
		replace "$scratch/$name" "$cache/$name" || return 1
	say "$name: now there ($cache/$name)"
}

# Photographs in the public domain; Go's own test picture where there is no Debian to ask.
photos() {
	dataset photos python3-skimage /usr/lib/python3/dist-packages/skimage/data \
		astronaut.png chelsea.png coffee.png rocket.jpg && return
	own=video-001.jpeg
	if ! have_all "$cache/photos" $own; then
		mkdir "$scratch/photos"
		cp "$(go env GOROOT)/src/image/testdata/$own" "$scratch/photos/"
		replace "$scratch/photos" "$cache/photos"
	fi
	say "photos: only Go's $own ($cache/photos)"
}

fashion_mnist() {
	dataset fashion-mnist dataset-fashion-mnist /usr/share/datasets/fashion-mnist \
		train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz ||
		say "fashion-mnist: missing; put its four IDX files into $cache/fashion-mnist to train on it" >&2
}

libjpeg
onnxruntime
photos
fashion_mnist
