"""The table and the picture of the peers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.reporting import peer_blocks, results
from benchmarks.reporting.markdown import NOT_RUN, TIMES
from etl import errors


def entry(deliverable: str, name: str, position: int, rates: list[float], ours: list[float], **info: Any) -> Any:
    facts = {
        "items_a_second": sorted(rates)[1],
        "of_ours": rates[1] / ours[1],
        "of_ours_rounds": [one / other for one, other in zip(rates, ours, strict=True)],
        "batch_size": 64,
        "versions": {f"{name.lower()}-package": "1.5", "numpy": "2.1"},
        "num_workers": 2,
        "prepare_seconds": 12.0,
        "prepared_bytes": 3_000_000,
        "is_converted": True,
        "import_seconds": 4.0,
        "first_batch_seconds": 0.25,
        "peak_mb": 812.0,
        "missing": {},
    }
    extra = {"table": f"peers: {deliverable}", "row": name, "position": position, "wall_rounds": [1.0] * 3}
    extra |= {"wall_seconds": 1.0, "cpu_seconds": 1.25, **facts, **info}
    return {"group": "g", "name": name, "fullname": name, "stats": {"median": 1.0}, "extra_info": extra}


OURS = [1_000.0, 1_000.0, 2_000.0]
ENTRIES = [
    entry("jpeg", "Ours", 0, OURS, OURS, num_images=2_560, num_workers=0, absent={"Gone": "not installed: no wheel"}),
    entry(
        "jpeg", "Slow", 1, [500.0, 400.0, 500.0], OURS, missing={"pixels": "it reads files only"}, is_converted=False
    ),
    entry("jpeg", "Fast", 2, [1_500.0, 1_500.0, 2_500.0], OURS),
    entry("pixels", "Ours", 0, OURS, OURS, num_images=6_144, num_workers=0),
    entry("pixels", "Fast", 1, [3_000.0, 3_000.0, 4_000.0], OURS, num_workers=1),
]


def load(folder: Path, entries: list[Any]) -> results.Results:
    path = folder / "r.json"
    path.write_text(json.dumps({"machine_info": {}, "benchmarks": entries}), encoding="utf-8")
    return results.load([str(path)])


def test_the_tables(tmp_path: Path) -> None:
    lines = peer_blocks.render_peers(load(tmp_path, ENTRIES)).splitlines()
    assert lines[2:5] == [
        f"| Ours | 1,000 | 1.00{TIMES} | - | - | 1,000 | 1.00{TIMES} |",
        f"| Slow | 500 | 0.400{TIMES} (0.250 to 0.500) | - | - | - | - |",
        f"| Fast | 1,500 | 1.50{TIMES} (1.25 to 1.50) | - | - | 3,000 | 3.00{TIMES} (2.00 to 3.00) |",
    ]
    assert "| Ours | - | own, -, own | 1.25 / - / 1.25 | 12.0 | 3.00 | 4.00 | 0.250 | 812 |" in lines
    assert "| Slow | 1.5 | 2, -, - | 1.25 / - / - | - | 3.00 | 4.00 | 0.250 | 812 |" in lines
    assert "Not measured: Gone, not installed: no wheel." in lines
    assert "No such form: Slow (224x224 pixels): it reads files only." in lines
    assert "Versions: fast-package 1.5, numpy 2.1, ours-package 1.5, slow-package 1.5." in lines


def test_without_results_there_is_nothing(tmp_path: Path) -> None:
    measured = load(tmp_path, [])
    assert peer_blocks.render_peers(measured) == NOT_RUN
    assert peer_blocks.draw_peers(measured, tmp_path) == []


def test_the_picture(tmp_path: Path) -> None:
    (path,) = peer_blocks.draw_peers(load(tmp_path, ENTRIES), tmp_path)
    assert path.name == "peers.png"
    assert path.read_bytes().startswith(b"\x89PNG")


def test_one_block_alone_is_replaced(tmp_path: Path) -> None:
    load(tmp_path, ENTRIES)
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- begin etl: x -->\nkept\n<!-- end etl -->\n\n<!-- begin peers: x -->\n<!-- end peers -->\n",
        encoding="utf-8",
    )
    arguments = ["--only", "peers", str(tmp_path / "r.json"), "--output", str(page)]
    assert report.main(arguments) == errors.EXIT_OK
    text = page.read_text(encoding="utf-8")
    assert "\nkept\n" in text
    assert "| Fast |" in text
    assert (tmp_path / "benchmarks" / "peers.png").exists()
