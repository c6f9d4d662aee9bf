"""`train`: a custom job, or a training pipeline where a managed data set or the model registry is in it."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from etl.cli import Parser
from etl.errors import EXIT_OK, ConfigError
from trainer.vertex.api import requests, waiting
from trainer.vertex.api.kinds import KINDS, Kind
from trainer.vertex.api.options import cloud
from trainer.vertex.api.registry import Container
from trainer.vertex.api.submission import submit
from trainer.vertex.training import experiments, flags, job_options, specs, staging
from trainer.vertex.training.job_options import JobOptions

CUSTOM_TASK = "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml"
CLASSIFICATION = "gs://google-cloud-aiplatform/schema/dataset/annotation/image_classification_1.0.0.yaml"
ML_USE = "labels.aiplatform.googleapis.com/ml_use"
_SPLITS = ("training", "validation", "test")


def add_arguments(parser: Parser) -> None:
    """Adds the options of `train`."""
    parser.add_argument(
        "--config",
        required=True,
        metavar="NAME",
        help=f"what to run on: {', '.join(specs.CONFIGS)}, or a YAML file as gcloud ai custom-jobs create takes it",
    )
    job_options.add_job_arguments(parser)
    data = parser.add_argument_group("managed data set and model registry (as a training pipeline)")
    data.add_argument("--dataset", metavar="ID", help="managed image data set to train on; see dataset")
    data.add_argument("--annotation_schema", default=CLASSIFICATION, metavar="URI", help="which annotations")
    data.add_argument(
        "--fractions", metavar="T,V,E", help="shares of training, validation and test; default: as imported (ml_use)"
    )
    data.add_argument("--upload_model", metavar="NAME", help="register the model under this name when it is trained")
    data.add_argument(
        "--serving_image", metavar="URI", help="image that serves it (default: serving, in your registry)"
    )
    data.add_argument("--parent_model", metavar="ID", help="model that it becomes a new version of")


def run(arguments: argparse.Namespace) -> int:
    """Starts a job, or prints it."""
    where = cloud(arguments)
    spec = specs.load(arguments.config)
    options = job_options.read(arguments, where, spec, "petalstream")
    made = job_options.complete(spec, arguments, options, arguments.trainer_args)
    has_output = "baseOutputDirectory" in made
    for args in specs.args_of(made):
        flags.check(args, has_dataset=bool(arguments.dataset), has_output=has_output)
    _check_pipeline_options(arguments)
    if arguments.dataset or arguments.upload_model:
        kind, body = KINDS["pipelines"], pipeline_body(made, options, arguments)
        requests.parse("CustomJobSpec", made)
        message = requests.parse("TrainingPipeline", body)
    else:
        kind, body = KINDS["jobs"], custom_job_body(made, options)
        message = requests.parse("CustomJob", body)
    if arguments.dry_run:
        print(show(kind, body, options), end="")
        return EXIT_OK
    return start(kind, message, options, wait=arguments.wait)


def custom_job_body(spec: Mapping[str, Any], options: JobOptions) -> dict[str, Any]:
    """Returns the CustomJob of a complete spec."""
    return {"displayName": options.display_name, "jobSpec": dict(spec), "labels": dict(options.labels)}


def pipeline_body(spec: Mapping[str, Any], options: JobOptions, arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the TrainingPipeline that runs a complete spec.

    Raises:
        ConfigError: it has no output folder, which the data and the model need.
    """
    if "baseOutputDirectory" not in spec:
        raise ConfigError("--base_output_dir", None, "a gs:// path, beside --dataset and --upload_model")
    output_dir = spec["baseOutputDirectory"]["outputUriPrefix"]
    body: dict[str, Any] = {"displayName": options.display_name}
    if arguments.dataset:
        body["inputDataConfig"] = {
            "datasetId": options.cloud.name("datasets", arguments.dataset).rsplit("/", 1)[-1],
            "annotationSchemaUri": arguments.annotation_schema,
            # The service writes the lists there that AIP_TRAINING_DATA_URI and the like name.
            "gcsDestination": {"outputUriPrefix": f"{output_dir}/data"},
            **_split(arguments.fractions),
        }
    body |= {"trainingTaskDefinition": CUSTOM_TASK, "trainingTaskInputs": dict(spec)}
    if arguments.upload_model:
        image = arguments.serving_image or options.cloud.image("serving")
        body["modelToUpload"] = {
            "displayName": arguments.upload_model,
            "containerSpec": Container.of(image).to_spec(),
            "labels": dict(options.labels),
        }
        if arguments.parent_model:
            body["parentModel"] = options.cloud.name("models", arguments.parent_model)
    return {**body, "labels": dict(options.labels)}


def _check_pipeline_options(arguments: argparse.Namespace) -> None:
    """Refuses options that would do nothing."""
    for field, beside in (
        ("fractions", "dataset"),
        ("serving_image", "upload_model"),
        ("parent_model", "upload_model"),
    ):
        value = getattr(arguments, field)
        if value is not None and getattr(arguments, beside) is None:
            raise ConfigError(f"--{field}", value, f"--{beside} beside it")


def _split(fractions: str | None) -> dict[str, Any]:
    """Returns how the service divides the data set: by what was imported, or at random."""
    if fractions is None:
        return {"filterSplit": {f"{split}Filter": f"{ML_USE}={split}" for split in _SPLITS}}
    try:
        shares = [float(share) for share in fractions.split(",")]
    except ValueError:
        shares = []
    if len(shares) != len(_SPLITS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise ConfigError("--fractions", fractions, "three shares with the sum 1, as 0.8,0.1,0.1")
    return {"fractionSplit": {f"{split}Fraction": share for split, share in zip(_SPLITS, shares, strict=True)}}


def show(kind: Kind, body: Mapping[str, Any], options: JobOptions) -> str:
    """Formats a job as YAML, below comments that say what to do with it.

    What gcloud takes of a custom job is its spec; name and labels are flags, and so they are comments. Of other jobs
    it is the whole.
    """
    place = options.cloud
    lines = []
    if kind is KINDS["jobs"]:
        labels = ",".join(f"{key}={value}" for key, value in body["labels"].items())
        command = f"gcloud ai custom-jobs create --project={place.project} --region={place.region}"
        lines.append(f"{command} --display-name={shlex.quote(body['displayName'])} --labels={labels} --config=FILE")
        content = body["jobSpec"]
    elif kind is KINDS["tuning"]:
        command = f"gcloud ai hp-tuning-jobs create --project={place.project} --region={place.region}"
        lines.append(f"{command} --display-name={shlex.quote(body['displayName'])} --config=FILE")
        content = body
    else:
        lines.append("gcloud has no command for training pipelines; as JSON this is what the API takes:")
        lines.append(f"POST https://{place.region}-aiplatform.googleapis.com/v1/{place.parent}/{kind.collection}")
        content = body
    if options.makes_package:
        lines.append(f"before: python -m trainer.vertex package, to {options.package_uri}")
    if options.experiment:
        lines.append(f"before: the context {options.experiment[1] or options.experiment[0]}, unless it is there")
    return "".join(f"# {line}\n" for line in lines) + requests.to_yaml(content)


def start(kind: Kind, message: Any, options: JobOptions, *, wait: bool) -> int:
    """Makes what a job needs, starts it, says so, and where asked waits.

    Returns:
        0.

    Raises:
        ConfigError: something is refused.
        CloudError: something failed, or the job did while it was waited for.
    """
    name = begin(kind, message, options)
    if not wait:
        return EXIT_OK
    return waiting.finish(kind, waiting.wait(kind, name, options.cloud), options.cloud)


def begin(kind: Kind, message: Any, options: JobOptions) -> str:
    """Makes what a job needs, starts it, and says so; returns the job's name.

    Raises:
        ConfigError: something is refused.
        CloudError: something failed.
    """
    where = options.cloud
    if options.makes_package and options.package_uri:
        sent = staging.upload(options.package_uri, where)
        say(f"{options.package_uri}: {'uploaded' if sent else 'there already'}")
    if options.experiment:
        experiments.ensure(where, *options.experiment)
    name = str(submit(kind, message, where).name)
    # The name alone on standard output, for scripts.
    print(name, flush=True)
    say(f"page: {kind.url(name)}")
    say(f"see:  {waiting.status_command(name, where)}")
    return name


def say(line: str) -> None:
    """Tells the person before the screen, beside what a script reads."""
    print(line, file=sys.stderr, flush=True)
