"""Two runs of the ETL at one output: a whole data set of one of them, or none, and no lock that stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from etl import storage
from etl.format import manifest as manifests
from etl.plan.output import unfinished_runs
from etl.storage.publishing import JOURNAL_NAME
from etl.verify.verify import verify
from tests import rivals
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.fixtures import gcs, gcs_server
from tests.photos import make_folder

__all__ = ["gcs", "gcs_server"]

OPTIONS = ["--variants", "jpeg,pixel", "--image_size", "32", "--shard_mb", "0.02"]
NUM_IMAGES = 40


def command(photos: str, output: str, seed: int, *more: str) -> list[str]:
    return [
        "etl.run",
        "--source",
        "folder",
        "--input",
        photos,
        "--output",
        output,
        "--seed",
        str(seed),
        *OPTIONS,
        *more,
    ]


def check(output: str) -> str:
    """Checks what a reader finds; returns its fingerprint, "" where there is no data set."""
    if not storage.exists(f"{output}/manifest.json"):
        return ""
    manifest = manifests.load(output, storage.read_text)
    assert verify(output, manifest, 2).problems == []
    assert manifest.counts.written == NUM_IMAGES
    return manifest.fingerprint


def run(*arguments: str) -> tuple[int, str]:
    process = rivals.start(arguments)
    said, _ = process.communicate()
    return process.returncode, said


def fight(photos: str, output: str, number: int) -> None:
    before = ""
    if number % 2:
        code, said = run(*command(photos, output, 1))
        assert code == 0, said
        before = check(output)
    commands = [command(photos, output, 2, "--overwrite"), command(photos, output, 3, "--overwrite")]
    commands[1] += ["--resume"] if number % 3 else []

    def is_critical() -> bool:
        return any(storage.exists(f"{folder}/{JOURNAL_NAME}") for folder in unfinished_runs(output))

    ends = rivals.fight(commands, number, 15.0, is_critical)
    rivals.check_said(ends)
    after = check(output)
    if not after and (before or not all(code for code, _ in ends)):
        # A run was killed while it published: whatever comes next brings the other data set back.
        code, said = run(*command(photos, output, 4))
        assert (code, "--overwrite" in said) == (2, True), said
        after = check(output)
        assert after
    assert after or not before
    code, said = run(*command(photos, output, 4, "--overwrite"))
    assert code == 0, said
    assert check(output) not in ("", before, after)
    names = {path.removeprefix(f"{output}/").split("/")[0] for path in storage.list_files(output)}
    assert names == {"manifest.json", "rejected.jsonl", "croissant.json", "card.html", "jpeg", "pixel"}


@pytest.mark.parametrize("number", rivals.ROUNDS)
def test_on_a_disk(tmp_path: Path, number: int) -> None:
    photos = make_folder(tmp_path / "photos", NUM_IMAGES)
    fight(str(photos), str(tmp_path / "out"), number)


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETALSTREAM_LEASE_SECONDS", "9")


@pytest.mark.parametrize("number", rivals.ROUNDS)
@pytest.mark.usefixtures("short_leases")
def test_on_an_object_store(gcs: Gcs, tmp_path: Path, number: int) -> None:
    gcs.upload(make_folder(tmp_path / "photos", NUM_IMAGES), "photos/")
    fight(gcs.path("photos"), gcs.path("out"), number)


def test_a_data_set_of_mixed_shards_would_be_seen(tmp_path: Path) -> None:
    photos = str(make_folder(tmp_path / "photos", NUM_IMAGES))
    for seed in (1, 2):
        code, said = run(*command(photos, str(tmp_path / str(seed)), seed))
        assert code == 0, said
    shutil.copyfile(*(next((tmp_path / name / "pixel").glob("train-00000*.tfrecord")) for name in "12"))
    with pytest.raises(AssertionError, match=r"pixel/train-00000"):
        check(str(tmp_path / "2"))
