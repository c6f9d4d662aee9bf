"""Turns images into sharded, training-ready TFRecords with Apache Beam."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from etl.config import EtlConfig as EtlConfig
    from etl.sources.options import SourceOptions as SourceOptions
    from etl.write import write_dataset as write_dataset

__all__ = ["EtlConfig", "SourceOptions", "__version__", "write_dataset"]

__version__ = "0.1.0"

# `python -m` imports a command's package first, under this name; what a command imports then takes long enough for a
# Ctrl-C to fall into it.
if sys.argv[:1] == ["-m"]:
    from etl import interrupts

    interrupts.listen()

# Where each name is that is imported when it is first asked for.
_HOMES = {"EtlConfig": "etl.config", "SourceOptions": "etl.sources.options", "write_dataset": "etl.write"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
