from __future__ import annotations

import tarfile
from collections import Counter
from pathlib import Path

import pytest

from etl import sources
from etl.errors import ConfigError
from etl.sources import flowers
from etl.sources.files import archive
from etl.sources.options import SourceOptions


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder above a small `flower_photos`."""
    monkeypatch.setenv(archive.CACHE_VARIABLE, str(tmp_path / "cache"))
    for name in ("LICENSE.txt", "daisy/1.jpg", "roses/1.jpg", "roses/2.jpg"):
        path = tmp_path / "above" / "flower_photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "above"


def make_archive(photos: Path) -> Path:
    path = photos.parent / "flower_photos.tgz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(photos / "flower_photos", "flower_photos")
    return path


def test_folder_folder_above_pattern_and_archive_list_the_same(photos: Path) -> None:
    inputs = [photos / "flower_photos", photos, photos / "flower_photos/*/*.jpg", make_archive(photos), f"{photos}/"]
    for path in inputs:
        options = SourceOptions(input=str(path))
        images = [image for image in flowers.list_images(options) if not image.ignored]
        assert [(image.key, image.label) for image in images] == [
            ("daisy/1.jpg", "daisy"),
            ("roses/1.jpg", "roses"),
            ("roses/2.jpg", "roses"),
        ]
        assert [sources.read(image.uri).decode() for image in images] == [image.key for image in images]
        assert flowers.class_names(options) == ("daisy", "roses")
        assert flowers.extras(options) == {}


def test_what_a_mac_or_a_network_drive_put_into_the_archive(photos: Path) -> None:
    for name in ("__MACOSX/daisy/._1.jpg", "daisy/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "daisy/._1.jpg", "Thumbs.db"):
        path = photos / "flower_photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for path in (make_archive(photos), photos / "flower_photos/**/*.jpg"):
        options = SourceOptions(input=str(path))
        assert flowers.class_names(options) == ("daisy", "roses")
        images = list(flowers.list_images(options))
        assert [image.key for image in images if not image.ignored] == ["daisy/1.jpg", "roses/1.jpg", "roses/2.jpg"]
        assert {"__MACOSX", "daisy/@eaDir"} <= {image.key for image in images if image.ignored}


def test_the_labels_file_counts_here_too(photos: Path) -> None:
    labels = photos.parent / "labels.txt"
    labels.write_text("roses\n")
    options = SourceOptions(input=str(photos), labels=str(labels))
    assert flowers.class_names(options) == ("roses",)
    images = [image for image in flowers.list_images(options) if not image.ignored]
    assert [image.rejection for image in images] == ["unknown_label", None, None]


def test_a_folder_that_is_not_there(photos: Path) -> None:
    for name, message in (("none", "there is no such folder"), ("none.tgz", "there is no such file")):
        with pytest.raises(ConfigError, match=f"--input: .*{message}"):
            flowers.list_images(SourceOptions(input=f"{photos}/{name}"))


def test_the_flowers_have_no_official_split(photos: Path) -> None:
    with pytest.raises(ConfigError, match="--split_by: got 'official', expected hash"):
        flowers.list_images(SourceOptions(input=str(photos), split_by="official"))


def test_the_real_flowers(real_data: Path) -> None:
    options = SourceOptions(input=str(real_data))
    names = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert flowers.class_names(options) == names
    images = [image for image in flowers.list_images(options) if not image.ignored]
    assert len({image.key for image in images}) == len(images) == 1_400
    assert Counter(image.label for image in images) == dict.fromkeys(names, 280)
