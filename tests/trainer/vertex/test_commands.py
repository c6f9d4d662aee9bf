"""The dispatcher, and that asking for help costs nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer.vertex.commands import COMMANDS

ROOT = Path(__file__).parents[3]
OURS = ("train", "tune", "dataset", "tensorboard", "status", "list")
HEAVY = "{'tensorflow', 'keras', 'google.cloud.aiplatform_v1', 'google.api_core', 'grpc', 'yaml', 'matplotlib'}"

Run = Callable[..., int]


def test_no_command_lists_them_all(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command() == 0
    shown = capsys.readouterr().out
    for name, known in COMMANDS.items():
        assert f"  {name} " in shown
        assert known.summary in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_there(name: str) -> None:
    if importlib.util.find_spec(COMMANDS[name].module) is None:
        pytest.skip(f"{COMMANDS[name].module} isn't there")
    module = COMMANDS[name].load()
    assert callable(module.add_arguments)
    assert callable(module.run)


def test_an_unknown_command_is_named(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("trian") == 2
    assert capsys.readouterr().err.startswith("error: command: got 'trian', expected one of package, train")


def test_trainer_flags_are_refused_where_nothing_is_trained(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("list", "jobs", "--", "--model", "linear") == 2
    assert "trains nothing" in capsys.readouterr().err


def test_a_typo_names_the_nearest_option(command: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("train", "--config", "cpu", "--staging_buket", "gs://b") == 2
    assert "did you mean --staging_bucket?" in capsys.readouterr().err


def test_no_help_loads_anything_heavy() -> None:
    """One process for all, each command's modules on top of the last one's; alone each is faster still."""
    check = (
        "import sys\n"
        "from trainer.vertex.__main__ import main\n"
        f"for name in ['--help', *{OURS!r}]:\n"
        "    try:\n"
        "        main([name, '--help'])\n"
        "    except SystemExit as end:\n"
        "        assert not end.code, end.code\n"
        f"print('loaded:', {HEAVY} & set(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("loaded: set()\n"), result.stdout[-300:]
    for name in OURS:
        assert f"usage: trainer.vertex {name}" in result.stdout


@pytest.mark.parametrize("name", OURS)
def test_each_help_is_quick(name: str) -> None:
    """Counts modules in place of seconds, which depend on what else the machine does."""
    check = (
        "import runpy, sys\n"
        f"sys.argv = ['trainer.vertex', '{name}', '--help']\n"
        "try:\n"
        "    runpy.run_module('trainer.vertex', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "print('modules:', len(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout.rsplit("modules: ", 1)[1]) < 500
