#!/bin/sh
# Builds bnc, its plugin and the shim for a Jetson of JetPack 4.6 (AArch64, glibc 2.27) on x86-64; `make dist-arm64`.
# The compiler and libjpeg-turbo are fetched into the cache; nothing is installed.
set -eu
cd "$(dirname "$0")/.."
step=dist-arm64
. tools/lib.sh
. tools/cross.sh
out=dist/arm64

# check FILE: fails where the file asks for a newer glibc, or for a library that is not glibc's.
check() {
	versions=$(readelf --version-info "$1" | grep -o 'GLIBC_[0-9.]*' | sort -Vu)
	needed=$(readelf --dynamic "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	newest=$(printf '%s\n' "$versions" "GLIBC_$newest_glibc" | sort -V | tail -n 1)
	[ "$newest" = "GLIBC_$newest_glibc" ] || fail "$1 needs $newest: JetPack 4.6 has $newest_glibc"
	for library in $needed; do
		case $library in
		libc.so.6 | libdl.so.2 | libm.so.6 | libpthread.so.0 | libresolv.so.2 | ld-linux-aarch64.so.1) ;;
		*) fail "$1 needs $library, which a Jetson may not have" ;;
		esac
	done
	readelf --file-header "$1" | grep -q AArch64 || fail "$1 is not for AArch64"
	say "$(basename "$1"): $(wc -c <"$1") bytes, newest symbol version $(echo "$versions" | tail -n 1), needs" $needed
}

have readelf || fail "readelf is missing: install binutils"
new=$scratch/arm64
mkdir -p "$new" dist
say "building bnc"
cross_build ./cmd/bnc "$new/bnc"
say "building the plugin and the shim"
CFLAGS="-s $jpeg_inc" LIBJPEG=$jpeg_lib/libjpeg.a sh ops/build.sh "$new/libbnc_ops.so"
CFLAGS="-s" sh ops/shim/build.sh "$new/libbnc_ort_shim.so"
cp LICENSE docs/jetson.md "$new"
cp "$jpeg/usr/share/doc/libjpeg62-turbo-dev/copyright" "$new/LICENSE.libjpeg-turbo"
for file in bnc libbnc_ops.so libbnc_ort_shim.so; do
	check "$new/$file"
done
tarball=bnc-linux-arm64.tar.gz
(cd "$new" && tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --transform 's,^,bnc/,' -cf - -- *) |
	gzip -9n >"$scratch/tarball"
mv "$scratch/tarball" "$new/$tarball"
replace "$new" "$out"
say "$out/$tarball: $(wc -c <"$out/$tarball") bytes"
