"""Who may import whom, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# What batch prediction takes besides.
BATCH_ONLY = {"etl.storage", "etl.progress", "etl.parallel", "etl.runners", "etl.failures", "etl.dataflow"}
# What the training side may take from the ETL.
SHARED = {
    *("etl", "etl.schema", "etl.manifest", "etl.images", "etl.errors", "etl.cli", "etl.records", "etl.mobilenet"),
    "etl.parsing",
    "etl.terminal",
    "etl.words",
}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            names = (alias.name for alias in node.names if node.module == "etl" and alias.name != "__version__")
            yield from (f"{node.module}.{name}" for name in names)


def test_the_etl_never_imports_the_trainer() -> None:
    for path in (ROOT / "etl").rglob("*.py"):
        assert not [name for name in imports(path) if name.split(".")[0] == "trainer"], path


def test_the_trainer_imports_only_the_shared_modules_and_never_beam() -> None:
    paths = list((ROOT / "trainer").rglob("*.py"))
    assert len(paths) > 10
    for path in paths:
        # The one command of the trainer that runs on Beam, and is in no training container.
        is_batch = path.parent.name == "batch_predict"
        allowed = SHARED | BATCH_ONLY if is_batch else SHARED
        for name in imports(path):
            assert name.split(".")[0] != "apache_beam" or (is_batch and path.name == "pipeline.py"), path
            if name.split(".")[0] == "etl":
                shared = allowed - {"etl"}
                assert name == "etl" or any(name == part or name.startswith(f"{part}.") for part in shared), (
                    path,
                    name,
                )


def test_shared_modules_import_nothing_of_the_etl_but_each_other() -> None:
    for name in SHARED - {"etl"}:
        base = ROOT / Path(*name.split("."))
        for path in [base.with_suffix(".py")] if base.with_suffix(".py").exists() else base.rglob("*.py"):
            for imported in imports(path):
                if imported.startswith("etl."):
                    assert any(imported == shared or imported.startswith(f"{shared}.") for shared in SHARED), path


def test_importing_the_packages_loads_nothing_heavy() -> None:
    check = (
        "import sys, etl, etl.schema, etl.manifest, etl.run, trainer, trainer.ingest, trainer.task\n"
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
