# syncd: every target sets itself up; what that prints goes to standard error.
#   make demo ARGS="--for 10 --seed 1"     make check     make test     make bench ARGS=…
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# One test process per core; `make test WORKERS=0` runs them in this one.
WORKERS ?= logical
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCKED := --require-hashes
UV ?= uv

# Two makes at once must not install into one environment at once, where the system can lock.
FLOCK := $(if $(shell command -v flock),flock .venv.lock)

.PHONY: help setup demo lint check test test-rt simulate crash replicas bench lock format clean

help:
	@sed -n '1,2p' Makefile; printf 'targets: setup demo check test test-rt simulate crash replicas bench lint format lock clean\n'

setup: $(VENV)/.dev

$(VENV)/.dev: requirements-dev.lock pyproject.toml
	@$(FLOCK) .ci/venv $(VENV) requirements-dev.lock >&2
	@touch $@ $(VENV)/.run

$(VENV)/.run: requirements.lock pyproject.toml
	@$(FLOCK) .ci/venv $(VENV) requirements.lock >&2
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/syncd demo $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff format --check --quiet . || { echo 'run: make format' >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo >.venv/lint-imports.log 2>&1 || { cat .venv/lint-imports.log; exit 1; }

check: lint
	@$(PYTEST) -m "not slow"

test: $(VENV)/.dev
	@$(PYTEST) $(ARGS)

# The provider `rt` on a real Request Tracker: Debian's package, installed where it can be, on loopback.
test-rt: $(VENV)/.dev
	@$(BIN)/python -m tests.rt.server install && SYNCD_TEST_RT=1 $(BIN)/python -m pytest -o faulthandler_timeout=900 -n 2 --dist loadscope --no-loadscope-reorder $(ARGS) tests/rt || [ $$? -eq 75 ]

# Stories from seeds, many or one: make simulate SEEDS=500, make simulate SEED=17.
simulate: $(VENV)/.dev
	@$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED)) $(if $(SEEDS),--seeds $(SEEDS)) $(ARGS)

# The daemon killed at its n-th commit and request until a life passes: make crash ARGS="--most 5".
crash: $(VENV)/.dev
	@$(BIN)/python -m tests.crash $(ARGS)

# Several daemons on one PostgreSQL, killed and paused: make replicas ARGS="--for 60 --seed 1".
replicas: $(VENV)/.dev
	@$(BIN)/python -m tests.replicas $(ARGS)

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench $(ARGS)

# Hashes for every platform; no index is named in them.
lock:
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --group build pyproject.toml -o requirements.lock
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" --group dev pyproject.toml -c requirements.lock -o requirements-dev.lock

format: $(VENV)/.dev
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

clean:
	@rm -rf $(VENV) .venv.lock .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
