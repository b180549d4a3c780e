"""Changes of cases as events."""

from .event import CaseEvent
from .plan import WatchPlan
from .sqlite import SQLiteWatchState
from .state import KnownCase, Look, PendingEvent, WatchState
from .watch import CaseWatch

__all__ = [
    "CaseEvent",
    "CaseWatch",
    "KnownCase",
    "Look",
    "PendingEvent",
    "SQLiteWatchState",
    "WatchPlan",
    "WatchState",
]
