"""The trainer's command line and its YAML file: flags to a `TrainConfig`."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl.cli import Parser, number, parse_size, unknown_option
from etl.errors import ConfigError, one_line
from trainer.config import LRATE_DECAYS, MONITORS, RESIZES, TrainConfig
from trainer.models import HYPERPARAMETERS, MODELS

PROG = "trainer.task"

# The part of a run's own config.yaml that no flag sets: facts about the data and the machine. It is read over, so that
# such a file can be given to --config.
RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command line: the configuration, and whether a model that is there may be replaced."""

    config: TrainConfig
    overwrite: bool


def parser() -> Parser:
    """Makes the parser of all flags."""
    summaries = "; ".join(f"{name}: {spec.summary}" for name, spec in MODELS.items())
    # None stands for "not given", which is how a flag that the model doesn't take is told from one left out.
    made = Parser(
        prog=PROG,
        description="Trains a model on a data set of etl.run, evaluates it, and exports one that takes photographs.",
        formatter_class=argparse.HelpFormatter,
    )
    files = made.add_argument_group("files")
    files.add_argument("--data_dir", required=True, metavar="DIR", help="folder of the data set, with its manifest")
    files.add_argument("--output_dir", required=True, metavar="DIR", help="folder for the model and all about it")
    files.add_argument(
        "--overwrite", action="store_true", help="replace the model in --output_dir, once the new one is done"
    )
    files.add_argument(
        "--config", metavar="FILE", help="YAML file with any of these flags (num_epochs: 5); those given here win"
    )
    data = made.add_argument_group("data")
    data.add_argument("--variant", help="which variant of the data set; not needed where it has only one")
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
    _add(data, "batch_size", int, "images a step", "N")
    training = made.add_argument_group("training")
    training.add_argument("--model", choices=MODELS, help=f"{summaries} (default: {_default('model')})")
    _add(training, "num_epochs", int, "passes over the training split", "N")
    rates = ", ".join(f"{name} {spec.lrate:g}" for name, spec in MODELS.items())
    _add(training, "lrate", float, f"Adam's learning rate at the start (default: {rates})", "RATE")
    training.add_argument(
        "--lrate_decay",
        choices=LRATE_DECAYS,
        help=f"along a cosine to 0 at the last step, or not at all (default: {_default('lrate_decay')})",
    )
    training.add_argument(
        "--monitor",
        choices=MONITORS,
        help=f"what says, on the validation split, which epoch's model is kept (default: {_default('monitor')})",
    )
    _add(training, "patience", int, "stop after that many epochs without a better one", "N")
    _add(training, "seed", int, "of all that is drawn", "N")
    shape = made.add_argument_group("hyperparameters")
    for name, rule in HYPERPARAMETERS.items():
        takers = [
            f"{model} {spec.hyperparameters[name]:g}" for model, spec in MODELS.items() if name in spec.hyperparameters
        ]
        shape.add_argument(
            f"--{name}",
            type=number(f"--{name}", rule.kind, what=rule.what),
            metavar="N" if rule.kind is int else "X",
            help=f"{rule.what} (default: {', '.join(takers)})",
        )
    return made


def parse(argv: Sequence[str]) -> Command:
    """Parses a whole command line, and the YAML file that it may name.

    Raises:
        ConfigError: whatever is wrong with either, before any work starts.
    """
    known = parser()
    arguments = known.parse_args([*_config_file_arguments(argv, known), *argv])
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    config = TrainConfig(
        **{name: value for name, value in given.items() if name in fields},
        hyperparameters={name: value for name, value in given.items() if name in HYPERPARAMETERS},
    )
    return Command(config, arguments.overwrite)


def _add(group: argparse._ArgumentGroup, name: str, kind: type[int] | type[float], what: str, metavar: str) -> None:
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


def _config_file_arguments(argv: Sequence[str], known: Parser) -> list[str]:
    """Turns the YAML file that `--config` names, if it does, into flags that go before the others."""
    finder = Parser(prog=PROG, add_help=False)
    finder.add_argument("--config")
    path = finder.parse_known_args(list(argv))[0].config
    if path is None:
        return []
    arguments: list[str] = []
    for name, value in _read_yaml(path).items():
        if name == RESOLVED or value is None:
            continue
        if f"--{name}" not in known.option_names() or name in ("config", "help"):
            raise unknown_option(f"--{name}", known.option_names(), PROG)
        if isinstance(value, (dict, list)):
            raise ConfigError(f"--{name}", value, "one value, not several", f"see {path}")
        if isinstance(value, bool):
            arguments += [f"--{name}"] if value else []
        else:
            # In one word: a value of its own that starts with a dash would be taken for a flag.
            arguments.append(f"--{name}={value}")
    return arguments


def _read_yaml(path: str) -> Mapping[str, Any]:
    """Reads a YAML file that holds flags and their values.

    Raises:
        ConfigError: there is none, it can't be read, or it holds something else.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError("--config", path, "a YAML file that can be read", error.strerror or str(error)) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("--config", path, "a YAML file", one_line(error)) from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError("--config", path, "a YAML file of flags and their values, as in num_epochs: 5")
    return content
