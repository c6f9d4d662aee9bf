"""A plain installation, without its extras: each command names the one that it misses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from etl.errors import extras, run_main
from tests.datasets import write_dataset

ROOT = Path(__file__).parents[3]

# Runs a command in a process that finds none of the packages that extras bring.
WITHOUT = """
import runpy, sys
from etl.errors.extras import _EXTRAS

class Without:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in _EXTRAS else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""

# Command -> what it misses first, and the extra that brings it.
COMMANDS = {
    "etl.run --source synthetic --num_images 3 --output out": ("tensorflow", "etl"),
    "etl.run --source flowers --output out --dry_run": ("platformdirs", "etl"),
    "etl.inspect data": ("tensorflow", "etl"),
    "trainer.task --data_dir data --image_size 32 --output_dir out": ("tensorflow", "train"),
    "trainer.predict model x.jpg": ("tensorflow", "train"),
    "trainer.batch_predict --model_dir model --input in.jsonl --output answers.jsonl": ("tensorflow", "etl"),
    "trainer.ingest.doctor data": ("tensorflow", "train"),
    "trainer.ingest.service": ("tensorflow", "train"),
    "trainer.server --model_dir model": ("starlette", "serve"),
    "trainer.tune --config grid --output_dir out": ("Optuna", "tune"),
    "trainer.vertex deploy gs://b/model --project my-project-1 --region europe-west4": ("aiplatform", "vertex"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plain")
    (folder / "data").mkdir()
    write_dataset(folder / "data", variants=("jpeg",), splits={"train": 3})
    (folder / "model").mkdir()
    (folder / "model" / "saved_model.pb").write_bytes(b"model")
    (folder / "in.jsonl").write_text("{}\n")
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_the_extra_that_it_misses(folder: Path, command: str) -> None:
    package, extra = COMMANDS[command]
    arguments = [sys.executable, "-c", WITHOUT, *command.split()]
    result = subprocess.run(arguments, cwd=folder, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    line = result.stderr.splitlines()[-1]
    assert line.startswith("error: ")
    assert package in line
    assert f"pip install 'petalstream[{extra}]'" in line


def test_the_extras_are_those_of_the_distribution() -> None:
    tree = ast.parse((ROOT / "setup.py").read_text())
    (content,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "EXTRAS"
    )
    known = set(ast.literal_eval(content))
    assert {*extras._EXTRAS.values(), *extras._COMMANDS.values()} - {None} <= known
    assert all(
        extras.extra_for(name, command) in known for name in extras._EXTRAS for command in ("etl.run", "trainer.x")
    )


def test_a_package_that_no_extra_brings_is_a_bug_that_shows() -> None:
    def main(argv: list[str] | None) -> int:
        import etl.no_such_module  # type: ignore[import-not-found]

        return int(etl.no_such_module.VALUE)

    with pytest.raises(ModuleNotFoundError, match=r"No module named 'etl\.no_such_module'"):
        run_main(main, [])


def test_a_part_of_a_package_is_named_as_it_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str] | None) -> int:
        raise ModuleNotFoundError("No module named 'google.cloud.storage'", name="google.cloud.storage.blob")

    assert run_main(main, []) == 2
    assert "expected the package google.cloud.storage; pip install 'petalstream[etl]'" in capsys.readouterr().err
