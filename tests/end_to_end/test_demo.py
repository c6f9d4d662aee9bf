"""`make demo`'s script on folders of any name, with a Python that only shows what it is asked to run."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize("name", ["photos", "my photos [1] *", 'it\'s "one"'])
def test_the_demo_takes_any_folder_and_asks_about_its_images(tmp_path: Path, name: str) -> None:
    data = tmp_path / name
    files = ["a/one.JPG", "a/two words.jpeg", "b/[three].png", "b/four.jpg"]
    for file in (*files, "b/notes.txt", "b/.hidden.jpg"):
        (data / file).parent.mkdir(parents=True, exist_ok=True)
        (data / file).write_bytes(b"")
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\necho\n")
    python.chmod(0o755)
    stamp = python.parents[1] / "installed"
    stamp.write_bytes(b"")
    arguments = [f"VENV={python.parents[1]}", f"OUT={tmp_path / 'out'}", f"DATA={data}"]
    # As if it were installed: nothing is remade.
    command = ["make", "--old-file", str(stamp), "demo", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    calls = [line for line in done.stdout.splitlines() if line.startswith("<")]
    assert f"<-m><etl.run><--source><folder><--input><{data}><--output>" in calls[0]
    start = f"<-m><trainer.predict><{tmp_path}/out/demo/run/model>"
    assert calls[-1].startswith(start)
    assert sorted(calls[-1].removeprefix(start)[1:-1].split("><")) == sorted(f"{data}/{file}" for file in files)
