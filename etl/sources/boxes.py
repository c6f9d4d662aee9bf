"""The head's box from one of the pets' annotations, which are XML in the form of PASCAL VOC."""

from __future__ import annotations

import math
from xml.etree import ElementTree

from etl.errors import RecordError

# A document type can define entities that unfold to gigabytes. No annotation needs one.
_DOCUMENT_TYPE = "<!DOCTYPE"


def parse_head(data: bytes, key: str) -> tuple[float, float, float, float]:
    """Parses the head's box.

    Args:
        data: A whole annotation file.
        key: Of the image, for messages.

    Returns:
        Top, left, bottom, right, as fractions (0 to 1) of the image's height and width, which is the order that
        TensorFlow's image functions take.

    Raises:
        RecordError: no such annotation, or a box that is empty or leaves the image.
    """
    try:
        text = data.decode("utf-8-sig")
        if _DOCUMENT_TYPE in text.upper():
            raise ValueError("it defines a document type")
        root = ElementTree.fromstring(text)
        width, height = (_number(root, f"size/{name}") for name in ("width", "height"))
        left, top, right, bottom = (_number(root, f"object/bndbox/{name}") for name in ("xmin", "ymin", "xmax", "ymax"))
    except (ElementTree.ParseError, ValueError) as error:
        raise RecordError(key, "malformed_row", f"its head annotation can't be read: {error}") from error
    if not (0 <= left < right <= width and 0 <= top < bottom <= height):
        box = f"{left:g} to {right:g} by {top:g} to {bottom:g}"
        message = f"its head's box, {box}, is empty or leaves the image of {width:g} by {height:g}"
        raise RecordError(key, "malformed_row", message)
    return top / height, left / width, bottom / height, right / width


def _number(root: ElementTree.Element, path: str) -> float:
    value = float(root.findtext(path, default=""))
    if not math.isfinite(value):
        raise ValueError(f"{path} is {value}")
    return value
