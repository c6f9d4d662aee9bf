"""The command line of `trainer.tune`."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import etl
from etl import interrupts
from etl.cli import Parser, local_path, number, show_line
from etl.errors import EXIT_OK, ConfigError, PetalstreamError
from etl.words import quantity
from trainer import layout, options
from trainer.config import MONITORS, TrainConfig
from trainer.data import load_manifest, resolve
from trainer.ingest.plan import num_cores
from trainer.tune import folder, results, search, spec
from trainer.tune.process import Process, inherit, share_cores
from trainer.tune.results import Result
from trainer.tune.spec import Spec

PROG = "trainer.tune"

_EPILOG = """\
What follows a bare -- goes to every trial: arguments of trainer.task, such as --data_dir DIR. They win over those in
the file. Each trial is a process of its own, DIR/trials/<number>/ is its output, log.txt in it what it said.

The same file makes a tuning job of Vertex AI: python -m trainer.vertex tune --config NAME.
"""

# What the tuner gives to every trial itself, or what would lead all of them into one folder.
_OWN_FLAGS = ("--overwrite", "--resume", "--model_dir", "--checkpoint_dir", "--log_dir")
_MAX_SEED = 2**32 - 1


class FinalTrainingError(PetalstreamError):
    """The training after the trials failed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    own, arguments = (given[: given.index("--")], given[given.index("--") + 1 :]) if "--" in given else (given, [])
    wanted = make_parser().parse_args(own)
    if wanted.resume and wanted.overwrite:
        raise ConfigError("--resume", True, "either --resume or --overwrite")
    search.check_installed()
    study = spec.load(spec.find(wanted.config))
    arguments = [*study.arguments, *arguments]
    output_dir = Path(wanted.output_dir)
    config = _check_arguments(study, arguments, output_dir)
    fingerprint = _check_data(config)
    num_threads = wanted.threads_per_trial or max(1, num_cores() // study.parallel_trials)
    at_once = _num_at_once(wanted.parallel_trials, study, num_threads)
    identity = _identify(study, config, wanted.seed, num_threads, fingerprint)
    hint = interrupts.hinting(lambda: "the same command with --resume goes on")
    with folder.locked(output_dir, resume=wanted.resume) as lock, hint:
        folder.prepare(output_dir, resume=wanted.resume, overwrite=wanted.overwrite)
        known = results.load(output_dir, identity)
        max_trials = max([wanted.max_trials or study.max_trials, *known])
        if study.num_combinations is not None:
            max_trials = min(max_trials, study.num_combinations)
        best = _tune(
            study,
            known,
            output_dir=output_dir,
            lock=lock,
            arguments=arguments,
            seed=wanted.seed,
            max_trials=max_trials,
            at_once=at_once,
            num_threads=num_threads,
            identity=identity,
        )
        if wanted.from_best_trial:
            _train_best(study, arguments, best, output_dir, num_threads, lock)
        folder.finish(output_dir)
    return EXIT_OK


def make_parser() -> Parser:
    """Makes the parser of this command's own options."""
    made = Parser(
        prog=PROG,
        usage=f"{PROG} --config NAME|FILE --output_dir DIR [options] -- --data_dir DIR [arguments of trainer.task]",
        description="Searches for better hyperparameters on this machine, by the file of a Vertex AI tuning job.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--config", required=True, metavar="NAME|FILE", help="YAML file of the study, or the name of one of ours"
    )
    made.add_argument(
        "--output_dir",
        type=local_path("--output_dir"),
        required=True,
        metavar="DIR",
        help="folder for the study and its trials",
    )
    made.add_argument(
        "--seed",
        type=number("--seed", int, minimum=0, maximum=_MAX_SEED, what=f"a whole number from 0 to {_MAX_SEED}"),
        default=0,
        metavar="N",
        help="of the search (default: 0); the trials' own is trainer.task's --seed",
    )
    _add_count(made, "--max_trials", "trials in all, in place of the file's maxTrialCount")
    _add_count(
        made,
        "--parallel_trials",
        "trials that run at once, at most and by default the file's parallelTrialCount; changes no result",
    )
    _add_count(
        made,
        "--threads_per_trial",
        "cores of each trial, which decide its last bits; by default this machine's divided by parallelTrialCount",
    )
    made.add_argument(
        "--resume",
        action="store_true",
        help="go on with the study that is in the folder: ended trials are kept, others go on from their backups",
    )
    made.add_argument(
        "--overwrite", action="store_true", help="replace the study that is in the folder once the new one is complete"
    )
    made.add_argument(
        "--from_best_trial",
        action="store_true",
        help="then train once more with the best trial's parameters, into DIR/best",
    )
    return made


def _add_count(made: argparse.ArgumentParser, name: str, what: str) -> None:
    kind = number(name, int, minimum=1, what="a whole number, 1 or more")
    made.add_argument(name, type=kind, metavar="N", help=what)


def _check_arguments(study: Spec, arguments: Sequence[str], output_dir: Path) -> TrainConfig:
    """Parses what the trials will be given, with each parameter at its bounds, before the first one is run.

    Returns:
        What all trials have in common; what is tuned has a value of its range.

    Raises:
        ConfigError: an argument is the tuner's, one doesn't parse, or the metric isn't the one that is reported.
    """
    from trainer.tune.study import trial_arguments

    for argument in arguments:
        if argument.split("=")[0] in _OWN_FLAGS:
            raise ConfigError(argument.split("=")[0], argument, "an argument that may be the same for all trials")
    untunable = ("output_dir", "data_dir", "config", "help")
    for parameter in study.parameters:
        if parameter.name in untunable or f"--{parameter.name}" in _OWN_FLAGS:
            raise ConfigError("parameterId", parameter.name, "a flag of trainer.task that can be tuned")
    first = {parameter.name: parameter.corners()[0] for parameter in study.parameters}
    variables = inherit({})
    config = options.parse(trial_arguments(study, arguments, first, output_dir), variables).config
    for parameter in study.parameters:
        for value in parameter.corners():
            given = trial_arguments(study, arguments, {**first, parameter.name: value}, output_dir)
            options.parse(given, variables)
    if study.metric != config.monitor:
        hint = f"add --monitor {study.metric} to the arguments" if study.metric in MONITORS else ""
        raise ConfigError("metricId", study.metric, f"{config.monitor}, which the trials report", hint)
    if study.is_maximised != MONITORS[config.monitor]:
        goal = "MAXIMIZE" if MONITORS[config.monitor] else "MINIMIZE"
        raise ConfigError("goal", "MAXIMIZE" if study.is_maximised else "MINIMIZE", f"{goal}, for {study.metric}")
    return config


def _check_data(config: TrainConfig) -> str:
    """Checks what every trial would check, and that there is something to judge by; returns the fingerprint."""
    data = resolve(config, load_manifest(config.data_dir))
    if "validation" not in data.num_examples:
        raise ConfigError("--data_dir", config.data_dir, "a data set with a validation split, by which trials compare")
    return data.fingerprint


def _num_at_once(given: int | None, study: Spec, num_threads: int) -> int:
    if given is not None and given > study.parallel_trials:
        raise ConfigError(
            "--parallel_trials",
            given,
            f"{study.parallel_trials} at most, the file's parallelTrialCount",
            "change it there: it decides how much is known when a trial is proposed",
        )
    return given or min(study.parallel_trials, max(1, num_cores() // num_threads))


def _identify(study: Spec, config: TrainConfig, seed: int, num_threads: int, fingerprint: str) -> dict[str, Any]:
    """Returns all that decides which trials there are and what comes of them."""
    tuned = {parameter.name for parameter in study.parameters}
    flags = {name: value for name, value in config.to_dict().items() if name not in (*tuned, "data_dir", "output_dir")}
    return {
        "name": study.name,
        "metric": study.metric,
        "goal": "MAXIMIZE" if study.is_maximised else "MINIMIZE",
        "algorithm": study.algorithm,
        "measurementSelectionType": study.selection,
        "parameters": {
            each.name: [each.kind, each.low, each.high, list(each.values), each.scale] for each in study.parameters
        },
        "stopping": None if study.stopping is None else repr(study.stopping),
        "parallelTrialCount": study.parallel_trials,
        "--seed of the search": seed,
        "--threads_per_trial": num_threads,
        "data set": fingerprint,
        "flags": {f"--{name}": value for name, value in flags.items()},
        "software": {"petalstream": etl.__version__, "optuna": importlib.metadata.version("optuna")},
    }


def _tune(study: Spec, known: Mapping[int, Result], **settings: Any) -> Result:
    """Runs the study, and shows it; returns the best trial.

    Raises:
        StudyFailedError: too many trials failed, or none was completed.
    """
    from trainer.tune import plot
    from trainer.tune.display import display, print_table
    from trainer.tune.schedule import StudyFailedError
    from trainer.tune.study import Settings, Study

    with display(study.metric, settings["max_trials"], len(known)) as shown:
        trials = Study(study, Settings(**settings), known, shown).run()
    best = results.find_best(trials, is_maximised=study.is_maximised)
    print_table(study, trials)
    if best is None:
        raise StudyFailedError(f"none of {quantity(len(trials), 'trial')} was completed")
    plot.draw(study, trials, settings["output_dir"] / folder.PLOT_NAME)
    flags = " ".join(parameter.flag(best.parameters[parameter.name]) for parameter in study.parameters)
    show_line(f"best: trial {best.trial}, {study.metric} {best.value:.4f}: {flags}")
    for name in (results.FILE_NAME, folder.PLOT_NAME):
        show_line(settings["output_dir"] / name)
    return best


def _train_best(
    study: Spec, arguments: Sequence[str], best: Result, output_dir: Path, num_threads: int, lock: int
) -> None:
    """Trains with the best trial's parameters, on as many threads: to the same bits, if it's as long.

    Raises:
        FinalTrainingError: it failed.
    """
    from trainer.tune.study import trial_arguments

    best_dir = output_dir / folder.BEST_NAME
    mark = best_dir / folder.BEST_TRIAL_NAME
    content = (json.dumps({"trial": best.trial}) + "\n").encode()
    is_same = mark.exists() and mark.read_bytes() == content
    all_arguments = trial_arguments(study, arguments, best.parameters, best_dir)
    if not is_same:
        all_arguments.append("--overwrite")
        folder.remove(best_dir / layout.CHECKPOINT_NAME)
        best_dir.mkdir(parents=True, exist_ok=True)
        mark.write_bytes(content)
    show_line(f"trial {best.trial} once more, into {best_dir}")
    process = Process(all_arguments, share_cores(num_threads)[0], None, best_dir, lock)
    try:
        code = process.wait()
    finally:
        process.stop()
        process.wait()
    if code:
        raise FinalTrainingError(f"the training with the best trial's parameters failed: exit code {code}")
