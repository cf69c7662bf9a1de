# One word per job.  `make demo` and `make test` work on a bare Debian 12 machine: python3, make and a package registry.
BIN := .venv/bin
PACKAGES := gateway parsers mappings channels
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

setup: .venv/.installed  ## a virtual environment with the locked dependencies and the `baton` command

.venv/.installed: requirements/dev.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh

demo: setup  ## a day at General Hospital and its payers, on the embedded default
	@$(BIN)/baton demo

services:  ## PostgreSQL 15, RabbitMQ and sshd from Debian, when missing (the tests start their own instances)
	@scripts/install-services.sh

test: setup services  ## everything, with a real PostgreSQL, a real RabbitMQ, real sockets and files
	@$(BIN)/pytest -q -n 2 --dist loadfile --no-loadscope-reorder

check: setup  ## lint, format, types, import contract, names
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q tests/contracts

bench: setup services  ## the figures of docs/performance.md, as ratios within one run
	@$(BIN)/python -m tests.benchmarks

docs: setup  ## write the generated pages again
	@$(BIN)/python -m scripts.generate_docs

lock:  ## resolve the dependencies again
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements/run.txt
	@$(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --extra dev pyproject.toml -o requirements/dev.txt

.PHONY: help setup demo services test check bench docs lock
