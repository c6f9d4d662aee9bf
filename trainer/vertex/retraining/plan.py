"""Plans the training of a run of `retrain`: the job, its data, and the folder of its model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etl.errors import ConfigError
from trainer.vertex.api import options
from trainer.vertex.api.calls import Call
from trainer.vertex.api.kinds import KINDS, Kind
from trainer.vertex.api.options import Cloud
from trainer.vertex.deployment import options as deployment
from trainer.vertex.retraining import automl
from trainer.vertex.training import flags, job_options, jobs, specs
from trainer.vertex.training.job_options import JobOptions

DEVELOP, PRODUCTION = "develop", "production"
_CONFIGS: Mapping[str, str] = {DEVELOP: "cpu", PRODUCTION: "gpus"}
# Enough to see each step work, and cheap.
_DEVELOP_ARGS = ("--num_epochs=2", "--num_training_examples=512")
_DEVELOP_MACHINE = "e2-standard-4"
_DEVELOP_TIMEOUT = "3600s"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does.

    Attributes:
        name: Display name of its job.
        kind: Of its job.
        job: The job's body.
        job_options: What the job needs first; None for AutoML.
        output_dir: `gs://` folder of what it leaves; "" for AutoML.
        data_dir: `gs://` folder of the data set; "" where it is a managed one.
    """

    name: str
    kind: Kind
    job: Mapping[str, Any]
    job_options: JobOptions | None = None
    output_dir: str = ""
    data_dir: str = ""

    def to_call(self, cloud: Cloud) -> Call:
        """Returns the call that starts the job."""
        method, field = ("createTrainingPipeline", "trainingPipeline")
        if self.kind is KINDS["jobs"]:
            method, field = ("createCustomJob", "customJob")
        return Call(method, {"parent": cloud.parent, field: self.job}, f"starting the {self.kind.what} {self.name}")


def plan_training(arguments: argparse.Namespace, cloud: Cloud) -> Plan:
    """Plans the training of a model of ours, in a folder of the run's own.

    Args:
        arguments: Of `retrain`, with the run's name in `run_id` and `display_name`.
        cloud: Where.

    Raises:
        ConfigError: a flag of the job or of the trainer, before anything is sent.
    """
    base = arguments.base_output_dir or arguments.staging_bucket
    if base is None:
        raise ConfigError("--base_output_dir", None, "a gs:// folder; a run gets one of its name in it")
    arguments.base_output_dir = f"{options.check_gcs('--base_output_dir', base)}/{arguments.run_id}"
    spec = specs.load(arguments.config or _CONFIGS[arguments.mode])
    # A run that was broken off goes on from its checkpoint.
    trainer_args = ["--resume", *arguments.trainer_args]
    if arguments.mode == DEVELOP:
        # Before the operator's own, which win.
        trainer_args = [*_DEVELOP_ARGS, *trainer_args]
        if arguments.config is None:
            spec["workerPoolSpecs"][0]["machineSpec"] = {"machineType": _DEVELOP_MACHINE}
            spec["scheduling"] = {"timeout": _DEVELOP_TIMEOUT}
    read = job_options.read(arguments, cloud, spec, deployment.NAME)
    made = job_options.complete(spec, arguments, read, trainer_args)
    for args in specs.args_of(made):
        flags.check(args, has_dataset=False, has_output=True)
    given = flags.values(trainer_args)
    for name in ("output_dir", "job-dir", "model_dir"):
        if name in given:
            raise ConfigError(f"--{name}", given[name], "--base_output_dir before the --, in which a run has a folder")
    return Plan(
        arguments.display_name,
        KINDS["jobs"],
        jobs.custom_job_body(made, read),
        read,
        str(made["baseOutputDirectory"]["outputUriPrefix"]),
        options.check_gcs("--data_dir", given.get("data_dir", "")),
    )


def plan_automl(arguments: argparse.Namespace, cloud: Cloud) -> Plan:
    """Plans the training of AutoML's model.

    Raises:
        ConfigError: options that don't go together.
    """
    if arguments.trainer_args:
        raise ConfigError("--automl", arguments.trainer_args[0], "no flags of trainer.task, which it doesn't run")
    pipeline = automl.make_pipeline(arguments, cloud, arguments.display_name, arguments.model_name)
    return Plan(arguments.display_name, KINDS["pipelines"], pipeline)
