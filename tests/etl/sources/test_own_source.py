"""The source that docs/sources.md writes, as it stands there."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from etl import run, sources
from etl.errors import ConfigError, DatasetError, PetalstreamError, reasons
from etl.options import parse, parser
from tests.captions import make_captioned, programs, rejected


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_captioned(tmp_path_factory.mktemp("photos"))


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's module, registered as the page says; what it declares is forgotten afterwards."""
    path = tmp_path / "captions_of_the_page.py"
    path.write_text(programs()[0], encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, path.stem, raising=False)
    monkeypatch.setitem(sources.SOURCES, "captions", path.stem)
    monkeypatch.setattr(reasons, "_declared", {})
    importlib.invalidate_caches()
    return path


def arguments(photos: Path, tmp_path: Path, largest_fraction: str) -> list[str]:
    where = ["--input", str(photos), "--output", str(tmp_path / "made")]
    return ["--source", "captions", *where, "--max_rejected_fraction", largest_fraction]


def test_its_own_reasons_are_everywhere(
    module: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run.main(arguments(photos, tmp_path, "0.5")) == 0
    counts = json.loads((tmp_path / "made" / "manifest.json").read_text(encoding="utf-8"))["counts"]
    assert (counts["rejected"]["no_caption"], counts["rejected"]["garbled_caption"]) == (3, 2)
    assert counts["read"] == 24 == counts["written"] + sum(counts["rejected"].values())
    found = rejected(tmp_path / "made")
    assert found["daisy/0000.jpg"] == "decode: garbled_caption: byte 20 is none of UTF-8"
    assert found["daisy/0006.jpg"] == "list: no_caption: there is no 0006.txt"
    printed, page = capsys.readouterr().out, (tmp_path / "made" / "card.html").read_text(encoding="utf-8")
    for explanation in ("no text file lies beside the image", "the caption is not UTF-8"):
        assert explanation in printed
        assert explanation in page


def test_a_run_that_fails_over_them_explains_them(module: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"commonest reason: no_caption \(no text file lies beside the image\), 3 t"):
        run.main(arguments(photos, tmp_path, "0.01"))


@pytest.mark.parametrize("place", ['rejection="no_caption"', 'key, "garbled_caption"'], ids=["list", "decode"])
def test_a_reason_that_nobody_declared_is_an_error(module: Path, photos: Path, tmp_path: Path, place: str) -> None:
    text = module.read_text(encoding="utf-8")
    assert text.count(place) == 1
    module.write_text(text.replace(place, place.replace("_caption", "_text")), encoding="utf-8")
    with pytest.raises(PetalstreamError, match=r"reason '\w+_text' is none of missing, .*, garbled_caption; a source"):
        run.main(arguments(photos, tmp_path, "0.5"))
    assert not (tmp_path / "made" / "manifest.json").exists()


def test_its_own_option_is_a_flag_and_stands_in_the_manifest(module: Path, photos: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(photos, tmp_path / "copied")
    for path in list(copied.glob("*/*.txt")):
        path.rename(path.with_suffix(".caption"))
    assert "for captions: how the files of captions end (default: .txt)" in " ".join(parser().format_help().split())
    assert run.main([*arguments(copied, tmp_path, "0.5"), "--caption_ending", ".caption"]) == 0
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["config"]["options"]["caption_ending"] == ".caption"
    assert manifest["counts"]["rejected"]["no_caption"] == 3
    page = (tmp_path / "made" / "card.html").read_text(encoding="utf-8")
    assert "--caption_ending .caption" in page
    assert "num_images" not in page


def test_its_origin_is_in_the_description(module: Path, photos: Path, tmp_path: Path) -> None:
    assert run.main(arguments(photos, tmp_path, "0.5")) == 0
    described = json.loads((tmp_path / "made" / "croissant.json").read_text(encoding="utf-8"))
    assert described["url"] == "https://example.org/captions"
    assert described["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert described["citeAs"].startswith("A. Gardener")


@pytest.mark.parametrize(
    ("declared", "wrong", "message"),
    [
        (
            "caption_ending: str",
            "trimaps: str",
            "got 'trimaps', expected options of its own; captions has one of that name too",
        ),
        ("caption_ending: str", "image_size: str", "got '--image_size', .*; all sources have --image_size"),
        ("caption_ending: str", "runner: str", "got '--runner', .*; all sources have --runner"),
        (
            'option(".txt", metavar="ENDING", help="for captions: how the files of captions end")',
            '".txt"',
            "is no option",
        ),
        ("@dataclass(frozen=True, slots=True)\n", "", "expected a dataclass below SourceOptions"),
        ("OPTIONS = CaptionsOptions", "OPTIONS = dict", "got <class 'dict'>, expected a dataclass below SourceOptions"),
    ],
)
def test_wrongly_declared_options_are_named(module: Path, declared: str, wrong: str, message: str) -> None:
    text = module.read_text(encoding="utf-8")
    assert declared in text
    module.write_text(text.replace(declared, wrong), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"^OPTIONS of .*{message}"):
        parser()


def test_an_option_that_is_off_by_default_is_refused_with_another_source(module: Path) -> None:
    text = module.read_text(encoding="utf-8")
    module.write_text(text.replace('option(".txt"', "option(None"), encoding="utf-8")
    words = ["--source", "folder", "--output", "out", "--caption_ending", ".md"]
    with pytest.raises(ConfigError, match="--caption_ending: got 'folder', expected --source captions, which alone"):
        parse(words)


def test_the_page_names_the_registry_as_it_is() -> None:
    registry = Path(str(sources.__file__)).read_text(encoding="utf-8")
    assert registry.count(programs()[1].splitlines()[0]) == 1
