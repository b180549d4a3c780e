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

# The inner customerInfo of document 004. Its table 6 disagrees with its sample: the table has
# ``cellphone``, and texts for ``address`` and ``bindAccount``; the sample has ``cellPhone1`` to
# ``cellPhone3``, an object and a list. A server once sent the sample, so its keys are taken, in its
# order.
CUSTOMER_KEYS = (
    "address",
    "age",
    "bindAccount",
    "birthDay",
    "cellPhone1",
    "cellPhone2",
    "cellPhone3",
    "channel",
    "createdDate",
    "customFied",
    "customerName",
    "description",
    "email",
    "email1",
    "email2",
    "fax",
    "firstName",
    "gender",
    "id",
    "lastModifiedDate",
    "lastName",
    "level",
    "middleName",
    "name",
    "nickName",
    "organization",
    "organizationId",
    "phone",
    "phone1",
    "phone2",
    "phone3",
    "picture",
    "remark",
    "status",
    "title",
    "userId",
    "website",
)
ADDRESS_KEYS = (
    "addressLine1",
    "addressLine2",
    "addressLine3",
    "addressLine4",
    "addressLine5",
    "addtionalAddress",
    "area",
    "block",
    "buildingNo",
    "city",
    "country",
    "defaultBillingAddress",
    "defaultShippingAddress",
    "firstName",
    "id",
    "label",
    "lastName",
    "middleName",
    "phoneNumber1",
    "phoneNumber2",
    "province",
    "roomNo",
    "street",
    "subjectId",
    "title",
    "town",
    "zip",
)
ORGANIZATION_KEYS = (
    "description",
    "email",
    "fax",
    "fixedPhone",
    "id",
    "industry",
    "logo",
    "organizationName",
    "scale",
    "summary",
    "website",
)

Wire = dict[str, Any]


def fictitious_phone(number: int) -> str:
    """Return a telephone number of the range kept free for fiction (+1 202 555 0100 to 0199)."""
    return f"+1202555{100 + number % 100:04d}"


def build_customer(contact_id: str | None) -> Wire:
    """Build the inner customerInfo of a contact, the same one for the same id."""
    known_id = contact_id or ""
    pick = zlib.crc32(known_id.encode())
    organization_id = f"cBbs{known_id[4:]}"
    address = {
        "addtionalAddress": "1 Nowhere Lane",
        "defaultBillingAddress": False,
        "defaultShippingAddress": False,
        "id": f"cw8O{known_id[4:]}",
        "subjectId": known_id,
    }
    organization = {"id": organization_id, "organizationName": "Example Works"}
    return dict.fromkeys(CUSTOMER_KEYS) | {
        "address": dict.fromkeys(ADDRESS_KEYS) | address,
        "bindAccount": [],
        "cellPhone1": fictitious_phone(pick),
        "createdDate": "2024-04-17 18:13:53",
        "customerName": NAMES[pick % len(NAMES)],
        "email": f"contact{pick % 10_000}@example.com",
        "gender": GENDERS[pick % len(GENDERS)],
        "id": contact_id,
        "lastModifiedDate": "2024-04-17 18:14:51",
        "organization": dict.fromkeys(ORGANIZATION_KEYS) | organization,
        "organizationId": organization_id,
    }
