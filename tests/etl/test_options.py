from __future__ import annotations

import os

import pytest

from etl.errors import ConfigError
from etl.options import parse, parser
from etl.runners.beam_options import make_options

BASE = ["--source", "folder", "--input", "in", "--output", "out"]


def test_paths_are_made_absolute_so_that_workers_elsewhere_find_them() -> None:
    command = parse(BASE)
    assert command.config.output == os.path.abspath("out")
    assert command.config.options.input == os.path.abspath("in")
    assert parse(["--source", "folder", "--output", "gs://b/o"]).config.output == "gs://b/o"


def test_beams_own_options_pass_through() -> None:
    from apache_beam.options.pipeline_options import GoogleCloudOptions

    command = parse([*BASE, "--runner", "DataflowRunner", "--project", "p", "--region=r"])
    assert command.runner == "DataflowRunner"
    options = make_options(command.beam_args, command.runner).view_as(GoogleCloudOptions)
    assert (options.project, options.region) == ("p", "r")


def test_what_follows_two_dashes_is_the_servers() -> None:
    assert parse([*BASE, "--", "--parallelism", "4"]).beam_args == ("--parallelism", "4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*BASE, "--image_szie", "3"], r"--image_szie: .*did you mean --image_size\?"),
        ([*BASE, "--nonsense_of_nobody"], "--nonsense_of_nobody: .*see python -m etl.run --help"),
        ([*BASE, "--image_size", "abc"], "--image_size: got 'abc', expected whole pixels"),
        ([*BASE, "--jpeg_quality", "0"], "--jpeg_quality: got '0', expected a whole number from 1 to 100"),
        ([*BASE, "--max_rejected_fraction", "2"], "--max_rejected_fraction: got '2', expected a share"),
        ([*BASE, "--seed", "x"], "--seed: got 'x', expected a whole number"),
        (["--source", "imagenet", "--output", "o"], "--source: got 'imagenet', expected one of"),
        (["--source", "folder"], "--output: got None, expected a value"),
        ([*BASE, "--overwrite=maybe"], "--overwrite: .*ignored explicit argument"),
        ([*BASE, "stray"], "stray"),
    ],
)
def test_a_wrong_command_line_is_one_clear_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(arguments)


def test_help_names_every_option_and_the_bare_dashes() -> None:
    text = parser().format_help()
    for option in parser().option_names():
        assert option in text
    assert "follows a bare --" in text
