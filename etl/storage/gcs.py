"""Objects of Google Cloud Storage, `gs://bucket/name`."""

from __future__ import annotations

import base64
import io
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from etl.errors import ConfigError, StorageError
from etl.parallel import ordered_map
from etl.storage import gcs_versions
from etl.storage.gcs_client import DELETE, LIST, MOVE, READ, blob_of, client, retry, split, translate_errors
from etl.storage.stored import StoredFile
from etl.storage.upload import Upload, upload_bytes

if TYPE_CHECKING:
    from google.cloud.storage import Blob

_Item = TypeVar("_Item")

# As many as the service puts on a page, and all that is looked at: an object's full metadata is ten times as long.
_PAGE_SIZE = 1_000
_FIELDS = "items(name,size,md5Hash,contentEncoding),prefixes,nextPageToken"
# A request waits for the network, so many more than there are cores; each takes a few milliseconds of work.
_NUM_REQUESTS = 32
# Of listings, each of which finds a thousand names.
_NUM_LOOK_UPS = 4
# Read at once of a long object.
_READ_BYTES = 8 << 20


def exists(path: str) -> bool:
    """Tells whether there is an object of that path."""
    with translate_errors(path, READ):
        return bool(blob_of(path).exists(retry=retry(path)))


def is_folder(path: str) -> bool:
    """Tells whether there is at least one object below a path."""
    bucket, prefix = _folder(path)
    with translate_errors(path, LIST):
        return any(client().list_blobs(bucket, prefix=prefix, max_results=1, fields=_FIELDS, retry=retry(path)))


def version(path: str) -> str:
    """Returns an object's size and generation; raises `FileNotFoundError`."""
    blob = _found(path)
    return f"{blob.size}-{blob.generation}"


def open_stream(path: str) -> BinaryIO:
    """Opens an object for reading; raises `FileNotFoundError`."""
    blob = _found(path)
    if blob.content_encoding == "gzip":
        # Served unpacked, and then in one piece only.
        return io.BytesIO(read_bytes(path))
    return cast(BinaryIO, io.BufferedReader(_Ranges(blob, path), _READ_BYTES))


def read_bytes(path: str) -> bytes:
    """Reads a whole object in one request; raises `FileNotFoundError`."""
    with translate_errors(path, READ):
        return bytes(blob_of(path).download_as_bytes(retry=retry(path)))


def create(path: str) -> BinaryIO:
    """Opens a new object for writing; it appears when it is closed."""
    return cast(BinaryIO, Upload(blob_of(path), path))


def write_atomically(path: str, data: bytes) -> None:
    """Writes an object."""
    upload_bytes(blob_of(path), path, data)


def write_new(path: str, data: bytes) -> None:
    """Writes an object where there is none.

    Raises:
        FileExistsError: there is one.
    """
    if gcs_versions.write(path, data, 0) is None:
        raise FileExistsError(path)


def delete_same(path: str, data: bytes) -> bool:
    """Deletes an object if it holds these bytes; returns whether there is none now."""
    found = gcs_versions.read(path)
    if found is None:
        return True
    return found[0] == data and gcs_versions.delete(path, found[1])


def move_all(pairs: Iterable[tuple[str, str]]) -> None:
    """Copies objects within the service, over what is there, and deletes the sources; many at a time.

    An object that was moved already stays, so that a step that was killed half-way can be repeated.

    Raises:
        FileNotFoundError: neither the source nor the target is there.
    """
    _for_each(lambda pair: _move(*pair), pairs)


def delete_all(paths: Iterable[str]) -> None:
    """Deletes objects, many at a time; those that aren't there are no error."""
    _for_each(_delete, paths)


def delete_tree(folder: str) -> None:
    """Deletes all objects below a folder."""
    delete_all(file.path for file in list_files(folder))


def list_files(folder: str) -> Iterator[StoredFile]:
    """Lists all objects below a folder by name, a page in memory at a time; nothing where there is none."""
    bucket, prefix = _folder(folder)
    return _list(folder, bucket, prefix=prefix)


def list_folders(folder: str) -> list[str]:
    """Returns the names of the folders directly in a folder, sorted, without a look at what they hold."""
    bucket, prefix = _folder(folder)
    names: set[str] = set()
    with translate_errors(folder, LIST):
        pages = client().list_blobs(bucket, prefix=prefix, delimiter="/", fields=_FIELDS, retry=retry(folder)).pages
        for page in pages:
            names.update(name[len(prefix) : -1] for name in page.prefixes)
    return sorted(names)


def list_matches(pattern: str) -> Iterator[StoredFile]:
    """Lists the objects that match a pattern by name; `*` stops at slashes, `**` doesn't."""
    from apache_beam.io.filesystem import FileSystem

    bucket, name = split(pattern)
    fixed = re.split(r"[*?[]", name, maxsplit=1)[0]
    matches = re.compile(FileSystem.translate_pattern(pattern)).match
    return (file for file in _list(pattern, bucket, prefix=fixed) if matches(file.path))


def look_up(paths: Iterable[str]) -> Iterator[StoredFile | None]:
    """Finds objects by name in their buckets' listings, which holds a thousand for each request.

    Args:
        paths: Sorted by bucket and name. Where they lie close together in the bucket, one request finds up to a
            thousand; there are never more requests than paths.

    Yields:
        For each path what the listing says of it; None where there is no such object.
    """
    stream = iter(paths)
    chunks = iter(lambda: list(itertools.islice(stream, _PAGE_SIZE)), [])
    for found in ordered_map(_look_up_chunk, chunks, _NUM_LOOK_UPS):
        yield from found


def check_writable(folder: str, probe: str) -> None:
    """Checks that objects can be written below a folder, and deleted, by doing so.

    Raises:
        ConfigError: they can't.
        StorageError: the service fails.
    """
    path = f"{folder.rstrip('/')}/{probe}"
    write_atomically(path, b"")
    _delete(path)


def _folder(path: str) -> tuple[str, str]:
    """Returns a folder's bucket and the prefix of what lies in it."""
    bucket, name = split(path)
    name = name.rstrip("/")
    return bucket, f"{name}/" if name else ""


def _found(path: str) -> Blob:
    blob = blob_of(path)
    with translate_errors(path, READ):
        blob.reload(retry=retry(path))
    return blob


def _list(path: str, bucket: str, **options: Any) -> Iterator[StoredFile]:
    with translate_errors(path, LIST):
        for blob in client().list_blobs(bucket, fields=_FIELDS, page_size=_PAGE_SIZE, retry=retry(path), **options):
            yield _stored(bucket, blob)


def _stored(bucket: str, blob: Blob) -> StoredFile:
    path = f"gs://{bucket}/{blob.name}"
    if blob.content_encoding == "gzip":
        # Readers get it unpacked: neither size nor digest is theirs.
        return StoredFile(path)
    # An object that was composed of others has no MD5.
    md5 = base64.b64decode(blob.md5_hash).hex() if blob.md5_hash else ""
    return StoredFile(path, blob.size, md5)


def _look_up_chunk(paths: Sequence[str]) -> list[StoredFile | None]:
    found: dict[str, StoredFile] = {}
    for bucket, group in itertools.groupby(paths, key=lambda path: split(path)[0]):
        names = [split(path)[1] for path in group]
        place = 0
        while place < len(names):
            # From the first name that is still to be found, one page; then from the first name behind that page.
            listed = client().list_blobs(
                bucket,
                start_offset=names[place],
                end_offset=f"{names[-1]}\0",
                page_size=_PAGE_SIZE,
                fields=_FIELDS,
                retry=retry(f"gs://{bucket}"),
            )
            try:
                with translate_errors(f"gs://{bucket}/{names[place]}", LIST):
                    page = next(listed.pages, None)
            except ConfigError as refused:
                return _look_up_one_by_one(paths, refused)
            blobs = list(page or ())
            found |= {file.path: file for file in (_stored(bucket, blob) for blob in blobs)}
            if not listed.next_page_token or not blobs:
                break
            # The service orders names by their UTF-8 bytes, and so does Python by code points.
            while place < len(names) and names[place] <= blobs[-1].name:
                place += 1
    return [found.get(path) for path in paths]


def _look_up_one_by_one(paths: Sequence[str], refused: ConfigError) -> list[StoredFile | None]:
    """Finds objects of buckets that one may read, but not list."""
    found = list(ordered_map(_stat, paths, _NUM_REQUESTS))
    if not any(found):
        # So it is the bucket that is not there.
        raise refused
    return found


def _stat(path: str) -> StoredFile | None:
    try:
        return _stored(split(path)[0], _found(path))
    except FileNotFoundError:
        return None


def _move(source: str, target: str) -> None:
    original, copy = blob_of(source), blob_of(target)
    token = None
    try:
        with translate_errors(target, MOVE):
            # Large objects, and other storage classes, take several requests.
            while True:
                token, _, _ = copy.rewrite(original, token=token, retry=retry(target))
                if token is None:
                    break
    except FileNotFoundError:
        if not exists(target):
            raise FileNotFoundError(source) from None
        return
    _delete(source)


def _delete(path: str) -> None:
    try:
        with translate_errors(path, DELETE):
            blob_of(path).delete(retry=retry(path))
    except FileNotFoundError:
        # So much the better; or an earlier try did it, whose answer was lost.
        return


def _for_each(function: Callable[[_Item], None], items: Iterable[_Item]) -> None:
    """Calls a function for many items at a time."""
    for _ in ordered_map(function, items, _NUM_REQUESTS):
        pass


class _Ranges(io.RawIOBase):
    """An object that is open for reading, one request for each piece; always of the version that was opened."""

    def __init__(self, blob: Blob, path: str) -> None:
        self._blob = blob.bucket.blob(blob.name, generation=blob.generation)
        self._path = path
        self._place = 0
        self._num_bytes = int(blob.size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._num_bytes}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        data = self._fetch(len(view))
        view[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return self._fetch(self._num_bytes - self._place)

    def _fetch(self, num_bytes: int) -> bytes:
        end = min(self._place + num_bytes, self._num_bytes)
        if end <= self._place:
            return b""
        try:
            with translate_errors(self._path, READ):
                data: bytes = self._blob.download_as_bytes(
                    start=self._place, end=end - 1, checksum=None, raw_download=True, retry=retry(self._path)
                )
        except FileNotFoundError:
            raise StorageError(f"{self._path}: it was replaced or deleted while it was read") from None
        if len(data) != end - self._place:
            raise StorageError(f"{self._path}: {len(data)} bytes came instead of {end - self._place}")
        self._place = end
        return data
