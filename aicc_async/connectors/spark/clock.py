"""How far a stream may go by a clock that may be put back."""

from __future__ import annotations

from bisect import bisect_left
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from ..._listing.windows import SECOND, wall


def shown_from(moment: datetime, zone: ZoneInfo) -> datetime:
    """Tell the earliest time that a zone's clock shows from this moment on; naive is in the zone.

    That is the moment's own time; but while an hour is shown that will be shown again, its begin.
    """
    local = moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
    shown = wall(local, zone)
    back = _offset(local) - _offset(local.replace(fold=1))
    if back <= timedelta(0):
        return shown
    seconds = [shown - n * SECOND for n in range(back // SECOND, -1, -1)]
    return seconds[bisect_left(seconds, 1, key=lambda time: _comes_again(time, zone))]


def _comes_again(time: datetime, zone: ZoneInfo) -> bool:
    local = time.replace(tzinfo=zone)
    return _offset(local) > _offset(local.replace(fold=1))


def _offset(local: datetime) -> timedelta:
    return local.utcoffset() or timedelta(0)
