"""Larger folders of the same photographs, by links."""

from __future__ import annotations

import itertools
from pathlib import Path


def link_photographs(photographs: Path, target: Path, num_images: int) -> Path:
    """Makes a folder of links: as many images as asked for, each photograph as often as needed.

    Args:
        photographs: A folder with one directory a class.
        target: The new folder.
        num_images: How many links.

    Returns:
        `target`.
    """
    files = sorted(path for path in photographs.glob("*/*") if path.suffix == ".jpg")
    for number, path in enumerate(itertools.islice(itertools.cycle(files), num_images)):
        link = target / path.parent.name / f"{number:06d}.jpg"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path.resolve())
    return target
