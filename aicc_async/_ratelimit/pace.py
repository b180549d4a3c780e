"""A limit that finds its own height: up while all is well, down on a refusal. Pure."""

from __future__ import annotations

from attrs import evolve, frozen

USED = 0.8  # of the limit must have been used before a higher one says anything
INTERVAL = 1.0  # times T: by then a limit that is too high was refused
UNKNOWN = 2  # divides the limit: a step where nothing was ever refused
CAREFUL = 4  # the same after a refusal
CUT = 0.85  # of a limit that was fine until now
PATIENCE = 7.0  # seconds until a limit that was refused is tried again
PATIENTER = 1.25  # times as long after each that was refused again
LONGEST = 300.0


@frozen(kw_only=True)
class Pace:
    """A limit, and what is known around it; times in seconds of whoever's clock is used.

    ``good`` passed for a whole interval, ``bad`` was refused (0: none is known to be too much).
    ``due`` is when the limit has shown what it is worth, ``quiet`` when ``bad`` may be tried again,
    ``until`` the end of the pause in which refusals belong to one and the same event.
    """

    limit: int
    good: int
    bad: int = 0
    due: float = 0.0
    quiet: float = 0.0
    until: float = 0.0
    patience: float = PATIENCE


def begin(start: int) -> Pace:
    """Begin where nothing is known."""
    return Pace(limit=start, good=start)


def grown(pace: Pace, *, now: float, sent: int, per: float, ceiling: int) -> Pace:
    """Raise the limit if it is due and was really used: ``sent`` are those of the last T."""
    if not pace.due:
        return evolve(pace, due=now + per * INTERVAL)
    if now < pace.due or sent < pace.limit * USED:
        return pace
    if pace.bad and pace.limit >= pace.bad:  # what was refused once passes now
        pace = evolve(pace, bad=0, patience=PATIENCE)
    limit = min(_higher(pace, now), ceiling)
    if limit == pace.limit == pace.good:
        return pace
    return evolve(pace, limit=limit, good=pace.limit, due=now + per * INTERVAL)


def _higher(pace: Pace, now: float) -> int:
    step = max(pace.limit // (CAREFUL if pace.quiet else UNKNOWN), 1)
    if not pace.bad:
        return pace.limit + step
    if pace.limit < pace.bad - 1:
        return min(pace.limit + step, pace.bad - 1)
    return pace.limit + 1 if now >= pace.quiet else pace.limit


def refused(pace: Pace, *, now: float, sent: int, seconds: float, per: float) -> Pace:
    """Lower the limit on a 429 that asks for a pause of so many seconds.

    When the limit was just raised, what passed in the last T is the quota, to one or two: each
    further refusal takes one away. When it had been fine it is cut a little: one request may have
    arrived early. If the quota has changed, more refusals tell by how much.
    """
    if now < pace.until:
        fewer = max(pace.good, pace.limit - 1)
        return pace if fewer == pace.limit else evolve(pace, limit=fewer, bad=pace.limit)
    again = bool(pace.bad) and pace.limit >= pace.bad
    patience = min(pace.patience * PATIENTER, LONGEST) if again else PATIENCE
    paused = max(seconds, per)
    pace = evolve(
        pace,
        until=now + paused,
        due=now + paused + per * INTERVAL,
        quiet=now + patience,
        patience=patience,
    )
    if pace.limit > pace.good:
        limit = min(max(pace.good, sent - 1), pace.limit - 1)
        return evolve(pace, limit=limit, bad=limit + 1)
    limit = max(int(pace.limit * CUT), 1)
    return evolve(pace, limit=limit, good=max(limit // 2, 1), bad=max(pace.limit, limit + 1))
