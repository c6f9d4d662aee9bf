"""Reads the pickles in which CIFAR-10 is published, and lets nothing in them run.

A pickle is a program that may call any function. This reader knows the four that bytes and arrays of uint8 need, each
as a stand-in of its own that does no more than that, and refuses all else. Not even NumPy's own unpickling is reached:
its types can be given fields that point beyond an array's memory.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

# How a damaged pickle shows: its operations meet operands of a wrong kind, or none at all.
_SYMPTOMS = (
    *(pickle.UnpicklingError, EOFError, MemoryError, RecursionError),
    *(ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError),
)


class PickleError(Exception):
    """A pickle that is broken, or holds something other than lists, dictionaries, bytes, numbers and uint8 arrays."""


class Array:
    """An array as a pickle holds it.

    Attributes:
        values: uint8, of any shape, read-only.
    """

    def __init__(self) -> None:
        self.values: np.ndarray = np.empty(0, np.uint8)

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple):
            raise PickleError("an array that isn't stored as NumPy stores one")
        _version, shape, dtype, is_fortran, data = state
        if not isinstance(dtype, _Uint8) or not isinstance(data, bytes) or math.prod(shape) != len(data):
            raise PickleError("an array whose shape, type and bytes don't fit together")
        self.values = np.frombuffer(data, np.uint8).reshape(shape, order="F" if is_fortran else "C")


class _Uint8:
    """Stands for NumPy's type."""

    def __setstate__(self, state: object) -> None:
        """Takes byte order and alignment, which mean nothing for single bytes."""


class _Callable:
    """Stands for a function of the pickle's; refuses to be changed by it."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: object) -> NoReturn:
        raise PickleError("it changes a function")


def load(data: bytes) -> Any:
    """Loads a pickle of Python 2 or 3 that holds lists, dictionaries, bytes, text, numbers and uint8 arrays.

    Args:
        data: The whole file.

    Returns:
        What it holds; text of Python 2 as bytes, arrays as `Array`.

    Raises:
        PickleError: it is broken or holds anything else.
    """
    try:
        _check_places(data)
        return _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except _SYMPTOMS as error:
        raise PickleError(f"a damaged pickle: {type(error).__name__}: {error}") from error


def _check_places(data: bytes) -> None:
    """Checks that no value is stored at a place that is larger than the file: Python makes room for all before it.

    Raises:
        PickleError: one is.
        ValueError: an operation that there isn't.
    """
    for operation, argument, _ in pickletools.genops(data):
        if operation.name.endswith("PUT") and isinstance(argument, int) and not 0 <= argument <= len(data):
            raise PickleError(f"it stores a value at place {argument:,}, and has {len(data):,} bytes")


def _reconstruct(kind: object, *shape_and_code: object) -> Array:
    """Makes the empty array that the pickle then fills; its size here is of no consequence."""
    del shape_and_code
    if kind is not _NDARRAY:
        raise PickleError("an array of an unknown kind")
    return Array()


def _dtype(code: object, *flags: object) -> _Uint8:
    del flags
    if code not in ("u1", b"u1"):
        raise PickleError(f"an array of type {code!r}, expected 'u1'")
    return _Uint8()


def _encode(text: str, encoding: str) -> bytes:
    """Makes bytes, in the way in which Python 3 writes them for Python 2."""
    if encoding not in ("latin1", b"latin1"):
        raise PickleError(f"bytes in the encoding {encoding!r}, expected 'latin1'")
    return text.encode("latin1")


def _refuse(*arguments: object) -> NoReturn:
    raise PickleError("it makes an array of its own")


_NDARRAY = _Callable(_refuse)

_ALLOWED: dict[tuple[str, str], _Callable] = {
    ("_codecs", "encode"): _Callable(_encode),
    ("numpy", "dtype"): _Callable(_dtype),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy.core.multiarray", "_reconstruct"): _Callable(_reconstruct),
    ("numpy._core.multiarray", "_reconstruct"): _Callable(_reconstruct),
}


class _Unpickler(pickle.Unpickler):
    """An unpickler that finds our stand-ins only."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        allowed = _ALLOWED.get((module_name, global_name))
        if allowed is None:
            raise PickleError(f"it calls {module_name}.{global_name}, which no file of CIFAR-10 does")
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        raise PickleError("it refers to something outside itself")
