"""The options that training and tuning share, and what of a job's body comes from them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from etl.cli import Parser
from etl.errors import ConfigError
from trainer.vertex.api import naming
from trainer.vertex.api.options import Cloud, add_cloud_arguments, add_label_argument, check_gcs, parse_labels
from trainer.vertex.training import specs, staging

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Vertex AI's own limit.
_MAX_SECONDS = 7 * 86_400


def add_job_arguments(parser: Parser) -> None:
    """Adds the options."""
    where = parser.add_argument_group("where")
    add_cloud_arguments(where, service_account=True)
    where.add_argument("--network", metavar="NAME", help="network to peer with: projects/NUMBER/global/networks/NAME")
    what = parser.add_argument_group("what runs")
    what.add_argument(
        "--image", metavar="URI", help="container image in place of the configuration's (default: in your registry)"
    )
    what.add_argument(
        "--container", action="store_true", help="run what is in the image, and don't install a package into it"
    )
    what.add_argument("--package_uri", metavar="URI", help="gs:// path of a package, in place of one made from here")
    what.add_argument("--staging_bucket", metavar="URI", help="gs:// path that the package is uploaded below")
    job = parser.add_argument_group("job")
    job.add_argument("--display_name", metavar="NAME", help="in lists (default: made from the time)")
    job.add_argument(
        "--base_output_dir",
        metavar="URI",
        help="gs:// path; the model goes to model/ below it, backups to checkpoints/, TensorBoard's files to logs/ "
        "(default: a folder of the job's name in --staging_bucket)",
    )
    job.add_argument("--tensorboard", metavar="ID", help="TensorBoard instance that shows the job; see tensorboard")
    job.add_argument("--experiment", metavar="NAME", help="experiment that the job belongs to; made if it isn't there")
    job.add_argument("--experiment_run", metavar="NAME", help="run of --experiment; made if it isn't there")
    job.add_argument("--timeout", metavar="TIME", help="end the job after 90m, 12h, 2d")
    job.add_argument(
        "--restart_on_worker_failure", action="store_true", help="begin again on all machines when one is lost"
    )
    job.add_argument("--spot", action="store_true", help="on spare machines: cheaper, and taken away at any time")
    add_label_argument(job)
    job.add_argument("--wait", action="store_true", help="wait for the job's end, and fail if it does")


@dataclass(frozen=True, slots=True)
class JobOptions:
    """What the options say, checked.

    Attributes:
        cloud: Where.
        display_name: Of the job.
        labels: With our own.
        output_dir: `gs://` path for what the job leaves; None where its flags say it.
        experiment: Context name of the experiment and of its run, None for none.
        package_uri: Of the package that the job installs; None where it needs none.
        makes_package: Whether that is made and uploaded from here.
    """

    cloud: Cloud
    display_name: str
    labels: Mapping[str, str]
    output_dir: str | None
    experiment: tuple[str, str | None] | None
    package_uri: str | None
    makes_package: bool


def read(arguments: argparse.Namespace, cloud: Cloud, spec: Mapping[str, Any], default_name: str) -> JobOptions:
    """Checks the options.

    Args:
        arguments: Parsed.
        cloud: Where.
        spec: The configuration's CustomJobSpec.
        default_name: What the job is called after unless `--display_name` says.

    Raises:
        ConfigError: a value, or options that don't go together.
    """
    now = datetime.now(timezone.utc)
    display_name = naming.check("--display_name", arguments.display_name or f"{default_name}-{now:%Y%m%d-%H%M%S}")
    staging_dir = _gcs("--staging_bucket", arguments.staging_bucket)
    output_dir = _gcs("--base_output_dir", arguments.base_output_dir)
    own_output = spec.get("baseOutputDirectory", {}).get("outputUriPrefix")
    if output_dir is None and not own_output and staging_dir:
        output_dir = f"{staging_dir}/jobs/{re.sub(r'[^A-Za-z0-9._-]+', '-', display_name)}"
    package_uri = _gcs("--package_uri", arguments.package_uri)
    makes = package_uri is None and specs.needs_package(spec, container=arguments.container)
    if arguments.container and package_uri:
        raise ConfigError("--package_uri", package_uri, "no package beside --container")
    if makes:
        bucket = staging_dir or output_dir
        if bucket is None:
            raise ConfigError(
                "--staging_bucket", None, "a gs:// path for the package", "or --package_uri or --container"
            )
        package_uri = staging.package_uri(bucket)
    experiment = _read_experiment(arguments, cloud)
    _check_watching(arguments, has_output=bool(output_dir or own_output), spec=spec)
    labels = {**naming.LABELS, **parse_labels(arguments.label)}
    return JobOptions(cloud, display_name, labels, output_dir, experiment, package_uri, makes)


def _gcs(field: str, path: str | None) -> str | None:
    return None if path is None else check_gcs(field, path)


def _read_experiment(arguments: argparse.Namespace, cloud: Cloud) -> tuple[str, str | None] | None:
    name, run = arguments.experiment, arguments.experiment_run
    if name is None:
        if run is not None:
            raise ConfigError("--experiment_run", run, "--experiment beside it")
        return None
    for field, value in (("--experiment", name), ("--experiment_run", run)):
        if value is not None and not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,127}", value):
            raise ConfigError(field, value, "lower-case letters, digits and dashes")
    context = f"{cloud.parent}/metadataStores/default/contexts/{name}"
    return context, f"{context}-{run}" if run else None


def _check_watching(arguments: argparse.Namespace, *, has_output: bool, spec: Mapping[str, Any]) -> None:
    """Checks what the service wants of jobs that are watched."""
    account = arguments.service_account
    if account is not None and not _ACCOUNT.fullmatch(account):
        raise ConfigError("--service_account", account, "an account, as trainer@my-project.iam.gserviceaccount.com")
    if arguments.tensorboard and arguments.experiment:
        hint = "an experiment has a TensorBoard instance of its own"
        raise ConfigError("--tensorboard", arguments.tensorboard, "no --experiment beside it", hint)
    for field in ("tensorboard", "experiment"):
        value = getattr(arguments, field)
        if value and not (account or spec.get("serviceAccount")):
            raise ConfigError(f"--{field}", value, "--service_account beside it, as which the job writes there")
        if value and not has_output:
            raise ConfigError(f"--{field}", value, "--base_output_dir beside it, from which it is fed")


def complete(
    spec: Mapping[str, Any], arguments: argparse.Namespace, options: JobOptions, args: list[str]
) -> dict[str, Any]:
    """Returns the CustomJobSpec that is sent.

    Args:
        spec: The configuration's.
        arguments: Parsed.
        options: Read from them.
        args: Flags of the trainer.
    """
    made = specs.fill(
        spec,
        image=arguments.image,
        default_image=options.cloud.image,
        package_uri=options.package_uri,
        args=args,
        container=arguments.container,
    )
    if options.output_dir:
        made["baseOutputDirectory"] = {"outputUriPrefix": options.output_dir}
    if arguments.service_account:
        made["serviceAccount"] = arguments.service_account
    if arguments.network:
        made["network"] = arguments.network
    if arguments.tensorboard:
        made["tensorboard"] = options.cloud.name("tensorboards", arguments.tensorboard)
    if options.experiment:
        context, run = options.experiment
        made |= {"experiment": context, **({"experimentRun": run} if run else {})}
    scheduling = dict(made.get("scheduling", {}))
    if arguments.timeout:
        scheduling["timeout"] = f"{parse_time('--timeout', arguments.timeout)}s"
    if arguments.restart_on_worker_failure:
        scheduling["restartJobOnWorkerRestart"] = True
    if arguments.spot:
        scheduling["strategy"] = "SPOT"
    if scheduling:
        made["scheduling"] = scheduling
    return made


def parse_time(field: str, text: str) -> int:
    """Parses a length of time: `90m`, `12h`, `2d`, or seconds; returns whole seconds.

    Raises:
        ConfigError: none, or longer than the service's seven days.
    """
    match = re.fullmatch(r"(\d+)([smhd]?)", text)
    seconds = int(match[1]) * _UNITS[match[2] or "s"] if match else 0
    if not 0 < seconds <= _MAX_SECONDS:
        raise ConfigError(field, text, "a time of seven days at most, as 90m, 12h or 2d")
    return seconds
