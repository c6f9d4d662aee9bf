"""`python -m trainer.vertex deploy MODEL_DIR`: a trained model in, an endpoint that answers out."""

from __future__ import annotations

import argparse
from typing import Any

from etl.cli import Parser, console, path
from etl.errors import EXIT_OK, ConfigError
from etl.words import quantity
from trainer.vertex.api import buckets, options
from trainer.vertex.api.buckets import Buckets
from trainer.vertex.api.calls import Session, print_calls
from trainer.vertex.api.options import Cloud
from trainer.vertex.deployment import artifacts, endpoints, rollout
from trainer.vertex.deployment import options as deployment
from trainer.vertex.deployment.artifacts import Artifact


def add_arguments(parser: Parser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "model_dir",
        type=path("MODEL_DIR"),
        metavar="MODEL_DIR",
        help="a SavedModel, or the --output_dir of trainer.task; in a bucket, or local and uploaded first",
    )
    options.add_cloud_arguments(parser)
    parser.add_argument(
        "--staging_bucket", metavar="DIR", help="gs:// folder that a local model is uploaded to, under its digest"
    )
    deployment.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns its exit code.

    Raises:
        ConfigError: the operator's mistake.
        CloudError: a step failed.
    """
    cloud = options.cloud(arguments)
    desired = deployment.read_desired_deployment(arguments, cloud)
    if arguments.dry_run:
        artifact = preview_artifact(arguments.model_dir, arguments.staging_bucket)
        print(rollout.preview_note(desired), end="")
        print_calls(rollout.preview(cloud, desired, artifact))
        return EXIT_OK
    rollout.check(cloud, desired)
    artifact = stage_artifact(cloud, arguments.model_dir, arguments.staging_bucket)
    session = Session(cloud, deployment.timeout_seconds(arguments))
    result = rollout.roll_out(session, desired, artifact, say)
    show_endpoint(session.send(endpoints.get_call(result.endpoint)))
    return EXIT_OK


def say(line: str) -> None:
    """Prints a line about a step, at once."""
    print(line, flush=True)


def preview_artifact(model_dir: str, staging_bucket: str | None) -> Artifact:
    """Returns what is known of an artifact without asking anybody.

    Raises:
        ConfigError: there is no such local model, or a path isn't one.
    """
    if buckets.is_bucket(model_dir):
        return Artifact(options.check_gcs("MODEL_DIR", model_dir), artifacts.UNKNOWN_DIGEST)
    return artifacts.plan_upload(model_dir, _require_bucket(staging_bucket))[0]


def stage_artifact(cloud: Cloud, model_dir: str, staging_bucket: str | None) -> Artifact:
    """Returns a model's artifact, in a bucket; a local one is uploaded.

    Raises:
        ConfigError: there is no such model.
        CloudError: the bucket can't be read, or written.
    """
    store = Buckets(cloud)
    if buckets.is_bucket(model_dir):
        return artifacts.inspect(store, model_dir)
    artifact, folder = artifacts.plan_upload(model_dir, _require_bucket(staging_bucket))
    num_files = artifacts.upload(store, artifact, folder)
    say(f"artifact: {artifact.uri}, {quantity(num_files, 'file')} sent")
    return artifact


def show_endpoint(endpoint: Any) -> None:
    """Prints a table of what is deployed to an endpoint."""
    from rich.table import Table

    table = Table("deployed", "model", "version", "machine", "copies", "traffic", title=f"endpoint {endpoint.name}")
    split = endpoints.get_split(endpoint)
    for deployed in sorted(endpoint.deployed_models, key=lambda item: -split.get(item.id, 0)):
        resources = deployed.dedicated_resources
        copies = f"{resources.min_replica_count}-{resources.max_replica_count}"
        model, version = endpoints.get_version(deployed)
        row = (deployed.id, model.rpartition("/")[2], version, resources.machine_spec.machine_type, copies)
        table.add_row(*row, f"{split.get(deployed.id, 0)} %")
    console().print(table)


def _require_bucket(staging_bucket: str | None) -> str:
    if staging_bucket is None:
        raise ConfigError("--staging_bucket", None, "a gs:// folder, since the model is a local one")
    return staging_bucket
