from __future__ import annotations

import csv as stdlib_csv
import io
import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl import sources
from etl.config import EtlConfig
from etl.errors import ConfigError
from etl.plan.plan import Plan
from etl.records import SourceImage
from etl.sources import csv
from etl.sources.columns import CsvOptions
from etl.sources.rows import Row, read_rows

NO_PATH = "is not a local path or gs://bucket/name: "
COPY = "is not supported: copy the files to a local disk or to gs://"


def write(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def list_images(path: Path | str, **options: object) -> list[SourceImage]:
    return list(csv.list_images(CsvOptions(input=str(path), **options)))  # type: ignore[arg-type]


def test_lines_without_a_header(tmp_path: Path) -> None:
    write(tmp_path, b"rose", "photos/a.jpg")
    labels = write(tmp_path, "tulips\nroses\n", "labels.txt")
    path = write(tmp_path, "photos/a.jpg,roses\n\n/far/b.jpg,tulips\r\ngs://bucket/x/../c.jpg,roses\n")
    options = CsvOptions(input=str(path), labels=str(labels))
    assert csv.class_names(options) == ("tulips", "roses")
    assert list(csv.list_images(options)) == [
        SourceImage("photos/a.jpg", f"{tmp_path}/photos/a.jpg", "roses", origin="list.csv:1"),
        SourceImage("/far/b.jpg", "/far/b.jpg", "tulips", origin="list.csv:3"),
        # On an object store, dots are part of the name.
        SourceImage("gs://bucket/x/../c.jpg", "gs://bucket/x/../c.jpg", "roses", origin="list.csv:4"),
    ]
    assert sources.read(f"{tmp_path}/photos/a.jpg") == b"rose"
    assert csv.extras(options) == {}


def test_without_a_labels_file_the_labels_are_those_of_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg,roses\nb.jpg, daisy\nc.jpg,roses\nbroken\n")
    assert csv.class_names(CsvOptions(input=str(path))) == ("daisy", "roses")


@pytest.mark.parametrize(
    "header",
    [
        "split,Label,PATH,note",
        "\ufeffsplit,class,uri,note",
        '"Split", Category,"image",note',
        "ml_use,label,filename,x",
    ],
)
def test_a_header_line_names_the_columns(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, f'{header}\nTRAIN,roses,a.jpg,"one\ntwo"\nvalidate,daisy,"b,c.jpg",\nTest,roses,d.jpg,x\n')
    for split_by in ("column", "auto"):
        assert [(image.key, image.label, image.split) for image in list_images(path, split_by=split_by)] == [
            ("a.jpg", "roses", "train"),
            ("b,c.jpg", "daisy", "validation"),
            ("d.jpg", "roses", "test"),
        ]
    assert {image.split for image in list_images(path, split_by="hash")} == {None}
    assert csv.class_names(CsvOptions(input=str(path))) == ("daisy", "roses")


@pytest.mark.parametrize(
    ("value", "split"),
    [("TRAINING", "train"), ("Validation", "validation"), (" val ", "validation"), ("TEST", "test")],
)
def test_split_names(tmp_path: Path, value: str, split: str) -> None:
    path = write(tmp_path, f"path,label,split\na.jpg,roses,{value}\n")
    assert [image.split for image in list_images(path, split_by="column")] == [split]


@pytest.mark.parametrize("value", ["", "HOLDOUT"])
def test_a_split_that_is_none_is_rejected_where_it_matters(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, f"path,label,split\na.jpg,roses,{value}\nb.jpg,roses,TEST\n")
    first, second = list_images(path, split_by="column")
    assert (first.key, first.rejection, second.split) == ("list.csv:2", "malformed_row", "test")
    assert first.message == f"line 2: split {value!r}, expected TRAIN, VALIDATE or TEST"
    assert [image.rejection for image in list_images(path, split_by="hash")] == [None, None]


def test_where_several_columns_could_be_meant_the_plainest_name_counts(tmp_path: Path) -> None:
    path = write(tmp_path, "filename,path,class,label\na.jpg,photos/a.jpg,7,roses\n")
    assert [(image.key, image.label) for image in list_images(path)] == [("photos/a.jpg", "roses")]


def test_a_label_outside_the_labels_file(tmp_path: Path) -> None:
    labels = write(tmp_path, "roses\n", "labels.txt")
    path = write(tmp_path, "a.jpg,roses\nb.jpg,weeds\n")
    images = list_images(path, labels=str(labels))
    assert [(image.key, image.rejection) for image in images] == [("a.jpg", None), ("b.jpg", "unknown_label")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b"a.jpg", "1 cell instead of 2"),
        (b"a.jpg,roses,TRAIN", "3 cells instead of 2; further columns need a header line"),
        (b",roses", "no path"),
        (b"a.jpg, ", "no label"),
        (b"caf\xe9.jpg,roses", "no UTF-8 text: save the file as UTF-8"),
        (b"a\0.jpg,roses", "no UTF-8 text: save the file as UTF-8"),
        (b"a.jpg,ro\0ses", "no UTF-8 text: save the file as UTF-8"),
        (b"https://x.org/a.jpg,roses", f"'https://x.org/a.jpg' {NO_PATH}https:// {COPY}"),
        (b"s3://bucket/a.jpg,roses", f"'s3://bucket/a.jpg' {NO_PATH}s3:// {COPY}"),
        (b"gs:/bucket/a.jpg,roses", f"'gs:/bucket/a.jpg' {NO_PATH}did you mean gs://bucket/a.jpg?"),
        (b"gs://bucket,roses", "'gs://bucket' names no object"),
        (b"gs:///a.jpg,roses", f"'gs:///a.jpg' {NO_PATH}did you mean gs://a.jpg?"),
        (b'"a.jpg,roses', "',' expected after '\"'"),
        (b'a.jpg,"roses', "',' expected after '\"'"),
        (b'"a"b.jpg,roses', "',' expected after '\"'"),
    ],
)
def test_a_malformed_row_takes_nothing_with_it(tmp_path: Path, row: bytes, message: str) -> None:
    path = write(tmp_path, b"x.jpg,daisy\n" + row + b'\n"y.jpg",daisy\nz.jpg,"daisy"\n')
    images = list_images(path)
    assert [image.key for image in images] == ["x.jpg", "list.csv:2", "y.jpg", "z.jpg"]
    assert images[1].rejection == "malformed_row"
    # NUL is refused by Python's own reader up to 3.10.
    assert images[1].message in (f"line 2: {message}", "line 2: line contains NUL")
    assert [image.rejection for image in images if image.key != "list.csv:2"] == [None] * 3


@pytest.mark.parametrize("row", ['"a.jpg,roses', 'a.jpg,"roses'])
def test_a_quotation_mark_without_any_partner(tmp_path: Path, row: str) -> None:
    images = list_images(write(tmp_path, f"{row}\nb.jpg,daisy\nc.jpg,daisy\n"))
    assert [image.key for image in images] == ["list.csv:1", "b.jpg", "c.jpg"]
    assert images[0].message == "line 1: a quotation mark has no partner"


def test_the_only_row_may_be_malformed(tmp_path: Path) -> None:
    assert [image.rejection for image in list_images(write(tmp_path, '"nothing\n'))] == ["malformed_row"]


def test_rows_that_name_one_image_have_one_key(tmp_path: Path) -> None:
    here = tmp_path.name
    spellings = ("a/b.jpg", "./a//b.jpg", "a/c/../b.jpg", f"{tmp_path}/a/b.jpg", f"../{here}/a/b.jpg")
    path = write(tmp_path, "".join(f"{spelling},x\n" for spelling in spellings))
    assert {(image.key, image.uri) for image in list_images(path)} == {("a/b.jpg", f"{tmp_path}/a/b.jpg")}


def test_a_pattern_reads_several_lists(tmp_path: Path) -> None:
    write(tmp_path, "a.jpg,x\n", "one/list.csv")
    write(tmp_path, "label,path\ny,a.jpg\n", "two/list.csv")
    pattern = f"{tmp_path}/*/list.csv"
    assert [(image.key, image.label, image.uri) for image in list_images(pattern)] == [
        ("one/a.jpg", "x", f"{tmp_path}/one/a.jpg"),
        ("two/a.jpg", "y", f"{tmp_path}/two/a.jpg"),
    ]
    assert csv.class_names(CsvOptions(input=pattern)) == ("x", "y")


def test_what_input_may_not_be(tmp_path: Path) -> None:
    cases = {
        None: "--input: got None, expected a CSV file",
        f"{tmp_path}/none.csv": "there is no such file",
        f"{tmp_path}": "this is a folder, which --source folder reads",
        f"{tmp_path}/*.tsv": "no file matches this pattern",
        str(write(tmp_path, "", "empty.csv")): "this file is empty",
        str(write(tmp_path, "\n\r\n , \n", "blank.csv")): "this file is empty",
        str(write(tmp_path, "path,label\n", "header.csv")): "a header line and no rows",
        str(write(tmp_path, "path,name\na.jpg,roses\n", "label.csv")): "named label, .*; its columns are path, name",
        str(write(tmp_path, "picture,label\na.jpg,roses\n", "path.csv")): "a column named path, uri",
        str(write(tmp_path, "a.jpg,roses\n".encode("utf-16"), "wide.csv")): "this is UTF-16: save it as UTF-8",
    }
    for path, message in cases.items():
        options = CsvOptions(input=path)
        with pytest.raises(ConfigError, match=message):
            csv.list_images(options)
        with pytest.raises(ConfigError, match=message):
            csv.class_names(options)


UNKNOWN = {
    "id,breed": "its first line is id, breed; if that names the columns, add --path_column NAME and --label_column",
    "x,y,z": "its first line is x, y, z; ",
    "file_name;species": "its first line is file_name, species; ",
    "image_id,label": "its columns are image_id, label; --path_column NAME names another",
    "path\tspecies": "its columns are path, species; --label_column NAME names another",
    "image/path,name": "its first line is image/path, name; ",
    "id": "its first line is id; ",
    "caf\udce9,x": "its first line is caf\ufffd, x; ",
}


@pytest.mark.parametrize(("header", "message"), UNKNOWN.items())
def test_a_header_line_with_other_names_is_no_image(tmp_path: Path, header: str, message: str) -> None:
    separator = ";" if ";" in header else "\t" if "\t" in header else ","
    rows = "".join(f"im/{number}.jpg{separator}pug\n" for number in range(3))
    path = write(tmp_path, f"{header}\n{rows}".encode(errors="surrogateescape"))
    for call in (csv.list_images, csv.class_names, csv.notes):
        with pytest.raises(ConfigError, match=f"^--input: got .*{re.escape(message)}"):
            call(CsvOptions(input=str(path)))


def test_columns_that_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "label;ID ;Breed;path\n7;im/0.jpg;pug;x\n8;im/1.jpg;boxer;y\n")
    asked = {"path_column": "id", "label_column": "breed"}
    assert [(image.key, image.label) for image in list_images(path, **asked)] == [
        ("im/0.jpg", "pug"),
        ("im/1.jpg", "boxer"),
    ]
    assert csv.class_names(CsvOptions(input=str(path), **asked)) == ("boxer", "pug")
    assert csv.notes(CsvOptions(input=str(path), **asked)) == [
        "list.csv: line 1: cells are separated by semicolons, not by commas",
        "list.csv: 2 columns not read: label, path",
    ]
    # One alone leaves the other to the usual names.
    assert [image.label for image in list_images(path, path_column="ID")] == ["7", "8"]
    for option, name in (("path_column", "file"), ("label_column", "race")):
        with pytest.raises(
            ConfigError, match=f"^--{option}: got '{name}', .*; its columns are label, ID, Breed, path$"
        ):
            list_images(path, **{**asked, option: name})
    with pytest.raises(ConfigError, match="^--label_column: got 'id', expected another column"):
        list_images(path, path_column="id", label_column="id")
    with pytest.raises(ConfigError, match="^--path_column: got 'id', .*; its columns are a.jpg, roses$"):
        list_images(write(tmp_path, "a.jpg,roses\n", "plain.csv"), path_column="id")


def test_a_name_that_several_columns_have(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label,Label\na.jpg,1,2\n")
    with pytest.raises(ConfigError, match="one column of each name that is read; 'label' is there twice"):
        list_images(path)
    assert [image.label for image in list_images(path, label_column="Label")] == ["2"]


def test_columns_that_are_not_read_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label,split,width,,height,x\na.jpg,roses,TRAIN,1,2,3,4\n")
    assert csv.notes(CsvOptions(input=str(path))) == [
        "list.csv: 4 columns not read: width, number 5, height and 1 more"
    ]
    by_hash = CsvOptions(input=str(path), split_by="hash")
    assert csv.notes(by_hash) == ["list.csv: 5 columns not read: split, width, number 5 and 2 more"]
    assert csv.notes(CsvOptions(input=str(write(tmp_path, "a.jpg,x\n", "b.csv")))) == []


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("first", ["", "sep={}\n", "\ufeffsep={}\r\n", '"sep={}"\n'])
@pytest.mark.parametrize("header", [("path", "label"), None])
def test_separators(tmp_path: Path, separator: str, first: str, header: tuple[str, str] | None) -> None:
    rows = [*([header] if header else []), ("a.jpg", "roses"), ('"b, c;\td.jpg"', "daisy"), ("broken", "", "")]
    path = write(tmp_path, first.format(separator) + "".join(f"{separator.join(row)}\r\n" for row in rows))
    *images, broken = list_images(path)
    assert [(image.key, image.label) for image in images] == [("a.jpg", "roses"), ("b, c;\td.jpg", "daisy")]
    assert broken.message.startswith(f"line {bool(first) + len(rows)}: 3 cells instead of 2")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a.jpg,roses\n".encode("utf-16"), "this is UTF-16: save it as UTF-8"),
        ("a.jpg,roses\n".encode("utf-16-be"), "it holds zero bytes, as UTF-16 does: save it as UTF-8"),
        ("a.jpg,roses\n".encode("utf-32-le"), "it holds zero bytes"),
        (b"PK\3\4....", "this is a spreadsheet or another ZIP archive: save it as CSV"),
        (b"\xd0\xcf\x11\xe0", "this is a spreadsheet: save it as CSV"),
        (b"\x1f\x8b\b", "this is compressed: unpack it"),
        (b"PAR1", "this is a Parquet file: write it as CSV"),
    ],
)
def test_what_is_no_text(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^--input: got .*, expected UTF-8 text; {message}"):
        list_images(write(tmp_path, content))


def test_another_encoding_loses_only_the_rows_that_it_spells_otherwise(tmp_path: Path) -> None:
    images = list_images(write(tmp_path, "a.jpg,roses\nb.jpg,caf\u00e9\nc.jpg,daisy\n".encode("cp1252")))
    assert [image.rejection for image in images] == [None, "malformed_row", None]
    assert images[1].message == "line 2: no UTF-8 text: save the file as UTF-8"


@pytest.mark.parametrize(("typed", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_paths_and_labels_from_another_system(tmp_path: Path, typed: str, on_disk: str) -> None:
    there, row = (unicodedata.normalize(form, "caf\u00e9") for form in (on_disk, typed))  # type: ignore[arg-type]
    write(tmp_path, b"x", f"{there}/1.jpg")
    path = write(tmp_path, f"{row}/1.jpg ,{row}\n{there}\\1.jpg,caf\u00e9\n{row}/gone.jpg,x\n")
    images = list_images(path)
    assert [image.uri for image in images[:2]] == [f"{tmp_path}/{there}/1.jpg"] * 2
    assert [image.label for image in images[:2]] == ["caf\u00e9"] * 2
    # What is nowhere keeps its spelling.
    assert images[2].key == f"{row}/gone.jpg"


def test_a_line_of_any_length_is_one_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path, "path,label,note\na.jpg,x," + "y," * 4_000_000 + "\nb.jpg,x,y\n")
    images = list_images(path)
    assert [(image.key, image.rejection) for image in images] == [("list.csv:2", "malformed_row"), ("b.jpg", None)]


def test_a_label_that_is_a_word_for_label_makes_no_header(tmp_path: Path) -> None:
    path = write(tmp_path, "photos/a.jpg,class\n")
    assert [image.label for image in list_images(path)] == ["class"]


@pytest.mark.parametrize("content", ["a.jpg,roses\n", "path,label\na.jpg,roses\n"])
@pytest.mark.parametrize("split_by", ["column", "official"])
def test_splitting_by_what_is_not_there(tmp_path: Path, content: str, split_by: str) -> None:
    with pytest.raises(ConfigError, match=f"--split_by: got '{split_by}', expected hash for this data set"):
        list_images(write(tmp_path, content), split_by=split_by)


def test_listing_is_lazy(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jpg,x\n" * 100_000)
    images = csv.list_images(CsvOptions(input=str(path)))
    next(images)
    with path.open("ab") as file:
        file.write(b"last.jpg,x\n")
    assert [image.key for image in images][-1] == "last.jpg"


cells = st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"]), max_size=12)
paths = cells.filter(lambda text: text.strip() and "://" not in text).map(lambda text: f"p/{text}.jpg")
labels = cells.map(str.strip).filter(bool)


@given(
    st.lists(st.tuples(paths, labels, cells), min_size=1, max_size=8), st.booleans(), st.sampled_from(["\n", "\r\n"])
)
@example([('p/"', 'a"b', ""), ("p/,", ",", "\ufeff")], True, "\n")
def test_what_a_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], header: bool, line_end: str
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    text = io.StringIO()
    writer = stdlib_csv.writer(text, lineterminator=line_end, quoting=stdlib_csv.QUOTE_ALL)
    if header:
        writer.writerow(("note", "label", "path"))
    for path, label, note in rows:
        writer.writerow((note, label, path) if header else (path, label))
    images = list_images(write(folder, text.getvalue()))
    assert [image.rejection for image in images] == [None] * len(rows)
    assert [image.label for image in images] == [unicodedata.normalize("NFC", label) for _, label, _ in rows]
    assert [image.uri for image in images] == [posixpath.normpath(f"{folder}/{path}") for path, _, _ in rows]


MARKS = [
    "\r\n",
    "\n",
    "\r",
    ",",
    ";",
    "\t",
    '"',
    '""',
    "\ufeff",
    "sep=;\n",
    "\u2028",
    "\u0301",
    " ",
    "#",
    "\0",
    "/",
    "\\",
]
WORDS = ["path", "label", "split", "a.jpg", "x", "..", "x://b/c", "\udcff", "\udce9"]
tokens = st.sampled_from(MARKS + WORDS).map(lambda text: text.encode(errors="surrogateescape"))


@given(st.one_of(st.binary(max_size=60), st.lists(tokens, max_size=40).map(b"".join)), st.sampled_from([None, "path"]))
@example(b"path,label\nx\xff,caf\xe9\n", None)
def test_no_content_is_more_than_an_error_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, column: str | None
) -> None:
    options = CsvOptions(input=str(write(tmp_path_factory.mktemp("csv"), content)), path_column=column)
    try:
        with Plan(EtlConfig(source="csv", output="out", options=options)) as plan:
            plan.fill()
            plan.describe()
            assert plan.num_read == plan.num_images + sum(plan.rejected().values())
            assert all(rejection.message.encode() for rejection in plan.rejections())
        line = ""
    except ConfigError as error:
        line = str(error)
    assert line.encode().count(b"\n") == 0


lines = st.lists(st.sampled_from(['a,"', '"', "a,b", 'x"y,z', '"a""b",c', "", "\ud800", '"a,b', "é,\0"]), max_size=8)


@given(lines)
def test_every_line_with_text_is_accounted_for(content: Sequence[str]) -> None:
    rows = list(read_rows([f"{line}\n" for line in content], (0, 1)))
    # Cells that matter hold no line break, so that each row is one line and none is swallowed.
    assert [row.line for row in rows] == [number for number, line in enumerate(content, start=1) if line]


def test_a_break_in_another_cell_is_text() -> None:
    rows = list(read_rows(['a,b,"one\n', 'two"\n', "c,d,e\n"], (0, 1)))
    assert rows == [Row(1, ("a", "b", "one\ntwo")), Row(3, ("c", "d", "e"))]


def test_a_cell_beyond_the_reader_s_limit_is_one_bad_line() -> None:
    rows = list(read_rows(["a," + "x" * 200_000 + "\n", "c,d\n"], (0, 1)))
    assert [(row.line, row.cells) for row in rows] == [(1, ()), (2, ("c", "d"))]
    assert rows[0].problem == "a cell of more than 131,072 characters"


def test_the_real_flowers(real_data: Path) -> None:
    options = {"labels": str(real_data / "flowers_labels.txt")}
    images = list_images(real_data / "flowers.csv", **options)
    assert len({image.key for image in images}) == 1_400
    assert Counter(image.label for image in images) == dict.fromkeys(
        ("daisy", "dandelion", "roses", "sunflowers", "tulips"), 280
    )
    assert {image.rejection for image in images} == {None}
    assert sources.read(images[0].uri)[:2] == b"\xff\xd8"
