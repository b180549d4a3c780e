"""A limit that finds its own height: up while all requests pass, down on a refusal. Pure.

The idea is that of TCP's congestion control (https://www.rfc-editor.org/rfc/rfc5681): large steps
while no bound is known, small ones after the first refusal, and a cut when a limit that used to
pass is refused. The invariant: ``proven_limit <= limit`` and, once something was refused,
``limit <= refused_limit``: the quota lies between the two, and what was refused is tried again ever
more seldom. What it can't see: why a request was refused. A 429 on behalf of another client of the
same tenant lowers the limit just as well, and so does one request that arrived early.
"""

from __future__ import annotations

from attrs import evolve, frozen

# A limit that was hardly used shows nothing about a higher one.
MIN_USED_SHARE = 0.8
# A limit that is too high has been refused by the end of one T.
TRIAL_WINDOWS = 1.0
# Of the limit, the step up: before any refusal or once a refused one passes, and after one.
FAST_STEP_SHARE = 0.9
CAREFUL_STEP_SHARE = 0.25
# A limit that had passed until now is multiplied by this when it is refused.
CUT_FACTOR = 0.85
# How long a refused limit is left alone; each further refusal multiplies that.
FIRST_RETRIAL_SECONDS = 11.0
RETRIAL_GROWTH_FACTOR = 1.5
MAX_RETRIAL_SECONDS = 300.0


@frozen(kw_only=True)
class Pace:
    """A limit, and what is known around it; times in seconds of whoever's clock is used.

    ``proven_limit`` passed for a whole T, ``refused_limit`` was refused (0: nothing was, so far).
    At ``raise_at`` the limit has shown whether it passes; from ``retrial_at`` on the refused limit
    may be tried again. Refusals before ``paused_until`` belong to one and the same event.
    """

    limit: int
    proven_limit: int
    refused_limit: int = 0
    raise_at: float = 0.0
    retrial_at: float = 0.0
    paused_until: float = 0.0
    retrial_seconds: float = FIRST_RETRIAL_SECONDS


def initial_pace(limit: int) -> Pace:
    """Return the pace of a limit of which nothing is known."""
    return Pace(limit=limit, proven_limit=limit)


def raise_limit(pace: Pace, *, now: float, sent: int, per: float, ceiling: int) -> Pace:
    """Raise the limit if it is time and the limit was used: ``sent`` requests in the last T."""
    if not pace.raise_at:
        return evolve(pace, raise_at=now + per * TRIAL_WINDOWS)
    if now < pace.raise_at or sent < pace.limit * MIN_USED_SHARE:
        return pace
    # What was refused once passes now: the quota was raised.
    if pace.refused_limit and pace.limit >= pace.refused_limit:
        pace = evolve(pace, refused_limit=0, retrial_at=0.0, retrial_seconds=FIRST_RETRIAL_SECONDS)
    limit = min(_next_limit(pace, now), ceiling)
    if limit == pace.limit == pace.proven_limit:
        return pace
    return evolve(pace, limit=limit, proven_limit=pace.limit, raise_at=now + per * TRIAL_WINDOWS)


def _next_limit(pace: Pace, now: float) -> int:
    share = CAREFUL_STEP_SHARE if pace.retrial_at else FAST_STEP_SHARE
    step = max(int(pace.limit * share), 1)
    if not pace.refused_limit:
        return pace.limit + step
    if pace.limit < pace.refused_limit - 1:
        return min(pace.limit + step, pace.refused_limit - 1)
    return pace.limit + 1 if now >= pace.retrial_at else pace.limit


def assume_sent(pace: Pace, sent: int) -> int:
    """Return what to take for the requests of the last T when evenly spaced ones are refused.

    More than passed before is what the quota was exceeded by. Otherwise it may be a leaky bucket,
    which refuses at once after a raise: half of the raise is tried, once.
    """
    if sent > pace.proven_limit + 1:
        return sent
    if pace.refused_limit == pace.limit + 1:
        return pace.proven_limit
    return (pace.proven_limit + pace.limit) // 2 + 1


def lower_limit(pace: Pace, *, now: float, sent: int, seconds: float, per: float) -> Pace:
    """Lower the limit on a 429 that asks for a pause of so many seconds.

    When the limit was just raised, what passed in the last T is the quota, give or take two: each
    further refusal takes one away. When it had passed before, it is cut a little: one request may
    have arrived early. If the quota has changed, more refusals show by how much.
    """
    if now < pace.paused_until:
        lower = max(pace.proven_limit, pace.limit - 1)
        return pace if lower == pace.limit else evolve(pace, limit=lower, refused_limit=pace.limit)
    was_retrial = bool(pace.refused_limit) and pace.limit >= pace.refused_limit
    longer = min(pace.retrial_seconds * RETRIAL_GROWTH_FACTOR, MAX_RETRIAL_SECONDS)
    retrial_seconds = longer if was_retrial else FIRST_RETRIAL_SECONDS
    paused_until = now + max(seconds, per)
    pace = evolve(
        pace,
        paused_until=paused_until,
        raise_at=paused_until + per * TRIAL_WINDOWS,
        retrial_at=now + retrial_seconds,
        retrial_seconds=retrial_seconds,
    )
    if pace.limit > pace.proven_limit:
        limit = min(max(pace.proven_limit, sent - 1), pace.limit - 1)
        return evolve(pace, limit=limit, refused_limit=limit + 1)
    limit = max(int(pace.limit * CUT_FACTOR), 1)
    # Half of it counts as proven: the quota may have fallen by more than the cut.
    proven, refused = max(limit // 2, 1), max(pace.limit, limit + 1)
    return evolve(pace, limit=limit, proven_limit=proven, refused_limit=refused)
