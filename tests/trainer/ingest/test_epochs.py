"""An iteration over a data set is an epoch: in a loop, in Keras's `fit`, and in README's example."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.datasets import write_dataset
from tests.trainer.ingest.batches import Batch, assert_equal, collect, epoch, labels
from trainer import ingest
from trainer.ingest import IngestConfig

ROOT = Path(__file__).parents[3]
PATHS = {"embedding": None, "jpeg": 16}
BATCH_SIZE = 5
STEPS = 5
# Epoch 0, then 1 and so on, of `tiny`'s 22 examples.
FIELDS: dict[str, Any] = {"batch_size": BATCH_SIZE, "training": True, "seed": 2}


def load(folder: Path, variant: str = "embedding", **fields: Any) -> Any:
    config = IngestConfig(**{**FIELDS, "image_size": PATHS[variant], **fields})
    return ingest.load(folder, "train", config, variant=variant)


def expected(folder: Path, number: int, variant: str = "embedding", **fields: Any) -> list[Batch]:
    return epoch(folder, variant, **{**FIELDS, "image_size": PATHS[variant], **fields, "epoch": number})


@pytest.mark.parametrize("variant", PATHS)
@pytest.mark.parametrize("cache", ["none", "memory"])
def test_each_iteration_gives_the_next_epoch(tiny: Path, variant: str, cache: str) -> None:
    dataset = load(tiny, variant, cache=cache, first_epoch=3)
    orders = []
    for number in (3, 4, 5):
        batches = collect(dataset)
        assert_equal(batches, expected(tiny, number, variant, cache=cache))
        orders.append(tuple(labels(batches)))
    assert len(set(orders)) == 3
    assert int(dataset.cardinality()) == STEPS


@pytest.mark.parametrize("variant", PATHS)
def test_an_epoch_that_is_named_comes_every_time(tiny: Path, variant: str) -> None:
    dataset = load(tiny, variant, epoch=4)
    first = collect(dataset)
    assert_equal(first, expected(tiny, 4, variant))
    assert_equal(collect(dataset), first)


def test_windows_alone_make_epochs_that_differ(tiny: Path) -> None:
    dataset = load(tiny, "jpeg", shuffle_files=False, shuffle_buffer=0)
    one, two = collect(dataset), collect(dataset)
    assert labels(one) == labels(two)
    assert not any(np.array_equal(images, others) for (images, _), (others, _) in zip(one, two, strict=True))


def test_evaluation_is_the_same_every_time_and_asks_no_process(tiny: Path) -> None:
    dataset = load(tiny, training=False)
    assert_equal(collect(dataset), collect(dataset))
    # With a call into this process it could not be sent to another one.
    assert b"PyFunc" not in tf.raw_ops.DatasetToGraphV2(input_dataset=dataset._variant_tensor).numpy()


def test_what_is_made_of_a_data_set_goes_on_with_the_epochs(tiny: Path) -> None:
    epochs = [labels(expected(tiny, number)) for number in range(6)]
    dataset = load(tiny)
    mapped = dataset.map(lambda _, part: (part, part), num_parallel_calls=2).prefetch(1)
    assert labels(collect(mapped)) == epochs[0]
    assert labels(collect(mapped.repeat(2))) == epochs[1] + epochs[2]

    @tf.function
    def first_label() -> tf.Tensor:
        first = tf.constant(-1)
        for _, part in dataset:
            if first < 0:
                first = part[0]
        return first

    assert [int(first_label()), int(first_label())] == [epochs[3][0], epochs[4][0]]


def test_an_iteration_that_ends_early_counts_and_several_at_once_differ(tiny: Path) -> None:
    epochs = [labels(expected(tiny, number)) for number in range(4)]
    dataset = load(tiny)
    assert [labels(collect(dataset.take(2))) for _ in range(2)] == [epochs[0][:10], epochs[1][:10]]
    # The later one asks first.
    two, three = iter(dataset), iter(dataset)
    second = [next(three)]
    first = [next(two)]
    assert labels(collect(itertools.chain(first, two))) == epochs[3]
    assert labels(collect(itertools.chain(second, three))) == epochs[2]


@settings(max_examples=4)
@given(
    variant=st.sampled_from(list(PATHS)),
    first=st.integers(0, 50),
    num_epochs=st.integers(1, 3),
    start_step=st.integers(0, STEPS),
    whole_batches=st.booleans(),
)
def test_several_epochs_an_iteration_go_on_where_the_one_before_ended(
    tiny: Path, variant: str, first: int, num_epochs: int, start_step: int, whole_batches: bool
) -> None:
    fields = {**FIELDS, "image_size": PATHS[variant], "whole_batches": whole_batches}
    config = IngestConfig(**fields, first_epoch=first, start_step=start_step)
    dataset = ingest.load_epochs(tiny, "train", config, num_epochs, variant=variant)
    whole = [batch for number in range(2 * num_epochs) for batch in expected(tiny, first + number, variant)]
    length = num_epochs * STEPS
    assert_equal(collect(dataset), whole[start_step:length])
    assert_equal(collect(dataset), whole[length:])


def test_those_without_end_never_meet(tiny: Path) -> None:
    dataset = ingest.load_epochs(tiny, "train", IngestConfig(**FIELDS, start_step=2), None, variant="embedding")
    first, second = (labels(collect(dataset.take(2 * STEPS))) for _ in range(2))
    restarted = labels(expected(tiny, 0))[2 * BATCH_SIZE :] + labels(expected(tiny, 1))
    assert first[: len(restarted)] == restarted
    assert second[:22] == labels(expected(tiny, 2**32))


class Recorder(keras.Model):
    """Learns nothing, and writes down the labels that it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.trained: list[int] = []
        self.validated: list[int] = []

    def train_step(self, data: Any) -> dict[str, Any]:
        self.trained += data[1].numpy().tolist()
        return {"steps": tf.constant(1.0)}

    def test_step(self, data: Any) -> dict[str, Any]:
        self.validated += data[1].numpy().tolist()
        return {"steps": tf.constant(1.0)}


def fit(dataset: Any, **arguments: Any) -> Recorder:
    model = Recorder()
    model.compile(run_eagerly=True)
    model.fit(dataset, verbose=0, **arguments)
    return model


def test_fit_sees_every_epoch_once(tiny: Path) -> None:
    validation = ingest.load(tiny, "validation", IngestConfig(batch_size=3), variant="embedding")
    whole = [label for number in range(3) for label in labels(expected(tiny, number))]
    seen = fit(load(tiny), epochs=3, validation_data=validation)
    assert seen.trained == whole
    assert seen.validated == labels(collect(validation)) * 3
    # As many steps as there are is an epoch too; Keras 3.5 wants a data set without an end there.
    if not keras.__version__.startswith("3.5."):
        assert fit(load(tiny), epochs=3, steps_per_epoch=STEPS).trained == whole
    # After a crash.
    assert fit(load(tiny, first_epoch=1), initial_epoch=1, epochs=3).trained == whole[22:]


def test_fit_with_steps_sees_one_epoch_after_the_other(tiny: Path) -> None:
    whole = [label for number in range(3) for label in labels(expected(tiny, number))]
    config = IngestConfig(**FIELDS)
    endless = ingest.load_epochs(tiny, "train", config, None, variant="embedding")
    seen = fit(endless, epochs=4, steps_per_epoch=3).trained
    assert seen == whole[: len(seen)]
    rest = ingest.load_epochs(tiny, "train", config.replace(epoch=1, start_step=1), None, variant="embedding")
    assert seen[6 * BATCH_SIZE - 3 :] == fit(rest, epochs=2, steps_per_epoch=3).trained


_UNDER_A_STRATEGY = """
import sys
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from trainer import ingest

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
config = ingest.IngestConfig(batch_size=6, training=True, seed=2)
with strategy.scope():
    dataset = ingest.load(sys.argv[1], "train", config, variant="embedding")
shared = strategy.experimental_distribute_dataset(dataset)
for number in range(2):
    seen = [int(label) for _, part in shared for values in part.values for label in values]
    pinned = ingest.load(sys.argv[1], "train", config.replace(epoch=number), variant="embedding")
    assert seen == [int(label) for _, part in pinned for label in part], (number, seen)
print("equal")
"""


def test_a_strategy_shares_an_epoch_among_its_devices(tiny: Path) -> None:
    command = [sys.executable, "-c", _UNDER_A_STRATEGY, str(tiny)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.stdout == "equal\n", result.stderr


def test_readmes_example_runs_and_sees_an_epoch_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("### In your own training script")[1]
    found = re.search(r"```python\n(.+?)```", section, re.DOTALL)
    assert found is not None
    folder = tmp_path / "data/flowers"
    names = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    folder.mkdir(parents=True)
    # Batches of 64 of 150 examples: three an epoch.
    write_dataset(
        folder,
        variants=("pixel",),
        splits={"train": 150, "validation": 4},
        image_size=(224, 224),
        class_names=names,
    )
    monkeypatch.chdir(tmp_path)
    values: dict[str, Any] = {}
    exec(found[1], values)
    history = values["model"].history.history
    assert len(history["val_accuracy"]) == 2
    # `fit` has seen the epochs 0 and 1.
    third = ingest.load(folder, "train", values["config"].replace(epoch=2))
    assert labels(collect(values["train"])) == labels(collect(third))
