"""`trainer.vertex predict`: images to an endpoint and back, in requests that are small enough."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etl.errors import run_main
from tests.fakes.vertex.routes import RefusedError
from tests.fakes.vertex.server import VertexServer
from tests.fakes.vertex.serving import CLASS_NAMES
from tests.trainer.vertex.conftest import Run
from tests.trainer.vertex.deployed import PutModel
from trainer import predict
from trainer.serving import app
from trainer.serving.instances import BadRequestError
from trainer.vertex.prediction import online


@pytest.fixture
def deployed(deploy: Run, put_model: PutModel, vertex: VertexServer, capsys: pytest.CaptureFixture[str]) -> None:
    """An endpoint with a model."""
    assert deploy(put_model(1)) == 0
    vertex.calls.clear()
    capsys.readouterr()


@pytest.mark.usefixtures("deployed")
def test_answers_come_as_from_a_model_here(
    vertex: VertexServer, command: Run, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("predict", *photos, "--format", "json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == list(map(str, photos))
    assert [line["class_str"] for line in lines] == list(CLASS_NAMES)
    assert all(set(line) == {"file", "class_str", "class_int", "probability", "probabilities"} for line in lines)
    assert [type(line["class_int"]) for line in lines] == [int] * 3
    assert vertex.short_calls() == ["GET endpoints", "POST endpoints/*:predict"]
    (body,) = vertex.bodies("POST endpoints/*:predict")
    assert base64.b64decode(body["instances"][1]["image_bytes"]["b64"]) == photos[1].read_bytes()
    assert command("predict", photos[0].parent) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in ("file", "class", "probability", *CLASS_NAMES))


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("is_tensorflow_serving", "prefix", "num_requests"), [(False, "", 3), (True, "can't be decoded: ", 9)]
)
def test_a_bad_file_does_not_touch_the_others(
    vertex: VertexServer,
    command: Run,
    photos: list[Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    is_tensorflow_serving: bool,
    prefix: str,
    num_requests: int,
) -> None:
    vertex.state["is_tensorflow_serving"] = is_tensorflow_serving
    bad, worse, missing = (tmp_path / name for name in ("bad.jpg", "worse.jpg", "missing.jpg"))
    bad.write_bytes(b"no image at all")
    worse.write_bytes(b"neither")
    assert command("predict", photos[0], bad, photos[1], missing, photos[2], worse, "--format", "json") == 1
    out, err = capsys.readouterr()
    assert [json.loads(line)["class_str"] for line in out.splitlines()] == list(CLASS_NAMES)
    why = f"{prefix}Unknown image file format. One of JPEG, PNG, GIF, BMP required."
    assert err.splitlines() == [
        f"error: {bad}: {why}",
        f"error: {missing}: No such file or directory",
        f"error: {worse}: {why}",
    ]
    assert len(vertex.bodies("POST endpoints/*:predict")) == num_requests


@pytest.mark.usefixtures("deployed")
def test_large_photographs_go_alone_and_too_large_ones_not_at_all(
    vertex: VertexServer, command: Run, tmp_path: Path, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    # What follows a JPEG's end is no part of the picture.
    for number, size in enumerate((600_000, 600_000, 1_120_000, 1_200_000)):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(photos[0].read_bytes() + bytes(size))
    assert command("predict", *files, "--format", "json") == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert re.search(r"3.jpg: 1,20\d,\d+ bytes are too many for a request", err)
    assert [len(body["instances"]) for body in vertex.bodies("POST endpoints/*:predict")] == [1, 1, 1]


@pytest.mark.usefixtures("deployed")
def test_images_of_a_coloriser_are_written(
    vertex: VertexServer, command: Run, photos: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vertex.state["predictor"] = lambda data: {"pixels": [[[255, 0, 0], [0, 255, 0]]]}
    assert command("predict", photos[0], "--output_dir", tmp_path / "out") == 0
    with Image.open(tmp_path / "out" / "0-colours.png") as picture:
        assert picture.getpixel((1, 0)) == (0, 255, 0)
    assert command("predict", photos[0]) == 1
    assert "a model of colours needs --output_dir" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, 2, "asking endpoint .*roles/aiplatform.user"),
        (429, 1, "the quota"),
        (500, 1, "INTERNAL"),
    ],
)
@pytest.mark.usefixtures("deployed")
def test_an_endpoint_that_refuses_is_one_line(
    vertex: VertexServer,
    command: Run,
    photos: list[Path],
    capsys: pytest.CaptureFixture[str],
    status: int,
    code: int,
    message: str,
) -> None:
    vertex.fail("POST", ":predict", status, "custom_model_serving is refused", times=100)
    assert command("predict", *photos) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1
    assert re.search(message, lines[0])


def test_an_endpoint_that_is_not_there(
    vertex: VertexServer, command: Run, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("predict", photos[0]) == 2
    assert "--endpoint: got 'petalstream', expected an endpoint" in capsys.readouterr().err
    assert command("predict", photos[0], "--endpoint", "123") == 2
    assert "python -m trainer.vertex list endpoints" in capsys.readouterr().err


def test_the_request_is_printed(
    vertex: VertexServer, command: Run, photos: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("predict", *photos, "--dry_run") == 0
    shown = capsys.readouterr().out
    texts = [instance["image_bytes"]["b64"] for instance in yaml.safe_load(shown)["instances"]]
    assert len(texts) == len(photos)
    for text, photo in zip(texts, photos, strict=True):
        whole = base64.b64encode(photo.read_bytes()).decode()
        assert text == f"{whole[:24]}... ({len(whole):,} characters)"
    assert vertex.calls == []


def test_nothing_to_ask_about_is_an_error(
    vertex: VertexServer, command: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for flags in ((), ("--dry_run",)):
        assert command("predict", tmp_path, *flags) == 2
        assert capsys.readouterr().err.startswith(f"error: FILE: got '{tmp_path}', expected files, folders that hold")
    assert vertex.calls == []


@pytest.mark.usefixtures("deployed")
def test_a_real_model_says_there_what_it_says_here(
    vertex: VertexServer,
    command: Run,
    photos: list[Path],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("tensorflow")
    # Only now, since it trains the model.
    served_model, run_dir = request.getfixturevalue("served_model"), request.getfixturevalue("run_dir")

    def answer_request(data: bytes) -> dict[str, Any]:
        try:
            (answer,) = app.answer(served_model, [data])
        except BadRequestError as error:
            raise RefusedError(400, str(error).removeprefix("instance 0: ")) from error
        return dict(answer)

    vertex.state["predictor"] = answer_request
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(photos[0].read_bytes()[:300])
    files = [*photos, bad]
    assert command("predict", *files, "--format", "json") == 1
    there = capsys.readouterr()
    assert run_main(predict.main, [str(run_dir), *map(str, files), "--format", "json"]) == 1
    here = capsys.readouterr()
    answers, wanted = ([json.loads(line) for line in shown.out.splitlines()] for shown in (there, here))
    # The last bits depend on how many are asked about at once.
    assert answers == [
        {**line, **{name: pytest.approx(line[name], rel=1e-5) for name in ("probability", "probabilities")}}
        for line in wanted
    ]
    assert [line["file"] for line in wanted] == list(map(str, photos))
    assert there.err == here.err
    assert here.err.startswith(f"error: {bad}: ")


@given(st.lists(st.integers(0, 1_300_000), max_size=12))
def test_batches_hold_all_images_in_order_and_fit(sizes: list[int]) -> None:
    images = [bytes(size) for size in sizes]
    batches = list(online.make_batches(images))
    assert [image for batch in batches for image in batch] == images
    for batch in batches:
        body: dict[str, Any] = {"instances": [online.make_instance(image) for image in batch]}
        if online.fits(batch[0]):
            assert len(json.dumps(body)) <= online.MAX_REQUEST_BYTES
        else:
            assert len(batch) == 1
