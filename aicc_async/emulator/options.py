"""Settings: what the documents leave open, what a service may get wrong, and how long it takes."""

import html
import math
import random
import unicodedata
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar, Protocol, Self

import attrs
from attrs.validators import optional

from .http.answer import AICC_JSON

# Table 2 of document 001: "The interval between the start time and end time cannot exceed 31 days."
MAX_SPAN = timedelta(days=31)

# The dates that startTime and endTime may filter on, as SQL. No document says which one it is. A
# case that was never modified has no modifiedDate: its creation counts.
DATE_EXPRESSIONS = {
    "createdDate": "createdDate",
    "closedDate": "json_extract(\"row\", '$.closedDate')",
    "dueDate": "json_extract(\"row\", '$.dueDate')",
    "modifiedDate": "coalesce(json_extract(hidden, '$.modifiedDate'), createdDate)",
}

# The orders of rows, as SQL. No document promises one; the rows of document 001's sample are newest
# first. Dates have whole seconds, so each stable order has a second key that breaks the ties; for
# modifications it is the rowid, since a change gives a row the highest one.
ROW_ORDERS = {
    "created": "createdDate {way}, id {way}",
    "modified": f"{DATE_EXPRESSIONS['modifiedDate']} {{way}}, rowid {{way}}",
    "id": "id {way}",
    "shuffled_ties": "createdDate {way}, random()",
    "shuffled": "random()",
}

# Whether a span is too long, by how 31 days are counted. The document does not say how.
SPAN_RULES: dict[str, Callable[[datetime, datetime], bool]] = {
    "seconds": lambda start, end: end - start > MAX_SPAN,
    "days": lambda start, end: (end - start).days > MAX_SPAN.days,
    "dates": lambda start, end: (end.date() - start.date()).days + 1 > MAX_SPAN.days,
    "none": lambda _start, _end: False,
}

# How a tenant writes the titles of new cases. No document promises that it keeps them.
TITLE_FORMS: dict[str, Callable[[str], str]] = {
    "kept": lambda title: title,
    "escaped": html.escape,
    "decomposed": lambda title: unicodedata.normalize("NFD", title),
    "plane_0": lambda title: "".join(each if each <= "\uffff" else "?" for each in title),
    "upper": str.upper,
    "cut": lambda title: title[:100],
}


# attrs' own validators print a whole table of choices, with the SQL and the functions in it.
def one_of(choices: Iterable[str]) -> Callable[[Any, "attrs.Attribute[str]", str], None]:
    """Return a validator of an attribute that must be one of the choices."""
    known = tuple(choices)

    def check(_instance: Any, attribute: "attrs.Attribute[str]", value: str) -> None:
        """Raise ``ValueError`` for any other value."""
        if value not in known:
            raise ValueError(f"{attribute.name} must be one of {', '.join(known)}, got {value!r}")

    return check


def at_least(bound: float) -> Callable[[Any, "attrs.Attribute[Any]", float], None]:
    """Return a validator of an attribute that must not be below the bound."""

    def check(_instance: Any, attribute: "attrs.Attribute[Any]", value: float) -> None:
        """Raise ``ValueError`` for a lower value, and for NaN."""
        if not value >= bound:
            raise ValueError(f"{attribute.name} must be >= {bound}, got {value!r}")

    return check


@attrs.frozen(kw_only=True)
class Bucket:
    """A quota that refills by so many requests per second, and holds ``burst`` at most."""

    burst: int = attrs.field(validator=at_least(1))
    per_second: float = attrs.field(validator=at_least(0))


@attrs.frozen
class FixedWindow:
    """A quota of so many requests, anew every so many seconds of the machine's clock."""

    requests: int = attrs.field(validator=at_least(1))
    seconds: float = attrs.field(default=60.0, validator=at_least(0.001), kw_only=True)


@attrs.frozen(kw_only=True)
class Quirks:
    """How case/list deviates; the default is well-behaved. Assign another one at any time.

    ``date_field`` is the date that startTime and endTime filter on: ``createdDate``,
    ``closedDate``, ``dueDate`` or ``modifiedDate``. A row without it is in no window.
    ``modifiedDate`` is shown nowhere. It is the time of the last modify, and of a seeded case its
    closing, its suspension or else its creation.

    ``order`` is the order of rows: ``created`` (by createdDate and id), ``modified`` (a modify
    moves a row to one end), ``id`` (stable, but by no date), ``shuffled_ties`` (rows of the same
    second come in another order at every request) or ``shuffled`` (all rows do). ``newest_first``
    of the tenant gives the direction.

    ``over_limit`` is what happens to a limit above the tenant's ``max_limit``: ``documented``
    refuses it above 100 and returns fewer rows below, ``clamp`` always returns fewer rows,
    ``refuse`` always refuses it.

    ``count_offset`` is added to every announced count, and ``count_drift`` once more at every
    request: the k-th request announces k times as much more. No count is announced below 0.

    ``max_count`` is the most rows that a query is served and announced: the first ones in the order
    of rows. Those behind them are as if they were not there.

    A page that begins beyond row ``deepest_start`` is refused, or with ``too_deep="fail"`` answered
    with HTTP 500, or with ``"empty"`` empty, with the right count. ``ignore_start`` answers every
    request with the first page.

    ``span`` is how 31 days are counted: ``seconds`` (31 times 24 hours, to the second), ``days``
    (whole days that pass, the rest dropped: up to a second less than 32), ``dates`` (the calendar
    dates that a span touches: 31 times 24 hours touch 32 and are refused) or ``none`` (any span).

    ``hours_ahead`` is by how many hours the dates that rows show are ahead of those that startTime
    and endTime filter: 8 is a tenant that shows +8 and filters in UTC.

    ``content_type`` is that of the answers of the AICC operations. Errors of the platform and of
    gateways keep theirs.

    ``created_ahead`` is by how many seconds the dates of new cases are ahead of this machine's
    clock: the tenant's own clock is off, or it writes the time of another zone. ``date_ahead`` is
    the same for the header ``Date`` of answers; None: they have none. ``title_form`` is how the
    titles of new cases are written: ``kept``, ``escaped`` (as in HTML), ``decomposed`` (NFD),
    ``plane_0`` (a question mark for each emoji), ``upper`` or ``cut`` (to 100 characters).

    ``one_token`` is a tenant that keeps one token per app: a sign-in ends the token of the one
    before. ``gateway`` is whether Huawei's gateway is before the tenant: every answer has its
    ``X-Request-Id``, and tells the quota to who asks with ``X-Apig-Mode: debug``.
    """

    date_field: str = attrs.field(default="createdDate", validator=one_of(DATE_EXPRESSIONS))
    order: str = attrs.field(default="created", validator=one_of(ROW_ORDERS))
    over_limit: str = attrs.field(
        default="documented", validator=one_of(("documented", "clamp", "refuse"))
    )
    count_offset: int = 0
    count_drift: int = 0
    max_count: int | None = attrs.field(default=None, validator=optional(at_least(0)))
    deepest_start: int | None = attrs.field(default=None, validator=optional(at_least(0)))
    too_deep: str = attrs.field(default="refuse", validator=one_of(("refuse", "fail", "empty")))
    ignore_start: bool = False
    span: str = attrs.field(default="seconds", validator=one_of(SPAN_RULES))
    hours_ahead: int = 0
    content_type: str = AICC_JSON
    created_ahead: float = 0.0
    date_ahead: float | None = 0.0
    title_form: str = attrs.field(default="kept", validator=one_of(TITLE_FORMS))
    one_token: bool = False
    gateway: bool = False

    @property
    def is_unstable(self) -> bool:
        """Return whether equal requests get different answers though nothing was written."""
        return self.order.startswith("shuffled") or self.count_drift != 0


@attrs.frozen(kw_only=True)
class Readings:
    """The tenant's reading of the Case 2.0 family and of Q-Flow. Assign another one at any time.

    ``wrapped`` is whether the lists (case types, tasks, report) come as an array of one object, as
    case/list does, or as that object.

    ``task_rows`` is the key that holds the rows of task/list: ``taskList``, ``tasks``, or ``bare``:
    the result is the array of rows itself, without a count.

    ``task_created`` is the answer to the creation of a task: an object with ``taskId`` or ``id``,
    the bare ``text`` of the id, or ``none``: no result at all.

    ``task_detail`` is the verb of the task's detail: ``GET``, ``POST`` or ``both``. With another
    verb there is no such path.

    ``swap_statistics`` swaps the paths of the two statistics; each keeps its verb.

    ``platform`` is whether the platform's own route counts cases for this account: it ``answers``,
    ``refuses`` with HTTP 403, or is ``absent``: there is no such path.

    ``qflow_login`` is whether Q-Flow requires a token of ``Users/Token`` or ``Users/LoginQFlow``;
    ``qflow_header`` is the header that carries it, after the text ``qflow_prefix``.
    """

    wrapped: bool = True
    task_rows: str = attrs.field(
        default="taskList", validator=one_of(("taskList", "tasks", "bare"))
    )
    task_created: str = attrs.field(
        default="taskId", validator=one_of(("taskId", "id", "text", "none"))
    )
    task_detail: str = attrs.field(default="both", validator=one_of(("both", "GET", "POST")))
    swap_statistics: bool = False
    platform: str = attrs.field(
        default="absent", validator=one_of(("absent", "answers", "refuses"))
    )
    qflow_login: bool = False
    qflow_header: str = "Authorization"
    qflow_prefix: str = "Bearer "


@attrs.frozen
class Latency:
    """The time before an answer: a mean in seconds; with ``sigma`` above 0, lognormal around it."""

    mean: float
    sigma: float = 0.0

    def draw(self, source: random.Random) -> float:
        """Draw the delay of one answer."""
        if not self.sigma:
            return self.mean
        # The mean of a lognormal distribution is exp(mu + sigma²/2), solved for mu.
        mu = math.log(self.mean) - self.sigma**2 / 2
        return source.lognormvariate(mu, self.sigma)


class Settings(Protocol):
    """The settings that may be assigned while a tenant runs, read anew for every request.

    An ``Emulator`` has them all. The parts that answer requests get this view of it, so that
    they need not import it.
    """

    client_id: ClassVar[str]
    client_secret: ClassVar[str]
    seed: int
    quota: int | Bucket | FixedWindow | None
    retry_after: str | None
    latency: Latency | None
    newest_first: bool
    start_inclusive: bool
    end_inclusive: bool
    max_limit: int
    list_lag: float
    quirks: Quirks
    readings: Readings


@attrs.frozen(kw_only=True)
class PageRules:
    """Everything that a page depends on beside its request and the store.

    It is frozen and compared by value, as a part of the version that a kept page belongs to.
    """

    newest_first: bool
    start_inclusive: bool
    end_inclusive: bool
    max_limit: int
    list_lag: float
    quirks: Quirks

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the rules that a tenant is set to now."""
        return cls(
            newest_first=settings.newest_first,
            start_inclusive=settings.start_inclusive,
            end_inclusive=settings.end_inclusive,
            max_limit=settings.max_limit,
            list_lag=settings.list_lag,
            quirks=settings.quirks,
        )
