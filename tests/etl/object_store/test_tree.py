"""What is an input on an object store is one on a disk, and the other way round."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ConfigError
from etl.format.manifest import Counts, Manifest, to_json
from etl.sources import folder
from etl.sources.files import tree
from etl.sources.options import SourceOptions
from tests.fakes.gcs.emulator import Gcs

FILES = {
    **dict.fromkeys(("cat/1.jpg", "cat/deep/2.jpg", "dog/3.jpg", "beside.jpg", "dog/film.mp4"), b"x"),
    **dict.fromkeys(("LICENSE", "cat/Thumbs.db", "dog/notes.txt", "cat/.DS_Store", "theirs/4.jpg"), b"x"),
    **dict.fromkeys(("__MACOSX/cat/._1.jpg", "cat/@eaDir/1.jpg/S.jpg", "cat/@eaDir/2.jpg/S.jpg", ".git/a"), b"x"),
    **dict.fromkeys(("out/jpeg/a.jpg", "out/sample.png", "old/jpeg/train.tfrecord", "old/sample.png"), b"x"),
    "old/manifest.json": to_json(Manifest("flowers", ("a",), Counts(0, 0, {}), {})).encode(),
    "theirs/manifest.json": b'{"name": "a page"}',
}


@pytest.fixture
def places(gcs: Gcs, tmp_path: Path) -> tuple[str, str]:
    """The same files on a disk and in a bucket."""
    for name, data in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
        gcs.write(f"photos/{name}", data)
    return str(tmp_path), gcs.path("photos")


def test_a_bucket_and_a_disk_list_the_same(places: tuple[str, str]) -> None:
    local, remote = ([(found.name, found.ignored) for found in tree.walk(place, f"{place}/out")] for place in places)
    assert sorted(local) == sorted(remote)
    kinds = {name: kind for name, kind in remote if kind}
    assert kinds == {
        **dict.fromkeys(("__MACOSX", "cat/@eaDir", "cat/Thumbs.db"), "system"),
        **dict.fromkeys(("LICENSE", "dog/notes.txt", "theirs/manifest.json"), "document"),
        **dict.fromkeys((".git", "cat/.DS_Store"), "hidden"),
        **dict.fromkeys(("old", "out"), "dataset"),
    }
    for place in places:
        options = SourceOptions(input=place, output=f"{place}/out")
        assert folder.class_names(options) == ("cat", "dog", "theirs")


@pytest.mark.parametrize("pattern", ["*/*.jpg", "*/*", "*/*.txt", "cat/@eaDir/*/*"])
def test_a_pattern_matches_the_same(places: tuple[str, str], pattern: str) -> None:
    local, remote = (
        sorted(
            found.path[len(place) :] for found in tree.match(f"{place}/{pattern}", f"{place}/out") if not found.ignored
        )
        for place in places
    )
    # On a disk every data set is known, here only the run's own.
    assert [name for name in remote if not name.startswith("/old/")] == local
    assert local


def test_an_input_that_is_the_output_or_a_data_set(places: tuple[str, str]) -> None:
    for place in places:
        with pytest.raises(ConfigError, match="--output: got .* a folder other than --input"):
            folder.list_images(SourceOptions(input=place, output=place))
        with pytest.raises(ConfigError, match="--input: got .* a data set that etl.run wrote"):
            folder.list_images(SourceOptions(input=f"{place}/old"))


def test_splits_in_a_bucket(gcs: Gcs) -> None:
    for name in ("train/cat/1.jpg", "test/cat/1.jpg"):
        gcs.write(f"photos/{name}", b"x")
    with pytest.raises(ConfigError, match="test, train are splits, no classes: in test lie cat"):
        folder.list_images(SourceOptions(input=gcs.path("photos")))
