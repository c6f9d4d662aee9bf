"""`python -m tests.first_edition.make`: made `files/` once, by the first edition's code, version 0.1.0, commit f8d1082.

They are not to be remade by later code: they are what it must still read. With TF_ENABLE_ONEDNN_OPTS=0, in a checkout
of that commit. Paths are written as ROOT, the folder that the tests copy the files to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.first_edition import calls
from tests.photos import jpeg

FILES = Path(__file__).parent / "files"
CHECKOUT = Path(__file__).parents[2]
CLASS_NAMES = ("daisy", "roses", "tulips")
DEADLINE_SECONDS = 300.0


def main() -> None:
    """Makes everything anew."""
    shutil.rmtree(FILES, ignore_errors=True)
    for folder, count in (("photos", 12), ("more", 24)):
        for number in range(count):
            path = FILES / folder / CLASS_NAMES[number % 3] / f"{number:02d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(jpeg(number, 32, 32))
    run(*calls.DATA)
    make_unfinished_job()
    make_models()
    make_unfinished_run()
    make_study()
    keras = calls.keras_predictions(str(FILES / "run" / "model.keras"))
    write("expected.json", {"batches": digests_of_batches(), "predictions": predictions(), "keras": keras})
    with tarfile.open(FILES / "run" / "model.tar.xz", "w:xz") as packed:
        packed.add(FILES / "run" / "model", "model")
    shutil.rmtree(FILES / "run" / "model")
    for path in sorted(FILES.rglob("*")):
        # Locks, and what a run says of the machine.
        if path.is_file() and (path.name == ".lock" or (path.suffix in (".png", ".txt") and "trials" in path.parts)):
            path.unlink()
        elif path.suffix in calls.TEXTS:
            path.write_text(path.read_text(encoding="utf-8").replace(str(FILES), "ROOT"), encoding="utf-8")


def run(*arguments: str) -> str:
    """Runs a command in FILES; returns what it printed."""
    return subprocess.run(
        command(*arguments), cwd=FILES, env=environment(), check=True, capture_output=True, text=True
    ).stdout


def command(*arguments: str) -> list[str]:
    """Returns the words of `python -m ARGUMENTS`, in which ROOT stands for FILES."""
    return [sys.executable, "-m", *(argument.replace("ROOT", str(FILES)) for argument in arguments)]


def environment() -> dict[str, str]:
    """Returns the variables of all commands."""
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}


def kill(when: Callable[[], bool], *arguments: str) -> None:
    """Starts a command, and kills it and its children once something has happened."""
    end = time.monotonic() + DEADLINE_SECONDS
    with subprocess.Popen(command(*arguments), cwd=FILES, env=environment(), start_new_session=True) as process:
        while not when():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{arguments[0]} ended before it could be killed")
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)


def make_unfinished_job() -> None:
    """Makes `job`, a killed run of the ETL with some units committed; and what an undisturbed one writes."""
    run(*calls.JOB, "--output", "ROOT/whole")
    job = json.loads((FILES / "whole" / "manifest.json").read_text())
    whole = FILES / "whole"
    shards = {str(path.relative_to(whole)): path.read_bytes() for path in sorted(whole.glob("*/*.tfrecord"))}
    shards = {name: hashlib.sha256(data).hexdigest() for name, data in shards.items()}
    write("job.json", {"shards": shards, "config": job["config"], "class_names": job["class_names"]})
    shutil.rmtree(FILES / "whole")
    kill(lambda: len(list(FILES.glob("job/.building-*/*/*.result.json"))) >= 2, *calls.JOB, "--output", "ROOT/job")
    done = sorted(FILES.glob("job/.building-*/*/*.result.json"))
    # As if it had been killed a moment earlier, where it was too quick.
    for path in done[: max(0, len(done) - len(shards) // 2)]:
        path.unlink()


def make_models() -> None:
    """Makes `run`, a finished run, its `model.keras` and its SavedModel."""
    run(*calls.TASK, "--output_dir", "ROOT/run", "--num_epochs", "2")
    for path in (FILES / "run").glob("*.png"):
        path.unlink()


def make_unfinished_run() -> None:
    """Makes `unfinished`, a run that was killed in the middle of an epoch, and what an undisturbed one comes to."""
    run(*calls.TASK, *calls.LONGER, "--output_dir", "ROOT/whole")
    shutil.copy(FILES / "whole" / "history.json", FILES / "unfinished.history.json")
    shutil.copy(FILES / "whole" / "evaluation.json", FILES / "unfinished.evaluation.json")
    shutil.rmtree(FILES / "whole")

    def is_within() -> bool:
        try:
            step = json.loads((FILES / "unfinished" / "backup" / "latest.json").read_text())["facts"]["step"]
        except (FileNotFoundError, ValueError):
            return False
        return bool(step >= calls.NUM_STEPS + 1)

    kill(is_within, *calls.TASK, *calls.LONGER, "--output_dir", "ROOT/unfinished")


def make_study() -> None:
    """Makes `study`, killed when two of its four trials had ended; and what the whole of it comes to."""
    (FILES / "study.yaml").write_text(yaml.safe_dump(calls.STUDY), encoding="utf-8")
    run(*calls.tune("ROOT", "whole"))
    shutil.copy(FILES / "whole" / "trials.json", FILES / "study.trials.json")
    shutil.rmtree(FILES / "whole")

    def has_two() -> bool:
        path = FILES / "study" / "trials.json"
        return path.exists() and len(json.loads(path.read_text())["trials"]) >= 2

    kill(has_two, *calls.tune("ROOT", "study"))
    for path in (FILES / "study" / "trials").iterdir():
        if path.name not in ("1", "2"):
            shutil.rmtree(path)
    # Of a trial that has ended only its line in trials.json is read.
    for path in (FILES / "study" / "trials").glob("*/model*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def digests_of_batches() -> Any:
    """Returns the digests of the data set's batches, as this code gives them."""
    return calls.digests_of_batches(str(FILES / "data"))


def predictions() -> Any:
    """Returns what the run's model says of one photograph."""
    found = json.loads(run("trainer.predict", "ROOT/run", f"ROOT/{calls.PHOTO}", "--format", "json"))
    return {name: value for name, value in found.items() if name != "file"}


def write(name: str, content: Any) -> None:
    """Writes a file of JSON."""
    (FILES / name).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
