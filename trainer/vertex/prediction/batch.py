"""`python -m trainer.vertex batch-predict FILE… --output gs://…`: asks a model about images, however many."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etl.cli import Parser, number, path
from etl.errors import EXIT_OK, ConfigError, limits
from trainer.listing import list_files, read_file
from trainer.vertex.api import naming, options, registry, waiting
from trainer.vertex.api.buckets import Buckets
from trainer.vertex.api.calls import Call, Session, print_calls
from trainer.vertex.api.kinds import KINDS
from trainer.vertex.api.submission import submit
from trainer.vertex.deployment import options as deployment
from trainer.vertex.deployment.endpoints import Machine
from trainer.vertex.prediction.online import make_instance
from trainer.vertex.prediction.results import KEY, show_results

if TYPE_CHECKING:
    from trainer.vertex.api.options import Cloud

_DIGEST_LENGTH = 12
_ENDED_BADLY = ("failed", "cancelled", "expired")


@dataclass(frozen=True, slots=True)
class Batch:
    """What shall be asked.

    Attributes:
        model: Resource name of a model's version.
        source: `gs://` JSON lines of instances.
        output: `gs://` folder; the service makes one in it for the results.
        machine: What on.
        batch_size: Images that a copy gets at once.
        key: Field of an instance that is not for the model and comes back, "" for none.
    """

    model: str
    source: str
    output: str
    machine: Machine
    batch_size: int
    key: str

    def to_job(self) -> dict[str, Any]:
        """Returns the API's `BatchPredictionJob`; its name says what it asks, so the same is found again."""
        config: dict[str, Any] = {"instanceType": "object"}
        if self.key:
            config["keyField"] = self.key
        job: dict[str, Any] = {
            "model": self.model,
            "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [self.source]}},
            "instanceConfig": config,
            "outputConfig": {
                "predictionsFormat": "jsonl",
                "gcsDestination": {"outputUriPrefix": self.output},
            },
            "dedicatedResources": {
                "machineSpec": self.machine.to_spec(),
                "startingReplicaCount": self.machine.min_replicas,
                "maxReplicaCount": self.machine.max_replicas,
            },
            "manualBatchTuningParameters": {"batchSize": self.batch_size},
            "labels": dict(naming.LABELS),
        }
        if self.machine.service_account:
            job["serviceAccount"] = self.machine.service_account
        digest = hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()
        return {"displayName": f"petalstream-batch-{digest[:_DIGEST_LENGTH]}", **job}


def add_arguments(parser: Parser) -> None:
    """Adds the command's options."""
    parser.add_argument(
        "files",
        type=path("FILE"),
        metavar="FILE",
        nargs="*",
        help="image files, folders of them, or patterns as 'photos/**/*.jpg'",
    )
    options.add_cloud_arguments(parser)
    parser.add_argument(
        "--input", metavar="FILE", help="gs:// JSON lines of instances, as trainer.batch_predict makes them, in place"
    )
    parser.add_argument(
        "--key_field", default=KEY, metavar="NAME", help="field of an instance that isn't for the model; '' for none"
    )
    parser.add_argument("--output", required=True, metavar="DIR", help="gs:// folder for instances and results")
    parser.add_argument(
        "--model_name", default=deployment.NAME, metavar="NAME", help="model: its display name, or its number"
    )
    parser.add_argument(
        "--version", default=registry.DEFAULT_ALIAS, metavar="NAME", help="version: its number or an alias"
    )
    _add_machine(parser)
    parser.add_argument("--no_wait", action="store_true", help="don't wait; the same command later shows the results")
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="table: by class; json: one line an image"
    )


def _add_machine(parser: Parser) -> None:
    def count(field: str) -> Any:
        return number(field, int, minimum=1, what="a whole number from 1")

    parser.add_argument("--machine_type", default="n1-standard-8", metavar="TYPE", help="machine type of a copy")
    parser.add_argument("--min_replicas", type=count("--min_replicas"), default=1, metavar="N", help="copies at first")
    parser.add_argument("--max_replicas", type=count("--max_replicas"), metavar="N", help="copies at most")
    parser.add_argument("--accelerator_type", metavar="TYPE", help="GPU of a copy, such as NVIDIA_TESLA_T4")
    parser.add_argument(
        "--accelerator_count", type=count("--accelerator_count"), default=1, metavar="N", help="GPUs of a copy"
    )
    parser.add_argument("--service_account", metavar="EMAIL", help="account that the copies run as")
    # The service's own 64 images may be more than a request takes.
    parser.add_argument(
        "--batch_size", type=count("--batch_size"), default=16, metavar="N", help="images that a copy gets at once"
    )


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns 0 where every instance got an answer, else 1.

    Raises:
        ConfigError: the operator's mistake.
        CloudError: the job failed.
    """
    cloud = options.cloud(arguments)
    output = options.check_gcs("--output", arguments.output)
    if bool(arguments.files) == (arguments.input is not None):
        raise ConfigError("FILE", arguments.files or None, "photographs, or --input, and not both")
    machine = _make_machine(arguments)

    def make(model: str, source: str) -> Batch:
        return Batch(model, source, output, machine, arguments.batch_size, arguments.key_field)

    store = Buckets(cloud)
    with tempfile.TemporaryDirectory(prefix="petalstream-") as folder:
        instances = Path(folder, "instances.jsonl")
        source = arguments.input and options.check_gcs("--input", arguments.input)
        if source is None:
            source = f"{output}/instances/{write_instances(arguments.files, instances)}.jsonl"
        if arguments.dry_run:
            batch = make(f"{cloud.parent}/models/MODEL@VERSION", source)
            print_calls([create_call(cloud, batch.to_job())])
            return EXIT_OK
        model = find_model(Session(cloud), arguments.model_name, arguments.version)
        if instances.is_file():
            sent = store.upload(instances, source, content_type="application/jsonl")
            print(f"{source}: {'uploaded' if sent else 'there already'}", file=sys.stderr)
    job = _find_or_start(cloud, make(model, source).to_job())
    if arguments.no_wait:
        print(job.name)
        return EXIT_OK
    done = waiting.wait(KINDS["batch"], job.name, cloud)
    if waiting.state_of(done) in _ENDED_BADLY:
        return waiting.finish(KINDS["batch"], done, cloud)
    return show_results(store, done, as_json=arguments.format == "json")


def create_call(cloud: Cloud, job: Mapping[str, Any]) -> Call:
    """Starts a job."""
    body = {"parent": cloud.parent, "batchPredictionJob": job}
    return Call("createBatchPredictionJob", body, f"starting the batch prediction job {job['displayName']}")


def find_model(session: Session, name: str, version: str) -> str:
    """Returns the resource name of a model's version, its number in it.

    Raises:
        ConfigError: there is no such model or version.
    """
    if name.isdecimal() or naming.is_resource(name):
        model = session.cloud.name("models", name).partition("@")[0]
    else:
        call = registry.list_call(session.cloud, naming.check("--model_name", name))
        found = naming.pick("--model_name", name, session.fetch(call))
        if found is None:
            hint = "python -m trainer.vertex deploy makes one, python -m trainer.vertex list models shows what there is"
            raise ConfigError("--model_name", name, f"a model of {session.cloud.parent}", hint)
        model = str(found.name).partition("@")[0]
    looking = Call("getModel", {"name": f"{model}@{version}"}, f"looking at version {version} of {name}")
    return f"{model}@{session.send(looking).version_id}"


def write_instances(paths: Iterable[str], target: Path) -> str:
    """Writes images as JSON lines; a file's key is its path as it is listed.

    Args:
        paths: Files, folders and patterns, as `trainer.listing.list_files` takes them.
        target: A local file.

    Returns:
        A digest of the lines.

    Raises:
        ConfigError: a file can't be read.
    """
    total = hashlib.sha256()
    with limits.name_file(str(target)), open(target, "wb") as stream:
        for path in list_files(paths):
            try:
                instance = {KEY: path, **make_instance(read_file(path))}
            except OSError as error:
                raise ConfigError("FILE", path, "files that can be read", str(error)) from error
            line = json.dumps(instance).encode() + b"\n"
            total.update(line)
            stream.write(line)
    return total.hexdigest()[:_DIGEST_LENGTH]


def _make_machine(arguments: argparse.Namespace) -> Machine:
    maximum = arguments.max_replicas or arguments.min_replicas
    if maximum < arguments.min_replicas:
        raise ConfigError("--max_replicas", maximum, f"--min_replicas, {arguments.min_replicas}, or more")
    accelerator = arguments.accelerator_type or ""
    count = arguments.accelerator_count if accelerator else 0
    account = arguments.service_account or ""
    return Machine(arguments.machine_type, arguments.min_replicas, maximum, accelerator, count, account)


def _find_or_start(cloud: Cloud, body: Mapping[str, Any]) -> Any:
    """Finds the job that asks the same, unless it ended badly, or starts it."""
    kind = KINDS["batch"]
    for job in kind.find(cloud, naming.make_filter(str(body["displayName"]))):
        if waiting.state_of(job) not in _ENDED_BADLY:
            print(f"{job.name}: asked already, {waiting.state_of(job)}", file=sys.stderr)
            return job
    message = create_call(cloud, body).to_message().batch_prediction_job
    job = submit(kind, message, cloud)
    print(f"page: {kind.url(job.name)}\nsee:  {waiting.status_command(job.name, cloud)}", file=sys.stderr)
    return job
