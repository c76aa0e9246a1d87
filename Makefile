# Each target sets up what it needs first; a second time that takes about a second.
PYTHON := .venv/bin/python
.DEFAULT_GOAL := help
# Containers often forbid Python to keep what it has compiled, and then each of the hundreds of
# processes that start here compiles all it imports, which is half of its start.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo test bench drill drills lint down install environment

help: ## show this
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

demo: install ## real servers, a real log, a model, and a slate that changes as events arrive
	@$(PYTHON) -m infra.cli.demo

test: install ## every test, the ones on real servers included
	@$(PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder || { \
		test $$? -eq 1 && echo "== what failed, once more and alone (decision 35)" && \
		$(PYTHON) -m pytest --last-failed --last-failed-no-failures none --randomly-seed last; }

bench: install ## every benchmark, into tests/benchmarks/results; about an hour
	@for name in engine latency scale score balance backup; do \
		$(PYTHON) -m infra.cli bench $$name --json tests/benchmarks/results/$$name.json || exit 1; \
	done

drill: install ## one of two regions dies under load, the other takes over: a table and a picture; minutes
	@mkdir -p tests/drills/results
	@$(PYTHON) -m infra.cli drill failover --json tests/drills/results/failover.json \
		--picture tests/drills/results/failover.png

drills: install ## every drill at its full length, into tests/drills/results; some hours
	@mkdir -p tests/drills/results
	@$(PYTHON) -m infra.cli drill all --json tests/drills/results/drills.json

lint: environment ## ruff, mypy, and the direction of imports
	@$(PYTHON) -m ruff check
	@$(PYTHON) -m ruff format --check
	@$(PYTHON) -m mypy
	@$(PYTHON) -m pytest -q tests/test_import_direction.py

down: ## stop all servers and workers
	@if [ -x .venv/bin/tidemill ]; then .venv/bin/tidemill down; else echo "nothing is installed, so nothing runs"; fi

install: environment ## only bring what is missing: Python environment and servers
	@$(PYTHON) -m infra.local.install
	@$(PYTHON) -m streams.native

environment:
	@infra/local/bootstrap.sh
