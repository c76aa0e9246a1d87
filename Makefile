# Each target sets up what it needs first; a second time that takes about a second.
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
.PHONY: help demo test lint down install environment

help: ## show this
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

demo: install ## real servers, a real log, a model, and a slate that changes as events arrive
	@$(PYTHON) -m infra.cli.demo

test: install ## every test, the ones on real servers included
	@$(PYTHON) -m pytest

lint: environment ## ruff, mypy, and the direction of imports
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q tests/test_import_direction.py

down: ## stop all servers and workers
	@if [ -x .venv/bin/tidemill ]; then .venv/bin/tidemill down; else echo "nothing is installed, so nothing runs"; fi

install: environment ## only bring what is missing: Python environment and servers
	@$(PYTHON) -m infra.local.install

environment:
	@infra/local/bootstrap.sh
