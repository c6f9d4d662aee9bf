"""Who may import whom, and what importing costs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.import_graph import FLOORS, MAX_LOOSE, PACKAGES, SHARED, count_loose, find_breaches, read_arrows

ROOT = Path(__file__).parents[1]


def test_imports_point_one_way() -> None:
    assert find_breaches(ROOT) == []


def test_the_arrows_are_those_of_the_packages() -> None:
    arrows = {(arrow.source, arrow.target) for arrow in read_arrows(ROOT)}
    assert len(arrows) > 1_000
    # One of each form: at the top, within a function, of a module, of a name, for type checkers.
    assert {("etl.format.schema", "etl.format.features"), ("etl.write", "etl.runners.run")} <= arrows
    assert {("trainer.data", "etl.format.manifest"), ("trainer.data", "etl.errors")} <= arrows
    assert ("etl.card.page", "etl.card.style") in arrows
    assert ("trainer.data", "trainer.ingest.plan") in {
        (arrow.source, arrow.target) for arrow in read_arrows(ROOT) if arrow.for_types
    }


def test_every_room_is_there() -> None:
    for package, floors in FLOORS.items():
        folder = ROOT / package.replace(".", "/")
        for room in set.union(*floors) - {""}:
            assert (folder / f"{room}.py").is_file() or (folder / room / "__init__.py").is_file(), f"{package}.{room}"


def test_few_modules_lie_loose() -> None:
    counted = count_loose(ROOT)
    assert set(counted) == set(PACKAGES)
    assert all(0 < count <= MAX_LOOSE for count in counted.values()), counted


# A file, a line that is added to it, and what is found.
BREACHES = [
    ("etl/plan/plan.py", "import trainer.files", "etl.plan.plan, line .*: imports trainer.files"),
    ("etl/format/schema.py", "from trainer import files", "etl.format.schema, line .*: imports trainer.files"),
    ("etl/work/unit.py", "def late() -> None:\n    import trainer", "etl.work.unit, line .*: imports trainer"),
    ("etl/work/unit.py", "import tests.photos", "etl.work.unit, line .*: imports tests.photos"),
    (
        "trainer/data.py",
        "import etl.plan.plan",
        "trainer.data, line .*: imports etl.plan.plan, which the trainer doesn't",
    ),
    ("trainer/data.py", "from etl.plan import plan", "trainer.data, line .*: imports etl.plan.plan, which the trainer"),
    ("trainer/data.py", "import etl.plan as p", "trainer.data, line .*: imports etl.plan, which the trainer"),
    ("trainer/data.py", "from etl import records", "trainer.data, line .*: imports etl.records, which the trainer"),
    ("trainer/layers/batch.py", "from etl.sources.csv import read_rows", "imports etl.sources.csv, which the trainer"),
    ("trainer/data.py", "import apache_beam as beam", "trainer.data, line .*: imports Beam"),
    ("trainer/serving/batch/work.py", "import apache_beam", "trainer.serving.batch.work, line .*: imports Beam"),
    ("trainer/serving/batch/work.py", "from etl import plan", "imports etl.plan, which the trainer doesn't share"),
    ("trainer/layout.py", "from benchmarks import corpus", "trainer.layout, line .*: imports benchmarks"),
    ("etl/records.py", "from etl.storage.disk import exists", "imports etl.storage.disk, which only etl.storage may"),
    ("etl/records.py", "from etl.storage import disk", "imports etl.storage.disk, which only etl.storage may"),
    ("trainer/files.py", "from etl.storage import gcs", "imports etl.storage.gcs, which only etl.storage may"),
    ("etl/images/tiff.py", "from .. import plan", "etl.images.tiff, line .*: .* imports etl.plan, which is not"),
    ("etl/images/sniff.py", "from ..work.unit import x", "imports etl.work.unit, which is not"),
    ("etl/variants/embedding.py", "from etl.plan.plan import Plan", "imports etl.plan.plan, from a floor above"),
    ("etl/storage/__init__.py", "from etl.format import schema", "imports etl.format.schema, from a floor above"),
    ("etl/plan/plan.py", "from etl.work.unit import x\nimport apache_beam", "etl.plan.plan, line .*: imports Beam"),
    (
        "etl/plan/plan.py",
        "from etl.work.unit import x",
        "etl.plan.plan, line .*: imports etl.work.unit, from a floor above",
    ),
    ("etl/errors/__init__.py", "from etl.paths import check", "a circle: etl.errors -> etl.paths -> etl.errors"),
    (
        "etl/errors/__init__.py",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from etl.paths import check",
        "a circle: etl.errors -> etl.paths -> etl.errors",
    ),
    # A circle of rooms, and none of modules.
    ("etl/errors/reasons.py", "from etl.process import terminal", "a circle: etl.errors -> etl.process -> etl.errors"),
    ("etl/plan_b.py", "from etl.plan.plan import x", "etl.plan_b is on none of FLOORS"),
    ("trainer/ingest/plan.py", "from trainer import data", "imports trainer.data, from a floor above"),
    (
        "trainer/models/linear.py",
        "from trainer.training import steps",
        "imports trainer.training.steps, from a floor above",
    ),
    (
        "trainer/vertex/api/calls.py",
        "from ..training import jobs",
        "imports trainer.vertex.training.jobs, from a floor above",
    ),
    (
        "trainer/options.py",
        "from trainer.ingest import doctor",
        "imports trainer.ingest.doctor, which is a command's fixed",
    ),
    ("trainer/files.py", "from trainer.listing import read_file", "trainer.files -> trainer.listing -> trainer.files"),
]


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("copied")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    (root / "etl" / "plan_b.py").write_text("x = 1\n")
    return root


@pytest.mark.parametrize(("name", "line", "found"), BREACHES)
def test_a_planted_breach_is_found(copied: Path, name: str, line: str, found: str) -> None:
    path = copied / name
    whole = path.read_text()
    try:
        path.write_text(f"{whole}\n{line}\n")
        breaches = find_breaches(copied)
    finally:
        path.write_text(whole)
    assert any(re.search(found, breach) for breach in breaches), breaches


def test_what_the_trainer_shares_loads_nothing_else_of_the_etl() -> None:
    # What the syntax trees don't show: names that are imported when a function is called by name.
    paths = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "etl").rglob("*.py")]
    names = sorted({".".join(path.parts).removesuffix(".__init__") for path in paths})
    # Those about images and about the graph import TensorFlow.
    shared = [
        name
        for name in names
        if ".".join(name.split(".")[:2]) in SHARED and not name.startswith("etl.images") and not name.endswith("graph")
    ]
    assert len(shared) > 30
    rooms = "{'.'.join(name.split('.')[:2]) for name in sys.modules if name.startswith('etl.')}"
    check = f"import sys, {', '.join(shared)}\nprint(sorted({rooms} - set({sorted(SHARED)!r})))\n"
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "[]\n", result.stderr


def test_importing_the_packages_loads_nothing_heavy() -> None:
    check = (
        "import sys, etl, etl.format.schema, etl.format.manifest, etl.run, trainer, trainer.ingest, trainer.task\n"
        "print('loaded:', {'tensorflow', 'apache_beam', 'keras', 'matplotlib', 'rich.progress'} & set(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "loaded: set()\n", result.stderr


COMMANDS = [
    "etl.run",
    "etl.inspect",
    "etl.card",
    "etl.sources.synthetic",
    "trainer.task",
    "trainer.tune",
    "trainer.server",
    "trainer.predict",
    "trainer.batch_predict",
    "trainer.ingest.doctor",
    "trainer.ingest.service",
    "trainer.vertex",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command: str) -> None:
    check = (
        "import runpy, sys\n"
        f"sys.argv = ['{command}', '--help']\n"
        "try:\n"
        f"    runpy.run_module('{command}', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "print('loaded:', {'tensorflow', 'apache_beam', 'keras', 'matplotlib'} & set(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert f"usage: {command}" in result.stdout
    assert result.stdout.endswith("loaded: set()\n")
