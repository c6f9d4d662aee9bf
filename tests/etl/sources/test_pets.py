from __future__ import annotations

import io
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from etl import sources
from etl.errors import ConfigError, DatasetError, RecordError
from etl.format.features import FeatureSpec
from etl.format.schema import encode_example
from etl.records import SourceImage
from etl.sources import boxes, pets, splits
from etl.sources.files import archive

HEAD = b"""<annotation><filename>Birman_1.jpg</filename>
<size><width>400</width><height>200</height><depth>3</depth></size>
<object><name>cat</name><bndbox><xmin>100</xmin><ymin>20</ymin><xmax>300</xmax><ymax>180</ymax></bndbox></object>
</annotation>"""

LISTS = {
    "list.txt": "#Image CLASS-ID SPECIES BREED ID\nBirman_1 7 1 3\nBirman_2 7 1 3\nbig_dog_1 2 2 1\nbig_dog_2 2 2 1\n",
    "trainval.txt": "Birman_1 7 1 3\nbig_dog_1 2 2 1\n",
    "test.txt": "Birman_2 7 1 3\nbig_dog_2 2 2 1\n",
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small set: four listed images of which one file is missing, and three files in no list."""
    monkeypatch.setenv(archive.CACHE_VARIABLE, str(tmp_path / "cache"))
    files = {
        **{f"images/{name}": name.encode() for name in ("Birman_1.jpg", "Birman_2.jpg", "big_dog_1.jpg")},
        **{f"images/{name}": name.encode() for name in ("Birman_1.mat", "Birman_9.jpg", "weasel_1.jpg")},
        "images/._Birman_1.jpg": b"mac",
        **{f"annotations/{name}": text.encode() for name, text in LISTS.items()},
        "annotations/xmls/Birman_1.xml": HEAD,
        "annotations/trimaps/big_dog_1.png": b"png",
        "annotations/trimaps/._big_dog_1.png": b"mac",
    }
    for name, content in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "set"


def list_images(root: Path, **options: object) -> dict[str, SourceImage]:
    images = list(pets.list_images(pets.PetsOptions(input=str(root), **options)))  # type: ignore[arg-type]
    assert len({image.key for image in images}) == len(images)
    return {image.key: image for image in images if not image.ignored}


def test_the_official_split(root: Path) -> None:
    images = list_images(root, split_by="official")
    assert {key: image.split for key, image in images.items() if not image.rejection} == {
        "Birman_1.jpg": splits.TRAIN_OR_VALIDATION,
        "Birman_2.jpg": "test",
        "big_dog_1.jpg": splits.TRAIN_OR_VALIDATION,
        "big_dog_2.jpg": "test",
    }
    assert list_images(root, split_by="auto") == images


def test_images_in_no_list(root: Path) -> None:
    images = list_images(root)
    unlisted = {key: image for key, image in images.items() if image.rejection}
    assert {key: image.rejection for key, image in unlisted.items()} == dict.fromkeys(
        ("Birman_1.mat", "Birman_9.jpg", "weasel_1.jpg"), "unlisted"
    )
    assert "--include_unlisted" in unlisted["Birman_9.jpg"].message


def test_unlisted_images_join_train_where_asked_for(root: Path) -> None:
    images = list_images(root, include_unlisted=True, split_by="official")
    assert {key: (image.label, image.split, image.rejection) for key, image in images.items()} == {
        "Birman_1.jpg": ("Birman", splits.TRAIN_OR_VALIDATION, None),
        "Birman_1.mat": ("Birman", "train", None),
        "Birman_2.jpg": ("Birman", "test", None),
        "Birman_9.jpg": ("Birman", "train", None),
        "big_dog_1.jpg": ("big_dog", splits.TRAIN_OR_VALIDATION, None),
        "big_dog_2.jpg": ("big_dog", "test", None),
        "weasel_1.jpg": ("weasel", None, "unknown_label"),
    }
    assert images["Birman_9.jpg"].extras["species"] == "cat"


def test_split_by_hash_leaves_all_to_the_content(root: Path) -> None:
    images = list_images(root, include_unlisted=True, split_by="hash")
    assert {image.split for image in images.values()} == {None}
    with pytest.raises(ConfigError, match="--split_by: got 'column', expected official or hash"):
        list_images(root, split_by="column")


def test_a_listed_image_without_a_file_is_not_forgotten(root: Path) -> None:
    image = list_images(root)["big_dog_2.jpg"]
    assert image.rejection is None
    with pytest.raises(FileNotFoundError, match="big_dog_2"):
        sources.read(image.uri)


def test_labels(root: Path) -> None:
    options = pets.PetsOptions(input=str(root))
    # By number, not by name.
    assert pets.class_names(options) == ("big_dog", "Birman")
    by_species = pets.PetsOptions(input=str(root), label="species")
    assert pets.class_names(by_species) == ("cat", "dog")
    images = list_images(root, label="species", include_unlisted=True)
    assert [image.label for image in images.values()] == ["cat", "cat", "cat", "cat", "dog", "dog", ""]
    with pytest.raises(ConfigError, match="--label: got 'colour', expected breed or species"):
        pets.class_names(pets.PetsOptions(input=str(root), label="colour"))


def test_a_labels_file_narrows_the_set(root: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("Birman\n")
    labels = str(tmp_path / "labels.txt")
    assert pets.class_names(pets.PetsOptions(input=str(root), labels=labels)) == ("Birman",)
    images = list_images(root, labels=labels)
    assert images["Birman_1.jpg"].rejection is None
    assert images["big_dog_1.jpg"].rejection == "unknown_label"


def test_extras_are_read_only_when_they_are_wanted(root: Path) -> None:
    images = list_images(root, trimaps=True)
    extras = {key: sources.read_extras("pets", key, image.extras) for key, image in images.items()}
    assert extras["Birman_1.jpg"] == {"species": "cat", "bbox": (0.1, 0.25, 0.9, 0.75), "trimap": ()}
    assert extras["big_dog_1.jpg"] == {"species": "dog", "bbox": (), "trimap": b"png"}
    assert all("trimap" not in image.extras for image in list_images(root).values())
    # What the list holds are references: no annotation crosses from step to step.
    assert images["big_dog_1.jpg"].extras["trimap"] == f"? {root}/annotations/trimaps/big_dog_1.png"


def test_extras_are_what_the_source_declares(root: Path) -> None:
    for trimaps in (False, True):
        declared = pets.extras(pets.PetsOptions(trimaps=trimaps))
        for key, image in list_images(root, trimaps=trimaps).items():
            if not image.rejection:
                stored = sources.read_extras("pets", key, image.extras)
                assert set(stored) == set(declared)
                assert all(value != () or declared[name].optional for name, value in stored.items())
                assert encode_example(stored)
    assert declared["bbox"] == FeatureSpec("float32", (4,), optional=True)


def test_an_annotation_that_is_gone_or_broken(root: Path) -> None:
    image = list_images(root)["Birman_1.jpg"]
    path = root / "annotations/xmls/Birman_1.xml"
    path.write_bytes(b"<annotation>")
    with pytest.raises(RecordError, match=r"Birman_1.jpg: malformed_row: its head annotation can't be read"):
        sources.read_extras("pets", image.key, image.extras)
    path.unlink()
    with pytest.raises(RecordError, match=r"Birman_1.jpg: missing: .*can't be read: No such file"):
        sources.read_extras("pets", image.key, image.extras)


def test_an_annotation_that_changes_after_it_was_listed_ends_the_run(root: Path) -> None:
    images = list_images(root, trimaps=True)
    for name, path in (("Birman_1.jpg", "xmls/Birman_1.xml"), ("big_dog_1.jpg", "trimaps/big_dog_1.png")):
        pinned = sources.pin_extras("pets", images[name].extras)
        file = root / "annotations" / path
        before = file.read_bytes()
        assert sources.read_extras("pets", name, pinned) == sources.read_extras("pets", name, images[name].extras)
        file.write_bytes(before[:-1] + b"?")
        with pytest.raises(DatasetError, match=rf"{path}: has other bytes than when it was listed"):
            sources.read_extras("pets", name, pinned)
        file.unlink()
        with pytest.raises(DatasetError, match=rf"{path}: .*gone now"):
            sources.read_extras("pets", name, pinned)
        # One that could not be read at first is no reason to end a run, unless it can be read now.
        missing = sources.pin_extras("pets", images[name].extras)
        with pytest.raises(RecordError, match=rf"{name}: missing: .*can't be read"):
            sources.read_extras("pets", name, missing)
        file.write_bytes(before)
        with pytest.raises(DatasetError, match="it was changed"):
            sources.read_extras("pets", name, missing)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"<xmin>100", b"<xmin>300", "is empty or leaves the image of 400 by 200"),
        (b"<ymax>180", b"<ymax>201", "is empty or leaves the image"),
        (b"<width>400", b"<width>0", "is empty or leaves the image"),
        (b"<xmin>100", b"<xmin>nan", "xmin is nan"),
        (b"<height>200", b"<height>inf", "height is inf"),
        (b"<xmin>100</xmin>", b"", "could not convert"),
        (b"<annotation>", b"<!DocType a [<!ENTITY b 'c'>]><annotation>", "defines a document type"),
        (b"cat", b"\xff", "can't be read"),
        (HEAD, b"", "can't be read"),
        (HEAD, HEAD.decode().encode("utf-16"), "can't be read"),
    ],
)
def test_broken_boxes(old: bytes, new: bytes, message: str) -> None:
    assert HEAD.count(old) >= 1
    with pytest.raises(RecordError, match=message) as caught:
        boxes.parse_head(HEAD.replace(old, new, 1), "a.jpg")
    assert caught.value.reason == "malformed_row"


def test_every_place_that_input_may_name(root: Path, tmp_path: Path) -> None:
    expected = list(list_images(root))
    archives = tmp_path / "archives"
    archives.mkdir()
    for part in ("images", "annotations"):
        # The official files are compressed or not, whatever their ending.
        with tarfile.open(archives / f"{part}.tar.gz", "w:gz" if part == "images" else "w") as tar:
            tar.add(root / part, part)
    for place in (root.parent, archives, archives / "images.tar.gz", archives / "annotations.tar.gz"):
        images = list_images(place)
        assert list(images) == expected
        assert sources.read(images["Birman_1.jpg"].uri) == b"Birman_1.jpg"
        assert pets.class_names(pets.PetsOptions(input=str(place))) == ("big_dog", "Birman")


def test_what_input_may_not_be(root: Path, tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    shutil.copytree(root / "images", tmp_path / "half" / "images")
    cases = {"none": "there is no such folder", "half": "expected a folder with images/ and annotations/"}
    for name, message in cases.items():
        with pytest.raises(ConfigError, match=f"--input: .*{message}"):
            list_images(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("list.txt", b"Birman_1 7 1\n", "line 1 is 'Birman_1 7 1'"),
        ("test.txt", b"\nBirman_1 7 3 1\n", "line 2 is 'Birman_1 7 3 1'"),
        ("trainval.txt", b"Birman_1 x 1 1\n", "expected image name, class id"),
        ("trainval.txt", b"Birman_1 " + b"9" * 5_000 + b" 1 1\n", "expected image name, class id"),
        ("trainval.txt", "Birman_1 1 1 1\u2028Birman_3 1 1 1\n".encode(), "expected image name, class id"),
        ("trainval.txt", LISTS["test.txt"].encode(), "Birman_2 is in both parts"),
        ("test.txt", b"\xff", "its bytes are none"),
        ("test.txt", None, "there is no such file"),
    ],
)
def test_broken_lists(root: Path, name: str, content: bytes | None, message: str) -> None:
    path = root / "annotations" / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"--input: .*{message}"):
        list_images(root)


def test_the_real_pets(real_data: Path) -> None:
    images = list_images(real_data / "pets", split_by="official", trimaps=True)
    assert len(images) == 374
    assert Counter(image.split for image in images.values()) == {splits.TRAIN_OR_VALIDATION: 301, "test": 72, None: 1}
    assert [key for key, image in images.items() if image.rejection] == ["Abyssinian_34.jpg"]
    names = pets.class_names(pets.PetsOptions(input=str(real_data / "pets")))
    assert (len(names), names[0], names[-1]) == (37, "Abyssinian", "yorkshire_terrier")
    assert {image.label for image in images.values()} == set(names)
    # Cats are written with a capital.
    assert all((image.extras["species"] == "cat") == key[0].isupper() for key, image in images.items() if image.extras)
    included = list_images(real_data / "pets", split_by="official", include_unlisted=True)
    assert (included["Abyssinian_34.jpg"].split, included["Abyssinian_34.jpg"].rejection) == ("train", None)


def test_the_real_annotations(real_data: Path) -> None:
    images = list_images(real_data, trimaps=True)
    written = [image for image in images.values() if not image.rejection]
    extras = {image.key: sources.read_extras("pets", image.key, image.extras) for image in written}
    heads = {key: values["bbox"] for key, values in extras.items() if values["bbox"]}
    trimaps = {key: values["trimap"] for key, values in extras.items() if values["trimap"]}
    annotations = real_data / "pets" / "annotations"
    assert set(heads) == {f"{path.stem}.jpg" for path in (annotations / "xmls").glob("*.xml")}
    top, left, bottom, right = heads["Abyssinian_101.jpg"]  # type: ignore[misc]
    assert (left * 450, top * 313, right * 450, bottom * 313) == pytest.approx((54, 36, 319, 235))
    listed = {f"{path.stem}.jpg" for path in (annotations / "trimaps").glob("*.png")} & set(extras)
    assert set(trimaps) == listed
    values = np.asarray(Image.open(io.BytesIO(trimaps["Abyssinian_101.jpg"])))  # type: ignore[arg-type]
    assert set(np.unique(values)) == {1, 2, 3}
    assert values.shape == (313, 450)
