"""Invented reports of exports: only what a test is about need be given."""

from __future__ import annotations

from typing import Any

from aicc_async.export.manifest import ExportReport, WholeCount, WindowReport, WindowVerdict


def make_window(verdict: WindowVerdict = "verified", **fields: Any) -> WindowReport:
    """Invent a window of ten cases; ``announced_last`` is ``announced`` where it is not given."""
    counts = dict.fromkeys(("announced", "received", "distinct"), 10)
    defaults = {
        "start": "2025-01-01 00:00:00",
        "end": "2025-02-01 00:00:00",
        "verdict": verdict,
        **counts,
        "announced_last": fields.get("announced", 10),
        "readings": 1,
        "finished": 0.0,
        **dict.fromkeys(("requests", "retries", "throttled"), 0),
    }
    return WindowReport(**{**defaults, **fields})


def make_report(*windows: WindowReport, **fields: Any) -> ExportReport:
    """Invent the report of an export of some windows; its range and counts are unknown."""
    defaults = {
        **dict.fromkeys(("target", "zone", "began", "ended"), ""),
        "format": "jsonl",
        "start": None,
        "end": None,
        "seconds": 0.0,
        **dict.fromkeys(("runs", "rows", "added", "requests", "retries", "throttled"), 0),
        "windows": windows,
    }
    return ExportReport(**{**defaults, **fields})


def whole(announced: int = 10, *, agrees: bool = True) -> WholeCount:
    """Invent a count of the whole range."""
    return WholeCount(announced=announced, agrees=agrees)
