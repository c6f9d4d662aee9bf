"""The ETL's command, in this process, on small folders."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import tensorflow as tf

from etl import run
from etl.errors import run_main
from etl.format import manifest as manifests
from tests.photos import jpeg, make_folder


def etl(source: str, folder: Path | None, output: Path, *more: str) -> int:
    arguments = ["--source", source, "--output", str(output), *more]
    return run_main(run.main, arguments + (["--input", str(folder)] if folder else []))


def digests(output: Path) -> dict[str, str]:
    files = {str(path.relative_to(output)): path for path in sorted(output.rglob("*.tfrecord*"))}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def records(output: Path, variant: str) -> list[tuple[str, tf.train.Example]]:
    found = []
    for path in sorted((output / variant).glob("*.tfrecord")):
        split = path.name.partition("-")[0]
        found += [
            (split, tf.train.Example.FromString(r)) for r in tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        ]
    return found


def value(example: tf.train.Example, name: str) -> bytes:
    return bytes(example.features.feature[name].bytes_list.value[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photos"), 60)


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("out") / "data"
    options = ["--variants", "jpeg,pixel", "--image_size", "16x20", "--seed", "7", "--shard_mb", "0.02"]
    assert etl("folder", folder, output, *options) == 0
    return output


def test_every_image_is_in_exactly_one_split_of_each_variant(made: Path, folder: Path) -> None:
    keys = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jpg"))
    for variant in ("jpeg", "pixel"):
        assert sorted(value(example, "key").decode() for _, example in records(made, variant)) == keys


def test_variants_agree_on_the_splits(made: Path) -> None:
    splits = [{value(e, "key"): split for split, e in records(made, variant)} for variant in ("jpeg", "pixel")]
    assert splits[0] == splits[1]
    assert set(splits[0].values()) == {"train", "validation", "test"}


def test_the_manifest_says_what_is_there(made: Path) -> None:
    manifest = manifests.load(made)
    assert (manifest.counts.read, manifest.counts.written, manifest.counts.rejected) == (60, 60, {})
    assert manifest.class_names == ("daisy", "roses", "tulips")
    for variant in manifest.variants.values():
        for split in variant.splits.values():
            assert sum(split.class_counts.values()) == split.num_examples
            for shard in split.shards:
                path = made / variant.name / shard.name
                assert path.stat().st_size == shard.num_bytes
                assert hashlib.sha256(path.read_bytes()).hexdigest() == shard.sha256
    assert len(manifest.variants["pixel"].splits["train"].shards) > 1
    assert not list(made.glob(".building-*"))
    assert (made / "rejected.jsonl").read_text() == ""


def test_examples_hold_what_the_format_says(made: Path, folder: Path) -> None:
    for _, example in records(made, "pixel"):
        source = (folder / value(example, "key").decode()).read_bytes()
        features = example.features.feature
        assert value(example, "digest").decode() == hashlib.md5(source).hexdigest()
        assert list(features["shape"].int64_list.value) == [16, 20, 3]
        assert len(value(example, "image")) == 16 * 20 * 3
        assert value(example, "label").decode() == value(example, "key").decode().partition("/")[0]
        names = ("daisy", "roses", "tulips")
        assert names[features["label_int"].int64_list.value[0]] == value(example, "label").decode()


def test_untouched_jpegs_are_the_files(folder: Path, tmp_path: Path) -> None:
    assert etl("folder", folder, tmp_path / "out") == 0
    for _, example in records(tmp_path / "out", "jpeg"):
        assert value(example, "image") == (folder / value(example, "key").decode()).read_bytes()


@pytest.mark.parametrize("workers", ["1", "3"])
def test_any_number_of_workers_makes_the_same_bytes(folder: Path, made: Path, tmp_path: Path, workers: str) -> None:
    options = ["--variants", "jpeg,pixel", "--image_size", "16x20", "--seed", "7", "--shard_mb", "0.02"]
    assert etl("folder", folder, tmp_path, *options, "--direct_num_workers", workers) == 0
    assert digests(tmp_path) == digests(made)


def test_another_seed_makes_another_order(folder: Path, made: Path, tmp_path: Path) -> None:
    options = ["--variants", "pixel", "--image_size", "16x20", "--seed", "8"]
    assert etl("folder", folder, tmp_path, *options) == 0
    assert [value(e, "key") for _, e in records(tmp_path, "pixel")] != [
        value(e, "key") for _, e in records(made, "pixel")
    ]


def test_broken_inputs_are_rejected_with_their_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path / "photos", 30)
    whole = jpeg(99, 200, 300)
    (folder / "roses" / "zero.jpg").write_bytes(b"")
    (folder / "roses" / "half.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "daisy" / "text.jpg").write_text("<html>not found</html>")
    output = tmp_path / "out"
    assert etl("folder", folder, output, "--max_rejected_fraction", "0.2") == 0
    manifest = manifests.load(output)
    assert manifest.counts.rejected == {"empty": 1, "not_an_image": 1, "truncated": 1}
    assert (manifest.counts.read, manifest.counts.written) == (33, 30)
    lines = [json.loads(line) for line in (output / "rejected.jsonl").read_text().splitlines()]
    assert {(line["key"], line["reason"]) for line in lines} == {
        ("roses/zero.jpg", "empty"),
        ("roses/half.jpg", "truncated"),
        ("daisy/text.jpg", "not_an_image"),
    }
    assert "33 read = 30 written + 3 rejected" in capsys.readouterr().out


def test_the_end_repeats_how_a_list_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_folder(tmp_path / "photos", 12)
    rows = [f"photos/{path.parent.name}/{path.name};{path.parent.name};x" for path in sorted(tmp_path.rglob("*.jpg"))]
    (tmp_path / "list.csv").write_text("\n".join(["path;label;who", *rows]))
    assert etl("csv", tmp_path / "list.csv", tmp_path / "out") == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    expected = [
        "note: list.csv: line 1: cells are separated by semicolons, not by commas",
        "note: list.csv: 1 column not read: who",
    ]
    assert notes == [*expected, *expected]


def test_the_end_tells_what_was_passed_over_and_what_is_doubtful(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path / "photos", 12)
    (folder / "@eaDir").mkdir()
    (folder / "[red]").mkdir()
    (folder / "roses" / "copy.jpg").write_bytes((folder / "daisy" / "0000.jpg").read_bytes())
    for output in ("out", "photos/out"):
        assert etl("folder", folder, tmp_path / output) == 0
        captured = capsys.readouterr()
        assert "1 class without an image: [red]\n" in captured.out
        assert "1 image with two labels or more\n" in captured.out
        assert "note: 1 image with two labels or more: daisy/0000.jpg = roses/copy.jpg\n" in captured.err
        assert "note: ignored 1, what operating systems" in captured.err
        assert manifests.load(tmp_path / output).ignored["system"] == 1
    # A data set in its own input is no class, whether it is replaced or stays.
    for output, more in (("photos/out", ["--overwrite"]), ("third", [])):
        assert etl("folder", folder, tmp_path / output, *more) == 0
        manifest = manifests.load(tmp_path / output)
        assert manifest.class_names == ("[red]", "daisy", "roses", "tulips")
        assert manifest.counts.read == 13
        assert manifest.ignored == {"system": 1, "dataset": 1}
    assert etl("folder", folder, folder, "--dry_run") == 2
    assert "this is --input itself" in capsys.readouterr().err
    assert etl("folder", folder, tmp_path / "fourth", "--dry_run") == 0
    printed = capsys.readouterr().out
    assert "1 class without an image: [red]\n" in printed
    assert "dataset" in printed


def test_too_many_rejected_fail_before_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path / "photos", 20)
    for number in range(3):
        (folder / "roses" / f"cut{number}.jpg").write_bytes(jpeg(number)[:700])
    assert etl("folder", folder, tmp_path / "out", "--max_rejected_fraction", "0.1") == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: 3 of 23 inputs were rejected, 13.0%")
    assert "truncated" in error
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert not digests(tmp_path / "out")


def test_a_csv_that_names_a_missing_file_rejects_that_line(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 30)
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.rglob("*.jpg"))]
    (folder / "list.csv").write_text("\n".join([*rows, "roses/absent.jpg,roses", "roses/0001.jpg,orchid"]) + "\n")
    (folder / "labels.txt").write_text("tulips\nroses\ndaisy\n")
    labels = ["--labels", str(folder / "labels.txt"), "--max_rejected_fraction", "0.2"]
    assert etl("csv", folder / "list.csv", tmp_path / "out", *labels) == 0
    manifest = manifests.load(tmp_path / "out")
    assert manifest.class_names == ("tulips", "roses", "daisy")
    assert manifest.counts.read == 32
    assert manifest.counts.rejected == {"missing": 1, "unknown_label": 1}


def test_a_class_with_one_image_is_written(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "photos", 20)
    (folder / "lonely").mkdir()
    (folder / "lonely" / "one.jpg").write_bytes(jpeg(5000))
    assert etl("folder", folder, tmp_path / "out") == 0
    splits = manifests.load(tmp_path / "out").variants["jpeg"].splits.values()
    assert sum(split.class_counts["lonely"] for split in splits) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image_size", "abc"], "error: --image_size: got 'abc'"),
        (["--variants", "pixel"], "error: --image_size: got None"),
        (["--splits", "train=2"], "error: --splits: got"),
        (["--no_such_option"], "error: --no_such_option"),
    ],
)
def test_the_operators_mistakes_end_in_one_line_and_exit_code_2(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert etl("folder", folder, tmp_path / "out", *arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith(message)
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_the_operators_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert etl("folder", tmp_path / "empty", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith("error: --input: got ")


def test_a_data_set_is_replaced_only_when_asked(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_folder(tmp_path / "other", 9)
    assert etl("folder", folder, tmp_path / "out", "--shard_mb", "0.01") == 0
    before = digests(tmp_path / "out")
    assert etl("folder", other, tmp_path / "out") == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert digests(tmp_path / "out") == before
    assert etl("folder", other, tmp_path / "out", "--overwrite") == 0
    manifest = manifests.load(tmp_path / "out")
    assert manifest.counts.read == 9
    named = {shard.name for split in manifest.variants["jpeg"].splits.values() for shard in split.shards}
    assert {path.name for path in (tmp_path / "out" / "jpeg").glob("*.tfrecord")} == named


def test_a_dry_run_writes_nothing(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert etl("folder", folder, tmp_path / "out", "--variants", "jpeg,pixel", "--image_size", "16", "--dry_run") == 0
    printed = capsys.readouterr().out
    assert "60 inputs of 3 classes" in printed
    assert "pixel/train-00000" in printed
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("source", ["flowers", "pets", "cifar10"])
def test_a_dry_run_downloads_nothing(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PETALSTREAM_CACHE", str(tmp_path / "cache"))
    arguments = ["--source", source, "--output", str(tmp_path / "out"), "--dry_run"]
    assert run_main(run.main, arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--input: got None, expected a path, since --dry_run downloads nothing and " in line
    assert not (tmp_path / "cache").exists()
