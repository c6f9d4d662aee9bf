from __future__ import annotations

import pytest

from etl.errors import ConfigError
from trainer.doctor.accelerators import ACCELERATORS, parse_accelerator


@pytest.mark.parametrize("name", ACCELERATORS)
def test_every_name_is_understood_in_any_case(name: str) -> None:
    assert parse_accelerator(name.upper()) is ACCELERATORS[name]


def test_each_figure_says_where_it_is_from() -> None:
    assert len(ACCELERATORS) >= 6
    for accelerator in ACCELERATORS.values():
        assert "MLPerf" in accelerator.source
        assert 1_000 < accelerator.images_per_second < 20_000


@pytest.mark.parametrize(("text", "rate"), [("2500", 2500.0), ("2,500", 2500.0), ("0.5", 0.5)])
def test_a_number_stands_for_an_accelerator_of_ones_own(text: str, rate: float) -> None:
    accelerator = parse_accelerator(text)
    assert (accelerator.name, accelerator.images_per_second) == ("yours", rate)


@pytest.mark.parametrize("text", ["", "k80", "0", "-3", "nan", "inf"])
def test_anything_else_is_the_operators_mistake(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--accelerator: got .*, expected one of v100, .*or images a second"):
        parse_accelerator(text)
