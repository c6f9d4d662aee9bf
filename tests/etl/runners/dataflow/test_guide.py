"""docs/dataflow.md says what is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from etl.options import parse
from etl.runners.beam_options import make_options
from etl.runners.dataflow import checks
from etl.runners.dataflow.hints import KNOWN_FAILURES, find_hint

ROOT = Path(__file__).parents[4]
GUIDE = (ROOT / "docs" / "dataflow.md").read_text(encoding="utf-8")
VALUES = {
    "PROJECT": "my-project",
    "REGION": "europe-west4",
    "BUCKET": "my-bucket",
    "IMAGE": "europe-west4-docker.pkg.dev/my-project/petalstream/worker:1",
    "WORKERS": "petalstream-workers@my-project.iam.gserviceaccount.com",
}


def commands() -> list[list[str]]:
    text = "\n".join(re.findall(r"```sh\n(.*?)```", GUIDE, re.S)).replace("\\\n", " ")
    for name, value in VALUES.items():
        text = text.replace(f"${name}", value)
    return [shlex.split(line)[3:] for line in text.splitlines() if line.startswith("python -m etl.run")]


def test_there_are_commands() -> None:
    assert len(commands()) == 4


@pytest.mark.parametrize("arguments", commands())
def test_every_command_is_taken(arguments: list[str]) -> None:
    command = parse(arguments)
    checks.check_options(make_options(command.beam_args, command.runner))
    checks.check_places(command.config)


def test_every_option_that_it_names_is_one_of_ours_or_beams() -> None:
    base = ["--source", "synthetic", "--output", "gs://my-bucket/out"]
    flags = {"--dry_run", "--resume", "--overwrite", "--no_use_public_ips", "--no_wait_until_finish"}
    flags |= {"--save_main_session"}
    values = {
        "--shard_mb": "25",
        "--direct_num_workers": "8",
        "--autoscaling_algorithm": "NONE",
        "--flexrs_goal": "COST_OPTIMIZED",
        "--num_workers": "3",
        "--max_num_workers": "3",
        "--max_rejected_fraction": "0.1",
        "--embedding_weights": "imagenet",
        "--source": "synthetic",
        "--disk_size_gb": "50",
    }
    # Those of gcloud and docker stand in blocks, or behind these words.
    prose = re.sub(r"```sh\n.*?```", "", GUIDE, flags=re.S)
    prose = re.sub(r"(gcloud|docker|pip install) [^`]*", "", prose)
    named = set(re.findall(r"--[a-z]\w+", prose)) - {"--label", "--labels"}
    assert len(named) > 25
    for name in sorted(named):
        parse([*base, name] if name in flags else [*base, name, values.get(name, "x")])


def rows() -> dict[str, tuple[str, str]]:
    table = GUIDE[GUIDE.index("| what | message | do |") :]
    found = re.findall(r"^\| ([^|]+) \| `([^`]+)` \| ([^|]+) \|$", table, re.M)
    return {name: (message, hint) for name, message, hint in found}


@pytest.mark.parametrize("entry", KNOWN_FAILURES, ids=lambda entry: entry.name)
def test_every_usual_failure_has_a_row_and_is_known_by_its_message(entry: object) -> None:
    message, hint = rows()[entry.name]  # type: ignore[attr-defined]
    assert hint == entry.hint  # type: ignore[attr-defined]
    assert find_hint(message) == hint


def test_an_unusual_failure_has_no_mend() -> None:
    assert find_hint("the moon is full") == ""
