# What deps.sh and oracle.sh share. Sourced from the top folder of the repository.
# The caller sets $step, the word its lines begin with.
# Functions whose failure the caller handles run without `set -e`, so they chain with && and ||.
# shellcheck shell=sh disable=SC2015,SC2154

# The same folder as Go's os.UserCacheDir() gives on Linux.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bnc
mkdir -p "$cache"

# Everything is built here and then renamed into place: same file system, nothing half-written.
scratch=$(mktemp -d "$cache/.tmp.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

say() { printf '%s: %s\n' "$step" "$*"; }
fail() {
	say "$@" >&2
	exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# pip_command: PyPI's client, under whichever name it is there; 1 where it is not.
pip_command() {
	for pip in "python3 -m pip" pip3 pip; do
		if $pip --version >/dev/null 2>&1; then
			echo "$pip --disable-pip-version-check --quiet"
			return
		fi
	done
	return 1
}

# replace NEW OLD: puts the directory NEW where OLD is or shall be.
replace() {
	if [ -e "$2" ]; then
		mv "$2" "$scratch/replaced.$(basename "$2")"
	fi && mv "$1" "$2"
}

# apt_command PACKAGE...: the command that installs them.
apt_command() { echo "apt-get install -y --no-install-recommends $*"; }

# apt_install PACKAGE...: installs as root on Debian and its kin; 1 where that cannot be done.
# The package lists of a new machine may be absent or stale, hence the second try.
apt_install() {
	have apt-get && [ "$(id -u)" -eq 0 ] || return 1
	say "installing $*"
	export DEBIAN_FRONTEND=noninteractive
	$(apt_command "$@") -qq >"$scratch/apt.log" 2>&1 ||
		{ apt-get update -qq && $(apt_command "$@") -qq; } >"$scratch/apt.log" 2>&1 ||
		{ cat "$scratch/apt.log" >&2; return 1; }
}

# apt_unpack PACKAGE DIR: unpacks a Debian package's files below DIR, without root and without installing it.
# Where the machine's package lists are absent or stale, private ones are fetched; these also know the architecture
# of a PACKAGE:ARCHITECTURE that is not the machine's.
apt_unpack() (
	have apt-get && have dpkg-deb || exit 1
	say "fetching Debian's $1"
	lists=$scratch/apt
	mkdir -p "$2" "$scratch/deb" "$lists/lists/partial" "$lists/cache/archives/partial"
	cd "$scratch/deb" || exit 1
	case $1 in
	*:*) foreign="-o APT::Architectures::=${1#*:}" ;;
	*) foreign= ;;
	esac
	# shellcheck disable=SC2086 # an option and its value
	private() {
		apt-get -qq -o APT::Sandbox::User=root $foreign \
			-o "Dir::State::Lists=$lists/lists" -o "Dir::Cache=$lists/cache" "$@"
	}
	{
		apt-get -qq -o APT::Sandbox::User=root download "$1" || private download "$1" ||
			{ private update && private download "$1"; }
	} >"$scratch/apt.log" 2>&1 || { cat "$scratch/apt.log" >&2; exit 1; }
	dpkg-deb -x "${1%:*}"_*.deb "$2"
)

# ort_from_pip VERSION MACHINE DIR: ONNX Runtime's wheel, unpacked below DIR.
# Which Python the wheel is for does not matter: the shared library is the same in each.
ort_from_pip() {
	$(pip_command) download --no-deps --only-binary=:all: --dest "$3" \
		--implementation cp --python-version 3.12 --abi cp312 --platform "manylinux_2_28_$2" \
		"onnxruntime==$1" || return 1
	if have python3; then
		python3 -m zipfile -e "$3"/onnxruntime-*.whl "$3"
	else
		unzip -q "$3"/onnxruntime-*.whl -d "$3"
	fi
}

# ort_from_npm VERSION MACHINE DIR: the Node.js package of ONNX Runtime, unpacked below DIR; its scripts do not run.
ort_from_npm() {
	case $2 in
	x86_64) arch=x64 ;;
	aarch64) arch=arm64 ;;
	esac
	(cd "$3" && npm pack --silent --ignore-scripts "onnxruntime-node@$1" >/dev/null) || return 1
	tar -xzf "$3"/onnxruntime-node-*.tgz -C "$3" package/bin
	# Libraries for other machines would be found as well.
	find "$3/package/bin" -type f -not -path "*/linux/$arch/*" -exec rm -f {} +
}

# has_client pip|npm
has_client() {
	case $1 in
	pip) pip_command >/dev/null ;;
	*) have "$1" ;;
	esac
}

# ort_known VERSION MACHINE FILE: whether FILE is a pinned build of that version.
ort_known() {
	sum=$(sha256sum "$3" | cut -d' ' -f1)
	awk -v v="$1" -v m="$2" -v s="$sum" '$1==v && $2==m && $4==s {found=1} END {exit !found}' tools/onnxruntime.sha256
}

# ort_fetch VERSION [MACHINE]: puts ONNX Runtime's library into the cache; 1 where no client gets it. That of another
# machine lies in a folder with the machine's name.
ort_fetch() {
	version=$1
	machine=${2:-$(uname -m)}
	dir=$cache/onnxruntime-$version${2:+-$2}
	lib=$dir/libonnxruntime.so
	if [ -f "$lib" ] && ort_known "$version" "$machine" "$lib"; then
		say "ONNX Runtime $version: already there, checksum right ($lib)"
		return
	fi
	[ "$(uname -s)" = Linux ] || return 1
	# shellcheck disable=SC2013 # the words are clients
	for client in $(awk -v v="$version" -v m="$machine" '$1==v && $2==m {print $3}' tools/onnxruntime.sha256); do
		has_client "$client" || continue
		say "ONNX Runtime $version: fetching with $client"
		work=$scratch/$client-$version
		mkdir -p "$work/new"
		"ort_from_$client" "$version" "$machine" "$work" || continue
		found=$(find "$work" -type f -name 'libonnxruntime.so*' | head -n 1)
		if [ -z "$found" ] || ! ort_known "$version" "$machine" "$found"; then
			say "ONNX Runtime $version: what $client brought has no pinned checksum (tools/onnxruntime.sha256): not taken" >&2
			continue
		fi
		mv "$found" "$work/new/libonnxruntime.so" && replace "$work/new" "$dir" || return 1
		say "ONNX Runtime $version: now there ($lib)"
		return
	done
	return 1
}

# unpacked DIR PACKAGE...: Debian packages unpacked in the cache as DIR, together with a list of their names.
unpacked() {
	dir=$cache/$1
	shift
	[ "$(cat "$dir/packages" 2>/dev/null)" = "$*" ] && return
	root=$scratch/$(basename "$dir")
	for package; do
		apt_unpack "$package" "$root" || return 1
	done
	echo "$*" >"$root/packages"
	replace "$root" "$dir"
}
