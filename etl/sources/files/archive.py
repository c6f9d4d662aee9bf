"""The archives of the named data sets: downloaded once, checked, unpacked once.

Downloads and unpacked archives lie in the folder that `PETALSTREAM_CACHE` names, by default in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from etl import progress, storage
from etl.errors import ConfigError, DatasetError, PetalstreamError, limits, reading

CACHE_VARIABLE = "PETALSTREAM_CACHE"

_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_BYTES_PER_MB = 1_000_000
_is_offline: ContextVar[bool] = ContextVar("is_offline", default=False)


class DownloadError(PetalstreamError):
    """An archive that can't be had from where it is published."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A published archive.

    Attributes:
        url: Where it is.
        num_bytes: Its size, for the progress bar.
        sha256: Its digest, in hexadecimal.
    """

    url: str
    num_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """Its file name."""
        return self.url.rsplit("/", 1)[-1]


def is_archive(path: str) -> bool:
    """Tells from a path's ending whether it is a tar archive."""
    return path.lower().endswith(_ENDINGS)


def unpacked(path: str | None, published: Archive) -> str:
    """Returns the folder or pattern to read a named data set from.

    Args:
        path: What `--input` gives: a folder or pattern, returned in full; an archive, which is unpacked; None for the
            published one, which is downloaded and unpacked.
        published: The archive for None.

    Raises:
        ConfigError: the archive is missing or broken.
        DownloadError: it can't be downloaded.
    """
    if not path:
        return download(published)
    path = storage.absolute(path).rstrip("/") or "/"
    return unpack(path) if is_archive(path) and not storage.is_folder(path) else path


@contextmanager
def offline() -> Iterator[None]:
    """Lets `download` reject, while the block runs, what would have to be downloaded."""
    token = _is_offline.set(True)
    try:
        yield
    finally:
        _is_offline.reset(token)


def download(published: Archive) -> str:
    """Downloads an archive, checks it and unpacks it; does nothing where that is done.

    Returns:
        The folder of what it holds.

    Raises:
        ConfigError: it would have to be downloaded, within `offline`.
        DownloadError: it can't be had, or its bytes are not those that were published.
    """
    folder = cache_dir() / f"{published.name}-{published.sha256[:16]}"
    if folder.is_dir():
        return str(folder)
    if _is_offline.get():
        expected = f"a path, since --dry_run downloads nothing and {published.name} is not here"
        megabytes = published.num_bytes // _BYTES_PER_MB
        raise ConfigError("--input", None, expected, f"without --dry_run its {megabytes:,} MB are downloaded once")
    path = _fetch(published)
    return _unpack_to(str(path), folder, _version(str(path)))


def unpack(path: str) -> str:
    """Unpacks a tar archive, local or on an object store; does nothing where that is done and it hasn't changed.

    Returns:
        The folder of what it holds.

    Raises:
        ConfigError: the archive is missing, broken, or holds paths that lead out of it.
        DatasetError: it was changed while it was unpacked.
    """
    version = _version(path)
    name = f"{os.path.basename(path)}-{hashlib.sha256(f'{path} {version}'.encode()).hexdigest()[:16]}"
    folder = cache_dir() / name
    return str(folder) if folder.is_dir() else _unpack_to(path, folder, version)


def _version(path: str) -> str:
    with reading("--input", path, "a folder or a tar archive"):
        return storage.version(path)


def cache_dir() -> Path:
    """Returns the folder for downloads and unpacked archives."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("petalstream"))


def _fetch(published: Archive) -> Path:
    """Downloads an archive to the cache, unless it is there; the file appears under its name only when it is right."""
    import pooch
    import requests

    offer = f"to use a copy of your own, give its path as --input ({published.name} or the folder unpacked from it)"
    title = f"download {published.name}"
    with _writable_cache(), progress.step(title, published.num_bytes // _BYTES_PER_MB, "MB"):
        downloader = pooch.HTTPDownloader(progressbar=_Bar(), chunk_size=_BYTES_PER_MB)
        pooch.get_logger().setLevel("WARNING")
        try:
            path = pooch.retrieve(
                published.url,
                known_hash=f"sha256:{published.sha256}",
                fname=f"{published.sha256[:16]}-{published.name}",
                path=cache_dir() / "downloads",
                downloader=downloader,
            )
        except requests.exceptions.RequestException as error:
            raise DownloadError(f"{published.url}: can't be downloaded ({_cause(error)}); {offer}") from error
        except ValueError as error:
            raise DownloadError(
                f"{published.url}: what came is not the published file: its SHA-256 is not {published.sha256}; {offer}"
            ) from error
    return Path(path)


class _Bar:
    """Passes on the progress of a download, in the form that pooch calls."""

    total = 0

    def __init__(self) -> None:
        self._at_end = False

    def update(self, num_bytes: int) -> None:
        if not self._at_end:
            progress.advance(num_bytes // _BYTES_PER_MB)

    def reset(self) -> None:
        # pooch starts over at the end to fill the bar to its size, which ours has reached.
        self._at_end = True

    def close(self) -> None:
        """Nothing is left to do: the step ends with its block."""


def _cause(error: BaseException) -> str:
    """Names the innermost error: the outer ones repeat it within several pairs of brackets."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error) or type(error).__name__


def _unpack_to(path: str, folder: Path, version: str) -> str:
    """Unpacks an archive so that the folder appears complete and of that version, or not at all."""
    if not hasattr(tarfile, "data_filter"):
        raise PetalstreamError(f"{path}: unpacking safely needs Python 3.10.12, 3.11.4 or later; unpack it by hand")
    with _writable_cache():
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        # mkdtemp's own folder would stay closed to other users of a shared cache.
        content = partial / "content"
        content.mkdir()
        _extract(path, content)
        if _version(path) != version:
            raise DatasetError(f"{path}: it was changed while it was unpacked; run again")
        # Somebody else may have finished first: renaming doesn't replace a folder that holds files.
        try:
            os.replace(content, folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return str(folder)


def _extract(path: str, folder: Path) -> None:
    expected = "a complete tar archive"
    try:
        with (
            storage.open_stream(path) as stream,
            tarfile.open(fileobj=stream, mode="r:*") as tar,
            progress.step(f"unpack {os.path.basename(path)}", unit="files"),
        ):
            for member in tar:
                tar.extract(member, folder, filter="data")
                progress.advance()
            _check_end(tar)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ConfigError("--input", path, expected, f"this one can't be unpacked: {error}") from error
    except OSError as error:
        # What gzip and bz2 say of damaged bytes carries no number of the operating system's.
        if error.errno is not None:
            raise
        raise ConfigError("--input", path, expected, f"this one can't be unpacked: {error}") from error


def _check_end(tar: tarfile.TarFile) -> None:
    """Checks that an archive was read to its end mark: tarfile takes one that is cut between two files for whole."""
    stream = cast("IO[bytes]", tar.fileobj)
    stream.seek(tar.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it ends before its end mark")
    # Checksums of compressed archives stand at their very end.
    while stream.read(_BYTES_PER_MB):
        pass


@contextmanager
def _writable_cache() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        expected = "a folder with room that this user may write to"
        raise ConfigError(CACHE_VARIABLE, str(cache_dir()), expected, limits.reason(error)) from error
