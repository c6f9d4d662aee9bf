"""Makes all the measurements, one after the other; nothing else runs meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from trainer.doctor import alternatives, limits, machine, stages, training
from trainer.doctor.findings import Alternative, Data, Findings, Machine, Training
from trainer.doctor.progress import Say
from trainer.doctor.rates import Rate
from trainer.doctor.sample import Sample, take_sample
from trainer.doctor.timing import time_rate
from trainer.ingest import dataset, heap, verify
from trainer.ingest import plan as plans
from trainer.ingest.config import IngestConfig
from trainer.ingest.plan import Plan

# Read, parse, decode, augment, two limits, the pipeline, and two alternatives.
_NUM_MEASUREMENTS = 9


@dataclass(frozen=True, slots=True)
class Examination:
    """What is to be examined.

    Attributes:
        data_dir: The data set's folder.
        variant: The variant's name.
        split: The split's name.
        config: How it is read.
        seconds: For each measurement.
        model: Of `trainer.models.MODELS`, None for the input alone.
        num_threads: What the bare measurements use, as `config` does.
    """

    data_dir: str
    variant: str
    split: str
    config: IngestConfig
    seconds: float
    model: str | None
    num_threads: int


def count_measurements(task: Examination) -> int:
    """Returns how often `examine` calls `say`, or one or two more."""
    return _NUM_MEASUREMENTS + (task.model is not None)


def examine(task: Examination, say: Say) -> Findings:
    """Measures every stage alone, the whole, the machine's limits and what else could be done.

    Args:
        task: What to examine.
        say: Called with a few words as each measurement begins.

    Raises:
        ConfigError: the data has not what was asked for.
        DatasetError: the data set is damaged.
    """
    plan = plans.resolve(task.data_dir, task.split, task.config, task.variant)
    required = training.check_model(task.model, plan) if task.model else {}
    training.check_backend()
    verify.check_shards(task.data_dir, plan.variant, plan.split, "size")
    # Before anything has read a shard.
    cached = machine.cached_share(plan.paths)
    load, free = machine.load_average(), machine.free_memory_bytes()
    if plan.config.keep_heap:
        heap.keep_freed_memory()
    device, kind = _find_device()
    measured = _Measuring(task, plan, say)
    measured.time_host()
    measured.time_device(device)
    copied, decoded = measured.time_limits()
    first_batch_seconds, pipeline = measured.time_pipeline(plan)
    return Findings(
        data=_describe(task, plan),
        machine=Machine(task.num_threads, plans.num_cores(), load, free, cached, kind, device is not None),
        stages=measured.rates,
        notes=measured.notes,
        pipeline=pipeline,
        first_batch_seconds=first_batch_seconds,
        bare_copy=copied,
        bare_decode=decoded,
        alternatives=tuple(measured.try_alternatives()),
        training=measured.train(task.model, required) if task.model else None,
    )


class _Measuring:
    """The measurements of one examination, and what they have in common."""

    def __init__(self, task: Examination, plan: Plan, say: Say) -> None:
        self.task, self.plan, self.say = task, plan, say
        self.rates: dict[str, Rate] = {}
        self.notes: dict[str, str] = {}
        self.sample: Sample
        self.images: Any = None

    def time(self, name: str, step: stages.Step) -> None:
        self.say(name)
        self.rates[name] = time_rate(step, self.task.seconds)

    def time_host(self) -> None:
        """Times read, parse and decode."""
        self.time("read", stages.read_step(self.plan))
        self.sample = take_sample(self.plan)
        self.time("parse", stages.parse_step(self.sample))
        decode, images = stages.decode_step(self.sample), stages.decode_sample(self.sample)
        if decode is None or images is None:
            self.notes["decode"] = "parsed embeddings are what the model takes"
            return
        self.time("decode", decode)
        self.images = next(iter(images))

    def time_device(self, device: str | None) -> None:
        """Times transfer and augment."""
        if device is None:
            self.notes["transfer"] = "the model runs on the CPU, where the batches are"
        elif self.images is not None:
            self.time("transfer", stages.transfer_step(self.images, device))
        if self.images is None:
            self.notes["augment"] = "there are no images"
        elif not self.plan.config.training:
            self.notes["augment"] = "only in training"
        else:
            self.time("augment", stages.augment_step(self.images))

    def time_limits(self) -> tuple[Rate, Rate | None]:
        """Times a bare copy and a bare decode."""
        self.say("a bare read and copy")
        copied = limits.time_copy(self.plan, self.task.num_threads, self.task.seconds)
        if not alternatives.holds_files(self.plan):
            return copied, None
        self.say("a bare decode")
        return copied, time_rate(limits.decode_files_step(self.sample), self.task.seconds)

    def time_pipeline(self, plan: Plan) -> tuple[float, Rate]:
        """Times the whole pipeline; returns the seconds to its first batch, and its rate."""
        self.say("the whole pipeline" if plan is self.plan else f"the variant {plan.variant.name}")
        started = time.perf_counter()
        step = stages.counted(dataset.build(plan, None))
        step()
        return time.perf_counter() - started, time_rate(step, self.task.seconds)

    def try_alternatives(self) -> Iterator[Alternative]:
        """Tries other ways to have the same images."""
        for name in alternatives.same_images(self.plan):
            other = plans.resolve(self.task.data_dir, self.task.split, self._same_size(), name)
            verify.check_shards(self.task.data_dir, other.variant, other.split, "size")
            _, rate = self.time_pipeline(other)
            yield Alternative("variant", name, other.variant.image.size, rate.median, other.is_windowed)
        if not alternatives.holds_files(self.plan):
            return
        self.say("smaller JPEGs")
        yield from filter(None, [alternatives.try_smaller_jpegs(self.sample, self.task.seconds / 2)])
        if not any(variant.image.size == self.plan.size for variant in self.plan.manifest.variants.values()):
            self.say("pixels")
            bytes_per_second = self.rates["read"].median * self.plan.split.num_bytes / self.plan.split.num_examples
            yield from filter(
                None, [alternatives.try_pixels(self.sample, self.images, bytes_per_second, self.task.seconds / 2)]
            )

    def train(self, model: str, required: dict[str, Any]) -> Training:
        """Trains a model on the pipeline."""
        self.say(f"the training of {model}")
        # A last, smaller batch would be compiled anew in the middle of the loop.
        config = self.plan.config.replace(drop_remainder=self.plan.num_records >= self.plan.config.batch_size)
        whole = plans.resolve(self.task.data_dir, self.task.split, config, self.task.variant)
        trained = training.train(model, required, iter(dataset.build(whole, None)), self.task.seconds)
        self.rates["step"] = trained.alone
        return trained

    def _same_size(self) -> IngestConfig:
        return self.plan.config.replace(image_size=self.plan.size)


def _find_device() -> tuple[str | None, str]:
    """Returns TensorFlow's name of the first accelerator, None where there is none, and what to call the device."""
    for device in tf.config.list_physical_devices():
        if device.device_type != "CPU":
            details = tf.config.experimental.get_device_details(device)
            return f"/{device.device_type}:0", details.get("device_name", device.device_type)
    return None, "CPU"


def _describe(task: Examination, plan: Plan) -> Data:
    return Data(
        dataset=plan.manifest.dataset,
        folder=task.data_dir,
        variant=plan.variant.name,
        variants=tuple(plan.manifest.variants),
        split=plan.split.name,
        encoding=plan.variant.image.encoding,
        compression=plan.variant.compression,
        stored_size=plan.variant.image.size,
        image_size=plan.size,
        num_examples=plan.split.num_examples,
        num_bytes=plan.split.num_bytes,
        num_shards=len(plan.split.shards),
        is_remote=plan.is_remote,
        batch_size=plan.config.batch_size,
        is_training=plan.config.training,
        is_windowed=plan.is_windowed,
        is_batchwise=plan.is_batchwise,
        shuffle_buffer=plan.shuffle_buffer,
        cycle_length=plan.cycle_length,
        prefetch=plan.config.prefetch,
    )
