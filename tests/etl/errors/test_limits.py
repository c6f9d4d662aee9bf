"""What the machine refuses, met for real: full files, long names, too many files, no memory, no permission."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from etl import inspect, run, storage
from etl.errors import (
    ConfigError,
    LimitError,
    decode_failure,
    encode_failure,
    find_failure,
    limits,
    run_main,
    translate_limits,
)
from etl.runners import failures
from tests.limited import check_line, soft_limit
from tests.photos import make_folder

ROOT = Path(__file__).parents[3]


def call_as_user(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command for which file modes count: root's right to read all is dropped."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [*drop, sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("photos"), 60)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full; free room"),
        (errno.EDQUOT, "the quota is used up"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "the name is too long"),
        (errno.EMFILE, "too many open files"),
        (errno.EIO, "it may be failing"),
    ],
)
def test_an_error_of_the_system_names_its_file_and_what_to_do(
    number: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv: list[str] | None) -> int:
        raise OSError(number, os.strerror(number), "/a/file")

    assert run_main(main, []) == 1
    check_line(capsys.readouterr().err, "/a/file: ", words)


@pytest.mark.parametrize(
    "error",
    [ConnectionResetError(errno.ECONNRESET, "reset"), BrokenPipeError(errno.EPIPE, "pipe"), KeyError("no"), OSError()],
)
def test_what_is_no_limit_of_the_machine_is_left_alone(error: Exception) -> None:
    assert limits.describe(error) is None
    with pytest.raises(type(error)), translate_limits():
        raise error


def test_a_file_that_can_grow_no_further_is_named_and_not_left(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with soft_limit(resource.RLIMIT_FSIZE, 1_000):
        with pytest.raises(LimitError, match=r"/file: the file is larger than"), translate_limits():
            storage.write_atomically(str(path), bytes(5_000))
        with pytest.raises(LimitError, match=r"/stream: the file is larger than"), translate_limits():  # noqa: SIM117
            with storage.create(str(tmp_path / "stream")) as stream:
                stream.write(bytes(5_000))
    assert path.read_bytes() == b"before"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["file", "stream"]


def test_too_many_open_files_name_the_limit(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with ExitStack() as taken:

        def take() -> None:
            for _ in range(300):
                taken.enter_context(storage.open_stream(str(tmp_path / "file")))

        with (
            soft_limit(resource.RLIMIT_NOFILE, 200),
            pytest.raises(LimitError, match="ulimit -n is 200"),
            translate_limits(),
        ):
            take()


def test_memory_names_the_options_that_take_less(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str] | None) -> int:
        np.empty(1 << 60, np.uint8)
        return 0

    main.__module__ = "trainer.task"
    assert run_main(main, []) == 1
    check_line(capsys.readouterr().err, "not enough memory (Unable to allocate", "--batch_size", "--image_size")
    main.__module__ = "etl.run"
    assert run_main(main, []) == 1
    check_line(capsys.readouterr().err, "--direct_num_workers")


def test_tensorflows_own_words_are_understood(tmp_path: Path) -> None:
    import tensorflow as tf

    with pytest.raises(LimitError, match=r"not enough memory .*; less"), translate_limits("less"):
        tf.zeros([1 << 60], tf.uint8)
    name = tmp_path / ("x" * 300)
    with pytest.raises(LimitError, match=r"/x+: the name is too long"), translate_limits():
        next(iter(tf.data.TFRecordDataset(str(name))))

    def grow() -> None:
        with tf.io.gfile.GFile(str(tmp_path / "grown"), "wb") as file:
            file.write(bytes(100_000))

    with (
        soft_limit(resource.RLIMIT_FSIZE, 1_000),
        pytest.raises(LimitError, match="/grown: the file is"),
        translate_limits(),
    ):
        grow()
    with pytest.raises(tf.errors.InvalidArgumentError), translate_limits():
        tf.reshape(tf.zeros([3]), [2])


def test_a_full_temporary_disk_is_named_for_sqlite() -> None:
    line = limits.describe(sqlite3.OperationalError("database or disk is full"))
    assert line is not None
    assert "TMPDIR" in line
    assert limits.describe(sqlite3.OperationalError("no such table: x")) is None


def test_a_limit_crosses_processes() -> None:
    error = LimitError("/a: the disk is full")
    told = decode_failure(encode_failure(error))
    assert (type(told), str(told)) == (LimitError, str(error))
    found = find_failure(RuntimeError(f"Traceback\netl.errors.LimitError: {error} [while running 'Work-ptransform-3']"))
    assert (type(found), str(found)) == (LimitError, str(error))


def test_a_run_on_a_disk_that_fills_up_ends_in_one_line_and_can_go_on(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--source", "folder", "--input", str(photos), "--output", str(tmp_path / "out")]
    with soft_limit(resource.RLIMIT_FSIZE, 40_000):
        assert run_main(run.main, arguments) == 1
    check_line(capfd.readouterr().err, f"{tmp_path}/out/.building-", "the file is larger than", "--resume goes on")
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert run_main(run.main, [*arguments, "--resume"]) == 0
    assert (tmp_path / "out" / "manifest.json").exists()
    capfd.readouterr()
    # The contact sheet is larger than the limit, and what was there stays.
    (tmp_path / "sheet.png").write_bytes(b"before")
    with soft_limit(resource.RLIMIT_FSIZE, 4_000):
        assert run_main(inspect.main, [str(tmp_path / "out"), "--sheet", str(tmp_path / "sheet.png")]) == 1
    check_line(capfd.readouterr().err, f"{tmp_path}/sheet.png: the file is larger than")
    assert (tmp_path / "sheet.png").read_bytes() == b"before"
    assert run_main(inspect.main, [str(tmp_path / "out"), "--sheet", str(tmp_path)]) == 2
    check_line(capfd.readouterr().err, "--sheet: got", "this is a folder")


def test_a_disk_that_is_full_before_the_run_ends_in_one_line(
    photos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with soft_limit(resource.RLIMIT_FSIZE, 100):
        code = run_main(run.main, ["--source", "folder", "--input", str(photos), "--output", str(tmp_path / "out")])
    assert code == 1
    # The plan's own temporary file is the first that is written.
    check_line(capfd.readouterr().err, "a temporary file can't be written", "TMPDIR")


def test_a_trace_that_has_no_room_is_no_second_trace(tmp_path: Path) -> None:
    with (
        soft_limit(resource.RLIMIT_FSIZE, 10),
        pytest.raises(failures.RunError, match="the run failed: KeyError: 'x'; there is no room for the trace"),
        failures.translate_errors(str(tmp_path / "failure.txt"), str(tmp_path)),
    ):
        raise KeyError("x")


def test_an_output_that_cannot_be_made_is_the_operators_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--output: .*the name is too long"):
        storage.check_writable(str(tmp_path / ("x" * 300)), "check")


def test_a_link_to_nothing_is_no_output(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "deep")
    with pytest.raises(ConfigError, match="this is a link to .*nowhere/deep, which is not there"):
        storage.check_writable(str(tmp_path / "link"), "check")


@pytest.mark.parametrize("option", ["--labels", "--classes_from"])
def test_a_name_that_is_too_long_is_the_operators_mistake(
    photos: Path, tmp_path: Path, option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--source", "folder", "--input", str(photos), "--output", str(tmp_path / "out"), option, "x" * 300]
    assert run_main(run.main, [*arguments, "--dry_run"]) == 2
    check_line(capfd.readouterr().err, f"{option}: got", "the name is too long")


def test_files_that_this_user_may_not_read_are_named(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(f"{photos}/daisy/0000.jpg,daisy\n")
    (tmp_path / "labels.txt").write_text("daisy\n")
    closed = tmp_path / "closed"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").write_text("{}")
    closed.mkdir()
    for path in ("list.csv", "labels.txt", "data/manifest.json", "closed"):
        (tmp_path / path).chmod(0)
    output = ["--output", tmp_path / "out", "--dry_run"]
    folder = ["etl.run", "--source", "folder", "--input", photos]
    calls: list[tuple[list[object], int, str]] = [
        (["etl.run", "--source", "csv", "--input", tmp_path / "list.csv", *output], 2, f"got '{tmp_path}/list.csv'"),
        ([*folder, "--labels", tmp_path / "labels.txt", *output], 2, f"got '{tmp_path}/labels.txt'"),
        ([*folder, "--classes_from", tmp_path / "data", *output], 2, f"got '{tmp_path}/data'"),
        (["etl.inspect", tmp_path / "data"], 1, f"{tmp_path}/data/manifest.json: "),
        (["etl.card", tmp_path / "data"], 1, f"{tmp_path}/data/manifest.json: "),
    ]
    for arguments, code, words in calls:
        done = call_as_user(*arguments, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        check_line(done.stderr, words, "no permission")
    closed.chmod(0o700)
