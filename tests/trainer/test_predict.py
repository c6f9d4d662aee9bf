"""`python -m trainer.predict`: answers for good files, one clear line for each bad one."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from etl.errors import ConfigError, run_main
from tests.trainer.conftest import CLASS_NAMES
from trainer import predict as predictor
from trainer.predict import Serve, list_files, load, predict


def make_bad_files(folder: Path, good: Path) -> dict[str, str]:
    """Writes files that are no image that the model takes; returns what must be said of each, by file."""
    stream = io.BytesIO()
    Image.open(good).convert("CMYK").save(stream, "JPEG")
    data = good.read_bytes()
    contents = {
        "empty.jpg": (b"", "not_an_image: "),
        "text.jpg": (b"not a photograph", "not_an_image: "),
        "half.jpg": (data[: len(data) // 2], "can't be decoded: "),
        "head.jpg": (data[:300], "."),
        "cmyk.jpg": (stream.getvalue(), "a CMYK JPEG"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    expected = {str(folder / name): message for name, (_, message) in contents.items()}
    return {**expected, str(folder / "missing.jpg"): "No such file"}


def call(*arguments: object) -> int:
    return run_main(predictor.main, [str(argument) for argument in arguments])


def test_json_is_one_line_an_image(
    run_dir: Path, photo_files: dict[str, list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    files = photo_files["validation"]
    assert call(run_dir, *files, "--format", "json") == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(path) for path in files]
    for line in lines:
        assert list(line) == ["file", "class_str", "class_int", "probability"]
        assert CLASS_NAMES[line["class_int"]] == line["class_str"]
        assert 1 / 3 <= line["probability"] <= 1


def test_the_table_shows_every_file(
    run_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    odd = tmp_path / "[red]odd[x].jpg"
    odd.write_bytes(photo_files["test"][0].read_bytes())
    assert call(run_dir / "model", odd, photo_files["test"][1]) == 0
    printed = re.sub(r"[│\s]", "", capfd.readouterr().out)
    assert "[red]odd[x].jpg" in printed
    assert photo_files["test"][1].name in printed


@pytest.mark.parametrize("form", ["json", "table"])
def test_a_bad_file_gets_a_line_and_the_others_their_answers(
    run_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path, capfd: pytest.CaptureFixture[str], form: str
) -> None:
    good = photo_files["test"][0]
    bad = make_bad_files(tmp_path, good)
    assert call(run_dir, *[path for name in bad for path in (name, good)], "--format", form) == 1
    printed = capfd.readouterr()
    lines = printed.err.splitlines()
    assert len(lines) == len(bad)
    for line, (name, message) in zip(lines, bad.items(), strict=True):
        assert line.startswith(f"error: {name}: ")
        assert message in line
    if form == "json":
        assert [json.loads(line)["file"] for line in printed.out.splitlines()] == [str(good)] * len(bad)


def test_many_files_keep_their_order_and_their_answers(serve: Serve, photo_files: dict[str, list[Path]]) -> None:
    good = [str(path) for path in photo_files["train"]]
    alone = {answer.file: answer for answer in predict(serve, good)}
    assert len(good) > 32
    files = [*good[:20], "missing.jpg", *good[20:], __file__, *good[:5]]
    answers = list(predict(serve, files))
    assert [answer.file for answer in answers] == files
    for answer in answers:
        assert bool(answer.error) == (answer.file not in alone)
        if not answer.error:
            assert answer.class_int == alone[answer.file].class_int
            # Another batch size may sum in another order.
            assert answer.probability == pytest.approx(alone[answer.file].probability, abs=1e-6)


def test_a_folder_stands_for_all_files_in_it(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/10.jpg", "a/1.jpg", "0.jpg", ".hidden", ".git/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = [str(Path(path).relative_to(tmp_path)) for path in list_files([str(tmp_path)])]
    assert found == ["0.jpg", "a/1.jpg", "b/10.jpg", "b/2.jpg"]
    assert list(list_files(["x.jpg", "y.jpg"])) == ["x.jpg", "y.jpg"]


def test_what_is_no_model_ends_with_code_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path / "nowhere", "x.jpg") == 2
    assert "error: MODEL_DIR: got" in capfd.readouterr().err
    assert call(tmp_path) == 2
    assert "error: FILE: got None, expected a value" in capfd.readouterr().err


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"no protobuf at all")
    with pytest.raises(ConfigError, match="MODEL_DIR: .*expected a SavedModel whose serving_default takes image_bytes"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("images", "expected a SavedModel whose serving_default takes image_bytes"),
        ("image_bytes", "expected one that ret"),
    ],
)
def test_somebody_elses_model_is_refused(tmp_path: Path, name: str, message: str) -> None:
    import tensorflow as tf

    module: Any = tf.Module()
    module.serve = tf.function(lambda **inputs: {"scores": inputs[name]}).get_concrete_function(
        **{name: tf.TensorSpec([None], tf.string, name=name)}
    )
    tf.saved_model.save(module, str(tmp_path), signatures=module.serve)
    with pytest.raises(ConfigError, match=f"MODEL_DIR: .*{message}"):
        load(str(tmp_path))
