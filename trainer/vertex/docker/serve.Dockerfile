# A serving container: `python -m trainer.server` under the variables that Vertex AI sets. From the root of the source tree:
#
#   docker build -f trainer/vertex/docker/serve.Dockerfile -t IMAGE .
#
# Vertex AI's prebuilt TensorFlow images end at TensorFlow 2.15, which can't read what newer ones export.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

COPY requirements/serve.txt requirements/lock.txt requirements/uv.txt /src/requirements/
# By uv, which takes the hashes from the lock; the image doesn't keep it.
RUN python -m pip install --require-hashes -r /src/requirements/uv.txt \
    && uv pip install --system --no-cache --compile-bytecode \
        --require-hashes -r /src/requirements/serve.txt -c /src/requirements/lock.txt \
    && python -m pip uninstall --yes uv

COPY setup.py pyproject.toml README.md LICENSE /src/
COPY etl /src/etl
COPY trainer /src/trainer
RUN python -m pip install --no-deps --no-build-isolation /src && python -m pip check && python -m trainer.server --help >/dev/null

# It writes nothing, and listens above 1024.
RUN useradd --system --no-create-home petalstream
USER petalstream
EXPOSE 8080
# Who asks is outside the container.
ENTRYPOINT ["python", "-m", "trainer.server", "--host", "0.0.0.0"]
