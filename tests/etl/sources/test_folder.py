from __future__ import annotations

import importlib
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import sources
from etl.errors import ConfigError
from etl.format.manifest import Counts, Manifest, to_json
from etl.format.schema import COMMON_FEATURES
from etl.records import SourceImage
from etl.sources import declared, folder
from etl.sources.files import tree
from etl.sources.options import SourceOptions


def make_files(root: Path, names: Iterable[str]) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def list_all(root: Path | str, **options: object) -> list[SourceImage]:
    return list(folder.list_images(SourceOptions(input=str(root), **options)))  # type: ignore[arg-type]


def list_images(root: Path | str, **options: object) -> list[SourceImage]:
    return [image for image in list_all(root, **options) if not image.ignored]


def list_ignored(root: Path | str, **options: object) -> dict[str, str]:
    return {image.key: image.ignored for image in list_all(root, **options) if image.ignored}


def test_one_folder_is_one_class(tmp_path: Path) -> None:
    make_files(tmp_path, ["tulips/2.jpg", "roses/b.png", "roses/a", "roses/deep/er/c.jpg", "daisy/only.raw"])
    images = list_images(tmp_path)
    assert [(image.key, image.label) for image in images] == [
        ("daisy/only.raw", "daisy"),
        ("roses/a", "roses"),
        ("roses/b.png", "roses"),
        ("roses/deep/er/c.jpg", "roses"),
        ("tulips/2.jpg", "tulips"),
    ]
    assert [sources.read(image.uri) for image in images] == [image.key.encode() for image in images]
    assert {(image.split, image.rejection) for image in images} == {(None, None)}
    assert folder.class_names(SourceOptions(input=str(tmp_path))) == ("daisy", "roses", "tulips")
    assert folder.extras(SourceOptions()) == {}


def test_names_with_a_dot_in_front_are_no_inputs(tmp_path: Path) -> None:
    make_files(tmp_path, ["roses/.DS_Store", "roses/._a.jpg", "roses/.git/a.jpg", ".cache/a.jpg", "roses/a.jpg"])
    assert [image.key for image in list_images(tmp_path)] == ["roses/a.jpg"]
    hidden = (".cache", "roses/.DS_Store", "roses/._a.jpg", "roses/.git")
    assert list_ignored(tmp_path) == dict.fromkeys(hidden, "hidden")
    assert folder.class_names(SourceOptions(input=str(tmp_path))) == ("roses",)


def test_files_beside_the_class_folders(tmp_path: Path) -> None:
    beside = ["Lost.JPG", "b.jfif", "c.heif", "d.dng", "e.zip", "f"]
    make_files(tmp_path, [*beside, "LICENSE.txt", "roses/Thumbs.db", "roses/1.jpg"])
    images = list_images(tmp_path)
    assert [(image.key, image.rejection) for image in images] == [
        *((name, "unlisted") for name in beside),
        ("roses/1.jpg", None),
    ]
    assert "no class" in images[0].message
    assert list_ignored(tmp_path) == {"LICENSE.txt": "document", "roses/Thumbs.db": "system"}


def test_a_pattern_takes_the_class_from_the_folder_that_holds_the_file(tmp_path: Path) -> None:
    make_files(tmp_path, ["a/roses/1.jpg", "a/roses/2.png", "b/roses/1.jpg", "b/daisy/1.jpg"])
    make_files(tmp_path, ["b/daisy/.2.jpg", "b/3.jpg"])
    images = list_images(tmp_path / "*" / "*" / "*.jpg")
    assert [(image.key, image.label) for image in images] == [
        ("a/roses/1.jpg", "roses"),
        ("b/daisy/1.jpg", "daisy"),
        ("b/roses/1.jpg", "roses"),
    ]
    assert folder.class_names(SourceOptions(input=f"{tmp_path}/*/*/*.jpg")) == ("daisy", "roses")
    assert [image.key for image in list_images(tmp_path / "b/**/[12].jpg")] == ["daisy/1.jpg", "roses/1.jpg"]


def test_a_folder_named_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    make_files(tmp_path / "photos [2020]", ["roses/1.jpg"])
    assert [image.key for image in list_images(tmp_path / "photos [2020]")] == ["roses/1.jpg"]


def test_relative_paths_are_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_files(tmp_path, ["photos/roses/1.jpg"])
    monkeypatch.chdir(tmp_path)
    (image,) = list_images("photos/")
    assert image.uri == f"{tmp_path}/photos/roses/1.jpg"
    monkeypatch.chdir(tmp_path / "photos" / "roses")
    (image,) = list_images("*.jpg")
    assert (image.label, image.uri) == ("roses", f"{tmp_path}/photos/roses/1.jpg")


def test_what_input_may_not_be(tmp_path: Path) -> None:
    make_files(tmp_path, ["flat/a.jpg", "photos/roses/a.jpg"])
    (tmp_path / "empty").mkdir()
    (tmp_path / "hollow" / "roses").mkdir(parents=True)
    cases = {
        None: "--input: got None, expected a folder",
        "": "--input: got ''",
        f"{tmp_path}/none": "there is no such folder",
        f"{tmp_path}/flat/a.jpg": "this is a file",
        f"{tmp_path}/flat": "this folder holds no folders",
        f"{tmp_path}/empty": "this folder holds no folders",
        f"{tmp_path}/hollow": "no file in any class folder",
        f"{tmp_path}/*.png": "no file matches this pattern",
        f"{tmp_path}/photos/*": "no file matches this pattern",
    }
    for path, message in cases.items():
        # The call itself raises, before anybody takes an image.
        with pytest.raises(ConfigError, match=message):
            folder.list_images(SourceOptions(input=path))
    with pytest.raises(ConfigError, match="no folders"):
        folder.class_names(SourceOptions(input=f"{tmp_path}/empty"))


def test_an_unreadable_folder(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read every folder")
    make_files(tmp_path, ["roses/a.jpg"])
    (tmp_path / "roses").chmod(0)
    with pytest.raises(ConfigError, match="may read"):
        list_images(tmp_path)


@pytest.mark.parametrize("split_by", ["official", "column"])
def test_a_folder_has_no_split_of_its_own(tmp_path: Path, split_by: str) -> None:
    make_files(tmp_path, ["roses/a.jpg"])
    with pytest.raises(ConfigError, match=r"--split_by: got '.*', expected hash for this data set"):
        list_images(tmp_path, split_by=split_by)
    assert [image.split for image in list_images(tmp_path, split_by="auto")] == [None]


def test_links_are_followed_but_never_round(tmp_path: Path) -> None:
    make_files(tmp_path, ["photos/roses/a.jpg", "elsewhere/b.jpg"])
    (tmp_path / "photos/daisy").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos/roses/up").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/roses/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    images = list_images(tmp_path / "photos")
    assert [image.key for image in images] == ["daisy/b.jpg", "roses/a.jpg", "roses/gone.jpg"]
    assert list_ignored(tmp_path / "photos") == {"roses/up": "link"}
    with pytest.raises(FileNotFoundError):
        sources.read(images[2].uri)


def test_what_is_no_file_is_rejected_unopened(tmp_path: Path) -> None:
    make_files(tmp_path, ["roses/a.jpg"])
    os.mkfifo(tmp_path / "roses" / "pipe.jpg")
    for path in (tmp_path, tmp_path / "*/*.jpg"):
        assert [(image.rejection, image.key.rpartition("/")[2]) for image in list_images(path)] == [
            (None, "a.jpg"),
            ("unsupported", "pipe.jpg"),
        ]


def test_a_name_that_is_no_utf8_is_rejected(tmp_path: Path) -> None:
    make_files(tmp_path, ["roses/a.jpg"])
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/roses/b\xff.jpg")).write_bytes(b"")
    images = list_images(tmp_path)
    assert [(image.key, image.rejection) for image in images] == [
        ("roses/a.jpg", None),
        (r"roses/b\xff.jpg", "unsupported"),
    ]
    assert images[1].uri.encode() == f"{tmp_path}/roses/b".encode() + rb"\xff.jpg"


def test_a_name_too_long_for_the_file_system_is_a_missing_file() -> None:
    with pytest.raises(FileNotFoundError, match="xxx"):
        sources.read("/" + "x" * 5000)


def test_the_labels_file_gives_order_and_bounds(tmp_path: Path) -> None:
    make_files(tmp_path / "photos", ["roses/a.jpg", "daisy/a.jpg", "weeds/a.jpg"])
    (tmp_path / "labels.txt").write_bytes("\ufeffroses\r\n\r\n  daisy \r\ntulips".encode())
    labels = str(tmp_path / "labels.txt")
    options = SourceOptions(input=f"{tmp_path}/photos", labels=labels)
    assert folder.class_names(options) == ("roses", "daisy", "tulips")
    images = list(folder.list_images(options))
    assert [(image.label, image.rejection) for image in images] == [
        ("daisy", None),
        ("roses", None),
        ("weeds", "unknown_label"),
    ]
    assert images[2].message == "label 'weeds' is not among the 3 class names"
    # A name is one line, whatever else may break lines elsewhere.
    (tmp_path / "labels.txt").write_text("a\u2028b\nc\x0bd\ne\x85f\n", encoding="utf-8")
    assert folder.class_names(options) == ("a\u2028b", "c\x0bd", "e\x85f")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"a\nb\na\n", "each class name once; 'a' is there more than once"),
        (b"\xff\xfea\0", "its bytes are no UTF-8"),
        (None, "there is no such file"),
    ],
)
def test_broken_labels_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    make_files(tmp_path, ["photos/roses/a.jpg"])
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"^--labels: got .*{message}"):
        list_images(tmp_path / "photos", labels=str(path))


def test_classes_from_keeps_an_earlier_vocabulary(tmp_path: Path) -> None:
    make_files(tmp_path, ["photos/daisy/a.jpg", "photos/thistle/a.jpg"])
    earlier = Manifest("flowers", ("tulips", "daisy"), Counts(1, 1, {}), {})
    (tmp_path / "manifest.json").write_text(to_json(earlier))
    for path in (tmp_path, tmp_path / "manifest.json"):
        options = SourceOptions(input=f"{tmp_path}/photos", classes_from=str(path))
        assert folder.class_names(options) == ("tulips", "daisy")
        assert [image.rejection for image in folder.list_images(options)] == [None, "unknown_label"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "", "no manifest.json"),
        (None, "manifest.json", "there is no such file"),
        ("{", "", "no valid JSON"),
        (json.dumps({"schema_version": 0}), "manifest.json", "schema version 0"),
    ],
)
def test_classes_from_something_else(tmp_path: Path, content: str | None, name: str, message: str) -> None:
    make_files(tmp_path, ["photos/daisy/a.jpg"])
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ConfigError, match=f"^--classes_from: got .*{message}"):
        list_images(tmp_path / "photos", classes_from=str(tmp_path / name))


def test_classes_from_excludes_labels(tmp_path: Path) -> None:
    make_files(tmp_path, ["photos/daisy/a.jpg"])
    with pytest.raises(ConfigError, match="not both"):
        list_images(tmp_path / "photos", classes_from="a", labels="b")


def test_listing_is_lazy(tmp_path: Path) -> None:
    make_files(tmp_path, ["a/1.jpg", "b/1.jpg"])
    images = folder.list_images(SourceOptions(input=str(tmp_path)))
    # The second class is looked at only when its turn comes.
    make_files(tmp_path, ["b/2.jpg"])
    assert [image.key for image in images] == ["a/1.jpg", "b/1.jpg", "b/2.jpg"]


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
visible = names.filter(lambda name: not name.startswith("."))


# With an ending of images: `0.TXT` is a text, and no input.
@given(st.sets(st.tuples(visible, visible.map(lambda name: f"{name}.jpg")), min_size=1, max_size=8))
def test_every_file_is_listed_once_under_its_own_path(
    tmp_path_factory: pytest.TempPathFactory, pairs: set[tuple[str, str]]
) -> None:
    root = make_files(tmp_path_factory.mktemp("photos"), ["/".join(pair) for pair in pairs])
    images = list_images(root)
    assert sorted((image.label, image.key) for image in images) == sorted((nfc(a), f"{a}/{b}") for a, b in pairs)
    assert all(sources.read(image.uri) == image.key.encode() for image in images)
    assert folder.class_names(SourceOptions(input=str(root))) == tuple(sorted({nfc(a) for a, _ in pairs}))


CAFE = "caf\u00e9"


def test_class_folders_in_two_normal_forms_are_one_class(tmp_path: Path) -> None:
    mac = unicodedata.normalize("NFD", CAFE)
    make_files(tmp_path / "photos", [f"{CAFE}/1.jpg", f"{mac}/1.jpg", "tea/1.jpg"])
    options = SourceOptions(input=f"{tmp_path}/photos")
    assert folder.class_names(options) == (CAFE, "tea")
    images = list_images(tmp_path / "photos")
    assert sorted((image.key, image.label) for image in images) == sorted(
        [(f"{mac}/1.jpg", CAFE), (f"{CAFE}/1.jpg", CAFE), ("tea/1.jpg", "tea")]
    )
    (note,) = folder.notes(options)
    assert note.endswith(r"are one class: 'cafe\u0301' = 'caf\xe9'")
    by_pattern = SourceOptions(input=f"{tmp_path}/photos/*/*.jpg")
    assert folder.class_names(by_pattern) == (CAFE, "tea")
    assert folder.notes(by_pattern) == []


def test_an_input_one_folder_too_high(tmp_path: Path) -> None:
    make_files(tmp_path, ["photos/cat/1.jpg", "photos/dog/1.jpg"])
    assert folder.notes(SourceOptions(input=str(tmp_path))) == [
        "all images are of one class, photos, in which lie folders: cat, dog"
    ]
    assert folder.notes(SourceOptions(input=f"{tmp_path}/photos")) == []


@pytest.mark.parametrize(("typed", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_given_class_names_match_in_every_normal_form(tmp_path: Path, typed: str, on_disk: str) -> None:
    make_files(tmp_path, [f"photos/{unicodedata.normalize(on_disk, CAFE)}/1.jpg"])  # type: ignore[arg-type]
    name = unicodedata.normalize(typed, CAFE)  # type: ignore[arg-type]
    (tmp_path / "labels.txt").write_text(f"tea\n{name}\n")
    options = SourceOptions(input=f"{tmp_path}/photos", labels=f"{tmp_path}/labels.txt")
    assert folder.class_names(options) == ("tea", CAFE)
    assert [image.label for image in folder.list_images(options)] == [CAFE]
    # An earlier data set's names stay as they are, to the byte.
    (tmp_path / "manifest.json").write_text(to_json(Manifest("folder", ("tea", name), Counts(1, 1, {}), {})))
    options = SourceOptions(input=f"{tmp_path}/photos", classes_from=str(tmp_path))
    assert folder.class_names(options) == ("tea", name)
    assert [image.label for image in folder.list_images(options)] == [name]


def test_a_labels_file_with_one_class_in_two_normal_forms(tmp_path: Path) -> None:
    make_files(tmp_path, ["photos/a/1.jpg"])
    (tmp_path / "labels.txt").write_text(f"{CAFE}\n{unicodedata.normalize('NFD', CAFE)}\n")
    with pytest.raises(ConfigError, match=f"^--labels: got .*'{CAFE}' is there more than once"):
        list_images(tmp_path / "photos", labels=f"{tmp_path}/labels.txt")


@pytest.mark.parametrize(
    "paths",
    [
        ["train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg"],
        ["Train/cat/1.jpg", "VALID/cat/1.jpg", "extra/1.jpg"],
        ["train/cat/1.jpg"],
        ["train/cat/1.jpg", "test/1.jpg"],
        ["val/cat/1.jpg", "dev/cat/1.jpg", "__MACOSX/train/cat/1.jpg"],
    ],
)
def test_splits_are_not_taken_for_classes(tmp_path: Path, paths: list[str]) -> None:
    make_files(tmp_path / "photos", paths)
    for call in (folder.list_images, folder.class_names):
        with pytest.raises(ConfigError, match=r"^--input: got .* are splits, no classes: in .* lie cat.*--source csv"):
            call(SourceOptions(input=f"{tmp_path}/photos"))
    # What the message says to do works.
    name = paths[0].partition("/")[0]
    assert {image.label for image in list_images(tmp_path / "photos" / name)} <= {"cat", "dog"}
    assert {image.label for image in list_images(tmp_path / "photos/*/*/*")} <= {"cat", "dog"}
    (tmp_path / "labels.txt").write_text("Train\ntrain\nVALID\nval\ndev\ntest\n")
    assert list_images(tmp_path / "photos", labels=f"{tmp_path}/labels.txt")


def test_splits_without_class_folders(tmp_path: Path) -> None:
    make_files(tmp_path, ["train/1.jpg", "test/1.jpg"])
    with pytest.raises(ConfigError, match="test, train are splits, no classes; a list with columns of paths"):
        list_images(tmp_path)


@pytest.mark.parametrize(
    "paths", [["train/1.jpg", "bus/1.jpg"], ["train/steam/1.jpg", "bus/1.jpg"], ["valid/1", "bad/1"]]
)
def test_classes_that_are_named_like_splits(tmp_path: Path, paths: list[str]) -> None:
    make_files(tmp_path, paths)
    assert folder.class_names(SourceOptions(input=str(tmp_path))) == tuple(sorted(p.partition("/")[0] for p in paths))


def test_input_and_output_keep_apart(tmp_path: Path) -> None:
    make_files(tmp_path, ["photos/cat/1.jpg", "photos/out/jpeg/a.jpg", "set/pixel/cat/1.jpg"])
    photos = tmp_path / "photos"
    (tmp_path / "link").symlink_to(photos)
    for output in (photos, tmp_path / "link"):
        with pytest.raises(ConfigError, match="^--output: got .* expected a folder other than --input"):
            list_images(photos, output=str(output))
    with pytest.raises(ConfigError, match="^--output: got .* whose shards don't come to lie in .*/set/pixel"):
        list_images(tmp_path / "set/pixel", output=str(tmp_path / "set"))
    options = SourceOptions(input=str(photos), output=f"{photos}/out")
    assert folder.class_names(options) == ("cat",)
    assert list_ignored(photos, output=f"{photos}/out") == {"out": "dataset"}
    # Above the input, only its own files are touched.
    assert [image.key for image in list_images(photos / "out", output=str(photos))] == ["jpeg/a.jpg"]


def test_a_data_set_is_no_input(tmp_path: Path) -> None:
    make_files(tmp_path, ["jpeg/train-00000-of-00001.tfrecord"])
    (tmp_path / "manifest.json").write_text(to_json(Manifest("flowers", ("a",), Counts(0, 0, {}), {})))
    with pytest.raises(ConfigError, match="^--input: got .* this is a data set that etl.run wrote"):
        list_images(tmp_path)


def test_list_folders_of_files_only(tmp_path: Path) -> None:
    make_files(tmp_path, ["b/x", "a/x", ".c/x", "d"])
    assert tree.list_folders(str(tmp_path)) == ["a", "b"]


def test_every_source_has_what_a_source_has() -> None:
    for name in sources.SOURCES:
        module = sources.source(name)
        assert all(callable(getattr(module, function)) for function in ("extras", "class_names", "list_images"))
        assert set(module.extras(declared.options_type(name)())).isdisjoint({"image", *COMMON_FEATURES})
    for module_name in sources.SCHEMES.values():
        assert module_name in sources.SOURCES.values()
        assert callable(importlib.import_module(module_name).read)
    extras = {"anything": 1}
    assert sources.read_extras("folder", "key", extras) == extras


def test_the_real_flowers(real_data: Path) -> None:
    images = list_images(real_data / "flower_photos")
    assert Counter(image.label for image in images) == dict.fromkeys(
        ("daisy", "dandelion", "roses", "sunflowers", "tulips"), 280
    )
    by_pattern = list_images(real_data / "flower_photos" / "*" / "*.jpg")
    assert sorted(images, key=lambda image: image.key) == by_pattern


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("/data/My photos/", "My photos"),
        ("/data/photos/*/*.jpg", "photos"),
        ("gs://bucket/set", "set"),
        ("/", "folder"),
    ],
)
def test_a_data_set_has_the_folders_name(given: str, name: str) -> None:
    from etl import sources
    from etl.sources.options import SourceOptions

    assert sources.dataset_name("folder", SourceOptions(input=given)) == name
    assert sources.dataset_name("flowers", SourceOptions(input=given)) == "flowers"
