"""Records to wire values and back, and these to JSON. No I/O, no envelope.

Everything is strict: a text where a number belongs is a ``DecodeError`` that names the path, never
a silent conversion. Rows of a list are many: ``rows.py`` reads them faster, and comes here when
they are not as documented.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from cattrs.errors import BaseValidationError, ClassValidationError, IterableValidationError

from ..errors import ConfigError, DecodeError
from ..models import Case, NewCase
from ..settings.endpoint import AUTO_ASSIGN
from .hooks import build_converter
from .names import RESERVED_NAMES, wire_name
from .records import MISFITS, RECORDS, record_reader
from .times import MUST_BE_A_TIME

T = TypeVar("T")


class RecordConverter:
    """The converter of one client: its zone, and which spelling of the auto-assign flag it sends.

    Times on the wire are ``YYYY-MM-DD HH:mm:ss`` without an offset, in the tenant's zone. ``None``,
    ``""`` and a missing field are ``None``; anything else that is not such a time is refused.
    """

    def __init__(self, zone: ZoneInfo, *, auto_assign: tuple[str, ...] = AUTO_ASSIGN) -> None:
        self.zone = zone
        self._auto_assign = auto_assign
        self._converter = build_converter(zone)

    def dump(self, record: Any) -> dict[str, Any]:
        """Turn a record into wire fields, ``extra`` among them at the same level."""
        body: dict[str, Any] = self._converter.unstructure(record)
        if isinstance(record, tuple(RESERVED_NAMES)):
            body = _plain(body)
        if isinstance(record, NewCase):
            flag = body.pop(AUTO_ASSIGN[0])
            body.update(dict.fromkeys(self._auto_assign, flag))
        return body

    def load(self, cls: type[T], value: object, *, path: str = "$") -> T:
        """Turn wire fields into a record; ``path`` is where they are, for the error."""
        if cls in RECORDS:
            with suppress(*MISFITS):
                # mypy takes no type[T] for hashable.
                record: T = record_reader(cls, self.zone)(value)  # type: ignore[arg-type]
                return record
        try:
            return self._converter.structure(value, cls)
        except BaseValidationError as error:
            raise DecodeError("; ".join(_problems(error, path))) from None
        except (TypeError, ValueError) as error:
            raise DecodeError(f"{error} @ {path}") from None

    def load_cases(self, rows: list[Any], *, path: str = "$") -> list[Case]:
        """Turn rows into cases; an error names row and field."""
        return [self.load(Case, row, path=f"{path}[{i}]") for i, row in enumerate(rows)]


def dumps(value: object) -> bytes:
    """Write JSON; a value that JSON can't hold is a ConfigError."""
    try:
        return encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"extra must hold values of JSON ({type(error).__name__})") from None


_PLAIN = frozenset({str, int, bool, type(None)})


def _plain(value: dict[str, Any]) -> Any:
    """Return values and names of the very types that JSON has: digests and forms know no others."""
    if all(map(_PLAIN.__contains__, map(type, chain(value, value.values())))):
        return value
    try:
        # Python's own writer takes a str, int or float of any kind for what it holds, names too.
        return msgspec.json.decode(json.dumps(value, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"extra must hold values of JSON ({type(error).__name__})") from None


def _base_value(value: Any) -> Any:
    """Return the text or number that a user's own kind of it is: a template's safe text is one."""
    kinds: tuple[Any, ...] = (str, int, float)
    for kind in kinds:
        if isinstance(value, kind):
            # Not str(value) and the like, which a subclass may have changed.
            return kind.__getnewargs__(value)[0]
    raise TypeError(type(value).__name__)


# Records too, by Python names.
encode = msgspec.json.Encoder(enc_hook=_base_value, decimal_format="number").encode


def loads(body: bytes) -> Any:
    """Read JSON of any shape."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise DecodeError(f"must be JSON, got {len(body)} other bytes @ $") from None


def _problems(error: BaseException, path: str) -> Iterator[str]:
    """Yield what is wrong and where, by wire names."""
    if isinstance(error, ClassValidationError):
        for inner, field in error.group_exceptions()[0]:
            yield from _problems(inner, f"{path}.{wire_name(error.cl, field.name)}")
        for inner in error.group_exceptions()[1]:
            yield from _problems(inner, path)
    elif isinstance(error, IterableValidationError):
        for inner, item in error.group_exceptions()[0]:
            yield from _problems(inner, f"{path}[{item.index!r}]")
    elif isinstance(error, KeyError):
        yield f"must be present @ {path}"
    elif isinstance(error, ConfigError | TypeError):
        yield f"{error} @ {path}"
    else:
        # Not the library's own text, which quotes the value.
        yield f"{MUST_BE_A_TIME}, got str @ {path}"
