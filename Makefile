# make serve and make test need nothing but Python 3.11: they set up all the rest themselves.

SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
export PYTHON VENV

.PHONY: help serve test check format proof hunt bench lock docs clean run-venv test-venv

help:
	@echo "make serve   start a durable Nexus on http://127.0.0.1:9000 (ARGS=\"--http-port=9100 ...\")"
	@echo "make test    run every test (ARGS=\"tests/unit -k pool\" for some)"
	@echo "make check   what must be green before a commit: format, lint, types, imports, tests"
	@echo "make proof   the long proofs: 50 kills under load, a large schemathesis budget"
	@echo "make hunt    20,000 seeds of the simulator, an hour at most (ARGS=\"--minutes 600\"), see docs/hunt.md"
	@echo "make bench   print the benchmarks' tables"
	@echo "make format  format the code"
	@echo "make docs    write the generated tables of docs/ anew"
	@echo "make lock    resolve and pin the dependencies of pyproject.toml anew"
	@echo "make clean   remove what the other commands made, but for the data folder"

run-venv:
	@requirements/venv.sh run

test-venv:
	@requirements/venv.sh test

serve: run-venv
	@echo "Starting Nexus: REST on :9000, metrics on :9002, state in ./data if ARGS says nothing else (ctrl-c stops)"
	@exec $(BIN)/nexus serve $(ARGS)

test: test-venv
	@echo "Running the tests with pytest"
	@$(BIN)/python -m pytest $(ARGS)

check: test-venv
	@$(BIN)/python -m tests.support.check

format: test-venv
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

proof: test-venv
	@NEXUS_KILL_ROUNDS=50 NEXUS_SCHEMATHESIS_EXAMPLES=100 $(BIN)/python -m pytest -s \
	    tests/socket/test_kill.py tests/socket/test_schemathesis.py $(ARGS)

hunt: test-venv
	@$(BIN)/python -m simulator hunt $(ARGS)

bench: test-venv
	@$(BIN)/python -m tests.bench $(ARGS)

docs: test-venv
	@$(BIN)/python -m tests.support.write_docs

lock: test-venv
	@requirements/lock.sh

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    .import_linter_cache .coverage .coverage.*
	find nexus tests -name __pycache__ -type d -prune -exec rm -rf {} +
