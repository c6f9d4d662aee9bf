"""`etl.storage` against a real emulator."""

from __future__ import annotations

import gzip
import hashlib
import io
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from etl import storage
from etl.errors import ConfigError, StorageError, UploadLostError
from etl.storage import upload
from tests.fakes.gcs.emulator import Gcs
from tests.fakes.gcs.faults import UNRELIABLE, Fault

# A cut upload keeps whole steps of 256 KiB, so that a part of a piece may have arrived.
PIECE = 768 << 10
# Errors before and after the deed, too many requests, and connections cut in uploads, downloads and answers.
TROUBLE = (*UNRELIABLE, Fault("429", 0.03), Fault("500", 0.03), Fault("lost", 0.03))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes files of a few hundred kilobytes large ones."""
    monkeypatch.setattr(upload, "PIECE_BYTES", PIECE)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETALSTREAM_STORAGE_SECONDS", "1.5")


def content(name: str, num_bytes: int) -> bytes:
    return random.Random(name).randbytes(num_bytes)


def num_requests(gcs: Gcs, operation: str) -> int:
    return gcs.counts().operations.get(operation, 0)


@pytest.mark.parametrize("num_bytes", [0, 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 17])
def test_what_is_written_is_read(gcs: Gcs, num_bytes: int) -> None:
    data = content("x", num_bytes)
    path = gcs.path("a b/ü+y.bin")
    with storage.create(path) as stream:
        for start in range(0, num_bytes, 100_000):
            stream.write(data[start : start + 100_000])
    assert gcs.read("a b/ü+y.bin") == data
    assert storage.read_bytes(path) == data
    with storage.open_stream(path) as stream:
        assert stream.read() == data
        stream.seek(num_bytes // 2)
        assert stream.read(10) == data[num_bytes // 2 :][:10]
        assert stream.seek(-1, io.SEEK_END) == num_bytes - 1 if num_bytes else True
    storage.write_atomically(path, data[::-1])
    assert gcs.read("a b/ü+y.bin") == data[::-1]


def test_a_small_file_takes_one_request_each_way(gcs: Gcs) -> None:
    storage.write_atomically(gcs.path("x"), b"1")
    with storage.create(gcs.path("y")) as stream:
        stream.write(b"2")
    assert storage.read_bytes(gcs.path("x")) == b"1"
    operations = gcs.counts().operations
    assert {name: operations.get(name, 0) for name in ("upload", "upload_start", "download")} == {
        "upload": 2,
        "upload_start": 0,
        "download": 1,
    }


def test_a_file_whose_writer_failed_never_appears(gcs: Gcs) -> None:
    def fail(num_bytes: int) -> None:
        with storage.create(gcs.path("half")) as stream:
            stream.write(content("x", num_bytes))
            raise ValueError("no more")

    for num_bytes in (10, 3 * PIECE):
        with pytest.raises(ValueError, match="no more"):
            fail(num_bytes)
        abandoned = storage.create(gcs.path("abandoned"))
        abandoned.write(content("x", num_bytes))
        del abandoned
    assert gcs.names() == []


def test_listings(gcs: Gcs) -> None:
    for name in ("photos/b/2", "photos/b/1", "photos/b.c/3", "photos/a/d/4", "photos/5", "photosx/6"):
        gcs.write(name, name.encode())
    photos = gcs.path("photos")
    assert storage.is_folder(photos)
    assert not storage.is_folder(gcs.path("photo"))
    assert list(storage.list_files(photos)) == [
        gcs.path(f"photos/{name}") for name in ("5", "a/d/4", "b.c/3", "b/1", "b/2")
    ]
    assert storage.list_folders(photos) == ["a", "b", "b.c"]
    assert storage.list_folders(gcs.path()) == ["photos", "photosx"]
    assert list(storage.list_matches(gcs.path("photos/*/[12]"))) == [gcs.path("photos/b/1"), gcs.path("photos/b/2")]
    assert len(list(storage.list_matches(gcs.path("photos/**")))) == 5
    file = next(storage.scan(photos))
    assert (file.num_bytes, file.md5) == (8, hashlib.md5(b"photos/5").hexdigest())
    storage.delete_tree(photos)
    assert gcs.names() == ["photosx/6"]
    storage.delete(gcs.path("photosx/6"))
    storage.delete(gcs.path("photosx/6"))
    assert gcs.names() == []
    assert list(storage.list_files(photos)) == []


def test_names_are_looked_up_a_thousand_at_a_time(gcs: Gcs) -> None:
    names = [f"many/{number:05d}" for number in range(2_500)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: gcs.write(name, name.encode()), names))
    asked = sorted([*names, "many/00007", "many/00007.not", "many/99999", "none"])
    found = list(storage.look_up(map(gcs.path, asked)))
    assert [name for name, file in zip(asked, found, strict=True) if file is None] == [
        "many/00007.not",
        "many/99999",
        "none",
    ]
    assert {file.md5 for file in found if file} == {hashlib.md5(name.encode()).hexdigest() for name in names}
    assert num_requests(gcs, "list") <= 6
    # Far apart, each is one request, and never more.
    gcs.reset()
    assert [file is not None for file in storage.look_up([gcs.path("a"), gcs.path("z")])] == [False, False]
    assert num_requests(gcs, "list") == 1
    assert num_requests(gcs, "stat") == 0


def test_a_bucket_that_may_be_read_and_not_listed_is_asked_for_each_name(gcs: Gcs) -> None:
    gcs.write("a", b"1")
    gcs.configure(faults=(Fault("403", path=r"/b/petals/o\?"),))
    first, second = storage.look_up([gcs.path("a"), gcs.path("b")])
    assert first is not None
    assert (first.num_bytes, first.md5, second) == (1, hashlib.md5(b"1").hexdigest(), None)


def test_what_the_listing_does_not_know_is_said(gcs: Gcs) -> None:
    from google.cloud import storage as client

    blob = client.Client().bucket(gcs.bucket).blob("packed")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"hello"))
    (file,) = storage.scan(gcs.path())
    # Readers get it unpacked.
    assert (file.num_bytes, file.md5) == (None, "")
    assert storage.read_bytes(file.path) == b"hello"
    with storage.open_stream(file.path) as stream:
        assert stream.read() == b"hello"


def test_files_move_many_at_a_time_and_again_after_a_kill(gcs: Gcs) -> None:
    pairs = [(gcs.path(f"tmp/{number}"), gcs.path(f"out/{number}")) for number in range(50)]
    for number in range(50):
        gcs.write(f"tmp/{number}", str(number).encode())
    # As a step leaves them that is killed half-way: one copied and not deleted, one moved.
    gcs.write("out/0", b"0")
    storage.move(*pairs[1])
    gcs.configure(latency_seconds=0.1)
    storage.move_all(pairs)
    # One after the other they would take 10 s of these sleeps in a row; nothing is moved through here.
    assert num_requests(gcs, "download") == num_requests(gcs, "upload") == 0
    assert gcs.names() == sorted(f"out/{number}" for number in range(50))
    assert all(gcs.read(f"out/{number}") == str(number).encode() for number in range(50))
    with pytest.raises(FileNotFoundError, match="tmp/none"):
        storage.move(gcs.path("tmp/none"), gcs.path("out/none"))


def test_nothing_is_lost_to_an_unreliable_bucket(gcs: Gcs) -> None:
    gcs.configure(faults=(*TROUBLE, Fault("cut_upload", 0.5, limit=6), Fault("cut_download", 0.5, limit=3)), seed=5)
    data = {f"{number:02d}": content(str(number), number**2 * 1_500) for number in range(40)}

    def carry(name: str) -> bytes:
        path = gcs.path(f"tmp/{name}")
        if int(name) % 2:
            storage.write_atomically(path, data[name])
        else:
            with storage.create(path) as stream:
                stream.write(data[name])
        with storage.open_stream(path) as stream:
            assert stream.read() == data[name]
        return storage.read_bytes(path)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(carry, data)) == list(data.values())
    storage.move_all((gcs.path(f"tmp/{name}"), gcs.path(f"out/{name}")) for name in data)
    listed = {file.path: file.num_bytes for file in storage.scan(gcs.path())}
    assert listed == {gcs.path(f"out/{name}"): len(each) for name, each in data.items()}
    faults = gcs.counts().faults
    assert {fault.kind for fault in TROUBLE} <= set(faults), faults
    assert {name: gcs.read(f"out/{name}") for name in data} == data
    storage.delete_tree(gcs.path())
    assert gcs.names() == []


def test_an_upload_that_the_store_forgets_is_written_again(gcs: Gcs) -> None:
    gcs.configure(faults=(Fault("410", method="PUT", limit=1),))
    storage.write_atomically(gcs.path("x"), content("x", 3 * PIECE))
    assert gcs.read("x") == content("x", 3 * PIECE)

    def write() -> str:
        with storage.create(gcs.path("y")) as stream:
            stream.write(content("y", 2 * PIECE))
        return "written"

    gcs.configure(faults=(Fault("404", method="PUT", limit=2),))
    assert storage.again_if_lost(write) == "written"
    assert gcs.read("y") == content("y", 2 * PIECE)
    gcs.configure(faults=(Fault("410", method="PUT"),))
    with pytest.raises(UploadLostError, match="petals/y: the service forgot"):
        storage.again_if_lost(write)


READING: dict[str, Callable[[str], object]] = {
    "read": storage.read_bytes,
    "open": storage.open_stream,
    "exists": storage.exists,
    "version": storage.version,
}
LISTING: dict[str, Callable[[str], object]] = {
    "folder": storage.is_folder,
    "folders": storage.list_folders,
    "files": lambda path: list(storage.list_files(path)),
    "look_up": lambda path: list(storage.look_up([path])),
}
WRITING: dict[str, Callable[[str], object]] = {
    "write": lambda path: storage.write_atomically(path, b"1"),
    "write_large": lambda path: storage.write_atomically(path, bytes(2 * PIECE)),
    "create": lambda path: storage.create(path).close(),
    "check": lambda path: storage.check_writable(path, "check"),
    "delete": storage.delete,
}


@pytest.mark.parametrize("name", [*READING, *LISTING, *WRITING])
def test_without_permission_the_line_says_which_role_it_takes(
    gcs: Gcs, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from etl.storage import gcs_client

    # Those who use an emulator have no account, and would be told to log in.
    monkeypatch.setattr("google.auth.credentials.AnonymousCredentials", type("Nobody", (), {}))
    gcs.write("x", b"1")
    gcs.configure(faults=(Fault("403"),))
    use = {**READING, **LISTING, **WRITING}[name]
    role = "storage.objectUser" if name in WRITING else "storage.objectViewer"
    with pytest.raises(
        ConfigError, match=rf"gs://petals/x.*no permission \(403: .*Injected.*\).*roles/{role} on gs://"
    ):
        use(gcs.path("x"))
    assert gcs_client.client() is not None


@pytest.mark.parametrize("name", [*READING, *LISTING, *WRITING])
def test_without_credentials_the_line_says_how_to_log_in(gcs: Gcs, name: str) -> None:
    gcs.write("x", b"1")
    gcs.configure(faults=(Fault("401"),))
    use = {**READING, **LISTING, **WRITING}[name]
    with pytest.raises(ConfigError, match=r"gs://petals/x.*no credentials.*gcloud auth application-default login"):
        use(gcs.path("x"))


@pytest.mark.parametrize("name", [*LISTING, "write", "write_large", "create", "check"])
def test_a_bucket_that_is_not_there(gcs: Gcs, name: str) -> None:
    use = {**LISTING, **WRITING}[name]
    with pytest.raises(ConfigError, match=r"gs://no-bucket/x.*no bucket no-bucket \(404\).*buckets create"):
        use("gs://no-bucket/x")


def test_what_is_not_there_is_not_found(gcs: Gcs) -> None:
    for use in (storage.read_bytes, storage.open_stream, storage.version):
        with pytest.raises(FileNotFoundError, match="gs://petals/none"):
            use(gcs.path("none"))
    assert not storage.exists(gcs.path("none"))
    assert not storage.exists("gs://no-bucket/x")
    with pytest.raises(ConfigError, match="gs://bucket/name"):
        storage.exists("gs://")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["read", "files", "look_up", "write", "write_large", "delete"])
@pytest.mark.parametrize("kind", ["503", "429", "lost"])
def test_a_bucket_that_fails_for_ever_ends_in_a_line(gcs: Gcs, name: str, kind: str) -> None:
    gcs.write("x", b"1")
    gcs.configure(faults=(Fault(kind),))
    use = {**READING, **LISTING, **WRITING}[name]
    with pytest.raises(StorageError, match=r"gs://petals/x: could not .*tried again for 1.5 s.*--resume") as caught:
        use(gcs.path("x"))
    assert "\n" not in str(caught.value)


def test_a_read_of_what_was_replaced_meanwhile_fails(gcs: Gcs) -> None:
    gcs.write("x", b"1" * 1000)
    with storage.open_stream(gcs.path("x")) as stream:
        gcs.write("x", b"2" * 1000)
        with pytest.raises(StorageError, match="replaced or deleted while it was read"):
            stream.read()


def test_patience_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PETALSTREAM_STORAGE_SECONDS", "soon")
    with pytest.raises(ConfigError, match="PETALSTREAM_STORAGE_SECONDS: got 'soon'"):
        storage.read_bytes("gs://bucket/x")


def test_an_unknown_scheme_is_the_operators_mistake() -> None:
    with pytest.raises(ConfigError, match=r"got 'ftpp://x/y', expected a local path or gs://"):
        storage.exists("ftpp://x/y")
