"""The arithmetic of steps: every worker takes the same steps, and every batch comes once."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from trainer.position import Position


@st.composite
def positions(draw: st.DrawFn) -> Position:
    data_steps = draw(st.integers(1, 12))
    is_ragged = draw(st.booleans()) and data_steps > 1
    return Position(
        step=0,
        num_epochs=draw(st.integers(1, 4)),
        steps_per_epoch=draw(st.one_of(st.just(data_steps), st.integers(1, 20))),
        epoch_examples=1,
        data_steps=data_steps,
        own_steps=data_steps - (is_ragged and draw(st.booleans())),
        is_ragged=is_ragged,
    )


@given(begin=positions(), at_most=st.integers(1, 7), every=st.one_of(st.none(), st.integers(1, 9)))
def test_steps_reach_the_end_and_stop_where_something_is_due(begin: Position, at_most: int, every: int | None) -> None:
    position, stops, own = begin, [], 0
    while position.step < position.num_steps:
        number = position.count_steps(at_most, every)
        assert 1 <= number <= at_most
        # All in one call have a batch of their own, or the only one has none.
        has_own = {position.at(step).has_own_batch for step in range(position.step, position.step + number)}
        assert len(has_own) == 1
        assert number == 1 or has_own == {True}
        own += number if position.has_own_batch else 0
        position = position.at(position.step + number)
        stops.append(position.step)
    assert position.num_epochs_done == begin.num_epochs
    assert set(range(begin.steps_per_epoch, begin.num_steps + 1, begin.steps_per_epoch)) <= set(stops)
    if every is not None:
        assert set(range(every, begin.num_steps + 1, every)) <= set(stops)
    passes, rest = divmod(begin.num_steps, begin.data_steps)
    assert own == passes * begin.own_steps + min(rest, begin.own_steps)


@given(begin=positions(), at_most=st.integers(1, 7), every=st.one_of(st.none(), st.integers(1, 9)))
def test_workers_with_and_without_a_last_batch_take_the_same_steps(
    begin: Position, at_most: int, every: int | None
) -> None:
    other = Position(**{**{name: getattr(begin, name) for name in begin.__slots__}, "own_steps": begin.data_steps})
    step = 0
    while step < begin.num_steps:
        number = begin.at(step).count_steps(at_most, every)
        assert number == other.at(step).count_steps(at_most, every)
        step += number
    assert step == math.prod((begin.num_epochs, begin.steps_per_epoch))
