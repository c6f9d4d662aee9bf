"""Hyperparameters of models: from text to values, and values that are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from trainer.models import HYPERPARAMETERS, MODELS, resolve


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("l1", "0.5", 0.5),
        ("num_hidden", "16", 16),
        ("num_hidden", "16.0", 16),
        ("with_color_distort", "1.0", True),
        ("with_color_distort", "1", True),
        ("with_color_distort", "False", False),
        ("weights", "gs://bucket/some.h5", "gs://bucket/some.h5"),
        ("unfreeze_from", "", ""),
        ("alpha", "0.35", 0.35),
        ("crop_ratio", "1", 1.0),
    ],
)
def test_text_becomes_a_value_of_its_kind(name: str, text: str, value: object) -> None:
    parsed = HYPERPARAMETERS[name].parse(text)
    assert parsed == value
    assert type(parsed) is HYPERPARAMETERS[name].kind


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l1", "much", "--l1: got 'much', expected L1 penalty"),
        ("l1", "-1", "--l1: got -1.0, expected L1 penalty"),
        ("num_hidden", "2.5", "--num_hidden: got '2.5', expected units"),
        ("dropout", "nan", "--dropout: got nan, expected share"),
        ("with_color_distort", "maybe", "--with_color_distort: got 'maybe', expected whether"),
        ("alpha", "0.4", "--alpha: got 0.4, expected MobileNetV2's width, one of 0.35, 0.5, 0.75, 1"),
        ("crop_ratio", "1.2", "--crop_ratio: got 1.2, expected share"),
    ],
)
def test_other_text_is_refused_in_one_line(name: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        HYPERPARAMETERS[name].parse(text)


@given(
    value=st.one_of(st.integers(-5, 10**12), st.floats(), st.booleans(), st.text()),
    name=st.sampled_from(list(HYPERPARAMETERS)),
)
def test_what_is_accepted_comes_back_from_the_text_that_shows_it(value: object, name: str) -> None:
    rule = HYPERPARAMETERS[name]
    try:
        rule.check(value)  # type: ignore[arg-type]
    except ConfigError:
        return
    # %g keeps six digits, and an empty text is shown in words.
    if rule.kind is not str:
        assert rule.parse(rule.show(value)) == pytest.approx(value, rel=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MODELS)
def test_defaults_are_values_that_are_accepted(name: str) -> None:
    defaults = resolve(name, {})
    assert resolve(name, defaults) == defaults
    assert all(value is not None for option, value in defaults.items() if name != "embedding_head")


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("mobilenet", "with_color_distort", 1),
        ("mobilenet", "weights", 3),
        ("mobilenet", "weights", None),
        ("cnn", "num_hidden", True),
        ("cnn", "num_hidden", 1.5),
        ("cnn", "dropout", float("inf")),
        ("cnn", "dropout", "0.5"),
    ],
)
def test_a_value_of_another_kind_is_refused(name: str, option: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"--{option}: got {value!r}, expected"):
        resolve(name, {option: value})  # type: ignore[dict-item]
