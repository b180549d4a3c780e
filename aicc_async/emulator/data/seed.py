"""Invented cases: the same ones for the same seed, at believable hours, in a few languages."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from .arrivals import draw_arrivals
from .contacts import fictitious_phone
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

EXTENSION_SHARE = 0.3
"""The share of seeded cases that have the tenant's two extension fields."""

Wire = dict[str, Any]


def seed_cases(cases: int, *, since: datetime, until: datetime, seed: int) -> Iterator[Wire]:
    """Invent `cases` cases, oldest first, with createdDate in [since, until)."""
    draw = random.Random(seed)  # noqa: S311 -- the same data every time is the point
    for number, moment in enumerate(draw_arrivals(cases, draw, since=since, until=until), 1):
        case = invent_case(number, moment, draw)
        case["modifiedDate"] = case["closedDate"] or case["suspendDate"] or case["createdDate"]
        if draw.random() < EXTENSION_SHARE:
            case["AICC__region__CST"] = REGIONS[number % len(REGIONS)]
            case["AICC__score__CST"] = int(draw.random() * 5) + 1
        yield case


def draw_case_id(draw: random.Random) -> str:
    """Draw an id that looks like the samples': 20 characters, `c6m8` first."""
    return f"c6m8000001{''.join(draw.choices(PAIRS, k=5))}"


def draw_task_id(number: int, *, seed: int) -> str:
    """Draw the id of a task, of the same length."""
    draw = random.Random(f"{seed}/task/{number}")  # noqa: S311 -- invented ids guard nothing
    return f"cTsk000001{''.join(draw.choices(ALPHABET, k=10))}"


def format_case_number(number: int) -> str:
    """Write a case number as the samples do: 30 digits, zero-padded."""
    return f"{number:030d}"


def invent_case(number: int, moment: datetime, draw: random.Random) -> Wire:
    """Invent one case: the keys of a row in the sample's order, then what a row does not show."""
    dice = draw.getrandbits(96)  # one draw, a byte or two for each choice: seeding is hot
    state = STATES[dice % len(STATES)]
    contact = (dice >> 64) % len(CONTACTS)
    completed = state == "Completed"
    suspended = state == "Pending" and contact % 2 == 0
    type_id = TYPE_IDS[(dice >> 8) % len(TYPE_IDS)]
    queued = contact % 10 == 0
    owners = QUEUES if queued else OWNERS
    owner = owners[(dice >> 16) % len(owners)]
    return {
        "caseNo": format_case_number(number),
        "closedDate": _later(moment, (dice >> 76) % 259_200) if completed else None,
        "contactId": CONTACTS[contact],
        "contactPhone": fictitious_phone(contact) if contact % 3 else None,
        "createdDate": str(moment),
        "creatorId": CREATORS[(dice >> 24) % len(CREATORS)],
        "dueDate": _due(moment) if contact % 4 else None,
        "extternalNo": f"EXT-{number:06d}" if contact % 10 == 0 else None,
        "id": draw_case_id(draw),
        "isCanced": False,
        "isSuspend": suspended,
        "isUpgraded": contact % 20 == 0,
        "origin": ORIGINS[(dice >> 29) % len(ORIGINS)],
        "ownerId": owner,
        "parentId": None,
        "priority": PRIORITIES[(dice >> 34) % len(PRIORITIES)],
        "reason": REASONS[(dice >> 39) % len(REASONS)],
        "state": state,
        "status": "Completed" if completed else FLOW_NODES[(dice >> 44) % len(FLOW_NODES)],
        "stayDate": None,
        "suspendAccumulatedTime": 90 if suspended else None,
        "suspendDate": _later(moment, (dice >> 76) % 28_800) if suspended else None,
        "title": TITLES[(dice >> 49) % len(TITLES)].format(n=number),
        "type": type_id,
        "type.__objectType": "AICC__CaseType__CST",
        "type.name": "",
        "typeName": TYPES[type_id],
        "attachment": "",
        "creatorName": AGENTS[contact % len(AGENTS)],
        "description": DESCRIPTIONS[dice % len(DESCRIPTIONS)],
        "isDirectResponse": contact % 7 == 0,
        "isReopen": contact % 11 == 0,
        "ownerName": None if queued else AGENTS[(dice >> 16) % len(AGENTS)],
        "ownerType": "queue" if queued else "user",
        "queueId": owner if queued else None,
    }


def _later(moment: datetime, seconds: int) -> str:
    return str(moment + timedelta(seconds=60 + seconds))


def _due(moment: datetime) -> str:
    return f"{str(moment + timedelta(days=14))[:10]} 00:00:00"


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
"""How a case stands that was just created, where its request says nothing."""

ZONE_OF_TIMES = timezone(timedelta(hours=8))
"""Times carry no offset on the wire; the public cloud's zone is likely Asia/Shanghai."""


def invent_current_case(number: int, *, seed: int) -> Wire:
    """Invent one case more, created now."""
    draw = random.Random(f"{seed}/{number}")  # noqa: S311 -- the same data every time is the point
    return invent_case(number, datetime.fromisoformat(wall_clock()), draw)


def wall_clock() -> str:
    """Write down the present second as the tenant does."""
    return str(datetime.now(ZONE_OF_TIMES).replace(microsecond=0, tzinfo=None))


def build_created_case(number: int, fields: Wire, *, seed: int) -> Wire:
    """Make the case that a create asks for; an owner is found if that is asked for too."""
    case = (
        invent_current_case(number, seed=seed)
        | NEW_CASE_FIELDS
        | {"typeName": TYPES.get(fields["type"], "")}
    )
    if "ownerId" in fields:
        case |= {"ownerType": "user", "queueId": None}
    elif not (fields.get("isAutoAssigned") or fields.get("isAtuoAssigned")):
        case |= {"ownerId": None, "ownerName": None, "ownerType": None, "queueId": None}
    return case | fields
