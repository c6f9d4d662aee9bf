"""Commands in processes of their own, and what they print without what changes from run to run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from docs.surface import forked

ROOT = Path(__file__).parents[2]

# What a variable of the user's would change.
_VARIABLES = re.compile("(AIP|BEAM|CLOUD|CLOUDSDK|GCLOUD|GOOGLE|KERAS|PETALSTREAM|PYTEST|TF|XLA)_.*|COLUMNS|LINES")
# TensorFlow's C++ part prints these before it can be told not to.
_NOTICE = re.compile(r"^(WARNING: All log messages|[IWE]0000 |To enable the following).*\n", re.M)
# How far a step was when a line was due: how many such lines there are says something of the machine.
_UNDER_WAY = re.compile(r"^.*?: (\d[\d,]*) of (?!\1 )\d[\d,]* \w+, [\d,.]+/s\n", re.M)

# Whatever differs from run to run, or with the names of modules, and what stands for it.
_CHANGING: tuple[tuple[str, str], ...] = (
    (r"(?<=[ ,])[\d,.]+/s\b", "SPEED/s"),
    (r"\b[\d,]+ images/s", "SPEED images/s"),
    (r"\b\d+ ?% waiting, [\d.]+ s", "SHARE waiting, SECONDS s"),
    (r"\b\d+ s in all", "SECONDS s in all"),
    (r"(?<=; )\d+ s$", "SECONDS s"),
    (r"(?<=│ time) +│ +[\d.]+ s", " │ SECONDS s"),
    (r"\bchecked in [\d.]+ s", "checked in SECONDS s"),
    (r"\b20\d{6}-\d{6}\b", "TIME"),
    (r"(?<=[\w-])\.\d{10}\.\d{6}\b", ".TIME"),
    (r"\b20\d{18}-\d+\b", "TIME-NUMBER"),
    (r"\b20\d\d-\d\d-\d\d([T ]\d\d:\d\d:\d\d[\d.]*(\+00:00|Z)?)?(?!\d)", "DATE"),
    (r"petalstream-(package|trainer)-\w{8}\b", r"petalstream-\1-RANDOM"),
    (r"(?<=/packages/)[0-9a-f]{16}\b", "PACKAGE_DIGEST"),
    (r"(?<=building-)[0-9a-f]{12}\b", "RUN_ID"),
    (r'(?<="id": ")[0-9a-f]{12}(?=")', "RUN_ID"),
    (r'(?<="job": ")[0-9a-f]{64}(?=")', "JOB_DIGEST"),
    (r'(?<="seconds": )[\d.]+', "SECONDS"),
    (r'(?<="pipelineProtoHash": ")[0-9a-f]{64}', "GRAPH_DIGEST"),
    # The graph holds names of modules, and the package their files.
    (r"(?<=pipeline.pb \()[\d,]+|(?<=workflow.tar.gz \()[\d,]+|[\d,]+(?= bytes of at most)", "COUNT"),
    (r"(?<=│ pardo) +│ +[\d,]+ │", " │ COUNT │"),
    (r"(?<=core.py:|util.py:)\d+", "LINE"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """One command that has ended.

    Attributes:
        words: The module and its arguments.
        code: The exit code.
        out: Standard output.
        err: Standard error.
    """

    words: tuple[str, ...]
    code: int
    out: str
    err: str

    def text(self, work: Path) -> str:
        """Describes the call: the command line, the exit code and the lines, those of each stream together."""
        parts = [f"$ python -m {steady(shlex.join(self.words), work)}\n", f"exit code {self.code}\n"]
        for name, printed in (("output", self.out), ("error", self.err)):
            shown = squeezed(steady(printed, work))
            if shown:
                parts.append(f"standard {name}:\n" + "".join(f"  {line}\n" for line in shown.splitlines()))
        return "".join(parts)


def environment(work: Path, **more: str) -> dict[str, str]:
    """Returns the environment that every command gets."""
    kept = {name: value for name, value in os.environ.items() if not _VARIABLES.fullmatch(name)}
    fixed = {"PYTHONPATH": str(ROOT), "HOME": str(work), "TZ": "UTC", "TMPDIR": str(work)}
    # So that the last bits are the same each time.
    fixed |= {"CUDA_VISIBLE_DEVICES": "", "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    fixed |= {"PYTHONWARNINGS": "ignore", "LC_ALL": "C.UTF-8"}
    return {**kept, **fixed, **more}


def call(line: str, work: Path, **variables: str) -> Call:
    """Runs `python -m LINE` in the folder `work`; LINE is a module and its arguments, as a shell would take them."""
    words = tuple(shlex.split(line))
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=work,
        env=environment(work, **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=forked.TIMEOUT_SECONDS,
        check=False,
    )
    return Call(words, done.returncode, done.stdout, done.stderr)


def call_all(lines: Iterable[str], work: Path, **variables: str) -> list[Call]:
    """Runs such commands, as many at a time as there are cores; returns them in the order given."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda line: call(line, work, **variables), lines))


def call_loaded(lines: Iterable[str], work: Path, **variables: str) -> list[Call]:
    """Does the same by `forked`, which is many times faster where most of them load TensorFlow or Beam."""
    calls = [shlex.split(line) for line in lines]
    made = environment(work, **variables)
    forked.load(made)
    with tempfile.TemporaryDirectory(prefix="surface-calls-") as folder:
        codes = forked.run(calls, Path(folder), work, made)

        def read(number: int, stream: str) -> str:
            return (Path(folder) / f"{number}.{stream}").read_text(encoding="utf-8", errors="replace")

        return [Call(tuple(words), codes[n], read(n, "out"), read(n, "err")) for n, words in enumerate(calls)]


def succeed(line: str, work: Path, **variables: str) -> Call:
    """Runs a command by `call_loaded` that must succeed.

    Raises:
        RuntimeError: it doesn't.
    """
    (done,) = call_loaded([line], work, **variables)
    if done.code:
        raise RuntimeError(f"{line}: exit code {done.code}\n{done.err}")
    return done


def steady(text: str, work: Path) -> str:
    """Replaces what changes from run to run by names in capitals."""
    text = _UNDER_WAY.sub("", _NOTICE.sub("", text))
    for path, name in ((work, "WORK"), (ROOT, "CHECKOUT"), (Path(sys.prefix), "PREFIX")):
        text = text.replace(str(path), name)
    for pattern, name in _CHANGING:
        text = re.sub(pattern, name, text, flags=re.M)
    return text


def squeezed(text: str) -> str:
    """Takes the width out of tables: what was replaced in one cell would move the others."""
    lines = []
    for line in text.splitlines():
        if re.match(r"\s*[┏┡└┌├╞┃│]", line):
            line = re.sub(r"([━─═])\1+", r"\1", re.sub(" +", " ", line))
        lines.append(line.rstrip() + "\n")
    return "".join(lines)
