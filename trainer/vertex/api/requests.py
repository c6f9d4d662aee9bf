"""Requests as plain dicts in the API's own spelling, checked by turning them into the SDK's own types."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from etl.cli import say_loading
from etl.errors import ConfigError, one_line
from trainer.vertex.api.failures import missing_sdk

_BETA = "v1beta1."
_UNKNOWN = re.compile(r'has no field named "(?P<name>[^"]+)" at "(?P<path>[^"]+)"\.?(?P<rest>.*)', re.S)
_WRONG = re.compile(r"(?P<problem>[^:]*(?:: [^:]*)*?) at (?P<path>[A-Z]\w+(?:\.\w+|\[\d+\])*)\.*$")
_PREFIX = re.compile(r"^Failed to parse (?P<field>\w+) field: ")


def message_type(type_name: str) -> Any:
    """Returns the SDK's type of a name: `CustomJob` of v1, `v1beta1.StudySpec` of v1beta1.

    Raises:
        ConfigError: the SDK isn't installed.
    """
    say_loading("google.cloud.aiplatform_v1")
    try:
        if type_name.startswith(_BETA):
            from google.cloud import aiplatform_v1beta1

            return getattr(aiplatform_v1beta1, type_name.removeprefix(_BETA))
        from google.cloud import aiplatform_v1
    except ImportError as error:
        raise missing_sdk(error) from error
    return getattr(aiplatform_v1, type_name)


def parse(type_name: str, body: Mapping[str, Any]) -> Any:
    """Turns a request's body into a message, strictly.

    Args:
        type_name: Of the message: `CustomJob`, or `v1beta1.StudySpec`.
        body: Its fields, in the API's camelCase; enums by name, durations as `"60s"`.

    Returns:
        The SDK's (proto-plus) message.

    Raises:
        ConfigError: a field that the type doesn't have, or a value that it doesn't take.
    """
    kind = message_type(type_name)
    from google.protobuf import json_format

    message = kind.pb(kind())
    _check_shape(body, message.DESCRIPTOR, type_name.removeprefix(_BETA))
    try:
        return kind.wrap(json_format.ParseDict(dict(body), message, ignore_unknown_fields=False))
    except json_format.ParseError as error:
        raise _explain(str(error), type_name) from error


def _check_shape(body: Mapping[str, Any], descriptor: Any, path: str) -> None:
    """Refuses what protobuf lets pass: null, fields in snake_case (gcloud refuses those), a text where fields belong.

    What has no fields of its own in the API (labels, free-form parts) is the operator's, and isn't looked into.
    """
    by_json = {field.json_name: field for field in descriptor.fields}
    for key, part in body.items():
        field, here = by_json.get(key), f"{path}.{key}"
        if field is None:
            if key in descriptor.fields_by_name:
                raise ConfigError(here, key, f"the API's spelling, {descriptor.fields_by_name[key].json_name}")
            continue
        if part is None:
            raise ConfigError(here, None, "a value, or no such field")
        inner = field.message_type
        if inner is None or inner.full_name.startswith("google.protobuf.") or inner.GetOptions().map_entry:
            continue
        if not _is_repeated(field):
            _check_fields(part, inner, here)
            continue
        if not isinstance(part, (list, tuple)):
            raise ConfigError(here, part, "a list")
        for number, each in enumerate(part):
            _check_fields(each, inner, f"{here}[{number}]")


def _check_fields(part: Any, descriptor: Any, path: str) -> None:
    if not isinstance(part, Mapping):
        raise ConfigError(path, part, f"fields, as {', '.join(field.json_name for field in descriptor.fields[:3])}")
    _check_shape(part, descriptor, path)


def _is_repeated(field: Any) -> bool:
    # The older name is gone from protobuf 7, and the newer one isn't in 4.
    found = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if found is None else found)


def _explain(text: str, type_name: str) -> ConfigError:
    """Makes our error from protobuf's message."""
    fields = []
    while match := _PREFIX.match(text):
        fields.append(match["field"])
        text = text[match.end() :]
    unknown = _UNKNOWN.search(text)
    if unknown:
        known = re.findall(r"'(\w+)'", unknown["rest"])
        near = difflib.get_close_matches(unknown["name"], known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}" if known else ""
        return ConfigError(f"{unknown['path']}.{unknown['name']}", unknown["name"], "a field of the API", hint)
    problem = one_line(text).rstrip(". ")
    wrong = _WRONG.match(problem)
    path = wrong["path"] if wrong else ".".join([type_name, *fields])
    return ConfigError(path, wrong["problem"] if wrong else problem, "a value that the API takes")


def to_dict(message: Any) -> dict[str, Any]:
    """Returns a message as a plain dict, in camelCase, enums by name, without what is unset."""
    from google.protobuf import json_format

    kind = type(message)
    return dict(json_format.MessageToDict(kind.pb(message)))


def to_yaml(content: Any) -> str:
    """Formats a request's body, or a message, as YAML that gcloud reads."""
    import yaml

    body = content if isinstance(content, Mapping) else to_dict(content)
    return str(yaml.safe_dump(_plain(body), sort_keys=False, allow_unicode=True, width=4096))


def _plain(value: Any) -> Any:
    """Turns mappings and tuples into what YAML has."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
