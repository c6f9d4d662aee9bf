"""The folder that a run leaves behind: all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ConfigError
from trainer import layout
from trainer.layout import RunFolders
from trainer.training import output


def nothing() -> None:
    """The folders are held."""


def prepare(folders: RunFolders, *, overwrite: bool, resume: bool = False) -> None:
    with output.holding(folders, resume=resume):
        output.check(folders, overwrite=overwrite, resume=resume)


def write_run(folder: Path, text: str, *, with_evaluation: bool = True) -> None:
    model = folder / layout.MODEL_NAME
    model.mkdir()
    (model / layout.SAVED_MODEL_FILE).write_text(text)
    names = [name for name in layout.FILES if with_evaluation or name != layout.EVALUATION_NAME]
    for name in names:
        (folder / name).write_text(text)


def test_a_new_folder_is_made_and_left_empty(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    prepare(RunFolders.resolve(str(folder)), overwrite=False)
    assert list(folder.iterdir()) == []


def test_a_model_that_is_there_is_not_replaced_by_accident(tmp_path: Path) -> None:
    write_run(tmp_path, "old")
    with pytest.raises(ConfigError, match="--output_dir: .*expected a folder without a model .*; add --overwrite"):
        prepare(RunFolders.resolve(str(tmp_path)), overwrite=False)
    prepare(RunFolders.resolve(str(tmp_path)), overwrite=True)
    assert (tmp_path / layout.HISTORY_NAME).read_text() == "old"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(ConfigError, match="--output_dir: .*expected a folder that can be written"):
        prepare(RunFolders.resolve(str(path)), overwrite=False)
    with pytest.raises(ConfigError, match="--output_dir: .*expected a folder that can be written"):
        prepare(RunFolders.resolve(str(path / "below")), overwrite=True)


def test_all_is_moved_into_place(tmp_path: Path) -> None:
    with output.publishing(RunFolders.resolve(str(tmp_path)), nothing) as scratch:
        write_run(scratch, "new")
        assert not (tmp_path / layout.MODEL_NAME).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*layout.FILES, layout.MODEL_NAME])
    assert layout.find_model(str(tmp_path)) == str(tmp_path / layout.MODEL_NAME)


def test_each_folder_may_be_elsewhere(tmp_path: Path) -> None:
    folders = RunFolders.resolve(
        str(tmp_path / "run"), model_dir=f"{tmp_path}/served/", checkpoint_dir=str(tmp_path / "safe")
    )
    assert folders.log_dir == str(tmp_path / "run" / layout.TENSORBOARD_NAME)
    prepare(folders, overwrite=False)
    for text in ("first", "second"):
        with output.publishing(folders, nothing) as scratch:
            write_run(scratch, text)
        assert output.is_finished(folders)
        assert (tmp_path / "served" / layout.SAVED_MODEL_FILE).read_text() == text
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == sorted(layout.FILES)
    with pytest.raises(ConfigError, match="--output_dir: .*a folder without a model .*served"):
        prepare(folders, overwrite=False)
    (tmp_path / "safe" / "latest.json").write_text("{}")
    with pytest.raises(ConfigError, match="--model_dir: .*expected a folder that can be written"):
        prepare(
            RunFolders.resolve(str(tmp_path / "run"), model_dir=str(tmp_path / "run" / "config.yaml")), overwrite=True
        )


def test_a_run_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    write_run(tmp_path, "old")

    def fail() -> None:
        with output.publishing(RunFolders.resolve(str(tmp_path)), nothing) as scratch:
            write_run(scratch, "new")
            raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        fail()
    assert (tmp_path / layout.MODEL_NAME / layout.SAVED_MODEL_FILE).read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*layout.FILES, layout.MODEL_NAME])


def test_nothing_of_an_earlier_run_lies_beside_a_new_model(tmp_path: Path) -> None:
    write_run(tmp_path, "old")
    with output.publishing(RunFolders.resolve(str(tmp_path)), nothing) as scratch:
        write_run(scratch, "new", with_evaluation=False)
    assert not (tmp_path / layout.EVALUATION_NAME).exists()
    assert (tmp_path / layout.MODEL_NAME / layout.SAVED_MODEL_FILE).read_text() == "new"
    assert (tmp_path / layout.HISTORY_NAME).read_text() == "new"


def test_a_model_is_found_in_its_own_folder_too(tmp_path: Path) -> None:
    write_run(tmp_path, "")
    assert layout.find_model(str(tmp_path / layout.MODEL_NAME)) == str(tmp_path / layout.MODEL_NAME)


@pytest.mark.parametrize("make", ["nothing", "empty", "file", "half"])
def test_what_is_no_model_is_refused(tmp_path: Path, make: str) -> None:
    path = tmp_path / "model_dir"
    if make == "file":
        path.write_text("")
    elif make != "nothing":
        path.mkdir()
    if make == "half":
        (path / layout.MODEL_NAME).mkdir()
    with pytest.raises(
        ConfigError, match="MODEL_DIR: .*expected a SavedModel, or a folder in which trainer.task finished"
    ):
        layout.find_model(str(path))
