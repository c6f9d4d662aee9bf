"""The hardware and the program of a job: a CustomJobSpec from a YAML file, with the blanks filled in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from etl.errors import ConfigError, one_line
from etl.format.parsing import parse_yaml
from trainer.vertex.api import requests

CONFIGS_DIR = Path(__file__).parents[1] / "configs"
CONFIGS = ("cpu", "gpus", "machines", "tpu")
MODULE = "trainer.task"

PACKAGE, CONTAINER = "pythonPackageSpec", "containerSpec"
# What stands for "to be filled in": IMAGE_URI, <image>, ${IMAGE}.
_BLANK = re.compile(r"[A-Z][A-Z_]*|<[^>]*>|\$\{?\w+\}?|")


def load(config: str) -> dict[str, Any]:
    """Loads the configuration of a job.

    Args:
        config: One of `CONFIGS`, or a YAML file of the form that `gcloud ai custom-jobs create --config` takes.

    Raises:
        ConfigError: there is none, or it is no CustomJobSpec.
    """
    path = CONFIGS_DIR / f"{config}.yaml" if config in CONFIGS else Path(config)
    if not path.is_file():
        raise ConfigError("--config", config, f"one of {', '.join(CONFIGS)}, or a YAML file")
    spec = read_yaml(path)
    check(spec)
    return spec


def read_yaml(path: Path) -> dict[str, Any]:
    """Reads a YAML file that holds fields.

    Raises:
        ConfigError: it can't be read, or holds something else.
    """
    try:
        content = parse_yaml(path.read_bytes())
    except OSError as error:
        raise ConfigError("--config", str(path), "a file that can be read", error.strerror or str(error)) from error
    except ValueError as error:
        raise ConfigError("--config", str(path), "a YAML file", one_line(error)) from error
    if not isinstance(content, dict):
        raise ConfigError("--config", str(path), "a YAML file with fields, as workerPoolSpecs:")
    return content


def check(spec: Mapping[str, Any], where: str = "workerPoolSpecs") -> None:
    """Checks a CustomJobSpec.

    Args:
        spec: The fields.
        where: What the worker pools are called in messages.

    Raises:
        ConfigError: an unknown field, a wrong value, or no worker pools that say what to run.
    """
    requests.parse("CustomJobSpec", spec)
    pools = spec.get("workerPoolSpecs")
    if not pools:
        raise ConfigError(where, pools, "one worker pool at least")
    for number, pool in enumerate(pools):
        # A pool that is left empty holds a place: of parameter servers, before evaluators.
        if pool and (PACKAGE in pool) == (CONTAINER in pool):
            raise ConfigError(f"{where}[{number}]", sorted(pool), f"either {PACKAGE} or {CONTAINER}")


def needs_package(spec: Mapping[str, Any], *, container: bool) -> bool:
    """Tells whether some pool runs our package and names none of its own.

    Args:
        spec: A CustomJobSpec.
        container: Whether the image shall run what is in it, in any case.
    """
    if container:
        return False
    own = (pool[PACKAGE] for pool in spec["workerPoolSpecs"] if PACKAGE in pool)
    return any(not _given_uris(package) for package in own)


def fill(
    spec: Mapping[str, Any],
    *,
    image: str | None,
    default_image: Callable[[str], str],
    package_uri: str | None,
    args: Sequence[str],
    container: bool = False,
) -> dict[str, Any]:
    """Fills in what runs in each worker pool.

    Args:
        spec: A CustomJobSpec.
        image: URI of a container image in place of the file's; None to keep that.
        default_image: Names the one for pools that have none, of `image_kind`.
        package_uri: `gs://` path of our package; None to keep the file's, which then must name some.
        args: Flags of the trainer, after those of the file.
        container: Whether the images shall run what is in them, also where the file says `pythonPackageSpec`.

    Returns:
        A new CustomJobSpec.
    """
    pools = []
    for pool in spec["workerPoolSpecs"]:
        uri = image or _given_image(pool) or default_image(image_kind(pool))
        pools.append(_fill_pool(pool, uri, package_uri, args, container=container) if pool else {})
    return {**spec, "workerPoolSpecs": pools}


def image_kind(pool: Mapping[str, Any]) -> str:
    """Returns which of our images a worker pool needs: `training`, `training-gpu` or `training-tpu`."""
    machine = pool.get("machineSpec", {})
    accelerator, machine_type = machine.get("acceleratorType", ""), machine.get("machineType", "")
    if machine.get("tpuTopology") or accelerator.startswith("TPU") or re.match(r"ct\d|cloud-tpu", machine_type):
        return "training-tpu"
    return "training-gpu" if accelerator.startswith("NVIDIA") else "training"


def _given_image(pool: Mapping[str, Any]) -> str:
    """Returns the image that the file names, "" for none."""
    runs = pool.get(PACKAGE) or pool.get(CONTAINER) or {}
    named = str(runs.get("executorImageUri") or runs.get("imageUri") or "")
    return "" if _BLANK.fullmatch(named) else named


def _fill_pool(
    pool: Mapping[str, Any], image: str, package_uri: str | None, args: Sequence[str], *, container: bool
) -> dict[str, Any]:
    kind = PACKAGE if PACKAGE in pool else CONTAINER
    runs = dict(pool[kind] or {})
    common = {name: runs[name] for name in ("env",) if name in runs}
    args = [*runs.get("args", []), *args]
    rest = {name: value for name, value in pool.items() if name != kind}
    if kind == CONTAINER or container:
        command = {"command": runs["command"]} if runs.get("command") else {}
        return {**rest, CONTAINER: {"imageUri": image, **command, "args": args, **common}}
    uris = [package_uri] if package_uri else _given_uris(runs)
    module = runs.get("pythonModule") or MODULE
    package = {"executorImageUri": image, "packageUris": uris, "pythonModule": module, "args": args, **common}
    return {**rest, PACKAGE: package}


def _given_uris(package: Mapping[str, Any] | None) -> list[str]:
    return [uri for uri in (package or {}).get("packageUris", []) if not _BLANK.fullmatch(uri)]


def args_of(spec: Mapping[str, Any]) -> list[list[str]]:
    """Returns the flags of each worker pool that runs the trainer."""
    found = []
    for pool in spec["workerPoolSpecs"]:
        runs = pool.get(PACKAGE) or pool.get(CONTAINER) or {}
        if CONTAINER in pool or runs.get("pythonModule", MODULE) == MODULE:
            found.append([str(argument) for argument in runs.get("args", [])])
    return found
