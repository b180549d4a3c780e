"""What was found out about a tenant: the answers to what the documents leave open, in a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, Self

from attrs import Attribute, asdict, field, fields, frozen

from ._optional import load
from .errors import ConfigError
from .settings import RateLimit

MARGIN = 0.8  # of the rate that passed: what is asked of it by default
_MAX = 2**53


def _known(fits: Callable[[Any], bool], wanted: str) -> Any:
    """Make a field that is unknown (None) until it is found, and fits then."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is not None and not fits(value):
            raise ConfigError(f"{attribute.name}: {wanted} is needed, {value!r} was given")

    return field(default=None, validator=check)


def _flag() -> Any:
    return _known(lambda value: value.__class__ is bool, "true or false")


def _whole(least: int) -> Any:
    def fits(value: Any) -> bool:
        return value.__class__ is int and least <= value <= _MAX

    return _known(fits, f"a whole number of at least {least}")


def _rate() -> Any:
    def fits(value: Any) -> bool:
        return value.__class__ in (int, float) and isfinite(value) and value > 0

    return _known(fits, "a number above 0")


def _one_of(*words: str) -> Any:
    return _known(lambda value: value in words, f"one of {', '.join(words)}")


def _text() -> Any:
    return _known(
        lambda value: value.__class__ is str and 0 < len(value) <= 200 and value.isprintable(),  # noqa: PLR2004
        "a printable text of 1 to 200 characters",
    )


@frozen(kw_only=True)
class Profile:
    """What ``probe`` found out about a tenant; None is unknown. No secrets and no cases.

    ``probed`` is when. ``start_inclusive`` and ``end_inclusive`` say whether a row of the very
    second of ``startTime`` or ``endTime`` is within; ``date_field`` which date they filter, by its
    wire name, or ``other``: one that rows do not show.

    ``order`` is that of ``createdDate``: ``newest_first``, ``oldest_first``, or ``neither``.
    ``order_stable`` says that rows of different seconds came in the same order whenever they were
    asked for, ``ties_stable`` that rows of one second did.

    ``page_size`` is the most rows that a page was seen to hold, ``over_limit`` what happens to a
    ``limit`` above it: ``clamped`` or ``refused``. ``count_stable`` says that the same range was
    announced with the same total each time, ``count_true`` that as many rows came.

    ``deepest_start`` is the deepest offset that was answered where deeper ones were not (0: the
    offset is ignored, the first page comes always), ``offset_reached`` the deepest one answered; if
    only that is known, no bound was met: it is that of the last page.

    ``span`` is how the 31 days of a range are counted: ``seconds`` (31 times 24 hours), ``days``
    (a part of a day more is accepted), ``dates`` (31 calendar dates may be touched, 31 times 24
    hours touch 32), ``none`` (40 days were accepted). ``content_type`` is that of the answers.

    ``rate`` is how many requests a second were answered, for a second or more, ``rate_refused`` the
    rate that met HTTP 429; None: none did.
    """

    probed: datetime | None = _known(lambda value: isinstance(value, datetime), "a time")  # noqa: RUF009  (a field)
    start_inclusive: bool | None = _flag()
    end_inclusive: bool | None = _flag()
    date_field: str | None = _text()
    order: str | None = _one_of("newest_first", "oldest_first", "neither")
    order_stable: bool | None = _flag()
    ties_stable: bool | None = _flag()
    page_size: int | None = _whole(1)
    over_limit: str | None = _one_of("clamped", "refused")
    count_stable: bool | None = _flag()
    count_true: bool | None = _flag()
    deepest_start: int | None = _whole(0)
    offset_reached: int | None = _whole(0)
    span: str | None = _one_of("seconds", "days", "dates", "none")
    content_type: str | None = _text()
    rate: float | None = _rate()
    rate_refused: float | None = _rate()

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a profile; ConfigError says what is wrong with the file, and which field."""
        import tomllib  # noqa: PLC0415  (12 ms that most clients need not spend)

        try:
            found = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            kind = type(error).__name__
            raise ConfigError(f"profile {path}: it can't be read: {kind}") from error
        if unknown := found.keys() - {attribute.name for attribute in fields(cls)}:
            raise ConfigError(f"profile {path}: {min(unknown)!r} is no field of a profile")
        try:
            return cls(**found)
        except ConfigError as error:
            raise ConfigError(f"profile {path}: {error}") from None

    def save(self, path: str | PathLike[str]) -> None:
        """Write it as TOML; what is unknown is left out. Needs the extra ``cli``."""
        text: str = load("tomli_w", "cli").dumps(
            asdict(self, filter=lambda _, value: value is not None)
        )
        try:
            Path(path).write_text(text, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"profile {path}: it can't be written: {error.strerror}") from error

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate that passed, less a fifth; None when no request was refused, or none passed."""
        if self.rate is None or self.rate_refused is None:
            return None
        return RateLimit(max(int(self.rate * MARGIN), 1))
