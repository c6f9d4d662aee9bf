"""`python -m etl.inspect`, on data sets that are whole and on damaged ones."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from etl import inspect, run
from etl.errors import run_main
from etl.format.schema import encode_example
from etl.format.tfrecord import RecordWriter, frame_record, read_records
from tests.photos import make_folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_folder(tmp_path_factory.mktemp("photos"), 24)
    output = tmp_path_factory.mktemp("whole") / "data"
    options = ["--variants", "jpeg,pixel", "--image_size", "16", "--splits", "train=1"]
    assert run_main(run.main, ["--source", "folder", "--input", str(folder), "--output", str(output), *options]) == 0
    return output


@pytest.fixture
def data(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "data"))


def check(data: Path, *more: str) -> int:
    return run_main(inspect.main, [str(data), *more])


def shard(data: Path, variant: str = "pixel") -> Path:
    return next((data / variant).glob("train-*.tfrecord"))


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Writes a shard anew, with valid checksums, and makes the manifest agree with its file."""
    from etl.format import manifest as manifests

    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for record in change(list(read_records(io.BytesIO(path.read_bytes())))):
        writer.write(frame_record(record))
    num_bytes, sha256 = writer.finish()
    path.write_bytes(stream.getvalue())
    manifest_path = path.parents[1] / "manifest.json"
    content = json.loads(manifest_path.read_text())
    for entry in content["variants"][path.parent.name]["splits"]["train"]["shards"]:
        entry.update(num_bytes=num_bytes, sha256=sha256)
    del content["fingerprint"]
    manifest_path.write_text(json.dumps(content))
    assert manifests.load(path.parents[1])


def test_a_whole_data_set_passes_and_is_shown(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(data) == 0
    printed = capsys.readouterr().out
    assert "48 records parsed and decoded" in printed
    sheet = Image.open(data / "sample.png")
    assert sheet.format == "PNG"
    assert sheet.width > 1_000


def test_a_missing_shard_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shard(data).unlink()
    assert check(data) == 1
    assert f"pixel/{shard(data, 'jpeg').name}: the file is missing" in capsys.readouterr().err


def test_a_cut_shard_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shard(data)
    path.write_bytes(path.read_bytes()[:-7])
    assert check(data) == 1
    assert f"pixel/{path.name}: " in capsys.readouterr().err


def test_a_flipped_bit_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shard(data, "jpeg")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))
    assert check(data) == 1
    assert f"jpeg/{path.name}: its SHA-256 is not the manifest's" in capsys.readouterr().err


def test_a_shard_too_many_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(shard(data), data / "pixel" / "train-00007-of-00008.tfrecord")
    assert check(data) == 1
    assert "pixel/train-00007-of-00008.tfrecord: not in the manifest" in capsys.readouterr().err


def bad_label(records: list[bytes]) -> list[bytes]:
    return [encode_example({"image": b"", "key": "k", "label": "x", "label_int": 0, "shape": (1, 1, 3), "digest": "d"})]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records: records[:-1], "23 examples, the manifest says 24"),
        (lambda records: [*records[:-1], records[0]], "is there more than once"),
        (lambda records: [*records[:-1], b"\x0a\x03abc"], "record 23: not an example of this variant"),
        (bad_label, "label 'x' is not class 0 of the manifest"),
    ],
)
def test_records_that_are_not_what_the_manifest_says_are_named(
    data: Path, capsys: pytest.CaptureFixture[str], change: Callable[[list[bytes]], list[bytes]], message: str
) -> None:
    rewrite(shard(data), change)
    assert check(data) == 1
    assert message in capsys.readouterr().err


def test_an_image_that_does_not_decode_is_named(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def cut(records: list[bytes]) -> list[bytes]:
        label = {"label": "daisy", "label_int": 0, "shape": (9, 9, 3), "digest": "d"}
        return [encode_example({"image": b"\xff\xd8\xff\xe0", "key": "cut.jpg", **label}), *records[1:]]

    rewrite(shard(data, "jpeg"), cut)
    assert check(data) == 1
    assert "record 0, 'cut.jpg': truncated" in capsys.readouterr().err


def test_two_data_sets_are_compared(
    data: Path, whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(data, "--compare", str(whole)) == 0
    assert re.search("equal: both have fingerprint .*; every record of both read", capsys.readouterr().out)
    folder = make_folder(tmp_path / "other", 5, ("daisy", "roses"))
    other = str(tmp_path / "out")
    assert run_main(run.main, ["--source", "folder", "--input", str(folder), "--output", other]) == 0
    capsys.readouterr()
    assert check(data, "--compare", other) == 1
    printed = capsys.readouterr().err
    assert "class names: daisy, roses, tulips and daisy, roses" in printed
    assert "only in the first" in printed


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("damaged", ["first", "second"])
def test_data_sets_are_compared_by_their_files_and_not_by_their_manifests(
    data: Path, whole: Path, damaged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(shard(data, "jpeg"))
    pair = (data, whole) if damaged == "first" else (whole, data)
    assert check(pair[0], "--compare", str(pair[1])) == 1
    captured = capsys.readouterr()
    assert f"error: {data}: jpeg/{shard(data, 'jpeg').name}: its SHA-256 is not the manifest's" in captured.err
    assert f"{data}: 1 problem; " in captured.out
    assert "equal" not in captured.out


def test_a_quick_look_says_that_it_read_no_shard(data: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flip(shard(data, "jpeg"))
    assert check(data, "--quick", "--compare", str(whole)) == 0
    assert "by their manifests and the shards' sizes; --quick read no shard" in capsys.readouterr().out
    assert check(data, "--quick") == 0
    assert "--quick read none of them" in capsys.readouterr().out
    assert not (data / "sample.png").exists()
    shard(data, "jpeg").write_bytes(b"short")
    for arguments in ((), ("--compare", str(whole))):
        assert check(data, "--quick", *arguments) == 1
        assert re.search(r"jpeg/train-.*: 5 bytes, the manifest says", capsys.readouterr().err)


@pytest.mark.parametrize("other", [["--quick"], ["--compare", "elsewhere"]])
def test_a_sheet_that_would_not_be_drawn_is_rejected(
    data: Path, other: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(data, *other, "--sheet", "sheet.png") == 2
    assert f"--sheet: got 'sheet.png', expected no {other[0]} beside it" in capsys.readouterr().err


def test_what_is_compared_must_be_a_data_set(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(data, "--compare", str(tmp_path / "absent")) == 2
    assert capsys.readouterr().err.startswith("error: --compare: got ")


@pytest.mark.parametrize("what", ["absent", "file", "empty"])
def test_what_is_no_data_set_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.write_text("x")
    elif what == "empty":
        path.mkdir()
    assert check(path) == (1 if what == "empty" else 2)
    assert capsys.readouterr().err.startswith("error: ")
