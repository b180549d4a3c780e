"""The contact of a case; contact data stays out of every repr (document 004)."""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import define, field

from .._validators import private


@define(kw_only=True)
class Address:
    """A customer's address, as document 004's sample shows it; its repr shows the id only."""

    id: str | None = None
    subject_id: str | None = None
    label: str | None = private()
    title: str | None = private()
    first_name: str | None = private()
    middle_name: str | None = private()
    last_name: str | None = private()
    address_line1: str | None = private()
    address_line2: str | None = private()
    address_line3: str | None = private()
    address_line4: str | None = private()
    address_line5: str | None = private()
    additional_address: str | None = private()
    building_no: str | None = private()
    room_no: str | None = private()
    street: str | None = private()
    block: str | None = private()
    area: str | None = private()
    town: str | None = private()
    city: str | None = private()
    province: str | None = private()
    country: str | None = private()
    zip: str | None = private()
    phone_number1: str | None = private()
    phone_number2: str | None = private()
    default_billing_address: bool | None = None
    default_shipping_address: bool | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class Organization:
    """A customer's organization, as document 004's sample shows it."""

    id: str | None = None
    organization_name: str | None = private()
    description: str | None = private()
    email: str | None = private()
    fax: str | None = private()
    fixed_phone: str | None = private()
    industry: str | None = None
    logo: str | None = private()
    scale: str | None = None
    summary: str | None = private()
    website: str | None = private()
    extra: dict[str, Any] = field(factory=dict, repr=False)


@define(kw_only=True)
class Customer:
    """The contact of a case (document 004, table 6 and sample); its repr shows ids only.

    The table and the sample differ: ``address`` and ``bind_account`` are texts in the one, an
    object and a list in the other, and both are accepted.
    """

    id: str | None = None
    name: str | None = private()
    nick_name: str | None = private()
    gender: str | None = private()
    first_name: str | None = private()
    middle_name: str | None = private()
    last_name: str | None = private()
    age: str | int | None = private()
    birth_day: str | None = private()
    title: str | None = private()
    status: str | None = None
    website: str | None = private()
    bind_account: list[Any] | str | None = private()
    address: Address | str | None = private()
    phone: str | None = private()
    phone1: str | None = private()
    phone2: str | None = private()
    phone3: str | None = private()
    cellphone: str | None = private()
    cell_phone1: str | None = private()
    cell_phone2: str | None = private()
    cell_phone3: str | None = private()
    channel: str | None = None
    customer_name: str | None = private()
    description: str | None = private()
    level: str | None = None
    organization_id: str | None = None
    organization: Organization | None = private()
    picture: str | None = private()
    remark: str | None = private()
    email: str | None = private()
    email1: str | None = private()
    email2: str | None = private()
    fax: str | None = private()
    user_id: str | None = None
    custom_field: Any = private()
    created_date: datetime | None = None
    last_modified_date: datetime | None = None
    extra: dict[str, Any] = field(factory=dict, repr=False)
