"""Signals that come where they are easily lost, and ends that something holds up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from etl import interrupts
from etl.errors import ConfigError, InterruptionError, run_main

ROOT = Path(__file__).parents[2]
SECONDS = 60.0


def ended_by(work: Callable[[], None]) -> int:
    """Runs a command; returns its exit code."""

    def main(argv: list[str] | None) -> int:
        with interrupts.hinting(lambda: "do this"):
            work()
        return 0

    return run_main(main, [])


def go_on() -> None:
    """Works, and ends by itself in the end."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        time.sleep(0.01)


class Finalized:
    """Gets a Ctrl-C while it is finalized."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def in_a_finalizer() -> None:
    Finalized()


def in_code_that_catches_all() -> None:
    with contextlib.suppress(BaseException):
        signal.raise_signal(signal.SIGINT)


def in_an_import_that_fails_by_it() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("half of it is loaded") from None


def in_code_that_makes_a_mistake_of_the_operators_of_it() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt as error:
        raise ConfigError("--input", "x", "something else") from error


@pytest.mark.parametrize(
    "place",
    [
        in_a_finalizer,
        in_code_that_catches_all,
        in_an_import_that_fails_by_it,
        in_code_that_makes_a_mistake_of_the_operators_of_it,
    ],
)
def test_an_interrupt_is_never_lost(place: Callable[[], None], capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        place()
        go_on()

    assert ended_by(work) == 130
    assert capfd.readouterr().err == "error: interrupted; do this\n"


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated"), (signal.SIGHUP, "hung up")]
)
def test_each_signal_has_its_word_and_its_code(
    number: signal.Signals, word: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    assert ended_by(lambda: signal.raise_signal(number)) == 128 + number
    assert capfd.readouterr().err == f"error: {word}; do this\n"
    assert signal.getsignal(number) is before
    # The next command begins anew.
    assert ended_by(lambda: None) == 0


def test_what_cleans_up_is_not_disturbed() -> None:
    seen = []

    def work() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            # As deleting what isn't there does: another error is handled meanwhile.
            try:
                os.unlink("/nowhere/at/all")
            except OSError:
                time.sleep(1.0)
            seen.append("clean")

    assert ended_by(work) == 143
    assert seen == ["clean"]


def test_the_innermost_block_says_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with interrupts.hinting(lambda: "go on with --resume"):
            with interrupts.hinting(lambda: "of no use any more"):
                pass
            with interrupts.hinting(lambda: ""):
                signal.raise_signal(signal.SIGINT)

    assert ended_by(work) == 130
    assert capfd.readouterr().err == "error: interrupted; go on with --resume\n"


def test_a_block_takes_note_and_ends_where_it_can(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with interrupts.noted() as told:
            assert not told()
            signal.raise_signal(signal.SIGTERM)
            # Long enough for what raises again.
            time.sleep(0.6)
            raise InterruptionError("stopped after step 3", told())

    assert ended_by(work) == 143
    assert capfd.readouterr().err == "error: stopped after step 3\n"


def test_what_a_block_took_note_of_and_did_nothing_for_ends_the_command_behind_it() -> None:
    passed = []

    def work() -> None:
        with interrupts.noted():
            signal.raise_signal(signal.SIGTERM)
            passed.append("block")
        passed.append("more")

    assert ended_by(work) == 143
    assert passed == ["block"]


def test_a_server_that_is_told_to_stop_has_done_its_work() -> None:
    def work() -> None:
        with interrupts.noted():
            signal.raise_signal(signal.SIGTERM)
            interrupts.settle()

    assert ended_by(work) == 0


def test_notes_are_taken_outside_of_a_command_too() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts.noted() as told:
        signal.raise_signal(signal.SIGINT)
        assert told() == signal.SIGINT
        interrupts.settle()
    assert signal.getsignal(signal.SIGINT) is before
    assert not interrupts.received()


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert ended_by(lambda: signal.raise_signal(signal.SIGINT)) == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_other_threads_commands_run_without_signals() -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(ended_by(lambda: None)))
    thread.start()
    thread.join()
    assert codes == [0]


HEAD = """
import atexit, ctypes, os, signal, sys, threading, time
from etl import interrupts
from etl.process import lifecycle
def now(number=signal.SIGINT):
    signal.raise_signal(number)
def main(argv):
    with interrupts.hinting(lambda: "do this"):
        work()
    return 0
"""


def start(work: str) -> subprocess.Popen[str]:
    """Starts a command of its own that does this."""
    script = f"{HEAD}{work}\nlifecycle.end_with(main)\n"
    return subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What starts the tests may have it ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out, err


INTERRUPTED = (130, "", "error: interrupted; do this\n")
ENDS = {
    "a thread that goes on": ("def work():\n threading.Thread(target=time.sleep, args=(600,)).start()\n now()", ""),
    "an exit that hangs": ("def work():\n atexit.register(time.sleep, 600)\n now()", ""),
    "an exit that complains": (
        "def work():\n atexit.register(lambda: 1 / 0)\n atexit.register(os.write, 1, b'x')\n now()",
        "",
    ),
    # No C extension's import survives an exception for certain.
    "an import": ("def work():\n with interrupts.loading():\n  now()\n  print('more', flush=True)", ""),
    "an import that failed to notice": (
        "def work():\n with interrupts.undoing():\n  try:\n   with interrupts.loading():\n    now()\n"
        "    print('more')\n   print('behind it')\n  finally:\n   print('undone', flush=True)",
        "more\nundone\n",
    ),
    # The mutex is locked twice, by which a thread waits for itself, and no signal ends that.
    "C code that never returns": (
        "interrupts._STUCK_SECONDS = 0.5\n"
        "def work():\n"
        " lock = ctypes.create_string_buffer(256)\n"
        " threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        " for _ in range(2):\n  ctypes.CDLL(None).pthread_mutex_lock(lock)",
        "",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_nothing_holds_up_the_end(name: str) -> None:
    work, printed = ENDS[name]
    assert finish(start(work)) == (130, printed, INTERRUPTED[2])


def test_what_runs_at_exit_has_run(tmp_path: Path) -> None:
    path = tmp_path / "left"
    path.write_bytes(b"")
    assert finish(start(f"def work():\n atexit.register(os.unlink, {str(path)!r})\n now()")) == INTERRUPTED
    assert not path.exists()


@pytest.mark.parametrize("mode", ["raise", "note"])
def test_a_second_ctrl_c_ends_at_once(mode: str) -> None:
    wait = "print('here', flush=True)\n  time.sleep(600)"
    work = {
        "raise": f"def work():\n try:\n  now()\n finally:\n  {wait}",
        "note": f"def work():\n with interrupts.noted():\n  now()\n  {wait}",
    }[mode]
    process = start(work)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    # What passes a Ctrl-C on does so at once: that is the first one still.
    process.send_signal(signal.SIGINT)
    time.sleep(interrupts._SECOND_SECONDS + 0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert finish(process) == INTERRUPTED


def test_a_scheduler_may_say_it_twice() -> None:
    work = (
        "def work():\n with interrupts.noted() as told:\n  print('here', flush=True)\n  time.sleep(3)\n  print(told())"
    )
    process = start(f"{work}\n  interrupts.settle()")
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    process.send_signal(signal.SIGTERM)
    time.sleep(interrupts._SECOND_SECONDS + 0.5)
    process.send_signal(signal.SIGTERM)
    assert finish(process) == (0, f"{int(signal.SIGTERM)}\n", "")


def test_a_child_keeps_its_signals_to_itself() -> None:
    work = """
def work():
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    time.sleep(0.6)
    print(interrupts.received())
"""
    assert finish(start(work)) == (0, f"{-int(signal.SIGTERM)}\n0\n", "")
