"""The commands: `python -m trainer.vertex train | tune | deploy | ...`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from etl import interrupts
from etl.cli import HelpFormatter, Parser
from etl.errors import EXIT_OK, ConfigError
from etl.process import lifecycle
from trainer.vertex.commands import COMMANDS

PROG = "trainer.vertex"

_SEPARATOR = "--"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or given[0] in ("-h", "--help"):
        _print_help()
        return EXIT_OK
    name, *rest = given
    if name not in COMMANDS:
        raise ConfigError("command", name, f"one of {', '.join(COMMANDS)}", f"see python -m {PROG} --help")
    command = COMMANDS[name]
    ours, trainer_args = _split(rest)
    if trainer_args and not command.takes_trainer_args:
        raise ConfigError(f"{PROG} {name}", _SEPARATOR, "no trainer flags, since this command trains nothing")
    module = command.load()
    parser = Parser(prog=f"{PROG} {name}", description=_sentence(command.summary), formatter_class=HelpFormatter)
    module.add_arguments(parser)
    if command.takes_trainer_args:
        parser.epilog = "\n".join(filter(None, [parser.epilog, "What follows a bare -- are flags of trainer.task."]))
    arguments = parser.parse_args(ours)
    arguments.trainer_args = trainer_args
    with interrupts.hinting(lambda: f"what has begun on Vertex AI goes on; python -m {PROG} list shows it"):
        return int(module.run(arguments))


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divides arguments at the first bare `--`."""
    if _SEPARATOR not in argv:
        return list(argv), []
    at = argv.index(_SEPARATOR)
    return list(argv[:at]), list(argv[at + 1 :])


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _print_help() -> None:
    width = max(map(len, COMMANDS))
    print(f"usage: {PROG} COMMAND [options] [-- flags of trainer.task]\n\nTrains and serves on Vertex AI.\n")
    for name, command in COMMANDS.items():
        print(f"  {name:{width}}  {command.summary}")
    print(f"\npython -m {PROG} COMMAND --help shows a command's options.")


if __name__ == "__main__":
    lifecycle.end_with(main)
