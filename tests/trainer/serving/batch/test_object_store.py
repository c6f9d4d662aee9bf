"""Input, output and everything in between on an object store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from etl import storage
from etl.errors import run_main
from tests.fakes.gcs.emulator import Gcs
from trainer.serving.batch import command, lines


def test_input_and_output_on_an_object_store(
    gcs: Gcs, run_dir: Path, photo_files: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [str(path) for path in photo_files["train"]]
    folder = f"gs://{gcs.bucket}/jobs"
    monkeypatch.setattr(lines, "_MIN_UNIT_BYTES", 1_000)
    monkeypatch.setattr(lines, "_UNIT_LINES", 10)
    made = ["--make_instances", *files, "--output", f"{folder}/in.jsonl"]
    asked = ["--model_dir", str(run_dir), "--input", f"{folder}/in.jsonl", "--output", f"{folder}/out.jsonl"]
    for arguments, code in ((made, 0), (made, 2), (asked, 0), (asked, 2), ([*asked, "--overwrite"], 0)):
        assert run_main(command.main, arguments) == code, arguments
    answers = [json.loads(line) for line in storage.read_text(f"{folder}/out.jsonl").splitlines()]
    assert [answer["instance"]["key"] for answer in answers] == files
    assert all(answer["prediction"]["class_str"] for answer in answers)
    assert sorted(storage.list_files(folder)) == [f"{folder}/in.jsonl", f"{folder}/out.jsonl"]
