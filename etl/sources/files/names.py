"""The names of files and folders: the known kinds that hold no image, and one spelling for each class.

Files and folders of such a kind are no inputs: they are counted and shown. Everything else is an input, whatever its
name. A folder of such a kind is not looked into, and counts once.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping

HIDDEN, SYSTEM, DOCUMENT, DATASET, LINK = "hidden", "system", "document", "dataset", "link"

# Kind to what it is. The names are part of the data format (docs/data_format.md).
IGNORED: Mapping[str, str] = {
    HIDDEN: "names that start with a dot",
    SYSTEM: "what operating systems and network drives leave behind, such as __MACOSX, @eaDir, Thumbs.db",
    DOCUMENT: "texts, tables, annotations, TFRecords, by their endings",
    DATASET: "folders of data sets that etl.run wrote, --output among them",
    LINK: "links to what is listed at its own place, or back to a folder above",
}

# Of macOS' archives and volumes, Synology, QNAP, Windows, Linux and Python; in any case.
_SYSTEM_FOLDERS = """
__macosx, network trash folder, temporary items, thevolumesettingsfolder,
@eadir, @tmp, @sharebin, @snapshot, @recycle, @recently-snapshot, #recycle, #snapshot,
$recycle.bin, recycler, recycled, system volume information, found.000, lost+found, __pycache__
"""
_SYSTEM_FILES = """
thumbs.db, ehthumbs.db, ehthumbs_vista.db, desktop.ini, icon\r, zbthumbnail.info, picasa.ini
"""
# Texts, tables, annotations, notes of image editors, programs, checksums, what data sets are stored in.
_DOCUMENT_ENDINGS = """
.txt, .text, .md, .rst, .rtf, .tex, .bib, .pdf, .doc, .docx, .odt, .ppt, .pptx, .htm, .html, .css, .js, .url, .webloc,
.lnk, .log, .csv, .tsv, .xls, .xlsx, .ods, .json, .jsonl, .ndjson, .geojson, .xml, .xsd, .dtd, .yaml, .yml, .toml,
.ini, .cfg, .conf, .names, .lst, .xmp, .aae, .pp3, .py, .ipynb, .sh, .bat, .md5, .sha1, .sha256, .sha512, .sfv,
.parquet, .tfrecord, .tfrecords, .sqlite, .db
"""
_DOCUMENT_NAMES = """
license, licence, readme, copying, notice, changelog, authors, citation, makefile, md5sums
"""

MANIFEST_HEAD_BYTES = 4096
_MANIFEST_HEAD = re.compile(rb'\s*\{\s*"schema_version":.{0,40}"dataset":.{0,1000}"fingerprint":', re.DOTALL)


def _set(text: str) -> frozenset[str]:
    return frozenset(text.replace("\n", "").replace(", ", ",").split(","))


_KINDS_OF_FOLDERS = dict.fromkeys(_set(_SYSTEM_FOLDERS), SYSTEM)
_KINDS_OF_FILES = dict.fromkeys(_set(_DOCUMENT_NAMES), DOCUMENT) | dict.fromkeys(_set(_SYSTEM_FILES), SYSTEM)
_KINDS_OF_ENDINGS = dict.fromkeys(_set(_DOCUMENT_ENDINGS), DOCUMENT)


def of_folder(name: str) -> str:
    """Returns the kind of a folder that holds no images, "" for any other."""
    if name.startswith("."):
        return HIDDEN
    return _KINDS_OF_FOLDERS.get(name.lower(), "")


def of_file(name: str) -> str:
    """Returns the kind of a file that is no image, "" for any other."""
    if name.startswith("."):
        return HIDDEN
    name = name.lower()
    return _KINDS_OF_FILES.get(name) or _KINDS_OF_ENDINGS.get(os.path.splitext(name)[1], "")


def of_path(name: str) -> tuple[str, str]:
    """Returns the kind of a path's first part that has one, and the path up to there; "" and all of it for none.

    Args:
        name: Of a file, relative to where the search started, with slashes.
    """
    place = 0
    while (end := name.find("/", place)) >= 0:
        kind = of_folder(name[place:end])
        if kind:
            return kind, name[:end]
        place = end + 1
    return of_file(name[place:]), name


def is_manifest(head: bytes) -> bool:
    """Tells from a `manifest.json`'s first bytes whether `etl.run` wrote it, in whatever release."""
    return _MANIFEST_HEAD.match(head[:MANIFEST_HEAD_BYTES]) is not None


def normal(text: str) -> str:
    """Returns a name in Unicode's normal form C: a Mac's file systems spell é as e with an accent behind it."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
