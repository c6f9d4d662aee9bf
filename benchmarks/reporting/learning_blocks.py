"""The block about what the models learn."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.reporting.markdown import NOT_RUN, number, table
from benchmarks.reporting.results import Results, Row


def render_learning(results: Results) -> str:
    """Renders a table for each data set."""
    makers = {
        "learning: flowers": _render_flowers,
        "learning: cifar-10": _render_cifar,
        "learning: colours": _render_colours,
    }
    parts = [make(rows) for name, make in makers.items() if (rows := results.table(name))]
    return "\n\n".join(parts) or NOT_RUN


def _render_flowers(rows: Sequence[Row]) -> str:
    header = ["flowers", "test accuracy, mean of the seeds", "of each seed", "an epoch, s"]
    lines = []
    for row in rows:
        each = ", ".join(f"{one:.3f}" for one in row.info["accuracies"])
        lines.append([row.name, f"{row.info['accuracy']:.3f}", each, number(row.info["epoch_seconds"])])
    info = rows[0].info
    told = f"{info['num_examples']:,} training and {info['num_tested']:,} test images, {info['num_epochs']} epochs."
    if len(rows) > 1:
        quotient = rows[0].info["epoch_seconds"] / rows[1].info["epoch_seconds"]
        told += f" An epoch on embeddings is {number(quotient)} times shorter."
    return f"{table(header, lines)}\n\n{told}"


def _render_cifar(rows: Sequence[Row]) -> str:
    names = {
        "accuracy": "training accuracy",
        "val_accuracy": "validation accuracy",
        "gap": "gap",
        "val_loss": "validation loss",
    }
    lines = [[row.name, *(f"{row.info[name]:.3f}" for name in names)] for row in rows]
    told = f"{rows[0].info['num_epochs']} epochs, means of three seeds."
    return f"{table(['CIFAR-10, after the last epoch', *names.values()], lines)}\n\n{told}"


def _render_colours(rows: Sequence[Row]) -> str:
    epochs = list(rows[0].info["losses"])
    scores = {"mse": "test", "grey_mse": "the grey image", "best_grey_mse": "the best image without colour"}
    header = ["pets in colour", *(f"loss, epoch {epoch}" for epoch in epochs), *scores.values()]
    lines = []
    for row in rows:
        losses = [f"{row.info['losses'][epoch]:.4f}" for epoch in epochs]
        lines.append([row.name, *losses, *(f"{row.info[name]:.4f}" for name in scores)])
    info = rows[0].info
    counts = f"{info['num_examples']:,} training and {info['num_tested']:,} test images of 80x80"
    return f"{table(header, lines)}\n\n{counts}; mean squared errors in [-1, 1]."
