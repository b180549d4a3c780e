"""Creates that are remembered: what was sent under which key, and what became of it."""

from __future__ import annotations

from .entry import STATES, Entry, Finding, Journal
from .sqlite import SQLiteJournal

__all__ = ["STATES", "Entry", "Finding", "Journal", "SQLiteJournal"]
