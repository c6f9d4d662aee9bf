"""The extras of the distribution: which one brings a package that is missing."""

from __future__ import annotations

# Package that may be missing -> the extra that brings it; None: the extra of the command, see `_COMMANDS`.
_EXTRAS: dict[str, str | None] = {
    "apache_beam": "etl",
    "dask": "dask",
    "distributed": "dask",
    "google": None,
    "google_crc32c": "etl",
    "mlcroissant": "readers",
    "optuna": "tune",
    "platformdirs": "etl",
    "pooch": "etl",
    "pyarrow": "etl",
    "requests": "etl",
    "starlette": "serve",
    "tensorflow": None,
    "tensorflow_datasets": "readers",
    "tensorflow_io": "io",
    "uvicorn": "serve",
    "vertexai": "vertex",
}
# Beginning of a command's name -> its own extra; the first that fits counts.
_COMMANDS = {
    "trainer.vertex": "vertex",
    "trainer.server": "serve",
    "trainer.batch_predict": "etl",
    "trainer.serving.batch": "etl",
    "trainer": "train",
}


def extra_for(package: str, command: str) -> str | None:
    """Returns the extra that brings a package; None where none does.

    Args:
        package: Name of a module that was not found, as `google.cloud.storage`.
        command: The one that needs it, as `trainer.task`.
    """
    top = package.partition(".")[0]
    if top not in _EXTRAS:
        return None
    own = next((extra for start, extra in _COMMANDS.items() if command.startswith(start)), "etl")
    return _EXTRAS[top] or own


def package_of(module: str) -> str:
    """Returns what a missing module is known by, as `google.cloud.storage` of one of its parts."""
    parts = module.split(".")
    return ".".join(parts[:3]) if parts[0] == "google" else parts[0]
