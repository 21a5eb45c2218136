# `make serve` and `make test` do all the set-up themselves on a fresh Debian machine that has Swift.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

venv := .venv
python := $(venv)/bin/python
fixtures := Tests/Fixtures
# A target may import only what Package.swift names for it.
strict := --explicit-target-dependency-import-check error
release := --configuration release --static-swift-stdlib
# Debug builds for tests, module by module and without debug information: half of the work of an ordinary one. They
# have folders of their own, so that `swift build` and `swift test` by hand stay incremental.
lean := -debug-info-format none $(addprefix -Xswiftc ,-wmo -num-threads 2 -no-emit-module-separately-wmo)
tests := --scratch-path .build-tests
took = echo "==> $@: $$SECONDS s"
agents := --package-path agents --scratch-path .build-agents
# The two BoringSSLs are 526 files of C++, of which half of the time goes to the standard library's headers.
clang := $(dir $(realpath $(shell command -v swift)))clang
std := .build-agents/std.pch
export VENCEJO_ONNXRUNTIME ?= $(CURDIR)/$(venv)/lib/libonnxruntime.so

.PHONY: help serve test check build demo lint sanitize sanitize-asan sanitize-tsan budgets scenarios swaps idle soak scrapes \
    flakes proofs hunt mutations kills gotlog audit-cost demo-audit audit-agent clean packages monitors agent build-agents release-agents build-tests generated swift-tests system-tests

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' Makefile | expand -t 20

serve: build audit-agent $(venv)/ready ## Serve the sample models on 127.0.0.1:8001, with an audit log in .build/audit
	exec Tests/Demo/serve.sh

# Builds go side by side, because each by itself leaves a core idle half of the time. The tests of the server come after them: its
# loader threads give way to other processes (nice 19), and beside a compiler they would hardly get their turn.
test: monitors ## Run all tests
	@$(MAKE) --jobs=3 build-agents build build-tests $(venv)/ready
	@$(MAKE) --old-file=build --old-file=build-agents --old-file=build-tests generated swift-tests system-tests
	@echo "==> tests that depend on time, one after another"
	$(python) -m pytest Tests/SystemTests -m alone && $(took)

swift-tests: build-tests
	@echo "==> tests of the targets"
	swift test --skip-build $(strict) $(lean) $(tests) && $(took)

system-tests: build build-agents $(venv)/ready
	@echo "==> tests of the built server and agents"
	$(python) -m pytest Tests/SystemTests -m "not alone" --numprocesses 4 --dist worksteal
	$(python) -m pytest Tests/Audit --numprocesses 4 --quiet && $(took)

generated: $(venv)/ready
	@echo "==> what is generated is what its sources say"
	proto/check.sh
	agents/interop/generate.sh --check
	$(python) $(fixtures)/make_messages.py --check
	$(python) $(fixtures)/make_models.py --check
	$(python) $(fixtures)/make_retrained.py --check
	$(python) $(fixtures)/make_spans.py --check

check: packages ## Lint what changed and run its tests, against debug builds
	@.ci/check.py

flakes: build build-agents $(venv)/ready ## Run the system tests 20 times, until one fails
	for run in {1..20}; do \
	    echo "==> run $$run of 20"; \
	    $(python) -m pytest Tests/SystemTests -m "not alone" --numprocesses 4 --dist worksteal --quiet; \
	    $(python) -m pytest Tests/SystemTests -m alone --quiet; \
	done

# What a build says of itself: `vencejo --version`, vencejo_build_info.
build build-agents release-agents audit-agent: export VENCEJO_REVISION ?= $(shell git describe --always --dirty --abbrev=12 --exclude='*' 2> /dev/null)

# Not all targets: the audit agent's are compiled with the agents.
build: packages ## Build the release binary, .build/release/vencejo
	swift build $(release) $(strict) --product vencejo && swift build $(release) $(strict) --product micro && $(took)

build-tests: packages
	swift build --product vencejoPackageTests $(strict) $(lean) $(tests) && $(took)

agent: release-agents ## Serve the metrics of the server on 127.0.0.1:8001 at 127.0.0.1:9464
	exec .build-agents/release/vencejo-metrics --audit-page /dev/shm/vencejo-audit-$(shell id -u).metrics

# A package of its own, which takes minutes the first time: SwiftNIO.
build-agents: packages $(std)
	swift build $(strict) $(lean) -Xcxx -include-pch -Xcxx $(CURDIR)/$(std) --disable-index-store $(agents) && $(took)

# With the flags that SwiftPM gives to the C++ of a debug build: clang refuses it beside others.
$(std): agents/std.h $(clang)
	@mkdir -p $(@D)
	$(clang) -x c++-header -std=c++17 -O0 -g0 -fPIC -fblocks -fno-omit-frame-pointer -DSWIFT_PACKAGE=1 -DDEBUG=1 \
	    -fpch-instantiate-templates $< -o $@

release-agents: audit-agent
	swift build $(release) $(strict) $(agents) --product vencejo-metrics

audit-agent: packages
	swift build $(release) $(strict) $(agents) --product vencejo-audit

demo: build $(venv)/ready .build/stubs ## Predict from Python; starts a server if none runs
	PYTHONPATH=.build/stubs $(python) Tests/Demo/predict.py

demo-audit: build audit-agent $(venv)/ready .build/stubs ## Show the audit log: calls, verify, a changed byte, proof, erasure, report
	PYTHONPATH=.build/stubs $(python) Tests/Demo/audit.py

lint: ## Check format and wording; changes nothing
	python3 -m doctest .ci/wording.py
	.ci/wording.py
	swift format lint --strict --parallel --recursive Package.swift Sources Tests agents

sanitize: sanitize-asan sanitize-tsan ## Run the tests with the address and the thread sanitizer

# Some tests make ONNX Runtime, which is not built with the sanitizers, ask for absurd memory: that is to fail, not to end
# the run. Leaks are looked for at the end of each server, not of the Swift tests: what lies in their constants is taken
# for leaked, by the tag bits in Foundation's references.
sanitize-asan: sanitizer := address
sanitize-tsan: sanitizer := thread
sanitize-asan sanitize-tsan: export ASAN_OPTIONS := allocator_may_return_null=1
sanitize-asan sanitize-tsan: export TSAN_OPTIONS := allocator_may_return_null=1
sanitize-asan sanitize-tsan: sanitize-%: packages build-agents monitors $(venv)/ready
	@echo "==> $(sanitizer) sanitizer"
	ASAN_OPTIONS=$$ASAN_OPTIONS:detect_leaks=0 swift test $(strict) --sanitize=$(sanitizer) --scratch-path .build-$*
	VENCEJO_BIN=.build-$*/debug/vencejo $(python) -m pytest Tests/SystemTests

budgets: build $(venv)/ready ## Count what a request costs, against Tests/Benchmarks/Budgets.json
	.ci/packages valgrind libc6-dbg
	$(python) -m pytest --quiet Tests/Benchmarks
	$(python) Tests/Benchmarks/budgets.py

swaps: build $(venv)/ready ## Swap models a thousand times under load
	$(python) Tests/Benchmarks/swaps.py .build/release/vencejo

scenarios: build $(venv)/ready ## Measure two loads at once, too much load, two shards, TLS
	$(python) Tests/Benchmarks/scenarios.py .build/release/vencejo

scrapes: build release-agents $(venv)/ready ## Measure what it costs a busy server to be scraped ten times a second
	$(python) Tests/Benchmarks/scrapes.py .build/release/vencejo .build-agents/release/vencejo-metrics

audit-cost: build audit-agent $(venv)/ready ## Measure what a record of each call costs, kept in memory and on disk
	$(python) Tests/Benchmarks/audit_cost.py .build/release/vencejo .build-agents/release/vencejo-audit
	$(python) Tests/Benchmarks/audit_cost.py .build/release/vencejo .build-agents/release/vencejo-audit --policy disk,closed

idle: build $(venv)/ready ## Measure 10 000 idle connections
	$(python) Tests/Benchmarks/idle_connections.py .build/release/vencejo

soak: build $(venv)/ready ## Watch the memory of a server to which everything happens, for some minutes
	$(python) Tests/Benchmarks/soak.py .build/release/vencejo --rounds 400

proofs: build $(venv)/ready ## Try what is proven of batching on 10 000 random graphs
	VENCEJO_RANDOM_GRAPHS=10000 $(python) -m pytest Tests/SystemTests/test_batch_proof.py -k random --capture=no

mutations: build-agents $(venv)/ready ## Compare both verifiers of audit logs on 10 000 changed logs
	VENCEJO_MUTATIONS=10000 $(python) -m pytest Tests/SystemTests/test_audit.py -k mutations

kills: build build-agents $(venv)/ready ## kill -9 server and audit agent 500 times each: nothing acknowledged is lost, or comes twice
	VENCEJO_KILLS=500 $(python) -m pytest Tests/SystemTests/test_audit_agent.py -k kills --numprocesses 4

gotlog: build-agents $(venv)/ready ## Check the audit log's checkpoints, proofs and tiles with Go's sumdb/note and tlog
	.ci/packages golang-go golang-golang-x-mod-dev
	VENCEJO_GO=go $(python) -m pytest Tests/SystemTests/test_audit_go.py

hunt: build $(venv)/ready ## Compare a million answers of models made to break batching with the runtime alone
	$(python) Tests/SystemTests/hunt.py

clean: ## Remove all that was built, the Python environment too
	rm -rf .build .build-agents .build-tests .build-asan .build-tsan $(venv)

packages:
	@.ci/packages

# Prometheus and Alertmanager with promtool and amtool, for the tests of k8s/monitoring.
monitors: packages
	@.ci/packages prometheus prometheus-alertmanager

# Python's packages, and ONNX Runtime's library from among them.
$(venv)/ready: Tests/SystemTests/requirements.txt | packages
	@echo "==> Python packages and ONNX Runtime, into $(venv)"
	python3 -m venv $(venv)
	$(python) -m pip install --disable-pip-version-check --progress-bar off --no-compile --requirement $<
	cd $(venv)/lib && ln -sf python3*/site-packages/onnxruntime/capi/libonnxruntime.so.* libonnxruntime.so
	@touch $@

# Python's stubs, as a caller would make them.
.build/stubs: proto/vencejo/v1/prediction.proto $(venv)/ready
	@mkdir -p $@
	$(python) -m grpc_tools.protoc -I proto --python_out=$@ --grpc_python_out=$@ vencejo/v1/prediction.proto
	@touch $@
