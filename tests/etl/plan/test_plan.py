from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from etl.config import EtlConfig
from etl.errors import ConfigError
from etl.plan.lines import decode_images
from etl.plan.plan import Plan
from etl.sources.options import SourceOptions
from tests.photos import jpeg, make_folder


def config(folder: Path, **more: object) -> EtlConfig:
    return EtlConfig(source="folder", output="out", options=SourceOptions(input=str(folder)), num_threads=2, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photos"), 90)


@pytest.mark.parametrize(("num_shards", "splits"), [(1, {"all": 1.0}), (2, {"all": 1.0}), (7, {"all": 1.0})])
def test_shards_are_even(folder: Path, num_shards: int, splits: dict[str, float]) -> None:
    with Plan(config(folder, splits=splits)) as plan:
        plan.fill()
        total = sum(num_bytes for *_, num_bytes in plan.shards("jpeg"))
    with Plan(config(folder, splits=splits, shard_bytes=total // num_shards)) as plan:
        plan.fill()
        sizes = [num_bytes for *_, num_bytes in plan.shards("jpeg")]
    assert len(sizes) == num_shards
    for size in sizes:
        # One image is a few per cent of so small a shard.
        assert size == pytest.approx(total / num_shards, rel=0.1)


def test_every_image_is_in_one_unit_and_units_are_small_for_embeddings(folder: Path) -> None:
    settings = config(folder, variants=("jpeg", "embedding"), embedding_weights="w", shard_bytes=20_000)
    with Plan(settings) as plan:
        plan.fill()
        units = list(plan.units("plan"))
    for variant in settings.variants:
        keys = Counter(
            image.key for unit, content in units if unit.variant == variant for image in decode_images(content)
        )
        assert set(keys.values()) == {1}
        assert len(keys) == 90
    assert all(unit.num_images == len(list(decode_images(content))) for unit, content in units)
    assert len({unit.plan_path for unit, _ in units}) == len(units)


def test_copies_are_counted_and_kept_on_one_side(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 40)
    for number in range(10):
        shutil.copy(folder / "daisy" / "0000.jpg", folder / "daisy" / f"copy{number}.jpg")
    shutil.copy(folder / "daisy" / "0000.jpg", folder / "roses" / "copy.jpg")
    with Plan(config(folder)) as plan:
        plan.fill()
        assert plan.duplicates() == {"images": 11, "across_splits": 0, "across_labels": 1}
        splits = {split for split, _, images, _ in plan.shards("jpeg") for image in images if "copy" in image.key}
    assert len(splits) == 1


def test_what_listing_rejects_is_known_before_any_decoding(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 5)
    (folder / "daisy" / "zero.jpg").write_bytes(b"")
    (folder / "daisy" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    with Plan(config(folder)) as plan:
        plan.fill()
        assert plan.rejected() == {"empty": 1, "missing": 1}
        assert (plan.num_read, plan.num_images) == (7, 5)
        assert [(r.key, r.stage, r.reason) for r in plan.rejections()] == [
            ("daisy/gone.jpg", "list", "missing"),
            ("daisy/zero.jpg", "list", "empty"),
        ]


def test_what_is_no_input_is_counted_by_kind(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 5)
    for name in ("@eaDir", "daisy/@eaDir", "daisy/.thumbs"):
        (folder / name).mkdir()
    (folder / "daisy" / "notes.txt").write_text("")
    with Plan(config(folder)) as plan:
        plan.fill()
        assert plan.ignored() == {"hidden": 1, "system": 2, "document": 1}
        assert (plan.num_read, plan.num_images) == (5, 5)
        hidden, system, document = plan.describe()
    assert hidden == "ignored 1, names that start with a dot: daisy/.thumbs"
    assert system.startswith("ignored 2, what operating systems")
    assert system.endswith(": @eaDir, daisy/@eaDir")
    assert document.endswith("by their endings: daisy/notes.txt")


def test_images_under_two_labels_are_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 12)
    for name in ("0000.jpg", "0003.jpg"):
        (folder / "roses" / name).symlink_to(f"../daisy/{name}")
    (folder / "Roses").mkdir()
    with Plan(config(folder)) as plan:
        plan.fill()
        lookalikes, labels = plan.describe()
        assert list(plan.class_counts()) == [("Roses", 0), ("daisy", 4), ("roses", 6), ("tulips", 4)]
    assert "'Roses' and 'roses'" in lookalikes
    line, _, pairs = labels.partition(": ")
    assert line == "2 images with two labels or more"
    assert set(pairs.split(", ")) == {f"daisy/{name} = roses/{name}" for name in ("0000.jpg", "0003.jpg")}


def test_a_repeated_row_names_both(tmp_path: Path) -> None:
    make_folder(tmp_path, 3)
    rows = "daisy/0000.jpg,daisy,train\ndaisy/0000.jpg,daisy,train\n./daisy/0000.jpg,roses,test\n"
    (tmp_path / "list.csv").write_text(f"path,label,split\nroses/0001.jpg,roses,train\n{rows}")
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "roses/0001.jpg").read_bytes())
    with (tmp_path / "list.csv").open("a") as file:
        file.write("copy.jpg,roses,test\n")
    settings = EtlConfig(source="csv", output="out", options=SourceOptions(input=f"{tmp_path}/list.csv"))
    with Plan(settings) as plan:
        plan.fill()
        assert [rejection.message for rejection in plan.rejections()] == [
            "list.csv:4 has the same key as list.csv:3, which came first",
            "list.csv:5 (label 'roses') has the same key as list.csv:3 (label 'daisy'), which came first",
        ]
        assert {rejection.reason for rejection in plan.rejections()} == {"duplicate_key"}
        assert plan.describe() == [
            "1 row with an image again, under another label: "
            "list.csv:5 (label 'roses') has the same key as list.csv:3 (label 'daisy'), which came first",
            "1 image in two splits or more: copy.jpg = roses/0001.jpg",
        ]


def test_splits_that_got_no_image_are_still_splits(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 1)
    with Plan(config(folder)) as plan:
        plan.fill()
        assert list(plan.splits()) == ["train", "validation", "test"]
        assert sum(plan.splits().values()) == 1


def test_sizes_that_must_be_estimated_come_from_a_sample(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 30)
    (folder / "daisy" / "broken.jpg").write_bytes(jpeg(1)[:300])
    with Plan(config(folder, image_size=(32, 32), splits={"all": 1.0})) as plan:
        plan.fill()
        ((_, _, images, num_bytes),) = plan.shards("jpeg")
    assert len(images) == 31
    # A 32x32 JPEG at quality 95 has some hundred bytes, and so has what surrounds it.
    assert 500 < num_bytes / 31 < 3_000


def test_no_input_is_the_operators_mistake(tmp_path: Path) -> None:
    (tmp_path / "empty_class").mkdir()
    with pytest.raises(ConfigError, match="--input: got"), Plan(config(tmp_path)) as plan:
        plan.fill()
