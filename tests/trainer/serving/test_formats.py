"""`--serving_formats extra`: the exported model takes plain AVIF, TIFF and JPEG 2000, where tensorflow-io loads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from etl.errors import ConfigError
from etl.images import normalise
from tests.trainer.conftest import Run, Train
from trainer.serving.served_model import load
from trainer.serving.signatures import load_formats

KINDS = {"TIFF": ".tif", "JPEG2000": ".jp2", "AVIF": ".avif"}


def is_available() -> bool:
    try:
        load_formats("extra")
    except ConfigError:
        return False
    return True


def write(path: Path, kind: str, seed: int) -> Path:
    """Writes a picture in the plainest form of its kind."""
    options = {"subsampling": "4:4:4"} if kind == "AVIF" else {}
    coarse = np.random.default_rng(seed).integers(70, 180, (5, 6, 3), np.uint8)
    Image.fromarray(coarse).resize((48, 40), Image.Resampling.BICUBIC).save(path, kind, **options)
    return path


def test_where_it_can_not_be_had_it_is_one_line_before_any_work(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if is_available():
        pytest.skip("tensorflow-io loads here")
    assert train(tmp_path / "run", "--serving_formats", "extra") == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "--serving_formats: got 'extra', expected" in error
    assert error.endswith("AVIF, TIFF and JPEG 2000 need TensorFlow 2.16 and: pip install 'petalstream[io]'")
    assert not (tmp_path / "run").exists()


def test_a_model_that_needs_it_is_refused_where_it_is_not(run: Run, tmp_path: Path) -> None:
    if is_available():
        pytest.skip("tensorflow-io loads here")
    copy = tmp_path / "model"
    (copy / "assets.extra").mkdir(parents=True)
    (copy / "saved_model.pb").write_bytes((run.folder / "model" / "saved_model.pb").read_bytes())
    (copy / "assets.extra" / "petalstream.json").write_text('{"serving_formats": "extra"}', encoding="utf-8")
    with pytest.raises(ConfigError, match="^MODEL_DIR: got 'extra', expected .*; AVIF, TIFF and JPEG 2000 need"):
        load(str(copy))


def test_by_default_the_model_asks_for_nothing(run: Run) -> None:
    description = json.loads((run.folder / "model" / "assets.extra" / "petalstream.json").read_text(encoding="utf-8"))
    assert description["serving_formats"] == "standard"
    assert b"IO>Decode" not in (run.folder / "model" / "saved_model.pb").read_bytes()


def test_the_answers_are_those_for_the_same_pixels(train: Train, tmp_path: Path) -> None:
    if not is_available():
        pytest.skip("tensorflow-io doesn't load here: make test-compat runs this")
    assert train(tmp_path / "run", "--serving_formats", "extra", "--num_epochs", "1") == 0
    model_dir = tmp_path / "run" / "model"
    description = json.loads((model_dir / "assets.extra" / "petalstream.json").read_text(encoding="utf-8"))
    assert description["serving_formats"] == "extra"
    paths = [write(tmp_path / f"{seed}{suffix}", kind, seed) for seed in (1, 2) for kind, suffix in KINDS.items()]
    model = load(str(model_dir))
    answers = model([path.read_bytes() for path in paths])
    pngs = []
    for path in paths:
        stream = io.BytesIO()
        Image.fromarray(normalise.decode_rgb(path.read_bytes())).save(stream, "PNG")
        pngs.append(stream.getvalue())
    # The pixels of an AVIF are off by a level at most.
    np.testing.assert_allclose(answers["probabilities"], model(pngs)["probabilities"], rtol=0, atol=0.02)
    # In a process that knows nothing of it yet.
    command = [sys.executable, "-m", "trainer.predict", str(model_dir), *map(str, paths), "--format", "json"]
    result = subprocess.run(command, cwd=Path(__file__).parents[3], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["class_int"] for line in lines] == answers["class_int"].tolist()
