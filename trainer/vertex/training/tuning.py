"""`tune`: a hyperparameter tuning job from a YAML file, and a last training with what it found."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from etl.cli import Parser, number
from etl.errors import EXIT_OK, ConfigError
from trainer.vertex.api import naming, requests, waiting
from trainer.vertex.api.kinds import KINDS, require
from trainer.vertex.api.options import Cloud, cloud
from trainer.vertex.training import flags, job_options, jobs, specs, trials
from trainer.vertex.training.job_options import JobOptions
from trainer.vertex.training.trials import Study

# On a job that goes on where another has ended, that one's number.
RESUMED_LABEL = "resumed_from"

_DEFAULT_NAME = "petalstream-tune"
_PREFIX = "tune_"


def add_arguments(parser: Parser) -> None:
    """Adds the options of `tune`."""
    parser.add_argument(
        "--config",
        metavar="NAME",
        help=f"the study: {', '.join(_config_names())}, or a YAML file as gcloud ai hp-tuning-jobs create takes it",
    )
    parser.add_argument("--max_trials", type=_count("--max_trials"), metavar="N", help="trials in all")
    parser.add_argument("--parallel_trials", type=_count("--parallel_trials"), metavar="N", help="trials at a time")
    parser.add_argument(
        "--resume_from",
        metavar="JOB",
        help="tuning job to go on from: what trials are left look around its best ones (the service resumes no study)",
    )
    parser.add_argument(
        "--from_best_trial",
        metavar="JOB",
        help="no study: train once more, with the parameters of a tuning job's best trial",
    )
    job_options.add_job_arguments(parser)


def _count(field: str) -> Any:
    return number(field, int, minimum=1, what="a whole number, 1 or more")


def _config_names() -> list[str]:
    return sorted(path.stem for path in specs.CONFIGS_DIR.glob(f"{_PREFIX}*.yaml"))


def run(arguments: argparse.Namespace) -> int:
    """Starts a study or the training after it, or prints what would be sent."""
    where = cloud(arguments)
    if arguments.from_best_trial:
        return _train_best(arguments, where)
    if arguments.config is None:
        raise ConfigError("--config", None, "a value", "or --from_best_trial JOB")
    content = load(arguments.config)
    earlier: list[Study] = []
    if arguments.resume_from:
        earlier = fetch(arguments.resume_from, where, "--resume_from")
        content = resume(content, earlier, arguments.max_trials)
    elif arguments.max_trials:
        content["maxTrialCount"] = arguments.max_trials
    if arguments.parallel_trials:
        content["parallelTrialCount"] = arguments.parallel_trials
    spec = content["trialJobSpec"]
    options = job_options.read(arguments, where, spec, content.get("displayName") or _DEFAULT_NAME)
    made = job_options.complete(spec, arguments, options, arguments.trainer_args)
    check_flags(content, made)
    body = tuning_body(content, made, options)
    message = requests.parse("HyperparameterTuningJob", body)
    if arguments.dry_run:
        print(jobs.show(KINDS["tuning"], body, options), end="")
        return EXIT_OK
    if not arguments.wait:
        return jobs.start(KINDS["tuning"], message, options, wait=False)
    name = jobs.begin(KINDS["tuning"], message, options)
    return finish(name, where, earlier)


def load(config: str) -> dict[str, Any]:
    """Loads a study.

    Args:
        config: Name of a configuration that comes with the package, `tune_` left out or not, or a YAML file of the form
            that `gcloud ai hp-tuning-jobs create --config` takes.

    Raises:
        ConfigError: there is none, or it is no HyperparameterTuningJob.
    """
    from pathlib import Path

    names = {f"{_PREFIX}{config.removeprefix(_PREFIX)}"} & set(_config_names())
    path = specs.CONFIGS_DIR / f"{names.pop()}.yaml" if names else Path(config)
    if not path.is_file():
        raise ConfigError("--config", config, f"one of {', '.join(_config_names())}, or a YAML file")
    content = specs.read_yaml(path)
    requests.parse("HyperparameterTuningJob", content)
    study = content.get("studySpec", {})
    for field in ("metrics", "parameters"):
        if not study.get(field):
            raise ConfigError(f"studySpec.{field}", study.get(field), "one at least")
    specs.check(content.get("trialJobSpec", {}), "trialJobSpec.workerPoolSpecs")
    return content


def tuning_body(content: Mapping[str, Any], spec: Mapping[str, Any], options: JobOptions) -> dict[str, Any]:
    """Returns the HyperparameterTuningJob of a study and its complete trial spec."""
    return {
        **content,
        "displayName": options.display_name,
        "maxTrialCount": content.get("maxTrialCount", 1),
        "parallelTrialCount": content.get("parallelTrialCount", 1),
        "trialJobSpec": dict(spec),
        "labels": {**content.get("labels", {}), **options.labels},
    }


def check_flags(content: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """Checks the trainer's flags, those of the parameters at both ends of their ranges.

    Raises:
        ConfigError: the trainer doesn't take them.
    """
    parameters = content["studySpec"]["parameters"]
    for args in specs.args_of(spec):
        for end in (0, 1):
            tuned = [f"--{each.get('parameterId', '')}={trials.extremes(each)[end]}" for each in parameters]
            flags.check([*args, *tuned], has_dataset=False, has_output="baseOutputDirectory" in spec)


def fetch(given: str, where: Cloud, field: str) -> list[Study]:
    """Fetches a tuning job, and those that it went on from, the newest first.

    Raises:
        ConfigError: there is none.
    """
    kind, name = require(field, given, ("tuning",), where)
    found = [Study(requests.to_dict(kind.get(name, where)))]
    while True:
        before = found[-1].job.get("labels", {}).get(RESUMED_LABEL)
        seen = {study.job["name"].rsplit("/", 1)[-1] for study in found}
        if not before or before in seen:
            return found
        found.append(Study(requests.to_dict(kind.get(where.name(kind.collection, before), where))))


def resume(content: Mapping[str, Any], earlier: Sequence[Study], max_trials: int | None) -> dict[str, Any]:
    """Returns a study that goes on from another one.

    Args:
        content: The study, as its file has it.
        earlier: The one to go on from, and those before it.
        max_trials: Trials in all, those done included; None for what the file says.

    Raises:
        ConfigError: it tunes something else, or has no trials left.
    """
    last = earlier[0]
    new = Study({**content, "name": ""})
    names = [[parameter["parameterId"] for parameter in study.parameters] for study in (last, new)]
    if last.metric != new.metric or sorted(names[0]) != sorted(names[1]):
        expected = f"a study of {new.metric} over {', '.join(names[1])}"
        raise ConfigError("--resume_from", last.job["name"], expected)
    total = max_trials or int(content.get("maxTrialCount", 1))
    done = sum(len(study.trials) for study in earlier)
    if total <= done:
        raise ConfigError("--max_trials", total, f"more than the {done} trials that there were", "they count as well")
    labels = {**content.get("labels", {}), RESUMED_LABEL: last.job["name"].rsplit("/", 1)[-1]}
    study_spec = {**content["studySpec"], "parameters": trials.narrow(last)}
    return {**content, "studySpec": study_spec, "maxTrialCount": total - done, "labels": labels}


def finish(name: str, where: Cloud, earlier: Sequence[Study]) -> int:
    """Waits for a study, and shows its trials, also where it fails."""
    kind = KINDS["tuning"]
    job = waiting.wait(kind, name, where, progress=describe_progress)
    trials.print_trials(Study(requests.to_dict(job)), earlier)
    return waiting.finish(kind, job, where)


def describe_progress(job: Any) -> str:
    """Says how far a study is: `3 of 12 trials, best accuracy 0.8312`."""
    study = Study(requests.to_dict(job))
    ended = [trial for trial in study.trials if trial.get("state") in ("SUCCEEDED", "INFEASIBLE", "STOPPED")]
    ranked = study.ranked()
    best = f", best {study.metric} {study.score(ranked[0]):.4f}" if ranked else ""
    return f"{len(ended)} of {job.max_trial_count} trials{best}" if ended else ""


def _train_best(arguments: argparse.Namespace, where: Cloud) -> int:
    """Trains once more with the best trial's parameters, on what the trials ran on."""
    for field in ("config", "resume_from", "max_trials", "parallel_trials"):
        if getattr(arguments, field) is not None:
            raise ConfigError(f"--{field}", getattr(arguments, field), "no such option beside --from_best_trial")
    studies = fetch(arguments.from_best_trial, where, "--from_best_trial")
    study, trial = trials.best_of(studies)
    spec = dict(study.job["trialJobSpec"])
    output_dir = spec.pop("baseOutputDirectory", {}).get("outputUriPrefix")
    if arguments.base_output_dir is None and output_dir:
        arguments.base_output_dir = f"{output_dir.rstrip('/')}/best"
    default_name = f"{study.job['displayName'][:80]}-best"
    options = job_options.read(arguments, where, spec, default_name)
    made = job_options.complete(spec, arguments, options, [*study.flags(trial), *arguments.trainer_args])
    for args in specs.args_of(made):
        flags.check(args, has_dataset=False, has_output="baseOutputDirectory" in made)
    body = jobs.custom_job_body(made, options)
    message = requests.parse("CustomJob", body)
    best = f"trial {trial['id']} of {naming.last(study.job['name'])}, {study.metric} {study.score(trial):.4f}"
    if arguments.dry_run:
        print(f"# {best}\n{jobs.show(KINDS['jobs'], body, options)}", end="")
        return EXIT_OK
    jobs.say(f"{best}: {' '.join(study.flags(trial))}")
    return jobs.start(KINDS["jobs"], message, options, wait=arguments.wait)
