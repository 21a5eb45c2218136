# `make serve` and `make test` do all the set-up themselves on a fresh Debian machine that has Swift.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

venv := .venv
python := $(venv)/bin/python
fixtures := Tests/Fixtures
interop := Tests/Interop/grpc-swift
# A target may import only what Package.swift names for it.
strict := --explicit-target-dependency-import-check error
export VENCEJO_ONNXRUNTIME ?= $(CURDIR)/$(venv)/lib/libonnxruntime.so

.PHONY: help serve test build demo lint sanitize sanitize-asan sanitize-tsan budgets scenarios swaps idle soak scrapes clean packages monitors interop agent build-agent

help: ## Say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 20

serve: build $(venv)/ready ## Serve the sample models on 127.0.0.1:8001
	@echo; sed 's/^/    /' Tests/Demo/calls.txt; echo
	exec .build/release/vencejo serve --repository $(fixtures)/models --control 127.0.0.1:8002 --state .build/state.json

test: build build-agent interop monitors $(venv)/ready ## Run all tests
	@echo "==> what is generated is what its sources say"
	proto/check.sh
	$(python) $(fixtures)/make_messages.py --check
	$(python) $(fixtures)/make_models.py --check
	$(python) $(fixtures)/make_spans.py --check
	@echo "==> tests of the targets"
	swift test $(strict)
	@echo "==> tests of the built server"
	$(python) -m pytest Tests/SystemTests

# What a build says of itself: `vencejo --version`, vencejo_build_info.
build build-agent: export VENCEJO_REVISION ?= $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2> /dev/null)

build: packages ## Build the release binary, .build/release/vencejo
	swift build --configuration release --static-swift-stdlib $(strict)

agent: build-agent ## Serve the metrics of the server on 127.0.0.1:8001 at 127.0.0.1:9464
	exec .build-agent/release/vencejo-metrics

# A package of its own, which takes minutes the first time: SwiftNIO.
build-agent: packages
	swift build --configuration release --static-swift-stdlib $(strict) --package-path agents/metrics --scratch-path .build-agent

demo: build $(venv)/ready .build/stubs ## Predict from Python; starts a server if none runs
	PYTHONPATH=.build/stubs $(python) Tests/Demo/predict.py

lint: ## Check the format; changes nothing
	swift format lint --strict --recursive Package.swift Sources Tests agents

sanitize: sanitize-asan sanitize-tsan ## Run the tests with the address and the thread sanitizer

# Some tests make ONNX Runtime, which is not built with the sanitizers, ask for absurd memory: that is to fail, not to end
# the run. Leaks are looked for at the end of each server, not of the Swift tests: what lies in their constants is taken
# for leaked, by the tag bits in Foundation's references.
sanitize-asan: sanitizer := address
sanitize-tsan: sanitizer := thread
sanitize-asan sanitize-tsan: export ASAN_OPTIONS := allocator_may_return_null=1
sanitize-asan sanitize-tsan: export TSAN_OPTIONS := allocator_may_return_null=1
sanitize-asan sanitize-tsan: sanitize-%: packages build-agent monitors $(venv)/ready
	@echo "==> $(sanitizer) sanitizer"
	ASAN_OPTIONS=$$ASAN_OPTIONS:detect_leaks=0 swift test $(strict) --sanitize=$(sanitizer) --scratch-path .build-$*
	VENCEJO_BIN=.build-$*/debug/vencejo $(python) -m pytest Tests/SystemTests --ignore Tests/SystemTests/test_grpc_swift.py

budgets: build $(venv)/ready ## Count what a request costs, against Tests/Benchmarks/Budgets.json
	.ci/packages valgrind libc6-dbg
	$(python) -m pytest --quiet Tests/Benchmarks
	$(python) Tests/Benchmarks/budgets.py

swaps: build $(venv)/ready ## Swap models a thousand times under load
	$(python) Tests/Benchmarks/swaps.py .build/release/vencejo

scenarios: build $(venv)/ready ## Measure two loads at once, too much load, two shards, TLS
	$(python) Tests/Benchmarks/scenarios.py .build/release/vencejo

scrapes: build build-agent $(venv)/ready ## Measure what it costs a busy server to be scraped ten times a second
	$(python) Tests/Benchmarks/scrapes.py .build/release/vencejo .build-agent/release/vencejo-metrics

idle: build $(venv)/ready ## Measure 10 000 idle connections
	$(python) Tests/Benchmarks/idle_connections.py .build/release/vencejo

soak: build $(venv)/ready ## Watch the memory of a server to which everything happens, for some minutes
	$(python) Tests/Benchmarks/soak.py .build/release/vencejo --rounds 400

clean: ## Remove all that was built, the Python environment too
	rm -rf .build .build-agent .build-asan .build-tsan .build-interop $(venv)

packages:
	@.ci/packages

# Prometheus and Alertmanager with promtool and amtool, for the tests of k8s/monitoring.
monitors: packages
	@.ci/packages prometheus prometheus-alertmanager

# Python's packages, and ONNX Runtime's library from among them.
$(venv)/ready: Tests/SystemTests/requirements.txt | packages
	@echo "==> Python packages and ONNX Runtime, into $(venv)"
	python3 -m venv $(venv)
	$(python) -m pip install --disable-pip-version-check --progress-bar off --requirement $<
	cd $(venv)/lib && ln -sf python3*/site-packages/onnxruntime/capi/libonnxruntime.so.* libonnxruntime.so
	@touch $@

# Python's stubs, as a caller would make them.
.build/stubs: proto/vencejo/v1/prediction.proto $(venv)/ready
	@mkdir -p $@
	$(python) -m grpc_tools.protoc -I proto --python_out=$@ --grpc_python_out=$@ vencejo/v1/prediction.proto
	@touch $@

# A client of grpc-swift-2, a package of its own; Tests/SystemTests/test_grpc_swift.py runs it.
interop: packages
	$(interop)/build.sh
