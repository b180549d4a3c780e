"""Rows of the list: what of them counts, their digests, and how a state keeps them. Pure.

The idea: a row is compared by a digest of what is in it: its fields by name, without those that are
null, since a service may leave these out. It is kept whole, since only so can old values be told,
compressed with a dictionary of what most rows hold.

The invariant: two rows have one digest only if no field differs.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_type_hints

import msgspec
from attrs import evolve

from .._listing.zones import SECOND
from .._protocol.converter import RecordConverter, loads
from .._protocol.names import wire_names
from ..errors import DecodeError
from ..models import Case

Row = dict[str, Any]
DIGEST_BYTES = 16
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (wall-clock time)
# What a packed row begins with: the version of this layout, and that of the shape it was seen in.
_HEAD = struct.Struct(">BH")
LAYOUT = 1
MAX_SHAPE = 0xFFFF
# Rows that were packed with it can be read with nothing else: it never changes within a layout.
_DICTIONARY = (
    b'"type.__objectType":"AICC__CaseType__CST","type.name":"","typeName":"","attachment":"",'
    b'"title":"","contactPhone":"+86","externalNo":"","extternalNo":"","queueId":"","parentId":"",'
    b'"reason":"","origin":"Phone","origin":"Email","origin":"Web","priority":"Critical",'
    b'"priority":"High","priority":"Medium","priority":"Low","suspendAccumulatedTime":0,'
    b'"suspendDate":"2025-01-01 00:00:00","stayDate":"2025-01-01 00:00:00","closedDate":"2026-01-01'
    b' 00:00:00","dueDate":"2026-01-01 00:00:00","state":"Pending","state":"Completed","state":'
    b'"Processing","status":"Completed","status":"New","ownerType":"queue","ownerType":"user",'
    b'"ownerId":"10gg0000","isSuspend":true,"isUpgraded":true,"isSuspend":false,"isUpgraded":false,'
    b'"isCanced":false,"id":"c6m8000001","creatorId":"10gg0000","createdDate":"2026-01-01 00:00:00"'
    b',"contactId":"","caseNo":"000000000000000000000000'
)
NAMES = wire_names(Case)
DOCUMENTED = frozenset(NAMES.values())
_HINTS = get_type_hints(Case)
_TIMES = frozenset(wire for name, wire in NAMES.items() if _HINTS[name] == datetime | None)
_PYTHON_NAMES = {wire: name for name, wire in NAMES.items()}
_encode = msgspec.json.Encoder(order="sorted").encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def read_row(line: bytes) -> Row:
    """Read a row as the service wrote it. Raises DecodeError where it cannot be read."""
    row: Row = loads(line)
    return row


def drop_nulls(row: Mapping[str, Any]) -> Row:
    """Return a row as it counts: without nulls, and without times that are empty texts."""
    return {
        name: value
        for name, value in row.items()
        if value is not None and not (value == "" and name in _TIMES)
    }


def digest_of(row: Row) -> bytes:
    """Return the digest of a row without nulls."""
    return hashlib.blake2b(_encode(row), digest_size=DIGEST_BYTES).digest()


def chain_id(case_id: str, before: str, digest: bytes) -> str:
    """Return the id of an event: of the one before it, and of the row that it tells of.

    So a case that goes from A to B and back has another id each time.
    """
    link = hashlib.blake2b(before.encode() + b"\0" + digest, digest_size=DIGEST_BYTES)
    return f"{case_id}:{link.hexdigest()}"


def pack(row: Row, shape: int = 0) -> bytes:
    """Return a row without nulls as a state keeps it; ``shape`` is the version it was seen in."""
    press = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=_DICTIONARY)
    return _HEAD.pack(LAYOUT, shape) + press.compress(_encode(row)) + press.flush()


def unpack(packed: bytes) -> Row:
    """Return a row that was packed."""
    press = zlib.decompressobj(-zlib.MAX_WBITS, zdict=_DICTIONARY)
    return _decode(press.decompress(packed[_HEAD.size :]) + press.flush())


def shape_of(packed: bytes) -> int:
    """Return the version of the shape that a packed row was seen in."""
    _, shape = _HEAD.unpack_from(packed)
    return int(shape)


def find_differences(old: Row, new: Row) -> list[str]:
    """Return the names of the fields that differ, of rows without nulls."""
    # Not by Python's ==, for which true is 1, and 1 is 1.0.
    return sorted(
        name
        for name in old.keys() | new.keys()
        if (name in old) != (name in new) or _encode(old[name]) != _encode(new[name])
    )


def load_case(converter: RecordConverter, row: Mapping[str, Any]) -> Case:
    """Return a row as a record; a value that is not of the documented type stays in ``extra``."""
    try:
        return converter.load(Case, dict(row))
    except DecodeError:
        odd = {name: value for name, value in row.items() if not _fits(converter, name, value)}
    fitting = {name: value for name, value in row.items() if name not in odd}
    case = converter.load(Case, fitting)
    return evolve(case, extra=case.extra | odd)


def _fits(converter: RecordConverter, name: str, value: Any) -> bool:
    try:
        converter.load(Case, {"id": "", name: value})
    except DecodeError:
        return False
    return True


def value_of(case: Case, name: str) -> tuple[str, Any]:
    """Return a field by its wire name: what to call it, and its value; None where it has none."""
    python_name = _PYTHON_NAMES.get(name)
    if python_name is None:
        return name, case.extra.get(name)
    value = getattr(case, python_name)
    return python_name, case.extra.get(name) if value is None else value


def to_seconds(shown: datetime) -> int:
    """Return wall-clock time as whole seconds, counted without a zone."""
    return (shown.replace(tzinfo=None) - EPOCH) // SECOND


def to_time(seconds: int) -> datetime:
    """Return the wall-clock time that so many seconds are."""
    return EPOCH + seconds * SECOND


def parse_date(date: str) -> int | None:
    """Return a row's date in seconds; None for what is not one."""
    try:
        return to_seconds(datetime.fromisoformat(date))
    except ValueError:
        return None
