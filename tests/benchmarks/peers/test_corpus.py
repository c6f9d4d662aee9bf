"""The photographs that everybody gets."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.peers import corpus, registry
from benchmarks.peers.peer import BATCH_SIZE, DELIVERABLES, JPEG, OWN_CHOICE, PIXELS, SMALL_JPEG, Corpus
from benchmarks.peers.test_peers import NUM_IMAGES, TINY_IMAGES


def encode(mode: str, form: str, orientation: int = 1) -> bytes:
    image, stream = Image.new(mode, (40, 30), 90), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(stream, form, **({"exif": exif} if orientation != 1 else {}))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("data", "is_plain"),
    [
        (encode("RGB", "JPEG"), True),
        (encode("L", "JPEG"), False),
        (encode("RGB", "JPEG", orientation=6), False),
        (encode("RGB", "PNG"), False),
        (encode("RGB", "JPEG")[:-40], False),
        (b"", False),
    ],
)
def test_only_plain_photographs_are_taken(tmp_path: Path, data: bytes, is_plain: bool) -> None:
    path = tmp_path / "photograph.jpg"
    path.write_bytes(data)
    assert corpus.is_plain_jpeg(path) is is_plain


def test_classes() -> None:
    assert corpus.class_of(Path("pets/images/american_bulldog_12.jpg")) == "american_bulldog"
    assert corpus.class_of(Path("flower_photos/daisy/12_n.jpg")) == "daisy"


def test_files_are_labelled_by_their_directory(tmp_path: Path) -> None:
    made = Corpus(str(tmp_path), {JPEG: 6}, {})
    for number in range(6):
        path = made.photographs(JPEG) / ("Zebra", "ant", "bee")[number % 3] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    files = made.files(JPEG)
    assert {(path.name, label) for path, label in files} == {(f"{n}.jpg", n % 3) for n in range(6)}
    assert [path for path, _ in files] != sorted(path for path, _ in files)
    assert made.files(JPEG) == files


def test_the_description_comes_back_whole(tmp_path: Path) -> None:
    made = Corpus(str(tmp_path), dict(NUM_IMAGES), {JPEG: 1.5})
    assert Corpus.from_json(made.to_json()) == made
    np.save(tmp_path / "pixels.npy", np.zeros((2, 224, 224, 3), np.uint8))
    np.save(tmp_path / "labels.npy", np.array([1, 0]))
    images, labels = made.pixels()
    assert images.shape == (2, 224, 224, 3)
    assert labels.tolist() == [1, 0]


def test_without_a_plain_photograph_there_is_no_corpus(tmp_path: Path) -> None:
    (tmp_path / "daisy").mkdir()
    (tmp_path / "daisy" / "one.jpg").write_bytes(encode("RGB", "PNG"))
    with pytest.raises(RuntimeError, match="holds no plain JPEG"):
        corpus.make(tmp_path, tmp_path / "corpus", TINY_IMAGES)


@pytest.mark.parametrize("numbers", [NUM_IMAGES, TINY_IMAGES])
def test_every_share_makes_whole_batches(numbers: dict[str, int]) -> None:
    most = max(number for key in registry.PEERS for number in registry.make(key).workers)
    assert set(numbers) == set(DELIVERABLES) == {JPEG, SMALL_JPEG, PIXELS}
    assert all(number % (BATCH_SIZE * most) == 0 for number in numbers.values())


@pytest.mark.parametrize("key", registry.PEERS)
def test_a_peer_is_described_without_being_imported(key: str) -> None:
    peer = registry.make(key)
    assert peer.name
    assert peer.packages
    assert peer.modules
    assert set(peer.missing) < set(DELIVERABLES)
    assert all(number >= OWN_CHOICE for number in peer.workers)
