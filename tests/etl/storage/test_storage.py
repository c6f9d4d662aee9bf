"""`etl.storage` on a local disk; on an object store: `tests/etl/object_store`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from etl import storage
from etl.errors import ConfigError


def test_files_are_written_moved_listed_and_deleted(tmp_path: Path) -> None:
    folder = str(tmp_path / "a")
    with storage.create(f"{folder}/b/2") as stream:
        stream.write(b"two")
    storage.write_atomically(f"{folder}/1", b"one")
    assert storage.read_text(f"{folder}/1") == "one"
    assert list(storage.list_files(folder)) == [f"{folder}/1", f"{folder}/b/2"]
    assert storage.list_folders(folder) == ["b"]
    assert list(storage.list_matches(f"{folder}/*/*")) == [f"{folder}/b/2"]
    before = storage.version(f"{folder}/1")
    storage.write_atomically(f"{folder}/1", b"more")
    assert storage.version(f"{folder}/1") != before
    storage.move(f"{folder}/1", f"{folder}/c/1")
    # Again, as after a kill.
    storage.move(f"{folder}/1", f"{folder}/c/1")
    with pytest.raises(FileNotFoundError, match="a/none"):
        storage.move(f"{folder}/none", f"{folder}/c/none")
    storage.delete_all([f"{folder}/b/2", f"{folder}/b/none"])
    assert list(storage.list_files(folder)) == [f"{folder}/c/1"]
    storage.delete_tree(folder)
    storage.delete_tree(folder)
    assert not storage.exists(folder)
    assert list(storage.list_files(folder)) == storage.list_folders(folder) == []


def test_a_folder_that_may_not_be_written_to_is_said_before_any_work(tmp_path: Path) -> None:
    storage.check_writable(str(tmp_path / "new" / "below"), "check")
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--output: got .*expected a folder; .*/file is a file"):
        storage.check_writable(str(tmp_path / "file" / "out"), "check")
    if os.geteuid() == 0:
        pytest.skip("root may write to every folder")
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="a folder that this user may write to"):
        storage.check_writable(str(tmp_path / "closed" / "out"), "check")
