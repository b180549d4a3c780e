"""Records to wire values and back. No I/O, no envelope.

RecordConverter names live here alone, typos and all. Everything is strict: a text where a number
belongs is a ``DecodeError`` that names the path, never a silent conversion. Rows of a list are
many: ``rows.py`` reads them faster, and comes here when they are not as documented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_origin
from zoneinfo import ZoneInfo

import attrs
import msgspec
from cattrs import Converter
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ClassValidationError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from .._listing.zones import wall
from ..errors import ConfigError, DecodeError
from ..models import (
    Address,
    Case,
    CaseCancel,
    CaseDetail,
    CaseEnqueue,
    CaseProcess,
    CaseQuery,
    CaseTransfer,
    CaseType,
    CaseTypeQuery,
    CaseUpdate,
    Customer,
    EnqueuedCase,
    NewCase,
    NewTask,
    ProcessInfo,
    QueueCancel,
    QueuedCase,
    StatisticsQuery,
    StatusUpdate,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)
from ..settings import AUTO_ASSIGN

T = TypeVar("T")
NAIVE = Annotated[datetime, msgspec.Meta(tz=False)]
AWARE = Annotated[datetime, msgspec.Meta(tz=True)]
_NO_TIME = "a time is needed as YYYY-MM-DD HH:mm:ss"
_NO_MOMENT = "a time with an offset is needed as YYYY-MM-DDTHH:mm:ss+HH:mm"

_PAGE = {"start", "limit"}
_SENT: dict[type, set[str]] = {  # what is sent, and names that its ``extra`` must not hold besides
    CaseCancel: set(),
    CaseEnqueue: set(),
    CaseProcess: set(),
    CaseQuery: _PAGE,
    CaseTransfer: set(),
    CaseTypeQuery: _PAGE,
    CaseUpdate: set(),
    NewCase: {AUTO_ASSIGN[1]},
    NewTask: set(),
    ProcessInfo: set(),
    QueueCancel: set(),
    StatisticsQuery: _PAGE,
    StatusUpdate: set(),
    TaskQuery: _PAGE,
    TaskTransfer: set(),
    TaskUpdate: set(),
}
_PASCAL = (CaseEnqueue, EnqueuedCase, QueueCancel, QueuedCase)
_ALSO = {  # odd spellings that are read too, and the field's own
    NewCase: {AUTO_ASSIGN[1]: AUTO_ASSIGN[0]},
    CaseType: {"contentTempalteId": "contentTemplateId", "isStrctOrder": "isStrictOrder"},
}
_ODD_NAMES = {
    "additional_address": "addtionalAddress",
    "case": "caseInfo",
    "custom_field": "customFied",
    "customer": "customerInfo",
    "external_no": "extternalNo",
    "from_": "from",
    "is_auto_assigned": AUTO_ASSIGN[0],
    "is_cancelled": "isCanced",
    "overdue_cases": "overCases",
    "process": "processInfo",
    "resume_type": "resumenType",
    "trace": "caseTrace",
}


def wire_name(cls: type, name: str) -> str:
    """Tell a field's name on the wire."""
    first, *rest = name.split("_")
    if cls in _PASCAL:
        return first.title() + "".join(word.title() for word in rest)
    return _ODD_NAMES.get(name) or first + "".join(word.title() for word in rest)


def wire_names(cls: type) -> dict[str, str]:
    """Map every field of a record to its wire name, ``extra`` left out."""
    return {
        field.name: wire_name(cls, field.name)
        for field in attrs.fields(cls)
        if field.name != "extra"
    }


class RecordConverter:
    """The converter of one client: its zone, and which spelling of the auto-assign flag it sends.

    Times on the wire are ``YYYY-MM-DD HH:mm:ss`` without an offset, in the tenant's zone. ``None``,
    ``""`` and a missing field are ``None``; anything else that is no such time is refused.
    """

    def __init__(self, zone: ZoneInfo, *, auto_assign: tuple[str, ...] = AUTO_ASSIGN) -> None:
        self.zone = zone
        self._auto_assign = auto_assign
        self._converter = _converter(zone)

    def dump(self, record: Any) -> dict[str, Any]:
        """Turn a record into wire fields, ``extra`` among them at the same level."""
        body: dict[str, Any] = self._converter.unstructure(record)
        if isinstance(record, NewCase):
            flag = body.pop(AUTO_ASSIGN[0])
            body.update(dict.fromkeys(self._auto_assign, flag))
        return body

    def load(self, cls: type[T], value: object, *, path: str = "$") -> T:
        """Turn wire fields into a record; ``path`` is where they stand, for the error."""
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
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ConfigError(f"extra: it can't be written as JSON: {type(error).__name__}") from None


def loads(body: bytes) -> Any:
    """Read JSON of any shape."""
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise DecodeError(f"{len(body)} bytes that are no JSON @ $") from None


def time_reader(zone: ZoneInfo) -> Callable[[Any], datetime | None]:
    """Make a function that reads the wire's times as aware ones of the zone.

    ISO's T between date and time, and fractions of a second, are taken too; an offset is not.
    """

    def read(text: Any) -> datetime | None:
        if text.__class__ is not str:
            raise TypeError(f"a time is needed, {type(text).__name__} was given")
        if not text:
            return None
        naive = msgspec.convert(text, NAIVE)
        return datetime.combine(naive, naive.time(), zone)  # a seventh of the cost of replace()

    return read


def _moment(value: Any, _: Any) -> datetime | None:
    """Read one of Q-Flow's times, which carry their offset; digits past the sixth are rounded."""
    if value is None:
        return None
    try:
        return msgspec.convert(value, AWARE)
    except ValueError:
        raise TypeError(_NO_MOMENT) from None


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


_MOMENTS: set[tuple[type, str]] = {(QueuedCase, "case_date_created")}  # times with an offset


def _problems(error: BaseException, path: str) -> Iterator[str]:
    """Say what is wrong and where, by wire names."""
    if not isinstance(error, BaseValidationError):
        yield f"{_explain(error)} @ {path}"
        return
    for inner in error.exceptions:
        yield from _problems(inner, path + _step(error, inner))


def _step(error: BaseValidationError, inner: BaseException) -> str:
    for note in getattr(inner, "__notes__", ()):
        if isinstance(error, ClassValidationError) and isinstance(note, AttributeValidationNote):
            return f".{wire_name(error.cl, note.name)}"
        if isinstance(error, IterableValidationError) and isinstance(note, IterableValidationNote):
            return f"[{note.index!r}]"
    return ""


def _explain(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return "a mandatory field is missing"
    if isinstance(error, ConfigError | TypeError):
        return str(error)
    return _NO_TIME  # not the library's own text, which quotes the value


def _exactly(*kinds: type) -> Callable[[Any, Any], Any]:
    wanted = " or ".join(kind.__name__ for kind in kinds)

    def check(value: Any, _: Any) -> Any:
        if value.__class__ in kinds:
            return value
        raise TypeError(f"{wanted} is needed, {type(value).__name__} was given")

    return check


def _maybe(check: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, kind: None if value is None else check(value, kind)


@lru_cache(maxsize=8)  # it writes code for every record: 10 ms
def _converter(zone: ZoneInfo) -> Converter:
    converter, read_time = Converter(detailed_validation=True), time_reader(zone)
    for kind in (str, int, bool, float):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(int | float | None, _maybe(_exactly(int, float)))
    converter.register_structure_hook(str | int | None, _maybe(_exactly(str, int)))
    converter.register_structure_hook(str | bool | None, _maybe(_exactly(str, bool)))
    converter.register_structure_hook(list[Any] | str | None, _maybe(_exactly(list, str)))
    converter.register_structure_hook(str | Sequence[str] | None, _maybe(_exactly(str, list)))
    converter.register_structure_hook(datetime | None, _maybe(lambda value, _: read_time(value)))
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_unstructure_hook(
        datetime, lambda moment: wall(moment, zone).isoformat(" ", "seconds")
    )
    _register_records(converter)
    return converter


def _register_records(converter: Converter) -> None:
    converter.register_structure_hook(
        Address | str | None,
        lambda value, _: (
            value
            if value is None or value.__class__ is str
            else converter.structure(value, Address)
        ),
    )
    converter.register_structure_hook(
        Customer | None, _maybe(lambda value, _: _unwrap_customer(value, converter))
    )
    converter.register_structure_hook_factory(
        lambda kind: _origin(kind) is list, lambda kind: _list_reader(kind, converter)
    )
    converter.register_structure_hook_factory(
        lambda kind: _origin(kind) in (dict, Mapping), lambda kind: _map_reader(kind, converter)
    )
    converter.register_structure_hook_factory(attrs.has, lambda cls: _record_reader(cls, converter))
    converter.register_unstructure_hook_factory(
        attrs.has, lambda cls: _record_writer(cls, converter)
    )


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _list_reader(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """Read a list of records; null is an empty one. Without the check any iterable would pass."""
    check, items = _exactly(list), list_structure_factory(kind, converter)
    return lambda value, _: [] if value is None else items(check(value, kind), kind)


def _map_reader(kind: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    check, items = _exactly(dict), mapping_structure_factory(kind, converter)
    return lambda value, _: items(check(value, kind), kind)


def _record_reader(cls: type, converter: Converter) -> Callable[[Any, Any], Any]:
    names = wire_names(cls)
    also = _ALSO.get(cls, {})
    known = {*names.values(), *_SENT.get(cls, ()), *also}
    renames: dict[str, Any] = {
        name: override(rename=wire, struct_hook=_moment if (cls, name) in _MOMENTS else None)
        for name, wire in names.items()
    }
    fields: Callable[[Any, Any], Any] = make_dict_structure_fn(
        cls, converter, extra=override(omit=True), **renames
    )

    def read(value: Any, _: Any) -> Any:
        if value.__class__ is not dict:
            raise TypeError(f"an object is needed, {type(value).__name__} was given")
        if not also.keys().isdisjoint(value):
            value = {good: value[odd] for odd, good in also.items() if odd in value} | value
        extra = {key: item for key, item in value.items() if key not in known}
        record = fields(value, cls)
        return attrs.evolve(record, extra=extra) if extra else record

    return read


def _record_writer(cls: type, converter: Converter) -> Callable[[Any], dict[str, Any]]:
    names = wire_names(cls)
    sent = cls in _SENT
    renames: dict[str, Any] = {
        name: override(
            rename=wire,
            omit_if_default=sent and name != "is_auto_assigned",
            unstruct_hook=_written if (cls, name) in _MOMENTS else None,
        )
        for name, wire in names.items()
    }
    fields: Callable[[Any], dict[str, Any]] = make_dict_unstructure_fn(
        cls, converter, extra=override(omit=True), **renames
    )
    known = {*names.values(), *_SENT.get(cls, ())}

    def write(record: Any) -> dict[str, Any]:
        body = fields(record)
        if clash := known & record.extra.keys():
            raise ConfigError(f"extra: {min(clash)!r} is a field of {cls.__name__}; set it there")
        if not isinstance(body.get("attachment", ""), str | None):
            body["attachment"] = ",".join(body["attachment"])
        body |= record.extra
        return _wrap_detail(body) if cls is CaseDetail else body

    return write


@attrs.define
class _Wrapping:
    """What stands around the customer in document 004's sample, and not in its table."""

    customer: Customer | None = None
    extra: dict[str, Any] = attrs.field(factory=dict)


def _unwrap_customer(value: Any, converter: Converter) -> Customer | None:
    if value.__class__ is not dict or "customerInfo" not in value:
        return converter.structure(value, Customer)
    outer = converter.structure(value, _Wrapping)
    if outer.customer:
        outer.customer.extra |= outer.extra
    return outer.customer


def _wrap_detail(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"customerInfo": {"customerInfo": body["customerInfo"]}}
