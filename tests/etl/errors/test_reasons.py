from __future__ import annotations

import re
import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl import sources
from etl.errors import ConfigError, RecordError, UndeclaredReasonError, reasons
from etl.plan.digests import digest
from etl.records import SourceImage


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module that a source may be, registered as `own`; what it declares is forgotten afterwards."""
    module = ModuleType("own_source")
    monkeypatch.setitem(sys.modules, "own_source", module)
    monkeypatch.setitem(sources.SOURCES, "own", "own_source")
    monkeypatch.setitem(sources.SCHEMES, "own", "own_source")
    monkeypatch.setattr(reasons, "_declared", {})
    return module


def test_a_declared_reason_is_known_once_its_source_is_loaded(module: ModuleType) -> None:
    module.REASONS = {"too_dark": "the image is too dark"}
    with pytest.raises(UndeclaredReasonError, match="reason 'too_dark' is none of missing"):
        RecordError("k", "too_dark", "m")
    assert reasons.explain("too_dark") == ""
    for _ in range(2):
        assert sources.source("own") is module
    assert RecordError("k", "too_dark", "m").reason == "too_dark"
    assert reasons.explain("too_dark") == sources.explain("own", "too_dark") == "the image is too dark"
    assert sources.explain("unknown", "missing") == "the file does not exist"


def test_a_source_rejects_what_it_reads(module: ModuleType) -> None:
    def read(uri: str) -> bytes:
        raise RecordError("", "too_dark", f"{uri} is")

    module.REASONS = {"too_dark": "the image is too dark"}
    module.read = read
    found = digest(SourceImage("k", "own://k", "a"), source="own", limit=100)
    assert found.rejection is not None
    assert (found.rejection.reason, found.rejection.message) == ("too_dark", "own://k is")


def test_a_listed_rejection_needs_a_declared_reason(module: ModuleType) -> None:
    sources.source("own")
    with pytest.raises(UndeclaredReasonError, match="reason 'odd' is none of .*; a source declares those of its own"):
        digest(SourceImage("k", "own://k", "a", rejection="odd"), source="own", limit=100)


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"Too dark": "x"}, "'Too dark' is no name: at most 40 small letters"),
        ({"too_dark\n": "x"}, "is no name"),
        ({"_dark": "x"}, "is no name"),
        ({"a" * 41: "x"}, "is no name"),
        ({3: "x"}, "3 is no name"),
        ({"too_dark": " "}, "'too_dark' has no explanation"),
        ({"too_dark": None}, "'too_dark' has no explanation"),
        ({"missing": "x"}, "'missing' is a reason of all sources; use another name"),
        ({"taken": "x"}, "'taken' is a reason of other_source; use another name"),
        (["too_dark"], "reasons are a mapping"),
    ],
)
def test_what_is_wrong_with_declared_reasons_is_named(module: ModuleType, own: object, problem: str) -> None:
    reasons.declare("other_source", {"taken": "x"})
    module.REASONS = own
    with pytest.raises(ConfigError, match=f"^REASONS of own_source: .*{re.escape(problem)}"):
        sources.source("own")
    assert reasons.names() == (*reasons.REASONS, "taken")


@given(st.dictionaries(st.from_regex(r"\A[a-z][a-z0-9_]{0,39}\Z"), st.text(min_size=1).filter(str.strip), max_size=3))
def test_names_of_the_right_kind_are_taken_as_they_are(own: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reasons, "_declared", {})
        if own.keys() & reasons.REASONS.keys():
            return
        reasons.declare("own_source", own)
        assert {name: reasons.explain(name) for name in own} == own


def test_the_sources_here_declare_reasons_of_their_own_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reasons, "_declared", {})
    declared = [name for source in sources.SOURCES for name in getattr(sources.source(source), "REASONS", {})]
    assert sorted(reasons.names()) == sorted([*reasons.REASONS, *declared])
