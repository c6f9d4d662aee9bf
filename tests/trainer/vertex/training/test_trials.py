"""A study's trials: the best, as flags, and the ranges around it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ConfigError
from trainer.vertex.training import trials
from trainer.vertex.training.trials import Study

PARAMETERS: list[dict[str, Any]] = [
    {"parameterId": "l2", "scaleType": "UNIT_LOG_SCALE", "doubleValueSpec": {"minValue": 1e-6, "maxValue": 1e-1}},
    {"parameterId": "batch_size", "discreteValueSpec": {"values": [16, 32, 64, 128]}},
    {"parameterId": "num_hidden", "integerValueSpec": {"minValue": "8", "maxValue": "256"}},
    {"parameterId": "with_color_distort", "categoricalValueSpec": {"values": ["0", "1"]}},
]


def make_trial(number: int, score: float | None, *values: Any, state: str = "SUCCEEDED") -> dict[str, Any]:
    names = [parameter["parameterId"] for parameter in PARAMETERS]
    trial: dict[str, Any] = {
        "id": str(number),
        "state": state,
        "parameters": [{"parameterId": name, "value": value} for name, value in zip(names, values, strict=False)],
    }
    if score is not None:
        trial["finalMeasurement"] = {"metrics": [{"metricId": "accuracy", "value": score}]}
    return trial


def make_study(*made: dict[str, Any], goal: str = "MAXIMIZE", algorithm: str | None = None) -> Study:
    spec: dict[str, Any] = {"metrics": [{"metricId": "accuracy", "goal": goal}], "parameters": PARAMETERS}
    if algorithm:
        spec["algorithm"] = algorithm
    return Study({"name": "projects/p/locations/r/hyperparameterTuningJobs/7", "studySpec": spec, "trials": list(made)})


STUDY = (
    make_trial(1, 0.7, 1e-4, 32.0, 64.0, "0"),
    make_trial(2, 0.9, 1e-3, 64.0, 100.0, "1"),
    make_trial(3, None, 1e-1, 16.0, 8.0, "0", state="INFEASIBLE"),
    make_trial(4, 0.8, 3e-3, 64.0, 128.0, "1"),
    make_trial(5, 0.9, 2e-3, 64.0, 110.0, "1"),
    make_trial(6, 0.99, 2e-3, 64.0, 110.0, "1", state="STOPPED"),
    make_trial(7, float("nan"), 2e-3, 64.0, 110.0, "1"),
)


def test_the_best_trial_is_the_first_of_the_best_that_succeeded() -> None:
    assert [trial["id"] for trial in make_study(*STUDY).ranked()] == ["2", "5", "4", "1"]
    assert [trial["id"] for trial in make_study(*STUDY, goal="MINIMIZE").ranked()] == ["1", "4", "2", "5"]


def test_the_best_of_several_studies() -> None:
    better = make_study(make_trial(1, 0.95, 1e-5))
    study, trial = trials.best_of([make_study(*STUDY), better, make_study()])
    assert study is better
    assert trial["id"] == "1"
    minimised = [make_study(*STUDY, goal="MINIMIZE"), make_study(make_trial(1, 0.95), goal="MINIMIZE")]
    assert trials.best_of(minimised)[1]["id"] == "1"
    assert trials.best_of(minimised)[0] is minimised[0]


def test_without_a_trial_that_succeeded_there_is_no_best() -> None:
    with pytest.raises(ConfigError, match="--from_best_trial: got .*Jobs/7.*a trial that succeeded"):
        trials.best_of([make_study(STUDY[2])])


def test_values_become_flags_as_the_trainer_takes_them() -> None:
    expected = ["--l2=0.001", "--batch_size=64", "--num_hidden=100", "--with_color_distort=1"]
    assert make_study(*STUDY).flags(STUDY[1]) == expected
    # A value of 0 isn't in the API's JSON.
    zero = {"parameters": [{"parameterId": "l2"}]}
    assert make_study().flags(zero) == ["--l2=0"]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_formatted_value_is_the_same_number(value: float) -> None:
    assert float(trials.format_value(value)) == value


def test_extremes() -> None:
    ends = [trials.extremes(parameter) for parameter in PARAMETERS]
    assert ends == [("1e-06", "0.1"), ("16", "128"), ("8", "256"), ("0", "1")]


def test_the_ranges_shrink_around_the_best() -> None:
    l2, batch_size, num_hidden, distort = trials.narrow(make_study(*STUDY))
    # The best three: 2, 5 and 4.
    assert 1e-6 < l2["doubleValueSpec"]["minValue"] < 1e-3
    assert 3e-3 < l2["doubleValueSpec"]["maxValue"] < 1e-1
    assert batch_size["discreteValueSpec"]["values"] == [32, 64, 128]
    assert num_hidden["integerValueSpec"] == {"minValue": 62, "maxValue": 166}
    assert distort["categoricalValueSpec"]["values"] == ["1"]
    assert l2["scaleType"] == "UNIT_LOG_SCALE"


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.floats(1e-6, 1e-1),
            st.sampled_from([16.0, 32.0, 64.0, 128.0]),
            st.integers(8, 256).map(float),
            st.sampled_from(["0", "1"]),
        ),
        min_size=3,
        max_size=20,
    )
)
def test_narrowed_ranges_hold_the_best_and_stay_within_the_old(values: list[tuple[Any, ...]]) -> None:
    study = make_study(*(make_trial(number, *value) for number, value in enumerate(values, 1)))
    best = [entry["value"] for entry in study.ranked()[0]["parameters"]]
    l2, batch_size, num_hidden, distort = trials.narrow(study)
    for made, old, value in ((l2, PARAMETERS[0], best[0]), (num_hidden, PARAMETERS[2], best[2])):
        kind = next(name for name in made if name.endswith("ValueSpec"))
        low, high = made[kind]["minValue"], made[kind]["maxValue"]
        assert low <= value * (1 + 1e-12)
        assert value <= high * (1 + 1e-12)
        assert low >= float(old[kind]["minValue"])
        assert high <= float(old[kind]["maxValue"])
    assert best[1] in batch_size["discreteValueSpec"]["values"]
    assert best[3] in distort["categoricalValueSpec"]["values"]


def test_what_cannot_be_gone_on_from() -> None:
    with pytest.raises(ConfigError, match="--resume_from: got .*a study that isn't a grid"):
        trials.narrow(make_study(*STUDY, algorithm="GRID_SEARCH"))
    with pytest.raises(ConfigError, match="3 trials that succeeded, not 2"):
        trials.narrow(make_study(*STUDY[:2]))


def test_the_table_has_the_best_first(capsys: pytest.CaptureFixture[str]) -> None:
    trials.print_trials(make_study(*STUDY), [make_study(make_trial(9, 0.95, 1e-5))])
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if "succeeded" in line or "infeasible" in line or "stopped" in line]
    assert "0.9000" in rows[0]
    assert "infeasible" in rows[4]
    assert lines[-1] == "before, trial 9 of projects/p/locations/r/hyperparameterTuningJobs/7: 0.9500"
