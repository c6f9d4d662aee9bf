"""`index.parquet`: every record, found where it says."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl import inspect, run
from etl.config import EtlConfig
from etl.errors import DatasetError, run_main
from etl.format import index
from etl.format import manifest as manifests
from etl.format.features import ImageSpec
from etl.format.index import RecordList, index_schema, write_index
from etl.format.manifest import Shard, Split, Variant
from etl.format.schema import encode_example
from etl.format.tfrecord import RecordWriter, frame_record
from etl.plan import resume
from etl.plan.lines import decode_result, encode_result
from etl.records import PlannedImage, Unit, UnitResult
from etl.verify.index_check import check_index
from etl.work.shard import assemble
from tests.damage import damaged_bytes, fuzzed
from tests.photos import make_folder

Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def etl(folder: Path, output: Path, *more: str) -> None:
    assert run_main(run.main, ["--source", "folder", "--input", str(folder), "--output", str(output), *more]) == 0


def rows_of(output: Path, variant: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(output / variant / "index.parquet").to_pylist()
    return rows


def example_at(output: Path, variant: str, row: dict[str, Any]) -> tf.train.Example:
    path = output / variant / row["shard"]
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
        stream.seek(row["offset"])
        return tf.train.Example.FromString(stream.read(row["length"]))


def check_rows(output: Path, variant: str) -> None:
    """Checks that the index holds every record of a variant once, in order, with all its facts."""
    rows = rows_of(output, variant)
    splits = manifests.load(output).variants[variant].splits
    expected = [(split.name, shard.name) for split in splits.values() for shard in split.shards]
    listed = [(row["split"], row["shard"]) for row in rows]
    assert list(dict.fromkeys(listed)) == expected
    shards = [shard for split in splits.values() for shard in split.shards]
    assert [listed.count(place) for place in expected] == [shard.num_examples for shard in shards]
    for row in rows:
        features = example_at(output, variant, row).features.feature
        for name in ("key", "label", "digest"):
            assert features[name].bytes_list.value == [row[name].encode()]
        assert features["label_int"].int64_list.value == [row["label_int"]]
        assert features["shape"].int64_list.value == [row["height"], row["width"], row["channels"]]


OPTIONS = ["--variants", "jpeg,pixel", "--image_size", "16x20", "--shard_mb", "0.02"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photos"), 40)


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("out")
    etl(folder, output, *OPTIONS)
    return output


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "data"))


@pytest.mark.parametrize("variant", ["jpeg", "pixel"])
def test_every_record_is_found_where_the_index_says(made: Path, variant: str) -> None:
    check_rows(made, variant)
    assert len(rows_of(made, variant)) == 40
    assert pq.read_schema(made / variant / "index.parquet").names == index_schema().names


def test_places_in_compressed_shards_are_those_before_compression(folder: Path, tmp_path: Path) -> None:
    etl(folder, tmp_path, *OPTIONS, "--compression", "gzip")
    check_rows(tmp_path, "jpeg")
    assert run_main(inspect.main, [str(tmp_path)]) == 0


def test_equal_runs_make_equal_indexes(folder: Path, made: Path, tmp_path: Path) -> None:
    etl(folder, tmp_path, *OPTIONS, "--direct_num_workers", "3")
    for variant in ("jpeg", "pixel"):
        path = Path(variant, "index.parquet")
        assert (tmp_path / path).read_bytes() == (made / path).read_bytes()


def test_a_replaced_data_set_has_the_new_index_and_no_other(made: Path, data: Path, folder: Path) -> None:
    etl(folder, data, "--overwrite", "--seed", "9")
    assert not (data / "pixel" / "index.parquet").exists()
    check_rows(data, "jpeg")
    assert rows_of(data, "jpeg") != rows_of(made, "jpeg")


def image(number: int) -> PlannedImage:
    digest = hashlib.md5(str(number).encode()).hexdigest()
    return PlannedImage(f"{number}é.jpg", "", "daisy", number % 3, digest, 0)


def write_shard(path: Path, images: list[PlannedImage]) -> Shard:
    """Writes a shard and the list of its records; both lie at `path`, with endings of their own."""
    with path.with_suffix(".tfrecord").open("wb") as stream, RecordList(str(path.with_suffix(".list"))) as listed:
        writer = RecordWriter(stream)
        for one in images:
            # Lengths differ, so that no place can be right by chance.
            facts: dict[str, str | int] = {
                "key": one.key,
                "label": one.label,
                "label_int": one.label_int,
                "digest": one.digest,
            }
            record = encode_example({**facts, "shape": (one.label_int + 1, 5, 3), "image": one.digest.encode() * 3})
            writer.write(frame_record(record))
            listed.add(one.key, one.label, one.label_int, one.digest, (one.label_int + 1, 5, 3), len(record))
        num_bytes, sha256 = writer.finish()
    return Shard(path.with_suffix(".tfrecord").name, len(images), num_bytes, sha256)


def variant_of(shards: list[Shard], name: str = "jpeg") -> Variant:
    split = Split("train", sum(shard.num_examples for shard in shards), 0, {}, tuple(shards))
    return Variant(name, ImageSpec("jpeg", "uint8"), {}, {"train": split})


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5), batch=st.integers(1, 4), group=st.integers(1, 7))
def test_lists_of_any_sizes_make_one_index(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, sizes: list[int], batch: int, group: int
) -> None:
    monkeypatch.setattr(index, "_ROWS_PER_BATCH", batch)
    monkeypatch.setattr(index, "_ROWS_PER_GROUP", group)
    folder = tmp_path_factory.mktemp("index")
    (folder / "jpeg").mkdir()
    images = [image(number) for number in range(sum(sizes))]
    starts = [sum(sizes[:place]) for place in range(len(sizes))]
    shards = [
        write_shard(folder / "jpeg" / f"s{start}", images[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    ]
    variant = variant_of(shards)
    lists = [str(folder / "jpeg" / f"s{start}.list") for start in starts]
    written = write_index(str(folder), variant, lists, str(folder / "building"))
    path = folder / "jpeg" / "index.parquet"
    assert (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()) == (written.num_bytes, written.sha256)
    assert [row["key"] for row in rows_of(folder, "jpeg")] == [one.key for one in images]
    metadata = pq.ParquetFile(path).metadata
    groups = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
    assert groups == [group] * (len(images) // group) + ([len(images) % group] if len(images) % group else [])
    assert check_index(str(folder), variant) == []


def result_of(shard: Shard, path: Path, part: int) -> UnitResult:
    return UnitResult(
        unit=Unit("embedding", "train", 0, part, "", shard.num_examples),
        shard_path=str(path.with_suffix(".tfrecord")),
        rejected_paths=(),
        num_examples=shard.num_examples,
        num_bytes=shard.num_bytes,
        sha256=shard.sha256,
        list_path=str(path.with_suffix(".list")),
        list_sha256=hashlib.sha256(path.with_suffix(".list").read_bytes()).hexdigest(),
        class_counts={},
        rejected={},
        pixel_sums=(0,) * 7,
    )


def test_parts_of_a_shard_share_one_list(tmp_path: Path) -> None:
    images = [image(number) for number in range(7)]
    parts = []
    for part, mine in enumerate((images[:3], images[3:4], images[4:])):
        path = tmp_path / f"part{part}"
        parts.append(result_of(write_shard(path, mine), path, part))
    config = EtlConfig(source="folder", output=str(tmp_path))
    whole = assemble(config, reversed(parts), str(tmp_path / "building"))
    assert hashlib.sha256(Path(whole.list_path).read_bytes()).hexdigest() == whole.list_sha256
    assert decode_result(encode_result(whole)) == whole
    shutil.copytree(Path(whole.shard_path).parent, tmp_path / "embedding")
    shard = Shard(Path(whole.shard_path).name, whole.num_examples, whole.num_bytes, whole.sha256)
    variant = variant_of([shard], "embedding")
    write_index(str(tmp_path), variant, [whole.list_path], str(tmp_path / "building"))
    assert [row["key"] for row in rows_of(tmp_path, "embedding")] == [one.key for one in images]
    assert check_index(str(tmp_path), variant) == []


@pytest.mark.parametrize("harm", ["none", "damaged", "gone"])
def test_a_unit_whose_list_is_not_whole_is_made_again(tmp_path: Path, harm: str) -> None:
    path = tmp_path / "embedding" / "train-00000-00000"
    path.parent.mkdir()
    result = result_of(write_shard(path, [image(1), image(2)]), path, 0)
    (path.parent / "a.result.json").write_bytes(encode_result(result))
    if harm == "damaged":
        Path(result.list_path).write_bytes(Path(result.list_path).read_bytes()[:-1])
    elif harm == "gone":
        Path(result.list_path).unlink()
    (unit,) = resume.keep_done([result.unit], str(tmp_path))
    assert bool(unit.done_path) == (harm == "none")


def test_lists_that_do_not_fit_their_shards_make_no_index(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "one", [image(1), image(2)])
    more = variant_of([Shard(shard.name, 3, shard.num_bytes, shard.sha256)])
    with pytest.raises(DatasetError, match="jpeg/one.tfrecord: 3 examples, its list has 2"):
        write_index(str(tmp_path), more, [str(tmp_path / "one.list")], str(tmp_path))
    with pytest.raises(DatasetError, match="absent.list: the list is gone"):
        write_index(str(tmp_path), variant_of([shard]), [str(tmp_path / "absent.list")], str(tmp_path))
    assert not (tmp_path / "jpeg" / "index.parquet").exists()


def rewrite(data: Path, change: Change) -> None:
    path = data / "pixel" / "index.parquet"
    pq.write_table(pa.Table.from_pylist(change(pq.read_table(path).to_pylist()), index_schema()), path)


def with_value(place: int, name: str, value: object) -> Change:
    def change(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, name: value} if row is rows[place] else row for row in rows]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_value(0, "offset", 13), r"is listed at byte 13 of train-00000-of-\d+.tfrecord, not 12"),
        (with_value(1, "length", 7), "is listed at byte"),
        (with_value(0, "key", "other.jpg"), r"'other.jpg': its key is listed as \[b'other.jpg'\], the record has"),
        (with_value(-1, "label_int", 8), r"its label_int is listed as \[8\]"),
        (with_value(0, "width", 8), r"its shape is listed as \[16, 8, 3\]"),
        (with_value(0, "shard", "absent"), "is listed in absent of train, where train-00000"),
        (with_value(0, "split", "test"), "of test, where train-00000"),
        (lambda rows: rows[:-1], "the manifest says"),
        (lambda rows: rows[1:], "is listed at byte"),
        (lambda rows: [*rows, rows[-1]], "more records than the manifest has examples"),
        (lambda rows: [*rows[:-2], rows[-1], rows[-2]], "is listed"),
    ],
)
def test_an_index_that_disagrees_is_named(data: Path, change: Change, message: str) -> None:
    rewrite(data, change)
    (problem,) = check_index(str(data), manifests.load(data).variants["pixel"])
    assert re.search(f"^pixel/index.parquet: .*{message}", problem), problem


@pytest.mark.parametrize(("place", "name", "value"), [(1, "digest", "0" * 32), (2, "label_int", 8), (4, "height", 8)])
def test_inspecting_compares_every_row_with_its_record(
    data: Path, place: int, name: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(data, with_value(place, name, value))
    assert run_main(inspect.main, [str(data)]) == 1
    assert re.search(rf"pixel/index\.parquet: '.*': its \w+ is listed as .*{value}", capsys.readouterr().err)


def test_inspecting_looks_at_the_index(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main(inspect.main, [str(data)]) == 0
    (data / "jpeg" / "index.parquet").unlink()
    (data / "pixel" / "index.parquet").write_bytes(b"PAR1 and no more")
    capsys.readouterr()
    assert run_main(inspect.main, [str(data)]) == 1
    errors = capsys.readouterr().err
    assert "error: jpeg/index.parquet: the file is missing" in errors
    assert "error: pixel/index.parquet: can't be read" in errors


def test_an_index_of_other_columns_is_named(data: Path) -> None:
    path = data / "pixel" / "index.parquet"
    pq.write_table(pq.read_table(path).drop_columns("offset"), path)
    (problem,) = check_index(str(data), manifests.load(data).variants["pixel"])
    assert "its columns are key, split, label, label_int, height" in problem


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("offset", lambda values: pa.array(map(str, values)), "its column offset is string, not int64"),
        (
            "key",
            lambda values: pa.array([*values[:-1], None]),
            "can't be read: its column key has rows without a value",
        ),
        ("length", lambda values: pa.array([float("nan")] * len(values)), "its column length is double, not int64"),
        ("label", lambda values: pa.array([[value] for value in values]), "its column label is list<.*>, not string"),
    ],
)
def test_an_index_of_other_values_is_named(data: Path, name: str, column: Any, message: str) -> None:
    path = data / "pixel" / "index.parquet"
    table = pq.read_table(path)
    place = table.schema.get_field_index(name)
    pq.write_table(table.set_column(place, name, column(table[name].to_pylist())), path)
    (problem,) = check_index(str(data), manifests.load(data).variants["pixel"])
    assert re.search(f"^pixel/index.parquet: {message}", problem), problem


@fuzzed
@given(st.data())
def test_whatever_an_index_holds_a_problem_is_one_line(data: Path, drawn: st.DataObject) -> None:
    path, kept = data / "pixel" / "index.parquet", data / "whole.parquet"
    if not kept.exists():
        kept.write_bytes(path.read_bytes())
    path.write_bytes(drawn.draw(damaged_bytes(kept.read_bytes())))
    for problem in check_index(str(data), manifests.load(data).variants["pixel"]):
        assert problem.startswith("pixel/index.parquet: ")
        assert len(problem.splitlines()) == 1


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "jpeg").mkdir()
    path = tmp_path / "jpeg" / "one"
    write_shard(path, [image(1)])
    length = pa.ipc.open_stream(path.with_suffix(".list").read_bytes()).read_all()["length"][0].as_py()
    stream = io.BytesIO()
    writer = RecordWriter(stream)
    writer.write(frame_record(b"\xff" * length))
    shard = Shard("one.tfrecord", 1, *writer.finish())
    path.with_suffix(".tfrecord").write_bytes(stream.getvalue())
    variant = variant_of([shard])
    write_index(str(tmp_path), variant, [f"{path}.list"], str(tmp_path / "building"))
    (problem,) = check_index(str(tmp_path), variant)
    assert problem == "jpeg/index.parquet: '1é.jpg': no example is at byte 12 of one.tfrecord"
