"""The trainer's command line and its YAML file, parsed into a `TrainConfig`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from etl import paths
from etl.cli import Parser, unknown_option
from etl.errors import ConfigError, one_line
from etl.format.parsing import parse_yaml
from trainer import environment
from trainer.config import TrainConfig
from trainer.files import is_remote, read_bytes
from trainer.flags import PROG, make_parser
from trainer.models import HYPERPARAMETERS

# The part of a run's own config.yaml that no flag sets: facts about the data and the machine. It is read over, so that
# such a file can be given to --config.
RESOLVED = "resolved"
_PATHS = ("data_dir", "output_dir", "model_dir", "checkpoint_dir", "log_dir", "init_from")


@dataclass(frozen=True, slots=True)
class Command:
    """A parsed command line.

    Attributes:
        config: What to train.
        overwrite: Whether a model that is there may be replaced.
        resume: Whether to go on from a checkpoint.
        source: The YAML file, and the flags that it alone gives.
    """

    config: TrainConfig
    overwrite: bool
    resume: bool
    source: Source


@dataclass(frozen=True, slots=True)
class Source:
    """The YAML file that `--config` names.

    Attributes:
        path: None where it names none.
        flags: Those that come from it, and not from the command line.
    """

    path: str | None = None
    flags: frozenset[str] = frozenset()

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Adds the file's name to the error about a flag that comes from it."""
        try:
            yield
        except ConfigError as error:
            if error.field not in self.flags:
                raise
            place = f"it stands in {self.path}"
            hint = f"{error.hint}; {place}" if error.hint else place
            raise ConfigError(error.field, error.got, error.expected, hint) from error


def parse(argv: Sequence[str], environ: Mapping[str, str] | None = None) -> Command:
    """Parses a whole command line, and the YAML file that it may name.

    Args:
        argv: Without the program's name.
        environ: The environment variables that hold where a flag is not given; the process's own by default.

    Raises:
        ConfigError: whatever is wrong with either, before any work starts.
    """
    known = make_parser()
    path, from_file = _config_file_arguments(argv, known)
    own = {argument.split("=")[0] for argument in argv}
    source = Source(path, frozenset(argument.split("=")[0] for argument in from_file) - own)
    with source.naming():
        return _parse(known, [*from_file, *argv], source, environ)


def _parse(known: Parser, argv: Sequence[str], source: Source, environ: Mapping[str, str] | None) -> Command:
    arguments = known.parse_args(argv)
    given = {name: value for name, value in vars(arguments).items() if value is not None}
    given = {**environment.read(environ).to_flags(), **given}
    for name, variable in {"data_dir": environment.TRAINING_DATA, "output_dir": environment.MODEL_DIR}.items():
        if name not in given:
            hint = f"${variable} may say it too; see python -m {PROG} --help"
            raise ConfigError(f"--{name}", None, "a value", hint)
    for name in _PATHS:
        # Whether a flag, the file or the environment says it.
        if name in given:
            given[name] = paths.check(f"--{name}", given[name])
    fields = {field.name for field in dataclasses.fields(TrainConfig)}
    config = TrainConfig(
        **{name: value for name, value in given.items() if name in fields},
        hyperparameters={name: value for name, value in given.items() if name in HYPERPARAMETERS},
    )
    return Command(config, arguments.overwrite, arguments.resume, source)


def _config_file_arguments(argv: Sequence[str], known: Parser) -> tuple[str | None, list[str]]:
    """Turns the YAML file that `--config` names into flags that go before the others; returns its path too."""
    finder = Parser(prog=PROG, add_help=False)
    finder.add_argument("--config")
    path = finder.parse_known_args(list(argv))[0].config
    if path is None:
        return None, []
    arguments: list[str] = []
    for name, value in _read_yaml(path).items():
        if name == RESOLVED or value is None:
            continue
        if f"--{name}" not in known.option_names() or name in ("config", "help"):
            with Source(path, frozenset([f"--{name}"])).naming():
                raise unknown_option(f"--{name}", known.option_names(), PROG)
        if isinstance(value, (dict, list)):
            raise ConfigError(f"--{name}", value, "one value, not several", f"see {path}")
        # A hyperparameter that is true or false takes a value, so that a tuner can give it.
        if isinstance(value, bool) and name not in HYPERPARAMETERS:
            arguments += [f"--{name}"] if value else []
        else:
            # In one word: a value of its own that starts with a dash would be taken for a flag.
            arguments.append(f"--{name}={value}")
    return path, arguments


def _read_yaml(path: str) -> Mapping[str, Any]:
    """Reads a YAML file that holds flags and their values.

    Raises:
        ConfigError: there is none, it can't be read, or it holds something else.
    """
    path = paths.check("--config", path)
    try:
        content = parse_yaml(read_bytes(path) if is_remote(path) else Path(path).read_bytes())
    except OSError as error:
        raise ConfigError("--config", path, "a YAML file that can be read", error.strerror or str(error)) from error
    except ValueError as error:
        raise ConfigError("--config", path, "a YAML file", one_line(error)) from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ConfigError("--config", path, "a YAML file of flags and their values, as in num_epochs: 5")
    return content
