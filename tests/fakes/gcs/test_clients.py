"""The two real clients against the real emulator."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.fakes.gcs.emulator import ROOT, Gcs
from tests.fakes.gcs.faults import DENIED, UNRELIABLE, Fault

# What a step of `tests.fakes.gcs.tensorflow_steps` gives, by its name and folder.
Step = Callable[[str, str], dict[str, Any]]


# One answer in ten fails, three transfers in a hundred are cut; some cuts come for certain.
TROUBLE = (*UNRELIABLE, Fault("cut_upload", 0.5, limit=3), Fault("cut_download", 0.5, limit=3))


def check_trouble(gcs: Gcs) -> None:
    faults = gcs.counts().faults
    assert {fault.kind for fault in TROUBLE} == set(faults), faults
    assert faults["503"] + faults["503_after"] > 10
    assert min(faults["cut_upload"], faults["cut_download"]) >= 3


def content(name: str, num_bytes: int) -> bytes:
    return random.Random(name).randbytes(num_bytes)


@pytest.fixture(scope="module", autouse=True)
def tensorflow_process(gcs_server: Gcs) -> Iterator[subprocess.Popen[str]]:
    """Starts first, and loads TensorFlow while the tests of Beam run."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.gcs.tensorflow_steps"],
        cwd=ROOT,
        env={**os.environ, **gcs_server.environment, "CUDA_VISIBLE_DEVICES": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.communicate(timeout=60)


@pytest.fixture
def step(tensorflow_process: subprocess.Popen[str]) -> Step:
    def take(name: str, folder: str) -> dict[str, Any]:
        pipe_in, pipe_out = tensorflow_process.stdin, tensorflow_process.stdout
        if pipe_in is None or pipe_out is None:
            raise RuntimeError("no pipes")
        pipe_in.write(f"{name} {folder}\n")
        pipe_in.flush()
        answer: dict[str, Any] = json.loads(pipe_out.readline())
        return answer

    return take


def write(path: str, data: bytes) -> None:
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.create(path) as file:
        file.write(data)


def read(path: str) -> bytes:
    from apache_beam.io.filesystems import FileSystems

    with FileSystems.open(path) as file:
        data: bytes = file.read()
        return data


def matched(pattern: str) -> dict[str, int]:
    from apache_beam.io.filesystems import FileSystems

    return {found.path: found.size_in_bytes for found in FileSystems.match([pattern])[0].metadata_list}


def test_beam_writes_and_reads(gcs: Gcs) -> None:
    from apache_beam.io.filesystems import FileSystems

    # More than the 16 MiB that Beam sends at once.
    data = content("data", 17_000_000)
    write(gcs.path("a b/x+y.bin"), data)
    assert gcs.read("a b/x+y.bin") == data
    assert read(gcs.path("a b/x+y.bin")) == data
    with FileSystems.open(gcs.path("a b/x+y.bin")) as file:
        file.seek(16_900_000)
        assert file.read(1_000) == data[16_900_000:16_901_000]
    write(gcs.path("empty"), b"")
    assert read(gcs.path("empty")) == b""
    counts = gcs.counts()
    assert counts.operations["upload_start"] == 2
    # The empty file's only chunk looks like a question after the upload.
    assert (counts.operations["upload"], counts.operations["upload_status"]) == (2, 1)
    # Reads come through the front, too.
    assert counts.bytes_sent > len(data)


def test_beam_lists_renames_and_deletes_in_batches(gcs: Gcs) -> None:
    from apache_beam.io.filesystems import FileSystems

    # Beam puts 100 operations into one batch.
    names = [f"{number:03d}" for number in range(120)]
    for name in names:
        gcs.write(f"tmp/{name}", name.encode() * int(name))
    assert matched(gcs.path("tmp/*")) == {gcs.path(f"tmp/{name}"): 3 * int(name) for name in names}
    FileSystems.rename([gcs.path(f"tmp/{name}") for name in names], [gcs.path(f"out/{name}") for name in names])
    assert gcs.names() == [f"out/{name}" for name in names]
    assert all(gcs.read(f"out/{name}") == name.encode() * int(name) for name in names)
    counts = gcs.counts()
    assert counts.operations["batch"] == 4
    assert (counts.operations["copy"], counts.operations["delete"]) == (120, 120)
    assert FileSystems.exists(gcs.path("out/007"))
    assert not FileSystems.exists(gcs.path("tmp/007"))
    FileSystems.delete([gcs.path("out/")])
    assert gcs.names() == []


def test_beam_loses_nothing_to_an_unreliable_bucket(gcs: Gcs) -> None:
    from apache_beam.io.filesystems import FileSystems

    gcs.configure(faults=TROUBLE, seed=1)
    data = {f"{number:02d}": content(str(number), number**3 * 40) for number in range(40)}

    def carry(name: str) -> bytes:
        write(gcs.path(f"tmp/{name}"), data[name])
        return read(gcs.path(f"tmp/{name}"))

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(carry, data)) == list(data.values())
    FileSystems.rename([gcs.path(f"tmp/{name}") for name in data], [gcs.path(f"out/{name}") for name in data])
    assert matched(gcs.path("**")) == {gcs.path(f"out/{name}"): len(each) for name, each in data.items()}
    check_trouble(gcs)
    assert {name: gcs.read(f"out/{name}") for name in data} == data


def test_beam_without_permission(gcs: Gcs) -> None:
    from apache_beam.io.filesystem import BeamIOError
    from apache_beam.io.filesystems import FileSystems
    from google.api_core.exceptions import Forbidden
    from google.cloud.storage.exceptions import InvalidResponse

    gcs.write("x", b"1")
    gcs.configure(faults=DENIED)
    with pytest.raises(Forbidden, match="Injected"):
        read(gcs.path("x"))
    with pytest.raises(InvalidResponse, match="403"):
        write(gcs.path("new"), b"1")
    with pytest.raises(BeamIOError, match=r"Match operation failed.*Injected"):
        FileSystems.match([gcs.path("*")])
    with pytest.raises(Forbidden, match="Injected"):
        FileSystems.rename([gcs.path("x")], [gcs.path("y")])
    # Where only the deletion is denied, which is a part of a batch, Beam says so with a bare number.
    gcs.configure(faults=(Fault("403", method="DELETE"),))
    with pytest.raises(BeamIOError, match=r"Delete operation failed.*403"):
        FileSystems.delete([gcs.path("x")])
    assert gcs.names() == ["x"]


def test_beam_gives_up_a_lost_session(gcs: Gcs) -> None:
    from google.cloud.storage.exceptions import InvalidResponse

    gcs.configure(faults=(Fault("410", method="PUT"),))
    with pytest.raises(InvalidResponse, match="410"):
        write(gcs.path("x"), b"1")
    assert gcs.names() == []


def test_tensorflow_writes_reads_renames_and_deletes(gcs: Gcs, step: Step) -> None:
    assert step("files", gcs.path("files")) == {
        "result": {"part": True, "whole": True, "empty": True, "renamed": True, "made": True}
    }
    assert gcs.read("files/kept.bin") == content("big", 9_000_000)
    assert gcs.names() == ["files/empty", "files/kept.bin", "files/made/", "files/made/deep/"]
    operations = gcs.counts().operations
    assert operations["layout"] == 1
    assert operations["copy"] == 2


def test_tensorflow_reads_records_interleaved(gcs: Gcs, step: Step) -> None:
    whole = hashlib.sha256(b"".join(content(str(number), 32_000) for number in range(300)))
    assert step("records", gcs.path("records")) == {"result": {"num_records": 300, "sha256": whole.hexdigest()}}
    assert gcs.counts().operations["download"] >= 4


def test_tensorflow_loses_nothing_to_an_unreliable_bucket(gcs: Gcs, step: Step) -> None:
    gcs.configure(faults=TROUBLE, seed=1)
    names = [f"{number:02d}" for number in range(24)]
    assert step("many", gcs.path("many")) == {"result": {"num_equal": 24, "names": names}}
    check_trouble(gcs)
    assert all(gcs.read(f"many/{name}") == content(name, int(name) ** 3 * 100) for name in names)


def test_tensorflow_without_permission(gcs: Gcs, step: Step) -> None:
    gcs.write("denied/x", b"1")
    gcs.configure(faults=DENIED)
    errors = step("refusals", gcs.path("denied"))["result"]
    operations = ["create", "exists", "glob", "read", "records", "remove", "rename"]
    assert {name: errors[name] for name in operations} == dict.fromkeys(operations, "PermissionDeniedError")
    # TensorFlow hides the reason here.
    assert errors["listdir"] == "NotFoundError"
    assert gcs.names() == ["denied/x"]


def test_tensorflow_begins_a_lost_session_again(gcs: Gcs, step: Step) -> None:
    gcs.configure(faults=(Fault("410", method="PUT", limit=1),))
    assert step("one_file", gcs.path("gone")) == {"result": {}}
    assert gcs.read("gone/one") == content("one", 600_000)
    assert gcs.counts().operations["upload_start"] == 2
