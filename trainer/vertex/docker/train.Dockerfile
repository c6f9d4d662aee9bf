# A training container, for containerSpec or as the image under pythonPackageSpec. From the root of the source tree:
#
#   docker build -f trainer/vertex/docker/train.Dockerfile --build-arg ACCELERATOR=gpu -t IMAGE .
#
# Vertex AI's prebuilt TensorFlow images end at TensorFlow 2.17; this one has what the trainer is tested with.
FROM python:3.11-slim

# cpu, gpu (CUDA's libraries come as packages; the machine has the driver) or tpu.
ARG ACCELERATOR=cpu
# For tpu, where the package index lacks libtpu: the page of its releases, which TensorFlow's guide to TPUs names.
ARG LIBTPU_INDEX=

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Before the sources, so that a change of those doesn't fetch half a gigabyte again.
COPY requirements/train.txt requirements/lock.txt requirements/uv.txt /src/requirements/
# By uv, which takes the hashes from the lock; the image doesn't keep it.
RUN python -m pip install --require-hashes -r /src/requirements/uv.txt \
    && uv pip install --system --no-cache --compile-bytecode \
        --require-hashes -r /src/requirements/train.txt -c /src/requirements/lock.txt \
    && python -m pip uninstall --yes uv \
    && version="$(python -c 'from importlib.metadata import version; print(version("tensorflow"))')" \
    && case "$ACCELERATOR" in \
        cpu) ;; \
        gpu) python -m pip install "tensorflow[and-cuda]==$version" ;; \
        tpu) python -m pip install "tensorflow-tpu==$version" \
            ${LIBTPU_INDEX:+--find-links "$LIBTPU_INDEX"} ;; \
        *) echo "ACCELERATOR: got $ACCELERATOR, expected cpu, gpu or tpu" >&2; exit 2 ;; \
    esac

COPY setup.py pyproject.toml README.md LICENSE /src/
COPY etl /src/etl
COPY trainer /src/trainer
# Everything that it needs is there: a requirement that isn't locked fails the build.
RUN python -m pip install --no-deps --no-build-isolation /src && python -m pip check && python -m trainer.task --help >/dev/null

ENTRYPOINT ["python", "-m", "trainer.task"]
