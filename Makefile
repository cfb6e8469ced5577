SHELL := /bin/bash
# The build cache stays outside the checkout, so that a fresh clone does not build the world.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/maxwell-target
# Another toolchain's.
FUZZ_DIR := $(HOME)/.cache/maxwell-fuzz
LAB := tests/lab/lab
# Tokio's choice among ready branches comes from the seed, which is what the flag is for.
SIMULATE = RUSTFLAGS='--cfg tokio_unstable' cargo run --locked --quiet --profile simulation -p maxwell-worker \
  --features simulation --bin maxwell-simulate --
SERVERS := mysql57 mysql80 mysql97 mariadb zookeeper kafka
say = @printf '\n=== %s (%s)\n' "$(1)" "$$(date +%T)"

.PHONY: help test lint unit simulation simulate simulate-mistakes helm integration chaos chaos-shards chaos-node bench audit fuzz generate images demo demo-down up down

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

test: lint unit simulation helm integration ## Every check

.PHONY: toolchain
toolchain: # What Cargo needs beside Rust
	@$(LAB) install build

lint: toolchain ## Formatting, and clippy with warnings denied
	$(call say,formatting)
	cargo fmt --all --check
	$(call say,clippy)
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked -p maxwell-worker --features simulation,failpoints --all-targets -- -D warnings
	$(call say,no Kubernetes in the worker)
	@tree=$$(cargo tree --locked -p maxwell-worker -e normal --prefix none) && \
	  ! grep -E '^(kube|k8s-openapi)' <<<"$$tree"

unit: toolchain ## Tests that need nothing but the toolchain
	$(call say,unit tests)
	cargo test --locked --workspace --lib --bins --test layering

simulation: toolchain # The short form of the two below
	$(call say,the worker in virtual time)
	$(SIMULATE) --seconds 10 --seed 1000
	$(SIMULATE) --mistakes

simulate: toolchain ## The worker's decisions in virtual time for SECONDS, from SEED on; or REPLAY=seed, with what happens
	$(SIMULATE) --seconds $(or $(SECONDS),60) $(if $(SEED),--seed $(SEED)) $(if $(REPLAY),--replay $(REPLAY)) \
	  $(if $(MISTAKE),--mistake $(MISTAKE))

simulate-mistakes: toolchain ## Shows that each mistake planted in the worker is found within a minute
	$(SIMULATE) --mistakes

helm: ## The chart, and that deploy/operator.yaml is what it makes
	$(LAB) install helm
	$(call say,chart)
	@eval "$$($(LAB) env | grep ^LAB_BIN=)" && "$$LAB_BIN/helm" lint --strict charts/*
	@deploy/render | diff deploy/operator.yaml - || { echo 'deploy/operator.yaml is stale: run make generate' >&2; exit 1; }

generate: toolchain ## Everything that is generated: the API's YAML, the plain manifests
	cargo run --locked -p maxwell-crds --bin maxwell-crds-generate
	$(LAB) install helm
	deploy/render >deploy/operator.yaml.new && mv deploy/operator.yaml.new deploy/operator.yaml

audit: ## Licences, banned crates and sources of the dependencies
	cargo deny --version >/dev/null 2>&1 || cargo install --locked cargo-deny
	cargo deny --locked check licenses bans sources

# What is fuzzed is pure Rust without unsafe code: no sanitizer finds more than the panics and limits that are looked for.
fuzz: toolchain ## A minute for each target of fuzz/, with the nightly toolchain
	cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
	@cd fuzz && for target in fuzz_targets/*.rs; do \
	  name=$$(basename "$$target" .rs); printf '\n=== fuzzing: %s (%s)\n' "$$name" "$$(date +%T)"; \
	  mkdir -p "$(FUZZ_DIR)/corpus/$$name" && CARGO_TARGET_DIR=$(FUZZ_DIR) cargo +nightly fuzz run --sanitizer none "$$name" \
	    "$(FUZZ_DIR)/corpus/$$name" -- -max_total_time=60 -rss_limit_mb=512 -verbosity=0 -print_final_stats=1 || exit; \
	done

images: toolchain ## The released binaries as images (see deploy/docker/build)
	cargo build --locked --release -p maxwell-worker -p maxwell-operator
	deploy/docker/build $(or $(IMAGE_PREFIX),localhost) $(or $(IMAGE_TAG),dev)

demo: ## The whole product, step by step: on this machine, or with KUBECONFIG in that cluster (see tests/demo/demo)
	tests/demo/demo up

demo-down: ## Ends the demo
	tests/demo/demo down

integration: toolchain ## Tests against real servers and on a real node, which are started and ended
	$(call say,building)
	cargo build --locked -p maxwell-worker -p maxwell-tests --features maxwell-worker/failpoints
	cp --remove-destination $$CARGO_TARGET_DIR/debug/maxwell $$CARGO_TARGET_DIR/debug/maxwell-failpoints
	cargo build --locked -p maxwell-worker -p maxwell-operator -p maxwell-cli
	$(call say,servers)
	tests/lab/with-servers "$(SERVERS) workers cluster" tests/suite quick

# $(call apart,WHAT): that part of the suite in a lab of its own, beside one that is up.
define apart
cargo build --locked --release -p maxwell-worker -p maxwell-tests --features maxwell-worker/failpoints
cp --remove-destination $$CARGO_TARGET_DIR/release/maxwell $$CARGO_TARGET_DIR/release/maxwell-failpoints
$(LAB) install base mysql mysql97 kafka
LAB_KAFKA_BROKERS=3 tests/lab/apart tests/lab/with-servers "$(SERVERS) replica workers" \
  tests/suite $(1); ended=$$?; tests/lab/apart end; exit $$ended
endef

chaos: toolchain ## Every kind of fault under load, three brokers, the released binary; MINUTES=60 goes on for so long
	$(call apart,thorough $(MINUTES))

chaos-shards: toolchain ## Several shards on members that join, end and are killed, under load, three brokers, the released binary
	$(call apart,shards)

chaos-node: toolchain ## What happens to a leader's pod on a real Kubernetes node, each kind TIMES=5 times, the released images
	cargo build --locked --release -p maxwell-worker -p maxwell-operator -p maxwell-tests
	tests/lab/with-servers "mysql80 zookeeper kafka cluster" tests/suite node $(or $(TIMES),5)

bench: toolchain ## Throughput beside mysqlbinlog, copied tables, restart beside 10,000 tables, DDL storm; ends with a line of JSON
	cargo build --locked --release -p maxwell-worker -p maxwell-tests
	tests/lab/with-servers "mysql80 mysql97 kafka" \
	  env MAXWELL_BIN=$$CARGO_TARGET_DIR/release/maxwell $$CARGO_TARGET_DIR/release/maxwell-tests bench

up: ## Starts the lab's servers and leaves them running
	$(LAB) up $(SERVERS)

down: ## Ends everything that the lab started
	$(LAB) down
