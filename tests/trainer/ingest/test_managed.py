"""Managed data sets: JSON lines in, batches out."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etl.errors import ConfigError, DatasetError, run_main
from etl.format import manifest
from tests.damage import damaged_json, fuzzed
from tests.trainer.conftest import CLASS_NAMES, FLAGS, NUM_EXAMPLES, SIZE
from trainer import ingest, task
from trainer.ingest import IngestConfig, managed

USES = {"train": "training", "validation": "validation", "test": "test"}


def line(path: Path | str, label: str | None, use: str | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {"imageGcsUri": str(path)}
    if label is not None:
        made["classificationAnnotation"] = {"displayName": label, "annotationResourceLabels": {"a": "b"}}
    if use is not None:
        made["dataItemResourceLabels"] = {"aiplatform.googleapis.com/ml_use": use}
    return made


def write(path: Path, lines: list[dict[str, Any]]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, photo_files: dict[str, list[Path]]) -> str:
    """The photographs as a service exports them: several files a split."""
    folder = tmp_path_factory.mktemp("managed")
    for split, files in photo_files.items():
        lines = [line(path, path.parent.name, USES[split]) for path in files]
        for part in range(2):
            write(folder / f"{split}-0000{part}", lines[part::2])
    return ",".join(f"{split}={folder}/{split}-*" for split in photo_files)


def test_the_same_images_come_out_as_of_the_written_data_set(exported: str, data_dir: Path) -> None:
    config = IngestConfig(batch_size=4, image_size=SIZE, resize="crop")

    def collect(folder: Path | str, variant: str, split: str) -> list[tuple[bytes, int]]:
        batches = ingest.load(folder, split, config, variant=variant)
        pairs = [
            (image.tobytes(), int(label))
            for images, labels in batches
            for image, label in zip(images.numpy(), labels, strict=True)
        ]
        return sorted(pairs)

    for split, count in NUM_EXAMPLES.items():
        found = collect(exported, managed.VARIANT, split)
        assert len(found) == count
        assert found == collect(data_dir, "jpeg", split)


def test_training_sees_windows_in_another_order_each_epoch(exported: str) -> None:
    config = IngestConfig(batch_size=36, image_size=SIZE, training=True, seed=3)
    epochs = [next(iter(ingest.load(exported, "train", config.replace(epoch=epoch)))) for epoch in (0, 1, 0)]
    labels = [found[1].numpy().tolist() for found in epochs]
    assert sorted(labels[0]) == sorted(labels[1])
    assert labels[0] != labels[1]
    assert np.array_equal(epochs[0][0], epochs[2][0])


def test_equal_lines_make_equal_data_sets_in_any_order(tmp_path: Path) -> None:
    lines = [line(f"gs://b/{number}.jpg", CLASS_NAMES[number % 3]) for number in range(300)]
    whole = managed.localise(write(tmp_path / "whole.jsonl", lines))
    random.Random(1).shuffle(lines)
    for part in range(3):
        write(tmp_path / "parts" / f"{part}.jsonl", lines[part::3])
    parts = managed.localise(f"{tmp_path}/parts/*.jsonl")
    assert manifest.load(whole).fingerprint == manifest.load(parts).fingerprint
    assert whole != parts


def test_lines_say_their_split_and_may_have_no_label(tmp_path: Path) -> None:
    lines = [line("a.jpg", "x"), line("b.jpg", "y", "test"), line("c.jpg", "y", "validation"), line("d.jpg", None)]
    made = manifest.load(managed.localise(write(tmp_path / "all.jsonl", lines)))
    assert {name: split.num_examples for name, split in made.variants[managed.VARIANT].splits.items()} == {
        "train": 1,
        "validation": 1,
        "test": 1,
    }
    assert dict(made.counts.rejected) == {"unlisted": 1}
    assert made.class_names == ("x", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "all.jsonl, line 2', expected an object as in"),
        ("[1]", "line 2', expected an object as in"),
        ('{"imageGcsUri": 3}', "line 2', expected an object as in"),
        ('{"classificationAnnotation": {"displayName": "x"}}', "line 2', expected an object as in"),
        (
            json.dumps(line("a.jpg", "x", "holdout")),
            "line 2', expected .*ml_use to be one of training, .*it is holdout",
        ),
        (
            '{"imageGcsUri": "a.jpg", "classificationAnnotations": [{"displayName": "x"}, {"displayName": "y"}]}',
            "line 2', expected one label an image; this one has 2: x, y",
        ),
    ],
)
def test_a_line_that_is_none_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "all.jsonl"
    path.write_text(f"{json.dumps(line('a.jpg', 'x'))}\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=f"--data_dir: got .*{message}"):
        managed.localise(str(path))


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none-\\*', expected a file of JSON lines, or a pattern of such files"):
        managed.localise(f"train={tmp_path}/none-*")
    with pytest.raises(DatasetError, match="no line has a label, so there is nothing to learn from"):
        managed.localise(write(tmp_path / "bare.jsonl", [line("a.jpg", None)]))


def test_a_model_learns_from_one(exported: str, tmp_path: Path) -> None:
    folders = ["--data_dir", exported, "--output_dir", str(tmp_path / "run")]
    assert run_main(task.main, [*folders, *FLAGS, "--image_size", "20x30"]) == 0
    evaluation = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert evaluation["num_examples"] == NUM_EXAMPLES["test"]


def test_an_image_that_cannot_be_used_ends_a_run_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], photo_files: dict[str, list[Path]]
) -> None:
    (tmp_path / "text.jpg").write_text("no image")
    Image.new("RGB", (8, 8)).save(tmp_path / "moving.gif")
    for name, message in (
        ("none.jpg", "none.jpg; No such file"),
        ("text.jpg", "no image"),
        ("moving.gif", "a GIF cannot be decoded here; convert it to a JPEG in RGB first"),
    ):
        files = [*photo_files["train"][:5], tmp_path / name]
        path = write(tmp_path / f"{name}.jsonl", [line(each, "x") for each in files])
        flags = ["--data_dir", path, "--output_dir", str(tmp_path / name.split(".")[0]), *FLAGS, "--image_size", "20"]
        assert run_main(task.main, flags) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert f"reference/train can't be read: the image {tmp_path / name}: " in last
        assert message in last
        assert last.endswith("; replace it, and the same command with --resume goes on")


@fuzzed
@given(damaged_json(line("a/1.jpg", "rose", "test")), st.sampled_from([b"\n", b"\r\n", b""]))
def test_whatever_a_line_holds_it_is_read_or_refused_by_number(tmp_path: Path, damaged: bytes, end: bytes) -> None:
    whole = json.dumps(line("2.jpg", "lily")).encode()
    path = tmp_path / "all.jsonl"
    path.write_bytes(whole + b"\n" + damaged.replace(b"\n", b" ") + end)
    try:
        items, _ = managed._read(str(path))
    except ConfigError as error:
        said = str(error)
    else:
        assert items[0].label == "lily"
        assert all(item.label and item.split in ("train", "validation", "test") for item in items)
        # What is read can be written: no half of a pair, no byte that ends a name.
        assert all("\0" not in item.uri and f"{item.uri}{item.label}".encode() for item in items)
        return
    assert said.startswith(f"--data_dir: got '{tmp_path}/all.jsonl, line 2', expected ")
    assert len(said.splitlines()) == 1
    assert len(said) < 1_000


def test_line_breaks_within_values_are_no_ends_of_lines(tmp_path: Path) -> None:
    odd = "a\u2028b\x85c\u2029"
    text = "".join(json.dumps(line(f"{odd}{n}.jpg", odd), ensure_ascii=False) + "\r\n" for n in range(2))
    (tmp_path / "all.jsonl").write_bytes(b"\xef\xbb\xbf" + text.encode())
    items, _ = managed._read(str(tmp_path / "all.jsonl"))
    assert [item.label for item in items] == [odd, odd]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 100_000, "nested deeper than 100 levels"),
        (b'{"imageGcsUri": "a.jpg", "imageGcsUri": "b.jpg"}', "the key 'imageGcsUri' is there twice"),
        (b'{"imageGcsUri": "a.jpg", "x": ' + b"9" * 5_000 + b"}", "a whole number is too large"),
        (b'{"imageGcsUri": "\\ud800"}', "an address or a label is no text"),
        ('{"imageGcsUri": "a.jpg"}'.encode("utf-16"), "not UTF-8: .*it seems to be UTF-16"),
        (b'{"imageGcsUri": "a.jpg", "dataItemResourceLabels": null}', "NoneType"),
        (b"{}", "'imageGcsUri' is missing"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_wrong_with_a_line_is_said(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "all.jsonl").write_bytes(text)
    with pytest.raises(ConfigError, match=rf"all.jsonl, line 1', expected an object as in .*; .*{message}"):
        managed._read(str(tmp_path / "all.jsonl"))
