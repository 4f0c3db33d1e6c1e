# `make run` and `make test` do all the set-up themselves; `make` alone lists what there is.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup build run test test-qdrant smoke bench fuzz fmt lint deny ci

TARGET := $(or $(CARGO_TARGET_DIR),target)

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## install the Debian packages and the embedding model; nothing is repeated
	@scripts/setup.sh

build: ## build the release binary
	@echo '==> build: cargo build --release (the first time takes many minutes)'
	@cargo build --release --locked

run: setup build ## set up, build, load the sample library and serve it (ADDR=127.0.0.1:8090 for another port)
	@exec scripts/run.sh '$(TARGET)/release/lectern'

test: setup ## set up and run every test of every crate, doc tests included
	@echo '==> test: cargo test --workspace'
	@[ -n "$$QDRANT_URL" ] || echo '    QDRANT_URL is not set: the tests of a Qdrant server are skipped'
	@[ -d "$${LECTERN_SHARED:-../shared}" ] || echo '    no ../shared (LECTERN_SHARED): the tests on recordings are skipped'
	@cargo test --workspace --locked

test-qdrant: ## run the vector store suite on the Qdrant server at QDRANT_URL
	@[ -n "$$QDRANT_URL" ] || { echo 'error: set QDRANT_URL to the gRPC address of a Qdrant server,' \
	  'such as http://127.0.0.1:6334' >&2; exit 1; }
	@cargo test --locked -p index qdrant -- --nocapture

# With the tests, whose features it shares: the binary alone would compile some dependencies once more.
smoke: setup ## build the dev binary and try its whole line on the sample library
	@echo '==> build: the dev binary'
	@cargo build --workspace --tests --locked
	@scripts/smoke.sh '$(TARGET)/debug/lectern'

bench: setup ## measure parsers, words, searches, and a whole import against the embedding ceiling
	@cargo bench --workspace --locked

SECONDS := 600
fuzz: setup ## fuzz the parsers, each for SECONDS (600)
	@scripts/fuzz.sh '$(TARGET)' '$(SECONDS)'

fmt: ## format the code
	@cargo fmt --all

lint: ## clippy with warnings as errors
	@cargo clippy --workspace --all-targets --locked -- -D warnings

deny: ## check licences, sources and banned crates with cargo-deny
	@command -v cargo-deny >/dev/null || { echo 'error: cargo-deny is missing; install it with:' \
	  'cargo install --locked cargo-deny' >&2; exit 1; }
	@cargo deny --locked check --hide-inclusion-graph licenses bans sources

ci: ## everything that a submission must pass
	@.ci/run
