"""Invented cases: the same ones for the same seed, at believable hours, in a few languages."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from .arrivals import draw_arrivals
from .contacts import fictitious_phone
from .shapes import ROW_KEYS
from .vocabulary import (
    AGENTS,
    ALPHABET,
    CONTACTS,
    CREATORS,
    DESCRIPTIONS,
    FLOW_NODES,
    ORIGINS,
    OWNERS,
    PRIORITIES,
    QUEUES,
    REASONS,
    REGIONS,
    STATES,
    TITLES,
    TYPE_IDS,
    TYPES,
)

PAIRS = tuple(a + b for a in ALPHABET for b in ALPHABET)

# The share of seeded cases that have the tenant's two extension fields.
EXTENSION_SHARE = 0.3

Wire = dict[str, Any]

# Every case starts from a copy of this one, which also puts its keys into the sample's order.
CASE_TEMPLATE: Wire = dict.fromkeys(ROW_KEYS) | {
    "isCanced": False,
    "type.__objectType": "AICC__CaseType__CST",
    "type.name": "",
    "attachment": "",
}

# The state of a case that was just created, where its request says nothing.
NEW_CASE_FIELDS: Wire = {
    "closedDate": None,
    "contactPhone": None,
    "dueDate": None,
    "extternalNo": None,
    "isDirectResponse": False,
    "isReopen": False,
    "isSuspend": False,
    "isUpgraded": False,
    "origin": None,
    "priority": "",
    "reason": None,
    "state": "Processing",
    "status": "New",
    "suspendAccumulatedTime": None,
    "suspendDate": None,
}

# Times carry no offset on the wire. The zone of the public cloud is likely Asia/Shanghai, which has
# had no summer time since 1991.
WALL_CLOCK_ZONE = timezone(timedelta(hours=8))


def seed_cases(cases: int, *, since: datetime, until: datetime, seed: int) -> Iterator[Wire]:
    """Yield so many cases, oldest first, with createdDate in [since, until)."""
    draw = random.Random(seed)  # noqa: S311  (the same data every time is the point)
    for number, moment in enumerate(draw_arrivals(cases, draw, since=since, until=until), 1):
        case = invent_case(number, moment, draw)
        case["modifiedDate"] = case["closedDate"] or case["suspendDate"] or case["createdDate"]
        if draw.random() < EXTENSION_SHARE:
            case["AICC__region__CST"] = REGIONS[number % len(REGIONS)]
            case["AICC__score__CST"] = int(draw.random() * 5) + 1
        yield case


def draw_case_id(draw: random.Random) -> str:
    """Draw an id that looks like the samples': 20 characters, ``c6m8`` first."""
    return f"c6m8000001{''.join(draw.choices(PAIRS, k=5))}"


def draw_task_id(number: int, *, seed: int) -> str:
    """Draw the id of a task, of the same length."""
    draw = random.Random(f"{seed}/task/{number}")  # noqa: S311  (invented ids guard nothing)
    return f"cTsk000001{''.join(draw.choices(ALPHABET, k=10))}"


def invent_case(number: int, moment: datetime, draw: random.Random) -> Wire:
    """Invent a case: the keys of a row in the sample's order, then what a row does not show."""
    # One draw serves all choices, each of which takes a byte or two of it. Benchmarks seed a
    # million cases, and a draw for each choice would slow that down.
    dice = draw.getrandbits(96)
    contact = (dice >> 64) % len(CONTACTS)
    type_id = TYPE_IDS[(dice >> 8) % len(TYPE_IDS)]
    return {
        **CASE_TEMPLATE,
        "caseNo": f"{number:030d}",
        "contactId": CONTACTS[contact],
        "contactPhone": fictitious_phone(contact) if contact % 3 else None,
        "createdDate": str(moment),
        "creatorId": CREATORS[(dice >> 24) % len(CREATORS)],
        "extternalNo": f"EXT-{number:06d}" if contact % 10 == 0 else None,
        "id": draw_case_id(draw),
        "origin": ORIGINS[(dice >> 29) % len(ORIGINS)],
        "priority": PRIORITIES[(dice >> 34) % len(PRIORITIES)],
        "reason": REASONS[(dice >> 39) % len(REASONS)],
        "title": TITLES[(dice >> 49) % len(TITLES)].format(n=number),
        "type": type_id,
        "typeName": TYPES[type_id],
        "creatorName": AGENTS[contact % len(AGENTS)],
        "description": DESCRIPTIONS[dice % len(DESCRIPTIONS)],
        "isDirectResponse": contact % 7 == 0,
        "isReopen": contact % 11 == 0,
        **_invent_owner(dice, contact),
        **_invent_course(dice, contact, moment),
    }


def _invent_owner(dice: int, contact: int) -> Wire:
    """Invent the owner of a case: a queue for every tenth contact, else an agent."""
    if contact % 10 == 0:
        queue = QUEUES[(dice >> 16) % len(QUEUES)]
        return {"ownerId": queue, "ownerName": None, "ownerType": "queue", "queueId": queue}
    return {
        "ownerId": OWNERS[(dice >> 16) % len(OWNERS)],
        "ownerName": AGENTS[(dice >> 16) % len(AGENTS)],
        "ownerType": "user",
        "queueId": None,
    }


def _invent_course(dice: int, contact: int, moment: datetime) -> Wire:
    """Invent how far a case has come since its creation: open, suspended or completed."""
    state = STATES[dice % len(STATES)]
    completed = state == "Completed"
    suspended = state == "Pending" and contact % 2 == 0
    due = str(moment + timedelta(days=14))[:10]
    return {
        "closedDate": _later(moment, (dice >> 76) % 259_200) if completed else None,
        "dueDate": f"{due} 00:00:00" if contact % 4 else None,
        "isSuspend": suspended,
        "isUpgraded": contact % 20 == 0,
        "state": state,
        "status": "Completed" if completed else FLOW_NODES[(dice >> 44) % len(FLOW_NODES)],
        "suspendAccumulatedTime": 90 if suspended else None,
        "suspendDate": _later(moment, (dice >> 76) % 28_800) if suspended else None,
    }


def _later(moment: datetime, seconds: int) -> str:
    return str(moment + timedelta(seconds=60 + seconds))


def invent_current_case(number: int, *, seed: int) -> Wire:
    """Invent a case that is created now."""
    draw = random.Random(f"{seed}/{number}")  # noqa: S311  (the same data every time is the point)
    return invent_case(number, datetime.fromisoformat(wall_clock()), draw)


def wall_clock() -> str:
    """Return the present second as the tenant writes it."""
    return str(datetime.now(WALL_CLOCK_ZONE).replace(microsecond=0, tzinfo=None))


def build_created_case(number: int, fields: Wire, *, seed: int) -> Wire:
    """Build the case that a create requests; an owner is assigned if it asks for that."""
    known = {"typeName": TYPES.get(fields["type"], "")}
    case = invent_current_case(number, seed=seed) | NEW_CASE_FIELDS | known
    if "ownerId" in fields:
        case |= {"ownerType": "user", "queueId": None}
    # Table 3 of document 000 spells the flag ``isAtuoAssigned``, its sample ``isAutoAssigned``.
    # Which one a tenant reads is unknown: here, either one that is true assigns an owner.
    elif not (fields.get("isAutoAssigned") or fields.get("isAtuoAssigned")):
        case |= {"ownerId": None, "ownerName": None, "ownerType": None, "queueId": None}
    return case | fields
