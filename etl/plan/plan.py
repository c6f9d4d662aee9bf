"""The plan: what will be written where, decided before any image is decoded.

One pass lists the inputs and takes each one's size and digest: from the listing itself where the store says them, else
by reading the file. Duplicates, splits and shards follow from these alone. The list lies in a temporary SQLite file, so
memory doesn't grow with it.
"""

from __future__ import annotations

import functools
import itertools
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType

from etl import progress, sources, storage, variants
from etl.config import EtlConfig
from etl.errors import ConfigError, DatasetError, RecordError
from etl.format import layout
from etl.images.sniff import sniff
from etl.parallel import ordered_map
from etl.plan import sharding
from etl.plan.digests import Digested, digest, max_bytes
from etl.plan.lines import decode_extras, encode_extras, encode_image
from etl.records import PlannedImage, Rejection, SourceImage, Unit
from etl.sources import notes
from etl.sources.files.names import IGNORED
from etl.storage.reading import NUM_READERS, is_slow
from etl.words import quantity

# What an example holds beside its image: tags, lengths, names, digest, shape and framing.
_EXAMPLE_OVERHEAD_BYTES = 190

# Splits in the order in which people speak of them; others follow by name.
_SPLIT_ORDER = ("train", "validation", "test")

# How many images are encoded to learn the size that the others will have.
_SAMPLE_SIZE = 64

# Endings of which each has a sample of its own, since nearly all files of one are kept as they are, or nearly none.
_ENDINGS = frozenset([".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".avif", ".tif", ".tiff", ".jp2"])

# Files that a thread digests before it hands them over.
_DIGEST_CHUNK = 32

_TABLES = """
CREATE TABLE image (
    key TEXT PRIMARY KEY, uri TEXT, label TEXT, label_int INTEGER, split TEXT, extras TEXT,
    digest TEXT, num_bytes INTEGER, ending TEXT, place TEXT, origin TEXT
) WITHOUT ROWID;
CREATE TABLE unseen (number INTEGER PRIMARY KEY, key TEXT, uri TEXT, label TEXT, split TEXT, extras TEXT, origin TEXT);
CREATE TABLE rejection (key TEXT, uri TEXT, reason TEXT, message TEXT);
"""


class Plan:
    """The inputs of one run, digested and in order. A context manager: the list is deleted at its end.

    Args:
        config: The run's configuration.

    Raises:
        ConfigError: the options, the input or its lists are not as they should be.
        DownloadError: a published archive can't be had.
    """

    def __init__(self, config: EtlConfig) -> None:
        self.config = config
        self._source = sources.source(config.source)
        self._lists = sources.list_versions(config.source, config.options)
        self.class_names: tuple[str, ...] = self._source.class_names(config.options)
        self._listed: Iterator[SourceImage] = self._source.list_images(config.options)
        self._folder = tempfile.TemporaryDirectory(prefix="petalstream-plan-")
        self._database = sqlite3.connect(os.path.join(self._folder.name, "plan.sqlite"))
        # The file is thrown away at the end: nothing to protect from a crash.
        self._database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _TABLES)
        self._ignored: dict[str, notes.Examples] = {}
        self._relabelled = notes.Examples()
        # Kept for a variant: it reads a sample, and the shards are gone through several times.
        self._sizes = functools.cache(self._make_sizes)

    def __enter__(self) -> Plan:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()
        self._folder.cleanup()

    def fill(self) -> None:
        """Lists the inputs and digests them.

        Raises:
            ConfigError: there is not one input.
            DatasetError: a list of them was changed since the class names were read.
            StorageError: the store that has them fails.
        """
        labels = {name: index for index, name in enumerate(self.class_names)}
        limit = max_bytes(self.config.max_pixels)
        take = functools.partial(digest, source=self.config.source, limit=limit)
        with progress.step("list and digest"), self._database:
            for found in ordered_map(take, self._seen(self._listed), self.config.num_threads, _DIGEST_CHUNK):
                self._add(found, labels)
                progress.advance()
            for found in ordered_map(take, self._unseen(), NUM_READERS):
                self._add(found, labels)
                progress.advance()
            self._database.execute("DELETE FROM unseen")
        self._check_lists()
        if not self.num_read:
            raise ConfigError("--input", self.config.options.input, "at least one image")
        self._database.execute("CREATE INDEX by_place ON image (split, place, key)")

    def _check_lists(self) -> None:
        now = sources.list_versions(self.config.source, self.config.options)
        changed = sorted(path for path in self._lists.keys() | now if self._lists.get(path) != now.get(path))
        if changed:
            raise DatasetError(f"{changed[0]}: it was changed while it was read; run again")

    def _seen(self, images: Iterable[SourceImage]) -> Iterator[SourceImage]:
        """Yields the images whose digest is known or that lie at hand, and puts the others aside."""
        for image in images:
            if image.ignored:
                self._ignored.setdefault(image.ignored, notes.Examples()).add(image.key)
                continue
            known = image.rejection or (image.listed is not None and image.listed.md5)
            if known or not storage.lists_digests(image.uri):
                yield image
                continue
            extras = encode_extras(image.extras) if image.extras else ""
            row = (image.key, image.uri, image.label, image.split, extras, image.origin)
            self._database.execute("INSERT INTO unseen VALUES (NULL,?,?,?,?,?,?)", row)

    def _unseen(self) -> Iterator[SourceImage]:
        """Yields the images put aside, with what their store's listing says; it is asked in the order of names."""
        # Of two with one name the first counts, as it does among the others.
        order = "FROM unseen ORDER BY uri, number"
        rows = self._database.execute(f"SELECT key, uri, label, split, extras, origin {order}")
        uris = (uri for (uri,) in self._database.execute(f"SELECT uri {order}"))
        for (key, uri, label, split, extras, origin), listed in zip(rows, storage.look_up(uris), strict=True):
            more = decode_extras(extras) if extras else {}
            image = SourceImage(key, uri, label, split, more, listed=listed, origin=origin)
            if listed is None:
                image = replace(image, rejection="missing", message="there is no such file")
            yield image

    def _add(self, found: Digested, labels: Mapping[str, int]) -> None:
        image, rejection = found.image, found.rejection
        if rejection is None and image.label not in labels and labels:
            rejection = _reject(
                image, "unknown_label", f"label {image.label!r} is not among the {quantity(len(labels), 'class')}"
            )
        if rejection is None:
            split = sharding.settle(image.split, found.digest, self.config.seed, self.config.splits)
            place = f"{sharding.shard_hash(found.digest, image.key, self.config.seed):020d}"
            extras = encode_extras(image.extras) if image.extras else ""
            row = (image.key, image.uri, image.label, labels.get(image.label, -1), split, extras)
            statement = f"INSERT OR IGNORE INTO image VALUES ({','.join('?' * 11)})"
            facts = (found.digest, found.num_bytes, _ending(image.uri), place, image.origin)
            if self._database.execute(statement, (*row, *facts)).rowcount:
                return
            rejection = _reject(image, "duplicate_key", self._explain_duplicate(image))
        reject = (rejection.key, rejection.uri, rejection.reason, rejection.message)
        self._database.execute("INSERT INTO rejection VALUES (?,?,?,?)", reject)

    def _explain_duplicate(self, image: SourceImage) -> str:
        """Names both inputs of one key, and their labels where these differ."""
        statement = "SELECT uri, label, origin FROM image WHERE key = ?"
        uri, label, origin = self._database.execute(statement, (image.key,)).fetchone()
        first, second = origin or uri, image.origin or image.uri
        if label != image.label:
            first, second = f"{first} (label {label!r})", f"{second} (label {image.label!r})"
        message = f"{second} has the same key as {first}, which came first"
        if label != image.label:
            self._relabelled.add(message)
        return message

    @property
    def num_images(self) -> int:
        """Images that are to be decoded."""
        return self._number("SELECT count(*) FROM image")

    @property
    def num_read(self) -> int:
        """Inputs listed, those rejected by now included."""
        return self.num_images + self._number("SELECT count(*) FROM rejection")

    def rejected(self) -> dict[str, int]:
        """Returns reason to number of inputs rejected by now."""
        return dict(self._database.execute("SELECT reason, count(*) FROM rejection GROUP BY reason ORDER BY reason"))

    def rejections(self) -> Iterator[Rejection]:
        """Yields the inputs rejected by now, by key."""
        for key, uri, reason, message in self._database.execute("SELECT * FROM rejection ORDER BY key, uri"):
            yield Rejection(key, uri, "list", reason, message)

    def ignored(self) -> dict[str, int]:
        """Returns kind to number of files and folders below the input that are no inputs."""
        return {kind: self._ignored[kind].count for kind in IGNORED if kind in self._ignored}

    def class_counts(self) -> Iterator[tuple[str, int]]:
        """Yields each class name with its number of images that are to be decoded."""
        counts = dict(self._database.execute("SELECT label_int, count(*) FROM image GROUP BY label_int"))
        return ((name, counts.get(index, 0)) for index, name in enumerate(self.class_names))

    @functools.cached_property
    def source_notes(self) -> list[str]:
        """The source's own lines on what the operator should know; making them reads lists again."""
        return list(self._source.notes(self.config.options)) if hasattr(self._source, "notes") else []

    def describe(self) -> list[str]:
        """Returns lines on what the operator should know of the inputs, with a few names each."""
        lines = self.source_notes + notes.lookalikes(self.class_names)
        for kind, count in self.ignored().items():
            lines.append(f"ignored {count:,}, {IGNORED[kind]}: {self._ignored[kind]}")
        if self._relabelled.count:
            rows = quantity(self._relabelled.count, "row")
            lines.append(f"{rows} with an image again, under another label: {self._relabelled}")
        counts = self.duplicates()
        across = {by: self._examples_across(by) if counts[f"across_{by}s"] else "" for by in ("label", "split")}
        return lines + notes.duplicates(counts["across_labels"], counts["across_splits"], *across.values())

    def _examples_across(self, column: str) -> notes.Examples:
        """Returns pairs of exact copies that differ in a column."""
        found = f"SELECT digest FROM image GROUP BY digest HAVING count(DISTINCT {column}) > 1 ORDER BY digest"
        pair = f"SELECT min(key) FROM image WHERE digest = ? GROUP BY {column} ORDER BY 1 LIMIT 2"
        digests = self._database.execute(f"{found} LIMIT {notes.NUM_EXAMPLES}").fetchall()
        pairs = ([notes.shown(key) for (key,) in self._database.execute(pair, digest)] for digest in digests)
        return notes.Examples(" = ".join(keys) for keys in pairs)

    def duplicates(self) -> dict[str, int]:
        """Counts exact copies: `images` beyond the first of each, and how many contents lie across splits or labels."""
        across = "SELECT count(*) FROM (SELECT 1 FROM image GROUP BY digest HAVING count(DISTINCT {}) > 1)"
        return {
            "images": self._number("SELECT count(*) - count(DISTINCT digest) FROM image"),
            "across_splits": self._number(across.format("split")),
            "across_labels": self._number(across.format("label")),
        }

    def splits(self) -> dict[str, int]:
        """Returns split to number of images, in the splits' order; also those that are configured and got none."""
        counts = dict(self._database.execute("SELECT split, count(*) FROM image GROUP BY split"))
        if set(counts) <= set(self.config.splits):
            # One that got no image is still a split of this data set.
            counts = dict.fromkeys(self.config.splits, 0) | counts
        known = [name for name in _SPLIT_ORDER if name in counts]
        return {name: counts[name] for name in [*known, *sorted(set(counts) - set(known))]}

    def shards(self, variant: str) -> Iterator[tuple[str, int, list[PlannedImage], int]]:
        """Yields a variant's shards as (split, index, images, expected bytes), one shard in memory at a time."""
        size = self._sizes(variant)
        for split in self.splits():
            statement = "SELECT num_bytes, ending FROM image WHERE split = ?"
            total = sum(size(*row) for row in self._database.execute(statement, (split,)))
            count = sharding.num_shards(total, self.config.shard_bytes)
            # Sizes and images advance together, so that no list of the whole split is ever held.
            ahead, images = itertools.tee(self._images(split, size))
            places = sharding.assign_shards((num_bytes for _, num_bytes in ahead), total, count)
            for index, group in itertools.groupby(zip(places, images, strict=True), key=lambda row: row[0]):
                members = [member for _, member in group]
                yield split, index, [image for image, _ in members], sum(num_bytes for _, num_bytes in members)

    def units(self, folder: str) -> Iterator[tuple[Unit, bytes]]:
        """Yields the units of work, each with the content of the file below `folder` that lists its images."""
        for variant in self.config.variants:
            for split, index, images, _ in self.shards(variant):
                step = variants.find(variant).unit_size or len(images)
                for part, first in enumerate(range(0, len(images), step)):
                    mine = images[first : first + step]
                    path = layout.plan_path(folder, layout.shard_stem(variant, split, index), part)
                    yield Unit(variant, split, index, part, path, len(mine)), b"".join(map(encode_image, mine))

    def _make_sizes(self, variant: str) -> Callable[[int, str], int]:
        """Returns the function from an image's own size and its file's ending to the size that its example will have.

        It goes by seeded samples, so that the same images give the same shards wherever they lie, and none has to be
        read for its size alone.
        """
        fixed = variants.fixed_bytes(self.config, variant)
        if fixed is not None:
            return lambda num_bytes, ending: fixed + _EXAMPLE_OVERHEAD_BYTES
        if not variants.find(variant).keeps_files(self.config):
            made, count = self._sample(variant, "")
            mean = made // max(1, count)
            return lambda num_bytes, ending: mean + _EXAMPLE_OVERHEAD_BYTES
        endings = [ending for (ending,) in self._database.execute("SELECT DISTINCT ending FROM image ORDER BY ending")]
        shares = {ending: self._sample(variant, "WHERE ending = ?", ending) for ending in endings}

        def scaled(num_bytes: int, ending: str) -> int:
            made, original = shares[ending]
            return (num_bytes * made // original if original else num_bytes) + _EXAMPLE_OVERHEAD_BYTES

        return scaled

    def _sample(self, variant: str, only: str, *values: str) -> tuple[int, int]:
        """Encodes a seeded sample of the images.

        Args:
            variant: To encode for.
            only: Condition that the sample's rows meet.
            *values: Of the condition.

        Returns:
            The bytes that they take in a shard; the bytes of their own files where plain JPEGs keep these, else their
            number.

        Raises:
            DatasetError: an image was changed since it was digested.
        """
        keeps = variants.find(variant).keeps_files(self.config)
        # Opened when the first image needs it.
        opened = functools.cache(lambda: variants.find(variant).open(self.config))
        statement = f"SELECT uri, num_bytes, digest FROM image {only} ORDER BY place, key LIMIT {_SAMPLE_SIZE}"
        sample = list(self._database.execute(statement, values))

        def measure(image: tuple[str, int, str]) -> tuple[int, int]:
            try:
                data = sources.read_listed(*image)
                if keeps and sniff(data).plain:
                    return len(data), len(data)
                return variants.stored_bytes(opened().encode(data), self.config), len(data) if keeps else 1
            except RecordError:
                # It will be rejected, with its reason, when its shard is written.
                return 0, 0

        num_threads = NUM_READERS if any(is_slow(uri) for uri, *_ in sample) else self.config.num_threads
        sizes = list(ordered_map(measure, sample, num_threads))
        return sum(made for made, _ in sizes), sum(original for _, original in sizes)

    def _images(self, split: str, size: Callable[[int, str], int]) -> Iterator[tuple[PlannedImage, int]]:
        columns = "key, uri, label, label_int, digest, num_bytes, extras, ending"
        statement = f"SELECT {columns} FROM image WHERE split = ? ORDER BY place, key"
        for row in self._database.execute(statement, (split,)):
            key, uri, label, label_int, digest, num_bytes, extras, ending = row
            more = decode_extras(extras) if extras else {}
            yield PlannedImage(key, uri, label, label_int, digest, num_bytes, more), size(num_bytes, ending)

    def _number(self, statement: str) -> int:
        return int(self._database.execute(statement).fetchone()[0])


def _ending(uri: str) -> str:
    ending = os.path.splitext(uri)[1].lower()
    return ending if ending in _ENDINGS else ""


def _reject(image: SourceImage, reason: str, message: str) -> Rejection:
    return Rejection(image.key, image.uri, "list", reason, message)
