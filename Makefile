# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
OUT ?= out
# How many test processes; each one loads TensorFlow.
JOBS ?= 2

# A folder of real photographs, one directory a class, in place of the drawn ones.
DATA ?=

.PHONY: help demo test test-fast test-full test-compat test-distributed lint bench bench-peers publish-bench lock clean
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-17s %s\n", $$1, $$2}'

# A list names versions, and the lock has their hashes: what has none there is refused.
LOCKED = --require-hashes -c requirements/lock.txt

$(VENV)/installed: requirements/dev.txt requirements/lock.txt requirements/uv.txt setup.py
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or later is needed, this is " + sys.version) if sys.version_info < (3, 10) else 0'
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(VENV)/bin/uv pip install --quiet --python $(PY) $(LOCKED) -r requirements/dev.txt
	$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

# Exported, not written into the command: a path may hold spaces and quotation marks.
demo: export PY := $(PY)
demo: export OUT := $(OUT)
demo: export DATA := $(DATA)
demo: $(VENV)/installed  ## Photographs in, a served model out, in three minutes (DATA=path/to/flower_photos for real ones)
	@OUT="$$OUT/demo" sh docs/demo.sh

PYTEST := -m pytest -n $(JOBS) --dist loadscope -p no:benchmark

test: $(VENV)/installed  ## Run the tests (PETALSTREAM_DATA=DIR adds those on real photographs)
	@echo "The tests take about 40 minutes on two cores; make test-fast takes two."
	$(PY) $(PYTEST) -m "not full"

# What depends on no process, network, training or long search: the parts that most changes touch.
FAST_TESTS = tests/test_imports.py tests/test_locks.py tests/benchmarks/test_report.py tests/etl/test_cli.py tests/etl/test_config.py tests/etl/errors/test_errors.py \
	tests/etl/format/test_index.py tests/etl/test_inspect.py tests/etl/format/test_manifest.py tests/etl/format/test_parsing.py tests/etl/test_paths.py \
	tests/etl/format/test_schema.py tests/etl/format/test_tfrecord.py tests/etl/plan/test_sharding.py tests/etl/plan/test_digests.py tests/etl/storage/test_publishing.py tests/etl/test_card.py \
	tests/etl/images/test_sniff.py tests/etl/images/test_jpeg.py tests/etl/images/test_normalise.py tests/etl/images/test_other_forms.py \
	tests/etl/sources/files/test_archive.py tests/etl/sources/test_cifar10.py tests/etl/sources/test_csv.py tests/etl/sources/test_folder.py tests/etl/sources/test_pets.py tests/etl/sources/files/test_tree.py \
	tests/trainer/ingest/test_config.py tests/trainer/ingest/test_plan.py tests/trainer/ingest/test_shares.py tests/etl/images/graph/test_windows.py tests/trainer/layers/test_layers_in_models.py \
	tests/trainer/models/test_hyperparameters.py tests/trainer/test_config.py tests/trainer/test_data.py tests/trainer/training/test_progress.py \
	tests/trainer/tune/test_parameters.py tests/trainer/tune/test_spec.py tests/trainer/vertex/test_commands.py tests/trainer/test_environment.py \
	tests/trainer/vertex/api/test_options.py tests/trainer/vertex/api/test_requests.py tests/trainer/vertex/test_resources.py tests/trainer/vertex/training/test_specs.py

test-fast: $(VENV)/installed  ## Run the tests that answer in two minutes
	@echo "These tests take about two minutes on two cores; make test runs all but the long loops."
	$(PY) $(PYTEST) -m "not full" $(FAST_TESTS)

test-full: $(VENV)/installed  ## Run the long loops of kills and of fuzzing, hours of them
	@echo "The long loops take about three hours on two cores."
	$(PY) $(PYTEST) -m full

# TensorFlow 2.16 and Keras 3.5, the oldest; tensorflow-io, which loads on no other; the newest Vertex AI client; no Beam.
# All of the trainer's tests and those of what it imports from etl, but for what tells nothing of a release, or takes
# minutes: the batches that run on Beam, the kills and restarts, the container (which has a release of its own), the file
# damage of formats that TensorFlow decodes.
COMPAT_VENV ?= .venv-compat
COMPAT_TESTS = tests/compat tests/trainer tests/etl/images tests/etl/format/test_schema.py tests/etl/format/test_manifest.py \
	$(addprefix --ignore=,tests/trainer/serving/batch tests/trainer/tune tests/trainer/training/test_survival.py tests/trainer/test_rivals.py \
	tests/trainer/doctor tests/trainer/vertex/training/test_package.py tests/etl/images/test_hostile.py)

$(COMPAT_VENV)/installed: requirements/compat.txt requirements/uv.txt
	$(PYTHON) -c 'import sys; sys.exit("TensorFlow 2.16 and its lock take Python 3.11 or 3.12, this is " + sys.version) if not (3, 11) <= sys.version_info < (3, 13) else 0'
	$(PYTHON) -m venv $(COMPAT_VENV)
	$(COMPAT_VENV)/bin/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(COMPAT_VENV)/bin/uv pip install --quiet --python $(COMPAT_VENV)/bin/python --require-hashes -r requirements/compat.txt
	@touch $@

test-compat: $(COMPAT_VENV)/installed  ## Run the trainer's tests on TensorFlow 2.16 with tensorflow-io
	$(COMPAT_VENV)/bin/python $(PYTEST) -m "not full" $(COMPAT_TESTS)

# Dask; Prism, built from Go's module of Beam's own version; and an environment for its workers, which holds what the
# extra `etl` names and gets this package as it is distributed.
DISTRIBUTED_VENV ?= .venv-distributed
DISTRIBUTED_PY := $(DISTRIBUTED_VENV)/bin/python
POOL_VENV := $(DISTRIBUTED_VENV)/pool
PRISM := $(DISTRIBUTED_VENV)/bin/prism
GO ?= go

$(DISTRIBUTED_VENV)/installed: requirements/dask.txt requirements/etl.txt requirements/lock.txt requirements/uv.txt
	$(PYTHON) -m venv $(DISTRIBUTED_VENV)
	$(DISTRIBUTED_PY) -m pip install --quiet --require-hashes -r requirements/uv.txt
	$(DISTRIBUTED_VENV)/bin/uv pip install --quiet --python $(DISTRIBUTED_PY) $(LOCKED) -r requirements/dask.txt
	$(DISTRIBUTED_VENV)/bin/uv venv --quiet --clear --python $(DISTRIBUTED_PY) $(POOL_VENV)
	$(DISTRIBUTED_VENV)/bin/uv pip install --quiet --python $(POOL_VENV)/bin/python $(LOCKED) -r requirements/etl.txt
	@touch $@

$(PRISM): $(DISTRIBUTED_VENV)/installed
	@version=$$($(DISTRIBUTED_PY) -c 'from importlib.metadata import version; print(version("apache-beam"))'); \
	if command -v $(GO) >/dev/null; then \
		GOBIN=$(abspath $(DISTRIBUTED_VENV))/bin $(GO) install github.com/apache/beam/sdks/v2/go/cmd/prism@v$$version && touch $@; \
	else echo "Go is not installed: no Prism, its tests are skipped"; fi

test-distributed: $(DISTRIBUTED_VENV)/installed $(PRISM)  ## Run the tests on Dask and Prism (PETALSTREAM_FLINK_JAR, PETALSTREAM_SPARK_JAR: there too)
	PETALSTREAM_PRISM=$$(test -x $(PRISM) && echo $(abspath $(PRISM))) PETALSTREAM_POOL_PYTHON=$(abspath $(POOL_VENV))/bin/python \
		$(DISTRIBUTED_PY) -m pytest -p no:benchmark tests/distributed

lint: $(VENV)/installed  ## Run ruff and mypy
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(VENV)/installed  ## Run the benchmarks (PETALSTREAM_DATA=DIR for real photographs)
	mkdir -p $(OUT)
	$(PY) -m pytest benchmarks --benchmark-json=$(OUT)/benchmarks.json
	$(PY) -m benchmarks.report $(OUT)/benchmarks.json --output $(OUT)/benchmarks.md

publish-bench: $(VENV)/installed  ## Put the figures of make bench and make bench-peers into docs/benchmarks.md
	$(PY) -m benchmarks.report $(wildcard $(OUT)/benchmarks.json $(OUT)/peers.json)

# Other people's readers. FFCV comes as source and needs OpenCV's and libjpeg-turbo's headers; where one can't be
# installed the others are, and the results name it.
PEERS_VENV ?= .venv-peers

$(PEERS_VENV)/installed: $(VENV)/installed requirements/peers.in requirements/peers.txt requirements/peers-ffcv.txt
	$(PYTHON) -m venv $(PEERS_VENV)
	$(VENV)/bin/uv pip install --quiet --python $(PEERS_VENV)/bin/python --require-hashes -r requirements/peers.txt \
		|| grep -v '^#' requirements/peers.in | while IFS= read -r one; do \
			echo "$$one" | $(VENV)/bin/uv pip install --quiet --python $(PEERS_VENV)/bin/python -r - -c requirements/peers.txt || echo "not installed: $$one"; \
		done
	$(VENV)/bin/uv pip install --quiet --python $(PEERS_VENV)/bin/python --no-deps --require-hashes -r requirements/peers-ffcv.txt \
		|| echo "not installed: FFCV (Debian: apt-get install pkg-config g++ libopencv-dev libturbojpeg0-dev)"
	@touch $@

bench-peers: $(PEERS_VENV)/installed  ## Measure other readers beside ours (PETALSTREAM_DATA=DIR for real photographs)
	mkdir -p $(OUT)
	PETALSTREAM_PEERS_PYTHON=$(abspath $(PEERS_VENV))/bin/python $(PY) -m pytest benchmarks/peers -s --benchmark-json=$(OUT)/peers.json; \
		status=$$?; $(PY) -m benchmarks.report --only peers $(OUT)/peers.json --output $(OUT)/peers.md && exit $$status

# The lock holds what setup.py declares, for Python 3.11, with hashes; a list names what one environment takes of it: dev
# everything but Dask, train what a training container needs. Two have locks of their own, as their versions differ.
COMPILE = $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header
LOCK = $(COMPILE) --generate-hashes --annotation-style line
FROM_LOCK = $(COMPILE) --no-annotate -c requirements/lock.txt setup.py
# All but Dask.
EXTRAS = $(addprefix --extra ,etl train serve tune vertex bench readers dev)

lock:  ## Remake the locks and lists in requirements/ from setup.py
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet uv
	$(LOCK) setup.py $(EXTRAS) --extra dask -c requirements/constraints.in -o requirements/lock.txt
	$(FROM_LOCK) $(EXTRAS) -o requirements/dev.txt
	$(FROM_LOCK) --extra etl --extra dask --extra dev -o requirements/dask.txt
	$(FROM_LOCK) --extra etl -o requirements/etl.txt
	$(FROM_LOCK) --extra train -o requirements/train.txt
	$(FROM_LOCK) --extra serve -o requirements/serve.txt
	$(filter-out --universal,$(LOCK)) setup.py --extra train --extra vertex --extra serve --extra io --extra dev -c requirements/compat.in -o requirements/compat.txt
	$(LOCK) requirements/peers.in -c requirements/constraints.in -o requirements/peers.txt
	$(LOCK) --no-deps requirements/peers-ffcv.in -o requirements/peers-ffcv.txt
	echo uv | $(LOCK) - -o requirements/uv.txt

clean:  ## Delete what the commands above made, but for the environment
	rm -rf $(OUT) build dist *.egg-info .benchmarks .mypy_cache .ruff_cache .pytest_cache
