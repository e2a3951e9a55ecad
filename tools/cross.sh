# Compiling for a Jetson of JetPack 4.6 (AArch64, glibc 2.27) on another machine. Sourced after lib.sh.
# shellcheck shell=sh disable=SC2154

newest_glibc=2.27
zig_version=0.17.1

# zig: a C compiler that brings the headers and symbol versions of every glibc.
zig=$cache/zig-$zig_version/ziglang/zig
fetch_zig() {
	[ -x "$zig" ] && return
	say "fetching ziglang $zig_version"
	mkdir "$scratch/zig"
	$(pip_command) download --no-deps --only-binary=:all: --dest "$scratch" "ziglang==$zig_version" &&
		python3 -m zipfile -e "$scratch"/ziglang-*.whl "$scratch/zig" &&
		chmod +x "$scratch/zig/ziglang/zig" &&
		replace "$scratch/zig" "$cache/zig-$zig_version"
}
fetch_zig || fail "ziglang $zig_version: pip does not get it"

jpeg=$cache/arm64-libjpeg
unpacked arm64-libjpeg libjpeg62-turbo-dev:arm64 || fail "libjpeg62-turbo-dev:arm64: apt-get does not get it"
jpeg_lib=$jpeg/usr/lib/aarch64-linux-gnu
jpeg_inc="-I$jpeg/usr/include -I$jpeg/usr/include/aarch64-linux-gnu"

# zig keeps what it has compiled of glibc.
export ZIG_GLOBAL_CACHE_DIR="$cache/zig-cache" ZIG_LOCAL_CACHE_DIR="$cache/zig-cache"
export CC="$zig cc -target aarch64-linux-gnu.$newest_glibc"

# cross_build PACKAGE OUT: a Go program. Without -O2 zig adds a sanitizer's runtime.
cross_build() {
	CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CGO_CFLAGS="-O2 $jpeg_inc" CGO_LDFLAGS="-O2 -L$jpeg_lib" \
		${GO:-go} build -trimpath -buildvcs=false -ldflags '-s -w' -o "$2" "$1"
}
