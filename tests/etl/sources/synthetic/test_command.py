from __future__ import annotations

import io
import itertools
import math
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from etl import errors, sources
from etl.errors import ConfigError
from etl.sources import folder, synthetic
from etl.sources.options import SourceOptions
from etl.sources.synthetic import SyntheticOptions, command


def broken_kind(uri: str) -> str:
    return uri.partition("?broken=")[2]


def test_list_images_takes_the_classes_in_turn() -> None:
    options = SyntheticOptions(num_images=23, seed=7, broken_fraction=0.1)
    images = list(synthetic.list_images(options))
    assert [image.label for image in images[:6]] == [*synthetic.CLASS_NAMES, "daisy"]
    assert sorted(Counter(image.label for image in images).values()) == [4, 4, 5, 5, 5]
    assert images[11].key == "dandelion/00002.jpg"
    assert images[11].uri.partition("?")[0] == "synthetic://7/dandelion/2"
    assert len({image.key for image in images}) == len({image.uri for image in images}) == 23
    assert images == list(synthetic.list_images(options))


def test_list_images_is_lazy() -> None:
    images = synthetic.list_images(SyntheticOptions(num_images=10**12))
    assert [image.key for image in itertools.islice(images, 2)] == ["daisy/00000.jpg", "dandelion/00000.jpg"]


def test_more_images_begin_with_the_fewer() -> None:
    some = list(synthetic.list_images(SyntheticOptions(num_images=90, seed=2)))
    assert list(synthetic.list_images(SyntheticOptions(num_images=300, seed=2)))[:90] == some


def test_listing_loads_nothing_that_draws() -> None:
    code = (
        "import sys; from etl.sources import synthetic;"
        "print(len(list(synthetic.list_images(synthetic.SyntheticOptions(num_images=10)))),"
        "[name for name in ('PIL', 'tensorflow', 'apache_beam') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split(maxsplit=1) == ["10", "[]\n"]


def test_input_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--input: got 'photos', expected none for synthetic"):
        synthetic.list_images(SyntheticOptions(input="photos"))


def test_official_splits_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"--split_by: got 'official'"):
        synthetic.list_images(SyntheticOptions(split_by="official"))


def test_class_names_may_be_given(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("tulips\ndaisy\n")
    options = SyntheticOptions(labels=str(labels), num_images=5, broken_fraction=0)
    assert synthetic.class_names(SyntheticOptions()) == synthetic.CLASS_NAMES
    assert synthetic.class_names(options) == ("tulips", "daisy")
    rejected = {image.label: image.rejection for image in synthetic.list_images(options)}
    assert rejected == {
        "daisy": None,
        "tulips": None,
        **dict.fromkeys(("dandelion", "roses", "sunflowers"), "unknown_label"),
    }


@given(
    num_images=st.integers(1, 400), seed=st.integers(0, 2**40), fraction=st.integers(0, 1000).map(lambda n: n / 1000)
)
@settings(max_examples=60)
def test_the_broken_share_is_kept_exactly(num_images: int, seed: int, fraction: float) -> None:
    options = SyntheticOptions(num_images=num_images, seed=seed, broken_fraction=fraction)
    kinds = [broken_kind(image.uri) for image in synthetic.list_images(options)]
    share = num_images * Fraction(fraction).limit_denominator(1000)
    assert len(kinds) - kinds.count("") in (math.floor(share), math.ceil(share))


@pytest.mark.parametrize(("fraction", "num_broken"), [(0.0, 0), (0.02, 60), (0.5, 1500), (1.0, 3000)])
def test_the_kinds_take_turns_and_no_class_is_spared(fraction: float, num_broken: int) -> None:
    options = SyntheticOptions(num_images=3000, seed=3, broken_fraction=fraction)
    broken = [image for image in synthetic.list_images(options) if broken_kind(image.uri)]
    kinds = [broken_kind(image.uri) for image in broken]
    assert kinds == list(itertools.islice(itertools.cycle(synthetic.BROKEN_KINDS), num_broken))
    assert {image.label for image in broken} == (set(synthetic.CLASS_NAMES) if num_broken else set())


def test_another_seed_breaks_other_images() -> None:
    first, second = (
        [broken_kind(image.uri) != "" for image in synthetic.list_images(SyntheticOptions(num_images=500, seed=seed))]
        for seed in (1, 2)
    )
    assert first != second


def test_read_depends_on_the_whole_uri_alone() -> None:
    uris = [
        f"synthetic://{seed}/{label}/{index}" for seed in (1, 2) for label in ("daisy", "roses") for index in (0, 1)
    ]
    drawn = {uri: synthetic.read(uri) for uri in uris}
    assert len(set(drawn.values())) == len(uris)
    assert all(sources.read(uri) == data for uri, data in drawn.items())


def test_whole_images_decode() -> None:
    for image in synthetic.list_images(SyntheticOptions(num_images=10, seed=4, broken_fraction=0)):
        with Image.open(io.BytesIO(synthetic.read(image.uri))) as picture:
            picture.load()
            assert picture.format == "JPEG"


@pytest.mark.parametrize(
    ("kind", "message"),
    [("truncated", "image file is truncated"), ("empty", "cannot identify"), ("text", "cannot identify")],
)
def test_broken_images_do_not_decode(kind: str, message: str) -> None:
    for index in range(8):
        data = synthetic.read(f"synthetic://5/{synthetic.CLASS_NAMES[index % 5]}/{index}?broken={kind}")
        with pytest.raises(OSError, match=message), Image.open(io.BytesIO(data)) as picture:
            picture.load()


def test_every_kind_is_broken_in_its_own_way() -> None:
    whole = synthetic.read("synthetic://5/tulips/3")
    broken = {kind: synthetic.read(f"synthetic://5/tulips/3?broken={kind}") for kind in synthetic.BROKEN_KINDS}
    assert broken["truncated"] == whole[: len(whole) // 2]
    assert broken["empty"] == b""
    assert broken["text"].decode("ascii").endswith("\n")
    # Exact copies would be counted as duplicates.
    assert broken["text"] != synthetic.read("synthetic://5/tulips/4?broken=text")


@pytest.mark.parametrize(
    "uri",
    [
        "synthetic://5/thistle/3",
        "synthetic://5/tulips",
        "synthetic://x/tulips/3",
        "synthetic://5/tulips/3?broken=bent",
        "synthetic://5/tulips/3?broken=",
        "synthetic://5/tulips/-3",
        "/photos/tulips/3.jpg",
    ],
)
def test_a_uri_of_no_image_is_refused(uri: str) -> None:
    with pytest.raises(FileNotFoundError, match=uri.replace("?", r"\?")):
        synthetic.read(uri)


def test_main_writes_what_the_folder_source_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "new" / "photos"
    assert command.main([str(target), "--num_images", "12", "--seed", "7", "--broken_fraction", "0.5"]) == 0
    assert "wrote 12 photographs (6 broken on purpose)" in capsys.readouterr().out
    options = SourceOptions(input=str(target))
    assert folder.class_names(options) == synthetic.CLASS_NAMES
    found = {image.key: (image.label, sources.read(image.uri)) for image in folder.list_images(options)}
    drawn = SyntheticOptions(num_images=12, seed=7, broken_fraction=0.5)
    assert found == {image.key: (image.label, sources.read(image.uri)) for image in synthetic.list_images(drawn)}


def test_main_breaks_nothing_unless_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(tmp_path), "--num_images", "6"]) == 0
    assert "wrote 6 photographs, " in capsys.readouterr().out
    for path in tmp_path.glob("*/*.jpg"):
        with Image.open(path) as picture:
            picture.load()
    assert len(list(tmp_path.glob("*/*.jpg"))) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num_images", "0"], r"--num_images: got '0', expected how many photographs"),
        (["--num_images", "ten"], r"--num_images: got 'ten'"),
        (["--seed", "1.5"], r"--seed: got '1.5', expected a whole number"),
        (["--broken_fraction", "2"], r"--broken_fraction: got '2', expected a share from 0 to 1"),
        (["--num_image", "3"], r"did you mean --num_images\?"),
    ],
)
def test_main_refuses_wrong_options(tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        command.main([str(tmp_path / "photos"), *arguments])
    assert not (tmp_path / "photos").exists()


def test_main_needs_a_folder() -> None:
    with pytest.raises(ConfigError, match="DIR: got None, expected a value"):
        command.main([])


def test_main_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    for target in (tmp_path, precious):
        with pytest.raises(ConfigError, match=r"DIR: got .*, expected a new or an empty folder"):
            command.main([str(target), "--num_images", "1"])
    assert errors.run_main(command.main, [str(tmp_path)]) == errors.EXIT_USAGE
    assert capsys.readouterr().err.startswith("error: DIR: got ")
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    assert precious.read_text() == "mine"
