"""Rows for the tests of what runs rows; this module is loaded by a process of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

BUSY_SECONDS = 0.05


def make_rows(factor: int = 1) -> dict[str, Callable[[], dict[str, Any] | None]]:
    order: list[str] = []

    def note(row: str) -> dict[str, Any]:
        order.append(row)
        return {"number": factor * len(order), "order": list(order)}

    def chatter() -> dict[str, Any]:
        print("not an answer")
        return note("chatter")

    def fail() -> None:
        raise ValueError("this row fails on purpose")

    rows: dict[str, Callable[[], dict[str, Any] | None]] = {"note": lambda: note("note"), "chatter": chatter}
    if factor == 1:
        return rows
    environment = {name: os.environ.get(name) for name in ("PETAL_ONE", "PETAL_TWO")}
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return rows | {"describe": lambda: {"environment": environment, "cores": cores}, "busy": _burn, "fail": fail}


def _burn() -> None:
    end = time.process_time() + BUSY_SECONDS
    while time.process_time() < end:
        pass
