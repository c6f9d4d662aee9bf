"""From pytest-benchmark's JSON to the page: whole results, partial ones, and none."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.harness import machine
from benchmarks.reporting import chapter_figures, learning_blocks, own_blocks, results
from benchmarks.reporting.claims import find_claims
from benchmarks.reporting.markdown import NOT_RUN, TIMES
from etl import errors

MACHINE = {
    "cpu": "Some Processor",
    "cores": 2,
    "memory_gb": 23.5,
    "system": "Linux x86_64",
    "python": "3.11.7",
    "packages": {"tensorflow": "2.21.0"},
    "command": "pytest benchmarks",
}


def entry(group: str, name: str, seconds: float, **info: Any) -> dict[str, Any]:
    stats = {"median": seconds, "data": [seconds]}
    return {"group": group, "name": name, "fullname": f"f::{name}", "stats": stats, "extra_info": info}


def table_entry(table: str, row: str, position: int, wall: float, **info: Any) -> dict[str, Any]:
    timed = {"wall_seconds": wall, "cpu_seconds": 2 * wall, "wall_rounds": [wall, wall], "speed_up": 4 / wall}
    sizes = {"num_photographs": 96, "num_epochs": 2, "num_images": 20, "image": "338x600"}
    return entry(f"table {table}", row, wall, table=table, row=row, position=position, **{**timed, **sizes, **info})


def table_7_1(suffix: str = "", **info: Any) -> list[dict[str, Any]]:
    rows = chapter_figures.TABLES["7-1"]
    # In another order than the table's, as tests may run.
    return [table_entry(f"7-1{suffix}", row, place, 4.0 - place, **info) for place, row in enumerate(rows)][::-1]


def write(path: Path, entries: list[dict[str, Any]], described: Mapping[str, Any] | None = MACHINE) -> str:
    info = {"node": "secret-host", **({"petalstream": described} if described is not None else {})}
    content = {"machine_info": info, "benchmarks": entries, "datetime": "2026-11-21T10:00:00"}
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def run_report(folder: Path, *paths: str) -> str:
    output = folder / "benchmarks.md"
    assert report.main([*paths, "--output", str(output)]) == errors.EXIT_OK
    return output.read_text(encoding="utf-8")


def block(page: str, name: str) -> str:
    found = re.search(rf"<!-- begin {name}:.*?-->(.*)<!-- end {name} -->", page, re.DOTALL)
    assert found is not None
    return found[1].strip()


def test_a_table_stands_beside_the_chapters(tmp_path: Path) -> None:
    page = run_report(tmp_path, write(tmp_path / "r.json", table_7_1()))
    lines = block(page, "table-7-1").splitlines()
    assert lines[0] == "| row | CPU s | wall s | speed-up | chapter: CPU s | chapter: wall s | chapter: speed-up |"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:6]]
    assert [line[0] for line in cells] == list(chapter_figures.TABLES["7-1"])
    assert cells[1] == ["parallel map", "6.00", "3.00", f"1.33{TIMES}", "8.30", "5.94", f"1.35{TIMES}"]
    assert "Order of the rows by wall time: the chapter's." in lines
    assert (tmp_path / "benchmarks" / "table_7_1.png").read_bytes().startswith(b"\x89PNG")


def test_storage_stands_beside_local_files(tmp_path: Path) -> None:
    remote = table_7_1(results.STORAGE, latency_seconds=0.04, bandwidth_mb_a_connection=25.0)
    page = run_report(tmp_path, write(tmp_path / "r.json", table_7_1() + remote))
    content = block(page, "table-7-1")
    assert "storage: wall s" in content
    assert "40 ms a request, 25 MB/s a connection" in content
    assert "Over storage: the chapter's." in content


def test_what_was_not_run_says_so(tmp_path: Path) -> None:
    page = run_report(tmp_path, write(tmp_path / "r.json", table_7_1()))
    unrun = set(report.BLOCKS) - {"machine", "table-7-1"}
    assert all(block(page, name) == NOT_RUN for name in unrun)
    assert [path.name for path in (tmp_path / "benchmarks").iterdir()] == ["table_7_1.png"]


def test_results_of_nothing_make_a_page(tmp_path: Path) -> None:
    page = run_report(tmp_path, write(tmp_path / "r.json", [], None))
    assert block(page, "ratios") == NOT_RUN


def test_prose_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", table_7_1())
    page = run_report(tmp_path, path)
    edited = page.replace("# Benchmarks", "# Benchmarks\n\nBy hand.").replace("5.94", "0")
    (tmp_path / "benchmarks.md").write_text(edited, encoding="utf-8")
    assert run_report(tmp_path, path) == page.replace("# Benchmarks", "# Benchmarks\n\nBy hand.")


def test_no_host_is_named(tmp_path: Path) -> None:
    page = run_report(tmp_path, write(tmp_path / "r.json", table_7_1()))
    assert "secret-host" not in page
    assert "- processor: Some Processor, 2 cores" in page
    assert "- command: `pytest benchmarks`, 2026-11-21" in page


def test_two_files_are_one_report_and_the_last_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a.json", table_7_1())
    again = [table_entry("7-1", "plain", 0, 9.5), table_entry("7-5", "matmul", 3, 0.5)]
    page = run_report(tmp_path, first, write(tmp_path / "b.json", again, {**MACHINE, "cpu": "Another"}))
    assert "| plain | 19.0 | 9.50 |" in page
    assert "| matmul |" in page
    assert "Some Processor" in page
    assert "Another" in page


def test_ratios_stand_beside_their_aims(tmp_path: Path) -> None:
    ratios = {"jpeg_crop_of_bare_decode": 1.08, "pixel_of_unparsed": 0.6, "pixel_of_one_by_one": 2.0}
    rate = table_entry("rates", "JPEG", 0, 1.0, ratios=ratios, items_a_second=2000.0)
    waits = [
        table_entry(
            "input wait", name, place, 1.0, input_wait_share=0.5 * place, step_seconds=1.0, batch_size=64, model="M"
        )
        for place, name in enumerate(("JPEG", "the chapter's data"))
    ]
    measured = results.load([write(tmp_path / "r.json", [rate, *waits])])
    reached = {claim.what: claim.is_met for claim in find_claims(measured)}
    assert reached == {
        "JPEG with random crop to 224, of decoding the whole JPEGs alone": True,
        "224x224 uint8 pixels, shuffled and parsed, of the same files unparsed": False,
        "… of parsing them one by one": None,
        "waiting for input, of a training step: JPEG": True,
        "waiting for input, of a training step: the chapter's data": None,
    }


def test_the_etl_is_rendered(tmp_path: Path) -> None:
    bare = {
        "of_bare_loop": 0.95,
        "images_a_second": 800,
        "bare_images_a_second": 842,
        "of_bare_loop_rounds": [0.95] * 3,
    }
    sizes = {"1x": 500, "2x": 510, "4x": 512, "8x": 520}
    entries = [
        entry("etl: beside a bare loop", "b[pixel]", 4.0, variant="pixel", num_images=3200, **bare),
        entry("etl: the chapter's way", "c", 4.0, images_a_second=0.08),
        entry(
            "etl: memory and cost by size",
            "m[pixel]",
            9.0,
            variant="pixel",
            peak_mb=sizes,
            peak_8x_of_1x=1.04,
            ms_an_image_beyond_1x=1.2,
        ),
        entry(
            "etl: share by stage", "s[pixel]", 1.0, variant="pixel", ms_an_image=2.5, share={"read": 0.2, "decode": 0.8}
        ),
    ]
    page = run_report(tmp_path, write(tmp_path / "r.json", entries))
    content = block(page, "etl")
    assert "| pixel | 800 | 842 | 0.950 | 10,000" in content
    assert "| pixel | 500 | 510 | 512 | 520 | 1.04 | 1.20 |" in content
    assert "| pixel | 2.50 | 20 % | 80 % |" in content
    pictures = {path.name for path in (tmp_path / "benchmarks").iterdir()}
    assert pictures == {"etl_share_by_stage.png", "etl_memory_and_cost_by_size.png"}
    assert all(f"](benchmarks/{name})" in content for name in pictures)


def test_serving_is_rendered(tmp_path: Path) -> None:
    info = {"model": "M", "items_a_second": 321.4, "p50_ms": 24.44, "p99_ms": 31.0, "num_calls": 360}
    entries = [table_entry("serving", "8 photographs", 1, 3.1, **info), table_entry("serving", "1", 0, 9.0, **info)]
    measured = results.load([write(tmp_path / "r.json", entries)])
    lines = own_blocks.render_serving(measured).splitlines()
    assert lines[0] == "| a call | photographs a second | p50 ms | p99 ms | calls |"
    assert lines[2:4] == ["| 1 | 321 | 24.4 | 31.0 | 360 |", "| 8 photographs | 321 | 24.4 | 31.0 | 360 |"]
    assert lines[-1].startswith("Model: M; whole JPEG files in, medians of 2 rounds")
    assert own_blocks.render_serving(results.load([write(tmp_path / "n.json", [])])) == NOT_RUN


def test_learning_is_rendered(tmp_path: Path) -> None:
    flowers = {"accuracies": [0.8, 0.9], "accuracy": 0.85, "num_examples": 969, "num_tested": 301, "num_epochs": 10}
    cifar = {"accuracy": 0.9, "val_accuracy": 0.5, "gap": 0.4, "val_loss": 1.5, "num_epochs": 10}
    colours = {"losses": {"1": 0.25, "10": 0.05}, "mse": 0.02, "grey_mse": 0.2, "best_grey_mse": 0.03}
    entries = [
        table_entry("learning: flowers", "on pixels", 0, 9.0, epoch_seconds=4.0, **flowers),
        table_entry("learning: flowers", "on embeddings", 1, 9.0, epoch_seconds=0.05, **flowers),
        table_entry("learning: cifar-10", "dropout 0", 0, 9.0, **cifar),
        table_entry("learning: colours", "colorizer", 0, 9.0, num_examples=224, num_tested=75, **colours),
    ]
    page = learning_blocks.render_learning(results.load([write(tmp_path / "r.json", entries)]))
    assert "| on pixels | 0.850 | 0.800, 0.900 | 4.00 |" in page
    assert "An epoch on embeddings is 80.0 times shorter." in page
    assert "| dropout 0 | 0.900 | 0.500 | 0.400 | 1.500 |" in page
    assert "| colorizer | 0.2500 | 0.0500 | 0.0200 | 0.2000 | 0.0300 |" in page
    assert learning_blocks.render_learning(results.load([write(tmp_path / "n.json", [])])) == NOT_RUN


@pytest.mark.parametrize("content", [None, "no JSON", '{"benchmarks": []}', "[]"])
def test_what_is_no_result_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "r.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(errors.ConfigError, match=r"RESULTS: got '.*r\.json', expected"):
        results.load([str(path)])


@pytest.mark.parametrize("name", chapter_figures.TABLES)
def test_each_row_of_the_chapter_is_measured_in_its_order(name: str) -> None:
    module = importlib.import_module(f"benchmarks.test_table_{name.replace('-', '_')}")
    theirs = list(chapter_figures.TABLES[name])
    assert name == module.TABLE
    assert [row for row in module.ROWS if row in theirs] == theirs


def test_the_processors_name() -> None:
    assert machine.cpu_name("processor\t: 0\nmodel name\t: AMD EPYC \nflags : x\n") == "AMD EPYC"
    assert machine.cpu_name("") == ""


def test_the_page_of_the_project_has_a_place_for_every_block() -> None:
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    assert all(page.count(f"<!-- begin {name}:") == page.count(f"<!-- end {name} -->") == 1 for name in report.BLOCKS)
