"""How cattrs reads and writes the records: strictly, by wire names, with ``extra`` beside them.

A hook that refuses a value raises TypeError with the message for the user, which never quotes it:
``converter`` puts the path to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Any, get_origin
from zoneinfo import ZoneInfo

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.fns import identity
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from .._listing.zones import wall
from ..errors import ConfigError, FieldFault, InvalidInput
from ..models import Address, CaseDetail, Customer, QueuedCase
from .names import RESERVED_NAMES, known_names, other_spellings, wire_names
from .times import read_time_with_offset, time_reader, write_time_with_offset

Reader = Callable[[Any, Any], Any]
_TIME_WITH_OFFSET = "case_date_created"


# It writes code for every record, which takes 10 ms.
@lru_cache(maxsize=8)
def build_converter(zone: ZoneInfo) -> Converter:
    """Return the converter of a zone."""
    converter = build_reader(time_reader(zone), _record_reader)
    # Most fields of most records: without these each costs a call.
    for kind in (str, bool, int):
        converter.register_unstructure_hook(kind | None, identity)
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_unstructure_hook(
        datetime, lambda moment: wall(moment, zone).isoformat(" ", "seconds")
    )
    converter.register_unstructure_hook_factory(
        attrs.has, lambda cls: _record_writer(cls, converter)
    )
    return converter


def build_reader(
    read_time: Callable[[Any], datetime | None],
    record_reader: Callable[[type, Converter], Reader],
) -> Converter:
    """Return a converter that reads values strictly, times and records in these ways."""
    converter = Converter(detailed_validation=True)
    for kind in (str, int, bool, float):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(int | float | None, _optional(_exactly(int, float)))
    converter.register_structure_hook(str | int | None, _optional(_exactly(str, int)))
    converter.register_structure_hook(str | bool | None, _optional(_exactly(str, bool)))
    converter.register_structure_hook(list[Any] | str | None, _optional(_exactly(list, str)))
    converter.register_structure_hook(str | Sequence[str] | None, _optional(_exactly(str, list)))
    converter.register_structure_hook(datetime | None, _optional(lambda value, _: read_time(value)))
    converter.register_structure_hook(date | None, _optional(_read_date))
    _register_records(converter, record_reader)
    return converter


def _read_date(value: Any, _: Any) -> Any:
    """Read a day; refuse a time of day, which a query by days would not send."""
    if value.__class__ is date:
        return value
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise TypeError(f"must be a date as YYYY-MM-DD, got {type(value).__name__}") from None


def _exactly(*kinds: type) -> Reader:
    """Return a reader of values of these very types: True is no int, and 5 is no str."""
    names = " or ".join(kind.__name__ for kind in kinds)
    article = "an" if names[0] in "aeiou" else "a"

    def read(value: Any, _: Any) -> Any:
        if value.__class__ in kinds:
            return value
        raise TypeError(f"must be {article} {names}, got {type(value).__name__}")

    return read


def _optional(read: Reader) -> Reader:
    return lambda value, kind: None if value is None else read(value, kind)


def _register_records(
    converter: Converter, record_reader: Callable[[type, Converter], Reader]
) -> None:
    def read_address(value: Any, _: Any) -> Any:
        return value if value.__class__ is str else converter.structure(value, Address)

    def list_reader(kind: Any) -> Reader:
        # Without the check any iterable would pass.
        check, items = _exactly(list), list_structure_factory(kind, converter)
        return lambda value, _: [] if value is None else items(check(value, kind), kind)

    def map_reader(kind: Any) -> Reader:
        check, items = _exactly(dict), mapping_structure_factory(kind, converter)
        return lambda value, _: items(check(value, kind), kind)

    register = converter.register_structure_hook
    register(Address | str | None, _optional(read_address))
    register(Customer | None, _optional(lambda value, _: _unwrap_customer(value, converter)))
    register_factory = converter.register_structure_hook_factory
    register_factory(lambda kind: _origin(kind) is list, list_reader)
    register_factory(lambda kind: _origin(kind) in (dict, Mapping), map_reader)
    register_factory(attrs.has, lambda cls: record_reader(cls, converter))


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _overrides(cls: type, **time_hook: Any) -> dict[str, Any]:
    """Return what cattrs must know of a record's fields; ``time_hook`` is for Q-Flow's times."""
    has_offset = {_TIME_WITH_OFFSET} if issubclass(cls, QueuedCase) else set()
    fields = {
        name: override(rename=wire, **(time_hook if name in has_offset else {}))
        for name, wire in wire_names(cls).items()
    }
    return {**fields, "extra": override(omit=True)}


def _record_reader(cls: type, converter: Converter) -> Reader:
    others = other_spellings(cls)
    known = known_names(cls) | others.keys()
    overrides = _overrides(cls, struct_hook=read_time_with_offset)
    read_fields: Reader = make_dict_structure_fn(cls, converter, **overrides)

    def read(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise TypeError(f"must be an object, got {type(value).__name__}")
        if not others.keys().isdisjoint(value):
            value = {own: value[other] for other, own in others.items() if other in value} | value
        extra = {key: item for key, item in value.items() if key not in known}
        record = read_fields(value, cls)
        return attrs.evolve(record, extra=extra) if extra else record

    return read


def _record_writer(cls: type, converter: Converter) -> Callable[[Any], dict[str, Any]]:
    known = known_names(cls)
    is_sent = issubclass(cls, tuple(RESERVED_NAMES))
    overrides = _overrides(cls, unstruct_hook=write_time_with_offset)
    write_fields: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(
        cls, converter, **overrides
    )

    def write(record: Any) -> dict[str, Any]:
        try:
            body = write_fields(record)
        except ConfigError:
            raise InvalidInput.of(_find_odd_times(record, converter)) from None
        if is_sent:
            # Not what equals its default: a user's subclass may have defaults of its own.
            body = {name: value for name, value in body.items() if value is not None}
        if clash := known & record.extra.keys():
            raise ConfigError(
                f"extra must not hold {min(clash)!r}, which is a field of {cls.__name__}"
            )
        if not isinstance(body.get("attachment", ""), str | None):
            body["attachment"] = ",".join(body["attachment"])
        body |= record.extra
        if issubclass(cls, CaseDetail):
            # As document 004's sample has it.
            body["customerInfo"] = {"customerInfo": body["customerInfo"]}
        return body

    return write


def _find_odd_times(record: Any, converter: Converter) -> Iterator[FieldFault]:
    """Yield the fields that hold a time that the zone's clock cannot show."""
    for name in wire_names(type(record)):
        try:
            converter.unstructure(getattr(record, name))
        except ConfigError as error:
            yield FieldFault(name, f"{name}: {error}")


@attrs.define
class _WrappedCustomer:
    """What is around the customer in document 004's sample, and not in its table."""

    customer: Customer | None = None
    extra: dict[str, Any] = attrs.field(factory=dict)


def _unwrap_customer(value: Any, converter: Converter) -> Customer | None:
    if value.__class__ is not dict or "customerInfo" not in value:
        return converter.structure(value, Customer)
    outer = converter.structure(value, _WrappedCustomer)
    if outer.customer:
        outer.customer.extra |= outer.extra
    return outer.customer
