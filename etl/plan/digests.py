"""A listed image's size and digest: from its store's listing where that says them, else by reading the file.

A file is read in blocks and never held whole: not every file in a class folder is an image.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass, replace

from etl import sources, storage
from etl.errors import REASONS, RecordError, check_reason
from etl.images.sniff import find_format
from etl.records import Rejection, SourceImage

_BLOCK_BYTES = 1 << 20

# Above this size a file that doesn't begin like an image is not read at all.
_LARGE_BYTES = 64_000_000
_HEAD_BYTES = 4096

# Of a pixel at most: four channels of 16 bits. An image that takes more is compressed badly or has other content.
_BYTES_PER_PIXEL = 8
# Profiles, thumbnails and notes come on top.
_METADATA_BYTES = 64_000_000
# An example has to stay below the 2 GiB that a message of protobuf may have.
_MOST_BYTES = 2_000_000_000

_NO_SUCH_FILE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


@dataclass(frozen=True, slots=True)
class Digested:
    """A listed image with its size in bytes and its MD5, or the reason why it can't be written."""

    image: SourceImage
    digest: str = ""
    num_bytes: int = 0
    rejection: Rejection | None = None


def max_bytes(max_pixels: int) -> int:
    """Returns the size above which a file can't hold an image of so many pixels, or no example can hold it."""
    return min(max_pixels * _BYTES_PER_PIXEL + _METADATA_BYTES, _MOST_BYTES)


def digest(image: SourceImage, *, source: str, limit: int) -> Digested:
    """Takes size and MD5 of a listed image, and pins its extras.

    Args:
        image: As listed.
        source: The name of the one that lists it.
        limit: Bytes above which it is rejected.

    Raises:
        UndeclaredReasonError: it is listed as rejected, for a reason that nobody declared.
        ConfigError, StorageError: its store fails, see `etl.storage`.
    """
    if image.rejection:
        check_reason(image.rejection)
        return _rejected(image, image.rejection, image.message)
    try:
        return _digest(image, source, limit)
    except RecordError as error:
        return _rejected(image, error.reason, error.message)


def _digest(image: SourceImage, source: str, limit: int) -> Digested:
    if image.extras:
        image = replace(image, extras=sources.pin_extras(source, image.extras))
    listed = image.listed
    if listed is not None and listed.num_bytes is not None:
        if listed.num_bytes > limit:
            return _too_many_bytes(image, listed.num_bytes, limit)
        if listed.num_bytes == 0:
            return _rejected(image, "empty", REASONS["empty"])
        if listed.md5:
            return Digested(image, listed.md5, listed.num_bytes)
    try:
        if "://" not in image.uri:
            return _digest_local(image, limit)
        data = sources.read(image.uri)
    except PermissionError:
        return _rejected(image, "missing", "the file may not be read by this user")
    except OSError as error:
        if not isinstance(error, FileNotFoundError) and error.errno not in _NO_SUCH_FILE:
            raise
        return _rejected(image, "missing", "there is no such file")
    if not data:
        return _rejected(image, "empty", REASONS["empty"])
    return Digested(image, hashlib.md5(data, usedforsecurity=False).hexdigest(), len(data))


def _digest_local(image: SourceImage, limit: int) -> Digested:
    status = os.stat(image.uri)
    if stat.S_ISDIR(status.st_mode):
        return _rejected(image, "missing", "a folder, and no file")
    if not stat.S_ISREG(status.st_mode):
        # Opening a pipe would wait for ever, and a device may never end.
        return _rejected(image, "unsupported", "a pipe, socket or device, and no file")
    md5, num_bytes = hashlib.md5(usedforsecurity=False), 0
    with storage.open_stream(image.uri) as stream:
        if status.st_size > _LARGE_BYTES:
            head = stream.read(_HEAD_BYTES)
            if not find_format(head):
                return _rejected(image, "not_an_image", f"it begins with {head[:12]!r}")
            if status.st_size > limit:
                return _too_many_bytes(image, status.st_size, limit)
            stream.seek(0)
        while block := stream.read(_BLOCK_BYTES):
            md5.update(block)
            num_bytes += len(block)
            if num_bytes > limit:
                return _too_many_bytes(image, num_bytes, limit)
    return Digested(image, md5.hexdigest(), num_bytes) if num_bytes else _rejected(image, "empty", REASONS["empty"])


def _too_many_bytes(image: SourceImage, num_bytes: int, limit: int) -> Digested:
    message = f"{num_bytes:,} bytes, and an image of --max_pixels has no more than {limit:,}"
    return _rejected(image, "too_many_bytes", message)


def _rejected(image: SourceImage, reason: str, message: str) -> Digested:
    return Digested(image, rejection=Rejection(image.key, image.uri, "list", reason, message))
