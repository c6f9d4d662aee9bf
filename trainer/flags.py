"""The trainer's flags: one parser of all of them, with their help."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from etl.cli import Parser, is_digits, number, parse_size
from etl.errors import ConfigError
from trainer import environment
from trainer.config import DISTRIBUTIONS, LRATE_DECAYS, MONITORS, RESIZES, SERVING_FORMATS, SERVING_INPUTS, TrainConfig
from trainer.ingest.config import SHARES
from trainer.models import HYPERPARAMETERS, MODELS

PROG = "trainer.task"


def make_parser() -> Parser:
    """Makes the parser of all flags."""
    summaries = "; ".join(f"{name}: {spec.summary}" for name, spec in MODELS.items())
    # None stands for "not given", which is how a flag that the model doesn't take is told from one left out.
    parser = Parser(
        prog=PROG,
        description="Trains a model on a data set of etl.run, evaluates it, and exports one that takes photographs.",
        epilog="A $NAME is an environment variable that training services set; it holds where its flag is not given.",
        formatter_class=argparse.HelpFormatter,
    )
    _add_files(parser.add_argument_group("files"))
    _add_data(parser.add_argument_group("data"))
    _add_training(parser.add_argument_group("training"), summaries)
    _add_machine(parser.add_argument_group("machine"))
    _add_hyperparameters(parser.add_argument_group("hyperparameters"))
    return parser


def _add_files(files: argparse._ArgumentGroup) -> None:
    files.add_argument(
        "--data_dir",
        metavar="DIR",
        help="folder of the data set, with its manifest, or JSON lines of a managed one "
        f"(${environment.TRAINING_DATA})",
    )
    files.add_argument(
        "--output_dir",
        "--job-dir",
        metavar="DIR",
        help=f"folder for the model and all about it, local or gs://... (what is around ${environment.MODEL_DIR})",
    )
    files.add_argument(
        "--model_dir",
        metavar="DIR",
        help=f"for the exported model (${environment.MODEL_DIR}, else model in --output_dir)",
    )
    files.add_argument(
        "--checkpoint_dir",
        metavar="DIR",
        help=f"for an unfinished run's backups (${environment.CHECKPOINT_DIR}, else backup in --output_dir)",
    )
    files.add_argument(
        "--log_dir",
        metavar="DIR",
        help=f"for TensorBoard's files (${environment.LOG_DIR}; with --tensorboard alone, tensorboard in --output_dir)",
    )
    files.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the model in --output_dir, once the new one is done; begin an unfinished run anew",
    )
    files.add_argument(
        "--resume",
        action="store_true",
        help="go on from the backup in --output_dir, exactly; start anew where there is none; do nothing where the run "
        "is finished, but for more --num_epochs or for what it lacks",
    )
    files.add_argument(
        "--config", metavar="FILE", help="YAML file with any of these flags (num_epochs: 5); those given here win"
    )
    files.add_argument(
        "--init_from", metavar="MODEL", help="go on from the weights of another run: its folder, or a .keras file"
    )
    files.add_argument(
        "--serving_input",
        choices=SERVING_INPUTS,
        help=f"what the exported model takes by default ({SERVING_INPUTS[0]})",
    )
    files.add_argument(
        "--serving_formats",
        choices=SERVING_FORMATS,
        help="which image files the exported graph itself takes: JPEG, PNG, BMP and simple WebP (standard), or also "
        "plain AVIF, TIFF and JPEG 2000, with tensorflow-io on TensorFlow 2.16 (extra)",
    )


def _add_data(data: argparse._ArgumentGroup) -> None:
    data.add_argument("--variant", help="which variant of the data set; not needed where only one fits the model")
    data.add_argument(
        "--image_size",
        type=parse_size,
        metavar="SIZE",
        help="what the model takes: 224, or height x width as 224x320; default: the size that the data is stored in",
    )
    data.add_argument(
        "--resize",
        choices=RESIZES,
        help="how images are brought to that size (default: as the data set was written, else pad)",
    )
    data.add_argument(
        "--random_crop", action="store_true", help="train on a random window of each image in place of the whole"
    )
    data.add_argument("--pattern", help="train on some shards only: -0000[0-3]-of-* are the first four")
    _add_number(
        data,
        "batch_size",
        int,
        f"images a step, on all devices together (default: {_models_default('batch_size')})",
        "N",
    )
    _add_number(
        data,
        "num_training_examples",
        int,
        "examples of an epoch, over which the split is repeated (default: the split once)",
        "N",
    )


def _add_training(training: argparse._ArgumentGroup, summaries: str) -> None:
    training.add_argument("--model", choices=MODELS, help=f"{summaries} (default: {_default('model')})")
    _add_number(training, "num_epochs", int, f"epochs (default: {_models_default('num_epochs')})", "N")
    _add_number(
        training, "lrate", float, f"Adam's learning rate at the start (default: {_models_default('lrate')})", "RATE"
    )
    training.add_argument(
        "--lrate_decay",
        choices=LRATE_DECAYS,
        help=f"along a cosine to 0 at the last step, or not at all (default: {_models_default('lrate_decay')})",
    )
    training.add_argument(
        "--monitor",
        choices=MONITORS,
        help="what says, on the validation split, which epoch's model is kept (default: accuracy where there is one); "
        "the loss is the data's, without penalties on weights",
    )
    _add_number(training, "patience", int, "stop after that many epochs without a better one", "N")
    _add_number(training, "seed", int, "of all that is drawn", "N")


def _add_machine(machine: argparse._ArgumentGroup) -> None:
    machine.add_argument(
        "--distribute",
        choices=DISTRIBUTIONS,
        help=f"what to run on (default: {_default('distribute')}: several machines where TF_CONFIG says so, else a "
        "TPU, else all GPUs, else the CPU)",
    )
    machine.add_argument(
        "--share",
        choices=SHARES,
        help="how several workers divide an epoch: each a range of its own, or each its part of every batch "
        f"(default: {_default('share')})",
    )
    machine.add_argument(
        "--data_service",
        metavar="ADDRESS",
        help="take the training batches from the tf.data service whose dispatcher is at grpc://HOST:PORT (python -m "
        "trainer.ingest.service): each example once an epoch, in no fixed order; --resume goes on at an epoch's end",
    )
    _add_number(machine, "steps_per_execution", int, "steps that run without coming back to Python", "N")
    _add_number(machine, "backup_steps", int, "steps between two backups for --resume (default: one an epoch)", "N")
    machine.add_argument("--tensorboard", action="store_true", help="write event files for TensorBoard")
    machine.add_argument(
        "--profile_steps", type=_parse_steps, metavar="FIRST,LAST", help="steps to profile for TensorBoard, as 10,20"
    )


def _add_hyperparameters(shape: argparse._ArgumentGroup) -> None:
    for name, rule in HYPERPARAMETERS.items():
        takers = [
            f"{model} {rule.show(spec.hyperparameters[name])}"
            for model, spec in MODELS.items()
            if name in spec.hyperparameters
        ]
        shape.add_argument(
            f"--{name}", type=rule.parse, metavar=rule.metavar, help=f"{rule.what} (default: {', '.join(takers)})"
        )


def _parse_steps(text: str) -> tuple[int, int]:
    """Parses the first and the last of some steps."""
    first, separator, last = text.partition(",")
    if not (separator and is_digits(first) and is_digits(last)):
        raise ConfigError("--profile_steps", text, "first,last: two steps, counted from 1, as in 10,20")
    return int(first), int(last)


def _models_default(name: str) -> str:
    """Returns the models' own defaults of a flag, in words."""
    values = [getattr(spec, name) for spec in MODELS.values()]
    usual = max(values, key=values.count)
    others = [f"{model} {value}" for model, value in zip(MODELS, values, strict=True) if value != usual]
    return ", ".join([str(usual), *others])


def _add_number(
    group: argparse._ArgumentGroup, name: str, kind: type[int] | type[float], what: str, metavar: str
) -> None:
    """Adds the flag of a number; its range is `TrainConfig`'s to check."""
    default = _default(name)
    words = "a whole number" if kind is int else "a number"
    group.add_argument(
        f"--{name}",
        type=number(f"--{name}", kind, what=words),
        metavar=metavar,
        help=what if default is None else f"{what} (default: {default:g})",
    )


def _default(name: str) -> Any:
    return next(field.default for field in dataclasses.fields(TrainConfig) if field.name == name)
