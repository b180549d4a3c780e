"""ASP.NET Web API, as far as Q-Flow shows it: bodies in two encodings, errors by field.

Q-Flow's pages do not describe its errors. They are help pages of the kind that ASP.NET Web API
generates, so the emulator answers with the defaults of that framework.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs
import msgspec

from ..http.answer import PLAIN_JSON, Answer

JSON = ("application/json", "text/json")
FORM = "application/x-www-form-urlencoded"
ACCESS_DENIED = "Authorization has been denied for this request."

# In Python true is an integer, in JSON it is not. The integers of .NET have 32 bits.
MAX_INTEGER = 2**31 - 1
KIND_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "integer": lambda value: type(value) is int and abs(value) <= MAX_INTEGER,
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "dictionary": lambda value: (
        isinstance(value, dict) and all(isinstance(text, str | None) for text in value.values())
    ),
}

# Document 003 accepts forms, but says "Sample not available". A dictionary in a form is usually
# spelt ``CustomProperties[key]=value``, or in ASP.NET's way ``CustomProperties[0].Key=key``; both
# are read.
BY_NAME = re.compile(r"CustomProperties\[(.+)\]")
BY_INDEX = re.compile(r"CustomProperties\[(\d+)\]\.(Key|Value)")

Wire = dict[str, Any]
Errors = dict[str, list[str]]


class RefusedError(Exception):
    """A request that Q-Flow refuses."""

    def __init__(self, status: int, message: str, errors: Errors | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors

    def to_answer(self) -> Answer:
        """Return ASP.NET's default answer to an error: ``{"Message", "ModelState"}``."""
        body: Wire = {"Message": self.message}
        if self.errors:
            body["ModelState"] = self.errors
        return Answer(self.status, msgspec.json.encode(body), PLAIN_JSON)


@attrs.frozen(kw_only=True)
class RequestModel:
    """The fields of a request.

    Lengths are in characters: document 003 names no unit, and ASP.NET counts characters.
    """

    required: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    lengths: Mapping[str, int] = attrs.field(factory=dict)

    def bind(self, body: bytes, headers: Mapping[str, str]) -> Wire:
        """Read a body by its content type, or raise ``RefusedError``."""
        content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type == FORM:
            wire = self._parse_form(body.decode("utf-8", "replace"))
        elif content_type in JSON:
            wire = _parse_json(body)
        else:
            raise RefusedError(415, "The request body cannot be read.")
        errors = self._find_errors(wire)
        if errors:
            raise RefusedError(400, "The request is invalid.", errors)
        return wire

    def _parse_form(self, form: str) -> Wire:
        wire: Wire = {}
        named: dict[str, str] = {}
        indexed: dict[str, dict[str, str]] = {}
        for key, text in dict(parse_qsl(form, keep_blank_values=True)).items():
            if match := BY_INDEX.fullmatch(key):
                indexed.setdefault(match[1], {})[match[2]] = text
            elif match := BY_NAME.fullmatch(key):
                named[match[1]] = text
            # A form holds only texts. What does not look like its kind stays one, and is an error.
            elif key in self.integers and re.fullmatch(r"-?[0-9]{1,10}", text):
                wire[key] = int(text)
            elif key == "AutoClose" and text.lower() in {"true", "false"}:
                wire[key] = text.lower() == "true"
            else:
                wire[key] = text
        pairs = [part for part in indexed.values() if "Key" in part]
        properties = {part["Key"]: part.get("Value", "") for part in pairs} | named
        return wire | {"CustomProperties": properties} if properties else wire

    def _find_errors(self, wire: Wire) -> Errors:
        """Collect everything that is wrong, as ASP.NET's ModelState does."""
        missing = [key for key in self.required if wire.get(key) is None]
        errors = {key: [f"The {key} field is required."] for key in missing}
        kinds = {
            **dict.fromkeys(self.integers, "integer"),
            **dict.fromkeys((*self.texts, *self.lengths), "string"),
            "AutoClose": "boolean",
            "CustomProperties": "dictionary",
        }
        for key, kind in kinds.items():
            if wire.get(key) is not None and not KIND_CHECKS[kind](wire[key]):
                errors[key] = [f"The value of the field {key} is not valid."]
        for key, maximum in self.lengths.items():
            if key not in errors and len(wire.get(key) or "") > maximum:
                errors[key] = [f"The field {key} must have a maximum length of '{maximum}'."]
        return errors


def _parse_json(body: bytes) -> Wire:
    try:
        wire = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        wire = None
    if not isinstance(wire, dict):
        raise RefusedError(400, "The request body cannot be read.")
    return wire
