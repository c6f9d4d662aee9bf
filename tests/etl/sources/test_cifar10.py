from __future__ import annotations

import collections
import contextlib
import hashlib
import io
import os
import pickle
import shutil
import tarfile
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from etl import sources
from etl.errors import ConfigError, DatasetError
from etl.sources import cifar10, pickles, splits
from etl.sources.files import archive
from etl.sources.options import SourceOptions

NAMES = ["plane", "car", "bird"]


def write_batch(path: Path, num: int, seed: int, **changes: Any) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (num, 3072), dtype=np.uint8)
    labels = [int(label) for label in rng.integers(0, 3, num)]
    content = {"data": pixels, "labels": labels, "batch_label": "x", **changes}
    path.write_bytes(pickle.dumps({name.encode(): value for name, value in content.items()}, protocol=2))
    return pixels


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small set: two training batches of 20 and 7 images, and a test batch of 5."""
    monkeypatch.setenv(archive.CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = tmp_path / "above" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    (folder / "batches.meta").write_bytes(pickle.dumps({b"label_names": [name.encode() for name in NAMES]}, protocol=2))
    (folder / "readme.html").write_text("<html>")
    for number, (name, num) in enumerate({"data_batch_1": 20, "data_batch_2": 7, "test_batch": 5}.items()):
        write_batch(folder / name, num, number)
    return folder


def decode(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode) == ("PNG", "RGB")
        return np.asarray(image)


def test_images_and_splits(root: Path) -> None:
    options = SourceOptions(input=str(root), split_by="official")
    assert cifar10.class_names(options) == tuple(NAMES)
    assert cifar10.extras(options) == {}
    images = list(cifar10.list_images(options))
    assert len({image.key for image in images}) == len(images) == 32
    digest = hashlib.md5((root / "data_batch_2").read_bytes()).hexdigest()
    assert (images[21].key, images[21].uri) == ("data_batch_2/00001.png", f"cifar10://{root}/data_batch_2#1@{digest}")
    assert Counter(image.split for image in images) == {splits.TRAIN_OR_VALIDATION: 27, "test": 5}
    assert [image.split for image in images] == sorted((image.split for image in images), reverse=True)  # type: ignore[type-var]
    assert {image.split for image in cifar10.list_images(SourceOptions(input=str(root), split_by="hash"))} == {None}


def test_read_gives_the_very_pixels(root: Path) -> None:
    pixels = write_batch(root / "data_batch_9", 4, seed=9)
    for place in range(4):
        planes = pixels[place].reshape(3, 32, 32)
        read = decode(sources.read(f"cifar10://{root}/data_batch_9#{place}"))
        np.testing.assert_array_equal(read, np.stack(list(planes), axis=-1))


@pytest.mark.parametrize("place", ["7", "-1", "", "x", "7#0"])
def test_no_such_place(root: Path, place: str) -> None:
    with pytest.raises(FileNotFoundError, match="data_batch_2"):
        sources.read(f"cifar10://{root}/data_batch_2#{place}")


def test_no_such_batch(root: Path) -> None:
    with pytest.raises(FileNotFoundError, match="data_batch_7"):
        sources.read(f"cifar10://{root}/data_batch_7#0")


def test_a_batch_that_is_replaced_never_gives_its_pixels_to_the_labels_of_the_old_one(root: Path) -> None:
    options = SourceOptions(input=str(root))
    listed = list(cifar10.list_images(options))
    before = sources.read(listed[20].uri)
    pixels = write_batch(root / "data_batch_2", 7, seed=70)
    # What this process has read already is what was listed; another process finds the new file.
    assert sources.read(listed[20].uri) == before
    cifar10._cache._batches.clear()
    with pytest.raises(DatasetError, match="data_batch_2: has other bytes than when it was listed"):
        sources.read(listed[20].uri)
    # A second run in the same process reads the new file, labels and pixels.
    again = list(cifar10.list_images(options))
    assert again[20].uri != listed[20].uri
    np.testing.assert_array_equal(decode(sources.read(again[20].uri)).transpose(2, 0, 1).ravel(), pixels[0])


def test_many_threads_read_more_batches_than_are_kept(root: Path) -> None:
    num_batches = cifar10._NUM_CACHED + 2
    expected = {number: write_batch(root / f"data_batch_{number}", 3, number) for number in range(10, 10 + num_batches)}
    wrong: list[str] = []

    def work(seed: int) -> None:
        for number in np.random.default_rng(seed).permutation(list(expected) * 4):
            read = decode(sources.read(f"cifar10://{root}/data_batch_{number}#2"))
            if not np.array_equal(read.transpose(2, 0, 1).ravel(), expected[number][2]):
                wrong.append(f"data_batch_{number}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(cifar10._cache._batches) == cifar10._NUM_CACHED


def test_folder_above_and_archive(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(root, root.name)
    expected = [image.key for image in cifar10.list_images(SourceOptions(input=str(root)))]
    for place in (root.parent, path):
        images = list(cifar10.list_images(SourceOptions(input=str(place))))
        assert [image.key for image in images] == expected
        assert sources.read(images[0].uri) == sources.read(f"cifar10://{root}/data_batch_1#0")


def test_a_labels_file_narrows_the_set(root: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("bird\n")
    options = SourceOptions(input=str(root), labels=str(tmp_path / "labels.txt"))
    assert cifar10.class_names(options) == ("bird",)
    assert {(image.label == "bird", image.rejection) for image in cifar10.list_images(options)} == {
        (True, None),
        (False, "unknown_label"),
    }


def test_a_label_beyond_the_names(root: Path) -> None:
    write_batch(root / "test_batch", 2, 0, labels=[0, 3])
    *_, good, bad = cifar10.list_images(SourceOptions(input=str(root)))
    assert (good.label, good.rejection) == ("plane", None)
    assert (bad.rejection, bad.message) == ("unknown_label", "label 3 is none of the 3 in batches.meta")


def test_what_input_may_not_be(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "bare").mkdir()
    shutil.copy(root / "batches.meta", tmp_path / "bare")
    cases = {
        "none": "there is no such folder",
        "other": "there is no batches.meta in it",
        "bare": "it holds no data_batch_1 to 5 and no test_batch",
        "none.tar.gz": "there is no such file",
    }
    for name, message in cases.items():
        with pytest.raises(ConfigError, match=f"--input: .*{message}"):
            cifar10.list_images(SourceOptions(input=str(tmp_path / name)))
    with pytest.raises(ConfigError, match="--split_by: got 'column', expected official or hash"):
        cifar10.list_images(SourceOptions(input=str(root), split_by="column"))


@pytest.mark.parametrize(
    "changes",
    [
        {"data": np.zeros((2, 3071), np.uint8)},
        {"data": np.zeros(6144, np.uint8)},
        {"data": [1, 2]},
        {"labels": [0]},
        {"labels": "01"},
        {"labels": [0, -1]},
        {"labels": [0, None]},
    ],
)
def test_a_batch_that_is_none(root: Path, changes: dict[str, Any]) -> None:
    write_batch(root / "test_batch", 2, 0, **changes)
    with pytest.raises(ConfigError, match=r"test_batch.*holds no images of 32 x 32 pixels with their labels"):
        list(cifar10.list_images(SourceOptions(input=str(root))))


@pytest.mark.parametrize("content", [[b"label_names"], {b"label_names": []}, {b"label_names": [1]}, {}])
def test_a_meta_file_that_is_none(root: Path, content: object) -> None:
    (root / "batches.meta").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ConfigError, match=r"batches.meta.*(no dictionary|no label_names)"):
        cifar10.class_names(SourceOptions(input=str(root)))


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def test_a_pickle_runs_nothing(tmp_path: Path, root: Path) -> None:
    mark = tmp_path / "mark"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        evil = pickle.dumps({b"data": Calls(os.mkdir, str(mark))}, protocol=protocol)
        (root / "data_batch_1").write_bytes(evil)
        with pytest.raises(ConfigError, match=r"data_batch_1.*can't be trusted: it calls (posix|nt)\.mkdir"):
            list(cifar10.list_images(SourceOptions(input=str(root))))
    pickle.loads(evil)
    assert mark.is_dir(), "the pickle above was no danger, so that the test shows nothing"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        (Calls(getattr, "x", "upper"), "getattr"),
        (Calls(eval, "1"), "eval"),
        (np.zeros(3, np.int64), "of type 'i8', expected 'u1'"),
        (np.zeros(3, [("a", np.uint8)]), "of type 'V1'"),
        (np.array([{}], object), "of type 'O8'"),
        (np.uint8(1), "scalar"),
        (Calls(np.dtype, "u1"), None),
        (Calls(np.ndarray, (1 << 40,)), "makes an array of its own"),
    ],
)
def test_other_content_is_refused(content: object, message: str | None) -> None:
    data = pickle.dumps(content, protocol=2)
    if message is None:
        assert not isinstance(pickles.load(data), np.dtype)
    else:
        with pytest.raises(pickles.PickleError, match=message):
            pickles.load(data)


def test_a_pickle_may_not_change_what_it_calls() -> None:
    change = b"\x80\x02cnumpy\ndtype\n}X\x01\x00\x00\x00aK\x01sb."
    with pytest.raises(pickles.PickleError, match="it changes a function"):
        pickles.load(change)
    with pytest.raises(pickles.PickleError, match="refers to something outside itself"):
        pickles.load(b"\x80\x02K\x01Q.")


def test_an_array_may_not_claim_more_than_its_bytes() -> None:
    whole = pickle.dumps(np.zeros((2, 3), np.uint8), protocol=2)
    assert whole.count(b"K\x02K\x03\x86") == 1
    with pytest.raises(pickles.PickleError, match="don't fit together"):
        pickles.load(whole.replace(b"K\x02K\x03\x86", b"K\x02K\x7f\x86"))


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_every_protocol(protocol: int, order: Any) -> None:
    values = np.asarray(np.random.default_rng(1).integers(0, 256, (5, 7), dtype=np.uint8), order=order)
    loaded = pickles.load(pickle.dumps({b"data": values, "text": ["a", b"b", 3, None]}, protocol=protocol))
    np.testing.assert_array_equal(loaded[b"data"].values, values)
    assert loaded["text"] == ["a", b"b", 3, None]


def test_a_pickle_of_python_2() -> None:
    # {'labels': [1], 'data': numpy.array([[7, 9]], 'uint8')} as Python 2.7 writes it.
    data = (
        b"\x80\x02}q\x00(U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85q\x04U\x01b"
        b"\x87Rq\x05(K\x01K\x01K\x02\x86q\x06cnumpy\ndtype\nq\x07U\x02u1K\x00K\x01\x87Rq\x08(K\x03U\x01|NNNJ\xff\xff\xff\xff"
        b"J\xff\xff\xff\xffK\x00tb\x89U\x02\x07\x09tbU\x06labels]K\x01au."
    )
    loaded = pickles.load(data)
    assert loaded[b"labels"] == [1]
    assert loaded[b"data"].values.tolist() == [[7, 9]]


WHOLE = pickle.dumps({b"data": np.zeros((4, 6), np.uint8), b"labels": [1, 2], b"names": [b"x"]}, protocol=2)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255), st.integers(0, len(WHOLE)))
def test_a_damaged_pickle_raises_nothing_else(place: int, value: int, length: int) -> None:
    damaged = bytearray(WHOLE[:length])
    if place < length:
        damaged[place] = value
    with contextlib.suppress(pickles.PickleError):
        pickles.load(bytes(damaged))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", None),
        (b"\x80\x02" + b"(" * 100_000 + b"l" * 100_000 + b".", None),
        (b"\x80\x02Nr\xff\xff\xff\xff.", "it stores a value at place 4,294,967,295, and has 9 bytes"),
        (b"Np99999999999999999999\n.", "it stores a value at place 99,999,999,999,999,999,999"),
        (b"I" + b"9" * 5_000 + b"\n.", "a damaged pickle"),
        (b"\x80\x04\x8e" + b"\xff" * 8, "a damaged pickle"),
        (b"\x80\x02\x8b\xff\xff\xff\x7f", "a damaged pickle"),
    ],
    ids=["nested", "nested marks", "place", "place in text", "digits", "long bytes", "long number"],
)
def test_a_pickle_takes_no_more_memory_than_its_own(data: bytes, message: str | None) -> None:
    """Python's own loading of the third takes 64 GiB."""
    if message is None:
        assert isinstance(pickles.load(data), list)
        return
    with pytest.raises(pickles.PickleError, match=message):
        pickles.load(data)


@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1))
def test_png_is_lossless(height: int, width: int, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decode(cifar10.encode_png(pixels)), pixels)


def test_the_real_batches(real_data: Path) -> None:
    options = SourceOptions(input=str(real_data / "cifar-10-batches-py"), split_by="official")
    images = list(cifar10.list_images(options))
    assert Counter(image.split for image in images) == {splits.TRAIN_OR_VALIDATION: 2_000, "test": 500}
    names = cifar10.class_names(options)
    assert names == ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    assert {image.label for image in images} == set(names)
    with (real_data / "cifar-10-batches-py" / "test_batch").open("rb") as file:
        batch = pickle.load(file, encoding="bytes")
    for place in (0, 499):
        image = images[2_000 + place]
        assert image.label == names[batch[b"labels"][place]]
        np.testing.assert_array_equal(decode(sources.read(image.uri)).transpose(2, 0, 1).ravel(), batch[b"data"][place])
