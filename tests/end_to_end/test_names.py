"""Hostile names through every output: class names, keys, paths and the data set's name are shown as text everywhere."""

from __future__ import annotations

import html
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import yaml
from PIL import Image

from etl import inspect, run
from etl.card.__main__ import main as card
from etl.errors import run_main
from etl.format import layout
from etl.process.terminal import PlainConsole
from etl.words import on_one_line
from tests.photos import jpeg
from trainer import predict, task
from trainer.doctor import command
from trainer.tune import display, plot
from trainer.tune import spec as specs
from trainer.tune.parameters import CATEGORICAL, Parameter
from trainer.tune.results import COMPLETED, FAILED, Result
from trainer.vertex.api.naming import to_label

# Each is a folder's name, so without a slash: Rich's marks and emoji, matplotlib's formulas, HTML, SVG, YAML and format
# strings, control characters, escape sequences, other directions, letters that no font here has.
CLASSES = (
    "[bold] red",
    ":smile: [v1",
    "$\\frac{1}$ $x$",
    "<script>alert(1)<\u2215script> & \"q'",
    "two\nlines\tand a tab",
    "\x1b[31mred\x1b[0m\x07",
    "\u202egpj.exe",
    "עברית 猫 🦊",
    "- {task.description}: %s #",
    "w" * 120,
)
# What must reach neither a terminal nor a line: all controls but the end of a line.
UNSHOWN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


class Text(HTMLParser):
    """Collects a page's texts and elements."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def check_printed(captured: tuple[str, str], *expected: str) -> None:
    """Checks that all that was printed are plain lines, with some texts in them."""
    for text in captured:
        assert not UNSHOWN.search(text)
        assert "Traceback" not in text
    for words in expected:
        assert words in captured[0] + captured[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of such classes, in a folder that ends a mark which none began."""
    root = tmp_path_factory.mktemp("names")
    for number in range(40):
        path = root / "photos $x$ [b" / CLASSES[number % len(CLASSES)] / f"[i]{number}:\x1b[2J\n:.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number))
    (path.parent / "broken [b].jpg").write_bytes(b"no image")
    output = root / "set[" / "v1] \u202e:fire:"
    options = ["--splits", "train=0.5,validation=0.2,test=0.3", "--max_rejected_fraction", "0.1"]
    arguments = ["--source", "folder", "--input", str(root / "photos $x$ [b"), "--output", str(output), *options]
    assert run_main(run.main, arguments) == 0
    return output


def test_the_etl_prints_names_as_they_are(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    photos = data.parents[1] / "photos $x$ [b"
    again = ["--source", "folder", "--input", str(photos), "--output", str(data)]
    assert run_main(run.main, [*again, "--dry_run", "--overwrite"]) == 0
    check_printed(capfd.readouterr(), on_one_line(str(data)), str(photos))
    assert run_main(run.main, again) == 2
    check_printed(capfd.readouterr(), "--output", "set[/v1]")
    assert run_main(inspect.main, [str(data)]) == 0
    check_printed(capfd.readouterr(), on_one_line(f"{data}/sample.png"))
    assert Image.open(data / "sample.png").format == "PNG"
    shard = next((data / "jpeg").glob("train-*"))
    stray = shard.with_name("train-[x]\x1b[2J.tfrecord")
    stray.write_bytes(b"")
    try:
        assert run_main(inspect.main, [str(data)]) == 1
    finally:
        stray.unlink()
    check_printed(capfd.readouterr(), "train-[x]␛[2J.tfrecord: not in the manifest")


def test_the_card_holds_names_as_text(data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_main(card, [str(data)]) == 0
    check_printed(capfd.readouterr(), on_one_line(f"{data}/card.html"))
    page = Text()
    page.feed((data / "card.html").read_text(encoding="utf-8"))
    assert "script" not in page.elements
    for name in CLASSES[:-1]:
        # The page shows line breaks and tabs, in a title, as such.
        assert any(
            html.unescape(name.replace("\x1b", "␛").replace("\x07", "␇").replace("\u202e", "\ufffd")) in text
            for text in page.texts
        ), name
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e]", "".join(page.texts))


def test_a_training_shows_names_as_text(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "run[" / "v1] $y$"
    flags = ["--model", "linear", "--num_epochs", "1", "--image_size", "16", "--batch_size", "4", "--tensorboard"]
    assert run_main(task.main, ["--data_dir", str(data), "--output_dir", str(output), *flags]) == 0
    check_printed(capfd.readouterr(), str(output / "model"), "[bold] red", ":smile: [v1", "$\\frac{1}$ $x$")
    for name in ("training_curves.png", "confusion.png", "mistakes.png"):
        with Image.open(output / name) as picture:
            assert picture.format == "PNG"
            assert max(picture.size) < 4000
    resolved = yaml.safe_load((output / "config.yaml").read_text(encoding="utf-8"))["resolved"]
    assert sorted(resolved["class_names"]) == sorted(CLASSES)
    assert list((output / "tensorboard" / "test").iterdir())
    odd = tmp_path / "[" / "b]\x1b[2J\n:fox:.jpg"
    odd.parent.mkdir()
    odd.write_bytes(jpeg(3))
    gone = tmp_path / "gone [b]\n.jpg"
    assert run_main(predict.main, [str(output), str(odd), str(gone)]) == 1
    check_printed(capfd.readouterr(), "[/b]␛[2J", "error: ")
    assert run_main(predict.main, [str(output), str(odd), "--format", "json"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    assert json.loads(line)["file"] == str(odd)
    assert json.loads(line)["class_str"] in CLASSES


def test_the_doctor_shows_names_as_text(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = data / layout.MANIFEST_NAME
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "dataset": "[/x] $y$ \x1b[2J"}), encoding="utf-8")
    picture = tmp_path / "plot [b] $x$.png"
    flags = ["--seconds", "0.05", "--batch_size", "4", "--image_size", "16", "--plot", str(picture)]
    try:
        assert run_main(command.main, [str(data), *flags]) == 0
    finally:
        path.write_text(json.dumps(content), encoding="utf-8")
    check_printed(capfd.readouterr(), "[/x] $y$ ␛[2J", str(picture))
    assert Image.open(picture).format == "PNG"


def test_a_study_shows_names_as_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    names = [on_one_line(name)[:40] for name in CLASSES]
    parameters = tuple(
        Parameter(name, CATEGORICAL, values=tuple(CLASSES)) for name in (CLASSES[0], CLASSES[2], CLASSES[5])
    )
    study = specs.Spec(
        name="[/x] $\\frac{$ \n",
        metric="[/m] $x$",
        is_maximised=True,
        parameters=parameters,
        algorithm=specs.RANDOM,
        selection=specs.LAST,
        stopping=None,
        max_trials=4,
        parallel_trials=1,
        max_failed=0,
        arguments=(),
    )
    trials = [
        Result(number + 1, {each.name: CLASSES[number] for each in parameters}, COMPLETED, 0.1 * number, {1: 0.1}, 1.0)
        for number in range(len(CLASSES))
    ]
    failed = Result(99, dict(trials[0].parameters), FAILED, None, MappingProxyType({}), 1.0, "[/x]\x1b[2J")
    with display.display(study.metric, 4, 1) as shown:
        for trial in (*trials, failed):
            shown.begin(trial.trial, trial.parameters, 1)
            shown.end(trial, is_best=trial.trial == 1)
    display.print_table(study, [*trials, failed])
    plot.draw(study, trials, tmp_path / "study.png")
    assert Image.open(tmp_path / "study.png").format == "PNG"
    check_printed(capfd.readouterr(), names[0], names[2], "[/m] $x$", "[/x]␛[2J")


def test_a_console_shows_any_object_without_its_escape_sequences() -> None:
    from rich.progress import Progress
    from rich.table import Table
    from rich.text import Text as RichText

    from etl.process.terminal import text_column

    stream = io.StringIO()
    console = PlainConsole(file=stream, width=200, force_terminal=True, color_system=None)
    table = Table("[/head]", title=":fire:")
    for name in CLASSES:
        table.add_row(name)
        console.print(name, soft_wrap=True)
        console.print(RichText(name), soft_wrap=True)
    console.print(table)
    printed = stream.getvalue()
    assert "\x1b[31m" not in printed
    assert "\u202e" not in printed
    assert all(on_one_line(name)[:50] in printed for name in CLASSES)
    with Progress(text_column("task.description"), console=console) as progress:
        progress.add_task("[/x] [bold] {y}", total=1)
    assert "[/x] [bold] {y}" in stream.getvalue()


def test_labels_of_resources_are_what_the_service_takes() -> None:
    for name in (*CLASSES, "", "É" * 100):
        assert re.fullmatch("[a-z0-9_-]{0,63}", to_label(name))


def test_a_stream_without_a_names_letters_shows_its_escapes(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)

    def main(argv: list[str] | None) -> int:
        print("猫 \udcff")
        return 0

    assert run_main(main, []) == 0
    stream.flush()
    assert stream.buffer.getvalue() == b"\\u732b \\udcff\n"  # type: ignore[attr-defined]


def test_a_picture_names_a_class_by_its_number_where_its_letters_are_missing(tmp_path: Path) -> None:
    from etl.images.lettering import label
    from trainer.evaluation.pictures import draw_confusion

    assert label("daisy", 3) == "daisy"
    assert label("猫", 3) == "3: 猫"
    draw_confusion(np.eye(len(CLASSES), dtype=int), CLASSES, "a $\\frac{ title", tmp_path / "matrix.png")
    assert Image.open(tmp_path / "matrix.png").format == "PNG"
