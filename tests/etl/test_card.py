from __future__ import annotations

import dataclasses
import io
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from etl import options
from etl.card import charts, samples
from etl.card.__main__ import main
from etl.card.card import write_card
from etl.card.command import command
from etl.card.markup import escape
from etl.card.page import render as render_page
from etl.card.record import decode_features
from etl.card.samples import Sample, Samples, collect_samples, read_rejected_examples
from etl.card.snippet import snippet
from etl.errors import ConfigError, DatasetError, run_main
from etl.format import manifest as manifests
from etl.format.features import ExtraValue, FeatureSpec, ImageSpec
from etl.format.layout import shard_name
from etl.format.manifest import Counts, Manifest, Shard, Split, Statistics, Variant
from etl.format.schema import COMMON_FEATURES, encode_example
from etl.format.tfrecord import RecordWriter, frame_record
from etl.plan.lines import encode_rejections
from etl.records import Rejection
from tests.photos import jpeg, picture

IDENTITIES = [
    "samples",
    "classes",
    "splits",
    "shards",
    "rejected",
    "duplicates",
    "colours",
    "variants",
    "origin",
    "reading",
]
VOID = {"br", "col", "img", "meta"}
EVIL = "</title><script>alert('1')</script><img src=x onerror=\"alert(2)\">&amp;"


class Page(HTMLParser):
    """Parses a page, insisting that every element is closed in its turn."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def shard_sizes(*sizes: int, split: str = "train") -> tuple[Shard, ...]:
    return tuple(
        Shard(shard_name(split, index, len(sizes)), 1, size, f"{index:064x}") for index, size in enumerate(sizes)
    )


def make_manifest(
    class_counts: Mapping[str, Mapping[str, int]],
    *,
    shards: Mapping[str, tuple[Shard, ...]] | None = None,
    class_names: tuple[str, ...] | None = None,
    rejected: Mapping[str, int] | None = None,
    **changes: object,
) -> Manifest:
    """Makes a manifest from split -> class -> examples; its shards need not exist."""
    splits = {}
    for name, counts in class_counts.items():
        files = (shards or {}).get(name, shard_sizes(1_000_000, split=name) if sum(counts.values()) else ())
        num_bytes = sum(shard.num_bytes for shard in files)
        splits[name] = Split(name, sum(counts.values()), num_bytes, dict(counts), files)
    written = sum(split.num_examples for split in splits.values())
    names = class_names if class_names is not None else tuple(next(iter(class_counts.values())))
    variant = Variant(
        name="jpeg",
        image=ImageSpec("jpeg", "uint8"),
        features={"image": FeatureSpec("bytes"), "bbox": FeatureSpec("int64", (4,), optional=True), **COMMON_FEATURES},
        splits=splits,
        statistics=Statistics("train", (120.0, 100.0, 80.0), (60.0, 50.0, 40.0), 8),
    )
    rejected = dict(rejected or {})
    made = Manifest(
        dataset="flowers",
        class_names=names,
        counts=Counts(written + sum(rejected.values()), written, rejected),
        variants={"jpeg": variant},
        config={"source": "folder", "shard_bytes": 2_000_000, "options": {"input": "/photos"}},
        software={"pillow": "12.3.0"},
        run={"id": "abc", "started": "2026-11-20T10:00:00+00:00"},
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


FLOWERS = make_manifest({"train": {"daisy": 8, "roses": 4}, "test": {"daisy": 1, "roses": 2}})


def render(manifest: Manifest, **examples: Sequence[Rejection]) -> str:
    return render_page(manifest, Samples(), examples)


Stored = tuple[str, str, bytes | np.ndarray, tuple[int, int, int]]


def write_data_set(
    folder: Path, encoding: str, images: Mapping[str, Sequence[Sequence[Stored]]], *, compression: str = "none"
) -> Manifest:
    """Writes shards and a manifest by hand.

    Args:
        folder: Of the data set.
        encoding: As in `ImageSpec`.
        images: Split to its shards, each a row of (key, label, stored image, shape).
        compression: As in `Variant`.
    """
    name = {"jpeg": "jpeg", "none": "embedding"}.get(encoding, "pixel")
    image_name = "image_embedding" if encoding == "none" else "image"
    names = tuple(
        sorted({label for shards in images.values() for shard in shards for _, label, _, _ in shard if label})
    )
    splits = {}
    for split, shards in images.items():
        made = []
        for index, shard in enumerate(shards):
            path = folder / name / shard_name(split, index, len(shards), compressed=compression == "gzip")
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as stream:
                writer = RecordWriter(stream, compressed=compression == "gzip")
                for key, label, image, shape in shard:
                    place = names.index(label) if label else -1
                    common: dict[str, ExtraValue] = {
                        "key": key,
                        "label": label,
                        "label_int": place,
                        "shape": shape,
                        "digest": "0" * 32,
                    }
                    record = encode_example({**common, image_name: image})
                    writer.write(frame_record(record, compressed=compression == "gzip"))
                num_bytes, sha256 = writer.finish()
            made.append(Shard(path.name, len(shard), num_bytes, sha256))
        counts = Counter(dict.fromkeys(names, 0)) + Counter(label for shard in shards for _, label, _, _ in shard)
        number, total = sum(shard.num_examples for shard in made), sum(shard.num_bytes for shard in made)
        splits[split] = Split(split, number, total, dict(counts), tuple(made))
    image_spec = {
        "jpeg": FeatureSpec("bytes"),
        "raw": FeatureSpec("bytes"),
        "float_list": FeatureSpec("float32", (None,)),
        "none": FeatureSpec("float32", (4,)),
    }[encoding]
    variant = Variant(
        name=name,
        image=ImageSpec(encoding, "float32" if encoding in ("float_list", "none") else "uint8"),
        features={**COMMON_FEATURES, image_name: image_spec},
        splits=splits,
        compression=compression,
    )
    written = sum(split.num_examples for split in splits.values())
    manifest = Manifest("flowers", names, Counts(written, written, {}), {name: variant})
    (folder / "manifest.json").write_text(manifests.to_json(manifest))
    return manifest


def jpegs(label: str, count: int, start: int = 0) -> list[Stored]:
    return [
        (f"{label}/{number}.jpg", label, jpeg(number, 30, 40), (30, 40, 3)) for number in range(start, start + count)
    ]


def open_thumbnail(sample: Sample) -> Image.Image:
    image = Image.open(io.BytesIO(sample.thumbnail))
    assert image.format == "JPEG"
    return image.convert("RGB")


# The page


def test_every_section_is_there_once_and_linked() -> None:
    page = Page(render(FLOWERS))
    assert [attributes["id"] for attributes in page.all("section")] == IDENTITIES
    links = [attributes["href"] for attributes in page.all("a")]
    assert [f"#{identity}" for identity in IDENTITIES] == [link for link in links if link in links[1:]][
        -len(IDENTITIES) :
    ]


def test_the_counts_are_an_equation() -> None:
    page = Page(render(make_manifest({"train": {"daisy": 1_200}}, rejected={"empty": 34})))
    assert "1,234 read = 1,200 written + 34 rejected" in page.text


def test_it_needs_nothing_but_itself() -> None:
    manifest = make_manifest({"train": {"daisy": 8}}, rejected={"empty": 1})
    sample = Sample("daisy/1.jpg", "train", 3, 4, jpeg(1, 3, 4))
    text = render_page(manifest, Samples("jpeg", 8, {"daisy": (sample,)}), {})
    page = Page(text)
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}
    assert all(str(attributes["src"]).startswith("data:image/jpeg;base64,") for attributes in page.all("img"))
    assert {str(attributes["href"]) for attributes in page.all("a")} <= {f"#{name}" for name in IDENTITIES} | {
        "rejected.jsonl"
    }
    assert not re.search(r"url\(|@import|https?:", text)
    policy = next(attributes for attributes in page.all("meta") if attributes.get("http-equiv"))
    assert str(policy["content"]).startswith("default-src 'none'")


def test_strange_names_stay_text() -> None:
    manifest = make_manifest(
        {"train": {EVIL: 3, "roses": 1}},
        rejected={"corrupt": 1, EVIL: 1},
        dataset=EVIL,
        config={"source": "folder", "options": {"input": EVIL}},
        software={EVIL: EVIL},
        run={"runner": EVIL},
    )
    rejection = Rejection(EVIL, "", "decode", "corrupt", EVIL)
    sample = Sample(EVIL, EVIL, 3, 4, jpeg(1, 3, 4))
    page = Page(render_page(manifest, Samples(EVIL, 4, {EVIL: (sample,)}), {"corrupt": [rejection]}))
    assert not page.all("script")
    (image,) = page.all("img")
    assert image["alt"] == EVIL
    assert "onerror" not in image
    assert page.text.count(EVIL) > 10


def test_bytes_that_no_page_can_hold_are_shown_as_signs() -> None:
    rejection = Rejection("a\x00b\x1b\udcff.jpg", "", "decode", "corrupt", "")
    manifest = make_manifest({"train": {"daisy": 3}}, rejected={"corrupt": 1})
    text = render(manifest, corrupt=[rejection]).encode().decode()
    assert "a\u2400b\u241b\ufffd.jpg" in Page(text).text


@given(st.text(st.characters(exclude_categories=[])))
@example("<b>&lt;\"'\x00\ud800")
def test_escaped_text_is_read_back_as_text(text: str) -> None:
    parsed = Page(f'<p title="{escape(text)}">{escape(text)}</p>')
    (attributes,) = parsed.all("p")
    assert [tag for tag, _ in parsed.elements] == ["p"]
    assert len("".join(parsed.words)) == len(attributes["title"] or "") == len(text)
    if text.isprintable():
        assert "".join(parsed.words) == text
    escape(text).encode()


def test_equal_arguments_make_equal_pages_from_memory_and_from_disk() -> None:
    text = render(FLOWERS)
    assert text == render(FLOWERS)
    assert text == render(manifests.from_json(manifests.to_json(FLOWERS), ""))
    config = {**FLOWERS.config, "image_size": (2, 3), "variants": ("jpeg",)}
    tuples = dataclasses.replace(FLOWERS, config=config)
    assert render(tuples) == render(manifests.from_json(manifests.to_json(tuples), ""))


def test_it_follows_the_facts() -> None:
    other = make_manifest({"train": {"daisy": 8, "roses": 5}, "test": {"daisy": 1, "roses": 2}})
    assert render(other) != render(FLOWERS)
    assert FLOWERS.fingerprint in Page(render(FLOWERS)).text


# Classes and splits


def bar_widths(page: Page, title: str) -> list[float]:
    """Returns the widths of the parts of the bars whose label begins so, which lie end to end."""
    found: list[float] = []
    here = False
    for tag, attributes in page.elements:
        if tag == "svg":
            here = str(attributes.get("aria-label", "")).startswith(title)
        elif tag == "rect" and here:
            assert float(str(attributes["x"]).rstrip("%")) == pytest.approx(sum(found), abs=0.02)
            found.append(float(str(attributes["width"]).rstrip("%")))
    return found


def test_bars_are_in_proportion() -> None:
    page = Page(render(FLOWERS))
    assert bar_widths(page, "daisy, train: 8") == pytest.approx([100 * 8 / 9, 100 * 1 / 9], abs=0.01)
    assert bar_widths(page, "roses, train: 4") == pytest.approx([100 * 4 / 9, 100 * 2 / 9], abs=0.01)
    assert bar_widths(page, "train: 12, 80.0 %; test: 3, 20.0 %") == pytest.approx([80, 20])


def test_two_classes_of_one_size() -> None:
    assert "2 classes, of 5 examples each." in Page(render(make_manifest({"train": {"cat": 5, "dog": 5}}))).text


def test_thirty_seven_classes_have_a_bar_each() -> None:
    counts = {f"breed{number}": number + 1 for number in range(37)}
    page = Page(render(make_manifest({"train": counts})))
    bars = [str(attributes.get("aria-label")) for attributes in page.all("svg") if attributes.get("class") == "bar"]
    assert len([label for label in bars if label.startswith("breed")]) == 37
    assert "37 classes, from 1 ( breed0 ) to 37 examples ( breed36 ): the largest is 37.0 times" in page.text


def test_a_thousand_classes_have_a_curve_and_a_list() -> None:
    counts = {f"n{number:04d}": 2_000 - number for number in range(1_000)}
    text = render(make_manifest({"train": counts, "test": dict.fromkeys(counts, 3)}))
    page = Page(text)
    (summary,) = [word for word in page.words if word.startswith("All 1,000 classes")]
    assert summary
    train, test = (path for path in reversed(page.all("path")))
    assert str(train["d"]).count("H") == str(test["d"]).count("H") == 1_000
    # Once in the list of all; the largest and the smallest also in their own.
    assert (text.count(">n0500<"), text.count(">n0000<"), text.count(">n0990<")) == (1, 3, 2)
    assert len(text) < 400_000


def test_of_still_more_classes_the_list_has_an_end() -> None:
    text = render(make_manifest({"train": {f"n{number}": 1 for number in range(20_000)}}))
    assert "The first 1,000 of 20,000 classes" in text
    assert len(text) < 400_000


def test_an_empty_split_is_named() -> None:
    manifest = make_manifest({"train": {"daisy": 3}, "validation": {"daisy": 0}, "test": {"daisy": 0}})
    assert "Empty: validation and test." in Page(render(manifest)).text


def test_a_data_set_without_examples_has_a_page() -> None:
    manifest = make_manifest({"train": {"daisy": 0}}, rejected={"empty": 2})
    page = Page(render(dataclasses.replace(manifest, config={}, run={}, software={})))
    assert "There are no examples." in page.text
    assert "2 read = 0 written + 2 rejected" in page.text


def test_a_data_set_without_class_names_has_a_page() -> None:
    manifest = make_manifest({"train": {"": 3}}, class_names=())
    assert "(no label)" in Page(render(manifest)).text


# Shards


def test_columns_stand_beside_the_target() -> None:
    sizes = {"train": shard_sizes(1_900_000, 2_000_000, 2_100_000)}
    page = Page(render(make_manifest({"train": {"daisy": 3}}, shards=sizes)))
    place = [tag for tag, _ in page.elements].index("g")
    rects = [attributes for tag, attributes in page.elements[place:] if tag == "rect"][:3]
    heights = [float(str(rect["height"]).rstrip("%")) for rect in rects]
    (target,) = (line for line in page.all("line") if line.get("class") == "target")
    assert heights[1] == pytest.approx(100 - float(str(target["y1"]).rstrip("%")), abs=0.02)
    assert heights[0] / heights[1] == pytest.approx(0.95, abs=0.001)
    assert heights[2] / heights[1] == pytest.approx(1.05, abs=0.001)
    assert "jpeg / train 3 3 6.0 MB 1.9 MB 2.0 MB 2.1 MB 5.0 %" in page.text


def test_many_shards_share_columns() -> None:
    sizes = {"train": shard_sizes(*(2_000_000 + 100 * number for number in range(3_000)))}
    text = render(make_manifest({"train": {"daisy": 3_000}}, shards=sizes))
    page = Page(text)
    columns = next(attributes for attributes in page.all("svg") if attributes.get("class") == "columns")
    assert columns["aria-label"] == "jpeg: sizes of 3,000 shards, the largest 2.3 MB"
    assert "a column stands for up to 19 shards" in page.text
    assert text.count("train, 19 shards:") <= charts.MOST_COLUMNS


@given(st.lists(st.integers(0, 10), min_size=1, max_size=400), st.integers(1, 50))
def test_runs_cover_a_sequence_once(values: list[int], most: int) -> None:
    runs = charts.group_runs(values, most)
    assert [value for run in runs for value in run] == values
    assert len(runs) <= most


# Rejected inputs, duplicates, colours


def test_rejected_inputs_are_shown_by_reason_with_examples() -> None:
    manifest = make_manifest({"train": {"daisy": 95}}, rejected={"corrupt": 1, "empty": 4})
    rejections = [Rejection(f"daisy/{number}.jpg", "u", "decode", "empty", "bad <bits>") for number in range(3)]
    page = Page(render(manifest, empty=rejections))
    assert "5 of 100 inputs, 5.0 %, could not be written." in page.text
    # The commonest first.
    assert page.text.index("empty the file has zero") < page.text.index("corrupt the image's bytes contradict")
    assert "daisy/0.jpg bad <bits> daisy/1.jpg" in page.text
    assert "and 1 more" in page.text
    assert bar_widths(page, "empty: 4") == pytest.approx([80])


def test_none_rejected_is_said() -> None:
    assert "None: every input that was read was written." in Page(render(FLOWERS)).text


def test_duplicates_that_spoil_a_result_are_pointed_out() -> None:
    harmless = Page(
        render(dataclasses.replace(FLOWERS, duplicates={"images": 7, "across_splits": 0, "across_labels": 0}))
    )
    assert "exact copies of an earlier image; they are written like any other 7" in harmless.text
    assert not [attributes for attributes in harmless.all("p") if attributes.get("class") == "warning"]
    leaking = Page(
        render(dataclasses.replace(FLOWERS, duplicates={"images": 7, "across_splits": 5, "across_labels": 2}))
    )
    assert len([attributes for attributes in leaking.all("p") if attributes.get("class") == "warning"]) == 2


def test_colours_and_features_are_listed() -> None:
    text = Page(render(FLOWERS)).text
    assert "red 120.0 60.0 0.4706 0.2353" in text
    assert "bbox int64[4], optional from the source" in text


def write_rejected(folder: Path, rejections: Sequence[Rejection]) -> None:
    (folder / "rejected.jsonl").write_bytes(encode_rejections(rejections))


def test_of_each_reason_the_first_few_are_read(tmp_path: Path) -> None:
    rejections = [Rejection(f"{number}", "", "list", "empty" if number % 2 else "corrupt", "") for number in range(10)]
    write_rejected(tmp_path, rejections)
    manifest = make_manifest({"train": {"daisy": 9}}, rejected={"empty": 5, "corrupt": 5})
    found = read_rejected_examples(str(tmp_path), manifest)
    assert {reason: [item.key for item in items] for reason, items in found.items()} == {
        "empty": ["1", "3", "5"],
        "corrupt": ["0", "2", "4"],
    }


def test_no_more_of_the_rejected_is_read_than_is_shown(tmp_path: Path) -> None:
    write_rejected(tmp_path, [Rejection("a", "", "list", "empty", "")])
    with (tmp_path / "rejected.jsonl").open("ab") as file:
        file.write(b"never reached")
    one = make_manifest({"train": {"daisy": 9}}, rejected={"empty": 1})
    assert read_rejected_examples(str(tmp_path), one)["empty"][0].key == "a"
    two = make_manifest({"train": {"daisy": 9}}, rejected={"empty": 2})
    with pytest.raises(DatasetError, match=r"rejected\.jsonl: line 2 is no rejected input"):
        read_rejected_examples(str(tmp_path), two)


def test_a_data_set_may_lack_the_list_of_the_rejected(tmp_path: Path) -> None:
    manifest = make_manifest({"train": {"daisy": 9}}, rejected={"empty": 1})
    assert read_rejected_examples(str(tmp_path), manifest) == {}


# Samples


def test_eight_of_each_class_in_the_order_of_the_shards(tmp_path: Path) -> None:
    shards = [jpegs("daisy", 6) + jpegs("roses", 3), jpegs("daisy", 6, 6)]
    manifest = write_data_set(tmp_path, "jpeg", {"train": shards, "test": [jpegs("roses", 2, 3)]})
    found = collect_samples(str(tmp_path), manifest)
    assert found.variant == "jpeg"
    assert [sample.key for sample in found.by_class["daisy"]] == [f"daisy/{number}.jpg" for number in range(8)]
    assert [sample.split for sample in found.by_class["roses"]] == ["train"] * 3 + ["test"] * 2
    page = Page(render_page(manifest, found, {}))
    assert len(page.all("img")) == 13
    assert "Up to 8 of each, uncropped, from the first 17 examples of jpeg" in page.text


def test_reading_ends_when_every_class_has_its_samples(tmp_path: Path) -> None:
    first = jpegs("daisy", 8) + jpegs("roses", 3)
    manifest = write_data_set(tmp_path, "jpeg", {"train": [first, jpegs("daisy", 8, 8)]})
    (tmp_path / "jpeg" / "train-00001-of-00002.tfrecord").unlink()
    assert collect_samples(str(tmp_path), manifest).num_records == 11


def test_reading_ends_at_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = write_data_set(tmp_path, "jpeg", {"train": [jpegs("daisy", 20) + jpegs("roses", 1)]})
    monkeypatch.setattr(samples, "MOST_RECORDS", 5)
    found = collect_samples(str(tmp_path), manifest)
    assert (found.num_records, found.by_class["roses"]) == (5, ())
    assert "None among the first 5 examples." in Page(render_page(manifest, found, {})).text
    monkeypatch.setattr(samples, "MOST_BYTES", 1)
    assert collect_samples(str(tmp_path), manifest).num_records == 1


def test_of_many_classes_the_first_forty_with_examples_are_shown(tmp_path: Path) -> None:
    shard = [image for number in range(45) for image in jpegs(f"class{number:02d}", 1)]
    manifest = write_data_set(tmp_path, "jpeg", {"train": [shard]})
    names = ("absent", *manifest.class_names)
    found = collect_samples(str(tmp_path), dataclasses.replace(manifest, class_names=names))
    assert list(found.by_class) == [f"class{number:02d}" for number in range(40)]
    assert "The first 40 of 45 classes." in Page(render_page(manifest, found, {})).text


def test_thumbnails_are_small_whole_and_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    # Left half black, right half white, to be turned by a quarter clockwise: black on top.
    lying = Image.fromarray(np.repeat(np.array([[[0] * 3] * 400 + [[255] * 3] * 400], np.uint8), 300, axis=0))
    stream = io.BytesIO()
    lying.save(stream, "JPEG", exif=exif)
    manifest = write_data_set(tmp_path, "jpeg", {"train": [[("a", "daisy", stream.getvalue(), (800, 300, 3))]]})
    (sample,) = collect_samples(str(tmp_path), manifest).by_class["daisy"]
    assert (sample.height, sample.width) == (800, 300)
    thumbnail = open_thumbnail(sample)
    assert thumbnail.size == (66, 176)
    pixels = np.asarray(thumbnail)
    assert pixels[:80].max() < 10
    assert pixels[-80:].min() > 245


@pytest.mark.parametrize("encoding", ["raw", "float_list"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_pixels_of_every_kind_are_shown(tmp_path: Path, encoding: str, compression: str) -> None:
    pixels = picture(3, 90, 70)
    stored = pixels.tobytes() if encoding == "raw" else pixels.reshape(-1).astype(np.float32) / np.float32(255)
    images = {"train": [[("a", "daisy", stored, pixels.shape)]]}
    manifest = write_data_set(tmp_path, encoding, images, compression=compression)
    (sample,) = collect_samples(str(tmp_path), manifest).by_class["daisy"]
    shown = np.asarray(open_thumbnail(sample)).astype(int)
    assert shown.shape == pixels.shape
    assert np.abs(shown - pixels).mean() < 4


def test_a_huge_array_becomes_a_small_thumbnail(tmp_path: Path) -> None:
    pixels = np.full((3, 4_000, 3), 200, np.uint8)
    manifest = write_data_set(tmp_path, "raw", {"train": [[("a", "daisy", pixels.tobytes(), pixels.shape)]]})
    (sample,) = collect_samples(str(tmp_path), manifest).by_class["daisy"]
    assert open_thumbnail(sample).size == (176, 1)


def test_what_pillow_cannot_show_has_no_preview(tmp_path: Path) -> None:
    manifest = write_data_set(tmp_path, "jpeg", {"train": [[("a/<odd>", "daisy", b"\xff\xd8\xff no", (3, 4, 3))]]})
    found = collect_samples(str(tmp_path), manifest)
    page = Page(render_page(manifest, found, {}))
    assert "no preview" in page.text
    assert [attributes["title"] for attributes in page.all("div") if attributes.get("class") == "none"] == [
        "a/<odd>\ntrain, 4x3"
    ]


def test_embeddings_have_no_samples(tmp_path: Path) -> None:
    vector = np.arange(4, dtype=np.float32)
    manifest = write_data_set(tmp_path, "none", {"train": [[("a", "daisy", vector, (224, 224, 3))]]})
    (tmp_path / "embedding" / "train-00000-of-00001.tfrecord").unlink()
    found = collect_samples(str(tmp_path), manifest)
    assert found == Samples()
    page = Page(render_page(manifest, found, {}))
    assert "No variant holds images: these are embeddings." in page.text
    assert "embeddings of images" in page.text


def test_images_without_labels_are_shown(tmp_path: Path) -> None:
    manifest = write_data_set(tmp_path, "jpeg", {"train": [jpegs("", 2)]})
    assert len(collect_samples(str(tmp_path), manifest).by_class[""]) == 2


def test_a_damaged_shard_is_named(tmp_path: Path) -> None:
    manifest = write_data_set(tmp_path, "jpeg", {"train": [jpegs("daisy", 2)]})
    path = tmp_path / "jpeg" / "train-00000-of-00001.tfrecord"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DatasetError, match=r"train-00000-of-00001\.tfrecord: the record at byte .* is cut short"):
        collect_samples(str(tmp_path), manifest)
    with path.open("wb") as stream:
        RecordWriter(stream).write(frame_record(b"no example"))
    with pytest.raises(DatasetError, match=r"train-00000-of-00001\.tfrecord: an example that can't be read"):
        collect_samples(str(tmp_path), manifest)
    path.unlink()
    with pytest.raises(DatasetError, match="the shard is missing"):
        collect_samples(str(tmp_path), manifest)


def test_a_cut_gzip_shard_is_named(tmp_path: Path) -> None:
    pixels = picture(1, 40, 40)
    images = {"train": [[("a", "daisy", pixels.tobytes(), pixels.shape)]]}
    manifest = write_data_set(tmp_path, "raw", images, compression="gzip")
    path = tmp_path / "pixel" / "train-00000-of-00001.tfrecord.gz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(DatasetError, match=r"train-00000-of-00001\.tfrecord\.gz: "):
        collect_samples(str(tmp_path), manifest)


def test_five_classes_of_photographs_fit_in_a_megabyte(tmp_path: Path, real_data: Path) -> None:
    shard: list[Stored] = []
    for folder in sorted((real_data / "flower_photos").iterdir()):
        for path in sorted(folder.glob("*.jpg"))[:8]:
            with Image.open(path) as image:
                shard.append((path.name, folder.name, path.read_bytes(), (image.height, image.width, 3)))
    manifest = write_data_set(tmp_path, "jpeg", {"train": [shard]})
    page = Path(write_card(str(tmp_path), manifest)).read_bytes()
    assert len(Page(page.decode()).all("img")) == 40
    assert len(page) < 1_000_000


# Records


VALUES = st.one_of(
    st.binary(),
    st.text(),
    st.integers(-(2**63), 2**63 - 1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=4).map(tuple),
    st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=4).map(tuple),
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), st.sets(st.text(max_size=5), max_size=3))
def test_what_was_encoded_is_read_back(features: dict[str, object], others: set[str]) -> None:
    wanted = set(list(features)[:3]) | others
    found = decode_features(encode_example(features), wanted)  # type: ignore[arg-type]
    assert set(found) == wanted & set(features)
    for name, value in found.items():
        expected = features[name]
        if isinstance(expected, (bytes, str)):
            assert bytes(value) == (expected.encode() if isinstance(expected, str) else expected)
        elif isinstance(expected, tuple):
            assert tuple(value) == expected
        else:
            assert value == (expected,)


@given(st.binary(max_size=40))
@example(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
@example(b"\x0a\x08\x0a\x06\x0a\x01a\x12\x01\x0a")
def test_other_bytes_are_no_example(data: bytes) -> None:
    try:
        found = decode_features(data, ["a"])
    except ValueError:
        return
    assert set(found) <= {"a"}


# How it was made, and how to read it


@pytest.mark.parametrize(
    "line",
    [
        "--source folder --input /photos --output OUT",
        "--source folder --input /photos --output OUT --variants jpeg,pixel --image_size 224x320 --seed -7 "
        "--shard_mb 0.25",
        "--source csv --input /a/b.csv --labels /l.txt --output OUT --splits a=0.7,b=0.3 --resize crop "
        "--jpeg_quality 80",
        "--source pets --input /pets --output OUT --variants embedding --embedding_weights /w.h5 "
        "--embedding_alpha 0.35 --trimaps --include_unlisted --label species --split_by hash --max_pixels 1000",
        "--source synthetic --num_images 20 --broken_fraction 0.5 --output OUT --variants pixel --pixel_dtype float32 "
        "--compression gzip --classes_from /old",
    ],
)
def test_the_command_makes_the_same_configuration(line: str) -> None:
    config = options.parse(shlex.split(line)).config
    manifest = manifests.from_json(manifests.to_json(dataclasses.replace(FLOWERS, config=config.to_dict())), "")
    words = command(manifest, "OUT")
    assert words[:3] == ["python", "-m", "etl.run"]
    assert options.parse(words[3:]).config == config
    assert sorted(words[3:]) == sorted(line.split(" "))


def test_the_command_allows_for_what_was_rejected() -> None:
    manifest = make_manifest({"train": {"daisy": 90}}, rejected={"empty": 10})
    assert command(manifest, "OUT")[-2:] == ["--max_rejected_fraction", "0.1"]
    assert "--max_rejected_fraction" not in command(FLOWERS, "OUT")


def test_the_command_survives_a_shell() -> None:
    manifest = make_manifest(
        {"train": {"daisy": 9}}, config={"source": "folder", "options": {"input": "/my 'photos'; rm"}}
    )
    words = command(manifest, "OUT")
    (shown,) = [word for word in Page(render(manifest)).words if word.startswith("python -m")]
    # A shell joins the lines.
    assert shlex.split(shown.replace("\\\n", "")) == words
    assert words[6] == "/my 'photos'; rm"


def test_a_source_that_is_gone_has_no_command() -> None:
    assert command(make_manifest({"train": {"daisy": 9}}, config={"source": "gone"}), "OUT") == []


def test_without_a_configuration_there_is_no_command() -> None:
    assert command(make_manifest({"train": {"daisy": 9}}, config={}), "OUT") == []


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("encoding", ["jpeg", "raw", "float_list", "none"])
def test_the_ten_lines_run(tmp_path: Path, encoding: str, compression: str, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = picture(5, 30, 40)
    stored: dict[str, bytes | np.ndarray] = {
        "jpeg": jpeg(5, 30, 40),
        "raw": pixels.tobytes(),
        "float_list": pixels.reshape(-1).astype(np.float32),
        "none": np.arange(4, dtype=np.float32),
    }
    row: list[Stored] = [
        (name, label, stored[encoding], (30, 40, 3)) for name, label in [("a", "tulips"), ("b", "daisy")]
    ]
    manifest = write_data_set(tmp_path, encoding, {"train": [], "test": [row]}, compression=compression)
    (variant,) = manifest.variants.values()
    program = snippet(manifest, variant, str(tmp_path))
    assert len([line for line in program.splitlines() if line]) <= 10
    exec(program, {})
    printed = capsys.readouterr().out
    assert "['tulips', 'daisy']" in printed
    assert ("(2, 4)" if encoding == "none" else "(30, 40, 3)") in printed


# The command line


def test_the_page_of_an_existing_data_set_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = write_data_set(tmp_path, "jpeg", {"train": [jpegs("daisy", 3)]})
    assert main([str(tmp_path)]) == 0
    path = tmp_path / "card.html"
    assert capsys.readouterr().out == f"{path}\n"
    first = path.read_bytes()
    assert write_card(str(tmp_path), manifest) == str(path)
    assert path.read_bytes() == first


def test_what_is_no_data_set_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match="DIR: got .*missing', expected the folder of a data set"):
        main([str(tmp_path / "missing")])
    assert run_main(main, [str(tmp_path)]) == 1
    assert "no manifest.json" in capsys.readouterr().err
    assert run_main(main, []) == 2


def test_help_loads_nothing_heavy() -> None:
    heavy = ("tensorflow", "keras", "apache_beam", "PIL", "matplotlib", "rich")
    code = f"import sys, etl.card.__main__; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.replace("'", '"')) == []


def test_the_configuration_shows_the_options_of_its_own_source() -> None:
    from etl.card.origin import origin_section

    options = {"input": "/photos", "num_images": 500, "trimaps": False, "path_column": None, "label": "breed"}
    shown = {
        source: origin_section(make_manifest({"train": {"daisy": 9}}, config={"source": source, "options": options}))
        for source in ("folder", "pets", "synthetic", "csv")
    }
    own = {"pets": {"trimaps", "label"}, "synthetic": {"num_images"}, "csv": {"path_column"}, "folder": set()}
    for source, page in shown.items():
        for name in ("num_images", "trimaps", "path_column", "label"):
            assert (f"<dt>{name}</dt>" in page) == (name in own[source]), (source, name)
        assert "<dt>input</dt>" in page


def test_each_fact_of_a_network_has_a_cell_of_its_own() -> None:
    from etl.card.facts import variants_section

    manifest = make_manifest({"train": {"daisy": 9}})
    variant = dataclasses.replace(
        next(iter(manifest.variants.values())), embedding={"model": "MobileNetV2", "alpha": 1.0}
    )
    section = variants_section(dataclasses.replace(manifest, variants={variant.name: variant}))
    assert "<div><dt>model</dt><dd><code>MobileNetV2</code></dd></div><div><dt>alpha</dt>" in section
