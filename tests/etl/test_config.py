from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.cli import parse_size
from etl.config import EtlConfig, parse_shard_bytes, parse_splits
from etl.errors import ConfigError
from etl.sources.columns import CsvOptions
from etl.sources.options import SourceOptions
from etl.sources.pets import PetsOptions
from etl.sources.synthetic import SyntheticOptions


@pytest.mark.parametrize(("text", "size"), [("224", (224, 224)), ("224x320", (224, 320)), ("1X2", (1, 2))])
def test_image_size(text: str, size: tuple[int, int]) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["abc", "", "0", "-3", "224x", "1x2x3", "22.5", "99999", "²"])
def test_wrong_image_sizes_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--image_size: got '{text}', expected whole pixels"):
        parse_size(text)


def test_splits() -> None:
    assert parse_splits("train=0.6, test=0.4") == {"train": 0.6, "test": 0.4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train", "names and shares"),
        ("train=a,test=b", "names and shares"),
        ("train=0.5,train=0.5", "names and shares"),
        ("train=0.5,test=0.4", r"these add up to 0\.9"),
        ("train=1.5,test=-0.5", "shares above 0"),
        ("train=1,test=0", "shares above 0"),
        ("a/b=1", "letters, digits"),
        ("train=nan", "names and shares"),
    ],
)
def test_wrong_splits_are_named(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"--splits.*{message}"):
        parse_splits(text)


@given(st.integers(1, 10**6))
def test_shard_mb_counts_in_megabytes(megabytes: int) -> None:
    assert parse_shard_bytes(str(megabytes)) == megabytes * 1_000_000


@pytest.mark.parametrize("text", ["0", "-1", "ten", "nan", "inf", ""])
def test_wrong_shard_sizes_are_named(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard_mb.*megabytes above 0"):
        parse_shard_bytes(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"source": "imagenet"}, "source: got 'imagenet', expected one of"),
        ({"variants": ("jpg",)}, "variants: got 'jpg', expected one of jpeg"),
        ({"variants": ("jpeg", "jpeg")}, "each variant once"),
        ({"variants": ("pixel",)}, "image_size: got None.*try image_size=224"),
        ({"resize": "squash"}, "resize: got 'squash'"),
        ({"splits": {"train": 0.5}}, r"add up to 0\.5"),
        ({"options": PetsOptions(trimaps=True)}, "trimaps: got 'folder', expected source pets"),
        ({"pixel_dtype": "float16"}, "pixel_dtype: got 'float16', expected one of uint8"),
        ({"compression": "zip"}, "compression: got 'zip', expected one of none"),
        ({"variants": ("embedding",)}, "embedding_weights: got None, expected imagenet or a file"),
        ({"jpeg_quality": 101}, "jpeg_quality: got 101, expected a whole number from 1 to 100"),
        ({"shard_bytes": 0}, "shard_bytes: got 0, expected bytes, 1 or more"),
        ({"max_pixels": 0}, "max_pixels: got 0, expected height times width"),
        ({"max_rejected_fraction": 1.5}, r"max_rejected_fraction: got 1\.5, expected a share"),
        ({"num_threads": 0}, "num_threads: got 0, expected a whole number from 1"),
        ({"embedding_alpha": 0.4}, r"embedding_alpha: got 0\.4, expected one of 0\.35"),
    ],
)
def test_a_wrong_configuration_is_named_before_any_work(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^[^-]*{message}"):
        EtlConfig(**{"source": "folder", "output": "out", **change})  # type: ignore[arg-type]


def test_what_is_recorded_is_what_the_data_depends_on() -> None:
    one = EtlConfig(source="folder", output="a", num_threads=1, overwrite=True)
    other = EtlConfig(source="folder", output="b", num_threads=8)
    assert one.to_dict() == other.to_dict()
    assert one.to_dict() != EtlConfig(source="folder", output="a", seed=1).to_dict()


def test_a_source_gets_options_of_its_own_type() -> None:
    config = EtlConfig("pets", "out", options=SourceOptions(input="in", seed=3))
    assert config.options == PetsOptions(input="in", seed=3)
    assert replace(config, source="csv").options == CsvOptions(input="in", seed=3)
    given = PetsOptions(trimaps=True)
    assert EtlConfig("pets", "out", options=given).options is given


def test_options_that_are_never_off_are_nothing_to_other_sources() -> None:
    drawn = SyntheticOptions(num_images=3)
    assert EtlConfig("folder", "out", options=drawn).options == SourceOptions()


def test_the_record_has_the_options_of_all_sources_where_they_always_stood() -> None:
    recorded = EtlConfig("pets", "out", options=PetsOptions(trimaps=True, output="out")).to_dict()["options"]
    common = {"input": None, "labels": None, "split_by": "auto", "seed": 0}
    drawn = {"num_images": 500, "broken_fraction": 0.02}
    pets = {"classes_from": None, "label": "breed", "include_unlisted": False, "trimaps": True}
    assert list(recorded.items()) == list(
        {**common, **drawn, **pets, "path_column": None, "label_column": None}.items()
    )
