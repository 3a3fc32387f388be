# Two commands: `make serve` runs the service, `make test` tests it. Both make .venv by themselves.
# Needed: Python 3.11 or newer, make, a package index that pip knows.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Wheels only, because pip checks no hashes of what the isolated build of a source downloads. Where a package has no
# wheel for the machine (argon2-cffi-bindings on an Intel Mac), `make install ONLY_BINARY=` accepts that.
ONLY_BINARY ?= --only-binary :all:
PIP_INSTALL = $(PIP) install -qq --require-hashes $(ONLY_BINARY)
ARGS ?=
KILLS ?= 200
ROUNDS ?= 1000
# Images of Python often forbid bytecode; then each of the hundreds of processes of the tests compiles all anew, and a
# start that is measured takes a quarter longer than that of an installed service.
TEST_ENV := PYTHONDONTWRITEBYTECODE=

# `make lock` keeps the pins that still fit. `make lock ARGS=--upgrade` moves all of them; for a security
# fix younger than a week: `make lock ARGS="--upgrade-package NAME" LOCK_AGE="0 days"`.
LOCK_AGE ?= 7 days
COMPILE = $(BIN)/uv pip compile -q --python $(BIN)/python --python-version 3.11 --universal --generate-hashes \
	--no-build --no-strip-extras --exclude-newer "$(LOCK_AGE)" --custom-compile-command "make lock" $(ARGS)

# Each stamp is one finished step of the installation.
VENV_MADE := $(VENV)/.made
RUN := $(VENV)/.run
NATIVE := $(VENV)/.native
PROJECT := $(VENV)/.project
DEV := $(VENV)/.dev

.DEFAULT_GOAL := help
.PHONY: help install serve demo test torture check format docs bench native lock clean

help: ## Show these lines
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' Makefile

install: $(PROJECT) ## Make .venv with what the service runs on; Argon2 is compiled for this processor if it can be

serve: $(PROJECT) ## Run the service (ARGS="--help" shows its options)
	@$(BIN)/sallyport serve $(ARGS)

demo: $(PROJECT) ## Watch the whole MFA journey on a temporary database
	@$(BIN)/sallyport demo $(ARGS)

test: $(PROJECT) $(DEV) ## Run all tests (ARGS="--no-cov -k word" selects; NO_APT=1 forbids installing Debian tools)
	@sh scripts/debian-tools.sh
	@$(TEST_ENV) $(BIN)/pytest -n 2 --cov=sallyport $(ARGS)

torture: $(PROJECT) $(DEV) ## Kill the server and cut its power 200 times (KILLS=), race two nodes in 1,000 rounds (ROUNDS=)
	@$(TEST_ENV) SALLYPORT_TEST_KILLS=$(KILLS) SALLYPORT_TEST_ROUNDS=$(ROUNDS) \
		$(BIN)/pytest -s --no-cov tests/crash tests/attacks/test_races_over_nodes.py $(ARGS)

check: $(PROJECT) $(DEV) ## Lint, format, types, import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy src tests bench
	$(BIN)/lint-imports --no-logo

format: $(DEV) ## Let ruff sort imports and format
	@$(BIN)/ruff check --select I --fix
	@$(BIN)/ruff format

docs: $(PROJECT) ## Write the reference pages and the table of settings anew, from the code
	@$(BIN)/python scripts/reference.py
	@$(BIN)/python scripts/settings-table.py

bench: $(PROJECT) $(DEV) ## Measure speed and size (ARGS are passed on)
	@$(TEST_ENV) $(BIN)/python -m bench $(ARGS)

native: $(RUN) ## Try the native Argon2 build again, for example after installing a compiler
	@rm -f $(NATIVE)
	@$(MAKE) --no-print-directory $(NATIVE)

lock: $(VENV_MADE) ## Write requirements/*.txt anew (ARGS=--upgrade moves every pin)
	@$(PIP_INSTALL) -r requirements/lock.txt
	@$(COMPILE) --group lock -o requirements/lock.txt
	@$(COMPILE) pyproject.toml --group build -o requirements/run.txt
	@$(COMPILE) pyproject.toml --group build --extra postgres -c requirements/run.txt -o requirements/postgres.txt
	@$(COMPILE) pyproject.toml --group build --extra postgres --group dev -c requirements/postgres.txt -o requirements/dev.txt
	@$(COMPILE) requirements/native.in -c requirements/run.txt -o requirements/native.txt
	@echo "requirements/*.txt written"

clean: ## Remove .venv and everything that tools left; data/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.* htmlcov build dist
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(VENV_MADE):
	@command -v $(PYTHON) >/dev/null || \
		{ echo "Sallyport needs Python 3.11 or newer, and there is no $(PYTHON) here: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Sallyport needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) -V 2>&1`: make PYTHON=/path/to/python" >&2; exit 1; }
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(RUN): requirements/run.txt | $(VENV_MADE)
	@echo "Installing into $(VENV) what the service runs on ..."
	@$(PIP_INSTALL) -r $<
	@touch $@

$(NATIVE): $(RUN) requirements/native.txt scripts/native-argon2.sh
	@sh scripts/native-argon2.sh $(BIN)/python
	@touch $@

$(PROJECT): pyproject.toml $(NATIVE)
	@$(PIP) install -qq --no-index --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q src/sallyport # where Python may write no bytecode, it would compile all of this at each start
	@touch $@

$(DEV): requirements/dev.txt $(RUN) | $(PROJECT)
	@echo "Installing into $(VENV) what the tests and checks need ..."
	@$(PIP_INSTALL) --no-compile -r $<
	@touch $@
