"""The trainer's flags, checked before anything is sent."""

from __future__ import annotations

import pytest

from etl.errors import ConfigError
from trainer.vertex.training import flags


def check(*args: str, has_dataset: bool = False, has_output: bool = True) -> None:
    flags.check(args, has_dataset=has_dataset, has_output=has_output)


def test_good_flags_pass() -> None:
    check("--data_dir", "gs://b/data", "--model=linear", "--num_epochs", "2")
    check("--data_dir=/gcs/b/data")
    check("--model", "linear", has_dataset=True)
    check("--data_dir=gs://b/data", "--output_dir=gs://b/out", has_output=False)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--data_dir", "data"), "--data_dir: got 'data', expected a gs:// path for a job in the cloud"),
        (("--data_dir=gs://b/d", "--init_from=/home/me/model"), "--init_from: got '/home/me/model'"),
        (("--data_dir=gs://b/d", "--config", "mine.yaml"), "--config: got 'mine.yaml'"),
        (("--model", "linear"), "--data_dir: got None.*or --dataset before it"),
        (("--data_dir=gs://b/d", "--modle=linear"), r"did you mean --model\?"),
        (("--data_dir=gs://b/d", "--num_epochs=0"), "--num_epochs: got 0"),
        (("--data_dir=gs://b/d", "--model=none"), "--model: got 'none'"),
    ],
)
def test_bad_flags_are_named(args: tuple[str, ...], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        check(*args)


def test_a_job_needs_an_output() -> None:
    with pytest.raises(ConfigError, match="--base_output_dir: got None"):
        check("--data_dir=gs://b/d", has_output=False)


def test_the_last_value_counts() -> None:
    assert flags.values(["--a", "1", "--b", "--a=2", "--c", "-3"]) == {"a": "2", "b": "", "c": "-3"}
