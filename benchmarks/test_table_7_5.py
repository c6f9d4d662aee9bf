"""Table 7-5: grayscale five ways.

    pytest benchmarks/test_table_7_5.py --data DIR

Two photographs, repeated; each is decoded, made grey and averaged. The first two rows visit every pixel in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.harness.processes import RowProcess, take_turns
from benchmarks.harness.recording import REPLAYED, Measured, record
from benchmarks.harness.sizes import Size

if TYPE_CHECKING:
    import tensorflow as tf

pytestmark = REPLAYED

TABLE = "7-5"
# Of both photographs: the chapter's are of about 338x600.
WIDTH, HEIGHT = 600, 338
NUM_PHOTOGRAPHS = 2
# Of the last row.
BATCH_SIZE = 5
ROWS = (
    "iterate over pixels in Python",
    "the same in a py_function",
    "slicing and tf.where",
    "matmul",
    "batch, in a Keras layer",
    # Not the chapter's: without the weighted sum, which is all that the three rows before it do differently.
    "the curve of one channel alone",
)


def grey_by_pixels(image: np.ndarray) -> np.ndarray:
    """Makes one image, float32 (H, W, 3) in [0, 1], grey: float32 (H, W)."""
    rows, columns, _ = image.shape
    result = np.zeros((rows, columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            red, green, blue = image[row, column, 0], image[row, column, 1], image[row, column, 2]
            light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            result[row, column] = 1.055 * light ** (1 / 2.4) - 0.055 if light > 0.0031308 else 12.92 * light
    return result


def grey_by_slices(image: tf.Tensor) -> tf.Tensor:
    return curve(0.2126 * image[:, :, 0] + 0.7152 * image[:, :, 1] + 0.0722 * image[:, :, 2])


def grey_by_matmul(image: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return curve(tf.matmul(image, tf.constant([[0.2126], [0.7152], [0.0722]])))


def grey_of_one_channel(image: tf.Tensor) -> tf.Tensor:
    return curve(image[:, :, 1])


def curve(light: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.where(light > 0.0031308, 1.055 * light ** (1 / 2.4) - 0.055, 12.92 * light)


def make_rows(files: list[str], repeats: int) -> dict[str, Callable[[], None]]:
    import tensorflow as tf

    from trainer.layers import Grayscale

    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.apply_default_optimizations = False
    options.experimental_optimization.map_parallelization = False

    def images() -> tf.data.Dataset:
        def decode(path: tf.Tensor) -> tf.Tensor:
            return tf.image.convert_image_dtype(tf.io.decode_jpeg(tf.io.read_file(path), channels=3), tf.float32)

        return tf.data.Dataset.from_tensor_slices(files).repeat(repeats).map(decode).with_options(options)

    def average(greys: Callable[[], tf.data.Dataset]) -> None:
        for grey in greys():
            float(tf.reduce_mean(grey))

    def in_python() -> None:
        for image in images():
            float(tf.reduce_mean(grey_by_pixels(image.numpy())))

    def in_py_function(image: tf.Tensor) -> tf.Tensor:
        return tf.py_function(lambda one: grey_by_pixels(one.numpy()), [image], tf.float32)

    layer = Grayscale()

    def in_layer() -> None:
        for batch in images().batch(BATCH_SIZE):
            float(tf.reduce_mean(layer(batch)))

    def in_map(grey: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[], None]:
        return lambda: average(lambda: images().map(grey))

    mapped = map(in_map, (in_py_function, grey_by_slices, grey_by_matmul))
    rows = [in_python, *mapped, in_layer, in_map(grey_of_one_channel)]
    return dict(zip(ROWS, rows, strict=True))


@pytest.fixture(scope="module")
def measured(photographs: Path, size: Size, tmp_path_factory: pytest.TempPathFactory) -> Measured:
    files = scale_photographs(photographs, tmp_path_factory.mktemp("grayscale"))
    with RowProcess("benchmarks.test_table_7_5", {"files": files, "repeats": size.grayscale_repeats}) as process:
        process.wait_until_ready()
        # The rows in Python have nothing to warm up.
        for row in process.rows[2:]:
            process.run(row)
        return take_turns([process], size.grayscale_rounds, warm_up=0)


def scale_photographs(photographs: Path, folder: Path) -> list[str]:
    """Writes the first photographs that are broad enough, in the size wanted."""
    from PIL import Image, UnidentifiedImageError

    files: list[str] = []
    for path in sorted(photographs.glob("*/*.jpg")):
        try:
            with Image.open(path) as image:
                if image.width <= image.height:
                    continue
                scaled = image.convert("RGB").resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        except (UnidentifiedImageError, OSError):
            # Some of the drawn photographs are broken on purpose.
            continue
        files.append(str(folder / f"{len(files)}.jpg"))
        scaled.save(files[-1], quality=95)
        if len(files) == NUM_PHOTOGRAPHS:
            return files
    raise RuntimeError("there are no two photographs broader than high")


@pytest.mark.parametrize("row", ROWS)
def test_row(benchmark: BenchmarkFixture, measured: Measured, size: Size, row: str) -> None:
    info = {"num_images": NUM_PHOTOGRAPHS * size.grayscale_repeats, "image": f"{HEIGHT}x{WIDTH}"}
    record(benchmark, TABLE, row, measured, size, **info)
