"""Reads JSON-like content field by field, as strictly as the service does, which refuses what it doesn't know."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from etl.errors import ConfigError


class Fields:
    """One message of the file.

    Names may be written as `maxTrialCount` or as `max_trial_count`: the service takes both. So it is with numbers in
    quotes, which is how it writes those of 64 bits itself.

    Args:
        content: The message.
        path: Where it is in the file, for messages: `studySpec.parameters[0]`; "" for the whole.
        known: The names of all fields that it may have, as `maxTrialCount`.

    Raises:
        ConfigError: it is no message, or has a field that isn't known.
    """

    def __init__(self, content: object, path: str, known: Collection[str]) -> None:
        self._path = path
        if not isinstance(content, Mapping):
            raise ConfigError(path or "--config", content, f"fields ({', '.join(known)})")
        self._content = {_camel(str(name)): value for name, value in content.items()}
        for name in self._content:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else ""
                raise ConfigError(self.at(name), self._content[name], f"one of the fields {', '.join(known)}", hint)

    def at(self, name: str) -> str:
        """Returns a field's place in the file."""
        return f"{self._path}.{name}" if self._path else name

    def has(self, name: str) -> bool:
        """Returns whether the field is there and not null."""
        return self._content.get(name) is not None

    def get(self, name: str) -> Any:
        """Returns a field as it is, None where it isn't there."""
        return self._content.get(name)

    def message(self, name: str, known: Collection[str]) -> Fields:
        """Returns a field that is a message; one without fields where it isn't there."""
        return Fields(self.get(name) if self.has(name) else {}, self.at(name), known)

    def text(self, name: str, default: str | None = None) -> str:
        """Returns a field that is a text; None as default stands for a field that must be there."""
        value = self._content.get(name, default)
        if not isinstance(value, str) or not value:
            raise ConfigError(self.at(name), value, "a text")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Returns a field that is one of a few names."""
        value = self._content.get(name, default)
        if value not in choices:
            raise ConfigError(self.at(name), value, f"one of {', '.join(choices)}")
        return str(value)

    def number(self, name: str, default: float | None = None) -> float:
        """Returns a field that is a finite number."""
        return _number(self.get(name) if self.has(name) else default, self.at(name))

    def integer(self, name: str, minimum: int | None = None, default: int | None = None) -> int:
        """Returns a field that is a whole number."""
        value = self.get(name) if self.has(name) else default
        what = "a whole number" if minimum is None else f"a whole number, {minimum} or more"
        try:
            number = _number(value, self.at(name))
        except ConfigError:
            raise ConfigError(self.at(name), value, what) from None
        if number != int(number) or (minimum is not None and number < minimum):
            raise ConfigError(self.at(name), value, what)
        return int(number)

    def flag(self, name: str) -> bool:
        """Returns a field that is true or false, false where it isn't there."""
        value = self._content.get(name, False)
        if not isinstance(value, bool):
            raise ConfigError(self.at(name), value, "true or false")
        return value

    def list(self, name: str, what: str) -> Sequence[Any]:
        """Returns a field that is a list, empty where it isn't there."""
        value = self.get(name) if self.has(name) else []
        if not isinstance(value, list):
            raise ConfigError(self.at(name), value, f"a list of {what}")
        return value

    def texts(self, name: str, hint: str = "") -> tuple[str, ...]:
        """Returns a field that is a list of texts."""
        for value in self.list(name, "texts"):
            if not isinstance(value, str):
                raise ConfigError(self.at(name), value, "texts alone", hint or "put it in quotes")
        return tuple(self.list(name, "texts"))

    def numbers(self, name: str) -> tuple[float, ...]:
        """Returns a field that is a list of finite numbers."""
        return tuple(_number(value, self.at(name)) for value in self.list(name, "numbers"))


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _number(value: object, path: str) -> float:
    number = math.nan
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            number = float(value)
        except ValueError:
            number = math.nan
    if not math.isfinite(number):
        raise ConfigError(path, value, "a number")
    return number
