"""Checks a run on Dataflow before anything is listed or staged: without network, and in one line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions

from etl import paths, storage, variants
from etl.backbones.weights import IMAGENET
from etl.config import EtlConfig
from etl.errors import ConfigError
from etl.sources import declared

_BUCKET = r"gs://[a-z0-9][-_a-z0-9.]+[a-z0-9]"
_PROJECT = re.compile(r"[a-z][-a-z0-9:.]+[a-z0-9]")
_REGION = re.compile(r"[a-z]+-[a-z]+\d+")
_ZONE = re.compile(r"([a-z]+-[a-z]+\d+)-[a-z]")
_JOB_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_ACCOUNT = re.compile(r"[a-z0-9][-a-z0-9.]*@[-a-z0-9.]+\.gserviceaccount\.com")
_IMAGE = re.compile(r"[a-z0-9][-a-z0-9._:]*(/[-a-zA-Z0-9._]+)+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?")
_SUBNETWORK = re.compile(
    r"(https://www\.googleapis\.com/compute/v1/)?(projects/[^/]+/)?regions/[^/]+/subnetworks/[^/]+"
)

# What a run on Dataflow can't do without, and an example of each.
_NEEDED = {"project": "my-project", "region": "europe-west4", "temp_location": "gs://my-bucket/tmp"}


def check_options(options: PipelineOptions) -> None:
    """Checks Beam's part of a command line, as far as Dataflow needs it. Fills in the region from the environment.

    Args:
        options: Beam's view of the command line.

    Raises:
        ConfigError: something is missing, malformed, or contradicts something else.
    """
    values = options.get_all_options()
    # Beam takes either for both.
    values["temp_location"] = values["temp_location"] or values["staging_location"]
    # As Beam does.
    values["region"] = values["region"] or os.environ.get("CLOUDSDK_COMPUTE_REGION")
    _check_needed(values)
    _check_forms(values)
    _check_conflicts(values)
    _check_files(values)
    options.view_as(GoogleCloudOptions).region = values["region"]


def check_places(config: EtlConfig) -> None:
    """Checks that all that workers read or write is where they are: on Cloud Storage.

    Args:
        config: The run's configuration.

    Raises:
        ConfigError: a path is on this machine.
    """
    copy = "copy it there with gcloud storage cp --recursive"
    check_gs("--output", config.output, "a folder on Cloud Storage, as gs://my-bucket/flowers")
    if declared.reads_files(config.source):
        expected = "a path on Cloud Storage, as gs://my-bucket/photos, which Dataflow's workers can read"
        check_gs("--input", config.options.input, expected, copy)
    for weights in filter(None, (variant.weights(config) for variant in variants.chosen(config))):
        if weights.source != IMAGENET:
            expected = "imagenet, or a file on Cloud Storage, as gs://my-bucket/weights.h5"
            check_gs(weights.option, weights.source, expected, copy)


def check_gs(field: str, path: str | None, expected: str, hint: str = "") -> None:
    """Checks that a path is on Cloud Storage.

    Args:
        field: Its option.
        path: The path.
        expected: What it should be, in words.
        hint: What to do else.

    Raises:
        ConfigError: it isn't.
    """
    if path is None or re.fullmatch(rf"{_BUCKET}(/.*)?", path) is None:
        raise ConfigError(field, path, expected, hint)


def _check_needed(values: Mapping[str, object]) -> None:
    """Checks that nothing is missing; names all that is in one line."""
    missing = [name for name in _NEEDED if not values[name]]
    if missing:
        example = " ".join(f"--{name} {_NEEDED[name]}" for name in missing)
        names = ", ".join(f"--{name}" for name in missing)
        what = "values" if len(missing) > 1 else "a value"
        raise ConfigError(names, None, f"{what}, which Dataflow needs", f"for example {example}")


def _check_forms(values: Mapping[str, object]) -> None:
    """Checks each value by itself."""
    folder = re.compile(rf"{_BUCKET}/.*")
    region = str(values["region"])
    zone = _ZONE.fullmatch(region)
    if zone:
        hint = f"this is a zone: --region {zone[1]} --worker_zone {region}"
        raise ConfigError("--region", region, "a region, as europe-west4", hint)
    forms: dict[str, tuple[re.Pattern[str], str]] = {
        "project": (_PROJECT, "a project's id, as my-project: neither its number nor its title"),
        "region": (_REGION, "a region, as europe-west4"),
        "temp_location": (folder, "a folder on Cloud Storage, as gs://my-bucket/tmp"),
        "staging_location": (folder, "a folder on Cloud Storage, as gs://my-bucket/staging"),
        "job_name": (_JOB_NAME, "up to 63 of a-z, 0-9 and -, the first a letter, the last none of -"),
        "service_account_email": (_ACCOUNT, "a service account, as workers@my-project.iam.gserviceaccount.com"),
        "worker_zone": (_ZONE, "a zone, as europe-west4-a"),
        "worker_region": (_REGION, "a region, as europe-west4"),
        "sdk_container_image": (_IMAGE, "an image, as europe-west4-docker.pkg.dev/my-project/petalstream/worker:1"),
        "subnetwork": (_SUBNETWORK, "regions/REGION/subnetworks/NAME, or that behind projects/PROJECT/"),
    }
    for name, (pattern, expected) in forms.items():
        value = values[name]
        if value is not None and pattern.fullmatch(str(value)) is None:
            raise ConfigError(f"--{name}", value, expected)
    for account in str(values["impersonate_service_account"] or "").split(","):
        if account and _ACCOUNT.fullmatch(account) is None:
            raise ConfigError("--impersonate_service_account", account, "service accounts, with commas between")
    for name in ("num_workers", "max_num_workers", "disk_size_gb", "number_of_worker_harness_threads"):
        number = values[name]
        if isinstance(number, int) and number < (0 if name == "disk_size_gb" else 1):
            raise ConfigError(f"--{name}", number, "a number of 1 or more")


def _check_conflicts(values: Mapping[str, object]) -> None:
    """Checks that the options go together, and with a job that reads once, writes once and ends."""
    experiments = values["experiments"]
    named = {str(name).partition("=")[0] for name in experiments} if isinstance(experiments, list) else set()
    workers, largest = values["num_workers"], values["max_num_workers"]
    if isinstance(workers, int) and isinstance(largest, int) and workers > largest:
        raise ConfigError("--num_workers", workers, f"at most the {largest} of --max_num_workers")
    if values["zone"] is not None:
        raise ConfigError("--zone", values["zone"], "no such option", "use --worker_zone")
    if values["worker_zone"] is not None and values["worker_region"] is not None:
        raise ConfigError("--worker_zone", values["worker_zone"], "no such option beside --worker_region")
    old_image = values["worker_harness_container_image"]
    if old_image is not None and old_image != values["sdk_container_image"]:
        raise ConfigError("--worker_harness_container_image", old_image, "no such option", "use --sdk_container_image")
    for name, why in {
        "streaming": "the job reads a list that ends",
        "update": "Dataflow updates streaming jobs alone",
        "template_location": "a run's plan is made for one job, which a template would start again",
    }.items():
        if values[name]:
            raise ConfigError(f"--{name}", values[name], "no such option here", why)
    for name in ("disable_runner_v2", "disable_portable_runner"):
        if name in named:
            raise ConfigError("--experiments", name, "others than this", "Beam's Python jobs run on Runner v2 alone")
    environment = values["environment_type"]
    if environment is not None and str(environment).upper() != "DOCKER":
        raise ConfigError("--environment_type", environment, "no such option here", "Dataflow's workers are containers")


def _check_files(values: Mapping[str, object]) -> None:
    """Checks that the files for the workers are there, which Beam would find out after much else."""
    extra = values["extra_packages"]
    files = [("--extra_package", path) for path in extra] if isinstance(extra, list) else []
    files += [(f"--{name}", values[name]) for name in ("setup_file", "requirements_file") if values[name] is not None]
    for name, path in files:
        paths.check(name, str(path))
        if storage.is_local(str(path)) and not os.path.isfile(str(path)):
            raise ConfigError(name, path, "a file that is there")
