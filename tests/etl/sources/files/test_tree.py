"""Each file once, whatever the links; what is known to hold no image is counted and not read."""

from __future__ import annotations

import glob
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.errors import ConfigError
from etl.format.manifest import Counts, Manifest, to_json
from etl.sources.files import names, tree
from etl.sources.files.patterns import Pattern


def make(root: Path, *paths: str) -> Path:
    for name in paths:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return root


def link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def listed(root: Path, output: Path | None = None) -> list[str]:
    return [found.name for found in tree.walk(str(root), output and str(output)) if not found.ignored]


def ignored(root: Path, output: Path | None = None) -> dict[str, str]:
    return {found.name: found.ignored for found in tree.walk(str(root), output and str(output)) if found.ignored}


def matched(root: Path, pattern: str) -> list[str]:
    return [found.path[len(str(root)) + 1 :] for found in tree.match(f"{root}/{pattern}") if not found.ignored]


def test_links_to_sisters_list_each_image_once(tmp_path: Path) -> None:
    classes = [f"c{number}" for number in range(12)]
    make(tmp_path, *(f"{name}/1.jpg" for name in classes))
    for one in classes:
        for other in set(classes) - {one}:
            link(tmp_path / one / f"see_{other}", f"../{other}")
    assert listed(tmp_path) == sorted(f"{name}/1.jpg" for name in classes)
    assert Counter(ignored(tmp_path).values()) == {"link": 12 * 11}
    assert sorted(matched(tmp_path, "**/*.jpg")) == sorted(f"{name}/1.jpg" for name in classes)


@pytest.mark.parametrize("target", ["..", "../..", ".", "../cat", "/", "loop", "deep/../../cat"])
def test_links_that_lead_back_are_not_followed(tmp_path: Path, target: str) -> None:
    root = make(tmp_path / "photos", "cat/1.jpg", "cat/deep/2.jpg")
    link(root / "cat" / "loop", target)
    # A link to itself is no folder: like any link that leads nowhere it is found missing when it is read.
    expected = ["cat/1.jpg", "cat/deep/2.jpg", *(["cat/loop"] if target == "loop" else [])]
    assert listed(root) == expected
    assert ignored(root) == ({} if target == "loop" else {"cat/loop": "link"})


def test_a_link_beside_the_class_folders_that_leads_back_is_no_class(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "cat/1.jpg")
    link(root / "up", "..")
    link(root / "same", ".")
    assert tree.list_folders(str(root)) == ["cat"]
    assert ignored(root) == {"same": "link", "up": "link"}


def test_a_class_folder_that_is_a_link_is_a_class(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "all/1.jpg", "all/2.jpg")
    make(tmp_path / "pool", "3.jpg")
    link(root / "cat", "all")
    link(root / "dog", "../pool")
    assert tree.list_folders(str(root)) == ["all", "cat", "dog"]
    assert listed(root) == ["all/1.jpg", "all/2.jpg", "cat/1.jpg", "cat/2.jpg", "dog/3.jpg"]


def test_links_out_of_the_input_are_followed_once_a_class(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "cat/1.jpg", "dog/1.jpg")
    make(tmp_path / "pool", "a/2.jpg", "b/3.jpg")
    link(tmp_path / "pool/a/other", "../b")
    link(tmp_path / "pool/b/other", "../a")
    for name in ("cat/x", "cat/y", "dog/x"):
        link(root / name, "../../pool")
    assert listed(root) == [
        *("cat/1.jpg", "cat/x/a/2.jpg", "cat/x/a/other/3.jpg"),
        *("dog/1.jpg", "dog/x/a/2.jpg", "dog/x/a/other/3.jpg"),
    ]
    assert ignored(root)["cat/y"] == "link"


def test_links_into_a_hidden_folder_are_how_its_files_are_listed(tmp_path: Path) -> None:
    root = make(tmp_path, ".git/annex/1", ".git/annex/2", "cat/0.jpg")
    link(root / "cat/1.jpg", "../.git/annex/1")
    link(root / "cat/more", "../.git/annex")
    assert listed(root) == ["cat/0.jpg", "cat/1.jpg", "cat/more/1", "cat/more/2"]
    assert ignored(root) == {".git": "hidden"}


def test_a_link_to_a_file_counts_where_it_gives_another_class(tmp_path: Path) -> None:
    root = make(tmp_path / "photos", "cat/1.jpg", "dog/2.jpg", "3.jpg")
    make(tmp_path, "pool/4.jpg")
    for name, target in {
        "cat/same.jpg": "1.jpg",
        "dog/other.jpg": "../cat/1.jpg",
        "dog/beside.jpg": "../3.jpg",
        "dog/outside.jpg": "../../pool/4.jpg",
        "beside.jpg": "cat/1.jpg",
    }.items():
        link(root / name, target)
    os.link(root / "cat/1.jpg", root / "cat/twin.jpg")
    assert listed(root) == [
        *("3.jpg", "cat/1.jpg", "cat/twin.jpg"),
        *("dog/2.jpg", "dog/beside.jpg", "dog/other.jpg", "dog/outside.jpg"),
    ]
    assert ignored(root) == {"beside.jpg": "link", "cat/same.jpg": "link"}
    assert "cat/same.jpg" not in matched(root, "*/*.jpg")


def test_a_start_that_is_a_link_itself(tmp_path: Path) -> None:
    make(tmp_path / "there", "cat/1.jpg")
    link(tmp_path / "here", "there")
    link(tmp_path / "there/cat/up", "../../here")
    assert listed(tmp_path / "here") == ["cat/1.jpg"]


SYSTEM = ["__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found", "@Recycle"]


@pytest.mark.parametrize("name", [*SYSTEM, ".ipynb_checkpoints", ".Trashes"])
def test_system_folders_are_no_classes_and_hold_no_images(tmp_path: Path, name: str) -> None:
    root = make(tmp_path, f"{name}/cat/1.jpg", f"cat/{name}/1.jpg", "cat/1.jpg")
    kind = "hidden" if name.startswith(".") else "system"
    assert tree.list_folders(str(root)) == ["cat"]
    assert listed(root) == ["cat/1.jpg"]
    assert ignored(root) == {name: kind, f"cat/{name}": kind}
    assert matched(root, "**/*.jpg") == ["cat/1.jpg"]
    # Who names it means it.
    assert matched(root, f"cat/{name}/*.jpg") == [f"cat/{name}/1.jpg"]


def test_kinds_of_files() -> None:
    kinds = {name: names.of_file(name) for name in ("Thumbs.db", "desktop.ini", "Icon\r", "a.XML", "README", "._a.jpg")}
    assert list(kinds.values()) == ["system", "system", "system", "document", "document", "hidden"]
    images = ("1.jpg", "1", "1.jfif", "1.dng", "txt", "a.txt.jpg", "film.mp4", "more.zip", "README.png")
    assert [name for name in images if names.of_file(name)] == []
    assert {*kinds.values()} <= set(names.IGNORED)


def test_the_ending_that_a_pattern_names_is_asked_for(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.txt", "cat/2.jpg", "cat/.3.txt")
    assert matched(tmp_path, "*/*.txt") == ["cat/1.txt"]
    assert matched(tmp_path, "*/*") == ["cat/2.jpg"]


def test_data_sets_below_the_input_are_no_classes(tmp_path: Path) -> None:
    root = make(
        tmp_path, "cat/1.jpg", "old/sample.png", "cat/deep/old/sample.png", "theirs/1.jpg", "half/.building-1/x"
    )
    manifest = to_json(Manifest("flowers", ("a",), Counts(0, 0, {}), {}))
    for folder in ("old", "cat/deep/old"):
        (root / folder / "manifest.json").write_text(manifest)
    (root / "theirs" / "manifest.json").write_text('{"name": "a web page\'s", "schema_version": 1}')
    (root / "out").mkdir()
    assert tree.list_folders(str(root), str(root / "out")) == ["cat", "theirs"]
    assert listed(root, root / "out") == ["cat/1.jpg", "theirs/1.jpg"]
    assert ignored(root, root / "out") == {
        **dict.fromkeys(("cat/deep/old", "half", "old", "out"), "dataset"),
        "theirs/manifest.json": "document",
    }
    assert tree.is_dataset(str(root / "old"))
    assert not tree.is_dataset(str(root / "theirs"))
    assert matched(root, "*/*.png") == []


def test_a_walk_goes_as_deep_as_the_system_lets_folders_be(tmp_path: Path) -> None:
    path = str(tmp_path)
    for _ in range(1_200):
        path += "/a"
        os.mkdir(path)
    Path(path, "1.jpg").write_bytes(b"")
    (found,) = tree.walk(str(tmp_path))
    assert found.name.count("/") == 1_200
    # Else the next runs of the tests fail to clean up.
    os.remove(f"{path}/1.jpg")
    while path != str(tmp_path):
        os.rmdir(path)
        path = os.path.dirname(path)


def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.jpg")
    if os.geteuid() == 0:
        # Root may read everything, but nobody a folder that is gone.
        walk = tree.walk(str(tmp_path / "gone"))
        with pytest.raises(ConfigError, match="--input: got .*gone', expected a folder that this user may read"):
            next(walk)
        return
    (tmp_path / "cat").chmod(0)
    with pytest.raises(ConfigError, match="--input: got .*cat', expected a folder that this user may read"):
        list(tree.walk(str(tmp_path)))


PARTS = st.sampled_from(["a", "b", ".h", "a.jpg", "b.png", "__MACOSX", "n.txt"])
LINKS = st.sampled_from([".", "..", "../a", "../b", "a", "b.png", "../../a", "../a/b.png", "nowhere", "/"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


def build(root: Path, files: list[str], links: list[tuple[str, str]]) -> None:
    for name in files:
        path = root / name
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            make(root, name)
    for name, target in links:
        path = root / name
        if not os.path.lexists(path) and path.parent.is_dir():
            path.symlink_to(target)


@example(["a/b"], [("a/a", "../b"), ("a/a.jpg", "../b")])
@given(st.lists(PATHS, max_size=10), st.lists(st.tuples(PATHS, LINKS), max_size=6))
def test_every_entry_is_listed_or_passed_over_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], links: list[tuple[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("input")
    build(root, files, links)
    found = list(tree.walk(str(root)))
    assert max(Counter(item.name for item in found).values(), default=1) == 1
    passed_over = {item.name for item in found if item.ignored}
    for path in root.rglob("*"):
        name = path.relative_to(root)
        # A path on which no link lies is listed, or it or a folder above it is passed over.
        if not path.is_dir() and not any((root / parent).is_symlink() for parent in name.parents):
            places = [str(place) for place in (name, *name.parents)]
            assert (places[0] in {item.name for item in found}) or passed_over & set(places)
    # Links to nothing are each listed: each is rejected under its own name.
    inputs = [item for item in found if not item.ignored and os.path.exists(item.path)]
    once = Counter((os.path.realpath(item.path), item.name.partition("/")[0]) for item in inputs)
    assert max((count for (path, _), count in once.items() if path.startswith(f"{root}/")), default=1) == 1


@given(st.lists(PATHS, max_size=8), st.sampled_from(["*/*.jpg", "**/*.jpg", "a/**", "**/b/*", "*/[ab]/?.jpg", "**"]))
def test_patterns_match_as_python_s_glob(
    tmp_path_factory: pytest.TempPathFactory, files: list[str], pattern: str
) -> None:
    root = tmp_path_factory.mktemp("input")
    build(root, files, [])
    expected = set()
    for path in glob.iglob(f"{root}/{pattern}", recursive=True):
        name = os.path.relpath(path, root)
        if os.path.isfile(path) and not names.of_path(name)[0]:
            expected.add(name)
    assert sorted(matched(root, pattern)) == sorted(expected)


def test_a_pattern_goes_only_where_it_can_match() -> None:
    pattern = Pattern(["a", "*", "**", "x.jpg"])
    assert not pattern.enter(pattern.start, "b")
    inside = pattern.enter(pattern.enter(pattern.start, "a"), "any")
    assert pattern.takes(inside, "x.jpg")
    assert not pattern.takes(pattern.enter(pattern.start, "a"), "x.jpg")
    assert pattern.takes(pattern.enter(inside, "deeper"), "x.jpg")
