"""Q-Flow's `POST Cases`: a case is enqueued, and is answered as it came (document 003)."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs
import msgspec

from .answer import PLAIN_JSON, Answer

JSON = ("application/json", "text/json")
FORM = "application/x-www-form-urlencoded"
MAX_INTEGER = 2**31 - 1

INTEGERS = ("CaseId", "ServiceId", "CustomerId")
LENGTHS = {"ExtRef": 200, "Notes": 4000, "Subject": 100}
TEXTS = (
    "ServiceIdExtRef",
    "ExtRef",
    "Notes",
    "Subject",
    "ClassificationCode",
    "ProcedureExtRef",
    "ProcedureOptionExtRef",
)
EMPTY: Mapping[str, Any] = {
    "CaseId": None,
    "ServiceId": None,
    "ServiceIdExtRef": None,
    "CustomerId": None,
    "ExtRef": None,
    "Notes": None,
    "Subject": None,
    "ClassificationCode": None,
    "AutoClose": False,
    "CustomProperties": None,
    "ProcedureExtRef": None,
    "ProcedureOptionExtRef": None,
}
"""The record of the sample, key for key; what is not given comes back as null."""

BY_NAME = re.compile(r"CustomProperties\[(.+)\]")
BY_INDEX = re.compile(r"CustomProperties\[(\d+)\]\.(Key|Value)")

Wire = dict[str, Any]
Errors = dict[str, list[str]]


@attrs.define
class Queue:
    """The cases enqueued so far, and the headers that a caller must send."""

    required_headers: Mapping[str, str] | None
    records: list[Wire] = attrs.field(factory=list, init=False, repr=False)

    def enqueue(self, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Enqueue a case, give it a number."""
        if not self._authorized(headers):
            return _error(401, "Authorization has been denied for this request.")
        content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        wire = _read(body, content_type)
        if not isinstance(wire, dict):
            return _error(415 if wire is None else 400, "The request body cannot be read.")
        errors = _errors(wire)
        if errors:
            return _error(400, "The request is invalid.", errors)
        return self._accept(wire)

    def _authorized(self, headers: Mapping[str, str]) -> bool:
        required = self.required_headers or {}
        return all(headers.get(name) == value for name, value in required.items())

    def _accept(self, wire: Wire) -> Answer:
        known = {key: wire[key] for key in wire if key in EMPTY and wire[key] is not None}
        record = {**EMPTY, **known, "CaseId": len(self.records) + 1}
        self.records.append(record)
        return Answer(200, msgspec.json.encode(record), PLAIN_JSON, applied=True)


def _error(status: int, message: str, errors: Errors | None = None) -> Answer:
    body: Wire = {"Message": message}
    if errors:
        body["ModelState"] = errors
    return Answer(status, msgspec.json.encode(body), PLAIN_JSON)


def _read(body: bytes, content_type: str) -> Any:
    """Decode a body: None for a media type not served, anything but a dict for a broken one."""
    if content_type == FORM:
        return _form(body.decode("utf-8", "replace"))
    if content_type not in JSON:
        return None
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False


def _form(text: str) -> Wire:
    """Read a form: `CustomProperties[key]=value`, or ASP.NET's `CustomProperties[0].Key`.

    The document says "Sample not available" here, so both usual spellings are accepted.
    """
    pairs = dict(parse_qsl(text, keep_blank_values=True))
    wire = {key: _typed(key, value) for key, value in pairs.items() if key in EMPTY}
    properties = _by_index(pairs) | _by_name(pairs)
    return wire | {"CustomProperties": properties} if properties else wire


def _typed(key: str, text: str) -> Any:
    if key in INTEGERS and re.fullmatch(r"-?[0-9]{1,10}", text):
        return int(text)
    if key == "AutoClose" and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    return text


def _by_name(pairs: Mapping[str, str]) -> dict[str, str]:
    found = ((BY_NAME.fullmatch(key), value) for key, value in pairs.items())
    return {match[1]: value for match, value in found if match}


def _by_index(pairs: Mapping[str, str]) -> dict[str, str]:
    parts: dict[str, dict[str, str]] = {}
    for key, value in pairs.items():
        if match := BY_INDEX.fullmatch(key):
            parts.setdefault(match[1], {})[match[2]] = value
    return {part["Key"]: part.get("Value", "") for part in parts.values() if "Key" in part}


def _errors(wire: Wire) -> Errors:
    """Collect what is wrong, as ASP.NET's ModelState does."""
    errors: Errors = {}
    if wire.get("ServiceId") is None:
        errors["ServiceId"] = ["The ServiceId field is required."]
    for key, fits in CHECKS.items():
        if wire.get(key) is not None and not fits(wire[key]):
            errors[key] = [f"The value of the field {key} is not valid."]
    for key, most in LENGTHS.items():
        if key not in errors and len(wire.get(key) or "") > most:
            errors[key] = [f"The field {key} must have a maximum length of '{most}'."]
    return errors


def _is_integer(value: Any) -> bool:
    return type(value) is int and abs(value) <= MAX_INTEGER


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str | None) for text in value.values())


CHECKS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(INTEGERS, _is_integer),
    **dict.fromkeys(TEXTS, _is_text),
    "AutoClose": lambda value: isinstance(value, bool),
    "CustomProperties": _is_dictionary,
}
