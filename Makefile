# The build cache stays outside the checkout, so that a fresh clone does not build the world.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/maxwell-target
LAB := tests/lab/lab
SERVERS := mysql57 mysql80 mysql97 mariadb zookeeper kafka
say = @printf '\n=== %s (%s)\n' "$(1)" "$$(date +%T)"

.PHONY: help test lint unit integration chaos up down

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

test: lint unit integration ## Every check

lint: ## Formatting, and clippy with warnings denied
	$(call say,formatting)
	cargo fmt --all --check
	$(call say,clippy)
	cargo clippy --locked --workspace --all-targets -- -D warnings

unit: ## Tests that need nothing but the toolchain
	$(call say,unit tests)
	cargo test --locked --workspace --lib --bins

integration: ## Tests against real servers, which are started and ended
	$(call say,worker)
	cargo build --locked -p maxwell-worker -p maxwell-tests
	$(call say,servers)
	tests/lab/with-servers "$(SERVERS)" \
	  env MAXWELL_BIN=$$CARGO_TARGET_DIR/debug/maxwell $$CARGO_TARGET_DIR/debug/maxwell-tests chaos --changes 60000 --kills 12

chaos: ## The long version: 200,000 changes, 40 kills, with the released binary
	cargo build --locked --release -p maxwell-worker -p maxwell-tests
	tests/lab/with-servers "$(SERVERS)" \
	  env MAXWELL_BIN=$$CARGO_TARGET_DIR/release/maxwell $$CARGO_TARGET_DIR/release/maxwell-tests chaos --changes 200000 --kills 40

up: ## Starts the lab's servers and leaves them running
	$(LAB) up $(SERVERS)

down: ## Ends everything that the lab started
	$(LAB) down
