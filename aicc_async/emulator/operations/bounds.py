"""What a request may look like: JSON, mandatory fields, kinds, times, and lengths in bytes.

The emulator is stricter than a tenant may be: whatever a table rules out is refused. A client that
gets along with it breaks no documented rule. Values of enumerations are not checked, since the
documents contradict each other (``Whatapp`` in document 000, ``Whatsapp`` in document 001) and
tenants define values of their own.
"""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar

import attrs
import msgspec

from ..http.answer import BusinessError

T = TypeVar("T", date, datetime)
MAX_LIMIT = 100

# No document bounds the start. This is the highest integer up to which every JSON parser is exact,
# and far below what SQLite can take.
MAX_START = 2**53

Wire = dict[str, Any]


@attrs.frozen(kw_only=True)
class Bounds:
    """The text fields of a record: the mandatory ones, the optional ones, and their lengths.

    A field of ``lengths`` is a text too. Fields that are named nowhere pass unchecked, since a
    tenant's template may add any.
    """

    mandatory: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    lengths: Mapping[str, int] = attrs.field(factory=dict)

    def check(self, wire: Wire) -> Wire:
        """Return the fields that are not null, or refuse the record."""
        for key in self.mandatory:
            # The tables only say "mandatory". Strict: an empty text counts as missing.
            if not wire.get(key):
                raise BusinessError(BusinessError.MISSING, f"{key}: mandatory")
        present = {key: value for key, value in wire.items() if value is not None}
        for key in (*self.mandatory, *self.optional):
            if key in present:
                check_text(present, key)
        check_lengths(present, self.lengths)
        return present


def decode_object(body: bytes) -> Wire:
    """Decode a body that must be a JSON object."""
    try:
        wire = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BusinessError(BusinessError.MALFORMED, f"not JSON: {error}") from error
    if not isinstance(wire, dict):
        raise BusinessError(BusinessError.MALFORMED, "the body must be a JSON object")
    return wire


def require_object(wire: Wire, key: str) -> Wire:
    """Return the object under a key."""
    found = wire.get(key)
    if not isinstance(found, dict):
        raise BusinessError(BusinessError.MISSING, f"{key}: mandatory, an object")
    return found


def check_lengths(wire: Wire, lengths: Mapping[str, int]) -> None:
    """Refuse values that are not strings, or that are longer than documented."""
    for key in wire.keys() & lengths.keys():
        check_text(wire, key)
        # The tables count bytes ("Length (Bytes)", 字节): 128 of them are 42 Chinese characters.
        if len(wire[key].encode()) > lengths[key]:
            message = f"{key}: longer than {lengths[key]} bytes"
            raise BusinessError(BusinessError.TOO_LONG, message)


def check_text(wire: Wire, key: str) -> None:
    """Refuse a value that is not a string."""
    if not isinstance(wire[key], str):
        raise BusinessError(BusinessError.MALFORMED, f"{key}: must be a string")


def parse_datetime(wire: Wire, key: str) -> datetime:
    """Parse ``YYYY-MM-DD HH:mm:ss``."""
    return _parse_time(wire, key, datetime.fromisoformat, "YYYY-MM-DD HH:mm:ss")


def parse_date(wire: Wire, key: str) -> date:
    """Parse ``YYYY-MM-DD``."""
    return _parse_time(wire, key, date.fromisoformat, "YYYY-MM-DD")


def _parse_time(wire: Wire, key: str, parse: Callable[[str], T], form: str) -> T:
    check_text(wire, key)
    try:
        found = parse(wire[key])
    except ValueError:
        found = None
    # fromisoformat() takes many more forms (a T, an offset, week dates). Only the documented one is
    # also what str() gives back.
    if found is None or str(found) != wire[key]:
        raise BusinessError(BusinessError.MALFORMED, f"{key}: must be {form}")
    return found


def parse_page(wire: Wire, *, max_limit: int = MAX_LIMIT) -> tuple[int, int]:
    """Parse the place of a page: ``start`` from 0, ``limit`` from 1, both mandatory."""
    start = _parse_integer(wire, "start", minimum=0, maximum=MAX_START)
    return start, _parse_integer(wire, "limit", minimum=1, maximum=max_limit)


def _parse_integer(wire: Wire, key: str, *, minimum: int, maximum: int) -> int:
    if key not in wire:
        raise BusinessError(BusinessError.MISSING, f"{key}: mandatory")
    value = wire[key]
    # In Python true is an integer, on the wire it is not.
    if type(value) is not int or not minimum <= value <= maximum:
        raise BusinessError(BusinessError.MALFORMED, f"{key}: must be in {minimum}..{maximum}")
    return value
