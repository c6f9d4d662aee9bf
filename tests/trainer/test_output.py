"""The folder that a run leaves behind: all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ConfigError
from trainer import output


def write_run(folder: Path, text: str, *, with_evaluation: bool = True) -> None:
    model = folder / output.MODEL_NAME
    model.mkdir()
    (model / output.SAVED_MODEL_FILE).write_text(text)
    names = [name for name in output.FILES if with_evaluation or name != output.EVALUATION_NAME]
    for name in names:
        (folder / name).write_text(text)


def test_a_new_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    output.prepare(str(folder), overwrite=False)
    assert list(folder.iterdir()) == []


def test_a_model_that_is_there_is_not_replaced_by_accident(tmp_path: Path) -> None:
    write_run(tmp_path, "old")
    with pytest.raises(ConfigError, match="--output_dir: .*expected a folder without a model; add --overwrite"):
        output.prepare(str(tmp_path), overwrite=False)
    output.prepare(str(tmp_path), overwrite=True)
    assert (tmp_path / output.HISTORY_NAME).read_text() == "old"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ConfigError, match="--output_dir: .*expected a folder that can be written"):
        output.prepare(str(path), overwrite=False)
    with pytest.raises(ConfigError, match="--output_dir: .*expected a folder that can be written"):
        output.prepare(str(path / "below"), overwrite=True)


def test_an_object_store_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="--output_dir: got 'gs://bucket/run', expected a local folder"):
        output.prepare("gs://bucket/run", overwrite=False)


def test_all_is_moved_into_place(tmp_path: Path) -> None:
    with output.publishing(str(tmp_path)) as scratch:
        write_run(scratch, "new")
        assert not (tmp_path / output.MODEL_NAME).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*output.FILES, output.MODEL_NAME])
    assert output.find_model(str(tmp_path)) == tmp_path / output.MODEL_NAME


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    write_run(tmp_path, "old")

    def fail() -> None:
        with output.publishing(str(tmp_path)) as scratch:
            write_run(scratch, "new")
            raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        fail()
    assert (tmp_path / output.MODEL_NAME / output.SAVED_MODEL_FILE).read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*output.FILES, output.MODEL_NAME])


def test_nothing_of_an_earlier_run_lies_beside_a_new_model(tmp_path: Path) -> None:
    write_run(tmp_path, "old")
    with output.publishing(str(tmp_path)) as scratch:
        write_run(scratch, "new", with_evaluation=False)
    assert not (tmp_path / output.EVALUATION_NAME).exists()
    assert (tmp_path / output.MODEL_NAME / output.SAVED_MODEL_FILE).read_text() == "new"
    assert (tmp_path / output.HISTORY_NAME).read_text() == "new"


def test_a_model_is_found_in_its_own_folder_too(tmp_path: Path) -> None:
    write_run(tmp_path, "")
    assert output.find_model(str(tmp_path / output.MODEL_NAME)) == tmp_path / output.MODEL_NAME


@pytest.mark.parametrize("make", ["nothing", "empty", "file", "half"])
def test_what_is_no_model_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "model_dir"
    if make == "file":
        path.write_text("")
    elif make != "nothing":
        path.mkdir()
    if make == "half":
        (path / output.MODEL_NAME).mkdir()
    with pytest.raises(
        ConfigError, match="MODEL_DIR: .*expected a SavedModel, or a folder in which trainer.task finished"
    ):
        output.find_model(str(path))
