"""Keeping the best weights, stopping, and showing how it goes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.training import callbacks
from trainer.training.callbacks import BestWeights, DivergedError, Stopwatch, display, epoch_line


def see_all(best: BestWeights, epochs: list[tuple[float, float]]) -> list[bool]:
    """Shows a number of (accuracy, loss) of the validation split; the weights are the epoch's number."""
    return [
        best.update(epoch, {"loss": 1.0, "accuracy": 0.0, "val_accuracy": accuracy, "val_loss": loss}, [epoch])
        for epoch, (accuracy, loss) in enumerate(epochs, 1)
    ]


def test_the_best_accuracy_wins_and_the_lower_loss_among_equals() -> None:
    best = BestWeights("accuracy", None)
    assert see_all(best, [(0.5, 1.0), (0.7, 2.0), (0.7, 1.5), (0.6, 0.1), (0.7, 1.5)]) == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert (best.epoch, best.weights) == (3, [3])


def test_the_lowest_loss_wins_where_that_is_watched() -> None:
    best = BestWeights("loss", None)
    see_all(best, [(0.5, 1.0), (0.9, 2.0), (0.4, 0.9)])
    assert (best.epoch, best.weights) == (3, [3])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12))
def test_no_epoch_is_better_than_the_one_kept(epochs: list[tuple[int, int]]) -> None:
    best = BestWeights("accuracy", None)
    see_all(best, [(accuracy / 5, loss / 5) for accuracy, loss in epochs])
    scores = [(accuracy, -loss) for accuracy, loss in epochs]
    assert best.epoch == scores.index(max(scores)) + 1
    assert best.weights == [best.epoch]


def test_without_validation_the_last_epoch_is_kept() -> None:
    best = BestWeights("accuracy", 1)
    for epoch, loss in enumerate((1.0, 2.0, 3.0), 1):
        assert best.update(epoch, {"loss": loss, "accuracy": 1 / loss}, [epoch])
        assert not best.should_stop
    assert best.weights == [3]


def test_patience_counts_epochs_since_the_best() -> None:
    best = BestWeights("accuracy", 2)
    stops = []
    for epoch, accuracy in enumerate((0.5, 0.4, 0.6, 0.5, 0.6), 1):
        best.update(epoch, {"loss": 1.0, "accuracy": 1.0, "val_loss": 1.0, "val_accuracy": accuracy}, [])
        stops.append(best.should_stop)
    assert stops == [False, False, False, False, True]


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["loss", "val_loss", "penalty"])
def test_a_loss_that_is_no_number_ends_the_training(name: str, value: float) -> None:
    metrics = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.5, name: value}
    with pytest.raises(
        DivergedError, match=rf"the training diverged: {name} is {value} after epoch 4; a smaller --lrate"
    ):
        BestWeights("accuracy", None).update(4, metrics, [])


def test_validation_does_not_count_as_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 12.0, 15.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    watch = Stopwatch()
    watch.start()
    watch.end_training()
    assert watch.read(100, 0.5) == {"seconds": 5.0, "images_per_second": 50.0, "input_wait_share": 0.25}


def test_off_a_terminal_there_is_one_plain_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = {
        "loss": 0.5,
        "accuracy": 0.75,
        "val_loss": 0.25,
        "val_accuracy": 1.0,
        "images_per_second": 1234,
        "input_wait_share": 0.031,
        "seconds": 2,
    }
    with display(10) as shown:
        shown.advance(1, 5)
        shown.advance(1, 10)
        shown.end_epoch(epoch_line(1, 2, metrics, is_best=True))
    assert capsys.readouterr().err == (
        "epoch 1/2: loss 0.5000 (validation 0.2500), accuracy 0.7500 (1.0000), 1,234 images/s, 3% waiting, 2.0 s, "
        "best\n"
    )


def test_a_penalty_on_weights_stands_apart() -> None:
    metrics = {"loss": 0.5, "penalty": 0.125, "images_per_second": 10, "input_wait_share": 0, "seconds": 2}
    assert epoch_line(1, 1, metrics, is_best=True).startswith("epoch 1/1: loss 0.5000, penalty 0.1250, 10 images/s")


@given(
    st.integers(1, 1_000),
    st.floats(0, 1e3),
    st.floats(0, 1e5),
    st.floats(0, 1e5),
    st.sampled_from([{}, {"penalty": 0.5}, {"val_loss": 1.5, "val_accuracy": 1.0}, {"penalty": 2.5, "val_loss": 12.5}]),
)
def test_an_epochs_line_fits_into_110_columns(
    epoch: int, loss: float, rate: float, seconds: float, more: dict[str, float]
) -> None:
    metrics = {"loss": loss, "accuracy": 1.0, "images_per_second": rate, "input_wait_share": 1.0, "seconds": seconds}
    line = epoch_line(epoch, 1_000, {**metrics, **more}, is_best=True)
    assert len(line) <= 110
    assert f"loss {loss:.4f}" in line
    assert "images/s" in line
    assert line.endswith(", best") == ("val_loss" in more)


@pytest.mark.parametrize("columns", [70, 80, 100])
def test_an_epochs_line_fits_into_a_narrower_terminal(columns: int) -> None:
    metrics = {
        "loss": 1.5579,
        "accuracy": 0.3294,
        "val_loss": 1.5242,
        "images_per_second": 1_157,
        "input_wait_share": 0.14,
        "seconds": 3.1,
    }
    line = epoch_line(3, 10, metrics, is_best=True, columns=columns)
    assert len(line) <= columns
    assert line.endswith(", best")


def test_a_long_epoch_shows_how_far_it_is_off_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now)
    with display(1_000) as shown:
        for now in range(0, 200, 10):
            shown.advance(2, 5 * now)
        shown.validate(2)
        shown.end_epoch("the line")
    assert capsys.readouterr().err.splitlines() == [
        "epoch 2: 300 of 1,000 images",
        "epoch 2: 600 of 1,000 images",
        "epoch 2: 900 of 1,000 images",
        "the line",
    ]


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with display(10) as shown:
        shown.advance(1, 10)
        shown.end_epoch("the line")
    printed = capsys.readouterr().err
    assert "the line" in printed
    assert "10/10" in printed or "next epoch" in printed
