from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image

from trainer.doctor import chart
from trainer.doctor.findings import Findings, Training

MakeFindings = Callable[..., Findings]
MakeTraining = Callable[..., Training]


def draw(findings: Findings) -> Image.Image:
    image = Image.open(io.BytesIO(chart.draw(findings)))
    assert image.format == "PNG"
    assert image.width == 1200
    return image


def has_colour(image: Image.Image, colour: str) -> bool:
    wanted = tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return any(pixel[:3] == wanted for _, pixel in image.getcolors(image.width * image.height) or ())


def test_a_bar_for_each_stage_and_the_binding_one_in_orange(make_findings: MakeFindings) -> None:
    short = draw(make_findings(stages={"read": 5e4, "decode": 4e3}))
    long = draw(make_findings())
    assert long.height > short.height
    assert has_colour(long, "#d9731a")
    assert has_colour(long, "#2b4f73")


def test_a_training_adds_its_timeline(make_findings: MakeFindings, make_training: MakeTraining) -> None:
    plain = draw(make_findings())
    trained = draw(make_findings(training=make_training(0.02), stages={"read": 5e4, "decode": 4e3, "step": 640.0}))
    assert trained.height > plain.height + 150


@pytest.mark.parametrize(
    "changes",
    [
        {"encoding": "none", "image_size": None, "bare_decode": None, "stages": {"read": 3e5, "parse": 2e5}},
        {"bare_decode": 30_000.0, "bare_copy": 31_000.0},
        {"stages": {"read": 3.0, "parse": 2.0, "decode": 0.5}, "pipeline": 0.4},
        {"is_accelerated": True, "device": "GPU", "stages": {"read": 3e4, "decode": 4e3, "transfer": 2e4}},
    ],
)
def test_all_kinds_of_findings_can_be_drawn(changes: dict[str, object], make_findings: MakeFindings) -> None:
    draw(make_findings(**changes))


def test_equal_findings_give_equal_pictures(make_findings: MakeFindings) -> None:
    assert chart.draw(make_findings()) == chart.draw(make_findings())
