# Everything a person does with this repository. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tertulia
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/cargo-deny-$(DENY_VERSION)/bin/cargo-deny
# `make bench ONLY=fanout` runs the figures whose name begins so; `make run ARGS="--listen 0.0.0.0:8080"` passes on flags.
ONLY ?=
ROUNDS ?= 20
SEED ?= 1
SEEDS ?= 1000
# `make simulate SEED=7 SEEDS=1 TRACE=1` shows everything that happens in one seed.
TRACE ?=
ARGS ?=

.PHONY: help run test check fmt deny bench chaos simulate cluster testbed clean tools

help: ## What there is to type
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: tools ## Build the product and start it: one program, nothing beside it
	cargo build --release --locked -p tertulia
	exec target/release/tertulia up $(ARGS)

test: tools ## Every test, with its own servers on free ports in a temporary folder
	@# The servers are built at low priority beside the product; both must succeed.
	@tests/testbed/install & servers=$$!; \
	  cargo build --locked -p tertulia && cargo test --locked --workspace --no-run || { kill $$servers 2>/dev/null; exit 1; }; \
	  wait $$servers
	cargo test --locked --workspace

check: tools $(DENY) ## Formatting, clippy, dependency policy
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(MAKE) --no-print-directory deny

deny: $(DENY) ## Licences, bans and sources; advisories where their database can be reached
	$(DENY) --workspace check --hide-inclusion-graph bans licenses sources
	@if timeout 60 $(DENY) --workspace fetch db >/dev/null 2>&1; then \
	  $(DENY) --workspace check --disable-fetch advisories; \
	else \
	  echo "deny: ADVISORIES NOT CHECKED: the RustSec database is out of reach from here; run 'make deny' where it is not" >&2; \
	fi

fmt: ## Format everything
	cargo fmt --all

bench: tools ## Measure, as ratios in one run (ONLY=<name prefix> for a part); half an hour and more
	@# What it is measured against: Debian's ejabberd, Prosody and PostgreSQL, and uWebSockets from PyPI.
	tests/testbed/install ejabberd prosody postgresql socketify
	cargo build --release --locked -p tertulia -p tertulia-bench
	target/release/tertulia-bench --only "$(ONLY)"

chaos: tools testbed ## Rounds of trouble under load on both topologies (ROUNDS=<how many> SEED=<which>)
	cargo build --locked -p tertulia
	TERTULIA_CHAOS_ROUNDS=$(ROUNDS) TERTULIA_CHAOS_SEED=$(SEED) \
	  cargo test --locked -p tertulia-scenarios --test stories -- chaos --nocapture

simulate: tools ## The product on a simulated clock, network and store (SEEDS=<how many> SEED=<the first> TRACE=1)
	cargo build --locked -p tertulia-simulation
	target/debug/simulate --seed $(SEED) --seeds $(SEEDS) $(if $(TRACE),--trace)

cluster: tools testbed ## The split system as processes on this machine, with its servers, until Ctrl-C
	cargo build --locked -p tertulia -p tertulia-scenarios
	exec target/debug/cluster

testbed: ## Build or install the real servers that tests and the cluster use
	tests/testbed/install

clean: ## Remove what was built here (not the servers in the cache)
	cargo clean
	rm -rf data bench/results.json

tools:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it: https://rustup.rs (stable, 1.95 or newer)" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is missing. On Debian: apt-get install gcc make" >&2; exit 1; }

$(DENY):
	@echo "Building cargo-deny $(DENY_VERSION) once; about six minutes on two cores"
	cargo install --locked --quiet cargo-deny --version $(DENY_VERSION) --root $(CACHE)/tools/cargo-deny-$(DENY_VERSION)
