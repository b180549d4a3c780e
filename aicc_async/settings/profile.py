"""What was found out about a tenant: the answers to what the documents leave open, in a file.

``aicc-async probe -o profile.toml`` writes one, ``AICC_PROFILE``, ``--profile`` and
``AICCClient(profile=…)`` take it. It holds no secrets and no cases, and may be edited::

    import asyncio

    from aicc_async import AICCClient
    from aicc_async.settings.profile import Profile


    async def main() -> None:
        Profile(page_size=50, rate=10.0, rate_refused=12.0).save("profile.toml")
        async with AICCClient.from_env(profile="profile.toml") as aicc:
            page = await aicc.list_cases()
            print(len(page.cases), "rows in a page;", aicc.profile.rate_limit)


    asyncio.run(main())

It prints::

    50 rows in a page; RateLimit(limit=8, …)

What a client does with it: no page is larger than ``page_size``, and none that is shorter is taken
for all that the service gives at once; ranges are cut so that ``span``
holds. Unless there is a rate limit, four fifths of the ``quota`` that the gateway told are kept, or
where ``rate_refused`` is known four fifths of ``rate``. No window is read that needs an offset
deeper than ``deepest_start`` or announces ``max_count`` rows: it is halved. A create that is in
doubt is looked for by its time only where that is what ``date_field`` filters. A refusal with one
of ``missing_codes`` is a NotFoundError. A ``timezone`` that is behind ``utc_offset`` gives a
RuntimeWarning.
"""

# ruff: noqa: RUF009  (the calls make fields, evaluated once as they should be)

from __future__ import annotations

from datetime import datetime
from os import PathLike
from pathlib import Path
from sys import float_info
from typing import Any, Self

from attrs import Attribute, asdict, converters, field, fields, frozen, validators
from attrs.validators import ge, gt, le

from .._files import create_private
from .._optional import load
from .._validators import MAX_INTEGER, integer, is_a, kind, kind_of, must, one_of, optional, shown
from ..errors import ConfigError
from .endpoint import RateLimit, as_codes, check_codes
from .environment import parse_rate_limit

# Of the rate that passed: what a client uses by default.
SHARE_OF_RATE = 0.8
MAX_LABEL_CHARACTERS = 200
# Between the westernmost and the easternmost zone.
MAX_HOURS = 26

# An int may exceed all floats; the margin of one could not be computed.
_is_rate = must(
    "be a finite number > 0", is_a(int, float, is_exact=True), gt(0), le(float_info.max)
)


_is_hours = must(
    f"be a number from -{MAX_HOURS} to {MAX_HOURS}",
    is_a(int, float, is_exact=True),
    ge(-MAX_HOURS),
    le(MAX_HOURS),
)


def _is_label(_: Any, attribute: Attribute[Any], value: Any) -> None:
    if (
        value.__class__ is not str
        or not 0 < len(value) <= MAX_LABEL_CHARACTERS
        or not value.isprintable()
    ):
        raise ConfigError(
            f"{attribute.name} must be a printable text of 1 to {MAX_LABEL_CHARACTERS} characters, "
            f"got {shown(value)}"
        )


def _is_quota(_: Any, attribute: Attribute[Any], value: Any) -> None:
    try:
        parse_rate_limit(value)
    except (ConfigError, AttributeError):
        raise ConfigError(
            f"{attribute.name} must be like '10' or '600/60', got {shown(value)}"
        ) from None


@frozen(kw_only=True)
class Profile:
    """What ``probe`` found out about a tenant; None is unknown. No secrets and no cases.

    ``probed`` is when. ``start_inclusive`` and ``end_inclusive`` say whether a row of the very
    second of ``startTime`` or ``endTime`` is within; ``date_field`` which date they filter, by its
    wire name, or ``other``: one that rows do not show. ``hours_ahead`` is how many hours the dates
    that rows show are ahead of those that are filtered (8: it shows +8, and filters in UTC): ranges
    cannot be verified then. ``utc_offset`` is how many hours the clock that dates rows is ahead of
    UTC, at least; only known where it is ahead of the client's ``timezone``, which is wrong then.

    ``order`` is that of ``createdDate``: ``newest_first``, ``oldest_first``, or ``neither``.
    ``order_stable`` says that rows of different seconds came in the same order whenever they were
    asked for, ``ties_stable`` that rows of one second did.

    ``page_size`` is the most rows that a page was seen to hold, ``over_limit`` what happens to a
    ``limit`` above it: ``clamped`` or ``refused``. ``count_stable`` says that the same range was
    announced with the same total each time, ``count_true`` that as many rows came. ``max_count`` is
    the most rows of a query that are given and announced, however many match.

    ``deepest_start`` is the deepest offset that was answered where deeper ones were not (0: the
    offset is ignored, the first page comes always), ``offset_reached`` the deepest one answered; if
    only that is known, no bound was met: it is that of the last page.

    ``span`` is how the 31 days of a range are counted: ``seconds`` (31 times 24 hours), ``days``
    (a part of a day more is accepted), ``dates`` (31 calendar dates may be touched, 31 times 24
    hours touch 32), ``none`` (40 days were accepted). ``content_type`` is that of the answers.
    ``missing_codes`` are the ``resCode`` that came for a case that cannot exist, as in ``Dialect``.

    ``quota`` is the lowest that the gateway told when it was asked, as ``AICC_RATE_LIMIT`` is
    written: ``600/60`` is 600 in any 60 seconds. ``rate`` is how many requests a second were
    answered, for a second or more, ``rate_refused`` the rate that met HTTP 429; None: none did.

    ``platform`` is how the platform's own route met a count of cases: ``answered``, or how it was
    refused. Nothing uses it yet.
    """

    probed: datetime | None = optional(kind(datetime))
    start_inclusive: bool | None = optional(kind(bool))
    end_inclusive: bool | None = optional(kind(bool))
    date_field: str | None = optional(_is_label)
    hours_ahead: float | None = optional(_is_hours)
    utc_offset: float | None = optional(_is_hours)
    order: str | None = optional(one_of("newest_first", "oldest_first", "neither"))
    order_stable: bool | None = optional(kind(bool))
    ties_stable: bool | None = optional(kind(bool))
    page_size: int | None = optional(integer(1, MAX_INTEGER, is_exact=True))
    over_limit: str | None = optional(one_of("clamped", "refused"))
    count_stable: bool | None = optional(kind(bool))
    count_true: bool | None = optional(kind(bool))
    max_count: int | None = optional(integer(1, MAX_INTEGER, is_exact=True))
    deepest_start: int | None = optional(integer(0, MAX_INTEGER, is_exact=True))
    offset_reached: int | None = optional(integer(0, MAX_INTEGER, is_exact=True))
    span: str | None = optional(one_of("seconds", "days", "dates", "none"))
    content_type: str | None = optional(_is_label)
    missing_codes: tuple[str, ...] | None = field(
        default=None,
        converter=converters.optional(as_codes),
        validator=validators.optional(check_codes),
    )
    quota: str | None = optional(_is_quota)
    rate: float | None = optional(_is_rate)
    rate_refused: float | None = optional(_is_rate)
    platform: str | None = optional(_is_label)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a profile; ConfigError says what is wrong with the file, and which field."""
        # It takes 12 ms that most clients need not spend.
        import tomllib  # noqa: PLC0415

        try:
            found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"profile {path}: cannot be read: {kind_of(error)}") from error
        if unknown := found.keys() - {attribute.name for attribute in fields(cls)}:
            raise ConfigError(f"profile {path}: {min(unknown)!r} is not a field of a profile")
        try:
            return cls(**found)
        except ConfigError as error:
            raise ConfigError(f"profile {path}: {error}") from None

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as TOML; what is unknown is left out. Needs the extra ``cli``."""
        text: str = load("tomli_w", "cli").dumps(
            asdict(self, filter=lambda _, value: value is not None)
        )
        create_private(Path(path))
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"profile {path}: cannot be written: {error.strerror}") from error

    @property
    def rate_limit(self) -> RateLimit | None:
        """The quota that was told, or else the rate that passed, less a fifth.

        None when neither is known, or when no request was refused.
        """
        if self.quota is not None:
            told = parse_rate_limit(self.quota)
            return RateLimit(max(int(told.limit * SHARE_OF_RATE), 1), per=told.per)
        if self.rate is None or self.rate_refused is None:
            return None
        return RateLimit(max(int(self.rate * SHARE_OF_RATE), 1))
