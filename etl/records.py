"""The small frozen records that travel between the steps of the ETL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etl.format import layout
from etl.format.features import ExtraValue
from etl.storage.stored import StoredFile


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image that a source lists; nothing of it has been read yet.

    Attributes:
        key: Unique in the data set and stable between runs, for example `daisy/123.jpg`.
        uri: Where its bytes are: a local path, `gs://…`, or a scheme of the source's own.
        label: The class name, "" where the source has none.
        split: The split that the source assigns, or None to have one chosen from the content.
        extras: Further features by name, those that the source's `extras` declares.
        rejection: Where listing alone tells that it can't be written: one of `etl.errors.reasons.REASONS`, or a reason
            that the source declares.
        message: What was wrong, with `rejection`.
        listed: What the listing of its store said of its file, where the source has it from there.
        ignored: A kind of `sources.names.IGNORED` where it is no input and only counted.
        origin: The line of the list that names it, as `list.csv:7`; "" where no list does.
    """

    key: str
    uri: str
    label: str
    split: str | None = None
    extras: Mapping[str, ExtraValue] = field(default_factory=dict)
    rejection: str | None = None
    message: str = ""
    listed: StoredFile | None = None
    ignored: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One image of a shard, with all that its example needs but the pixels.

    Attributes:
        key: As listed.
        uri: As listed.
        label: As listed.
        label_int: The label's place among the class names; -1 where the data set has none.
        digest: MD5 of the file in hexadecimal.
        num_bytes: The file's size.
        extras: As listed.
    """

    key: str
    uri: str
    label: str
    label_int: int
    digest: str
    num_bytes: int
    extras: Mapping[str, ExtraValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of work: one shard of one variant; of embeddings, which cost more to make than to move, a part of one.

    Attributes:
        variant: Of the shard.
        split: Of the shard.
        index: Of the shard in its split.
        part: Of the shard.
        plan_path: The file that lists its images, one `PlannedImage` a line.
        num_images: How many those are.
        done_path: The result of an earlier attempt that is to be kept; "" where the work is still to be done.
    """

    variant: str
    split: str
    index: int
    part: int
    plan_path: str
    num_images: int
    done_path: str = ""

    @property
    def shard(self) -> str:
        """Names the shard among all of a run."""
        return layout.shard_stem(self.variant, self.split, self.index)


@dataclass(frozen=True, slots=True)
class Rejection:
    """One line of `rejected.jsonl`: an input that was not written, at which stage (`list` or `decode`), and why."""

    key: str
    uri: str
    stage: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What one attempt at a unit made.

    Attributes:
        unit: The unit.
        shard_path: The shard or its part, under the attempt's own name.
        rejected_paths: Files of its rejections, one a line.
        num_examples: Of the shard.
        num_bytes: Of the shard's file.
        sha256: Of the shard's file.
        list_path: The list of its records, see `etl.format.index`.
        list_sha256: Of that file.
        class_counts: Class name to number of examples.
        rejected: Reason to number of images.
        pixel_sums: Number, sums (3) and sums of squares (3) of the sampled pixels.
        weights_digest: Of the network that made the embeddings, "" where there are none.
    """

    unit: Unit
    shard_path: str
    rejected_paths: tuple[str, ...]
    num_examples: int
    num_bytes: int
    sha256: str
    list_path: str
    list_sha256: str
    class_counts: Mapping[str, int]
    rejected: Mapping[str, int]
    pixel_sums: tuple[int, ...]
    weights_digest: str = ""
