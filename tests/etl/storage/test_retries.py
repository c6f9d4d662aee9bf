from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from etl.storage import retries


@pytest.fixture(autouse=True)
def no_spell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begins every test without a failure that is remembered."""
    monkeypatch.setattr(retries, "_last_failures", {})


def test_any_number_of_failures_is_one_line_a_place(capsys: pytest.CaptureFixture[str]) -> None:
    deadline = time.monotonic() + 120
    places = ["gs://a", "gs://b"] * 8

    def fail(place: str) -> None:
        for _ in range(50):
            retries.announce_retry(place, "503", deadline, "120 s")

    threads = [threading.Thread(target=fail, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = sorted(capsys.readouterr().err.splitlines())
    assert len(lines) == 2
    for line, place in zip(lines, ["gs://a", "gs://b"], strict=True):
        assert re.fullmatch(rf"{place}: 503; trying again until \d\d:\d\d:\d\d \(120 s\)", line)


def test_the_next_spell_is_news(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "_SPELL_SECONDS", -1.0)
    for reason in ("first", "second"):
        retries.announce_retry("gs://a", reason, time.monotonic() + 1)
    first, second = capsys.readouterr().err.splitlines()
    assert "gs://a: first" in first
    assert "gs://a: second" in second


def test_what_the_system_said_is_found_however_it_is_wrapped() -> None:
    import requests

    with pytest.raises(requests.ConnectionError, match="refused") as caught:
        requests.get("http://127.0.0.1:9", timeout=10)
    assert retries.network_reason(caught.value) == "Connection refused"
    assert retries.network_reason(ValueError("no network in it")) == ""


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (["etl.run", "--source", "folder", "--input", "gs://bucket/in", "--output", "{}/out"], "could not list it"),
        (["etl.run", "--source", "synthetic", "--output", "gs://bucket/out"], "could not write it"),
        (["etl.inspect", "gs://bucket/data"], "could not read it"),
    ],
)
def test_a_bucket_that_is_out_of_reach_says_so_at_once_and_once(
    arguments: list[str], last: str, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "STORAGE_EMULATOR_HOST": "http://127.0.0.1:9",
        "PETALSTREAM_STORAGE_SECONDS": "1.5",
    }
    command = [sys.executable, "-m", *(part.format(tmp_path) for part in arguments)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    first, error = ended.stderr.splitlines()
    limit = re.escape("(1.5 s, PETALSTREAM_STORAGE_SECONDS)")
    assert re.fullmatch(rf"gs://bucket: Connection refused; trying again until \d\d:\d\d:\d\d {limit}", first)
    assert last in error
    assert "tried again for 1.5 s" in error
