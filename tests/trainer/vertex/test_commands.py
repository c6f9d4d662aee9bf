"""The dispatcher, and that asking for help costs nothing."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from etl.cli import Parser
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


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_can_be_tried_without_doing_anything(name: str) -> None:
    parser = Parser(prog=f"trainer.vertex {name}")
    COMMANDS[name].load().add_arguments(parser)
    assert "--dry_run" in parser.option_names()


@pytest.mark.parametrize(
    ("words", "requests"),
    [
        (("list", "jobs", "--filter", "x=1", "--limit", "3"), ["listCustomJobs"]),
        (("list", "tensorboards"), ["listTensorboards"]),
        (("list", "endpoints", "--ours"), ["listEndpoints"]),
        (("status", "tensorboards/7"), ["getTensorboard"]),
        (("status", "hyperparameterTuningJobs/7", "--wait"), ["getHyperparameterTuningJob"]),
        (
            ("status", "7"),
            ["getCustomJob", "getHyperparameterTuningJob", "getTrainingPipeline", "getBatchPredictionJob"],
        ),
    ],
    ids=" ".join,
)
def test_what_would_be_asked_is_printed(
    command: Run, words: tuple[str, ...], requests: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("google.cloud.aiplatform_v1")
    where = ("--project", "petals-123", "--region", "europe-west4")
    assert command(*words, *where, "--dry_run") == 0
    shown = capsys.readouterr().out
    assert re.findall(r"^# (\w+): ", shown, re.MULTILINE) == requests
    for body in yaml.safe_load_all(shown):
        assert str(body.get("parent", body.get("name"))).startswith("projects/petals-123/locations/europe-west4")


def test_what_would_be_built_is_said(command: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("package", "--output_dir", tmp_path, "--dry_run") == 0
    assert capsys.readouterr().out.startswith(f"would build {tmp_path}/petalstream-")
    assert list(tmp_path.iterdir()) == []
