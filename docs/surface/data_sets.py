"""Small data sets: all that is on disk, as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from docs.surface import inputs
from docs.surface.calls import ROOT, call_loaded, steady, succeed

# Embeddings are left out: they take a network's weights, which are large, or drawn in half a minute.
SETS: Mapping[str, str] = {
    "synthetic": "--source synthetic --num_images 12 --seed 3 --variants jpeg,pixel --image_size 32",
    "jpeg": "--source folder --input mixed --variants jpeg --shard_mb 0.005 --splits train=0.6,test=0.4 --seed 7",
    "resized": "--source folder --input mixed --variants jpeg --image_size 24x32 --jpeg_quality 80 --resize crop",
    "float32": "--source folder --input mixed --variants pixel --pixel_dtype float32 --image_size 16",
    "gzip": "--source folder --input mixed --variants jpeg,pixel --image_size 16 --compression gzip --seed 7",
    # With what is rejected, what is no photograph, a copy, and the splits of a column.
    "csv": "--source csv --input list.csv --variants jpeg --max_rejected_fraction 0.5",
    "folder": "--source folder --input untidy --variants jpeg --max_rejected_fraction 0.5",
}
_STYLE = re.compile(r"<style>\n(.*?)</style>", re.DOTALL)
_IMAGE = re.compile(r"data:image/(\w+);base64,([A-Za-z0-9+/=]+)")


def record(work: Path) -> Mapping[str, str]:
    """Returns, for each data set, what the command printed and what is in its folder."""
    (golden,) = (ROOT / "tests").rglob("golden/inputs/mixed")
    (work / "mixed").symlink_to(golden)
    succeed(inputs.PHOTOS, work)
    _make_lists(work)
    files: dict[str, str] = {}
    made = call_loaded([f"etl.run {options} --output out/{name}" for name, options in SETS.items()], work)
    checked = call_loaded([f"etl.inspect out/{name}" for name in SETS], work)
    for name, printed, said in zip(SETS, made, checked, strict=True):
        files[f"{name}/printed.txt"] = printed.text(work) + "\n" + said.text(work)
        files |= {f"{name}/{file}": text for file, text in _texts(work / "out" / name, work).items()}
    # All pages have one style, which is kept once.
    styles = {found for name in SETS for found in _STYLE.findall(files[f"{name}/card.html"])}
    pages = {name: _STYLE.sub("<style>STYLE</style>", text) for name, text in files.items() if name.endswith(".html")}
    return {**files, **pages, "card.css": "".join(sorted(styles))}


def _make_lists(work: Path) -> None:
    photos = sorted((work / "photos").glob("*/*.jpg"))
    uses = ("TRAIN", "TRAIN", "VALIDATE", "TEST")
    rows = [f"{path},{path.parent.name},{uses[number % 4]}" for number, path in enumerate(photos)]
    rows += ["none.jpg,daisy,TRAIN", f"{photos[0]},,TRAIN"]
    (work / "list.csv").write_text("\n".join(["path,label,split", *rows, ""]), encoding="utf-8")
    for number, path in enumerate(photos[:8]):
        target = work / "untidy" / ("daisy", "roses")[number % 2] / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    folder = work / "untidy" / "daisy"
    (folder / "copy.jpg").write_bytes((work / "untidy" / "roses" / photos[1].name).read_bytes())
    (folder / "half.jpg").write_bytes(photos[0].read_bytes()[:2_000])
    (folder / "text.jpg").write_text("no photograph\n")
    (folder / "Thumbs.db").write_bytes(b"none")
    (work / "untidy" / "roses" / "notes.txt").write_text("none\n")


def _texts(folder: Path, work: Path) -> Mapping[str, str]:
    """Returns the list of files with their digests, and what tells more as text."""
    files: dict[str, str] = {}
    listed = []
    made = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["run"]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        data = path.read_bytes()
        if path.suffix in (".json", ".jsonl", ".html", ".txt"):
            text = steady(data.decode(), work)
            if path.suffix == ".html":
                text = text.replace(made["id"], "RUN_ID").replace(made["job"], "JOB_DIGEST")
                text = text.replace(f"<code>{made['seconds']}</code>", "<code>SECONDS</code>")
            data = text.encode()
            if path.suffix == ".html":
                text = _IMAGE.sub(_named, text).replace("><", ">\n<")
            if path.suffix != ".txt":
                files[name] = text
        elif path.suffix == ".parquet":
            files[name.replace(".parquet", ".txt")] = _index(path)
        listed.append(f"{hashlib.sha256(data).hexdigest()} {len(data):9} {name}\n")
    return {"files.txt": "".join(listed), **files}


def _named(found: re.Match[str]) -> str:
    return f"{found[1]} {hashlib.sha256(base64.b64decode(found[2])).hexdigest()}"


def _index(path: Path) -> str:
    """Returns the columns and the rows of an index."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    columns = {field.name: str(field.type) for field in table.schema}
    rows = [json.dumps(row, ensure_ascii=False, default=repr) for row in table.to_pylist()]
    return "\n".join([json.dumps(columns), *rows, ""])
