"""Settings: what the documents leave open, what a service may get wrong, and how long it takes."""

import math
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, Self

import attrs
from attrs.validators import ge, in_, optional

from .http.answer import AICC_JSON

MAX_SPAN = timedelta(days=31)

DATE_EXPRESSIONS = {
    "createdDate": "createdDate",
    "closedDate": "json_extract(\"row\", '$.closedDate')",
    "dueDate": "json_extract(\"row\", '$.dueDate')",
    "modifiedDate": "coalesce(json_extract(hidden, '$.modifiedDate'), createdDate)",
}
"""The dates that startTime and endTime may filter on, as SQL; rows do not show modifiedDate."""

ROW_ORDERS = {
    "created": "createdDate {way}, id {way}",
    "modified": f"{DATE_EXPRESSIONS['modifiedDate']} {{way}}, rowid {{way}}",
    "id": "id {way}",
    "shuffled_ties": "createdDate {way}, random()",
    "shuffled": "random()",
}
"""The orders of rows, as SQL; a change gives a row the highest rowid."""

SPAN_RULES: dict[str, Callable[[datetime, datetime], bool]] = {
    "seconds": lambda start, end: end - start > MAX_SPAN,
    "days": lambda start, end: (end - start).days > MAX_SPAN.days,
    "dates": lambda start, end: (end.date() - start.date()).days + 1 > MAX_SPAN.days,
    "none": lambda _start, _end: False,
}
"""Whether a span is too long, by how 31 days are counted."""


@attrs.frozen(kw_only=True)
class Quirks:
    """How case/list deviates; the default is well-behaved. Assign another one at any time.

    `date_field` is the date that startTime and endTime filter on, a key of `DATES`: a row without
    it is in no window. `modifiedDate` is shown nowhere; it is the moment of the last modify, and of
    a seeded case its closing, its suspension or else its creation.

    `order` is a key of `ORDERS`: `created` (by createdDate and id), `modified` (a modify moves a
    row to one end), `id` (stable, but by no date), `shuffled_ties` (rows of one second come in
    another order at every request), `shuffled` (all rows do). `newest_first` gives the direction.

    `over_limit` is what happens to a limit above the tenant's `max_limit`: `documented` refuses it
    above 100 and gives fewer rows below, `clamp` gives fewer rows, `refuse` refuses it.

    `count_offset` is added to every announced count, and `count_drift` once more at every request:
    the k-th one announces k times as much more. No count is announced below 0.

    A page that begins beyond row `deepest_start` is refused, or with `too_deep="empty"` empty (its
    count is as ever). `ignore_start` answers every request with the first page.

    `span` is how 31 days are counted: `seconds` (31 times 24 hours, to the second), `days` (whole
    days that pass, the rest dropped: up to a second less than 32), `dates` (the calendar dates that
    a span touches: 31 times 24 hours touch 32 and are refused), `none` (any span).

    `content_type` is that of the answers of the AICC operations; errors of the platform and of
    gateways keep theirs.
    """

    date_field: str = attrs.field(default="createdDate", validator=in_(DATE_EXPRESSIONS))
    order: str = attrs.field(default="created", validator=in_(ROW_ORDERS))
    over_limit: str = attrs.field(
        default="documented", validator=in_(("documented", "clamp", "refuse"))
    )
    count_offset: int = 0
    count_drift: int = 0
    deepest_start: int | None = attrs.field(default=None, validator=optional(ge(0)))
    too_deep: str = attrs.field(default="refuse", validator=in_(("refuse", "empty")))
    ignore_start: bool = False
    span: str = attrs.field(default="seconds", validator=in_(SPAN_RULES))
    content_type: str = AICC_JSON

    @property
    def is_unstable(self) -> bool:
        """Say whether the same request is answered differently though nothing was written."""
        return self.order.startswith("shuffled") or self.count_drift != 0


@attrs.frozen(kw_only=True)
class Readings:
    """The tenant's reading of the Case 2.0 family and of Q-Flow. Assign another one at any time.

    `wrapped` says whether the lists (case types, tasks, report) come as an array of one object, as
    case/list does, or as that object.

    `task_rows` is what holds the rows of task/list: `taskList`, `tasks`, or `bare`: the result is
    the array of rows itself, without a count.

    `task_created` is what a created task is answered with: an object with `taskId` or `id`, the
    bare `text` of the id, or `none`: no result at all.

    `task_detail` is the verb of the task's detail: `GET`, `POST` or `both`; with another verb there
    is no such path.

    `swap_statistics` swaps the paths of the two statistics; each keeps its verb.

    `qflow_login` says whether Q-Flow wants a token of `Users/Token` or `Users/LoginQFlow`;
    `qflow_header` is the header that carries it, after the text `qflow_prefix`.
    """

    wrapped: bool = True
    task_rows: str = attrs.field(default="taskList", validator=in_(("taskList", "tasks", "bare")))
    task_created: str = attrs.field(
        default="taskId", validator=in_(("taskId", "id", "text", "none"))
    )
    task_detail: str = attrs.field(default="both", validator=in_(("both", "GET", "POST")))
    swap_statistics: bool = False
    qflow_login: bool = False
    qflow_header: str = "Authorization"
    qflow_prefix: str = "Bearer "


@attrs.frozen
class Latency:
    """A mean in seconds; with `sigma` above 0, lognormal around that mean."""

    mean: float
    sigma: float = 0.0

    def draw(self, source: random.Random) -> float:
        """Draw the delay of one answer."""
        if not self.sigma:
            return self.mean
        centre = math.log(self.mean) - self.sigma**2 / 2
        return source.lognormvariate(centre, self.sigma)


class Settings(Protocol):
    """What may be assigned while a tenant runs: read anew for every request."""

    seed: int
    quota: int | None
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
    """All that decides on a page beside its request and the store."""

    newest_first: bool
    start_inclusive: bool
    end_inclusive: bool
    max_limit: int
    list_lag: float
    quirks: Quirks

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take what a tenant is set to now."""
        return cls(
            newest_first=settings.newest_first,
            start_inclusive=settings.start_inclusive,
            end_inclusive=settings.end_inclusive,
            max_limit=settings.max_limit,
            list_lag=settings.list_lag,
            quirks=settings.quirks,
        )
