# SPDX-License-Identifier: Apache-2.0
# A fresh machine needs Python 3.11 to 3.13 (with venv) and make. Everything else lands in this folder.
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

NEWEST := 3.3
FLOOR := 3.1.8

# python3 if it is new enough, else the first newer one; PYTHON=python3.12 chooses.
IN_RANGE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c '$(IN_RANGE)' 2>/dev/null && { echo "$$python"; break; }; done)
# The stamp carries the Python version, so that another PYTHON makes the environment anew.
VERSION := $(shell "$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

VENV := .venv
VENV_FLOOR := .venv-$(FLOOR)
STAMP := $(VENV)/.installed-$(VERSION)
STAMP_FLOOR := $(VENV_FLOOR)/.installed-$(VERSION)
# With what only the browser's and the object store's tests need: FAB's users, Playwright, the amazon provider.
STAMP_ALL := $(VENV)/.installed-all-$(VERSION)
BIN := $(VENV)/bin
COMMA := ,
# Two workers: the tests of the stack stay on one of them (tests/stack/conftest.py), the rest fill the other.
# What needs a server or a browser of Debian's, or an Airflow of its own, has a target of its own.
TESTS := tests/unit tests/contract tests/regressions tests/stack --ignore=tests/stack/test_assets.py \
	--ignore=tests/stack/test_callbacks.py --ignore=tests/stack/test_callbacks_race.py --ignore=tests/stack/test_stack_runner.py \
	--ignore=tests/stack/hostile --ignore=tests/stack/types
PYTEST := python -m pytest -n 2 --dist loadgroup

# $(call install,folder,constraints file,extras)
define install
	@test -n "$(VERSION)" || { echo "This needs Python 3.11, 3.12 or 3.13, and $(or $(PYTHON),python3) is none of them." \
		"Install one, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; }
	@"$(PYTHON)" -c '$(IN_RANGE)' || { echo "$(PYTHON) is Python $(VERSION); this needs 3.11, 3.12 or 3.13." >&2; exit 1; }
	@test -x $(1)/bin/python && $(1)/bin/python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(VERSION)")' \
		|| "$(PYTHON)" -m venv --clear $(1)
	@echo "Installing into $(1) (Python $(VERSION), $(2)); the first time takes some minutes."
	@$(1)/bin/python -m demo.installing --constraint $(2) --editable '.[$(3)]'
	@touch $@
endef

# $(call pin,name,airflow,extras)
define pin
	@echo "Resolving $(2) ..."
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT \
		&& "$(PYTHON)" -m venv "$$folder" \
		&& "$$folder/bin/python" -m pip --disable-pip-version-check install --quiet '$(2)' --editable '.[$(3)]' \
		&& { echo "# Made by make constraints. One file serves Python 3.11 to 3.13."; \
			"$$folder/bin/python" -m pip freeze --exclude-editable; } > "$$folder/pins" \
		&& mv "$$folder/pins" constraints/airflow-$(1).txt
endef

.PHONY: help demo up test test-slow test-assets test-callbacks test-runner test-types test-hostile test-browser test-s3 screenshots check lint faults bench clean constraints install install-all install-floor

help:  ## What this Makefile can do
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{ printf "  make %-13s %s\n", $$1, $$2 }'

install: $(STAMP)  ## Only install, into .venv

install-all: $(STAMP_ALL)  ## Only install, with what the tests of the browser and of S3 need

install-floor: $(STAMP_FLOOR)  ## Only install the oldest Airflow that this works with, into .venv-$(FLOOR)

$(STAMP): pyproject.toml constraints/airflow-$(NEWEST).txt
	$(call install,$(VENV),constraints/airflow-$(NEWEST).txt,dev)

$(STAMP_FLOOR): pyproject.toml constraints/airflow-$(FLOOR).txt
	$(call install,$(VENV_FLOOR),constraints/airflow-$(FLOOR).txt,test)

$(STAMP_ALL): pyproject.toml constraints/airflow-$(NEWEST).txt
	$(call install,$(VENV),constraints/airflow-$(NEWEST).txt,dev$(COMMA)browser$(COMMA)s3)
	@touch $(STAMP)

demo: $(STAMP)  ## Prompt files in, videos out, on a whole Airflow against the sandbox; then everything stops
	@$(BIN)/python -m demo.run

up: $(STAMP)  ## The same with a first run, left running for the browser until Ctrl-C
	@$(BIN)/python -m demo.up

test: $(STAMP) $(STAMP_FLOOR)  ## The tests on Airflow 3.3, and what depends on the version on 3.1.8 too
	@echo "== Airflow $(FLOOR): what depends on the version"
	@$(VENV_FLOOR)/bin/$(PYTEST) -q -m airflow_version $(TESTS)
	@echo "== Airflow $(NEWEST): all but what make test-slow runs"
	@$(BIN)/$(PYTEST) -q -m "not slow" $(TESTS)

test-slow: $(STAMP)  ## The unit tests that take a second or more, and a test for every fault that was found
	@$(BIN)/$(PYTEST) -q -m slow tests/unit tests/regressions

check: lint  ## Format, lint, types, import rules, the fast unit tests
	@$(BIN)/$(PYTEST) -q -m "not slow" tests/unit

lint: $(STAMP)  ## Format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

test-assets: $(STAMP)  ## Asset events, lineage, metrics and callbacks on a real Airflow of their own
	@$(BIN)/$(PYTEST) -q -n 0 tests/stack/test_assets.py

test-callbacks: $(STAMP)  ## Kling's callbacks on a real Airflow with PostgreSQL; CALLBACKS_AT_ONCE=200 for that many at once
	@$(BIN)/$(PYTEST) -q -s -n 0 tests/stack/test_callbacks.py tests/stack/test_callbacks_race.py

test-runner: $(STAMP) $(STAMP_FLOOR)  ## What the tests of the stack stand on: an Airflow of toys, killed piece by piece
	@$(VENV_FLOOR)/bin/$(PYTEST) -q -n 0 -m airflow_version tests/stack/test_stack_runner.py
	@$(BIN)/$(PYTEST) -q -n 0 tests/stack/test_stack_runner.py

test-types: $(STAMP)  ## Every type of request and the examples of chains on a real Airflow, with what was saved decoded
	@$(BIN)/$(PYTEST) -q -n 0 tests/stack/types

test-hostile: $(STAMP) $(STAMP_FLOOR)  ## Hosts that answer as nobody should beside innocent tasks, and XComs in an object store
	@$(VENV_FLOOR)/bin/$(PYTEST) -q -n 0 -m airflow_version tests/stack/hostile
	@$(BIN)/$(PYTEST) -q -n 0 tests/stack/hostile

test-browser: $(STAMP_ALL)  ## The gallery in a Chromium, with users who may see some Dags only
	@$(BIN)/$(PYTEST) -q -n 0 tests/browser

test-s3: $(STAMP_ALL)  ## Videos in s3://, with the amazon provider and a server that speaks S3
	@$(BIN)/$(PYTEST) -q -n 0 tests/s3

screenshots: $(STAMP_ALL)  ## Take the screenshots of docs/monitoring.md again, from a real run
	@$(BIN)/python -m demo.screenshots

faults: $(STAMP)  ## Every fault on a real Airflow, a line each (takes long); FAULTS='lost-* kill-*' plays some
	@$(BIN)/python -m tests.faults $(FAULTS)

bench: $(STAMP_ALL)  ## Ours beside what people use today, and docs/performance.md (takes hours); BENCH='requests-20' runs some
	@$(BIN)/python -m benchmarks.run all $(BENCH)

constraints:  ## Make the pins in constraints/ anew from what is newest today (with the lowest Python)
	$(call pin,$(NEWEST),apache-airflow==$(NEWEST).*,dev$(COMMA)browser$(COMMA)s3)
	$(call pin,$(FLOOR),apache-airflow==$(FLOOR),test)

clean:  ## Remove what these commands made: environments, caches, the demo's videos
	rm -rf .venv .venv-* .cache demo-output build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
