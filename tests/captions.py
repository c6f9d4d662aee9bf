"""The source of docs/sources.md, and images with captions for it."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.photos import make_folder

_PAGE = Path(__file__).parents[1] / "docs" / "sources.md"


def programs() -> list[str]:
    """Returns the page's Python: the module, and the beginning of the registry with its entry."""
    return re.findall(r"```python\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.S)


def make_captioned(root: Path) -> Path:
    """Writes 24 images with captions (two not UTF-8, three missing) and cuts one image; returns `root`."""
    images = sorted(make_folder(root, 24).glob("*/*.jpg"))
    for number, image in enumerate(images):
        image.with_suffix(".txt").write_text(f"a flower, number {number}: ä", "latin-1" if number < 2 else "utf-8")
    for image in images[2:5]:
        image.with_suffix(".txt").unlink()
    images[5].write_bytes(images[5].read_bytes()[:300])
    return root


def rejected(output: Path) -> dict[str, str]:
    """Returns the rejected inputs of a data set: key to stage, reason and message."""
    lines = (output / "rejected.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["key"]: f"{line['stage']}: {line['reason']}: {line['message']}" for line in map(json.loads, lines)}
