# Thin: each line calls a tool. `make` alone lists the targets.
PYTHON := .venv/bin/python
JOBS ?= 3
FAULTS ?= long
MINUTES ?= 10

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## virtual environment and the peers that tests talk to
	@tools/setup.sh test

demo: ## sensors, hub and backend on this machine; options: make demo ARGS="--seconds 20 --json"
	@tools/setup.sh demo
	@.venv/bin/ilot demo $(ARGS)

check: setup ## lint, types, layers, documentation, security table
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy --config-file tools/mypy-tests.ini tests bench tools # what tests name is there
	.venv/bin/lint-imports --no-logo
	$(PYTHON) tools/check_docs.py
	$(PYTHON) tools/check_security_table.py

test: check ## check, then every test; one file or more: make test TESTS=tests/hub
	@$(PYTHON) -m compileall -q hub backend integrations plugins # hundreds of processes start: none compiles
	$(PYTHON) tools/run_tests.py -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=15 $(TESTS)

bench: setup ## measurements and goals into bench/results.md, an hour and a half; some: make bench BENCH="cpu commit"
	$(PYTHON) bench/results.py $(BENCH)

faults: setup ## every fault in turn, days; each once: make faults FAULTS=short; an hour: FAULTS=60; some: ROWS="kill_hub outage"
	$(PYTHON) tests/faults/run.py $(FAULTS) $(ROWS)

fuzz: setup ## property tests with fresh examples: make fuzz MINUTES=60
	@tools/fuzz.sh $(MINUTES)

docs: setup ## rewrite what is generated or injected in the documentation
	$(PYTHON) tools/check_docs.py --write

screenshots: setup ## pictures of every page of the hub, phone and desk, into build/screenshots
	$(PYTHON) tools/screenshots.py build/screenshots $(ARGS)

dist: setup ## wheel and source archive in dist/, the same bytes for the same commit
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(PYTHON) -m build --no-isolation

clean: ## remove what was built
	rm -rf tests/peers/node/node_modules tools/assets/node_modules hub/web/static/qr .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help setup demo check test bench faults fuzz docs screenshots dist clean
