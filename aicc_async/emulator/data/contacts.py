"""The contact of a case, as the detail shows it: invented from the contact's id."""

import zlib
from typing import Any

NAMES = (
    "Ada Invented",
    "Bo Fictitious",
    "Cleo Madeup",
    "Dora Beispiel",
    "Emil Mustermann",
    "Fanny Exemple",
    "虚构 张",
    "示例 李",
)
GENDERS = ("male", "female", None)

Wire = dict[str, Any]


def fictitious_phone(number: int) -> str:
    """Give a telephone number of the range that is kept free for fiction (+1 202 555 0100-0199)."""
    return f"+1202555{100 + number % 100:04d}"


def build_customer(contact_id: str | None) -> Wire:
    """Build the inner customerInfo of document 004's sample, all of its keys."""
    known_by = contact_id or ""
    pick = zlib.crc32(known_by.encode())
    name = NAMES[pick % len(NAMES)]
    organization_id = f"cBbs{known_by[4:]}"
    return {
        "address": _address(known_by),
        "age": None,
        "bindAccount": [],
        "birthDay": None,
        "cellPhone1": fictitious_phone(pick),
        "cellPhone2": None,
        "cellPhone3": None,
        "channel": None,
        "createdDate": "2024-04-17 18:13:53",
        "customFied": None,
        "customerName": name,
        "description": None,
        "email": f"contact{pick % 10_000}@example.com",
        "email1": None,
        "email2": None,
        "fax": None,
        "firstName": None,
        "gender": GENDERS[pick % len(GENDERS)],
        "id": contact_id,
        "lastModifiedDate": "2024-04-17 18:14:51",
        "lastName": None,
        "level": None,
        "middleName": None,
        "name": None,
        "nickName": None,
        "organization": _organization(organization_id),
        "organizationId": organization_id,
        "phone": None,
        "phone1": None,
        "phone2": None,
        "phone3": None,
        "picture": None,
        "remark": None,
        "status": None,
        "title": None,
        "userId": None,
        "website": None,
    }


def _address(contact_id: str) -> Wire:
    return {
        "addressLine1": None,
        "addressLine2": None,
        "addressLine3": None,
        "addressLine4": None,
        "addressLine5": None,
        "addtionalAddress": "1 Nowhere Lane",
        "area": None,
        "block": None,
        "buildingNo": None,
        "city": None,
        "country": None,
        "defaultBillingAddress": False,
        "defaultShippingAddress": False,
        "firstName": None,
        "id": f"cw8O{contact_id[4:]}",
        "label": None,
        "lastName": None,
        "middleName": None,
        "phoneNumber1": None,
        "phoneNumber2": None,
        "province": None,
        "roomNo": None,
        "street": None,
        "subjectId": contact_id,
        "title": None,
        "town": None,
        "zip": None,
    }


def _organization(organization_id: str) -> Wire:
    return {
        "description": None,
        "email": None,
        "fax": None,
        "fixedPhone": None,
        "id": organization_id,
        "industry": None,
        "logo": None,
        "organizationName": "Example Works",
        "scale": None,
        "summary": None,
        "website": None,
    }
