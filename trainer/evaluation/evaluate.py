"""Evaluates a model on one split, in one pass and in little memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from etl import progress
from etl.errors import DatasetError
from etl.words import quantity
from trainer.evaluation import pictures
from trainer.evaluation.confusion import Confusion
from trainer.evaluation.pictures.colours import MOST_COLOURED
from trainer.evaluation.pictures.confusion import block_size
from trainer.evaluation.predictions import Predictions
from trainer.layout import COLOURS_NAME, CONFUSION_NAME, MISTAKES_NAME, PREDICTIONS_NAME

if TYPE_CHECKING:
    import keras

# What a batch of the data set becomes: (what the model takes, what it should give), `Objective.prepare`.
Prepare = Callable[[Any, Any], tuple[Any, Any]]

# A context in which files of these names are made.
Attempting = Callable[..., AbstractContextManager[None]]

# The least probability that the loss sees, as in Keras: the logarithm of 0 is none.
_EPSILON = 1e-7

# A matrix of more classes is longer than anybody reads: one of 20,000 has 400,000,000 numbers.
_MOST_IN_MATRIX = 1_000
_MOST_CONFUSIONS = 1_000

# The square of the width of [-1, 1], which the peak signal-to-noise ratio refers to.
_SQUARED_RANGE = 4.0


def evaluate_run(
    model: keras.Model,
    dataset: tf.data.Dataset,
    gives: str,
    class_names: Sequence[str],
    folder: Path,
    prepare: Prepare,
    attempting: Attempting = lambda *_: nullcontext(),
    keys: Iterable[str] | None = None,
) -> dict[str, Any]:
    """Evaluates once through a split, and draws what there is to see.

    Args:
        model: What `gives` says, from what `prepare` makes.
        dataset: Batches of (uint8 images (B, H, W, 3) or float32 embeddings (B, D), int labels (B,)), that end.
        gives: `classes` or `colours`.
        class_names: C names.
        folder: A local one that exists; `confusion.png` and, of models that take images, `mistakes.png` are written
            into it, or `colours.png`; with `keys` also `test_predictions.jsonl`, of a model of classes.
        prepare: From a batch to what the model takes and what it should give.
        attempting: Called with a file's name where it is made: the context in which that may fail.
        keys: Of the examples, in the data set's order; None where the predictions aren't to be written.

    Returns:
        What `Tally.summarise` or `evaluate_colours` returns.

    Raises:
        DatasetError: the split holds nothing.
    """
    if gives == "colours":
        samples: list[pictures.ColourSample] = []
        scores = evaluate_colours(model, dataset, prepare, samples)
        title = (
            f"squared error {scores['mse']:.4f}; of the grey image {scores['grey_mse']:.4f}, "
            f"of the best one without colour {scores['best_grey_mse']:.4f}"
        )
        with attempting(COLOURS_NAME):
            pictures.draw_colours(samples, title, folder / COLOURS_NAME)
        return scores
    worst, tally, predictions = pictures.WorstMistakes(), Tally(class_names), Predictions()
    _tally(model, dataset, prepare, worst, tally, predictions)
    scores = tally.summarise()
    if keys is not None:
        with attempting(PREDICTIONS_NAME):
            predictions.write(folder / PREDICTIONS_NAME, keys, class_names)
    count, wrong = scores["num_examples"], tally.num_wrong
    with attempting(CONFUSION_NAME):
        title = f"{count - wrong:,} of {count:,} right: {scores['accuracy']:.1%}".replace("%", " %")
        blocks = tally.confusion.blocks(block_size(len(class_names)))
        pictures.draw_confusion(blocks, class_names, title, folder / CONFUSION_NAME)
    if worst.has_images:
        with attempting(MISTAKES_NAME):
            mistakes = worst.sorted()
            title = f"{quantity(wrong, 'mistake')} in {quantity(count, 'image')}"
            if len(mistakes) < wrong:
                title = f"The {len(mistakes)} surest of {title}"
            pictures.draw_mistakes(mistakes, class_names, title, folder / MISTAKES_NAME)
    return scores


def evaluate(
    model: keras.Model,
    dataset: tf.data.Dataset,
    class_names: Sequence[str],
    prepare: Prepare | None = None,
    worst: pictures.WorstMistakes | None = None,
) -> dict[str, Any]:
    """Asks a model about every example of a data set, once.

    Args:
        model: From images or embeddings to probabilities (B, C).
        dataset: Batches of what the model takes and int labels (B,), 0 to C - 1, that end.
        class_names: C names.
        prepare: What a batch goes through before; None for nothing.
        worst: Where the worst mistakes are kept, if the examples are images.

    Returns:
        What `Tally.summarise` returns.

    Raises:
        DatasetError: the data set holds nothing.
    """
    tally = Tally(class_names)
    _tally(model, dataset, prepare, worst, tally)
    return tally.summarise()


def _tally(
    model: keras.Model,
    dataset: tf.data.Dataset,
    prepare: Prepare | None,
    worst: pictures.WorstMistakes | None,
    tally: Tally,
    predictions: Predictions | None = None,
) -> None:
    for images, given, wanted in _predict_batches(model, dataset, prepare):
        labels, probabilities = wanted.numpy(), given.numpy()
        tally.add(labels, probabilities)
        if predictions is not None:
            predictions.add(labels, probabilities)
        if worst is not None and len(images.shape) == 4:
            worst.add(images.numpy(), labels, probabilities)


def evaluate_colours(
    model: keras.Model,
    dataset: tf.data.Dataset,
    prepare: Prepare,
    samples: list[pictures.ColourSample] | None = None,
) -> dict[str, Any]:
    """Asks a coloriser about every image of a data set, once.

    Args:
        model: From float32 (B, H, W, 1) to (B, H, W, 3), both in [-1, 1].
        dataset: Batches of uint8 images (B, H, W, 3) and labels, that end.
        prepare: From a batch to grey and colour.
        samples: Where the first 16 images are put.

    Returns:
        `num_examples`; mean squared errors in units of [-1, 1], of the model (`mse`), of the grey image as it is given
        to the model (`grey_mse`), and of the best that any image without colour can do, the mean of red, green and blue
        of each pixel (`best_grey_mse`); `psnr`, the model's error in decibels, null where there is none.

    Raises:
        DatasetError: the data set holds nothing.
    """
    count, sums = 0, np.zeros(3)
    for _, given, (grey, colours) in _predict_batches(model, dataset, prepare, with_input=True):
        predicted, grey, colours = (np.asarray(part, np.float32) for part in (given, grey, colours))
        answers = (predicted, grey, colours.mean(axis=-1, keepdims=True))
        sums += [np.square(answer - colours).mean(axis=(1, 2, 3), dtype=np.float64).sum() for answer in answers]
        count += len(colours)
        if samples is not None:
            for index in range(min(len(colours), MOST_COLOURED - len(samples))):
                # Copies: a view would keep the whole batch.
                parts = (part[index].copy() for part in (grey, predicted, colours))
                samples.append(pictures.ColourSample(*parts))
    if not count:
        raise DatasetError("there is nothing to evaluate on: the split holds no images")
    mse, grey_mse, best_grey_mse = (float(total / count) for total in sums)
    return {
        "num_examples": count,
        "mse": mse,
        "grey_mse": grey_mse,
        "best_grey_mse": best_grey_mse,
        "psnr": 10 * math.log10(_SQUARED_RANGE / mse) if mse else None,
    }


def _predict_batches(
    model: keras.Model, dataset: tf.data.Dataset, prepare: Prepare | None, *, with_input: bool = False
) -> Iterator[tuple[tf.Tensor, tf.Tensor, Any]]:
    """Yields a batch's images, what the model gave, and what it should have given, behind its input if wanted.

    Not by `predict`: it runs under the strategy that the model was made with, and there gives an answer per device.
    """

    def predict(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Any]:
        taken, wanted = prepare(images, labels) if prepare else (images, labels)
        given = tf.cast(model(taken, training=False), tf.float32)
        return given, (taken, wanted) if with_input else wanted

    in_graph = tf.function(predict, reduce_retracing=True, autograph=False)
    for images, labels in dataset:
        yield images, *in_graph(images, labels)
        progress.advance(len(labels))


class Tally:
    """Counts how often each class was taken for each, batch by batch.

    Args:
        class_names: C names.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.confusion = Confusion(len(class_names))
        self.num_wrong = 0
        self._class_names = class_names
        self._num_examples = 0
        self._loss = 0.0

    def add(self, labels: np.ndarray, probabilities: np.ndarray) -> None:
        """Compares a batch's probabilities with its labels.

        Args:
            labels: int, (B,), 0 to C - 1.
            probabilities: float, (B, C).
        """
        predictions = probabilities.argmax(axis=1)
        self.confusion.add(labels, predictions)
        self._num_examples += len(labels)
        self.num_wrong += int((labels != predictions).sum())
        right = probabilities[np.arange(len(labels)), labels].astype(np.float64)
        self._loss -= float(np.log(np.maximum(right, _EPSILON)).sum())

    def summarise(self) -> dict[str, Any]:
        """Returns the scores of all batches so far, as JSON's types.

        Returns:
            `num_examples`; `accuracy`, 0 to 1; `loss`, the mean cross-entropy in nats, without any penalty on weights;
            `classes`, by name: `num_examples`, `num_predicted`, `precision`, `recall`, `f1` (null where there is
            nothing to divide by); `confusion_matrix`, true classes down, predicted ones across, of up to 1,000 classes;
            of more `confusions`, the 1,000 most frequent mistakes: `true`, `predicted`, `count`.

        Raises:
            DatasetError: there was nothing.
        """
        count, names = self._num_examples, self._class_names
        if not count:
            raise DatasetError("there is nothing to evaluate on: the split holds no examples")
        scores = {
            "num_examples": count,
            "accuracy": (count - self.num_wrong) / count,
            "loss": self._loss / count,
            "classes": dict(zip(names, self.confusion.score(), strict=True)),
        }
        if len(names) <= _MOST_IN_MATRIX:
            return {**scores, "confusion_matrix": self.confusion.blocks().tolist()}
        mistakes = self.confusion.most_frequent(_MOST_CONFUSIONS)
        return {
            **scores,
            "confusions": [
                {"true": names[true], "predicted": names[predicted], "count": number}
                for true, predicted, number in mistakes
            ],
        }
