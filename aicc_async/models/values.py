"""The values that the documents list. One outside its list is kept as it is, never an error."""

from __future__ import annotations

from enum import IntEnum, StrEnum


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


class CaseTypeStatus(StrEnum):
    """Whether a case type may be used."""

    ACTIVE = "Active"
    INACTIVE = "Inactive"


class ProcessType(StrEnum):
    """What a case is processed by (``Iternal`` is the wire's own spelling)."""

    INTERNAL = "Iternal"
    EMAIL = "Email"
    SMS = "SMS"


class QueueStatus(IntEnum):
    """What becomes of a case that leaves a Q-Flow queue."""

    UNCHANGED = -1
    WAITING = 3
    ABANDONED = 4
    COMPLETE = 8
    CANCELLED = 15
    NO_SHOW = 17
