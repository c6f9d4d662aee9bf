"""The schedule of trials: the same, whatever order their results come in."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ConfigError, DatasetError
from tests.trainer.tune.jobs import BATCH, DISTORT, HIDDEN, L2, make_job
from trainer.tune import search, spec
from trainer.tune.parameters import Value
from trainer.tune.results import COMPLETED, FAILED, STOPPED, Result
from trainer.tune.schedule import Schedule, StudyFailedError
from trainer.tune.spec import GRID, RANDOM, Spec


def make(*parameters: dict[str, Any], study: dict[str, Any] | None = None, **job: Any) -> Spec:
    return spec.read(make_job(*parameters, study=study, **job))


def judge(trial: int, values: Mapping[str, Value]) -> Result:
    """A trial's end, as a function of its parameters alone: some stop early, some fail."""
    score = -abs(float(values["num_hidden"]) - 40) / 64
    curve = {1: score - 0.2, 2: score}
    if int(values["num_hidden"]) % 7 == 0:
        return Result(trial, values, FAILED, None, {}, 0.0, "broke")
    if int(values["num_hidden"]) % 5 == 0:
        return Result(trial, values, STOPPED, curve[1], {1: curve[1]}, 0.0)
    return Result(trial, values, COMPLETED, score, curve, 0.0)


def play(study: Spec, seed: int, max_trials: int, at_once: int, dice: random.Random) -> list[Result]:
    """Runs a study whose trials end in an order that dice decide."""
    schedule = Schedule(study, seed, max_trials, {})
    running: dict[int, Mapping[str, Value]] = {}
    while waiting := schedule.waiting():
        assert len(waiting) <= study.parallel_trials
        for trial, values in waiting.items():
            if trial not in running and len(running) < at_once:
                running[trial] = values
        trial = dice.choice(sorted(running))
        schedule.end(judge(trial, running.pop(trial)))
    return schedule.results


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1),
    parallel=st.integers(1, 4),
    algorithm=st.sampled_from([spec.BAYESIAN, RANDOM, GRID]),
    data=st.data(),
)
def test_neither_the_order_of_ends_nor_the_number_at_once_changes_anything(
    seed: int, parallel: int, algorithm: str, data: st.DataObject
) -> None:
    second = BATCH if algorithm == GRID else L2
    study = make(HIDDEN, second, study={"algorithm": algorithm}, parallelTrialCount=parallel, maxFailedTrialCount=99)
    one = play(study, seed, 14, 1, random.Random(0))
    other = play(study, seed, 14, data.draw(st.integers(1, parallel)), random.Random(data.draw(st.integers(0, 99))))
    assert one == other
    assert [result.trial for result in one] == list(range(1, 15))
    # What is known already is not asked for again, also where the last ones had not ended in their order.
    kept = data.draw(st.sets(st.sampled_from(range(1, 15))))
    known = {result.trial: result for result in one if result.trial in kept}
    schedule = Schedule(study, seed, 14, known)
    while waiting := schedule.waiting():
        trial, values = max(waiting.items())
        assert trial not in known
        schedule.end(judge(trial, values))
    assert schedule.results == one


@pytest.mark.parametrize("algorithm", [spec.BAYESIAN, RANDOM, GRID])
def test_no_trial_is_proposed_twice_and_a_small_space_is_gone_through(algorithm: str) -> None:
    study = make(BATCH, DISTORT, study={"algorithm": algorithm}, parallelTrialCount=2)
    schedule = Schedule(study, 5, 50, {})
    while waiting := schedule.waiting():
        trial, values = min(waiting.items())
        schedule.end(Result(trial, values, COMPLETED, float(values["batch_size"]), {1: 0.5}, 0.0))
    found = [tuple(result.parameters.values()) for result in schedule.results]
    assert sorted(found) == sorted(itertools.product((16, 32, 64), ("0", "1")))


def mean_distance(algorithm: str, seed: int) -> float:
    """How far from the best value an algorithm's later trials are, on the mean."""
    schedule = Schedule(make(HIDDEN, L2, study={"algorithm": algorithm}), seed, 30, {})
    distances = []
    while waiting := schedule.waiting():
        trial, values = min(waiting.items())
        distances.append(abs(int(values["num_hidden"]) - 40))
        schedule.end(Result(trial, values, COMPLETED, -float(distances[-1]), {1: -float(distances[-1])}, 0.0))
    return sum(distances[15:]) / 15


def test_the_default_algorithm_learns_from_what_it_is_told() -> None:
    learnt, drawn = (sum(mean_distance(algorithm, seed) for seed in range(3)) for algorithm in (spec.BAYESIAN, RANDOM))
    assert learnt < 0.7 * drawn


def test_other_seeds_give_other_trials() -> None:
    study = make(HIDDEN, L2)
    assert Schedule(study, 1, 3, {}).waiting() != Schedule(study, 2, 3, {}).waiting()


def test_what_was_known_to_a_trial_is_what_had_ended_when_it_was_proposed() -> None:
    schedule = Schedule(make(HIDDEN, L2, parallelTrialCount=2, maxFailedTrialCount=99), 0, 4, {})
    assert list(schedule.waiting()) == [1, 2]
    schedule.end(judge(2, schedule.waiting()[2]))
    # The second trial can't do without the first.
    assert list(schedule.waiting()) == [1]
    schedule.end(judge(1, schedule.waiting()[1]))
    assert list(schedule.waiting()) == [3, 4]
    assert [result.trial for result in schedule.results_before(3)] == [1]
    assert [result.trial for result in schedule.results_before(4)] == [1, 2]
    assert list(schedule.results_before(1)) == []


def fail(trial: int, values: Mapping[str, Value]) -> Result:
    return Result(trial, values, FAILED, None, {}, 0.0, f"broke {trial}")


def test_a_study_fails_with_as_many_trials_as_it_says() -> None:
    schedule = Schedule(make(HIDDEN, L2, maxFailedTrialCount=2), 0, 6, {})
    first, second = schedule.waiting().items()
    # Counted in the trials' order: the second one alone says nothing yet.
    schedule.end(fail(*second))
    with pytest.raises(StudyFailedError, match=r"2 trials failed \(maxFailedTrialCount\); the last one: broke 2"):
        schedule.end(fail(*first))


def test_without_a_number_a_study_fails_with_three_in_a_row() -> None:
    schedule = Schedule(make(HIDDEN, L2, parallelTrialCount=1), 0, 9, {})
    for trial in range(1, 7):
        values = schedule.waiting()[trial]
        schedule.end(Result(trial, values, COMPLETED, 0.5, {1: 0.5}, 0.0) if trial == 3 else fail(trial, values))
        if trial == 5:
            break
    with pytest.raises(StudyFailedError, match="3 trials in a row failed; the last one: broke 6"):
        schedule.end(fail(6, schedule.waiting()[6]))


def test_results_of_another_study_are_refused() -> None:
    known = {1: Result(1, {"num_hidden": 3, "l2": 0.1}, COMPLETED, 0.5, {1: 0.5}, 0.0)}
    with pytest.raises(DatasetError, match="trial 1 has other parameters than would be proposed now"):
        Schedule(make(HIDDEN, L2), 0, 3, known)


def test_without_optuna_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    search.check_installed()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"expected the package Optuna; pip install 'petalstream\[tune\]'"):
        search.check_installed()
