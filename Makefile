# Thin: each line calls a tool. `make` alone lists the targets. Each fetches what it needs, once, and no more.
# Another Python: make test ILOT_PYTHON=python3.12. Another environment: make test ILOT_VENV=.venv-3.12
export ILOT_VENV ?= .venv
PYTHON = $(ILOT_VENV)/bin/python
JOBS ?= 4
FAULTS ?= long
MINUTES ?= 10
RUN_TESTS = $(PYTHON) tools/run_tests.py -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations=15 --junitxml=build/tests.xml

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## all that the tests need: virtual environment, and the peers that they talk to
	@tools/setup.sh test

setup-%:
	@tools/setup.sh $*

demo: setup-demo ## sensors, hub and backend on this machine; options: make demo ARGS="--seconds 20 --json"
	@$(ILOT_VENV)/bin/ilot demo $(ARGS)

district: setup-demo ## a simulated town on this machine: backend with its pages, twenty hubs, alerts, a crew
	@$(ILOT_VENV)/bin/ilot demo district $(ARGS)

check: setup-check ## lint, types, layers, what a change still lacks, documentation, security table
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy --config-file tools/mypy-tests.ini tests bench tools # what tests name is there
	$(ILOT_VENV)/bin/lint-imports --no-logo
	$(PYTHON) tools/catalogues.py check # sentences without French, or with another placeholder
	$(PYTHON) tools/check_house.py # what a new page, option, metric, error or plugin lacks
	$(PYTHON) tools/check_api.py # what a plugin of the last release would miss
	$(PYTHON) tools/check_docs.py
	$(PYTHON) tools/check_security_table.py

test: setup check tests ## check, then the tests that protect a change; one file or more: make test TESTS=tests/hub

test-all: setup check tests-all ## check, then every test: before a release, and each night

tests: setup ## the tests of `make test` without check
	@$(PYTHON) -m compileall -q hub backend integrations plugins # hundreds of processes start: none compiles
	$(RUN_TESTS) --short $(TESTS)

test-small: setup ## the tests that need their own process alone; a folder: make test-small TESTS=tests/hub/pipeline
	@$(PYTHON) -m compileall -q hub backend integrations plugins
	$(RUN_TESTS) --short -m "not real and not long" $(TESTS)

tests-all: setup ## every test without check
	@$(PYTHON) -m compileall -q hub backend integrations plugins
	$(RUN_TESTS) $(TESTS)

bench: setup-bench ## measurements and goals into bench/results.md, two hours; some: make bench BENCH="cpu commit"
	$(PYTHON) bench/results.py $(BENCH)

faults: setup-faults ## every fault in turn, days; each once: make faults FAULTS=short; an hour: FAULTS=60; some: ROWS="kill_hub outage"
	$(PYTHON) tests/faults/run.py $(FAULTS) $(ROWS)

fuzz: setup ## property tests with fresh examples: make fuzz MINUTES=60
	@tools/fuzz.sh $(MINUTES)

docs: setup-check ## rewrite what is generated or injected in the documentation
	-$(PYTHON) tools/catalogues.py update
	-$(PYTHON) tools/check_house.py --write
	$(PYTHON) tools/check_docs.py --write

screenshots: setup-screenshots ## pictures of every page of the hub, phone and desk, into build/screenshots
	$(PYTHON) tools/screenshots.py build/screenshots $(ARGS)

dist: setup-dist ## wheels of hub and SDK, source archive and Debian packages in dist/, the same bytes for the same commit
	$(PYTHON) tools/package/build.py $(ARGS)

clean: ## remove what was built
	rm -rf tests/peers/node/node_modules tools/assets/node_modules hub/page_kit/static/qr backend/city/pages/static/leaflet .venv .venv-* .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.NOTPARALLEL: # the order of prerequisites counts, also with -j
.PHONY: help setup demo district check test test-all test-small tests tests-all bench faults fuzz docs screenshots dist clean
