"""Where an export is."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Progress:
    """Where an export is.

    ``stage`` is ``planning`` (counting), ``reading`` or ``writing`` (from the disk into the
    target). ``rows`` of an export in detail are those that have their details. ``total`` is what
    the plan expects; it may grow. ``resumed`` of the ``rows`` were there before this run.
    ``fraction`` of the stage's work is done, from 0 to 1.
    """

    stage: str = "planning"
    windows: int = 0
    windows_done: int = 0
    rows: int = 0
    total: int = 0
    resumed: int = 0
    throttled: int = 0

    @property
    def fraction(self) -> float:
        """How much is done, as far as the service's totals tell."""
        return min(self.rows / self.total, 1.0) if self.total else 0.0
