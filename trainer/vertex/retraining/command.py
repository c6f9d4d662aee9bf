"""`python -m trainer.vertex retrain`: data set, training, evaluation, endpoint and deployment, for a scheduler.

A run has a name. What it has done already is found again under that name, so the same command goes on where an earlier
one ended, wherever that was.
"""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timezone
from typing import Any

from etl.cli import Parser, number
from etl.errors import EXIT_OK, ConfigError
from etl.format.layout import MANIFEST_NAME
from etl.format.parsing import is_count, parse_json
from etl.words import quantity
from trainer.layout import EVALUATION_NAME, MODEL_NAME, SAVED_MODEL_FILE
from trainer.vertex.api import options, requests, waiting
from trainer.vertex.api.buckets import Buckets
from trainer.vertex.api.calls import Session, print_calls
from trainer.vertex.api.failures import CloudError
from trainer.vertex.api.kinds import KINDS
from trainer.vertex.api.options import Cloud
from trainer.vertex.api.submission import submit
from trainer.vertex.deployment import artifacts, endpoints, rollout
from trainer.vertex.deployment import options as deployment
from trainer.vertex.deployment.command import say, show_endpoint
from trainer.vertex.deployment.rollout import DesiredDeployment
from trainer.vertex.retraining import automl, comparison
from trainer.vertex.retraining.comparison import Score
from trainer.vertex.retraining.plan import DEVELOP, PRODUCTION, Plan, plan_automl, plan_training
from trainer.vertex.training import experiments, job_options, specs, staging

# Trained and evaluated, and not deployed since the deployed model is better.
EXIT_NOT_DEPLOYED = 3

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def add_arguments(parser: Parser) -> None:
    """Adds the command's options."""
    run_group = parser.add_argument_group("run")
    run_group.add_argument(
        "--mode",
        choices=(DEVELOP, PRODUCTION),
        default=DEVELOP,
        help="develop: 2 epochs of 512 photographs on one small machine, names that end in -develop, and waits; "
        "production: everything, on GPUs, and waits only with --wait",
    )
    run_group.add_argument(
        "--run_id",
        metavar="NAME",
        help="name of the run: the same again goes on with it; default: the time, where the command waits",
    )
    run_group.add_argument(
        "--tolerance",
        type=number("--tolerance", float, minimum=0, what="a number from 0"),
        default=0.0,
        metavar="N",
        help="by how much the new model's test metric may be worse",
    )
    run_group.add_argument("--force", action="store_true", help="deploy whatever the comparison says")
    run_group.add_argument(
        "--config", metavar="NAME", help=f"what to train on, as in train: {', '.join(specs.CONFIGS)}, or a YAML file"
    )
    job_options.add_job_arguments(parser)
    automl.add_arguments(parser)
    deployment.add_arguments(parser, prefix="serving_")
    parser.set_defaults(endpoint=None, model_name=None)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command.

    Returns:
        0: deployed, or under way where it doesn't wait; 3: trained, and not deployed since it is worse.

    Raises:
        ConfigError: the operator's mistake.
        CloudError: a step failed.
    """
    cloud = options.cloud(arguments)
    _set_names(arguments)
    desired = deployment.read_desired_deployment(arguments, cloud)
    plan = plan_automl(arguments, cloud) if arguments.automl else plan_training(arguments, cloud)
    if arguments.dry_run:
        calls = [plan.to_call(cloud)]
        if not arguments.automl:
            artifact = artifacts.Artifact(f"{plan.output_dir}/{MODEL_NAME}", artifacts.UNKNOWN_DIGEST)
            calls += rollout.preview(cloud, desired, artifact)
            print(rollout.preview_note(desired), end="")
        print_calls(calls)
        return EXIT_OK
    waits = arguments.wait or arguments.mode == DEVELOP
    if arguments.automl:
        return _run_automl(plan, cloud, waits=waits)
    # Before hours of training.
    rollout.check(cloud, desired)
    session, store = Session(cloud, deployment.timeout_seconds(arguments)), Buckets(cloud)
    _check_dataset(store, plan.data_dir)
    old = _find_deployed(session, store, desired)
    if not _train(plan, store, cloud, waits=waits):
        return EXIT_OK
    score = _read_evaluation(store, plan.output_dir)
    if not _may_deploy(score, old, arguments.tolerance, force=arguments.force):
        return EXIT_NOT_DEPLOYED
    artifact = artifacts.inspect(store, f"{plan.output_dir}/{MODEL_NAME}")
    result = rollout.roll_out(session, desired, artifact, say)
    show_endpoint(session.send(endpoints.get_call(result.endpoint)))
    return EXIT_OK


def _set_names(arguments: argparse.Namespace) -> None:
    """Fills in what depends on the mode, and the run's name."""
    suffix = f"-{DEVELOP}" if arguments.mode == DEVELOP else ""
    for name in ("endpoint", "model_name"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, f"{deployment.NAME}{suffix}")
    if arguments.run_id is None:
        if arguments.mode == PRODUCTION and not arguments.wait:
            hint = "--wait waits for the training and needs none"
            raise ConfigError("--run_id", None, "a name for the run, with which the next call goes on", hint)
        arguments.run_id = f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S}"
    if not _RUN_ID.fullmatch(arguments.run_id):
        raise ConfigError("--run_id", arguments.run_id, "lower-case letters, digits, dots, dashes, 63 at most")
    if arguments.display_name is not None:
        raise ConfigError("--display_name", arguments.display_name, "--run_id, after which the job is called")
    arguments.display_name = f"{arguments.model_name}-{arguments.run_id}"


def _run_automl(plan: Plan, cloud: Cloud, *, waits: bool) -> int:
    """Trains AutoML's model, and leaves its deployment, which has no metric of ours, to a person."""
    job = _find_or_start(plan, cloud)
    if waits:
        job = waiting.wait(plan.kind, job.name, cloud)
        waiting.finish(plan.kind, job, cloud)
        say("not deployed: AutoML has metrics of its own; the model's page shows them, and deploys it")
    return EXIT_OK


def _check_dataset(store: Buckets, data_dir: str) -> None:
    """Checks before anything is paid for that there is a data set, and one that can be tested on."""
    uri = f"{data_dir}/{MANIFEST_NAME}"
    text = store.read_text(uri)
    if text is None:
        raise ConfigError("--data_dir", data_dir, "a data set of etl.run", f"there is no {uri}")
    try:
        content = parse_json(text, allow_nan=True)
        splits = {split for variant in content["variants"].values() for split in variant["splits"]}
        name, counts = content["dataset"], content["counts"]["written"]
        if not is_count(counts):
            raise TypeError(f"{counts!r:.80} is no count")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError("--data_dir", data_dir, f"a data set of etl.run, and {uri} is none") from error
    if "test" not in splits:
        raise ConfigError("--data_dir", data_dir, "a data set with a test split", "models are compared on it")
    say(f"data set: {name}, {quantity(counts, 'image')}, {data_dir}")


def _find_deployed(session: Session, store: Buckets, desired: DesiredDeployment) -> tuple[str, Score | None] | None:
    """Looks at what the new model will be compared with, before it is trained."""
    endpoint = endpoints.find(session, "--endpoint", desired.endpoint)
    old = None if endpoint is None else comparison.find_deployed(session, store, endpoint)
    say("deployed: nothing yet" if old is None else f"deployed: {old[0]}, test {old[1] or 'metric not known'}")
    return old


def _train(plan: Plan, store: Buckets, cloud: Cloud, *, waits: bool) -> bool:
    """Trains, or finds that it is done; returns whether it is."""
    # What a run leaves last.
    if any(entry.name == f"{MODEL_NAME}/{SAVED_MODEL_FILE}" for entry in store.entries(plan.output_dir)):
        say(f"training: done already, {plan.output_dir}")
        return True
    job = _find_or_start(plan, cloud)
    if not waits and waiting.state_of(job) not in waiting.ENDED:
        say("training: under way; the same command later goes on with it")
        return False
    job = waiting.wait(plan.kind, job.name, cloud)
    waiting.finish(plan.kind, job, cloud)
    return True


def _find_or_start(plan: Plan, cloud: Cloud) -> Any:
    """Finds the run's job, unless it ended badly, or starts it."""
    for job in plan.kind.find(cloud, f'display_name="{plan.name}"'):
        if waiting.state_of(job) not in waiting.ENDED or waiting.state_of(job) == waiting.SUCCEEDED:
            say(f"training: found {job.name}, {waiting.state_of(job)}")
            return job
    message = requests.parse("CustomJob" if plan.kind is KINDS["jobs"] else "TrainingPipeline", plan.job)
    if plan.job_options and plan.job_options.makes_package and plan.job_options.package_uri:
        sent = staging.upload(plan.job_options.package_uri, cloud)
        say(f"package: {plan.job_options.package_uri}, {'uploaded' if sent else 'there already'}")
    if plan.job_options and plan.job_options.experiment:
        experiments.ensure(cloud, *plan.job_options.experiment)
    job = submit(plan.kind, message, cloud)
    say(f"training: started {job.name}\npage: {plan.kind.url(job.name)}")
    return job


def _read_evaluation(store: Buckets, output_dir: str) -> Score:
    """Reads what the new model was measured at.

    Raises:
        CloudError: the training left none.
    """
    evaluation = artifacts.read_evaluation(store, f"{output_dir}/{MODEL_NAME}")
    score = comparison.read_score(evaluation or {})
    if score is None:
        raise CloudError(f"the training left no {output_dir}/{EVALUATION_NAME} with a metric; nothing was deployed")
    say(f"trained: test {score}")
    return score


def _may_deploy(new: Score, old: tuple[str, Score | None] | None, tolerance: float, *, force: bool) -> bool:
    """Compares, and says what comes of it."""
    if old is None:
        return True
    name, score = old
    if score is None:
        line = f"what {name} was measured at isn't known"
        say(f"compared: {line}; deployed all the same" if force else f"not deployed: {line}; --force deploys it")
        return force
    if not comparison.is_comparable(new, score):
        say(f"note: {name} was measured on another data set")
    good = comparison.is_not_worse(new, score, tolerance)
    words = f"{new} against {score} of {name}"
    if good:
        say(f"compared: not worse, {words}")
    else:
        say(f"compared: worse, {words}; deployed all the same" if force else f"not deployed: worse, {words}")
    return good or force
