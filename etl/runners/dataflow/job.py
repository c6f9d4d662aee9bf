"""The job as Dataflow would get it, made without network or credentials, for a dry run to show."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    SetupOptions,
    TestOptions,
)
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.dataflow.internal import apiclient

from etl import storage
from etl.cli import console, quiet_stderr
from etl.errors import ConfigError
from etl.finalise.report import new_table

# What Dataflow takes of a job's graph, in bytes.
MAX_GRAPH_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the graph.

    Attributes:
        name: Its full name.
        kind: What it is to a runner, as `pardo` or `group_by_key`.
        coder: Of the elements that it passes on, "" for the last step.
        payload: What is sent to the workers: a pickled function, for instance.
    """

    name: str
    kind: str
    coder: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Job:
    """A job that was not submitted.

    Attributes:
        message: The request's `Job`, in the JSON of Dataflow's REST API, v1b3.
        graph: The pipeline that would lie beside it on Cloud Storage, serialised.
        steps: Of the graph, in order.
        staged: Name of each file that would be staged to its size in bytes.
    """

    message: Mapping[str, Any]
    graph: bytes
    steps: tuple[Step, ...]
    staged: Mapping[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, Any]:
        """The message's part about the workers."""
        found: Mapping[str, Any] = self.message["environment"]
        return found


def set_dry(options: PipelineOptions) -> None:
    """Keeps Beam from asking the cloud anything; to be called before the pipeline is made.

    Raises:
        ConfigError: an option that needs the cloud.
    """
    engine = options.view_as(SetupOptions).prebuild_sdk_container_engine
    if engine:
        hint = "which would be built now; give its name as --sdk_container_image instead"
        raise ConfigError("--prebuild_sdk_container_engine", engine, "no image to build in a dry run", hint)
    options.view_as(TestOptions).dry_run = True
    # A list of what is installed here, by pip, which isn't everywhere: for Dataflow's logs alone.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")


def make_job(pipeline: beam.Pipeline) -> Job:
    """Makes the job of a pipeline, by Beam's own code up to where it would be sent.

    Args:
        pipeline: Whose options `set_dry` has seen.

    Returns:
        The job; its package has been built, nothing was staged.
    """
    staged: dict[str, int] = {}

    class Client(apiclient.DataflowApplicationClient):
        """Notes what would be staged."""

        def _gcs_file_copy(self, from_path: str, to_path: str, sha256: str) -> None:
            staged[os.path.basename(to_path)] = os.path.getsize(from_path)

        def stage_file_with_retry(self, folder: str, name: str, stream: Any, *_: Any, **__: Any) -> None:
            staged[name] = len(stream.getvalue())

    # Building the package prints its steps.
    with quiet_stderr():
        made = pipeline.run().job
    # Its own options, so that the job's don't say that it was made without an account.
    options = PipelineOptions()
    cloud = options.view_as(GoogleCloudOptions)
    cloud.project, cloud.no_auth = made.google_cloud_options.project, True
    client = Client(options, made.root_staging_location)
    client.google_cloud_options = made.google_cloud_options
    client.create_job_description(made)
    graph = made.proto_pipeline
    return Job(json.loads(made.json()), graph.SerializeToString(), tuple(_steps(graph)), staged)


def _steps(graph: beam_runner_api_pb2.Pipeline) -> Iterator[Step]:
    """Yields the steps that a runner runs, in the order in which the pipeline was put together."""
    components = graph.components

    def walk(name: str) -> Iterator[Step]:
        transform = components.transforms[name]
        if transform.subtransforms:
            for inner in transform.subtransforms:
                yield from walk(inner)
        elif transform.spec.urn:
            coders = [components.pcollections[output].coder_id for output in transform.outputs.values()]
            coder = _coder(graph, coders[0]) if coders else ""
            yield Step(transform.unique_name, _kind(transform.spec.urn), coder, transform.spec.payload)

    for root in graph.root_transform_ids:
        yield from walk(root)


def _kind(urn: str) -> str:
    """Returns the middle of a name such as `beam:transform:pardo:v1`."""
    return urn.split(":")[2] if urn.count(":") >= 2 else urn


def _coder(graph: beam_runner_api_pb2.Pipeline, name: str) -> str:
    coder = graph.components.coders[name]
    inner = ", ".join(_coder(graph, part) for part in coder.component_coder_ids)
    kind = _kind(coder.spec.urn)
    return f"{kind}<{inner}>" if inner else kind


def print_job(job: Job, requirements: Sequence[str] = ()) -> None:
    """Prints a job as tables: its steps, and where they would run.

    Args:
        job: The job.
        requirements: What each worker would install; nothing where an image has it all.
    """
    shown = console()
    steps = new_table("step of the job", "kind", "bytes")
    steps.columns[0].overflow = "fold"
    steps.columns[2].justify = "right"
    for step in job.steps:
        steps.add_row(step.name, step.kind, f"{len(step.payload):,}")
    shown.print(steps)
    facts = new_table("where it would run", "")
    facts.columns[1].overflow = "fold"
    rows = describe(job)
    if requirements:
        rows["workers install"] = ", ".join(requirements)
    for name, value in rows.items():
        facts.add_row(name, value)
    shown.print(facts)


def describe(job: Job) -> dict[str, str]:
    """Returns what a person wants to know of a job, name to text."""
    environment = job.environment
    pool: Mapping[str, Any] = environment["workerPools"][0]
    options = environment["sdkPipelineOptions"]["options"]
    scaling = pool.get("autoscalingSettings", {})
    automatic = "Dataflow's default"
    addresses = {"WORKER_IP_PRIVATE": "none but private", "WORKER_IP_PUBLIC": "public"}
    facts = {
        "job": job.message["name"],
        "project, region": f"{options['project']}, {options['region']}",
        "zone": environment.get("workerZone") or environment.get("workerRegion") or "any of the region",
        "image": pool["workerHarnessContainerImage"],
        "machine type": pool.get("machineType", automatic),
        "workers": f"{pool.get('numWorkers', 'as Dataflow sees fit')} at first, "
        f"{scaling.get('maxNumWorkers', 'as Dataflow sees fit')} at most"
        + (", no autoscaling" if scaling.get("algorithm") == "AUTOSCALING_ALGORITHM_NONE" else ""),
        "disk": " ".join(
            str(part)
            for part in (f"{pool['diskSizeGb']} GB" if pool.get("diskSizeGb") else automatic, pool.get("diskType", ""))
            if part
        ),
        "service account": environment.get("serviceAccountEmail", "Compute Engine's default"),
        "network": pool.get("subnetwork") or pool.get("network") or "default",
        "addresses": addresses.get(pool.get("ipConfiguration", ""), "public, unless the project says otherwise"),
        "staging": options["staging_location"],
        "temporary files": options["temp_location"],
        "staged files": ", ".join(f"{name} ({size:,} bytes)" for name, size in sorted(job.staged.items())),
        "experiments": ", ".join(environment.get("experiments", [])),
        "service options": ", ".join(environment.get("serviceOptions", [])),
        "flexible scheduling": environment.get("flexResourceSchedulingGoal", ""),
        "size of the graph": f"{len(job.graph):,} bytes of at most {MAX_GRAPH_BYTES:,}",
    }
    return {name: text for name, text in facts.items() if text}


def write_job(job: Job, path: str) -> None:
    """Writes the request's message as JSON, where Beam's `--dataflow_job_file` says."""
    storage.write_atomically(storage.absolute(path), json.dumps(job.message, indent=2, sort_keys=True).encode())
