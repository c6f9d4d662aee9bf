"""`python -m trainer.predict MODEL_DIR FILE…`: asks an exported model about photographs."""

from __future__ import annotations

import argparse
import heapq
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from etl import interrupts, progress
from etl.cli import Parser, console, hushed, note, number, path
from etl.errors import EXIT_FAILED, EXIT_OK, ConfigError, limits
from etl.process import lifecycle
from trainer.files import is_remote
from trainer.listing import list_files, read_file
from trainer.serving.served_model import Serve, load

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Prediction", "Serve", "list_files", "load", "main", "predict"]

# Files a call. More only cost memory: decoding is most of the work, and is done image by image.
BATCH_SIZE = 32

# Of a table: it is laid out as a whole, so nothing shows before its last row is there.
_MOST_ROWS = 500

# More than that and how far it is shows.
_MANY_FILES = 2 * BATCH_SIZE

# After the name of the photograph, so that no photograph is ever replaced by its own colours.
_COLOURS_SUFFIX = "-colours"


class Asked(Protocol):
    """A model that can be asked, here or elsewhere: `trainer.serving.served_model.Serve` is one."""

    gives: str
    # In the order of class numbers; empty where they aren't known.
    class_names: Sequence[str]

    def ask(self, images: Sequence[bytes]) -> list[Mapping[str, Any] | str]:
        """Returns for each image file the values by output name, or why there are none, in one line."""
        ...


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about one file, or why it says nothing.

    Attributes:
        file: As it was given.
        class_str: Name of the likeliest class.
        class_int: Its number.
        probability: Of that class, 0 to 1.
        probabilities: Of all classes, by number; empty where they aren't known.
        top: The numbers of the likeliest classes, with their names where these are known; empty unless asked for.
        image_png: Of a model that gives colours: the image as a PNG file.
        output: Where that was written.
        error: Why there is no answer, in one line; "" where there is one.
    """

    file: str
    class_str: str = ""
    class_int: int = -1
    probability: float = 0.0
    probabilities: tuple[float, ...] = ()
    top: tuple[tuple[int, str], ...] = ()
    image_png: bytes = b""
    output: str = ""
    error: str = ""

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """What the table shows: one row, or one for each of the likeliest classes, the file's name in the first."""
        if self.output:
            return [(self.file, self.output)]
        if not self.top:
            return [(self.file, self.class_str, f"{self.probability:.4f}")]
        answers = [(name or str(number), f"{self.probabilities[number]:.4f}") for number, name in self.top]
        return [(self.file if index == 0 else "", *answer) for index, answer in enumerate(answers)]

    def to_dict(self) -> dict[str, Any]:
        """What a line of JSON says."""
        if self.output:
            return {"file": self.file, "output": self.output}
        said: dict[str, Any] = {
            "file": self.file,
            "class_str": self.class_str,
            "class_int": self.class_int,
            "probability": self.probability,
        }
        if self.probabilities:
            said["probabilities"] = list(self.probabilities)
        if self.top:
            said["top_k"] = [
                {"class_str": name, "class_int": number, "probability": self.probabilities[number]}
                for number, name in self.top
            ]
        return said


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns 0 where every file got an answer, else 1."""
    parser = Parser(prog="trainer.predict", description="Asks an exported model what is on photographs.")
    parser.add_argument(
        "model_dir",
        type=path("MODEL_DIR"),
        metavar="MODEL_DIR",
        help="a SavedModel, or the --output_dir of trainer.task",
    )
    add_arguments(parser)
    arguments = parser.parse_args(argv)
    # Before the model, which takes seconds.
    files = list(list_files(arguments.files))
    return answer(load(arguments.model_dir), files, arguments)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the photographs, and how answers are shown."""
    parser.add_argument(
        "files",
        type=path("FILE"),
        metavar="FILE",
        nargs="+",
        help="image files, folders of them, or patterns as 'photos/**/*.jpg'",
    )
    parser.add_argument(
        "--format", choices=("table", "json"), default="table", help="json: one line an image, with all probabilities"
    )
    parser.add_argument(
        "--top_k",
        type=number("--top_k", int, minimum=1, what="a whole number of classes, 1 or more"),
        metavar="K",
        help="show the K likeliest classes of each image; in JSON as top_k",
    )
    parser.add_argument(
        "--output_dir",
        type=path("--output_dir"),
        metavar="DIR",
        help="where a model that gives colours puts its images",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace images that are in DIR already")


def answer(serve: Asked, files: Sequence[str], arguments: argparse.Namespace) -> int:
    """Asks a model about the photographs of a command line, and shows what it says.

    Args:
        serve: The model.
        files: Their paths.
        arguments: Those of `add_arguments`.

    Returns:
        0 where every file got an answer, else 1.

    Raises:
        ConfigError: the options don't go with what the model gives.
    """
    output_dir = _check_output_dir(arguments.output_dir, serve.gives)
    if arguments.top_k is not None and serve.gives != "classes":
        raise ConfigError("--top_k", arguments.top_k, "no such option: this model gives images, and no classes")
    predictions = predict(serve, files, arguments.top_k or 0)
    if output_dir is not None:
        predictions = write_images(predictions, output_dir, overwrite=arguments.overwrite)
    show = _print_json if arguments.format == "json" else _print_table
    # A few are done before a bar is read.
    shown = progress.step("predict", len(files)) if len(files) > _MANY_FILES else nullcontext()
    with shown, interrupts.hinting(lambda: f"add --overwrite to begin anew in {output_dir}" if output_dir else ""):
        num_failed = show(predictions, serve.gives)
    return EXIT_FAILED if num_failed else EXIT_OK


def _check_output_dir(output_dir: str | None, gives: str) -> Path | None:
    """Checks that there is a folder for images where the model gives some, and only then.

    Raises:
        ConfigError: it is missing, would stay empty, or can't be made.
    """
    if gives != "colours":
        if output_dir is not None:
            raise ConfigError("--output_dir", output_dir, "no such option: this model gives classes, and no images")
        return None
    if output_dir is None or is_remote(output_dir):
        raise ConfigError("--output_dir", output_dir, "a local folder for the images that this model gives")
    try:
        Path(output_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("--output_dir", output_dir, "a folder that can be written", limits.reason(error)) from error
    return Path(output_dir)


def predict(serve: Asked, files: Iterable[str], top_k: int = 0) -> Iterator[Prediction]:
    """Asks a model about files, in their order.

    Args:
        serve: As `load` returns it.
        files: Paths, local or on an object store.
        top_k: How many classes `Prediction.top` names.

    Yields:
        One prediction a file; one that can't be read or decoded doesn't touch the others.
    """
    rest = iter(files)
    while batch := list(islice(rest, BATCH_SIZE)):
        read = [(file, _read(file)) for file in batch]
        with hushed():
            answers = iter(serve.ask([data for _, data in read if isinstance(data, bytes)]))
        for file, data in read:
            answer = next(answers) if isinstance(data, bytes) else data
            if isinstance(answer, str):
                yield Prediction(file, error=answer)
            else:
                yield _to_prediction(file, answer, serve.class_names, top_k)
        progress.advance(len(batch))


def _read(file: str) -> bytes | str:
    """Returns a file's bytes, or why they can't be had."""
    try:
        return read_file(file)
    except OSError as error:
        return str(error)


def _to_prediction(file: str, answer: Mapping[str, Any], class_names: Sequence[str], top_k: int) -> Prediction:
    if "image_png" in answer:
        return Prediction(file, image_png=answer["image_png"])
    probability = float(answer["probability"])
    probabilities = tuple(map(float, answer.get("probabilities", ())))
    if not all(map(math.isfinite, (probability, *probabilities))):
        return Prediction(file, error="the model's probabilities are no numbers")
    # Of equal ones the first, as the model itself chooses.
    likeliest = heapq.nsmallest(top_k, range(len(probabilities)), key=lambda number: -probabilities[number])
    return Prediction(
        file,
        class_str=answer["class_str"].decode(),
        class_int=int(answer["class_int"]),
        probability=probability,
        probabilities=probabilities,
        top=tuple((number, class_names[number] if number < len(class_names) else "") for number in likeliest),
    )


def write_images(predictions: Iterable[Prediction], folder: Path, *, overwrite: bool) -> Iterator[Prediction]:
    """Writes the PNG files of predictions into a folder, one after the other.

    Args:
        predictions: Of a model that gives colours.
        folder: Where to. A file is named after its photograph; a second one of the same name gets a number.
        overwrite: Whether files that are there already may be replaced.

    Yields:
        The predictions, with `output` set, or `error` where the file couldn't be written.
    """
    taken: set[Path] = set()
    for prediction in predictions:
        if prediction.error:
            yield prediction
            continue
        stem = Path(prediction.file).stem + _COLOURS_SUFFIX
        path, number = folder / f"{stem}.png", 1
        while path in taken:
            number += 1
            path = folder / f"{stem}-{number}.png"
        taken.add(path)
        try:
            _write(path, prediction.image_png, overwrite=overwrite)
        except FileExistsError:
            yield replace(prediction, error=f"{path} is there already; --overwrite replaces it")
        except OSError as error:
            yield replace(prediction, error=f"{path}: {limits.reason(error)}")
        else:
            yield replace(prediction, output=str(path), image_png=b"")


def _write(path: Path, data: bytes, *, overwrite: bool) -> None:
    with open(path, "wb" if overwrite else "xb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            # Half an image is none.
            path.unlink()
            raise


def _print_json(predictions: Iterable[Prediction], gives: str) -> int:
    """Prints one line an answer, as it comes; returns how many files got none."""
    failed = 0
    for prediction in predictions:
        if prediction.error:
            failed += 1
            _print_error(prediction)
        else:
            print(json.dumps(prediction.to_dict()), flush=True)
    return failed


def _print_table(predictions: Iterable[Prediction], gives: str) -> int:
    """Prints all answers, a table for each 500, which come as they are there; returns how many files got none."""
    failed = 0
    rest = iter(predictions)
    while batch := list(islice(rest, _MOST_ROWS)):
        table = _new_table(gives)
        for prediction in batch:
            if prediction.error:
                failed += 1
                _print_error(prediction)
            else:
                for row in prediction.rows:
                    table.add_row(*row)
        if table.rows:
            console().print(table)
    return failed


def _new_table(gives: str) -> Table:
    from rich.table import Table

    table = Table("file", "class", "probability") if gives == "classes" else Table("file", "output")
    table.columns[0].overflow = "fold"
    table.columns[-1].overflow = "fold"
    if gives == "classes":
        table.columns[-1].justify = "right"
    return table


def _print_error(prediction: Prediction) -> None:
    note(f"error: {prediction.file}: {prediction.error}")


if __name__ == "__main__":
    lifecycle.end_with(main)
