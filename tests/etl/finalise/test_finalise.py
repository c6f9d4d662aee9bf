from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest

from etl.card import card
from etl.config import EtlConfig
from etl.errors import DatasetError, StorageError
from etl.finalise.facts import PlanFacts
from etl.finalise.finalise import finalise
from etl.format import manifest as manifests
from etl.format.index import RecordList
from etl.format.schema import encode_example
from etl.format.tfrecord import RecordWriter, frame_record
from etl.plan.lines import encode_rejections
from etl.plan.output import content_digest, unfinished_runs
from etl.records import PlannedImage, Rejection, Unit, UnitResult
from etl.storage import publishing
from etl.storage.publishing import OvertakenError
from tests.photos import jpeg


def config(output: Path) -> EtlConfig:
    return EtlConfig(source="folder", output=str(output), max_rejected_fraction=0.3)


def facts(output: Path, **change: object) -> PlanFacts:
    defaults: dict[str, object] = {
        "run_id": "one",
        "job": "j",
        "started": 0.0,
        "runner": "in process",
        "class_names": ("daisy",),
        "splits": ("train", "test"),
        "num_read": 4,
        "rejected": {"empty": 1},
        "rejected_path": str(output / f".building-{change.get('run_id', 'one')}" / "rejected.jsonl"),
        "duplicates": {"images": 0},
        "num_shards": 1,
        "replaces": "",
    }
    return PlanFacts(**{**defaults, **change})  # type: ignore[arg-type]


def attempt(
    output: Path,
    name: str = "a",
    content: str = "jpg",
    examples: int = 3,
    variant: str = "jpeg",
    run_id: str = "one",
) -> UnitResult:
    building = output / f".building-{run_id}"
    (building / variant).mkdir(parents=True, exist_ok=True)
    listed = Rejection("zero.jpg", "u", "list", "empty", "m")
    (building / "rejected.jsonl").write_bytes(encode_rejections([listed]))
    path = building / variant / f"train-00000.{name}.tfrecord"
    with open(path, "wb") as stream, RecordList(f"{path}.list") as records:
        writer = RecordWriter(stream)
        for number in range(examples):
            image = PlannedImage(f"{number}.{content}", "u", "daisy", 0, "d", 1)
            facts = {"key": image.key, "label": "daisy", "label_int": 0, "digest": "d"}
            example = encode_example({**facts, "image": jpeg(number), "shape": (60, 80, 3)})
            writer.write(frame_record(example))
            records.add(image.key, image.label, image.label_int, image.digest, (60, 80, 3), len(example))
        num_bytes, sha256 = writer.finish()
    return UnitResult(
        unit=Unit(variant, "train", 0, 0, "", examples),
        shard_path=str(path),
        rejected_paths=(),
        num_examples=examples,
        num_bytes=num_bytes,
        sha256=sha256,
        list_path=records.path,
        list_sha256=records.sha256,
        class_counts={"daisy": examples},
        rejected={},
        pixel_sums=(2, 2, 4, 6, 4, 8, 18),
    )


def test_committed_shards_get_their_names_and_the_manifest_comes_with_them(tmp_path: Path) -> None:
    result = attempt(tmp_path)
    finalise(config(tmp_path), facts(tmp_path), [result])
    manifest = manifests.load(tmp_path)
    (shard,) = manifest.variants["jpeg"].splits["train"].shards
    assert hashlib.sha256((tmp_path / "jpeg" / shard.name).read_bytes()).hexdigest() == result.sha256
    assert (tmp_path / "card.html").exists()
    assert manifest.variants["jpeg"].splits["test"].shards == ()
    statistics = manifest.variants["jpeg"].statistics
    assert statistics is not None
    assert (statistics.mean, statistics.std) == ((1.0, 2.0, 3.0), (1.0, 0.0, 0.0))
    assert json.loads((tmp_path / "rejected.jsonl").read_text())["reason"] == "empty"
    assert not unfinished_runs(str(tmp_path))


def test_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    result = attempt(tmp_path)
    finalise(config(tmp_path), facts(tmp_path), [result])
    before = (tmp_path / "manifest.json").read_bytes()
    finalise(config(tmp_path), facts(tmp_path), [result])
    assert (tmp_path / "manifest.json").read_bytes() == before
    assert (tmp_path / "jpeg" / "train-00000-of-00001.tfrecord").exists()


def test_a_step_that_was_killed_between_moving_and_writing_is_completed(tmp_path: Path) -> None:
    result = attempt(tmp_path)
    shard = tmp_path / "jpeg" / "train-00000-of-00001.tfrecord"
    shard.parent.mkdir()
    Path(result.shard_path).rename(shard)
    journal = {"mark": str(tmp_path / "manifest.json"), "new_mark": "", "replaced": []}
    journal["placed"] = [(result.shard_path, str(shard))]
    (tmp_path / ".building-one" / publishing.JOURNAL_NAME).write_text(json.dumps(journal))
    finalise(config(tmp_path), facts(tmp_path), [result])
    assert manifests.load(tmp_path).counts.written == 3


def test_a_shard_that_is_nowhere_is_named(tmp_path: Path) -> None:
    result = attempt(tmp_path)
    Path(result.shard_path).unlink()
    with pytest.raises(DatasetError, match="the shard is gone"):
        finalise(config(tmp_path), facts(tmp_path), [result])
    assert not (tmp_path / "manifest.json").exists()


def test_an_attempt_that_was_not_committed_replaces_nothing(tmp_path: Path) -> None:
    committed = attempt(tmp_path, "a", "committed")
    attempt(tmp_path, "zombie", "other")
    finalise(config(tmp_path), facts(tmp_path), [committed])
    assert b"0.committed" in (tmp_path / "jpeg" / "train-00000-of-00001.tfrecord").read_bytes()


def test_stray_shards_of_a_killed_step_are_swept(tmp_path: Path) -> None:
    (tmp_path / "jpeg").mkdir()
    (tmp_path / "jpeg" / "train-00000-of-00009.tfrecord").write_bytes(b"old")
    finalise(config(tmp_path), facts(tmp_path), [attempt(tmp_path)])
    assert [path.name for path in (tmp_path / "jpeg").glob("*.tfrecord")] == ["train-00000-of-00001.tfrecord"]


def digest_there(output: Path) -> str:
    return content_digest((output / "manifest.json").read_bytes())


def test_only_what_it_replaces_is_removed(tmp_path: Path) -> None:
    finalise(config(tmp_path), facts(tmp_path), [attempt(tmp_path)])
    kept = ["jpeg/notes.txt", "jpeg/mine.tfrecord", "jpeg/other-00000-of-00001.tfrecord", "pixel/mine", "README"]
    for name in kept:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    other = tmp_path / ".building-other"
    other.mkdir()
    (other / "job.txt").write_text("")
    replaces = digest_there(tmp_path)
    two = facts(tmp_path, run_id="two", replaces=replaces)
    finalise(config(tmp_path), two, [attempt(tmp_path, "b", "new", run_id="two")])
    assert b"0.new" in (tmp_path / "jpeg" / "train-00000-of-00001.tfrecord").read_bytes()
    assert all((tmp_path / name).read_text() == "mine" for name in kept)
    assert other.exists()
    assert manifests.load(tmp_path).run["id"] == "two"


def test_a_data_set_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    finalise(config(tmp_path), facts(tmp_path, run_id="newer"), [attempt(tmp_path, "a", "newer", run_id="newer")])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    late = attempt(tmp_path, "b", "late")
    with pytest.raises(OvertakenError, match="another run has written a data set there since this one began"):
        finalise(config(tmp_path), facts(tmp_path), [late])
    assert all(path.read_bytes() == data for path, data in before.items())
    assert Path(late.shard_path).exists()


def test_a_move_that_fails_leaves_the_old_data_set_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finalise(config(tmp_path), facts(tmp_path), [attempt(tmp_path, "a", "old")])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    change = facts(tmp_path, run_id="two", replaces=digest_there(tmp_path))
    result = attempt(tmp_path, "b", "new", run_id="two")
    replace = os.replace
    failures = [str(tmp_path / "jpeg" / "index.parquet")]

    def fail(source: str, target: str) -> None:
        if target in failures and ".building-two/new" in source:
            raise PermissionError(13, "Permission denied", target)
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(StorageError, match=r"index\.parquet: can't be moved.*Permission denied; what was there before"):
        finalise(config(tmp_path), change, [result])
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in before} == before


def test_a_page_that_fails_costs_no_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no such font")

    monkeypatch.setattr(card, "render", fail)
    finalise(config(tmp_path), facts(tmp_path), [attempt(tmp_path)])
    assert manifests.load(tmp_path).counts.written == 3
    printed = capfd.readouterr().err
    assert f"warning: {tmp_path}: card.html could not be made: no such font" in printed
    assert f"python -m etl.card {tmp_path} tries again" in printed
    assert not unfinished_runs(str(tmp_path))


def test_a_variant_that_is_no_longer_made_goes_with_its_folder(tmp_path: Path) -> None:
    finalise(config(tmp_path), facts(tmp_path), [attempt(tmp_path)])
    (tmp_path / "jpeg").rename(tmp_path / "pixel")
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    content["variants"] = {"pixel": {**content["variants"]["jpeg"], "name": "pixel"}}
    del content["fingerprint"]
    path.write_text(json.dumps(content))
    change = facts(tmp_path, run_id="two", replaces=digest_there(tmp_path))
    finalise(config(tmp_path), change, [attempt(tmp_path, run_id="two")])
    assert sorted(manifests.load(tmp_path).variants) == ["jpeg"]
    assert not (tmp_path / "pixel").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_shards": 2}, "2 shards were planned, 1 were made"),
        ({"num_read": 9}, "9 inputs were read, but 3 written and 1 rejected"),
        ({"num_read": 5, "rejected": {"empty": 2}}, "2 of 5 inputs were rejected, 40.0%"),
    ],
)
def test_what_does_not_add_up_is_no_data_set(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        finalise(
            EtlConfig(source="folder", output=str(tmp_path), max_rejected_fraction=0.3),
            facts(tmp_path, **change),
            [attempt(tmp_path)],
        )
    assert not (tmp_path / "manifest.json").exists()


def test_variants_that_disagree_are_no_data_set(tmp_path: Path) -> None:
    both = EtlConfig(source="folder", output=str(tmp_path), variants=("jpeg", "pixel"), image_size=(2, 2))
    results = [attempt(tmp_path), attempt(tmp_path, variant="pixel", examples=2)]
    with pytest.raises(DatasetError, match="4 inputs were read, but 2 written"):
        finalise(both, facts(tmp_path, num_shards=2), results)
