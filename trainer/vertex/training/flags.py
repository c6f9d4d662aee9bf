"""The trainer's own flags, checked here before a machine is paid for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from etl.errors import ConfigError
from trainer.options import parse

# What a machine in the cloud can open: Cloud Storage, by its scheme or as the folder where Vertex AI mounts it.
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|/gcs/")
_FILES = ("data_dir", "output_dir", "job-dir", "model_dir", "checkpoint_dir", "log_dir", "init_from", "config")
_OUTPUTS = ("output_dir", "job-dir", "model_dir")


def check(args: Sequence[str], *, has_dataset: bool, has_output: bool) -> None:
    """Checks the flags of a run in the cloud.

    Args:
        args: Of trainer.task.
        has_dataset: Whether the job itself brings the data: a managed data set.
        has_output: Whether the job itself says where the model goes.

    Raises:
        ConfigError: what the trainer says about them, a folder of this machine, or no data or output at all.
    """
    given = values(args)
    for name in _FILES:
        if name in given and not _REMOTE.match(given[name]):
            hint = "the machines there don't see this one's files"
            raise ConfigError(f"--{name}", given[name], "a gs:// path for a job in the cloud", hint)
    if "data_dir" not in given and not has_dataset:
        raise ConfigError("--data_dir", None, "a data set on Cloud Storage, after a bare --", "or --dataset before it")
    if not has_output and not any(name in given for name in _OUTPUTS):
        raise ConfigError("--base_output_dir", None, "where the model goes, a gs:// path", "or --output_dir after --")
    # What the job itself brings, the container has in variables; here a flag stands for them.
    brought = [] if "data_dir" in given else ["--data_dir=gs://bucket/data"]
    parse([*brought, "--output_dir=gs://bucket/output", *args])


def values(args: Sequence[str]) -> dict[str, str]:
    """Returns flags with their values, the last of each; "" for one without."""
    found: dict[str, str] = {}
    name = ""
    for argument in args:
        if argument.startswith("--"):
            name, separator, value = argument[2:].partition("=")
            found[name] = value
            name = "" if separator else name
        elif name:
            found[name], name = argument, ""
    return found
