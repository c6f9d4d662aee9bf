"""Files, folders and patterns, on a disk and on TensorFlow's file systems."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl import paths
from etl.errors import ConfigError
from trainer.listing import list_files, read_file, translate

NAMES = ("b/2.jpg", "b/10.jpg", "b/deep/er/3.jpg", "a/1.jpg", "a/1.png", "0.jpg", ".hidden.jpg", ".git/x.jpg")
# Pattern to what it lists, of those.
PATTERNS = {
    "": ["0.jpg", "a/1.jpg", "a/1.png", "b/10.jpg", "b/2.jpg", "b/deep/er/3.jpg"],
    "a": ["a/1.jpg", "a/1.png"],
    "a/1.jpg": ["a/1.jpg"],
    "*.jpg": ["0.jpg"],
    "*/*.jpg": ["a/1.jpg", "b/10.jpg", "b/2.jpg"],
    "b/?.jpg": ["b/2.jpg"],
    "**/[13].jpg": ["a/1.jpg", "b/deep/er/3.jpg"],
    "**/[!1]*.jpg": ["0.jpg", "b/2.jpg", "b/deep/er/3.jpg"],
    "b/**/*.jpg": ["b/10.jpg", "b/2.jpg", "b/deep/er/3.jpg"],
    "*.gif": ["*.gif"],
    "missing.jpg": ["missing.jpg"],
}


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes TensorFlow's memory a store that is supported."""
    monkeypatch.setattr(paths, "SUPPORTED", {"gs", "ram"})


def test_a_store_that_is_not_supported_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="^s3:// is not supported"):
        read_file("s3://bucket/a.jpg")
    with pytest.raises(ConfigError, match="s3:// is not supported"):
        list(list_files(["s3://bucket/*"]))


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The same files twice: on the disk, and in TensorFlow's memory, which is reached as an object store is."""
    import tensorflow as tf

    found = {"local": str(tmp_path_factory.mktemp("photos")), "remote": "ram://listing/photos"}
    for root in found.values():
        for name in NAMES:
            tf.io.gfile.makedirs(f"{root}/{name}".rpartition("/")[0])
            with tf.io.gfile.GFile(f"{root}/{name}", "wb") as file:
                file.write(name.encode())
    return found


@pytest.mark.parametrize("place", ["local", "remote"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_listed(roots: dict[str, str], place: str, pattern: str) -> None:
    root = roots[place]
    found = [path[len(root) + 1 :] for path in list_files([f"{root}/{pattern}" if pattern else root])]
    assert sorted(found) == PATTERNS[pattern]


@pytest.mark.parametrize("place", ["local", "remote"])
def test_files_are_read(roots: dict[str, str], place: str) -> None:
    assert read_file(f"{roots[place]}/a/1.jpg") == b"a/1.jpg"
    with pytest.raises(OSError, match="^No such file or directory$"):
        read_file(f"{roots[place]}/missing.jpg")


def test_links_are_followed_and_end(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    for name in ("real/1.jpg", "real/deep/2.jpg"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a").symlink_to(tmp_path / "real")
    (tmp_path / "links" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    # Around itself, and around what it links to.
    (tmp_path / "links" / "up").symlink_to(tmp_path)
    (tmp_path / "real" / "deep" / "up").symlink_to(tmp_path / "real")
    found = [Path(path).relative_to(tmp_path).as_posix() for path in list_files([str(tmp_path / "links")])]
    once = ["links/gone.jpg", "links/a/1.jpg", "links/a/deep/2.jpg"]
    assert found == [*once, "links/up/real/1.jpg", "links/up/real/deep/2.jpg"]


@pytest.mark.parametrize("hidden", [False, True])
def test_a_folder_without_files_is_an_error(tmp_path: Path, hidden: bool) -> None:
    (tmp_path / "empty" / "er").mkdir(parents=True)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "1.jpg").write_bytes(b"")
    if hidden:
        (tmp_path / "empty" / ".DS_Store").write_bytes(b"")
    with pytest.raises(ConfigError, match="--x: got '.*empty', expected files, .*; this folder holds none"):
        list(list_files([str(tmp_path / "full"), str(tmp_path / "empty")], "--x"))


def test_a_file_comes_before_the_pattern_it_looks_like(tmp_path: Path) -> None:
    for name in ("[ab].jpg", "a.jpg"):
        (tmp_path / name).write_bytes(b"")
    assert list(list_files([str(tmp_path / "[ab].jpg")])) == [str(tmp_path / "[ab].jpg")]


@pytest.mark.parametrize("text", ["a[", "a]b", "[]]", "(x|y)+", "a\\b", "[^a]", "[a\\]"])
def test_odd_patterns_are_regular_expressions(text: str) -> None:
    re.compile(translate(text))
