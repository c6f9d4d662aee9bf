"""The arithmetic of steps: every worker takes the same steps, and every batch comes once."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from trainer.training.progress import TrainingProgress


@st.composite
def progresses(draw: st.DrawFn) -> TrainingProgress:
    data_steps = draw(st.integers(1, 12))
    is_ragged = draw(st.booleans()) and data_steps > 1
    return TrainingProgress(
        step=0,
        num_epochs=draw(st.integers(1, 4)),
        steps_per_epoch=draw(st.one_of(st.just(data_steps), st.integers(1, 20))),
        epoch_examples=1,
        data_steps=data_steps,
        own_steps=data_steps - (is_ragged and draw(st.booleans())),
        is_ragged=is_ragged,
    )


@given(begin=progresses(), at_most=st.integers(1, 7), every=st.one_of(st.none(), st.integers(1, 9)))
def test_steps_reach_the_end_and_stop_where_something_is_due(
    begin: TrainingProgress, at_most: int, every: int | None
) -> None:
    progress, stops, own = begin, [], 0
    while progress.step < progress.num_steps:
        number = progress.count_steps(at_most, every)
        assert 1 <= number <= at_most
        # All in one call have a batch of their own, or the only one has none.
        has_own = {progress.at(step).has_own_batch for step in range(progress.step, progress.step + number)}
        assert len(has_own) == 1
        assert number == 1 or has_own == {True}
        own += number if progress.has_own_batch else 0
        progress = progress.at(progress.step + number)
        stops.append(progress.step)
    assert progress.num_epochs_done == begin.num_epochs
    assert set(range(begin.steps_per_epoch, begin.num_steps + 1, begin.steps_per_epoch)) <= set(stops)
    if every is not None:
        assert set(range(every, begin.num_steps + 1, every)) <= set(stops)
    passes, rest = divmod(begin.num_steps, begin.data_steps)
    assert own == passes * begin.own_steps + min(rest, begin.own_steps)


@given(begin=progresses(), at_most=st.integers(1, 7), every=st.one_of(st.none(), st.integers(1, 9)))
def test_workers_with_and_without_a_last_batch_take_the_same_steps(
    begin: TrainingProgress, at_most: int, every: int | None
) -> None:
    other = TrainingProgress(
        **{**{name: getattr(begin, name) for name in begin.__slots__}, "own_steps": begin.data_steps}
    )
    step = 0
    while step < begin.num_steps:
        number = begin.at(step).count_steps(at_most, every)
        assert number == other.at(step).count_steps(at_most, every)
        step += number
    assert step == math.prod((begin.num_epochs, begin.steps_per_epoch))


@given(
    num_examples=st.integers(1, 300),
    own_batch=st.integers(1, 20),
    num_workers=st.integers(1, 5),
    num_epochs=st.integers(1, 3),
)
def test_a_pass_has_as_many_steps_as_its_longest_share_has_batches(
    num_examples: int, own_batch: int, num_workers: int, num_epochs: int
) -> None:
    own = [math.ceil(len(range(num_examples)[worker::num_workers]) / own_batch) for worker in range(num_workers)]
    for own_steps in own:
        progress = TrainingProgress.begin(
            num_examples=num_examples,
            batch_size=own_batch * num_workers,
            num_workers=num_workers,
            own_steps=own_steps,
            num_epochs=num_epochs,
        )
        assert progress.data_steps == progress.steps_per_epoch == max(own)
        assert progress.own_steps == own_steps
        assert progress.is_ragged == (len(set(own)) > 1)
        assert progress.num_steps == num_epochs * max(own)
        assert progress.epoch_examples == num_examples


def test_an_epoch_of_its_own_length_leaves_the_passes_as_they_are() -> None:
    progress = TrainingProgress.begin(
        num_examples=36, batch_size=8, num_workers=1, own_steps=5, num_epochs=4, virtual_examples=20
    )
    assert (progress.steps_per_epoch, progress.data_steps, progress.epoch_examples) == (3, 5, 20)
