from __future__ import annotations

import hashlib
import http.server
import io
import os
import socket
import tarfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from etl import storage
from etl.errors import ConfigError, DatasetError
from etl.sources import cifar10, flowers, pets
from etl.sources.files import archive
from etl.sources.options import SourceOptions


def tar_bytes(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return data.getvalue()


@dataclass
class Server:
    """A web server on the loopback interface."""

    files: dict[str, bytes] = field(default_factory=dict)
    # Path to how many bytes are sent before the connection is cut.
    cuts: dict[str, int] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    port: int = 0

    def offer(self, name: str, data: bytes, sha256: str | None = None) -> archive.Archive:
        self.files[f"/{name}"] = data
        url = f"http://127.0.0.1:{self.port}/{name}"
        return archive.Archive(url, len(data), sha256 or hashlib.sha256(data).hexdigest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.requests.append(self.path)
            data = state.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: state.cuts.get(self.path)])

        def log_message(self, *arguments: object) -> None:
            """Keeps the tests' output clean."""

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        state.port = httpd.server_address[1]
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv(archive.CACHE_VARIABLE, str(folder))
    return folder


def contents(folder: Path | str) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


FILES = {"photos/roses/a.jpg": b"rose", "photos/LICENSE.txt": b"free"}


def test_download_happens_once(server: Server, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = server.offer("photos.tgz", tar_bytes(FILES))
    folder = archive.download(published)
    assert contents(folder) == FILES
    assert Path(folder).is_relative_to(cache)
    assert "download photos.tgz" in capsys.readouterr().err
    assert archive.download(published) == folder
    assert server.requests == ["/photos.tgz"]


def test_a_download_that_was_not_unpacked_is_used(server: Server) -> None:
    published = server.offer("photos.tgz", tar_bytes(FILES))
    folder = Path(archive.download(published))
    os.rename(folder, folder.with_name("gone"))
    assert contents(archive.download(published)) == FILES
    assert server.requests == ["/photos.tgz"]


def test_a_wrong_checksum(server: Server, cache: Path) -> None:
    published = server.offer("photos.tgz", tar_bytes(FILES), sha256="0" * 64)
    with pytest.raises(archive.DownloadError, match=r"photos.tgz: what came is not .*give its path as --input"):
        archive.download(published)
    assert contents(cache) == {}


def test_a_cut_connection(server: Server, cache: Path) -> None:
    data = tar_bytes({"noise": os.urandom(3_000_000)})
    published = server.offer("photos.tgz", data)
    server.cuts["/photos.tgz"] = 2_000_000
    with pytest.raises(archive.DownloadError, match=r"photos.tgz: can't be downloaded \(.*IncompleteRead.*--input"):
        archive.download(published)
    assert contents(cache) == {}
    server.cuts.clear()
    assert set(contents(archive.download(published))) == {"noise"}


def test_no_such_page(server: Server) -> None:
    published = archive.Archive(f"http://127.0.0.1:{server.port}/none.tgz", 1, "0" * 64)
    with pytest.raises(archive.DownloadError, match=r"none.tgz: can't be downloaded \(404 .*--input"):
        archive.download(published)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("module", "constant"),
    [(flowers, "ARCHIVE"), (pets, "IMAGES"), (cifar10, "ARCHIVE")],
    ids=["flowers", "pets", "cifar10"],
)
def test_offline_is_one_line_with_the_address(module: object, constant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"http://127.0.0.1:{free_port()}/set.tgz"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(module, constant, archive.Archive(url, 1, "0" * 64))
    message = rf"^{url}: can't be downloaded \(.*refused\); .*--input"
    for function in ("class_names", "list_images"):
        with pytest.raises(archive.DownloadError, match=message) as caught:
            getattr(module, function)(getattr(module, "OPTIONS", SourceOptions)())
        assert caught.value.exit_code == 1
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("published", "name"),
    [
        (flowers.ARCHIVE, "flower_photos.tgz"),
        (pets.IMAGES, "images.tar.gz"),
        (pets.ANNOTATIONS, "annotations.tar.gz"),
        (cifar10.ARCHIVE, "cifar-10-python.tar.gz"),
    ],
)
def test_the_published_archives(published: archive.Archive, name: str) -> None:
    assert published.name == name
    assert published.url.startswith("https://")
    assert len(bytes.fromhex(published.sha256)) == hashlib.sha256().digest_size
    assert archive.is_archive(published.url)


@pytest.mark.parametrize(("mode", "ending"), [("w", "tar"), ("w:gz", "tgz"), ("w:bz2", "tar.bz2"), ("w:xz", "tar.xz")])
def test_unpack_takes_every_kind_whatever_its_ending(tmp_path: Path, mode: str, ending: str) -> None:
    for name in (f"right.{ending}", "wrong.tar.gz"):
        path = tmp_path / name
        path.write_bytes(tar_bytes(FILES, mode))
        assert archive.is_archive(str(path))
        assert contents(archive.unpack(str(path))) == FILES


def test_unpack_notices_a_change(tmp_path: Path) -> None:
    path = tmp_path / "photos.tar"
    path.write_bytes(tar_bytes(FILES))
    first = archive.unpack(str(path))
    (Path(first) / "mark").touch()
    assert archive.unpack(str(path)) == first
    assert (Path(first) / "mark").exists()
    path.write_bytes(tar_bytes({"other": b"content"}))
    assert contents(archive.unpack(str(path))) == {"other": b"content"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_cut_archive_leaves_nothing_behind(tmp_path: Path, cache: Path, mode: str) -> None:
    whole = tar_bytes({f"{index}.jpg": os.urandom(400) for index in range(6)}, mode)
    path = tmp_path / "photos.tar"
    # A plain archive is also cut between two files, where nothing is torn.
    for length in (0, 100, 512, 1024, 2048, len(whole) // 2, len(whole) - 10_000):
        if 0 <= length < len(whole):
            path.write_bytes(whole[:length])
            with pytest.raises(ConfigError, match=r"--input: got '.*photos.tar', expected a complete tar archive"):
                archive.unpack(str(path))
    assert not list(cache.rglob("*"))


def test_a_damaged_archive(tmp_path: Path) -> None:
    whole = bytearray(tar_bytes({"noise": os.urandom(100_000)}))
    whole[50_000] ^= 0xFF
    path = tmp_path / "photos.tgz"
    path.write_bytes(whole)
    with pytest.raises(ConfigError, match="this one can't be unpacked"):
        archive.unpack(str(path))


def test_no_such_archive(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        archive.unpack(str(tmp_path / "photos.tgz"))


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_nothing_is_written_outside(tmp_path: Path, cache: Path, name: str) -> None:
    path = tmp_path / "photos.tgz"
    path.write_bytes(tar_bytes({"good": b"", name: b"evil"}))
    if name.startswith("/"):
        # A leading slash is dropped, as tar itself does.
        assert contents(archive.unpack(str(path))) == {"good": b"", "evil": b"evil"}
    else:
        with pytest.raises(ConfigError, match="outside the destination"):
            archive.unpack(str(path))
        assert contents(cache) == {}
    assert not Path("/evil").exists()
    assert {entry.name for entry in tmp_path.iterdir()} <= {"cache", "photos.tgz"}


def test_links_that_lead_outside_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "photos.tgz"
    with tarfile.open(path, "w:gz") as tar:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    with pytest.raises(ConfigError, match="absolute path"):
        archive.unpack(str(path))


def test_an_archive_that_changes_while_it_is_unpacked_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "photos.tgz"
    path.write_bytes(tar_bytes(FILES))
    before = storage.version(str(path))
    # Another of the same size and time, as copying tools leave it.
    status = path.stat()
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(DatasetError, match=r"photos\.tgz: it was changed while it was unpacked"):
        archive._unpack_to(str(path), cache / "photos", before)
    assert contents(cache) == {}
    assert contents(archive.unpack(str(path))) == FILES


def test_a_cache_that_may_not_be_written(tmp_path: Path, cache: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    cache.mkdir()
    cache.chmod(0o500)
    path = tmp_path / "photos.tgz"
    path.write_bytes(tar_bytes(FILES))
    with pytest.raises(ConfigError, match=archive.CACHE_VARIABLE):
        archive.unpack(str(path))


def test_the_cache_is_the_users_own_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(archive.CACHE_VARIABLE)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert archive.cache_dir().name == "petalstream"
    assert archive.cache_dir().is_relative_to(tmp_path)


def test_the_flowers_arrive_by_themselves(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "flower_photos/LICENSE.txt": b"CC-BY",
        "flower_photos/daisy/a.jpg": b"1",
        "flower_photos/roses/b.jpg": b"2",
    }
    monkeypatch.setattr(flowers, "ARCHIVE", server.offer("flower_photos.tgz", tar_bytes(files)))
    assert flowers.class_names(SourceOptions()) == ("daisy", "roses")
    images = [image for image in flowers.list_images(SourceOptions()) if not image.ignored]
    assert [image.key for image in images] == ["daisy/a.jpg", "roses/b.jpg"]
    assert [Path(image.uri).read_bytes() for image in images] == [b"1", b"2"]
    assert server.requests == ["/flower_photos.tgz"]
