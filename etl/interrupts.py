"""Signals by which somebody ends a command: Ctrl-C, SIGTERM, SIGHUP of a terminal that is closed; and a closed pipe.

A `KeyboardInterrupt` that a handler raises may be lost: in a finalizer Python swallows it, a library makes another
error of it, and while the main thread is in C code it doesn't come at all. So a signal is remembered too, raised again
until it arrives, and whatever ends a command after it is taken for its end.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from types import FrameType
from typing import Any, NoReturn

_WORDS: Mapping[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "hung up"}
# Python ignores it for the sake of sockets: a pipe that nobody reads any more is found when it is written to.
_PIPE = signal.SIGPIPE
# Raises again. Nothing else sends it, and by default it does nothing.
_AGAIN = signal.SIGURG
_AGAIN_SECONDS = 0.25
# Some programs pass a Ctrl-C on that the terminal has sent already: one that comes later is a person's second one.
_SECOND_SECONDS = 1.0
# How long the main thread may be in C code before a signal is obeyed without it.
_STUCK_SECONDS = 10.0
_SHOW_CURSOR = b"\r\x1b[?25h"


class _Mode(Enum):
    """What a signal does."""

    # It ends the process: nothing has begun, or the main thread imports what may not survive an exception.
    END = "end"
    RAISE = "raise"
    # It is remembered, and the block looks for it.
    NOTE = "note"


class _Signals:
    """The signals of this process.

    Attributes:
        mode: What a signal does now.
        received: Those that came, the first one first.
        before: The handlers that are replaced.
        owns_process: Whether this process is a command and nothing else.
        hints: What says what to do next, of each block that is open.
        hint: What the innermost block said that a signal ended.
        is_settled: Whether what a signal asks for is under way, so that it isn't raised again.
        is_told: Whether the line is printed.
        num_to_undo: Blocks that leave something behind where the process ends at once.
        stderr: Standard error itself: a block may keep back what goes to file descriptor 2.
        wakeup: Where C code writes each signal at once.
    """

    def __init__(self) -> None:
        self.hints: list[Callable[[], str]] = []
        self.num_to_undo = 0
        self.before: dict[int, Any] = {}
        self.owns_process = False
        self.forget()

    def forget(self) -> None:
        """Sets what belongs to one command as it was."""
        self.mode = _Mode.RAISE
        self.received: list[int] = []
        self.hint = ""
        self.is_settled = self.is_told = False
        self.stderr = self.wakeup = -1

    def install(self) -> None:
        """Sets the handlers."""
        # A shell ignores SIGINT for what it starts in the background, nohup SIGHUP: that stays so.
        heard = [number for number in _WORDS if signal.getsignal(number) is not signal.SIG_IGN]
        self.before = {number: signal.signal(number, self._handle) for number in heard}
        self.before[_AGAIN] = signal.signal(_AGAIN, self._raise_again)
        with suppress(OSError):
            self.stderr = os.dup(2)

    def watch(self) -> None:
        """Starts the thread that sees to it that no signal is lost."""
        reading, self.wakeup = os.pipe()
        os.set_blocking(self.wakeup, False)
        signal.set_wakeup_fd(self.wakeup, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reading,), name="signals", daemon=True).start()

    def restore(self) -> None:
        """Sets the handlers that were there before."""
        signal.set_wakeup_fd(-1)
        while self.before:
            signal.signal(*self.before.popitem())
        for descriptor in (self.wakeup, self.stderr):
            if descriptor >= 0:
                os.close(descriptor)
        self.forget()

    def end_at_once(self) -> None:
        """Ends the process, from any thread; its children end when they find it gone."""
        if not self.owns_process:
            return
        for say in reversed(self.hints):
            self.add_hint(say)
        if not self.is_told and self.line():
            with suppress(OSError):
                prefix = _SHOW_CURSOR if os.isatty(self.stderr) else b""
                os.write(self.stderr, prefix + f"error: {self.line()}\n".encode(errors="backslashreplace"))
        os._exit(self.code())

    def add_hint(self, say: Callable[[], str]) -> None:
        """Keeps what to do next, unless an inner block has said it."""
        # Whatever is wrong with it, the line comes.
        with suppress(Exception):
            self.hint = self.hint or say()

    def line(self) -> str:
        """Returns what the command says at its end, nothing where nobody reads what it says."""
        if self.received and self.received[0] == _PIPE:
            return ""
        word = _WORDS[self.received[0]] if self.received else _WORDS[signal.SIGINT]
        return "; ".join(filter(None, (word, self.hint)))

    def code(self) -> int:
        """Returns the exit code, as a shell has it."""
        return 128 + (self.received[0] if self.received else signal.SIGINT)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)
        if self.mode is _Mode.END and not self.num_to_undo:
            self.end_at_once()
        self._raise()

    def _raise_again(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            self._raise()

    def _raise(self) -> None:
        if self.mode is _Mode.RAISE and not self.is_settled and not _is_on_its_way():
            raise KeyboardInterrupt

    def _watch(self, reading: int) -> None:
        first, since = 0, 0.0
        while True:
            if not select.select([reading], [], [], _AGAIN_SECONDS if first else None)[0]:
                self._insist(first, time.monotonic() - since)
                continue
            numbers = os.read(reading, 64)
            if not numbers:
                os.close(reading)
                return
            for number in filter((*_WORDS, _PIPE).__contains__, numbers):
                if not first:
                    first, since = number, time.monotonic()
                elif number == signal.SIGINT and time.monotonic() - since > _SECOND_SECONDS:
                    self.received = self.received or [first]
                    self.end_at_once()

    def _insist(self, number: int, seconds: float) -> None:
        """Sees to it that a signal is obeyed that came some time ago."""
        if self.mode is _Mode.NOTE or self.is_settled:
            return
        if self.received:
            signal.pthread_kill(threading.main_thread().ident or 0, _AGAIN)
        elif seconds > _STUCK_SECONDS:
            self.received = [number]
            self.end_at_once()


_signals = _Signals()


def listen() -> None:
    """Hears signals from now to the end of the process; outside of `heard` they end it at once."""
    if threading.current_thread() is not threading.main_thread() or _signals.before:
        return
    _signals.install()
    _signals.mode, _signals.owns_process = _Mode.END, True
    # A child would tell this process of its own signals.
    os.register_at_fork(after_in_child=_signals.restore)


@contextmanager
def heard() -> Iterator[None]:
    """Raises `KeyboardInterrupt` where a signal comes; in the main thread, where alone Python lets handlers be set."""
    if threading.current_thread() is not threading.main_thread() or _signals.wakeup >= 0:
        yield
        return
    if not _signals.owns_process:
        _signals.install()
    _signals.watch()
    try:
        with _quiet_finalizers(), _in_mode(_Mode.RAISE):
            yield
    finally:
        if not _signals.owns_process:
            _signals.restore()


@contextmanager
def loading() -> Iterator[None]:
    """Ends the command at once where a signal comes: an exception within a C extension's import may abort it."""
    with _in_mode(_Mode.END):
        yield
    check()


@contextmanager
def noted() -> Iterator[Callable[[], int]]:
    """Takes note of signals, for a block that ends where it can go on from.

    Yields:
        As `received`. A signal that the block hasn't ended for, or called `settle`, is raised behind it.
    """
    with heard():
        try:
            with _in_mode(_Mode.NOTE):
                yield received
        except BaseException:
            _signals.is_settled = bool(_signals.received)
            raise
        check()


@contextmanager
def hinting(say: Callable[[], str]) -> Iterator[None]:
    """Says what to do next where a signal ends the block; of several blocks the innermost that says something.

    Args:
        say: Called when it happens.
    """
    _signals.hints.append(say)
    try:
        yield
    except BaseException as error:
        if _signals.received or isinstance(error, KeyboardInterrupt):
            _signals.add_hint(say)
        raise
    finally:
        _signals.hints.remove(say)


@contextmanager
def undoing() -> Iterator[None]:
    """Has a signal wait for the end of `loading` in a block that would leave something behind on another machine."""
    _signals.num_to_undo += 1
    try:
        yield
    finally:
        _signals.num_to_undo -= 1


def lose_reader() -> None:
    """Takes note that nobody reads what the command prints, as of a signal; from any thread.

    Raises:
        KeyboardInterrupt: in the main thread, unless the block takes note only.
    """
    _signals.received.append(_PIPE)
    if _signals.wakeup >= 0:
        os.write(_signals.wakeup, bytes([_PIPE]))
    if threading.current_thread() is threading.main_thread():
        check()


@contextmanager
def hidden_from_children() -> Iterator[None]:
    """Keeps a terminal's Ctrl-C, which goes to all processes of a command, from those that threads of the block start.

    The command hears it all the same, and ends them.
    """
    from multiprocessing import resource_tracker

    # Started within the block, this one would unblock what its thread has blocked.
    resource_tracker.ensure_running()
    # Threads and processes inherit what is blocked where they are started.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def received() -> int:
    """Returns the first signal that came, 0 where none did."""
    return _signals.received[0] if _signals.received else 0


def check() -> None:
    """Raises `KeyboardInterrupt` where a signal came that nothing was done for."""
    if _signals.received and _signals.mode is _Mode.RAISE and not _signals.is_settled:
        raise KeyboardInterrupt


def settle() -> None:
    """Says that what a signal asked for is done."""
    _signals.is_settled = True


def end_at_once() -> NoReturn:
    """Ends this process, which is a command and nothing else, as a second Ctrl-C does."""
    _signals.end_at_once()
    os._exit(_signals.code())


def end() -> tuple[str, int]:
    """Returns the line and the exit code of a command that a signal ended; the caller prints the line."""
    _signals.is_settled = _signals.is_told = True
    return _signals.line(), _signals.code()


def _is_on_its_way() -> bool:
    """Tells whether the interrupted code belongs to what a `KeyboardInterrupt` sets off, as a `finally` does."""
    error = sys.exc_info()[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__context__
    return False


@contextmanager
def _in_mode(mode: _Mode) -> Iterator[None]:
    before, _signals.mode = _signals.mode, mode
    try:
        yield
    finally:
        _signals.mode = before


@contextmanager
def _quiet_finalizers() -> Iterator[None]:
    """Hides the traces of finalizers and threads that a signal disturbs."""
    unraisable, thread = sys.unraisablehook, threading.excepthook

    def show_unraisable(ended: Any) -> None:
        if not _signals.received:
            unraisable(ended)

    def show_thread(ended: Any) -> None:
        if not _signals.received:
            thread(ended)

    sys.unraisablehook, threading.excepthook = show_unraisable, show_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = unraisable, thread
