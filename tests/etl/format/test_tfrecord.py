from __future__ import annotations

import gzip
import hashlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.format.tfrecord import FRAME_BYTES, RecordWriter, frame_record, masked_crc32c, read_records


def write(records: list[bytes], *, compressed: bool = False) -> tuple[bytes, list[int], tuple[int, str]]:
    stream = io.BytesIO()
    writer = RecordWriter(stream, compressed=compressed)
    offsets = [writer.write(frame_record(record, compressed=compressed)) for record in records]
    end = writer.finish()
    return stream.getvalue(), offsets, end


def test_checksum_is_the_formats() -> None:
    # CRC-32C of 32 zero bytes is 0x8A9136AA (RFC 3720, B.4); the mask is TFRecord's.
    crc = 0x8A9136AA
    assert masked_crc32c(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
def test_records_come_back(records: list[bytes], compressed: bool) -> None:
    data, offsets, (num_bytes, sha256) = write(records, compressed=compressed)
    assert (num_bytes, sha256) == (len(data), hashlib.sha256(data).hexdigest())
    plain = gzip.decompress(data) if compressed else data
    assert list(read_records(io.BytesIO(plain))) == records
    for offset, record in zip(offsets, records, strict=True):
        assert plain[offset + 12 : offset + 12 + len(record)] == record


def test_a_plain_piece_is_refused_in_a_compressed_file() -> None:
    with pytest.raises(ValueError, match="not compressed can't go into a compressed file"):
        RecordWriter(io.BytesIO(), compressed=True).write(frame_record(b"a"))


def test_equal_records_make_equal_gzip_files() -> None:
    assert write([b"a" * 1000], compressed=True)[0] == write([b"a" * 1000], compressed=True)[0]


@pytest.mark.parametrize(
    ("cut", "message"),
    [(5, "no valid record starts at byte 0"), (20, "the record at byte 0 is cut short")],
)
def test_a_cut_file_is_named_by_its_offset(cut: int, message: str) -> None:
    data, *_ = write([b"x" * 100])
    with pytest.raises(ValueError, match=message):
        list(read_records(io.BytesIO(data[:cut])))


@given(st.integers(0, 2 * (FRAME_BYTES + 50) - 1), st.integers(0, 7))
def test_a_flipped_bit_never_passes(place: int, bit: int) -> None:
    data, *_ = write([b"a" * 50, b"b" * 50])
    damaged = bytearray(data)
    damaged[place] ^= 1 << bit
    with pytest.raises(ValueError, match="byte (0|66)"):
        list(read_records(io.BytesIO(bytes(damaged))))


def test_tensorflow_reads_the_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    import tensorflow as tf

    for compressed, name in ((False, ""), (True, "GZIP")):
        path = tmp_path_factory.mktemp("records") / "file"
        data, *_ = write([b"one", b"", b"three" * 100], compressed=compressed)
        path.write_bytes(data)
        assert list(tf.data.TFRecordDataset(str(path), name).as_numpy_iterator()) == [b"one", b"", b"three" * 100]
