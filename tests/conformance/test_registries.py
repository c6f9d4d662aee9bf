"""Every registered source and model has what its registry says."""

from __future__ import annotations

import importlib

import pytest

from etl import sources
from etl.sources import SOURCES
from etl.sources.options import SourceOptions
from trainer.models import METRICS, MODELS


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_what_a_source_has(name: str) -> None:
    module = sources.source(name)
    for function in ("extras", "class_names", "list_images"):
        assert callable(getattr(module, function)), function
    assert issubclass(getattr(module, "OPTIONS", SourceOptions), SourceOptions)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_what_a_model_has(name: str) -> None:
    spec = MODELS[name]
    assert callable(importlib.import_module(spec.module).build)
    assert spec.takes in ("images", "embeddings", "grey")
    assert spec.gives in METRICS
