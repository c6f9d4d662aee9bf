"""One unit of work: read its images, make its examples, write its file."""

from __future__ import annotations

import itertools
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from etl import progress, sources, storage, variants
from etl.config import EtlConfig
from etl.errors import RecordError
from etl.format import encodings, layout
from etl.format.features import ExtraValue
from etl.format.index import RecordList
from etl.format.schema import encode_example
from etl.format.tfrecord import FRAME_BYTES, FramedRecord, RecordWriter, frame_record
from etl.parallel import ordered_map
from etl.plan.lines import decode_images, encode_rejections, encode_result
from etl.records import PlannedImage, Rejection, Unit, UnitResult
from etl.storage.reading import is_slow, read_ahead
from etl.variants.base import EncodedImage, Encoder

_Result = TypeVar("_Result")

# Mean and deviation come from every sixteenth row and column: 1/256 of the pixels, and next to no time.
STATISTICS_STRIDE = 16
# Images handed to a thread together: handing over each alone takes 40 us, a twentieth of what a JPEG takes in all.
_CHUNK = 4
NO_SUMS = (0,) * 7


@dataclass(frozen=True, slots=True)
class _Done:
    """One image's outcome: its record, or why there is none."""

    image: PlannedImage
    piece: FramedRecord | None = None
    shape: tuple[int, ...] = ()
    pixel_sums: tuple[int, ...] = NO_SUMS
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What one image's example is made of; `problem` is why its source rejects it, before or after it was read."""

    data: bytes
    extras: Mapping[str, ExtraValue]
    problem: RecordError | None = None

    def encode(self, encode: Callable[[bytes], EncodedImage]) -> EncodedImage:
        """Encodes the bytes; raises `RecordError` for what is wrong with them, then for `problem`."""
        if self.problem is not None:
            if self.data:
                encode(self.data)
            raise self.problem
        return encode(self.data)


@dataclass(frozen=True, slots=True)
class _Decoded:
    """One image on its way into a batch, or why it isn't."""

    image: PlannedImage
    extras: Mapping[str, ExtraValue]
    encoded: EncodedImage | None = None
    rejection: Rejection | None = None


def write_unit(config: EtlConfig, unit: Unit, building_dir: str) -> UnitResult:
    """Writes one unit's file under a name that no other attempt has.

    Args:
        config: The run's configuration.
        unit: What to write.
        building_dir: The run's own folder.

    Returns:
        What was made. The same unit gives the same bytes at every attempt, by any number of threads.

    Raises:
        DatasetError: an input has changed or gone since it was listed.
        ConfigError, StorageError: a file can't be read or written, see `etl.storage`.
    """
    return storage.again_if_lost(lambda: _write_unit(config, unit, building_dir))


def _write_unit(config: EtlConfig, unit: Unit, building_dir: str) -> UnitResult:
    images = decode_images(storage.read_bytes(unit.plan_path), unit.plan_path)
    variant = variants.find(unit.variant)
    encoder, feature = variant.open(config), encodings.of(variant.image(config)).feature
    if encoder.batch_size is None:
        outcomes = _map_images(config, images, _image_worker(config, encoder, feature))
    else:
        outcomes = _finish_batches(config, images, encoder, feature)
    # The attempt's own name: a retried or forgotten attempt can't replace what a committed one wrote.
    stem = f"{building_dir}/{layout.unit_stem(unit.shard, unit.part)}.{uuid.uuid4().hex}"
    result = _write(
        outcomes, unit, stem, compressed=_is_compressed(config, unit), weights_digest=encoder.weights_digest
    )
    # Written last: it is what a resumed run goes by.
    storage.write_atomically(f"{stem}{layout.RESULT_SUFFIX}", encode_result(result))
    return result


def _is_compressed(config: EtlConfig, unit: Unit) -> bool:
    """Tells whether a unit's own file is compressed; parts of a shard are not, the shard is made of them later."""
    return config.compression == "gzip" and variants.find(unit.variant).unit_size is None


def _write(outcomes: Iterable[_Done], unit: Unit, stem: str, *, compressed: bool, weights_digest: str) -> UnitResult:
    """Writes the records that were made, counts them and keeps the rejections."""
    class_counts: Counter[str] = Counter()
    rejections: list[Rejection] = []
    sums = list(NO_SUMS)
    shard_path = f"{stem}{layout.SHARD_SUFFIX}"
    with storage.create(shard_path) as stream, RecordList(f"{stem}{layout.LIST_SUFFIX}") as listed:
        writer = RecordWriter(stream, compressed=compressed)
        for done in outcomes:
            progress.advance()
            if done.piece is None:
                rejections += [done.rejection] if done.rejection else []
                continue
            writer.write(done.piece)
            image = done.image
            length = len(done.piece.frame) - FRAME_BYTES
            listed.add(image.key, image.label, image.label_int, image.digest, done.shape, length)
            class_counts[image.label] += 1
            sums = [total + part for total, part in zip(sums, done.pixel_sums, strict=True)]
        num_bytes, sha256 = writer.finish()
    rejected_path = f"{stem}{layout.REJECTED_SUFFIX}"
    if rejections:
        storage.write_atomically(rejected_path, encode_rejections(rejections))
    return UnitResult(
        unit=unit,
        shard_path=shard_path,
        rejected_paths=(rejected_path,) if rejections else (),
        num_examples=writer.num_records,
        num_bytes=num_bytes,
        sha256=sha256,
        list_path=listed.path,
        list_sha256=listed.sha256,
        class_counts=dict(sorted(class_counts.items())),
        rejected=dict(sorted(Counter(rejection.reason for rejection in rejections).items())),
        pixel_sums=tuple(sums),
        weights_digest=weights_digest,
    )


def _map_images(
    config: EtlConfig, images: Iterator[PlannedImage], function: Callable[[PlannedImage, _Fetched], _Result]
) -> Iterator[_Result]:
    """Applies a function in threads to images and what is read of them; yields its results in order."""

    def fetch(image: PlannedImage) -> _Fetched:
        data = b""
        try:
            data = sources.read_listed(image.uri, image.num_bytes, image.digest)
            return _Fetched(data, sources.read_extras(config.source, image.key, image.extras))
        except RecordError as error:
            return _Fetched(data, {}, error)

    def both(pair: tuple[PlannedImage, Future[_Fetched]]) -> _Result:
        return function(pair[0], pair[1].result())

    first = next(images, None)
    if first is None:
        return iter(())
    images = itertools.chain([first], images)
    if not is_slow(first.uri):
        return ordered_map(lambda image: function(image, fetch(image)), images, config.num_threads, _CHUNK)
    return ordered_map(both, read_ahead(fetch, images, lambda image: image.num_bytes), config.num_threads)


def _image_worker(config: EtlConfig, encoder: Encoder, feature: str) -> Callable[[PlannedImage, _Fetched], _Done]:
    """Returns the function that turns one planned image into its record; threads call it."""
    compressed = config.compression == "gzip"

    def work(image: PlannedImage, fetched: _Fetched) -> _Done:
        try:
            encoded = fetched.encode(encoder.encode)
        except RecordError as error:
            return _Done(image, rejection=_reject(image, error))
        features = {feature: encoded.value, "shape": encoded.pixels.shape}
        piece = frame_record(_example(image, fetched.extras, features), compressed=compressed)
        return _Done(image, piece, encoded.pixels.shape, sum_pixels(encoded.pixels))

    return work


def _finish_batches(
    config: EtlConfig, images: Iterator[PlannedImage], encoder: Encoder, feature: str
) -> Iterator[_Done]:
    """Yields the records of values that are made in batches: threads decode ahead, and the encoder gets whole ones."""

    def decode(image: PlannedImage, fetched: _Fetched) -> _Decoded:
        try:
            return _Decoded(image, fetched.extras, fetched.encode(encoder.encode))
        except RecordError as error:
            return _Decoded(image, {}, rejection=_reject(image, error))

    decoded = _map_images(config, images, decode)
    while batch := list(itertools.islice(decoded, encoder.batch_size)):
        good = [(item, item.encoded) for item in batch if item.encoded is not None]
        yield from (_Done(item.image, rejection=item.rejection) for item in batch if item.encoded is None)
        if not good:
            continue
        values = encoder.finish([encoded for _, encoded in good])
        for (item, encoded), value in zip(good, values, strict=True):
            shape = encoded.pixels.shape
            piece = frame_record(_example(item.image, item.extras, {feature: value, "shape": shape}))
            yield _Done(item.image, piece, shape, sum_pixels(encoded.pixels))


def _reject(image: PlannedImage, error: RecordError) -> Rejection:
    return Rejection(image.key, image.uri, "decode", error.reason, error.message)


def _example(
    image: PlannedImage, extras: Mapping[str, ExtraValue], features: Mapping[str, ExtraValue | np.ndarray]
) -> bytes:
    common: dict[str, ExtraValue] = {
        "key": image.key,
        "label": image.label,
        "label_int": image.label_int,
        "digest": image.digest,
    }
    return encode_example({**extras, **common, **features})


def sum_pixels(pixels: np.ndarray) -> tuple[int, ...]:
    """Returns number, sums and sums of squares (a channel each) of every sixteenth row and column; whole, so exact."""
    sample = pixels[::STATISTICS_STRIDE, ::STATISTICS_STRIDE].reshape(-1, 3)
    # Whole numbers below 2**53 are exact in float64, and a channel a row is summed several times faster than pixels.
    channels = np.ascontiguousarray(sample.T, np.float64)
    return (len(sample), *map(int, channels.sum(axis=1)), *map(int, np.einsum("ij,ij->i", channels, channels)))
