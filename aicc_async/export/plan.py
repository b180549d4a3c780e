"""How many rows a window of an export may have."""

from __future__ import annotations

from .._api import CaseApi

# Deeper offsets are slow, may be refused, and shift when rows come or go.
MAX_ROWS_PER_WINDOW = 10_000


def max_rows_per_window(api: CaseApi) -> int:
    """Return how many rows a window may have: fewer where the tenant's profile knows a limit."""
    known = api.limits().max_rows
    return MAX_ROWS_PER_WINDOW if known is None else min(MAX_ROWS_PER_WINDOW, known)
