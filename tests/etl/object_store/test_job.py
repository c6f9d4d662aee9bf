"""The whole job on an object store: the same data set as on disk, whatever the store does meanwhile."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import keras
import pyarrow.parquet as pq
import pytest
from PIL import Image

from etl import inspect, run, storage
from etl.errors import run_main
from etl.format import manifest as manifests
from etl.format.manifest import Manifest
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.faults import UNRELIABLE, Fault
from tests.photos import jpeg, make_folder, picture

ALPHA = 0.35
HEAD = b"""<annotation><size><width>80</width><height>60</height><depth>3</depth></size><object><name>cat</name>
<bndbox><xmin>20</xmin><ymin>10</ymin><xmax>60</xmax><ymax>50</ymax></bndbox></object></annotation>"""


def mixed_folder(root: Path, num_images: int) -> Path:
    """Makes photographs of several formats, one truncated, one empty and one no image."""
    make_folder(root, num_images)
    for number in range(6):
        Image.fromarray(picture(1_000 + number)).save(root / "roses" / f"drawn{number}.png")
    Image.fromarray(picture(2_000)).convert("CMYK").save(root / "daisy" / "inks.jpg")
    (root / "daisy" / "short.jpg").write_bytes(jpeg(3_000)[:400])
    (root / "daisy" / "empty.jpg").write_bytes(b"")
    (root / "tulips" / "note.jpg").write_bytes(b"no image")
    (root / "tulips" / ".hidden.jpg").write_bytes(jpeg(1))
    return root


def csv_folder(root: Path, num_images: int) -> Path:
    mixed_folder(root / "photos", num_images)
    files = sorted(path for path in (root / "photos").rglob("*.*g"))
    rows = [f"{path.relative_to(root)},{path.parent.name}" for path in files]
    (root / "list.csv").write_text("\n".join(["path,label", *rows, "photos/gone.jpg,daisy", *rows[:2]]) + "\n")
    return root


def pets_folder(root: Path, num_images: int) -> Path:
    for name in ("images", "annotations/xmls", "annotations/trimaps"):
        (root / name).mkdir(parents=True)
    lines: dict[str, list[str]] = {"trainval": [], "test": []}
    for number in range(num_images):
        breed, class_id, species = (("Birman", 1, 1), ("beagle", 2, 2))[number % 2]
        stem = f"{breed}_{number}"
        (root / "images" / f"{stem}.jpg").write_bytes(jpeg(number))
        lines["test" if number % 4 == 3 else "trainval"].append(f"{stem} {class_id} {species} 1")
        if number % 3:
            (root / "annotations" / "xmls" / f"{stem}.xml").write_bytes(HEAD)
            Image.fromarray(picture(number)[..., 0] % 3 + 1).save(root / "annotations" / "trimaps" / f"{stem}.png")
    (root / "annotations" / "list.txt").write_text("\n".join(lines["trainval"] + lines["test"]) + "\n")
    for name, listed in lines.items():
        (root / "annotations" / f"{name}.txt").write_text("\n".join(listed) + "\n")
    return root


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    keras.utils.set_random_seed(5)
    model = keras.applications.MobileNetV2((224, 224, 3), ALPHA, include_top=False, weights=None, pooling="avg")
    path = tmp_path_factory.mktemp("weights") / "drawn.weights.h5"
    model.save_weights(path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_folder(tmp_path_factory.mktemp("mixed"), 60)


OPTIONS = ["--variants", "jpeg,pixel", "--image_size", "24x32", "--shard_mb", "0.03", "--max_rejected_fraction", "0.2"]


def etl(source: str, folder: str, output: str, *more: str) -> int:
    return run_main(run.main, ["--source", source, "--input", folder, "--output", output, *more])


def load(data_dir: str) -> Manifest:
    return manifests.load(data_dir, storage.read_text)


def stable(manifest: Manifest) -> dict[str, object]:
    content: dict[str, object] = json.loads(manifests.to_json(manifest))
    # The folders have other names.
    del content["run"], content["dataset"]
    config = content["config"]
    assert isinstance(config, dict)
    for name in ("input", "labels"):
        del config["options"][name]
    return content


def check_equal(local: str, remote: str) -> None:
    """Compares every shard, the indexes, the rejections and the manifests of two data sets."""
    ours, theirs = load(local), load(remote)
    assert stable(ours) == stable(theirs)
    assert ours.fingerprint == theirs.fingerprint
    for variant in theirs.variants.values():
        for split in variant.splits.values():
            for shard in split.shards:
                data = storage.read_bytes(f"{remote}/{variant.name}/{shard.name}")
                assert hashlib.sha256(data).hexdigest() == shard.sha256
        index = f"{variant.name}/index.parquet"
        assert storage.read_bytes(f"{remote}/{index}") == storage.read_bytes(f"{local}/{index}")
    lines = [
        [{**json.loads(line), "uri": ""} for line in storage.read_text(f"{folder}/rejected.jsonl").splitlines()]
        for folder in (local, remote)
    ]
    assert lines[0] == lines[1]
    # Whatever was made on the way is gone.
    shards = sum(len(split.shards) for variant in theirs.variants.values() for split in variant.splits.values())
    assert sum(".tfrecord" in path for path in storage.list_files(remote)) == shards
    assert not [path for path in storage.list_files(remote) if ".building" in path]


LAYOUTS: dict[str, tuple[Callable[[Path, int], Path], str, list[str]]] = {
    "folder": (mixed_folder, "", OPTIONS),
    "csv": (csv_folder, "/list.csv", [*OPTIONS, "--compression", "gzip"]),
    "flowers": (lambda root, number: mixed_folder(root / "flower_photos", number).parent, "", OPTIONS),
    "pets": (pets_folder, "", [*OPTIONS, "--trimaps", "--split_by", "official"]),
}


@pytest.mark.parametrize("source", LAYOUTS)
def test_a_bucket_and_a_disk_hold_the_same(gcs: Gcs, tmp_path: Path, source: str) -> None:
    make, name, options = LAYOUTS[source]
    root = make(tmp_path / "in", 40)
    gcs.upload(root, "in/")
    assert etl(source, f"{root}{name}", str(tmp_path / "out"), *options) == 0
    assert etl(source, gcs.path(f"in{name}"), gcs.path("out"), *options) == 0
    check_equal(str(tmp_path / "out"), gcs.path("out"))
    manifest = load(gcs.path("out"))
    assert manifest.counts.written >= 40
    rejected = {"folder": 3, "flowers": 3, "csv": 6, "pets": 0}
    assert sum(manifest.counts.rejected.values()) == rejected[source]


def test_embeddings_and_an_archive_and_a_listing_of_patterns(
    gcs: Gcs, tmp_path: Path, folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tarfile

    monkeypatch.setenv("PETALSTREAM_CACHE", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / "flower_photos.tgz", "w:gz") as archive:
        archive.add(folder, "flower_photos")
    gcs.write("flower_photos.tgz", (tmp_path / "flower_photos.tgz").read_bytes())
    gcs.write("net.weights.h5", weights.read_bytes())
    gcs.upload(folder, "photos/")
    network = ["--embedding_alpha", str(ALPHA), "--max_rejected_fraction", "0.2", "--variants", "embedding"]
    local = [*network, "--embedding_weights", str(weights)]
    remote = [*network, "--embedding_weights", gcs.path("net.weights.h5")]
    assert etl("flowers", str(folder), str(tmp_path / "out"), *local) == 0
    for source, path in (("flowers", "flower_photos.tgz"), ("folder", "photos/*/*")):
        assert etl(source, gcs.path(path), gcs.path("out"), *remote, "--overwrite") == 0
        assert load(gcs.path("out")).fingerprint == load(str(tmp_path / "out")).fingerprint


def test_inspect_compares_a_bucket_with_a_disk(
    gcs: Gcs, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gcs.upload(folder, "in/")
    remote, local = gcs.path("out"), str(tmp_path / "out")
    assert etl("folder", gcs.path("in"), remote, *OPTIONS) == 0
    assert run_main(inspect.main, [remote]) == 0
    assert "every digest as in the manifest" in capsys.readouterr().out
    assert storage.exists(f"{remote}/sample.png")
    assert etl("folder", str(folder), local, *OPTIONS) == 0
    for pair in ((remote, local), (local, remote)):
        assert run_main(inspect.main, [pair[0], "--compare", pair[1]]) == 0
    shard = next(path for path in storage.list_files(f"{remote}/jpeg") if path.endswith(".tfrecord"))
    storage.write_atomically(shard, storage.read_bytes(shard)[:-4] + b"????")
    assert run_main(inspect.main, [remote]) == 1
    assert run_main(inspect.main, [gcs.path("none")]) == 1
    assert "no manifest.json" in capsys.readouterr().err


def test_overwrite_and_resume(gcs: Gcs, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gcs.upload(folder, "in/")
    arguments = ("folder", gcs.path("in"), gcs.path("out"), *OPTIONS)
    assert etl(*arguments) == 0
    first = load(gcs.path("out"))
    assert etl(*arguments) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert etl(*arguments, "--overwrite", "--seed", "9") == 0
    assert load(gcs.path("out")).fingerprint != first.fingerprint
    # A run that ends in the middle: from some file on, the bucket takes no more, not even the line of the failure.
    gcs.configure(faults=(Fault("403", path="^/upload/", skip=40),))
    assert etl(*arguments, "--overwrite") == 2
    assert "no credentials" in capsys.readouterr().err
    gcs.configure(faults=())
    kept = [name for name in gcs.names("out/.building-") if name.endswith(".result.json")]
    assert len(kept) > 2
    assert etl(*arguments, "--overwrite", "--resume") == 0
    printed = capsys.readouterr().err
    assert f"left {len(kept)} of" in printed
    assert etl("folder", str(folder), str(tmp_path / "out"), *OPTIONS) == 0
    check_equal(str(tmp_path / "out"), gcs.path("out"))


def test_a_last_step_that_ends_half_way_is_completed(
    gcs: Gcs, tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gcs.upload(folder, "in/")
    arguments = ("folder", gcs.path("in"), gcs.path("out"), *OPTIONS)
    # Some shards have their names by then, some lie under both names, some under the old one alone.
    half = (Fault("403", path="rewriteTo", skip=3), Fault("403", method="DELETE", path="tfrecord", skip=1))
    gcs.configure(faults=half)
    assert etl(*arguments) == 2
    assert "Traceback" not in capsys.readouterr().err
    gcs.configure(faults=())
    moved = [name for name in gcs.names("out/jpeg/") if name.endswith(".tfrecord")]
    assert 0 < len(moved) <= 3
    assert etl(*arguments, "--resume") == 0
    assert etl("folder", str(folder), str(tmp_path / "out"), *OPTIONS) == 0
    check_equal(str(tmp_path / "out"), gcs.path("out"))


def test_what_was_written_to_a_bucket_can_be_trained_on(gcs: Gcs, tmp_path: Path, folder: Path) -> None:
    from trainer import ingest

    gcs.upload(folder, "in/")
    assert etl("folder", gcs.path("in"), gcs.path("out"), *OPTIONS) == 0
    dataset = ingest.load(gcs.path("out"), "train", ingest.IngestConfig(batch_size=8), variant="pixel")
    assert (
        sum(len(labels) for _, labels in dataset)
        == load(gcs.path("out")).variants["pixel"].splits["train"].num_examples
    )


def test_a_bucket_that_fails_now_and_then_loses_and_doubles_nothing(gcs: Gcs, tmp_path: Path, folder: Path) -> None:
    gcs.upload(folder, "in/")
    trouble = (*UNRELIABLE, Fault("429", 0.02), Fault("500", 0.02), Fault("lost", 0.02))
    sure = (Fault("cut_upload", 0.5, limit=3), Fault("cut_download", 0.5, limit=3), Fault("410", method="PUT", limit=1))
    gcs.configure(faults=(*trouble, *sure), seed=3)
    assert etl("folder", gcs.path("in"), gcs.path("out"), *OPTIONS) == 0
    faults = gcs.counts().faults
    assert {fault.kind for fault in trouble} <= set(faults), faults
    gcs.configure(faults=())
    assert etl("folder", str(folder), str(tmp_path / "out"), *OPTIONS) == 0
    check_equal(str(tmp_path / "out"), gcs.path("out"))
    keys = pq.read_table(tmp_path / "out" / "jpeg" / "index.parquet").column("key").to_pylist()
    assert len(keys) == len(set(keys)) == load(gcs.path("out")).counts.written


def test_listing_reads_no_file_for_its_digest(gcs: Gcs, tmp_path: Path) -> None:
    from etl.config import EtlConfig
    from etl.plan.plan import Plan
    from etl.sources.options import SourceOptions

    folder = make_folder(tmp_path, 150)
    gcs.upload(folder, "in/")
    (tmp_path / "list.csv").write_text("".join(f"{path.relative_to(folder)},x\n" for path in folder.rglob("*.jpg")))
    gcs.write("in/list.csv", (tmp_path / "list.csv").read_bytes())
    plans = {}
    for source, path in (("folder", "in"), ("csv", "in/list.csv")):
        before = gcs.counts().operations
        options = SourceOptions(input=gcs.path(path))
        with Plan(EtlConfig(source=source, output=gcs.path("out"), options=options, num_threads=2)) as plan:
            plan.fill()
            assert plan.num_images == 150
            operations = gcs.counts().operations
            new = {name: operations[name] - before.get(name, 0) for name in ("list", "download", "stat")}
            # A few looks at the folder and one page of 150 names; the CSV file is read.
            assert new["list"] <= 8
            assert new["download"] <= (0 if source == "folder" else 8)
            plans[source] = [[image.digest for image in images] for _, _, images, _ in plan.shards("jpeg")]
    flat = [sorted(digest for shard in plan for digest in shard) for plan in plans.values()]
    assert flat[0] == flat[1]
    local = EtlConfig(source="folder", output="out", options=SourceOptions(input=str(folder)), num_threads=2)
    with Plan(local) as plan:
        plan.fill()
        assert [[image.digest for image in images] for _, _, images, _ in plan.shards("jpeg")] == plans["folder"]


FAILURES = {
    "no bucket to read": ("gs://no-bucket/in", "gs://petals/out", (), 2, r"no bucket no-bucket \(404\)"),
    "no bucket to write": ("gs://petals/in", "gs://no-bucket/out", (), 2, r"no bucket no-bucket \(404\)"),
    "may not list": ("in", "out", (Fault("403", path=r"prefix=in/"),), 2, "gs://petals/in.*storage.objects.list"),
    "may not read": ("in", "out", (Fault("403", path=r"download.*o/in/"),), 2, "gs://petals/in/.*storage.objects.get"),
    "may not read one": ("in", "out", (Fault("403", path="download.*/0007.jpg"),), 2, r"gs://petals/in/.*/0007\.jpg"),
    "may not write": ("in", "out", (Fault("403", path="^/upload/"),), 2, "gs://petals/out.*storage.objects.create"),
    "may write no shards": ("in", "out", (Fault("403", path="^/upload/", skip=12),), 2, "storage.objects.create"),
    "may not delete": ("in", "out", (Fault("403", method="DELETE"),), 2, "gs://petals/out.*storage.objects.delete"),
    "may not move": ("in", "out", (Fault("403", path="rewriteTo"),), 2, "gs://petals/out"),
    "gone meanwhile": ("in", "out", (Fault("404", path="download.*/0007.jpg"),), 1, "0007.jpg: .* is gone now"),
    "not logged in": ("in", "out", (Fault("401"),), 2, "gcloud auth application-default login"),
    "fails to list": ("in", "out", (Fault("503", path="prefix=in/"),), 1, "tried again for 2 s"),
    "fails to read": ("in", "out", (Fault("503", path="download.*o/in/"),), 1, "gs://petals/in/.*tried again for 2 s"),
    "fails to read one": ("in", "out", (Fault("500", path="download.*/0007.jpg"),), 1, "0007.jpg: could not read it"),
    "fails to write shards": ("in", "out", (Fault("503", path="^/upload/", skip=12),), 1, "could not write it"),
    "fails to move": ("in", "out", (Fault("429", path="rewriteTo"),), 1, "tried again for 2 s"),
    "fails for ever": ("in", "out", (Fault("lost"),), 1, "gs://petals/.*tried again for 2 s"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_fails_says_so_in_one_line(
    gcs: Gcs,
    folder: Path,
    name: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, output, faults, code, message = FAILURES[name]
    if name.startswith("may"):
        monkeypatch.setattr("etl.storage.gcs_client._is_nobody", lambda: False)
    monkeypatch.setenv("PETALSTREAM_STORAGE_SECONDS", "2")
    gcs.upload(folder, "in/")
    gcs.configure(faults=faults)
    arguments = [source, output]
    paths = [path if path.startswith("gs://") else gcs.path(path) for path in arguments]
    capfd.readouterr()
    assert etl("folder", *paths, *OPTIONS, "--shard_mb", "1") == code
    printed = capfd.readouterr().err
    (line,) = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert re.search(message, line), line
    assert "Traceback" not in printed
    assert "while running" not in line
    assert not [path for path in gcs.names("out/") if path.endswith("manifest.json")]
