"""`python -m trainer.predict`: answers for good files, one clear line for each bad one."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from etl import paths as path_kinds
from etl.errors import ConfigError, run_main
from etl.format import manifest
from etl.images import normalise
from tests.trainer.conftest import CLASS_NAMES, SIZE
from trainer import predict as predictor
from trainer.config import TrainConfig
from trainer.data import resolve
from trainer.serving.export import export_model
from trainer.serving.predictions import predict
from trainer.serving.served_model import ServedModel, load


def make_bad_files(folder: Path, good: Path) -> dict[str, str]:
    """Writes files that are no image that the model takes; returns what must be said of each, by file."""
    stream = io.BytesIO()
    Image.open(good).save(stream, "AVIF")
    data = good.read_bytes()
    contents = {
        "empty.jpg": (b"", "not_an_image: "),
        "text.jpg": (b"not a photograph", "not_an_image: "),
        "half.jpg": (data[: len(data) // 2], "can't be decoded: "),
        "head.jpg": (data[:300], "."),
        "half.avif": (stream.getvalue()[:500], "truncated: the AVIF ends before its last pixel"),
    }
    for name, (content, _) in contents.items():
        (folder / name).write_bytes(content)
    expected = {str(folder / name): message for name, (_, message) in contents.items()}
    return {**expected, str(folder / "missing.jpg"): "No such file"}


def call(*arguments: object) -> int:
    return run_main(predictor.main, [str(argument) for argument in arguments])


def test_a_model_of_a_newer_tensorflow_names_both(run_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run_dir / "model", tmp_path / "model")
    content = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    meta = content.meta_graphs[0]
    meta.meta_info_def.tensorflow_version = "99.1.0"
    meta.graph_def.library.function[0].node_def.add(name="new", op="AnOperationOfTomorrow")
    (folder / "saved_model.pb").write_bytes(content.SerializeToString())
    found = f"TensorFlow 99.1.0 wrote it, and TensorFlow {tf.__version__} is to read it"
    with pytest.raises(ConfigError, match=f"^MODEL_DIR: got .*: {found}; .*AnOperationOfTomorrow"):
        load(str(folder))


def test_json_is_one_line_an_image(
    run_dir: Path, photo_files: dict[str, list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    files = photo_files["validation"]
    assert call(run_dir, *files, "--format", "json") == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(path) for path in files]
    for line in lines:
        assert list(line) == ["file", "class_str", "class_int", "probability", "probabilities"]
        assert len(line["probabilities"]) == len(CLASS_NAMES)
        assert line["probability"] == max(line["probabilities"]) == line["probabilities"][line["class_int"]]
        assert CLASS_NAMES[line["class_int"]] == line["class_str"]
        assert 1 / 3 <= line["probability"] <= 1


def test_the_likeliest_classes_are_named(
    run_dir: Path, photo_files: dict[str, list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    files = photo_files["validation"][:3]
    assert call(run_dir, *files, "--format", "json", "--top_k", 2) == 0
    for line in map(json.loads, capfd.readouterr().out.splitlines()):
        first, second = line["top_k"]
        assert first == {name: line[name] for name in ("class_str", "class_int", "probability")}
        assert second["probability"] == sorted(line["probabilities"])[-2]
        assert CLASS_NAMES[second["class_int"]] == second["class_str"] != first["class_str"]
    assert call(run_dir, files[0], "--top_k", 99) == 0
    shown = capfd.readouterr().out
    assert all(name in shown for name in CLASS_NAMES)
    assert call(run_dir, files[0], "--top_k", 0) == 2
    assert "--top_k: got '0', expected a whole number of classes, 1 or more" in capfd.readouterr().err


def test_nothing_to_predict_is_an_error_before_the_model_is_loaded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert call(tmp_path / "no model", tmp_path / "empty") == 2
    error = capfd.readouterr().err
    assert error.startswith(f"error: FILE: got '{tmp_path}/empty', expected files, folders that hold some, or patterns")
    assert error.count("\n") == 1


def test_many_files_show_how_far_it_is(
    run_dir: Path, photo_files: dict[str, list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    files = photo_files["train"] * 2
    assert call(run_dir, *files, "--format", "json") == 0
    printed = capfd.readouterr()
    assert len(printed.out.splitlines()) == len(files) == 72
    # One line at the end, and where the machine is slow some before it.
    assert re.fullmatch(r"(predict: \d+ of 72 images, [\d,]+/s\n)*predict: 72 of 72 images, [\d,]+/s\n", printed.err)


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
        assert "{{" not in line
    if form == "json":
        assert [json.loads(line)["file"] for line in printed.out.splitlines()] == [str(good)] * len(bad)


def test_files_that_the_graph_refuses_are_answered(
    run_dir: Path,
    photo_files: dict[str, list[Path]],
    other_files: dict[str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    pngs = []
    for path in other_files.values():
        pngs.append(tmp_path / f"{path.name}.png")
        Image.fromarray(normalise.decode_rgb(path.read_bytes())).save(pngs[-1])
    files = [*other_files.values(), photo_files["test"][0], *pngs]
    assert call(run_dir, *files, "--format", "json") == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == [str(path) for path in files]
    for line, expected in zip(lines, lines[len(other_files) + 1 :], strict=False):
        assert line["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)


def test_many_files_keep_their_order_and_their_answers(
    served_model: ServedModel, photo_files: dict[str, list[Path]]
) -> None:
    good = [str(path) for path in photo_files["train"]]
    alone = {answer.file: answer for answer in predict(served_model, good)}
    assert len(good) > 32
    files = [*good[:20], "missing.jpg", *good[20:], __file__, *good[:5]]
    answers = list(predict(served_model, files))
    assert [answer.file for answer in answers] == files
    for answer in answers:
        assert bool(answer.error) == (answer.file not in alone)
        if not answer.error:
            assert answer.class_int == alone[answer.file].class_int
            # Another batch size may sum in another order.
            assert answer.probability == pytest.approx(alone[answer.file].probability, abs=1e-6)


def test_patterns_and_folders_stand_for_their_files(
    run_dir: Path, photo_files: dict[str, list[Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    root = photo_files["train"][0].parents[1]
    every = sorted(path for files in photo_files.values() for path in files)
    for paths in ([root], [root / "**/*.jpg"], [root / "*/*.jpg"], [root / name for name in CLASS_NAMES]):
        assert call(run_dir, *paths, "--format", "json") == 0
        lines = [json.loads(line)["file"] for line in capfd.readouterr().out.splitlines()]
        assert lines == [str(path) for path in every]
    assert call(run_dir, root / "*.gif") == 1
    assert capfd.readouterr().err == f"error: {root / '*.gif'}: No such file or directory\n"


def test_an_object_stores_files_and_model_are_read(
    run_dir: Path,
    photo_files: dict[str, list[Path]],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import tensorflow as tf

    monkeypatch.setattr(path_kinds, "SUPPORTED", {"gs", "ram"})

    # TensorFlow's file system in memory is reached as an object store is.
    store = "ram://predict"
    tf.io.gfile.makedirs(f"{store}/photos")
    for path in photo_files["test"][:3]:
        tf.io.gfile.copy(str(path), f"{store}/photos/{path.name}")
    for folder, _, names in tf.io.gfile.walk(str(run_dir / "model")):
        inside = f"{store}/run/model/{Path(folder).relative_to(run_dir / 'model')}".removesuffix("/.")
        tf.io.gfile.makedirs(inside)
        for name in names:
            tf.io.gfile.copy(f"{folder}/{name}", f"{inside}/{name}")
    assert call(f"{store}/run", f"{store}/photos/*.jpg", f"{store}/photos/none.jpg", "--format", "json") == 1
    printed = capfd.readouterr()
    files = [json.loads(line)["file"] for line in printed.out.splitlines()]
    assert files == [f"{store}/photos/{path.name}" for path in photo_files["test"][:3]]
    assert printed.err == f"error: {store}/photos/none.jpg: No such file or directory\n"
    assert call("ram://nowhere", "x.jpg") == 2


@pytest.fixture(scope="module")
def colour_dir(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of colours, with fresh weights."""
    import keras

    data = resolve(TrainConfig(data_dir=str(data_dir), output_dir="", variant="pixel"), manifest.load(data_dir))
    keras.utils.set_random_seed(5)
    grey = keras.Input((*data.image_size, 1))
    model = keras.Model(grey, keras.layers.Conv2D(3, 3, padding="same", activation="tanh")(grey))
    folder = tmp_path_factory.mktemp("colours")
    export_model(model, dataclasses.replace(data, gives="colours"), folder / "model", {}, serving_input="filenames")
    return folder


def test_colours_are_written_and_never_over_anything(
    colour_dir: Path, photo_files: dict[str, list[Path]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first, second = photo_files["test"][:2]
    output_dir = tmp_path / "new" / "colours"
    arguments = [colour_dir, first, tmp_path / "none.jpg", second, first, "--output_dir", output_dir]
    assert call(*arguments, "--format", "json") == 1
    printed = capfd.readouterr()
    written = [output_dir / f"{stem}.png" for stem in (f"{first.stem}-colours", f"{second.stem}-colours")]
    written.append(output_dir / f"{first.stem}-colours-2.png")
    assert [json.loads(line) for line in printed.out.splitlines()] == [
        {"file": str(file), "output": str(path)} for file, path in zip((first, second, first), written, strict=True)
    ]
    assert "none.jpg: No such file" in printed.err
    assert [Image.open(path).size for path in written] == [SIZE[::-1]] * 3
    assert written[0].read_bytes() == written[2].read_bytes() != written[1].read_bytes()
    assert call(colour_dir, first, "--output_dir", output_dir) == 1
    assert f"{written[0]} is there already; --overwrite replaces it" in capfd.readouterr().err
    assert call(colour_dir, first, "--output_dir", output_dir, "--overwrite") == 0
    assert written[0].name in re.sub(r"[│\s]", "", capfd.readouterr().out)


def test_a_folder_for_images_goes_with_a_model_of_images(
    colour_dir: Path, run_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for arguments, message in (
        ((colour_dir, "x.jpg"), "--output_dir: got None, expected a local folder"),
        ((colour_dir, "x.jpg", "--output_dir", "gs://bucket/x"), "expected a local folder"),
        ((colour_dir, "x.jpg", "--output_dir", tmp_path / "file"), "expected a folder that can be written"),
        ((run_dir, "x.jpg", "--output_dir", tmp_path), "this model gives classes"),
        ((colour_dir, "x.jpg", "--output_dir", tmp_path / "new", "--top_k", 2), "this model gives images"),
    ):
        assert call(*arguments) == 2
        assert message in capfd.readouterr().err


def test_what_is_no_model_ends_with_code_2(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call(tmp_path / "nowhere", "x.jpg") == 2
    assert "error: MODEL_DIR: got" in capfd.readouterr().err
    assert call(tmp_path) == 2
    assert "error: FILE: got None, expected a value" in capfd.readouterr().err


def test_a_damaged_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"no protobuf at all")
    with pytest.raises(ConfigError, match="MODEL_DIR: .*expected a SavedModel with a signature that takes image_bytes"):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("images", "expected a SavedModel with a signature that takes image_bytes"),
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
