# Short names for what CMakePresets.json, tests/support/check.py and the demo script do.  `make help` lists them.
PYTHON ?= /usr/bin/python3
INSTALL = tests/support/install.sh
CHECK = $(PYTHON) tests/support/check.py

.DEFAULT_GOAL := help
.PHONY: help build demo check check-unit check-asan check-integration check-long chaos check-image model calibrate bench bench-detect fuzz format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build/demo/driftd and its tools, without tests
	@$(INSTALL) build
	@cmake --preset demo >/dev/null
	@cmake --build --preset demo

demo: ## the whole way in well under a minute; KEEP=1 stays up, EVENTS=file.ndjson[.gz] CONFIG=file.yaml plays your own
	@$(INSTALL) build demo
	@src/tools/demo.sh

check: ## every test; the last line counts them (DRIFTD_SKIPS_FAIL=1: skipped ones fail)
	@$(INSTALL) build demo test
	@$(CHECK) unit asan lint model integration chaos

check-unit: ## unit tests of the -Werror build
	@$(INSTALL) build demo test
	@$(CHECK) unit

check-asan: ## unit tests under address and undefined-behaviour sanitizers
	@$(INSTALL) build demo test
	@$(CHECK) asan

check-integration: ## lint and the Python tests with real Kafka, Redis and registry; TESTS=pattern picks some
	@$(INSTALL) build demo test
	@$(CHECK) lint integration $(if $(TESTS),--only '$(TESTS)')

check-long: ## what takes too long for every change: slow integration tests, clang with sanitizers, a fresh seed, fuzzing
	@$(INSTALL) build demo test fuzz
	@$(CHECK) unit asan lint model integration chaos long

chaos: ## faults at random for MINUTES (20), then a recount of every event; SEED=, BROKERS=1|3, REDIS=single|cluster
	@$(INSTALL) build demo test
	@cmake --preset release >/dev/null && cmake --build --preset release -- --quiet
	@$(PYTHON) tests/chaos/chaos.py --minutes $(or $(MINUTES),20) --brokers $(or $(BROKERS),3) --redis $(or $(REDIS),single) $(if $(SEED),--seed $(SEED))

check-image: ## build the container image, run the unit tests and a short replay in it (root)
	@$(INSTALL) build demo test image
	@docker/check-image.sh

model: ## explore the state protocol exhaustively: some ten minutes, at most 4 GB
	@$(INSTALL) build demo test
	@cmake --preset release >/dev/null && cmake --build --preset release --target model
	@build/release/tests/model --long

calibrate: ## simulate what the statistics promise: sizes of tests, false alarms, delays; tables in Markdown, minutes
	@$(INSTALL) build demo test
	@cmake --preset release >/dev/null && cmake --build --preset release --target calibrate -- --quiet
	@build/release/tests/calibrate

bench: ## one JSON line a figure
	@$(INSTALL) build demo test
	@tests/bench/run.sh

bench-detect: ## false alarms and delays beside peers from PyPI on ../shared/data; QUICK=1 is short, DOCS=1 writes docs/detection.md
	@$(INSTALL) build demo test bench
	@cmake --preset release >/dev/null && cmake --build --preset release --target detect_windows driftd libdriftd_shared -- --quiet
	@$(PYTHON) tests/bench/detect/conventions.py $(if $(DOCS),--docs)
	@$(PYTHON) tests/bench/detect/detect.py $(if $(QUICK),--quick) $(if $(DOCS),--docs)

fuzz: ## each fuzz target for SECONDS (60)
	@$(INSTALL) build test fuzz
	@tests/fuzz/run.sh $(or $(SECONDS),60)

format: ## clang-format over all sources
	@git ls-files '*.c' '*.cpp' '*.h' | xargs clang-format -i

clean: ## remove build/
	@rm -rf build
