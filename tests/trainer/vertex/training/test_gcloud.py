"""The YAML of a dry run, given to gcloud itself, makes gcloud send what the command sends.

Runs where the gcloud command is installed. It needs no account: a throw-away token, and the stand-in server's address.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.vertex.server import VertexServer
from trainer.vertex.api import requests

Run = Callable[..., int]

OPTIONS = (
    "--package_uri",
    "gs://petals/p.tar.gz",
    "--base_output_dir",
    "gs://petals/out",
    "--display_name",
    "my petals",
)
FLAGS = ("--", "--data_dir", "gs://petals/data")
SECONDS = 120


@pytest.fixture
def gcloud(vertex: VertexServer, tmp_path: Path) -> Callable[[str], None]:
    """Runs the gcloud command that the first line of a dry run names, on the rest of it."""
    program = shutil.which("gcloud")
    if program is None:
        pytest.skip("gcloud isn't installed")
    (tmp_path / "token").write_text("x", encoding="utf-8")
    environment = {
        **os.environ,
        "CLOUDSDK_CONFIG": str(tmp_path / "gcloud"),
        "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(tmp_path / "token"),
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM": f"{vertex.url}/",
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
    }

    def run(shown: str) -> None:
        path = tmp_path / "FILE"
        path.write_text(shown, encoding="utf-8")
        words = shlex.split(shown.splitlines()[0].removeprefix("# "))
        assert words[0] == "gcloud"
        words = [word.replace("FILE", str(path)) if word.startswith("--config=") else word for word in words[1:]]
        result = subprocess.run(
            [program, *words], env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        assert result.returncode == 0, result.stderr

    return run


def send_both(
    command: Run, gcloud: Callable[[str], None], vertex: VertexServer, capsys: Any, short: str, argv: list[str]
) -> list[dict[str, Any]]:
    assert command(*argv[:1], "--dry_run", *argv[1:]) == 0
    shown = capsys.readouterr().out
    assert command(*argv) == 0
    gcloud(shown)
    return vertex.bodies(short)


@pytest.mark.parametrize("config", ["machines", "tpu"])
def test_gcloud_sends_the_same_custom_job(
    config: str,
    vertex: VertexServer,
    command: Run,
    gcloud: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    argv = ["train", "--config", config, *OPTIONS, "--spot", "--label", "team=pets", *FLAGS]
    ours, theirs = send_both(command, gcloud, vertex, capsys, "POST customJobs", argv)
    assert requests.parse("CustomJob", theirs) == requests.parse("CustomJob", ours)


def test_gcloud_sends_the_same_study(
    vertex: VertexServer, command: Run, gcloud: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["tune", "--config", "tune_bayes", *OPTIONS, *FLAGS]
    ours, theirs = send_both(command, gcloud, vertex, capsys, "POST hyperparameterTuningJobs", argv)
    assert requests.parse("HyperparameterTuningJob", theirs) == requests.parse("HyperparameterTuningJob", ours)
