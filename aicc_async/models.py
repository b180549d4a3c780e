"""The records: what is sent, what comes back.

Names are the wire's in snake_case, spelt right; wire names live in ``wire.py``. What is sent is
frozen and checked when it is made; what comes back is a plain slots class (frozen ones cost six
times as much to make). Every record keeps wire fields that it does not name in ``extra``, and sends
them back at the same level. Contact data and free text stay out of every repr.

Sources: documents 000 (create), 001 (list), 002 (modify), 003 (Q-Flow), 004 (detail).
"""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from attrs import Attribute, Factory, define, field, frozen

from .errors import ConfigError

type_ = type  # the wire calls a field "type"
Check = Callable[[Any, "Attribute[Any]", Any], None]


class Priority(StrEnum):
    """How urgent a case is; a tenant may have more, and ``""`` happens."""

    CRITICAL = "Critical"
    HIGH = "High"
    MEDIUM = "Medium"
    LOW = "Low"


class Origin(StrEnum):
    """Where a case came from (document 000 also spells ``Whatapp``)."""

    VOICE = "Voice"
    WHATSAPP = "Whatsapp"
    WEBCHAT = "webchat"
    EMAIL = "Email"


class State(StrEnum):
    """How far a case or a task is; ``status`` is the tenant's own flow node instead."""

    PROCESSING = "Processing"
    PENDING = "Pending"
    COMPLETED = "Completed"


class Classification(StrEnum):
    """Whose cases a list shows."""

    TODO = "Todo"
    FOLLOW = "Follow"
    CREATED = "Created"
    PROCESSED = "Processed"


class ResumeType(StrEnum):
    """Which cases of a statistic a list shows (wire: ``resumenType``)."""

    NEW = "newCases"
    FINISHED = "finishedCases"
    UNFINISHED = "unfinishedCases"
    OVERDUE = "overCases"


class OwnerType(StrEnum):
    """Who holds a case."""

    USER = "user"
    QUEUE = "queue"


def _kind(*kinds: type_) -> Check:
    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join(kind.__name__ for kind in kinds)
            given = type_(value).__name__
            raise ConfigError(f"{attribute.name}: {wanted} is needed, {given} was given")

    return check


def _utf8(text: str) -> int:
    return len(text.encode())


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _text(limit: int | None = None, *, empty: bool = True, unit: str = "bytes") -> Check:
    is_text = _kind(str)
    measure = _utf8 if unit == "bytes" else _utf16

    def check(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        is_text(instance, attribute, value)
        if not value and not empty:
            raise ConfigError(f"{attribute.name}: it is mandatory, an empty text was given")
        try:
            size = measure(value)
        except UnicodeEncodeError:
            raise ConfigError(f"{attribute.name}: half a surrogate pair is no text") from None
        if limit is not None and size > limit:
            raise ConfigError(f"{attribute.name}: at most {limit} {unit}, {size} were given")

    return check


def _optional(check: Check, *, show: bool = True) -> Any:
    def checked(instance: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None:
            check(instance, attribute, value)

    return field(default=None, validator=checked, repr=show)


def _hidden(check: Check) -> Any:
    return _optional(check, show=False)


def _needed(check: Check, *, show: bool = True) -> Any:
    return field(validator=check, repr=show)


_any_text = _text()


def _attachments(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    several = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    for item in value if several else [value]:
        _any_text(instance, attribute, item)
    if several and len(value) > 5:  # noqa: PLR2004  (document 000, row 10)
        raise ConfigError(f"{attribute.name}: at most 5 attachments, {len(value)} were given")


def _texts(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    _kind(Mapping)(instance, attribute, value)
    for text in (*value, *value.values()):
        _any_text(instance, attribute, text)


def _json(instance: Any, attribute: Attribute[Any], value: Any) -> None:
    """Refuse what JSON has no word for, such as NaN or a datetime: it would change on the way."""
    _kind(Mapping)(instance, attribute, value)
    if not all(isinstance(key, str) for key in value):
        raise ConfigError(f"{attribute.name}: the keys must be texts")
    try:
        json.dumps(dict(value), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        kind = type_(error).__name__
        raise ConfigError(f"{attribute.name}: it can't be written as JSON ({kind})") from None


def _extra() -> Any:
    return field(factory=dict, repr=False, kw_only=True, validator=_json)


def _private() -> Any:
    return field(default=None, repr=False)


@frozen(kw_only=True)
class NewCase:
    """A case to create (document 000, table 3).

    Lengths are UTF-8 bytes: a title of 128 bytes is 42 Chinese characters. ``is_auto_assigned``
    defaults to True when there is no ``owner_id``. ``attachment`` is sent as it is when it is one
    text; several are joined with commas (how the service separates them is not documented). A naive
    ``due_date`` is taken in the client's zone. ``state`` stands in the document's sample only.
    Fields of the case type's template go into ``extra``, by their wire names.
    """

    title: str = _needed(_text(128), show=False)
    description: str = _needed(_text(20_000), show=False)
    type: str = _needed(_text(20, empty=False))
    contact_id: str = _needed(_text(20, empty=False))
    creator_id: str = _needed(_text(20, empty=False))
    owner_id: str | None = _optional(_text(20))
    is_auto_assigned: bool = field(
        default=Factory(lambda case: not case.owner_id, takes_self=True), validator=_kind(bool)
    )
    priority: str | None = _optional(_text())
    origin: str | None = _optional(_text())
    due_date: datetime | None = _optional(_kind(datetime))
    attachment: str | Sequence[str] | None = _hidden(_attachments)
    contact_phone: str | None = _hidden(_text(20))
    be_id: str | None = _optional(_text(20))
    state: str | None = _optional(_text())
    extra: Mapping[str, Any] = _extra()


@frozen(kw_only=True)
class CaseUpdate:
    """A change of a case (document 002, table 3).

    The service wants ``title``, ``description`` and ``creator_id`` even for a change of one other
    field; fields left out stay as they are.
    """

    id: str = _needed(_text(20, empty=False))
    title: str = _needed(_text(128), show=False)
    description: str = _needed(_text(20_000), show=False)
    creator_id: str = _needed(_text(20, empty=False))
    owner_id: str | None = _optional(_text())
    priority: str | None = _optional(_text())
    due_date: datetime | None = _optional(_kind(datetime))
    contact_id: str | None = _optional(_text(20))
    contact_phone: str | None = _hidden(_text(20))
    attachment: str | Sequence[str] | None = _hidden(_attachments)
    extra: Mapping[str, Any] = _extra()


@frozen(kw_only=True)
class CaseQuery:
    """Which cases to list (document 001, table 3, and the filters of 2025-11).

    ``start_time`` and ``end_time`` are taken in the client's zone when naive, and cut to seconds.
    Which date they filter on is not documented (the creation is likely). ``local`` is undocumented
    and passed on as it is. Fields of a case type's template go into ``extra``, by their wire names.
    """

    title: str | None = _hidden(_text(128))
    status: str | None = _optional(_text())
    priority: str | None = _optional(_text())
    origin: str | None = _optional(_text())
    owner_id: str | None = _optional(_text(20))
    type: str | None = _optional(_text(20))
    contact_id: str | None = _optional(_text(20))
    contact_phone: str | None = _hidden(_text(20))
    creator_id: str | None = _optional(_text(20))
    start_time: datetime | None = _optional(_kind(datetime))
    end_time: datetime | None = _optional(_kind(datetime))
    classification: str | None = _optional(_text())
    queue_id: str | None = _optional(_text())
    case_no: str | None = _optional(_text())
    is_reopen: bool | None = _optional(_kind(bool))
    is_direct_response: bool | None = _optional(_kind(bool))
    resume_type: str | None = _optional(_text())
    is_export: bool | None = _optional(_kind(bool))
    local: str | bool | None = _optional(_kind(str, bool))
    extra: Mapping[str, Any] = _extra()


@define(kw_only=True)
class Case:
    """A row of the list (document 001, table 4). Times are aware, in the client's zone.

    Only ``id`` is sure to be there: many "mandatory" fields are missing or null in the samples.
    """

    id: str
    case_no: str | None = None
    title: str | None = field(default=None, repr=False)
    type: str | None = None
    type_name: str | None = None
    external_no: str | None = None
    status: str | None = None
    state: str | None = None
    is_upgraded: bool | None = None
    is_cancelled: bool | None = None
    is_suspend: bool | None = None
    priority: str | None = None
    origin: str | None = None
    reason: str | None = None
    stay_date: datetime | None = None
    suspend_date: datetime | None = None
    suspend_accumulated_time: int | float | None = None
    contact_id: str | None = None
    owner_type: str | None = None
    owner_id: str | None = None
    parent_id: str | None = None
    contact_phone: str | None = field(default=None, repr=False)
    due_date: datetime | None = None
    closed_date: datetime | None = None
    creator_id: str | None = None
    created_date: datetime | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define
class CasePage:
    """A page of the list: its rows, and ``count``, the number of all rows that match."""

    cases: list[Case]
    count: int


@define(kw_only=True)
class CaseInfo:
    """A case in detail (document 004, table 4)."""

    id: str
    case_no: str | None = None
    status: str | None = None
    title: str | None = field(default=None, repr=False)
    priority: str | None = None
    parent_id: str | None = None
    owner_id: str | None = None
    origin: str | None = None
    is_upgraded: bool | None = None
    external_no: str | None = None
    due_date: datetime | None = None
    description: str | None = field(default=None, repr=False)
    creator_id: str | None = None
    created_date: datetime | None = None
    contact_id: str | None = None
    reason: str | None = None
    contact_phone: str | None = field(default=None, repr=False)
    state: str | None = None
    stay_date: datetime | None = None
    suspend_accumulated_time: int | float | None = None
    suspend_date: datetime | None = None
    type: str | None = None
    closed_date: datetime | None = None
    attachment: str | None = field(default=None, repr=False)
    creator_name: str | None = field(default=None, repr=False)
    owner_name: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class CaseTrace:
    """A step in the life of a case (document 004, table 5). ``from_`` is the wire's ``from``."""

    creator_id: str | None = None
    creator_name: str | None = field(default=None, repr=False)
    type: str | None = None
    related_id: str | None = None
    title: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    from_: str | None = field(default=None, repr=False)
    from_name: str | None = field(default=None, repr=False)
    to_address: str | None = field(default=None, repr=False)
    created_date: datetime | None = None
    attachment: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class Address:
    """A customer's address, as document 004's sample shows it; its repr shows the id only."""

    id: str | None = None
    subject_id: str | None = None
    label: str | None = _private()
    title: str | None = _private()
    first_name: str | None = _private()
    middle_name: str | None = _private()
    last_name: str | None = _private()
    address_line1: str | None = _private()
    address_line2: str | None = _private()
    address_line3: str | None = _private()
    address_line4: str | None = _private()
    address_line5: str | None = _private()
    additional_address: str | None = _private()
    building_no: str | None = _private()
    room_no: str | None = _private()
    street: str | None = _private()
    block: str | None = _private()
    area: str | None = _private()
    town: str | None = _private()
    city: str | None = _private()
    province: str | None = _private()
    country: str | None = _private()
    zip: str | None = _private()
    phone_number1: str | None = _private()
    phone_number2: str | None = _private()
    default_billing_address: bool | None = None
    default_shipping_address: bool | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class Organization:
    """A customer's organization, as document 004's sample shows it."""

    id: str | None = None
    organization_name: str | None = _private()
    description: str | None = _private()
    email: str | None = _private()
    fax: str | None = _private()
    fixed_phone: str | None = _private()
    industry: str | None = None
    logo: str | None = _private()
    scale: str | None = None
    summary: str | None = _private()
    website: str | None = _private()
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class Customer:
    """The contact of a case (document 004, table 6 and sample); its repr shows ids only.

    The table and the sample differ: ``address`` and ``bind_account`` are texts in the one, an
    object and a list in the other, and both are accepted.
    """

    id: str | None = None
    name: str | None = _private()
    nick_name: str | None = _private()
    gender: str | None = _private()
    first_name: str | None = _private()
    middle_name: str | None = _private()
    last_name: str | None = _private()
    age: str | int | None = _private()
    birth_day: str | None = _private()
    title: str | None = _private()
    status: str | None = None
    website: str | None = _private()
    bind_account: list[Any] | str | None = _private()
    address: Address | str | None = _private()
    phone: str | None = _private()
    phone1: str | None = _private()
    phone2: str | None = _private()
    phone3: str | None = _private()
    cellphone: str | None = _private()
    cell_phone1: str | None = _private()
    cell_phone2: str | None = _private()
    cell_phone3: str | None = _private()
    channel: str | None = None
    customer_name: str | None = _private()
    description: str | None = _private()
    level: str | None = None
    organization_id: str | None = None
    organization: Organization | None = _private()
    picture: str | None = _private()
    remark: str | None = _private()
    email: str | None = _private()
    email1: str | None = _private()
    email2: str | None = _private()
    fax: str | None = _private()
    user_id: str | None = None
    custom_field: Any = _private()
    created_date: datetime | None = None
    last_modified_date: datetime | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class Task:
    """A task of a case. Its shape is not documented: the fields are those of a task's creation."""

    id: str | None = None
    title: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    type: str | None = None
    relate_id: str | None = None
    contact_id: str | None = None
    creator_id: str | None = None
    owner_id: str | None = None
    priority: str | None = None
    state: str | None = None
    status: str | None = None
    due_date: datetime | None = None
    created_date: datetime | None = None
    attachment: str | None = field(default=None, repr=False)
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class CaseDetail:
    """A case with its history, its contact and its tasks (document 004, table 3).

    ``extra`` holds the wire fields beside ``caseInfo``.
    """

    case: CaseInfo
    trace: list[CaseTrace] = field(factory=list)
    customer: Customer | None = None
    tasks: list[Task] = field(factory=list)
    is_follower: bool | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@frozen(kw_only=True)
class CaseEnqueue:
    """A case to put into a Q-Flow service's queue (document 003).

    Lengths are UTF-16 units, as .NET counts them. ``service_id`` is required by the document even
    beside ``service_id_ext_ref``.
    """

    service_id: int = _needed(_kind(int))
    service_id_ext_ref: str | None = _optional(_text())
    customer_id: int | None = _optional(_kind(int))
    ext_ref: str | None = _hidden(_text(200, unit="UTF-16 units"))
    notes: str | None = _hidden(_text(4000, unit="UTF-16 units"))
    subject: str | None = _hidden(_text(100, unit="UTF-16 units"))
    classification_code: str | None = _optional(_text())
    auto_close: bool | None = _optional(_kind(bool))
    custom_properties: Mapping[str, str] | None = _hidden(_texts)
    procedure_ext_ref: str | None = _optional(_text())
    procedure_option_ext_ref: str | None = _optional(_text())
    case_id: int | None = _optional(_kind(int))
    extra: Mapping[str, Any] = _extra()


@define(kw_only=True)
class EnqueuedCase:
    """A case in a Q-Flow queue: what was sent, and its ``case_id`` (document 003)."""

    case_id: int
    service_id: int | None = None
    service_id_ext_ref: str | None = None
    customer_id: int | None = None
    ext_ref: str | None = field(default=None, repr=False)
    notes: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    classification_code: str | None = None
    auto_close: bool | None = None
    custom_properties: dict[str, str | None] | None = field(default=None, repr=False)
    procedure_ext_ref: str | None = None
    procedure_option_ext_ref: str | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)
