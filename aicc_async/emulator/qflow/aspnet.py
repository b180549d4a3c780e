"""ASP.NET Web API, as far as Q-Flow shows it: bodies in two encodings, errors by field."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import attrs
import msgspec

from ..http.answer import PLAIN_JSON, Answer

JSON = ("application/json", "text/json")
FORM = "application/x-www-form-urlencoded"
MAX_INTEGER = 2**31 - 1
ACCESS_DENIED = "Authorization has been denied for this request."

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

    def answer(self) -> Answer:
        """Say it as ASP.NET does by default: `{"Message", "ModelState"}`."""
        body: Wire = {"Message": self.message}
        if self.errors:
            body["ModelState"] = self.errors
        return Answer(self.status, msgspec.json.encode(body), PLAIN_JSON)


@attrs.frozen(kw_only=True)
class RequestModel:
    """The fields of a request; lengths are in characters here."""

    required: tuple[str, ...] = ()
    integers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    lengths: Mapping[str, int] = attrs.field(factory=dict)

    def bind(self, body: bytes, headers: Mapping[str, str]) -> Wire:
        """Read a body, or refuse it."""
        content_type = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        wire = self._read(body, content_type)
        errors = self._errors(wire)
        if errors:
            raise RefusedError(400, "The request is invalid.", errors)
        return wire

    def _read(self, body: bytes, content_type: str) -> Wire:
        if content_type == FORM:
            return self._form(body.decode("utf-8", "replace"))
        if content_type not in JSON:
            raise RefusedError(415, "The request body cannot be read.")
        try:
            wire = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            wire = None
        if not isinstance(wire, dict):
            raise RefusedError(400, "The request body cannot be read.")
        return wire

    def _form(self, text: str) -> Wire:
        """Read a form: `CustomProperties[key]=value`, or ASP.NET's `CustomProperties[0].Key`.

        Document 003 says "Sample not available" here, so both usual spellings are accepted.
        """
        pairs = dict(parse_qsl(text, keep_blank_values=True))
        wire = {key: self._typed(key, value) for key, value in pairs.items()}
        properties = _by_index(pairs) | _by_name(pairs)
        return wire | {"CustomProperties": properties} if properties else wire

    def _typed(self, key: str, text: str) -> Any:
        if key in self.integers and re.fullmatch(r"-?[0-9]{1,10}", text):
            return int(text)
        if key == "AutoClose" and text.lower() in {"true", "false"}:
            return text.lower() == "true"
        return text

    def _errors(self, wire: Wire) -> Errors:
        """Collect what is wrong, as ASP.NET's ModelState does."""
        missing = [key for key in self.required if wire.get(key) is None]
        errors = {key: [f"The {key} field is required."] for key in missing}
        for key, fits in self._kinds().items():
            if wire.get(key) is not None and not fits(wire[key]):
                errors[key] = [f"The value of the field {key} is not valid."]
        for key, most in self.lengths.items():
            if key not in errors and len(wire.get(key) or "") > most:
                errors[key] = [f"The field {key} must have a maximum length of '{most}'."]
        return errors

    def _kinds(self) -> dict[str, Callable[[Any], bool]]:
        return {
            **dict.fromkeys(self.integers, _is_integer),
            **dict.fromkeys((*self.texts, *self.lengths), _is_text),
            "AutoClose": lambda value: isinstance(value, bool),
            "CustomProperties": _is_dictionary,
        }


def _by_name(pairs: Mapping[str, str]) -> dict[str, str]:
    found = ((BY_NAME.fullmatch(key), value) for key, value in pairs.items())
    return {match[1]: value for match, value in found if match}


def _by_index(pairs: Mapping[str, str]) -> dict[str, str]:
    parts: dict[str, dict[str, str]] = {}
    for key, value in pairs.items():
        if match := BY_INDEX.fullmatch(key):
            parts.setdefault(match[1], {})[match[2]] = value
    return {part["Key"]: part.get("Value", "") for part in parts.values() if "Key" in part}


def _is_integer(value: Any) -> bool:
    return type(value) is int and abs(value) <= MAX_INTEGER


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str | None) for text in value.values())
