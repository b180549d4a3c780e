"""Records as dictionaries that JSON can hold, and back, for whoever has an API of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from functools import lru_cache
from math import isfinite
from typing import Any, Literal, TypeVar
from zoneinfo import ZoneInfo

import attrs
from cattrs import Converter
from cattrs.errors import BaseValidationError, ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn

from .._validators import check, kind, kind_of, one_of
from ..errors import ConfigError, DecodeError, FieldFault, InvalidInput
from ..models.from_dict import missing_field, sort_fields
from ..settings.endpoint import find_zone
from .converter import RecordConverter, dumps, encode
from .hooks import Reader, build_reader

T = TypeVar("T")
_PLAIN = frozenset({str, int, bool, type(None)})
Names = Literal["python", "wire"]
NAMES = one_of("python", "wire")


def to_dict(
    record: Any, *, names: Names = "python", timezone: str | ZoneInfo | None = None
) -> dict[str, Any]:
    """Return a record's fields, those of the records in it and ``extra``, as JSON can hold them.

    By Python names, a time is ISO 8601 with its offset (of ``timezone`` where that is set; a naive
    time stays naive without it), and ``extra`` is a dictionary among the fields. By wire names
    (``names="wire"``), all is as the service writes it: times ``YYYY-MM-DD HH:mm:ss`` without an
    offset in ``timezone``, which must be set then (``aicc.timezone``), and ``extra`` at the same
    level. Pages have Python names only.

    Contact data and free text, which no repr shows, are in it. Raises ConfigError for what is not a
    record, for a time that the zone's clock cannot show, and for what JSON can't hold.
    """
    _check_class(type(record), names)
    if names == "wire":
        return RecordConverter(_wire_zone(timezone)).dump(record)
    zone = None if timezone is None else find_zone(timezone)
    with suppress(TypeError, ValueError, RecursionError):
        fields: dict[str, Any] = _plain_value(record, zone)
        return fields
    return _to_dict_slowly(record, zone)


def to_json(
    record: Any, *, names: Names = "python", timezone: str | ZoneInfo | None = None
) -> bytes:
    """Return a record as JSON in UTF-8: what ``to_dict`` returns, and quicker.

    By Python names without ``timezone`` fields are in another order, an offset of zero is written
    as ``Z``, NaN and infinity as null, and Decimals in ``extra`` as numbers. Raises ConfigError as
    ``to_dict`` does, but for bytes, sets and dates that somebody has put into a case's ``extra``:
    these are written as msgspec writes them.
    """
    # The checks and ``suppress`` would take longer than the writing.
    if names == "python" and timezone is None and hasattr(record, "__attrs_attrs__"):
        try:
            return encode(record)
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass
    return dumps(to_dict(record, names=names, timezone=timezone))


def _plain_value(value: Any, zone: ZoneInfo | None) -> Any:
    """Return a value as JSON can hold it; TypeError for what needs more than a look at its type."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind is datetime:
        return _in_zone(value, zone).isoformat()
    if kind is list:
        return [_plain_value(item, zone) for item in value]
    if kind is dict and all(key.__class__ is str for key in value):
        return {key: _plain_value(item, zone) for key, item in value.items()}
    if kind is float and isfinite(value):
        return value
    return {name: _plain_value(getattr(value, name), zone) for name in _fields(kind)}


# Raises attrs' TypeError for what is not a record.
_fields = lru_cache(maxsize=64)(attrs.fields_dict)


def _to_dict_slowly(record: Any, zone: ZoneInfo | None) -> dict[str, Any]:
    """Return the same for users' own kinds of text, number and mapping, which become plain ones."""

    def write(_: object, __: object, value: Any) -> Any:
        if isinstance(value, datetime):
            return _in_zone(value, zone).isoformat()
        if isinstance(value, date):
            return value.isoformat()
        return dict(value) if isinstance(value, Mapping) else value

    fields = attrs.asdict(record, value_serializer=write)
    fault = ""
    try:
        return dict(json.loads(json.dumps(fields, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        fault = type(error).__name__
    # Outside the block above: the error underneath may hold contact data.
    raise ConfigError(f"record must hold values of JSON, not NaN or dates in extra ({fault})")


def from_dict(
    cls: type[T],
    values: Mapping[str, Any],
    *,
    names: Names = "python",
    timezone: str | ZoneInfo | None = None,
) -> T:
    """Return the record of a class that ``to_dict`` wrote with the same ``names``.

    Fields that are left out have their defaults; ``NewCase.from_dict`` and its like take the values
    of a form instead, times as datetimes.

    By Python names, a time is a datetime or ISO 8601; with ``timezone`` it comes back in that zone,
    and a naive one is taken there. A name with ``__`` in it is a field of the case type's template,
    and goes into ``extra``. By wire names, ``timezone`` must be set, unknown names go into
    ``extra``, and times have no offset.

    Raises InvalidInput, which names every unknown, missing or mistyped field, by Python names (the
    bounds of a record are checked once there are none), and ConfigError by wire names.
    """
    _check_class(cls, names)
    check("values", values, kind(Mapping))
    try:
        if names == "wire":
            return RecordConverter(_wire_zone(timezone)).load(cls, dict(values))
        zone = None if timezone is None else find_zone(timezone)
        return _build_converter(zone).structure(dict(values), cls)
    except DecodeError as error:
        failure = ConfigError(str(error))
    except (BaseValidationError, InvalidInput) as error:
        failure = InvalidInput.of(_faults(error, ""))
    # Outside the block above: the error underneath holds the values, and contact data with them.
    raise failure


def _check_class(cls: object, names: Names) -> None:
    check("names", names, NAMES)
    if not isinstance(cls, type) or not attrs.has(cls):
        raise ConfigError(f"record must be one of aicc_async's records, got {kind_of(cls)}")
    if names == "wire" and "extra" not in attrs.fields_dict(cls):
        raise ConfigError(f"names must be 'python' for {cls.__name__}, got 'wire'")


def _wire_zone(timezone: str | ZoneInfo | None) -> ZoneInfo:
    if timezone is None:
        raise ConfigError("timezone must be the tenant's zone for names='wire', got None")
    return find_zone(timezone)


def _in_zone(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """Return a time in a zone, where a naive one is taken to be; None: it stays as it is."""
    if zone is None:
        return moment
    try:
        return moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
    except OverflowError:
        raise ConfigError("must not be near the first or the last day of the calendar") from None


# It writes code for every record, as that of the wire does.
@lru_cache(maxsize=8)
def _build_converter(zone: ZoneInfo | None) -> Converter:
    def read_time(value: Any) -> datetime | None:
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise TypeError(f"must be a time in ISO 8601, got {type(value).__name__}") from None
        return _in_zone(moment, zone)

    return build_reader(read_time, _record_reader)


def _record_reader(cls: type, converter: Converter) -> Reader:
    """Return what reads a record by its Python names."""
    known = attrs.fields_dict(cls)
    read_fields: Reader = make_dict_structure_fn(cls, converter)

    def read(value: Any, _: Any) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError(f"must be an object, got {type(value).__name__}")
        own, template, faults = sort_fields(known, value)
        if template and isinstance(own.get("extra", {}), Mapping):
            own["extra"] = {**own.get("extra", {}), **template}
        try:
            record = read_fields(own, cls)
        except (BaseValidationError, InvalidInput) as error:
            if not faults:
                raise
            faults += _faults(error, "")
        if faults:
            raise InvalidInput.of(faults)
        return record

    return read


def _faults(error: BaseException, path: str) -> Iterator[FieldFault]:
    """Yield what is wrong, with the path of the field."""
    if isinstance(error, ClassValidationError):
        for inner, field in error.group_exceptions()[0]:
            yield from _faults(inner, f"{path}.{field.name}".lstrip("."))
        for inner in error.group_exceptions()[1]:
            yield from _faults(inner, path)
    elif isinstance(error, IterableValidationError):
        for inner, item in error.group_exceptions()[0]:
            yield from _faults(inner, f"{path}[{item.index!r}]")
    elif isinstance(error, InvalidInput):
        for fault in error.errors:
            # What names its field itself says nothing of the record around it.
            is_whole = bool(path) and not fault.bound.startswith("must ")
            bound = f"{path}: {fault.bound}" if is_whole else fault.bound
            yield attrs.evolve(fault, field=f"{path}.{fault.field}".lstrip("."), bound=bound)
    elif isinstance(error, KeyError):
        yield missing_field(path, "nothing")
    else:
        yield FieldFault(path or "values", str(error))
