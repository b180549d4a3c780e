"""The clocks of this machine, as a journal notes them.

The wall clock may be set at any moment, also between two processes. The steady clock is set by
nobody, but it begins anew with each start of the machine, which ``boot_id`` names. Together they
show whether the wall clock was set since an entry was written.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import uuid4

from attrs import frozen


@frozen
class ClockReading:
    """What the clocks show at one moment; ``steady`` in seconds."""

    wall: datetime
    steady: float
    boot: str

    def drift_since(
        self, wall: datetime, steady: float | None, boot: str | None
    ) -> timedelta | None:
        """Return by how much the wall clock was set since then; None: that is not known."""
        if steady is None or boot != self.boot:
            return None
        return self.wall - wall - timedelta(seconds=self.steady - steady)


def read_clocks() -> ClockReading:
    """Read all clocks at once."""
    return ClockReading(wall_now(), steady_now(), boot_id())


def wall_now() -> datetime:
    """Return the time of the wall clock."""
    return datetime.now(UTC)


def steady_now() -> float:
    """Return the seconds of a clock that all processes share, and that goes on in standby."""
    # https://www.man7.org/linux/man-pages/man2/clock_gettime.2.html
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


@cache
def boot_id() -> str:
    """Return a name of this start of the machine; where the system has none, of this process."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return uuid4().hex
