"""The needs of a run on Dataflow, checked before anything is read."""

from __future__ import annotations

import pytest

from etl.errors import run_main
from trainer.serving.batch import command

PATHS = {"--model_dir": "gs://my-bucket/run", "--input": "gs://my-bucket/in.jsonl", "--output": "gs://my-bucket/out"}
CLOUD = ["--runner", "DataflowRunner", "--project", "my-project", "--region", "europe-west4"]


def run(*more: str, **paths: str) -> int:
    given = PATHS | {f"--{name}": path for name, path in paths.items()}
    return run_main(command.main, [part for item in given.items() for part in item] + [*CLOUD, *more])


def test_a_missing_option_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 2
    # Before it there is a line that Beam is loaded, unless it is loaded already.
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --temp_location: got None, expected a value, which Dataflow needs")


@pytest.mark.parametrize("name", ["model_dir", "input", "output"])
def test_a_path_of_this_machine_is_refused(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert run("--temp_location", "gs://my-bucket/tmp", **{name: "here"}) == 2
    assert capsys.readouterr().err.startswith(f"error: --{name}: got 'here', expected a path on Cloud Storage")
