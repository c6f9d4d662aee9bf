from __future__ import annotations

import platform

import pytest

from trainer.ingest import heap


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator than glibc's")
def test_glibc_takes_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in heap._CHOICES:
        monkeypatch.delenv(name, raising=False)
    assert heap.keep_freed_memory.__wrapped__()


def test_settings_in_the_environment_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert not heap.keep_freed_memory.__wrapped__()
