"""Predictions about image files, by a model that is loaded here or deployed elsewhere."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from etl import progress
from etl.cli import quiet_stderr
from etl.errors import limits
from trainer.listing import read_file

# Files a call. More only cost memory: decoding is most of the work, and is done image by image.
BATCH_SIZE = 32

# After the name of the image, so that no image is ever replaced by its own colours.
_COLOURS_SUFFIX = "-colours"


class Predictor(Protocol):
    """A model that answers about images: `trainer.serving.served_model.ServedModel` is one that is loaded here."""

    gives: str
    # In the order of class numbers; empty where they aren't known.
    class_names: Sequence[str]

    def predict(self, images: Sequence[bytes]) -> list[Mapping[str, Any] | str]:
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
        content: dict[str, Any] = {
            "file": self.file,
            "class_str": self.class_str,
            "class_int": self.class_int,
            "probability": self.probability,
        }
        if self.probabilities:
            content["probabilities"] = list(self.probabilities)
        if self.top:
            content["top_k"] = [
                {"class_str": name, "class_int": number, "probability": self.probabilities[number]}
                for number, name in self.top
            ]
        return content


def predict(model: Predictor, files: Iterable[str], top_k: int = 0) -> Iterator[Prediction]:
    """Asks a model about files, in their order.

    Args:
        model: As `load` returns it.
        files: Paths, local or on an object store.
        top_k: How many classes `Prediction.top` names.

    Yields:
        One prediction a file; one that can't be read or decoded doesn't touch the others.
    """
    rest = iter(files)
    while batch := list(islice(rest, BATCH_SIZE)):
        read = [(file, _read(file)) for file in batch]
        with quiet_stderr():
            answers = iter(model.predict([data for _, data in read if isinstance(data, bytes)]))
        for file, data in read:
            answer = next(answers) if isinstance(data, bytes) else data
            if isinstance(answer, str):
                yield Prediction(file, error=answer)
            else:
                yield _to_prediction(file, answer, model.class_names, top_k)
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
        folder: Where to. A file is named after its image; a second one of the same name gets a number.
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
