"""One parameter: from the file to what is drawn, and from there to a flag."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from tests.trainer.tune.jobs import BATCH, DISTORT, HIDDEN, L2
from trainer.tune import parameters
from trainer.tune.parameters import LINEAR, LOG, REVERSE_LOG, Parameter
from trainer.tune.plot import place, ticks

SCALES = st.sampled_from([LINEAR, LOG, REVERSE_LOG])


def change(parameter: dict[str, Any], spec: str, **fields: Any) -> dict[str, Any]:
    return {**parameter, spec: {**parameter.get(spec, {}), **fields}}


@st.composite
def ranges(draw: st.DrawFn) -> Parameter:
    scale = draw(SCALES)
    kind = draw(st.sampled_from(["DOUBLE", "INTEGER"]))
    if kind == "INTEGER":
        low = draw(st.integers(1, 1000))
        return Parameter("n", kind, low, low + draw(st.integers(0, 1000)), scale=scale)
    low = draw(st.floats(1e-8, 1e3))
    return Parameter("x", kind, low, low * draw(st.floats(1, 1e6)), scale=scale)


@given(parameter=ranges(), seed=st.integers(0, 2**32 - 1))
def test_what_is_drawn_lies_between_the_bounds_and_its_flag_says_it_exactly(parameter: Parameter, seed: int) -> None:
    from optuna.samplers import RandomSampler
    from optuna.study import create_study

    trial = create_study(sampler=RandomSampler(seed=seed)).ask({parameter.name: parameter.distribution()})
    value = parameter.to_value(trial.params[parameter.name])
    assert parameter.low <= float(value) <= parameter.high
    kind = int if parameter.kind == "INTEGER" else float
    assert type(value) is kind
    name, text = parameter.flag(value).split("=")
    assert (name, kind(text)) == (f"--{parameter.name}", value)
    assert -1e-9 <= place(parameter, value) <= 1 + 1e-9


@given(parameter=ranges())
def test_bounds_are_corners_and_the_ends_of_the_axis(parameter: Parameter) -> None:
    assert set(parameter.corners()) == {parameter.low, parameter.high}
    if parameter.low * (1 + 1e-6) < parameter.high:
        assert place(parameter, parameter.low) == pytest.approx(0, abs=1e-6)
        assert place(parameter, parameter.high) == pytest.approx(1, abs=1e-6)
    assert all(-1e-6 <= height <= 1 + 1e-6 for height, _ in ticks(parameter))


# Of a range of four decades the middle splits a linear draw in halves; below it is all but log(2)/log(10^4), 0.075, of
# a logarithmic one.
@pytest.mark.parametrize(("scale", "below"), [(LINEAR, 0.5), (LOG, 0.925), (REVERSE_LOG, 0.075)])
def test_a_scale_says_where_values_are_dense(scale: str, below: float) -> None:
    from optuna.samplers import RandomSampler
    from optuna.study import create_study

    parameter = Parameter("x", "DOUBLE", 1e-4, 1.0, scale=scale)
    study = create_study(sampler=RandomSampler(seed=3))
    trials = [study.ask({"x": parameter.distribution()}) for _ in range(400)]
    values = [float(parameter.to_value(trial.params["x"])) for trial in trials]
    share = sum(value < 0.5 for value in values) / len(values)
    assert share == pytest.approx(below, abs=0.06)


@given(values=st.lists(st.integers(-1000, 1000), min_size=1, max_size=20, unique=True).map(sorted), data=st.data())
def test_discrete_values_are_drawn_by_their_places(values: list[int], data: st.DataObject) -> None:
    parameter = parameters.read({"parameterId": "n", "discreteValueSpec": {"values": values}}, "p")
    assert [parameter.to_value(place_) for place_ in parameter.grid()] == values == list(parameter.corners())
    assert parameter.num_values == len(values)
    value = data.draw(st.sampled_from(values))
    # Without a point, as the service gives a whole number to a flag that takes one.
    assert parameter.flag(value) == f"--n={value}"


def test_the_four_kinds_are_read() -> None:
    assert parameters.read(L2, "p") == Parameter("l2", "DOUBLE", 1e-6, 1e-1, scale=LOG)
    assert parameters.read(HIDDEN, "p") == Parameter("num_hidden", "INTEGER", 1, 64)
    assert parameters.read(BATCH, "p") == Parameter("batch_size", "DISCRETE", values=(16, 32, 64))
    assert parameters.read(DISTORT, "p") == Parameter("with_color_distort", "CATEGORICAL", values=("0", "1"))
    # As the service writes numbers of 64 bits, and as YAML reads 1e-6.
    quoted = change(HIDDEN, "integerValueSpec", minValue="1", maxValue="64")
    assert parameters.read(quoted, "p") == parameters.read(HIDDEN, "p")
    assert parameters.read(change(L2, "doubleValueSpec", minValue="1e-6"), "p") == parameters.read(L2, "p")
    # It leaves a zero out.
    dropout = change({"parameterId": "dropout"}, "doubleValueSpec", maxValue=0.5)
    assert parameters.read(dropout, "p") == Parameter("dropout", "DOUBLE", 0, 0.5)
    snake = {"parameter_id": "num_hidden", "integer_value_spec": {"min_value": 1, "max_value": 64}}
    assert parameters.read(snake, "p") == parameters.read(HIDDEN, "p")


def test_halves_stay_numbers_with_a_point() -> None:
    parameter = parameters.read({"parameterId": "l2", "discreteValueSpec": {"values": [0, 0.5, 1]}}, "p")
    assert [parameter.flag(value) for value in parameter.values] == ["--l2=0", "--l2=0.5", "--l2=1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (3, "p: got 3, expected fields"),
        ({"parameterId": "n"}, "p: got None, expected exactly one of doubleValueSpec, "),
        ({**L2, **HIDDEN}, "p: got 'doubleValueSpec, integerValueSpec', expected exactly one"),
        ({**L2, "scaleTyp": "x"}, "p.scaleTyp: got 'x', .* did you mean scaleType"),
        ({**L2, "scaleType": "LOG"}, "p.scaleType: got 'LOG', expected one of SCALE_TYPE_UNSPECIFIED, UNIT_LINEAR"),
        ({**L2, "parameterId": ""}, "p.parameterId: got '', expected a text"),
        (change(L2, "doubleValueSpec", minValue=0), "p.doubleValueSpec.minValue: got 0.0, expected a number above 0"),
        (change(L2, "doubleValueSpec", maxValue=0), "p.doubleValueSpec.maxValue: got 0.0, expected minValue"),
        (change(L2, "doubleValueSpec", maxValue="much"), "maxValue: got 'much', expected a number"),
        (change(L2, "doubleValueSpec", maxValue=None), "maxValue: got 0.0, expected minValue"),
        (change(L2, "doubleValueSpec", defaultValue=0.1), "p.doubleValueSpec.defaultValue: got 0.1, expected one of"),
        (change(HIDDEN, "integerValueSpec", maxValue=1.5), "maxValue: got 1.5, expected a whole number"),
        (change(HIDDEN, "integerValueSpec", maxValue=True), "maxValue: got True, expected a whole number"),
        (change(BATCH, "discreteValueSpec", values=[2, 1]), r"values: got \[2.0, 1.0\], expected numbers in rising"),
        (change(BATCH, "discreteValueSpec", values=[]), "values: got 0, expected 1 to 1000 values"),
        (change(BATCH, "discreteValueSpec", values=16), "values: got 16, expected a list of numbers"),
        (change(DISTORT, "categoricalValueSpec", values=[0, 1]), "values: got 0, expected texts alone; put it in quot"),
        (change(DISTORT, "categoricalValueSpec", values=["0", "0"]), "values: got .* expected each value once"),
        ({**BATCH, "conditionalParameterSpecs": [{}]}, "conditionalParameterSpecs: got 'batch_size', expected no cond"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(content: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parameters.read(content, "p")


def test_a_grid_of_integers_holds_both_bounds_and_one_of_doubles_does_not_exist() -> None:
    assert list(Parameter("n", "INTEGER", 3, 5).grid()) == [3, 4, 5]
    with pytest.raises(ConfigError, match="x: got 'DOUBLE', expected an INTEGER, CATEGORICAL or DISCRETE parameter"):
        Parameter("x", "DOUBLE", 0, 1).grid()
    assert Parameter("x", "DOUBLE", 0, 1).num_values is None
    assert list(Parameter("c", "CATEGORICAL", values=("b", "a")).grid()) == ["b", "a"]
