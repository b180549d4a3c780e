"""The search for a quota that nobody knows, from what is refused. Pure.

The idea: large steps up while nothing was refused, then a trial now and again. A refusal shows how
the service counts. A sliding or fixed second refuses within a T, once it has let through its quota:
that is the limit. A bucket refuses late, once its tokens are used up: on average since the refusal
before, it has let through what flows into it. A window of a minute is closed: after a pause it
refuses the first request again. Then everybody is held back, longer each time, and the limit is
what it let through, spread over a minute. After a late refusal trials are longer as well.

The invariant: ``proven_limit <= limit``, and a refusal lowers the limit; only a trial, or the step
after one that passed, exceeds what was refused. What it can't see: why a request was refused, and
windows longer than a minute. What a limit let through is taken from its height, not counted: it is
too much where the limit was not used.
"""

from __future__ import annotations

from attrs import evolve, frozen

# A limit that was hardly used shows nothing about a higher one.
MIN_USED_SHARE = 0.8
# A limit that is too high for a sliding window has been refused by the end of one T, or soon after.
TRIAL_WINDOWS = 1.5
LATE_WINDOWS = 1.5
# One late refusal may be that of a request that arrived early; the next one is a bucket's. So is
# the first, where less than that share of the limit has passed on average.
BUCKET_REFUSALS = 2
BUCKET_SHARE = 0.8
# Then a limit must pass for so many T.
BUCKET_TRIAL_WINDOWS = 10.0
# Of the limit, the step up: where no bound is known, below what was refused, and as a trial.
FAST_STEP_SHARE = 0.9
CAREFUL_STEP_SHARE = 0.25
TRIAL_STEP_SHARE = 0.15
# A limit that had passed until now is multiplied by this when it is refused: late, where it may be
# a request that arrived early, or at once after a pause.
CUT_FACTOR = 0.95
QUICK_CUT_FACTOR = 0.8
# How long a refused limit is left alone; each trial whose refusal held all back multiplies that.
FIRST_RETRIAL_SECONDS = 8.0
RETRIAL_GROWTH_FACTOR = 1.05
MAX_RETRIAL_SECONDS = 12.0
# A trial costs a refused request or two, and a pause: at least so many requests and pauses apart.
MIN_REQUESTS_BETWEEN_TRIALS = 120
MIN_PAUSES_BETWEEN_TRIALS = 8
# What left so soon after a refusal did not know of it yet.
UNAWARE_WINDOWS = 0.25
# A refusal holds everybody back for a second, or the T that is shorter.
MIN_HOLD_SECONDS = 1.0
# Refused with so little sent in the last T, of the limit: the service is closed.
CLOSED_SHARE = 0.25
HOLD_GROWTH_FACTOR = 3.0
MAX_HOLD_SECONDS = 20.0
# The window that a closed service is taken to have.
LONG_SECONDS = 60.0


@frozen(kw_only=True)
class Search:
    """A limit, and what is known around it; times in seconds of whoever's clock is used.

    ``proven_limit`` passed for a whole T, ``refused_limit`` was refused (0: nothing was, so far).
    The limit is in use since ``tried_at``; at ``raise_at`` it has shown whether it passes, which
    takes ``trial_seconds`` where it was refused before. From ``retrial_at`` on the refused limit
    may be tried again. Nobody sends before ``held_until``. Since ``counted_from`` the limit has let
    through ``passed`` requests, of which none was counted after ``counted_at``; ``long_limit`` is
    what that would be in a T, spread over a minute, at the last refusal.
    """

    limit: int
    proven_limit: int
    refused_limit: int = 0
    tried_at: float = 0.0
    raise_at: float = 0.0
    trial_seconds: float = 0.0
    retrial_at: float = 0.0
    retrial_seconds: float = FIRST_RETRIAL_SECONDS
    refused_at: float = 0.0
    late_refusals: int = 0
    held_until: float = 0.0
    hold_seconds: float = 0.0
    counted_from: float = 0.0
    counted_at: float = 0.0
    passed: float = 0.0
    long_limit: int = 0


def start_search(limit: int) -> Search:
    """Return the search that begins at a limit of which nothing is known."""
    return Search(limit=limit, proven_limit=limit)


def raise_limit(search: Search, *, now: float, sent: int, per: float, ceiling: int) -> Search:
    """Raise the limit if it is time and the limit was used: ``sent`` requests in the last T."""
    if not search.raise_at:
        raise_at = now + per * TRIAL_WINDOWS
        return evolve(search, raise_at=raise_at, tried_at=now, counted_from=now, counted_at=now)
    if now < search.raise_at or sent < search.limit * MIN_USED_SHARE:
        return search
    # A busy machine sends less than the limit allows: what was refused is not tried yet.
    if sent < search.refused_limit <= search.limit:
        return evolve(search, tried_at=now, raise_at=now + per * TRIAL_WINDOWS)
    limit = max(min(_next_limit(search, now), ceiling), search.limit)
    if limit == search.limit == search.proven_limit:
        return search
    trial = per * TRIAL_WINDOWS
    if limit >= search.refused_limit:
        trial = max(trial, search.trial_seconds)
    # No more than was sent is proven, where a limit goes up that was not all used.
    passed = search.limit if limit == search.limit else min(search.limit, sent)
    return evolve(
        _count(search, now, per),
        limit=limit,
        proven_limit=max(search.proven_limit, passed),
        tried_at=now if limit > search.limit else search.tried_at,
        raise_at=now + trial,
    )


def lower_limit(
    search: Search, *, now: float, sent_at: float, sent: int, seconds: float, per: float
) -> Search:
    """Lower the limit on a 429 that asks for a pause of so many seconds, to what left at sent_at.

    ``sent`` is how many left in the last T. ``held_until`` of what is returned says how long
    everybody waits.
    """
    if _left_unaware(search, sent_at, per) or now < search.held_until:
        return _lower_again(search, now=now, seconds=seconds)
    search = _count(search, now, per)
    if sent <= search.limit * CLOSED_SHARE:
        return _close(search, now=now, seconds=seconds, per=per)
    return _lower(search, now=now, sent=sent, seconds=seconds, per=per)


def wait_out(search: Search, *, now: float, seconds: float, per: float) -> Search:
    """Wait after a refusal that says nothing about the limit, whose trial begins anew then."""
    until = now + seconds
    return evolve(search, tried_at=until, raise_at=until + per * TRIAL_WINDOWS)


def keep_to(search: Search, ceiling: int) -> Search:
    """Lower the limit to a ceiling that has become known."""
    proven = min(search.proven_limit, ceiling)
    return evolve(search, limit=min(search.limit, ceiling), proven_limit=proven)


def is_brief_trial(search: Search, *, sent_at: float, seconds: float, per: float) -> bool:
    """Return whether a refusal that asks for so many seconds holds back only what was refused.

    That of a limit that is just being tried says that a window of T is full: what passed before
    will pass again. So do those that left before that was known.
    """
    if _left_unaware(search, sent_at, per):
        return not search.hold_seconds
    is_trial = 0 < search.refused_limit <= search.limit
    return is_trial and search.late_refusals < BUCKET_REFUSALS and seconds <= per


def _left_unaware(search: Search, sent_at: float, per: float) -> bool:
    known_at = search.refused_at + UNAWARE_WINDOWS * per
    return search.refused_at > 0 and sent_at < known_at


def _next_limit(search: Search, now: float) -> int:
    limit, refused = search.limit, search.refused_limit
    if limit < refused - 1:
        return min(limit + max(int(limit * CAREFUL_STEP_SHARE), 1), refused - 1)
    if limit < refused:
        step = max(int(limit * TRIAL_STEP_SHARE), 1)
        return limit + step if now >= search.retrial_at else limit
    if not refused or search.late_refusals < BUCKET_REFUSALS:
        return limit + max(int(limit * FAST_STEP_SHARE), 1)
    return limit + 2 * max(limit - search.proven_limit, 1)


def _count(search: Search, now: float, per: float) -> Search:
    used = max(now - max(search.counted_at, search.held_until), 0.0)
    return evolve(search, passed=search.passed + search.limit * used / per, counted_at=now)


def _spread(search: Search, now: float, per: float, *, least: float) -> int:
    """Return what passed since the last refusal, in a T; spread over ``least`` seconds or more."""
    return round(search.passed * per / max(now - search.counted_from, least))


def _lower_again(search: Search, *, now: float, seconds: float) -> Search:
    """Lower the limit by one for each further refusal of the same event, not below the proven."""
    if search.hold_seconds:
        search = evolve(search, held_until=max(search.held_until, now + seconds))
    lower = max(search.proven_limit, search.limit - 1)
    if lower == search.limit or search.trial_seconds >= LONG_SECONDS:
        return search
    return evolve(search, limit=lower, refused_limit=search.limit)


def _lower(search: Search, *, now: float, sent: int, seconds: float, per: float) -> Search:
    average = _spread(search, now, per, least=per)
    late = _count_late_refusals(search, now=now, per=per, average=average)
    is_bucket, is_raised = late >= BUCKET_REFUSALS, search.limit > search.proven_limit
    factor = CUT_FACTOR if late else QUICK_CUT_FACTOR
    limit = _passed_limit(search, sent) if is_raised else int(search.limit * factor)
    if is_bucket:
        limit = min(limit, average) if is_raised else average
    limit = max(min(limit, search.limit - 1), 1)
    is_brief = is_brief_trial(search, sent_at=now, seconds=seconds, per=per)
    hold = 0.0 if is_brief else max(seconds, min(per, MIN_HOLD_SECONDS))
    retrial = _retrial_seconds(search, hold=hold, limit=limit, per=per)
    search = evolve(
        search,
        limit=limit,
        # Half of it counts as proven: the quota may have fallen by more than the cut.
        proven_limit=min(search.proven_limit, limit) if is_raised else max(limit // 2, 1),
        refused_limit=limit + 1 if is_raised or is_bucket else max(search.limit, limit + 1),
        late_refusals=late,
        trial_seconds=BUCKET_TRIAL_WINDOWS * per if is_bucket else 0.0,
        retrial_at=now + retrial,
        retrial_seconds=retrial,
        long_limit=_spread(search, now, per, least=LONG_SECONDS),
    )
    return _hold(search, now=now, hold=hold, per=per, counted_from=now)


def _close(search: Search, *, now: float, seconds: float, per: float) -> Search:
    longer = min(search.hold_seconds * HOLD_GROWTH_FACTOR, MAX_HOLD_SECONDS)
    hold = max(longer, seconds, min(per, MIN_HOLD_SECONDS))
    # Where the first refusal told nothing, what passed is still counted from before it.
    passed = search.long_limit or _spread(search, now, per, least=LONG_SECONDS)
    limit = max(min(search.limit, passed), 1)
    search = evolve(
        search,
        limit=limit,
        proven_limit=min(search.proven_limit, limit),
        refused_limit=limit + 1,
        late_refusals=BUCKET_REFUSALS,
        trial_seconds=LONG_SECONDS,
        retrial_at=now + hold + 2 * LONG_SECONDS,
        retrial_seconds=2 * LONG_SECONDS,
        long_limit=passed,
    )
    # No request passed in the hold, and the first one after it begins a new window.
    return _hold(search, now=now, hold=hold, per=per, counted_from=now + hold)


def _hold(search: Search, *, now: float, hold: float, per: float, counted_from: float) -> Search:
    return evolve(
        search,
        refused_at=now,
        held_until=now + hold,
        hold_seconds=hold,
        tried_at=now + hold,
        raise_at=now + hold + per * TRIAL_WINDOWS,
        counted_from=counted_from,
        passed=0.0,
    )


def _count_late_refusals(search: Search, *, now: float, per: float, average: int) -> int:
    """Return how many refusals in turn came late, and more where it must be a bucket."""
    if now - max(search.tried_at, search.held_until) <= LATE_WINDOWS * per:
        return 0
    late = search.late_refusals + 1
    return max(late, BUCKET_REFUSALS) if average < BUCKET_SHARE * search.limit else late


def _passed_limit(search: Search, sent: int) -> int:
    """Return what a limit that was raised too far has let through in the last T."""
    if search.proven_limit == search.refused_limit - 1:
        # A window that is not a sliding one lets the end of a trial's T through as well.
        return search.proven_limit + (sent > search.proven_limit + 2)
    return max(search.proven_limit, sent - 1)


def _retrial_seconds(search: Search, *, hold: float, limit: int, per: float) -> float:
    seconds = FIRST_RETRIAL_SECONDS
    # A trial that held nobody back is cheap, and the next one may find a quota that was raised.
    if hold and 0 < search.refused_limit <= search.limit:
        seconds = min(search.retrial_seconds * RETRIAL_GROWTH_FACTOR, MAX_RETRIAL_SECONDS)
    least = MIN_REQUESTS_BETWEEN_TRIALS * per / limit
    return max(seconds, least, MIN_PAUSES_BETWEEN_TRIALS * hold)
