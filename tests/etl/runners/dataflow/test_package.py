"""What the workers install."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from importlib import metadata
from pathlib import Path

import pytest

import etl
from etl.errors import ConfigError
from etl.runners.beam_options import make_options
from etl.runners.dataflow import package

ROOT = Path(__file__).parents[4]


def declared() -> set[str]:
    """The names in setup.py of what the ETL needs."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    lists = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "install_requires"]
    extras = next(
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXTRAS"
    )
    requirements = [*ast.literal_eval(lists[0]), *ast.literal_eval(extras)["etl"]]
    return {re.split(r"[^\w.-]", text)[0] for text in requirements}


def test_workers_install_all_that_the_etl_needs_but_beam_which_their_image_has() -> None:
    only_the_trainers = {"matplotlib", "pyyaml"}
    assert declared() - {"apache-beam"} - only_the_trainers <= set(package.REQUIREMENTS)


def test_the_versions_are_those_that_are_installed_here() -> None:
    with package.packaged(make_options([], "DataflowRunner")) as requirements:
        assert f"numpy=={metadata.version('numpy')}" in requirements
        assert f"tensorflow=={metadata.version('tensorflow')}" in requirements
    assert [text for text in requirements if "==" not in text] == []


def test_the_project_holds_every_module_and_nothing_of_the_checkout_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(ROOT.iterdir())
    setup_path = package.write_project(tmp_path, ["numpy==2.0"])
    assert set(ROOT.iterdir()) == before
    for name in package.PACKAGES:
        expected = {path.relative_to(ROOT) for path in (ROOT / name).rglob("*.py")}
        assert expected == {path.relative_to(tmp_path) for path in (tmp_path / name).rglob("*.py")}
    assert not list(tmp_path.rglob("__pycache__"))
    given: dict[str, object] = {}
    stub = type(sys)("setuptools")
    stub.setup, stub.find_packages = lambda **more: given.update(more), lambda: ["etl"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "setuptools", stub)
    runpy.run_path(str(setup_path))
    assert (given["name"], given["version"]) == ("petalstream", etl.__version__)
    assert given["install_requires"] == ["numpy==2.0"]


@pytest.mark.parametrize(
    "arguments", [["--sdk_container_image", "gcr.io/p/worker:1"], ["--setup_file", str(ROOT / "setup.py")]]
)
def test_nothing_is_packaged_where_the_workers_get_the_project_otherwise(arguments: list[str]) -> None:
    options = make_options(arguments, "DataflowRunner")
    with package.packaged(options) as requirements:
        assert requirements == ()
        assert options.get_all_options()["setup_file"] == (arguments[1] if "--setup_file" in arguments else None)


def test_an_image_that_beam_builds_gets_the_package() -> None:
    more = ["--prebuild_sdk_container_engine", "cloud_build", "--sdk_container_image", "gcr.io/p/base:1"]
    options = make_options(more, "DataflowRunner")
    with package.packaged(options):
        assert Path(options.get_all_options()["setup_file"]).is_file()


def test_without_setuptools_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with (
        pytest.raises(ConfigError, match="--setup_file: .*pip install setuptools"),
        package.packaged(make_options([], "DataflowRunner")),
    ):
        raise RuntimeError("not reached")
