"""The trainer's command line and its YAML file."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given

from etl.errors import ConfigError, one_line
from tests.damage import damaged_json, fuzzed
from trainer.config import TrainConfig
from trainer.flags import make_parser
from trainer.options import parse

BASE = ["--data_dir", "data", "--output_dir", "out"]


def write(folder: Path, text: str) -> str:
    path = folder / "train.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_flags_become_a_configuration() -> None:
    command = parse(
        [
            *BASE,
            *(
                "--variant",
                "pixel",
                "--model",
                "cnn",
                "--image_size",
                "96x128",
                "--num_epochs",
                "2",
                "--batch_size",
                "8",
            ),
            *(
                "--resize",
                "crop",
                "--random_crop",
                "--seed",
                "1",
                "--lrate",
                "1e-2",
                "--lrate_decay",
                "none",
                "--monitor",
                "loss",
                "--patience",
                "4",
            ),
            *("--l1", "0.1", "--l2", "0.2", "--num_hidden", "16", "--dropout", "0.3", "--overwrite"),
        ]
    )
    assert command.overwrite
    assert command.config == TrainConfig(
        data_dir="data",
        output_dir="out",
        model="cnn",
        variant="pixel",
        image_size=(96, 128),
        resize="crop",
        random_crop=True,
        num_epochs=2,
        batch_size=8,
        lrate=0.01,
        lrate_decay="none",
        monitor="loss",
        patience=4,
        seed=1,
        hyperparameters={"l1": 0.1, "l2": 0.2, "num_hidden": 16, "dropout": 0.3},
    )


def test_two_flags_are_enough() -> None:
    command = parse(BASE)
    assert command.config == TrainConfig(data_dir="data", output_dir="out")
    assert not command.overwrite


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--num_epochs", "abc"], "--num_epochs: got 'abc', expected a whole number"),
        (["--num_epochs", "1.5"], "--num_epochs: got '1.5', expected a whole number"),
        (["--batch_size", "-1"], "--batch_size: got -1, expected a whole number of images, 1 or more"),
        (["--image_size", "abc"], "--image_size: got 'abc', expected whole pixels"),
        (["--resize", "fit"], "--resize: got 'fit', expected one of '?pad'?, '?crop'?, '?stretch'?"),
        (["--lrate", "fast"], "--lrate: got 'fast', expected a number"),
        (["--model", "resnet"], "--model: got 'resnet', expected one of '?linear'?, '?cnn'?"),
        (
            ["--num_epoch", "3"],
            "--num_epoch: got '--num_epoch', expected an option that exists; did you mean --num_epochs?",
        ),
        (["--model", "linear", "--dropout", "0.5"], "--dropout: got 0.5, expected a hyperparameter that linear takes"),
        (["--config"], "--config: .*expected a value"),
    ],
)
def test_wrong_flags_end_in_one_line(flags: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse([*BASE, *flags])


@pytest.mark.parametrize("missing", ["--data_dir", "--output_dir"])
def test_both_folders_are_needed(missing: str) -> None:
    flags = [f"{name}=x" for name in ("--data_dir", "--output_dir") if name != missing]
    with pytest.raises(ConfigError, match=f"{missing}: got None, expected a value"):
        parse(flags)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "data_dir: there\noutput_dir: out\nmodel: linear\nlrate: 1e-3\nnum_epochs: 5\nl2: 0.5\n")
    config = parse(["--config", path, "--data_dir", "here", "--num_epochs", "7"]).config
    assert (config.data_dir, config.output_dir, config.num_epochs) == ("here", "out", 7)
    assert (config.model, config.lrate, config.hyperparameters["l2"]) == ("linear", 0.001, 0.5)


def test_the_file_takes_switches_sizes_and_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, "overwrite: true\nimage_size: 64\npatience:\nresolved: {fingerprint: abc}\n")
    command = parse([*BASE, "--config", path])
    assert command.overwrite
    assert command.config.image_size == (64, 64)
    assert command.config.patience is None
    assert not parse([*BASE, "--config", write(tmp_path, "overwrite: false\n")]).overwrite
    assert parse([*BASE, "--config", write(tmp_path, "")]).config == parse(BASE).config


@pytest.mark.parametrize("value", [True, False])
def test_a_runs_own_file_makes_its_configuration_again(tmp_path: Path, value: bool) -> None:
    given = ["--model", "mobilenet", "--with_color_distort", str(int(value)), "--profile_steps", "2,5", "--tensorboard"]
    config = parse([*BASE, *given, "--random_crop", "--share", "batches"]).config
    assert config.hyperparameters["with_color_distort"] is value
    path = write(tmp_path, yaml.safe_dump(config.to_dict()))
    assert parse([*BASE, "--config", path]).config == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_epoch: 3", "--num_epoch: .*expected an option that exists; did you mean --num_epochs?"),
        ("num_epochs: many", "--num_epochs: got 'many', expected a whole number"),
        ("num_epochs: -2", "--num_epochs: got -2, expected a whole number of epochs, 1 or more"),
        ("model: [linear, cnn]", r"--model: got \['linear', 'cnn'\], expected one value, not several"),
        ("config: other.yaml", "--config: .*expected an option that exists"),
        ("- 1\n- 2", "--config: .*expected a YAML file of flags and their values"),
        ("1: 2", "--config: .*expected a YAML file of flags and their values"),
        ("model: {", "--config: .*expected a YAML file"),
    ],
)
def test_a_wrong_file_ends_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse([*BASE, "--config", write(tmp_path, text)])


@pytest.mark.parametrize("text", ["num_epoch: 3", "num_epochs: many", "num_epochs: -2", "resize: fit"])
def test_what_is_wrong_in_a_file_names_the_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=f"it stands in {path}$"):
        parse([*BASE, "--config", path])
    option = "--" + text.split(":")[0]
    with pytest.raises(ConfigError, match=rf"^{option}: got (?!.*stands in)"):
        parse([*BASE, "--config", write(tmp_path, "seed: 1"), option, "-7"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="--config: .*none.yaml.*expected a YAML file that can be read; No such file"):
        parse([*BASE, "--config", path])


def test_help_tells_every_flag_and_default() -> None:
    text = make_parser().format_help()
    assert "(default: 0.001, linear 0.0001, cnn 0.005, colorizer 0.0002, colorizer_unet 0.0002)" in " ".join(
        text.split()
    )
    assert "epochs (default: 10, colorizer 100, colorizer_unet 100)" in " ".join(text.split())
    for option in ("--num_hidden", "--dropout", "--l1", "--l2", "--patience", "--config"):
        assert option in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"[" * 100_000, "nested deeper than 100 levels"),
        (b"num_epochs: 5\nnum_epochs: 50", "line 2: the key 'num_epochs' is there twice"),
        (b"seed: 0x" + b"f" * 5_000, "a whole number is too large"),
        (b"seed: 2024-13-45", "month must be in 1..12"),
        (b"a: &a [*a]", "nested deeper"),
        ("seed: 1".encode("utf-16"), "not UTF-8: .*UTF-16"),
        (b"seed: \x00", "unacceptable character"),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_a_file_that_is_no_yaml_ends_in_one_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "train.yaml").write_bytes(text)
    with pytest.raises(ConfigError, match=f"--config: .*expected a YAML file; .*{message}"):
        parse([*BASE, "--config", str(tmp_path / "train.yaml")])


FLAGS = {"num_epochs": 3, "lrate": 0.1, "model": "linear", "image_size": "8x9", "profile_steps": "1,2", "resume": True}


@fuzzed
@given(damaged_json({**FLAGS, "dropout": 0.5, "resolved": {"a": [1]}}))
def test_whatever_the_file_holds_it_is_read_or_refused_in_one_line(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / "train.yaml").write_bytes(damaged)
    said = "read"
    try:
        parse([*BASE, "--config", str(tmp_path / "train.yaml")])
    except ConfigError as error:
        said = one_line(error)
    assert len(said) < 2_000


@pytest.mark.parametrize("digits", ["9" * 5_000, "9" * 30, "²", "1_0"])
def test_digits_that_are_no_number_of_use_are_refused(digits: str) -> None:
    for flag, value in (
        ("--image_size", digits),
        ("--profile_steps", f"1,{digits}"),
        ("--profile_steps", f"{digits},1"),
    ):
        with pytest.raises(ConfigError, match=f"{flag}: got"):
            parse([*BASE, flag, value])
