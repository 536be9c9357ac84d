# Everything a user or a developer starts; `make help` lists it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
SOURCES := conftest.py src tests benchmarks examples docs

.PHONY: help reproduce test test-slow fuzz bench bench-scale bench-onset docs format clean

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(BIN)/chaotrain: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --editable .
	@touch $@

$(VENV)/dev: $(BIN)/chaotrain
	$(PIP) install --quiet --editable .[dev]
	@touch $@

$(VENV)/docs: $(BIN)/chaotrain
	$(PIP) install --quiet --editable .[docs]
	@touch $@

$(VENV)/bench: $(BIN)/chaotrain
	$(PIP) install --quiet --editable .[bench]
	@touch $@

reproduce: $(BIN)/chaotrain ## Run the paper's experiment on a part of MNIST: figures 1 to 5 in minutes
	$(BIN)/chaotrain run mnist-quick --out study/mnist-quick

test: $(VENV)/dev ## Formatting, lint, types, doctests and tests, in minutes
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/pytest -n 2 -m "not slow"

test-slow: $(VENV)/dev ## The tests that take longer
	$(BIN)/pytest -m slow

fuzz: $(VENV)/dev ## A million damaged and forged files, at low priority (half an hour)
	PYTHONPATH=tests nice -n 10 $(BIN)/python tests/fuzz.py 1000000

bench: $(VENV)/bench ## Speed against the matrix-product limit of this machine, and against PyTorch
	$(BIN)/python benchmarks/speed.py

bench-scale: $(VENV)/bench ## Workers, Dask, members, memory, resumption and start-up (ten minutes)
	$(BIN)/python benchmarks/scale.py

bench-onset: $(VENV)/bench ## The onset finder against range test, defaults and a dense grid (half an hour)
	PYTHONPATH=. $(BIN)/python benchmarks/onset.py study/bench-onset

docs: $(VENV)/docs ## The documentation, into docs/_build/html
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo docs/_build/html/index.html

format: $(VENV)/dev ## Format and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

clean: ## Remove what was installed and built (studies stay)
	rm -rf $(VENV) build dist docs/_build src/*.egg-info
