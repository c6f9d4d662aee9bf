"""Prints the summary at the end of a run."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from rich.table import Table

from etl.cli import console as open_console
from etl.cli import show_line
from trainer.layout import EVALUATION_NAME

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.data import Data
    from trainer.training.run import TrainingResult


# Of a longer table of classes the end alone would be on the screen.
MOST_ROWS = 60


def print_summary(
    config: TrainConfig,
    data: Data,
    trained: TrainingResult,
    evaluation: Mapping[str, Any] | None,
    seconds: float,
    names: Sequence[str],
) -> None:
    """Prints the closing tables: what was done and how well, and where it lies.

    Args:
        config: Of the run.
        data: What it trained on.
        trained: What came of it.
        evaluation: On the test split, where there is one.
        seconds: That all of it took.
        names: Of the files beside the model.
    """
    console = open_console()
    done = Table("training", "", show_header=False)
    for name, value in _facts(config, data, trained, evaluation, seconds).items():
        done.add_row(name, value)
    console.print(done)
    if evaluation is not None and "classes" in evaluation:
        console.print(_classes_table(evaluation))
    folders = config.folders
    for path in (folders.model_dir, *(posixpath.join(folders.output_dir, name) for name in names)):
        show_line(path)


def _facts(
    config: TrainConfig, data: Data, trained: TrainingResult, evaluation: Mapping[str, Any] | None, seconds: float
) -> dict[str, str]:
    history, best = trained.history, trained.best_epoch - 1
    # The first epoch builds the graph, which says nothing of how fast the rest is.
    rate = median(history["images_per_second"][1:] or history["images_per_second"])
    facts = {
        "model": f"{config.model}, {trained.model.count_params():,} parameters",
        "data": f"{data.dataset}, {data.variant}, {data.image_size[0]}x{data.image_size[1]}: "
        + ", ".join(f"{count:,} {name}" for name, count in data.num_examples.items()),
        "epochs": f"{len(history['epoch'])} of {config.num_epochs}, kept: {trained.best_epoch}",
        "speed": f"{rate:,.0f} images/s in training, {seconds:.0f} s in all",
        "training": _show({name: history[name][best] for name in ("accuracy", "loss", "penalty") if name in history}),
        "validation": "no such split",
        "test": "no such split: not evaluated",
    }
    if "val_loss" in history:
        names = [name for name in ("accuracy", "loss") if f"val_{name}" in history]
        facts["validation"] = _show({name: history[f"val_{name}"][best] for name in names})
    if evaluation is not None:
        facts["test"] = _show(evaluation)
    elif "test" in data.num_examples:
        facts["test"] = "not evaluated, as said above"
    return facts


def _show(scores: Mapping[str, Any]) -> str:
    """Formats those scores that there are."""
    names = {
        "accuracy": "accuracy",
        "loss": "loss",
        "penalty": "penalty on weights",
        "mse": "mean squared error",
        "grey_mse": "of the grey image itself",
        "best_grey_mse": "of the best image without colour",
    }
    return ", ".join(f"{words} {scores[name]:.4f}" for name, words in names.items() if name in scores)


def _classes_table(evaluation: Mapping[str, Any]) -> Table:
    """Returns a table of how each class fares on the test split."""
    table = Table("class", "test examples", "precision", "recall", "F1")
    for column in table.columns[1:]:
        column.justify = "right"
    classes = evaluation["classes"]
    if len(classes) > MOST_ROWS:
        # Those that a person would look at first.
        scored = [name for name, scores in classes.items() if scores["f1"] is not None]
        worst = sorted(scored, key=lambda name: classes[name]["f1"])[:MOST_ROWS]
        table.caption = f"the {len(worst)} of {len(classes):,} classes with the lowest F1; {EVALUATION_NAME} has all"
        classes = {name: classes[name] for name in worst}
    for name, scores in classes.items():
        shares = (scores[measure] for measure in ("precision", "recall", "f1"))
        cells = ["-" if share is None else f"{share:.3f}" for share in shares]
        table.add_row(name, f"{scores['num_examples']:,}", *cells)
    return table
