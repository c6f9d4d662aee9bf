"""Paths that no command can use end in one line, before anything heavy is loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import paths, storage
from etl.errors import ConfigError, run_main
from trainer import options

ROOT = Path(__file__).parents[2]

WRONG = {
    "s3://bucket/data": "s3:// is not supported",
    "azfs://account/data": "azfs:// is not supported",
    "hdfs://host/data": "hdfs:// is not supported",
    "http://host/data": "http:// is not supported",
    "https:/host/data": "https:// is not supported",
    "ftp://host/data": "ftp:// is not supported",
    "weird+x://data": r"weird\+x:// is not supported",
    "file:///data/x": r"did you mean /data/x\?",
    "file:/data/x": r"did you mean /data/x\?",
    "gs:/bucket/x": r"did you mean gs://bucket/x\?",
    "gs:///bucket/x": r"did you mean gs://bucket/x\?",
    "gs:bucket/x": r"did you mean gs://bucket/x\?",
    "gs//bucket/x": r"did you mean gs://bucket/x\?",
    "GS://bucket/x": r"did you mean gs://bucket/x\?",
    "gcs://bucket/x": r"did you mean gs://bucket/x\?",
    "gs://": "it names no bucket",
    "gs:": "it names no bucket",
}


@pytest.mark.parametrize("path", WRONG)
def test_what_is_wrong_is_said(path: str) -> None:
    with pytest.raises(ConfigError, match=f"^--input: got '.*', expected a local path or gs://.*; {WRONG[path]}"):
        paths.check("--input", path)


@pytest.mark.parametrize(
    "path",
    ["gs://bucket", "gs://bucket/", "gs://b/a b/**/*.jpg", "/data", "data/x:y", "C:/data", "a~", "gsx//a", "imagenet"],
)
def test_what_is_right_passes(path: str) -> None:
    assert paths.check("--input", path) == path


@pytest.mark.parametrize("path", ["", " "])
def test_an_empty_path_is_not_the_current_folder(path: str) -> None:
    with pytest.raises(
        ConfigError, match="--output: got '.*', expected a local path .*; it is empty: is a variable not"
    ):
        paths.check("--output", path)


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert paths.check("--output", "~/data") == "/home/me/data"
    command = options.parse(["--data_dir=~/d", "--output_dir", "~/o", "--model", "linear"], {})
    assert (command.config.data_dir, command.config.output_dir) == ("/home/me/d", "/home/me/o")


def test_a_local_file_of_such_a_name_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gs:").mkdir()
    (tmp_path / "gs:" / "file").write_text("x")
    monkeypatch.chdir(tmp_path)
    assert paths.problem("gs:/file") == ""
    assert paths.problem("./gs:/other") == ""
    assert storage.read_text("gs:/file") == "x"


@given(scheme=st.from_regex(r"[a-zA-Z][a-zA-Z0-9+.-]*", fullmatch=True), rest=st.text(max_size=9))
def test_a_url_is_an_object_or_is_rejected_and_never_a_local_file(scheme: str, rest: str) -> None:
    path = f"{scheme}://{rest}"
    if paths.problem(path):
        with pytest.raises(ConfigError, match="path: got "):
            storage.read_bytes(path if scheme != "gs" else f"x{path}")
    else:
        assert scheme == "gs"
        assert paths.is_remote(path)


# What each command is given, `{}` for the path, and the option that the message names.
COMMANDS: list[tuple[str, Sequence[str], str]] = [
    ("etl.run", ["--source", "folder", "--output", "out", "--input", "{}"], "--input"),
    ("etl.run", ["--source", "folder", "--input", "in", "--output", "{}"], "--output"),
    ("etl.run", ["--source", "folder", "--input", "in", "--output", "out", "--labels", "{}"], "--labels"),
    ("etl.run", ["--source", "folder", "--input", "in", "--output", "out", "--classes_from", "{}"], "--classes_from"),
    ("etl.run", ["--source", "csv", "--output", "o", "--embedding_weights", "{}"], "--embedding_weights"),
    ("etl.inspect", ["{}"], "DIR"),
    ("etl.inspect", ["data", "--compare", "{}"], "--compare"),
    ("etl.inspect", ["data", "--sheet", "{}"], "--sheet"),
    ("etl.card.__main__", ["{}"], "DIR"),
    ("etl.sources.synthetic.command", ["{}"], "DIR"),
    ("trainer.task", ["--output_dir", "out", "--data_dir", "{}"], "--data_dir"),
    ("trainer.task", ["--data_dir", "data", "--output_dir", "{}"], "--output_dir"),
    ("trainer.task", ["--data_dir", "data", "--output_dir", "out", "--model_dir", "{}"], "--model_dir"),
    ("trainer.task", ["--data_dir", "data", "--output_dir", "out", "--checkpoint_dir", "{}"], "--checkpoint_dir"),
    ("trainer.task", ["--data_dir", "data", "--output_dir", "out", "--log_dir", "{}"], "--log_dir"),
    ("trainer.task", ["--data_dir", "data", "--output_dir", "out", "--init_from", "{}"], "--init_from"),
    ("trainer.task", ["--config", "{}"], "--config"),
    ("trainer.predict", ["{}", "x.jpg"], "MODEL_DIR"),
    ("trainer.predict", ["model", "x.jpg", "{}"], "FILE"),
    ("trainer.predict", ["model", "x.jpg", "--output_dir", "{}"], "--output_dir"),
    ("trainer.serving.batch.command", ["--model_dir", "{}", "--input", "i", "--output", "o"], "--model_dir"),
    ("trainer.serving.batch.command", ["--model_dir", "m", "--input", "{}", "--output", "o"], "--input"),
    ("trainer.serving.batch.command", ["--model_dir", "m", "--input", "i", "--output", "{}"], "--output"),
    ("trainer.serving.batch.command", ["--make_instances", "{}", "--output", "o"], "--make_instances"),
    ("trainer.server", ["--model_dir", "{}"], "--model_dir"),
    ("trainer.ingest.doctor", ["{}"], "DIR"),
    ("trainer.ingest.doctor", ["data", "--plot", "{}"], "--plot"),
    ("trainer.tune.command", ["--config", "random", "--output_dir", "{}"], "--output_dir"),
    ("trainer.vertex.__main__", ["deploy", "{}"], "MODEL_DIR"),
    ("trainer.vertex.__main__", ["predict", "{}"], "FILE"),
    ("trainer.vertex.__main__", ["batch-predict", "{}", "--output", "gs://b/o"], "FILE"),
    ("trainer.vertex.__main__", ["package", "--output_dir", "{}"], "--output_dir"),
    ("trainer.vertex.__main__", ["dataset", "--display_name", "x", "--from_data_dir", "{}"], "--from_data_dir"),
]


@pytest.mark.parametrize(("module", "arguments", "field"), COMMANDS)
def test_every_command_names_the_option(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    arguments: Sequence[str],
    field: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, message in (
        ("s3://bucket/data", "s3:// is not supported"),
        ("gs:/bucket/x", "did you mean gs://bucket/x?"),
    ):
        argv = [argument.format(path) for argument in arguments]
        assert run_main(import_module(module).main, argv) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {field}: got '{path}', expected a local path or gs://")
        assert message in line
    # Nothing was made of the path.
    assert not list(tmp_path.iterdir())


def test_the_environment_is_checked_as_flags_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer import server, task

    monkeypatch.setenv("AIP_MODEL_DIR", "s3://bucket/run/model")
    assert run_main(task.main, ["--data_dir", "data"]) == 2
    assert "_dir: got 's3://bucket/run" in capsys.readouterr().err
    monkeypatch.setenv("AIP_STORAGE_URI", "s3://bucket/model")
    assert run_main(server.main, []) == 2
    assert "--model_dir: got 's3://bucket/model'" in capsys.readouterr().err


def test_a_script_that_loads_a_data_set_is_told_too() -> None:
    from trainer import ingest

    for path in ("s3://bucket/data", "gs:/bucket/data"):
        with pytest.raises(ConfigError, match=f"data_dir: got '{path}', expected a local path or gs://"):
            ingest.load(path, "train", ingest.IngestConfig())


def test_nothing_heavy_is_loaded_to_say_so() -> None:
    modules = sorted({module for module, _, _ in COMMANDS})
    check = (
        "import sys\nfrom importlib import import_module\nfrom etl.errors import run_main\n"
        f"for module, arguments, _ in {COMMANDS!r}:\n"
        "    assert run_main(import_module(module).main, [a.format('s3://b/x') for a in arguments]) == 2, module\n"
        "print('loaded:', {'tensorflow', 'apache_beam', 'keras', 'google.cloud.storage'} & set(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "loaded: set()\n", (modules, result.stderr)
