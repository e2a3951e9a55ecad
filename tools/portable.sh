#!/bin/sh
# Type-checks what needs no C, with its tests, for systems that nothing is tested on.
set -eu
go=${GO:-go}
# Packages that depend on nothing with cgo; of those whose tests do, the package alone.
list='{{$c := false}}{{range .Deps}}{{if eq . "github.com/yalue/onnxruntime_go" "github.com/bottlenet/bnc/ops"}}{{$c = true}}{{end}}{{end}}{{if and (not $c) .GoFiles}}{{.ImportPath}}{{end}}'
for target in darwin/arm64 windows/amd64; do
	export GOOS=${target%/*} GOARCH=${target#*/} CGO_ENABLED=0
	all=$($go list -f "$list" ./... | grep -v '/bnc/ops$')
	tested=$($go list -test -f "$list" $all | sed -n 's/\.test$//p')
	$go build $all
	$go vet $tested
	echo "$target: $(echo "$all" | wc -l) packages build, the tests of $(echo "$tested" | wc -l) compile"
done
