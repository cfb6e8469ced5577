# The build cache stays outside the checkout, so that a fresh clone does not build the world.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/maxwell-target
say = @printf '\n=== %s (%s)\n' "$(1)" "$$(date +%T)"

.PHONY: help test lint unit

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

test: lint unit ## Every check

lint: ## Formatting, and clippy with warnings denied
	$(call say,formatting)
	cargo fmt --all --check
	$(call say,clippy)
	cargo clippy --locked --workspace --all-targets -- -D warnings

unit: ## Tests that need nothing but the toolchain
	$(call say,unit tests)
	cargo test --locked --workspace --lib --bins
