from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from etl.errors import ConfigError, DatasetError
from etl.format import manifest as manifests
from etl.format.features import FeatureSpec, ImageSpec
from etl.format.manifest import Counts, Manifest, Shard, Split, Statistics, Variant
from tests.damage import damaged_json, fuzzed


def example() -> Manifest:
    shard = Shard("train-00000-of-00001.tfrecord", 2, 100, "ab" * 32)
    variant = Variant(
        name="pixel",
        image=ImageSpec("raw", "uint8", (4, 5), "pad"),
        features={"image": FeatureSpec("bytes"), "bbox": FeatureSpec("int64", (4,), optional=True)},
        splits={
            "train": Split("train", 2, 100, {"daisy": 2, "roses": 0}, (shard,)),
            "test": Split("test", 0, 0, {"daisy": 0, "roses": 0}, ()),
        },
        statistics=Statistics("train", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 8),
    )
    return Manifest(
        dataset="flowers",
        class_names=("daisy", "roses"),
        counts=Counts(3, 2, {"truncated": 1}),
        variants={"pixel": variant},
        duplicates={"images": 0},
        config={"seed": 7},
        run={"id": "x", "seconds": 1.5},
    )


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(manifests.to_json(example()))
    assert manifests.load(tmp_path) == example()


def test_the_stable_core_has_the_names_that_other_tools_rely_on() -> None:
    content = json.loads(manifests.to_json(example()))
    assert content["schema_version"] == 1
    assert content["counts"] == {"read": 3, "written": 2, "rejected": {"truncated": 1}, "duplicates": 0}
    variant = content["variants"]["pixel"]
    assert variant["features"]["image"] == {"dtype": "bytes", "shape": []}
    train = variant["splits"]["train"]
    assert (train["num_examples"], train["num_bytes"], train["class_counts"]["daisy"]) == (2, 100, 2)
    assert set(train["shards"][0]) == {"name", "num_examples", "num_bytes", "sha256"}


def test_counts_must_add_up() -> None:
    with pytest.raises(DatasetError, match="5 inputs were read, but 2 written and 1 rejected"):
        Counts(5, 2, {"empty": 1})


def test_the_fingerprint_ignores_when_and_how_long() -> None:
    content = json.loads(manifests.to_json(example()))
    content["run"] = {"id": "other", "seconds": 99}
    assert manifests.from_json(json.dumps(content), "m").fingerprint == example().fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.update(schema_version=2), "schema version 2; this release reads 1"),
        (lambda m: m.pop("counts"), "not a manifest: KeyError: 'counts'"),
        (lambda m: m["counts"].update(read=9), "9 inputs were read"),
        (lambda m: m["counts"].update(strange=9), "not a manifest: TypeError"),
        (lambda m: m["class_names"].append("tulips"), "fingerprint doesn't match"),
        (
            lambda m: m["variants"]["pixel"]["splits"]["train"]["shards"][0].update(sha256="00"),
            "fingerprint doesn't match",
        ),
    ],
)
def test_a_damaged_manifest_is_named(change: object, message: str) -> None:
    content = json.loads(manifests.to_json(example()))
    change(content)  # type: ignore[operator]
    with pytest.raises(DatasetError, match=f"where: .*{message}|{message}"):
        manifests.from_json(json.dumps(content), "where")


def test_no_json_is_named() -> None:
    with pytest.raises(DatasetError, match="where: no valid JSON"):
        manifests.from_json("{", "where")


def test_a_folder_without_manifest_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"no manifest\.json, so no complete data set"):
        manifests.load(tmp_path)


def test_variants_and_splits_are_found_by_name() -> None:
    made = example()
    assert made.variant(None) is made.variants["pixel"]
    with pytest.raises(ConfigError, match="--variant: got 'jpeg', expected one of pixel"):
        made.variant("jpeg")
    with pytest.raises(ConfigError, match="split: got 'dev', expected one of train, test"):
        made.split(made.variant("pixel"), "dev")
    with pytest.raises(ConfigError, match="split: got 'test'.*this one is empty"):
        made.split(made.variant("pixel"), "test")


@fuzzed
@given(damaged_json({**json.loads(manifests.to_json(example())), "fingerprint": example().fingerprint}))
def test_whatever_it_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(data)
    try:
        read = manifests.load(tmp_path)
    except DatasetError as error:
        said = str(error)
    else:
        # What was read can be written, and is what it is taken for.
        assert manifests.from_json(manifests.to_json(read), "again") == read
        shards = [shard for each in read.variants.values() for split in each.splits.values() for shard in split.shards]
        assert all(isinstance(shard.num_examples, int) and shard.num_examples >= 0 for shard in shards)
        return
    assert said.startswith(f"{tmp_path}/manifest.json: ")
    assert len(said.splitlines()) == 1
    assert len(said) < 1_000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"num_bytes": 100', '"num_bytes": "100"', "num_bytes is '100', expected a whole number from 0"),
        ('"num_bytes": 100', '"num_bytes": 1e999', "num_bytes is 'inf', expected a whole number from 0"),
        ('"class_names": [', '"class_names": [7, ', "class_names is .*, expected a list of texts"),
        ('"class_names": [', '"class_names": ["\\ud800", ', "class_names is .*, expected a list of texts"),
        ('"dataset": "flowers"', '"dataset": 7', "dataset is no text"),
        ('"dataset": "flowers"', '"dataset": "a", "dataset": "b"', "the key 'dataset' is there twice"),
    ],
)
def test_what_has_another_kind_is_named(old: str, new: str, message: str) -> None:
    text = manifests.to_json(example())
    assert old in text
    with pytest.raises(DatasetError, match=message):
        manifests.from_json(text.replace(old, new), "x")
