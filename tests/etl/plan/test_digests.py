from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import pytest

from etl.plan.digests import Digested, digest, max_bytes
from etl.records import SourceImage
from etl.storage.stored import StoredFile

LIMIT = max_bytes(100_000_000)


def take(path: Path | str, limit: int = LIMIT, listed: StoredFile | None = None) -> Digested:
    return digest(SourceImage("key", str(path), "label", listed=listed), source="folder", limit=limit)


def why(path: Path | str, limit: int = LIMIT, listed: StoredFile | None = None) -> tuple[str, str]:
    rejection = take(path, limit, listed).rejection
    assert rejection is not None
    assert (rejection.key, rejection.stage) == ("key", "list")
    return rejection.reason, rejection.message


@pytest.mark.parametrize("num_bytes", [1, 1 << 20, (1 << 20) + 1, 3_500_000])
def test_size_and_md5(tmp_path: Path, num_bytes: int) -> None:
    data = os.urandom(num_bytes)
    (tmp_path / "a").write_bytes(data)
    found = take(tmp_path / "a")
    assert (found.digest, found.num_bytes, found.rejection) == (hashlib.md5(data).hexdigest(), num_bytes, None)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "zero").symlink_to("/dev/zero")
    reasons = {name: why(tmp_path / name)[0] for name in ("pipe", "empty", "loop", "zero", "gone", "empty/a", ".")}
    assert reasons == {
        "pipe": "unsupported",
        "empty": "empty",
        "loop": "missing",
        "zero": "unsupported",
        "gone": "missing",
        "empty/a": "missing",
        ".": "missing",
    }
    assert why(f"/{'x' * 5_000}")[0] == "missing"


def sparse(path: Path, head: bytes, num_bytes: int) -> Path:
    path.write_bytes(head)
    os.truncate(path, num_bytes)
    return path


def test_a_large_file_that_is_no_image_is_not_read(tmp_path: Path) -> None:
    # Reading it would take minutes.
    path = sparse(tmp_path / "film.jpg", b"\0\0\0\x20ftypmp42", 1 << 42)
    assert why(path) == ("not_an_image", "it begins with b'\\x00\\x00\\x00 ftypmp42'")


def test_a_file_larger_than_an_image_can_be(tmp_path: Path) -> None:
    path = sparse(tmp_path / "a.jpg", b"\xff\xd8\xff\xe0", 1 << 42)
    assert why(path) == (
        "too_many_bytes",
        "4,398,046,511,104 bytes, and an image of --max_pixels has no more than 864,000,000",
    )
    assert why("gs://b/a.jpg", listed=StoredFile("gs://b/a.jpg", LIMIT + 1, "0" * 32))[0] == "too_many_bytes"
    (tmp_path / "small").write_bytes(bytes(20))
    assert why(tmp_path / "small", limit=19)[0] == "too_many_bytes"
    assert max_bytes(10**12) < 2**31


def test_a_large_file_is_never_held_whole(tmp_path: Path) -> None:
    path = sparse(tmp_path / "a.jpg", b"\xff\xd8\xff\xe0", 600_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert take(path).num_bytes == 600_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
