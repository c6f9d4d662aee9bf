"""docs/vertex.md: every command of ours in it is one that our parsers take."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from etl.cli import Parser
from etl.errors import run_main
from trainer import options as trainer_options
from trainer.tune.command import make_parser as tune_parser
from trainer.vertex.__main__ import main
from trainer.vertex.commands import COMMANDS
from trainer.vertex.training import flags

DOCUMENT = Path(__file__).parents[3] / "docs" / "vertex.md"
FENCE = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)
INLINE = re.compile(r"`(python -m trainer\.[^`]+)`")
OURS = ("trainer.vertex", "trainer.task", "trainer.tune")


def lines() -> Iterator[str]:
    """All command lines, each in one line, with the document's own variables filled in."""
    text = DOCUMENT.read_text(encoding="utf-8")
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ")
    variables = dict(re.findall(r"^export (\w+)=(\S+)$", blocks, re.M))
    for line in blocks.splitlines():
        # A variable's value may name others.
        for _ in range(2):
            line = re.sub(r"\$(\w+)", lambda match: variables.get(match[1], match[0]), line)
        yield line


def ours() -> list[list[str]]:
    """The commands of ours, as words from the module on."""
    found = []
    for line in lines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["python", "-m"] and words[2] in OURS:
            found.append(words[2 : words.index(">") if ">" in words else None])
        # A container whose entry point is the command gets its arguments in one word.
        found += [["trainer.vertex", *word[7:].split(",")] for word in words if word.startswith("--args=")]
    return found


COMMAND_LINES = ours()


def test_there_are_commands_of_every_kind() -> None:
    named = {words[1] for words in COMMAND_LINES if words[0] == "trainer.vertex"}
    assert named == set(COMMANDS)
    assert len(COMMAND_LINES) >= 25


@pytest.mark.parametrize("words", COMMAND_LINES, ids=" ".join)
def test_a_command_is_taken(words: list[str]) -> None:
    module, *rest = words
    at = rest.index("--") if "--" in rest else len(rest)
    given, trainer_args = rest[:at], rest[at + 1 :]
    if module == "trainer.tune":
        tune_parser().parse_args(given)
    else:
        command = COMMANDS[given[0]]
        parser = Parser(prog=f"trainer.vertex {given[0]}")
        command.load().add_arguments(parser)
        parser.parse_args(given[1:])
        assert command.takes_trainer_args or not trainer_args
    if trainer_args:
        # Where the data is a managed set, or another job's, the service says so in the container.
        has_data = "data_dir" in flags.values(trainer_args)
        brought = [] if has_data else ["--data_dir", "gs://bucket/data"]
        trainer_options.parse([*brought, "--output_dir", "gs://bucket/output", *trainer_args])


def is_offline(words: list[str]) -> bool:
    """Tells whether a command can print its requests with nothing but itself: no files here, no jobs there."""
    module, name, *rest = words
    if module != "trainer.vertex" or name == "dataset":
        return False
    reads = name == "predict" or (name == "batch-predict" and "--input" not in rest)
    return not reads and not {"out/flowers", "--from_best_trial"} & set(rest)


@pytest.mark.parametrize("words", [words for words in COMMAND_LINES if is_offline(words)], ids=" ".join)
def test_a_command_prints_requests(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("google.cloud.aiplatform_v1")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "petals-123")
    monkeypatch.setenv("GOOGLE_CLOUD_REGION", "europe-west4")
    _, name, *rest = words
    assert run_main(main, [name, "--dry_run", *rest]) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    # It sends nothing.
    if name != "package":
        assert all(isinstance(body, dict) for body in yaml.safe_load_all(shown))


def test_commands_in_sentences_exist() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = [match.split() for match in INLINE.findall(text)]
    assert named
    for words in named:
        if words[2] == "trainer.vertex" and words[3] not in ("--help", "COMMAND"):
            assert words[3] in COMMANDS


def test_links_within_lead_somewhere() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.M)
    }
    for target in re.findall(r"\]\(#([^)]+)\)", text):
        assert target in headings
