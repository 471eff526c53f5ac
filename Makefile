# `make up` runs Hansard, `make test` tests it. Both need a Rust toolchain and nothing else: what else is missing is installed.
#
#   make ROCKSDB=bundled up     builds RocksDB from source, where the distribution has none

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

export ROCKSDB ?= system
ENV := source scripts/env.sh

.PHONY: help deps deps-test build dist up test bench instructions properties fuzz sim seeded-bugs failpoints chaos lint gen fmt env

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

deps: ## Install the system packages that the build needs and that are missing
	@scripts/deps.sh build

deps-test: ## Install what the tests need beyond that
	@scripts/deps.sh build test

build: deps ## Build the one binary, hansard
	@$(ENV) && cargo build --release --locked -p hansard-cli

dist: deps ## Build what ships, optimised as a whole, into target/dist/hansard; takes minutes
	@$(ENV) && cargo build --profile dist --locked -p hansard-cli

up: build ## Build, and run a cluster of 3 nodes and 2 routers under ./data until Ctrl-C
	@$(ENV) && exec "$${CARGO_TARGET_DIR:-target}/release/hansard" dev --data ./data

test: deps-test ## Test everything; the last line is the sum
	@$(ENV) && scripts/test.sh

bench: dist ## Measure what docs/performance.md quotes, on a quiet machine: TURNS=3, SECONDS_EACH=10, LARGE=1, BESIDE='a command that runs another system'
	@scripts/deps.sh bench
	@$(ENV) && exec scripts/bench.py "$${CARGO_TARGET_DIR:-target}/dist/hansard"

instructions: deps-test ## Count the instructions of the hot paths, and compare them with those on record: WRITE=1 takes them over
	@$(ENV) && scripts/instructions.sh $(if $(WRITE),--write)

properties: deps ## Run the property tests with other cases than every build: CASES=20000, SEED=
	@$(ENV) && CASES=$(CASES) SEED=$(SEED) scripts/properties.sh

fuzz: deps ## Feed every reader with mutated inputs: SECONDS=60, SEED=, TARGET=name; INPUT=hex or FIRST=number replay
	@$(ENV) && scripts/build.sh -- hansard-fuzz && exec "$${CARGO_TARGET_DIR:-target}/release/hansard-fuzz" \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(TARGET),--target $(TARGET)) $(if $(FIRST),--first $(FIRST)) $(if $(INPUT),--input $(INPUT))

sim: deps ## Simulate the whole stack under faults: SEEDS=50 seeds, from FIRST=0 on; or SEED=7 replays one and prints its trace; TRACE=file keeps all of it
	@$(ENV) && scripts/build.sh -- hansard-sim && exec "$${CARGO_TARGET_DIR:-target}/release/hansard-sim" \
		$(if $(SEED),--seed $(SEED) $(if $(TRACE),--trace $(TRACE)),--seeds $(or $(SEEDS),50) --first $(or $(FIRST),0))

seeded-bugs: deps ## Plant bugs, one after the other, and print which invariant of the simulation catches each, and by which seed
	@$(ENV) && scripts/build.sh --features hansard-sim/seeded-bugs -- hansard-sim && exec \
		"$${CARGO_TARGET_DIR:-target}/release/hansard-sim" --bugs $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST))

failpoints: deps ## Crash, fail and delay real processes at every durable step and every ack: SEED=1, ONLY= some points or scenes
	@$(ENV) && scripts/failpoints.sh

chaos: deps-test ## Real processes under real faults, as root: MINUTES=3, SEED=, RATE=400 messages/s, DRILLS=5 kills of a leader before, ONLY= and ALLOW_SKIP= kinds; CAMPAIGN= one kind, COUNT= times
	@$(ENV) && scripts/build.sh -- hansard hansard-chaos && release="$${CARGO_TARGET_DIR:-target}/release" && \
		"$$release/hansard-chaos" run --hansard "$$release/hansard" --minutes $(or $(MINUTES),3) $(if $(DRILLS),--drills $(DRILLS))

lint: deps ## Formatting and clippy, over what was compiled already
	@$(ENV) && scripts/lint.sh

gen: deps ## Generate the code of the .proto files anew
	@$(ENV) && HANSARD_GEN=1 cargo test --release --locked --workspace --test generated

fmt: ## Format
	@cargo fmt --all

env: ## Print the settings for plain cargo in a shell of your own: eval "$(make -s env)"
	@$(ENV) && scripts/print-env.sh
