"""Writes event files for TensorBoard, in folders named `train`, `validation` and `test`."""

from __future__ import annotations

import importlib.util
import io
import posixpath
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from trainer.layers import RandomLayer, ToFloat
from trainer.layout import PICTURES

# As many as are taken in at a glance, two rows of eight.
_NUM_IMAGES = 16
_COLUMNS = 8
_NUM_BUCKETS = 30

# What TensorBoard calls its own views, and the class of what each shows: `DataClass` of summary.proto.
_SCALAR, _HISTOGRAM, _IMAGE = ("scalars", 1), ("histograms", 2), ("images", 3)

_VALIDATION_PREFIX = "val_"


class Board:
    """Writes event files while a run goes on.

    Scalars that training and validation have in common carry the same name in both folders, so that their curves lie
    over each other: `epoch/loss`, `epoch/accuracy`. What is measured between epochs is `step/…`.

    A run that goes on from a checkpoint writes another file beside the first one: the steps since then are in both.

    Args:
        log_dir: A local folder or one on an object store, made when something is written; None to write nothing.
        profile_steps: First and last step to profile, counted from 1; None for none.
    """

    def __init__(self, log_dir: str | None, profile_steps: tuple[int, int] | None = None) -> None:
        self._log_dir = log_dir
        self._profile_steps = profile_steps if log_dir else None
        self._is_profiling = False
        self._writers: dict[str, Any] = {}

    def start(self, model: keras.Model, images: tf.Tensor | np.ndarray) -> None:
        """Shows the model's graph, and a batch as training sees it, behind the model's random layers.

        Leaves the model as it was: also what its random layers will draw next.

        Args:
            model: Built.
            images: What the model takes: uint8 (B, H, W, 3), float32 (B, H, W, 1) in [-1, 1], or float32 (B, D), of
                which there are no images to show. The first 16 are used.
        """
        if self._log_dir is None:
            return
        with self._writer("train").as_default():
            tf.summary.graph(_trace(model))
        if len(images.shape) == 4:
            self._write_image("train", "augmented images", 0, _to_png(_tile(augment(model, images[:_NUM_IMAGES]))))

    def steps(self, step: int, values: Mapping[str, float]) -> None:
        """Writes what was measured since the last call, about 1 ms on a local disk, an upload on an object store.

        Args:
            step: Steps done in the whole run.
            values: By name: `loss`, `lrate`, `images_per_second`, `input_wait_share`, …
        """
        if self._log_dir is not None:
            self._write_scalars("train", {f"step/{name}": value for name, value in values.items()}, step)

    def epoch(self, epoch: int, metrics: Mapping[str, float], model: keras.Model) -> None:
        """Writes an epoch's metrics, and how the weights that are trained are distributed.

        Args:
            epoch: Counted from 1.
            metrics: By name, those of the validation split with `val_` in front.
            model: Whose weights are read.
        """
        if self._log_dir is None:
            return
        parts: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
        for name, value in metrics.items():
            split = "validation" if name.startswith(_VALIDATION_PREFIX) else "train"
            parts[split][f"epoch/{name.removeprefix(_VALIDATION_PREFIX)}"] = value
        for split, values in parts.items():
            self._write_scalars(split, values, epoch)
        histograms = {weight.path: count_buckets(weight.numpy()) for weight in model.trainable_weights}
        self._write("train", histograms, epoch, _HISTOGRAM)

    def profile(self, step: int) -> None:
        """Starts or ends the profile if it is time; call it between any two steps.

        Args:
            step: Steps done in the whole run.
        """
        if self._profile_steps is None:
            return
        first, last = self._profile_steps
        if self._is_profiling and step >= last:
            tf.profiler.experimental.stop()
            self._is_profiling = False
            self._profile_steps = None
        elif not self._is_profiling and first - 1 <= step < last:
            tf.profiler.experimental.start(posixpath.join(str(self._log_dir), "train"))
            self._is_profiling = True

    @contextmanager
    def marking(self, step: int) -> Iterator[None]:
        """Marks the block as a step of the profile, which TensorBoard's overview and trace viewer count by.

        Args:
            step: Steps done in the whole run, before it.
        """
        if not self._is_profiling:
            yield
            return
        # `_r` is TensorFlow's word for the root of a step.
        with tf.profiler.experimental.Trace("train", step_num=step + 1, _r=1):
            yield

    def evaluation(self, scores: Mapping[str, Any], folder: Path) -> None:
        """Shows the scores that are numbers, and the pictures that `evaluate_run` has drawn.

        Args:
            scores: What it returned.
            folder: Where it drew.
        """
        if self._log_dir is None:
            return
        numbers = {name: float(value) for name, value in scores.items() if isinstance(value, int | float)}
        self._write_scalars("test", numbers, 0)
        for name in PICTURES:
            if (folder / name).exists():
                self._write_image("test", name.removesuffix(".png"), 0, (folder / name).read_bytes())

    def close(self) -> None:
        """Ends a profile that is on, and closes the files."""
        if self._is_profiling:
            tf.profiler.experimental.stop()
            self._is_profiling = False
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _writer(self, split: str) -> Any:
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(posixpath.join(str(self._log_dir), split))
        return self._writers[split]

    def _write_scalars(self, split: str, values: Mapping[str, float], step: int) -> None:
        self._write(split, {name: np.float32(value) for name, value in values.items()}, step, _SCALAR)

    def _write_image(self, split: str, tag: str, step: int, png: bytes) -> None:
        width, height = Image.open(io.BytesIO(png)).size
        self._write(split, {tag: np.array([str(width), str(height), png], object)}, step, _IMAGE)

    def _write(self, split: str, values: Mapping[str, Any], step: int, view: tuple[str, int]) -> None:
        """Writes values as `tf.summary.scalar` and its like do, which need TensorBoard to be installed."""
        if not values:
            return
        kind = tf.compat.v1.SummaryMetadata
        metadata = kind(plugin_data=kind.PluginData(plugin_name=view[0]), data_class=view[1])
        # Once for all values: the end of the block flushes, which on an object store is an upload.
        with self._writer(split).as_default():
            for tag, value in values.items():
                tf.summary.write(tag, tf.convert_to_tensor(value), step=step, metadata=metadata)


def describe(log_dir: str) -> str:
    """Returns a line that says how to look at what is written to a folder, and what that needs."""
    line = f"TensorBoard shows the run, also while it goes on: tensorboard --logdir {shlex.quote(log_dir)}"
    is_missing = importlib.util.find_spec("tensorboard") is None
    return f"{line} (pip install 'petalstream[tensorboard]' brings it)" if is_missing else line


def augment(model: keras.Model, images: tf.Tensor | np.ndarray) -> np.ndarray:
    """Passes images through a model's random layers, as training would next, and puts their state back.

    Args:
        model: A functional or sequential one.
        images: What it takes, (B, H, W, C).

    Returns:
        uint8, (B, H', W', C), behind the last random layer, or the images themselves where there is none.
    """
    low, high = (0.0, 255.0) if np.asarray(images[:0]).dtype == np.uint8 else (-1.0, 1.0)
    last, bounds = None, (low, high)
    for layer in model.layers:
        if isinstance(layer, ToFloat):
            low, high = layer.low, layer.high
        elif isinstance(layer, RandomLayer):
            last, bounds = layer, (low, high)
    if last is None:
        pixels = np.asarray(images, np.float32)
    else:
        part = keras.Model(model.input, last.output)
        before = [(variable, variable.numpy()) for variable in part.variables]
        pixels = np.asarray(keras.ops.convert_to_numpy(part(images, training=True)), np.float32)
        for variable, value in before:
            variable.assign(value)
    scaled = (pixels - bounds[0]) * (255 / (bounds[1] - bounds[0]))
    rounded: np.ndarray = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return rounded


def count_buckets(values: np.ndarray) -> np.ndarray:
    """Counts values in 30 buckets of equal width, as TensorBoard's histograms want them.

    Args:
        values: Any shape; of what is infinite or no number nothing is shown.

    Returns:
        float64, (30, 3): a bucket's left and right edge and its count; (0, 3) of nothing.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return np.zeros((0, 3))
    counts, edges = np.histogram(values.astype(np.float64), bins=_NUM_BUCKETS)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def _trace(model: keras.Model) -> tf.Graph:
    """Returns the graph of a model at work; nothing is computed, and no variable moves on."""
    spec = [tf.TensorSpec(each.shape, each.dtype, name=each.name) for each in model.inputs]
    function = tf.function(lambda *inputs: model(inputs[0], training=False), autograph=False)
    graph: tf.Graph = function.get_concrete_function(*spec).graph
    return graph


def _tile(images: np.ndarray) -> np.ndarray:
    """Lays images side by side, eight a row, on black; uint8, (H, W, C)."""
    count, height, width, channels = images.shape
    columns = min(_COLUMNS, count)
    rows = -(-count // columns)
    places = np.zeros((rows * columns, height, width, channels), np.uint8)
    places[:count] = images
    grid = places.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, channels)


def _to_png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels).save(stream, "PNG")
    return stream.getvalue()
