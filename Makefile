# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
OUT ?= out
# How many test processes; each one loads TensorFlow.
JOBS ?= 2

# A folder of real photographs, one directory a class, in place of the drawn ones.
DATA ?=

.PHONY: help demo test lint bench lock clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(VENV)/installed: requirements/dev.txt requirements/uv.txt setup.py
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or later is needed, this is " + sys.version) if sys.version_info < (3, 10) else 0'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(VENV)/bin/uv pip install --quiet --python $(PY) --require-hashes -r requirements/dev.txt
	@touch $@

demo: $(VENV)/installed  ## Photographs in, a served model out, in three minutes (DATA=path/to/flower_photos for real ones)
	@PY=$(PY) OUT=$(OUT)/demo DATA=$(DATA) sh docs/demo.sh

test: $(VENV)/installed  ## Run the tests (PETALSTREAM_DATA=DIR adds those on real photographs)
	$(PY) -m pytest -n $(JOBS) --dist loadscope -p no:benchmark

lint: $(VENV)/installed  ## Run ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/installed  ## Run the benchmarks (PETALSTREAM_DATA=DIR for real photographs)
	mkdir -p $(OUT)
	$(PY) -m pytest benchmarks --benchmark-json=$(OUT)/benchmarks.json
	$(PY) -m benchmarks.report $(OUT)/benchmarks.json

# The locks hold what setup.py declares, for Python 3.11: dev has everything, train what a training container needs.
LOCK = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header setup.py

lock:  ## Remake the locks in requirements/ from setup.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet uv
	$(LOCK) --extra etl --extra train --extra vertex --extra bench --extra readers --extra dev -c requirements/constraints.in -o requirements/dev.txt
	$(LOCK) --extra etl -c requirements/dev.txt -o requirements/etl.txt
	$(LOCK) --extra train -c requirements/dev.txt -o requirements/train.txt
	echo uv | $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header - -o requirements/uv.txt

clean:  ## Delete what the commands above made, but for the environment
	rm -rf $(OUT) build dist *.egg-info .benchmarks .mypy_cache .ruff_cache .pytest_cache
