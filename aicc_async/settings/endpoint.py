"""How fast, how often, how long, where to: each setting is checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from attrs import Attribute, field, frozen
from yarl import URL

from .._ratelimit.budget import REQUEST_PRIORITIES, RequestPriority, SharedBudget
from .._validators import check, integer, kind, number, one_of, shown
from ..errors import ConfigError
from .network import NetworkSettings, is_this_machine

# The sample's spelling of the auto-assign flag, and the table's (document 000).
AUTO_ASSIGN = ("isAutoAssigned", "isAtuoAssigned")


@frozen
class RateLimit:
    """At most ``limit`` requests in any ``per`` seconds.

    Every attempt counts, sign-in included. The default spaces by the time of sending, plus what an
    answer took longer than the quickest one did, 20 ms at the most in the long run: enough on a
    calm network, but a request that is held up for longer may meet a 429. It takes 1 to 2 % longer
    than the limit allows. ``strict=True`` gives a slot back only ``per`` seconds after the
    *answer*: that is sure under any delay, and costs the latency. With answers after 80 ms and
    ``per`` of a second it takes 1.08 times as long, which no way of sending can avoid: until the
    answer, the request may arrive at any moment.

    With ``shared`` (``connectors.redis.RedisBudget``) the limit is that of all processes that share
    the budget. ``priority`` says who goes first there: ``bulk`` leaves a tenth of the limit (one at
    least) to the others until a minute after their last call, ``interactive`` and ``worker`` may
    take all; each priority has a queue of its own, and processes take turns.
    ``with request_priority("interactive"):`` sets it for single calls. Nothing is bulk unless it
    says so: not even an export, but for the command line's. When workers take all, bulk still gets
    about a fifth, however many processes read in bulk.

    ``ceiling`` makes it an adaptive one, see ``adaptive``.

    After a rest ``limit`` requests may leave at once, or ``burst``. A quota that counts as nginx's
    ``limit_req`` does refuses the second of two that arrive together, however few they are:
    ``burst=1`` spaces all requests evenly. Exports and iterators do so in any case, and so does
    everybody once the limit is used fully, or after a refusal.
    """

    limit: int = field(validator=integer(1))
    per: float = field(default=1.0, validator=number(0.001), kw_only=True)
    strict: bool = field(default=False, validator=kind(bool), kw_only=True)
    shared: SharedBudget | None = field(
        default=None, validator=kind(SharedBudget, type(None)), kw_only=True
    )
    priority: RequestPriority = field(
        default="worker", validator=one_of(*REQUEST_PRIORITIES), kw_only=True
    )
    ceiling: int | None = field(default=None, kw_only=True)
    burst: int | None = field(default=None, kw_only=True)

    @ceiling.validator
    def _check_ceiling(self, attribute: Attribute[Any], value: object) -> None:
        if value is not None:
            integer(self.limit)(self, attribute, value)

    @burst.validator
    def _check_burst(self, attribute: Attribute[Any], value: object) -> None:
        if value is not None:
            integer(1, self.limit)(self, attribute, value)

    def __attrs_post_init__(self) -> None:
        if self.burst is not None and (self.shared is not None or self.ceiling is not None):
            other = "ceiling" if self.shared is None else "shared"
            raise ConfigError(f"burst={self.burst} cannot be combined with {other}=…")
        if self.strict and (self.shared is not None or self.ceiling is not None):
            other = "ceiling" if self.shared is None else "shared"
            raise ConfigError(f"strict=True cannot be combined with {other}=…")

    @classmethod
    def adaptive(
        cls,
        start: int = 5,
        ceiling: int = 50,
        *,
        per: float = 1.0,
        shared: SharedBudget | None = None,
        priority: RequestPriority = "worker",
    ) -> Self:
        """Return a limit that finds the quota: up from ``start`` while it is used, down on a 429.

        It rises by nine tenths at a time until the first refusal, then by a quarter, and stays just
        below what was refused. That is tried again every 8 to 12 seconds, and more seldom where
        that would be less than 120 requests, or where a refusal asks for a long pause. A trial may
        cost a few refusals, which are sent again after their ``Retry-After``; others are not held
        back by it.

        How the quota is counted shows in how it refuses: a sliding second at once, a bucket late,
        and a window of a minute even after a pause. Of the latter two the limit is what passed on
        average. A window that is longer, or less than a request per ``per``, is not found. Where a
        refusal names the quota, that is the ceiling.

        With ``shared`` it is found by all processes together, and remembered there. Without, each
        client begins at ``start``: a profile is what ``probe`` found out, and no client writes it.
        """
        return cls(start, per=per, shared=shared, priority=priority, ceiling=ceiling)


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how long a request is tried.

    ``attempts`` counts the first one; with 1 nothing is ever sent again. ``deadline`` bounds one
    call in seconds, waits between attempts included. It does not include what a call waits for
    before an attempt: a place among ``max_concurrency``, the rate limit, a sign-in; nor the search
    for a case that may have been made. ``aicc_async.deadline`` bounds all of that. Waits are drawn
    from 0 to ``base`` (twenty times that after a refusal), doubled at each attempt (full jitter),
    at most ``cap``; a ``Retry-After`` is honoured up to ``max_retry_after`` seconds. An answer that
    asks for more, or for more than is left of the deadline, ends the call at once.

    A refusal with HTTP 429 costs no attempt: the call goes on until its deadline, and everybody is
    slowed down. ``patience`` is for how many seconds of an outage (errors of the service, no
    connection) the requests of exports and iterators are tried, whatever ``attempts`` says; with 0
    they are as any other.
    """

    attempts: int = field(default=5, validator=integer(1))
    deadline: float = field(default=300.0, validator=number(0.001))
    base: float = field(default=0.05, validator=number(0))
    cap: float = field(default=30.0, validator=number(0))
    max_retry_after: float = field(default=120.0, validator=number(0))
    patience: float = field(default=300.0, validator=number(0))


@frozen(kw_only=True)
class Timeouts:
    """Seconds to connect, and seconds without a byte (a server-side script may take 3 minutes).

    A case in detail, and what must not be sent twice, is answered in a few kilobytes: ``read``
    bounds the whole answer then.
    """

    connect: float = field(default=10.0, validator=number(0.001))
    read: float = field(default=200.0, validator=number(0.001))


def _check_spellings(names: Iterable[str]) -> tuple[str, ...]:
    found = tuple(names) if isinstance(names, Iterable) else ()
    if not found or not all(name in AUTO_ASSIGN for name in found):
        raise ConfigError(
            f"auto_assign must be one or both of {', '.join(AUTO_ASSIGN)}, got {shown(names)}"
        )
    return found


def _check_statuses(statuses: Iterable[int]) -> tuple[int, ...]:
    found = tuple(statuses) if isinstance(statuses, Iterable) else (statuses,)
    if not all(status.__class__ is int and 400 <= status <= 599 for status in found):  # noqa: PLR2004
        raise ConfigError(
            f"throttle_statuses must be HTTP statuses from 400 to 599, got {shown(statuses)}"
        )
    return found


def as_codes(codes: Iterable[str]) -> tuple[str, ...]:
    """Return codes, or the only one, as a tuple; ``check_codes`` sees what is in it."""
    is_one = isinstance(codes, str) or not isinstance(codes, Iterable)
    return (codes,) if is_one else tuple(codes)  # type: ignore[return-value]  # checked after it


def check_codes(_: object, attribute: Attribute[Any], codes: tuple[str, ...]) -> None:
    """Refuse what cannot be the ``resCode`` of a refusal."""
    if not all(isinstance(code, str) and code not in {"", "0"} for code in codes):
        raise ConfigError(
            f"{attribute.name} must be texts other than '' and '0', got {shown(codes)}"
        )


@frozen(kw_only=True)
class Dialect:
    """What a tenant speaks where the documents contradict each other.

    ``auto_assign`` names the spellings of the auto-assign flag that a create sends: the table and
    the sample of document 000 differ, so both are sent unless told otherwise. ``task_detail`` is
    the verb that reads one task: the Chinese page says GET, the English one POST.
    ``swap_statistics`` exchanges the paths ``statistics/case/current`` and
    ``statistics/case/report``: each of the vendor's two pages claims the other's.
    ``throttle_statuses`` are HTTP statuses beside 429 that refuse a request for haste alone, so
    that anything may be sent again after one: ``(503,)`` where a gateway such as nginx keeps the
    quota and was not told another status. Without it, nginx's own 503s are known by their bursts.
    ``throttle_codes`` are a ``resCode`` each that does the same, with whatever status.
    ``missing_codes`` are those for a record that does not exist: NotFoundError, as HTTP 404.
    """

    auto_assign: tuple[str, ...] = field(default=AUTO_ASSIGN, converter=_check_spellings)
    task_detail: Literal["GET", "POST"] = field(default="GET", validator=one_of("GET", "POST"))
    swap_statistics: bool = field(default=False, validator=kind(bool))
    throttle_statuses: tuple[int, ...] = field(default=(), converter=_check_statuses)
    throttle_codes: tuple[str, ...] = field(default=(), converter=as_codes, validator=check_codes)
    missing_codes: tuple[str, ...] = field(default=(), converter=as_codes, validator=check_codes)


@frozen(kw_only=True)
class Endpoint:
    """Where a service is, and what may be asked of it at once."""

    base_url: str
    max_concurrency: int = field(default=8, validator=integer(1))
    rate_limit: RateLimit | None = field(default=None, validator=kind(RateLimit, type(None)))
    retry: RetryPolicy = field(factory=RetryPolicy, validator=kind(RetryPolicy))
    timeouts: Timeouts = field(factory=Timeouts, validator=kind(Timeouts))
    network: NetworkSettings = field(factory=NetworkSettings, validator=kind(NetworkSettings))
    max_body: int = field(default=64 * 2**20, validator=integer(1))
    throttle_statuses: tuple[int, ...] = ()
    throttle_codes: tuple[str, ...] = ()
    missing_codes: tuple[str, ...] = ()


def check_base_url(text: str, *, allow_http: bool = False) -> str:
    """Return a base URL without a slash at its end, once it is checked.

    Only https, or http to this machine, unless ``allow_http``: a token must not travel in clear.
    """
    check("allow_http", allow_http, kind(bool))
    try:
        url = URL(text)
        # A name in punycode is decoded here.
        host = url.host
    except (TypeError, ValueError, IndexError):
        # "0://[]@" is an IndexError of yarl.
        raise ConfigError("base_url must be an https URL such as 'https://host'") from None
    if url.scheme not in {"http", "https"} or not host or " " in host:
        raise ConfigError("base_url must be an https URL such as 'https://host'")
    if url.user is not None or url.password is not None or url.query_string or url.fragment:
        raise ConfigError("base_url must not hold a user, a password, a query or a fragment")
    if url.scheme != "https" and not allow_http and not is_this_machine(host):
        raise ConfigError(f"base_url must be https for {host}, unless allow_http=True")
    return str(url).rstrip("/")


def domain_of(base_url: str) -> str:
    """Return the host of a checked URL, and its port if it is not the usual one."""
    return URL(base_url).host_port_subcomponent or ""


def find_zone(name: str | ZoneInfo) -> ZoneInfo:
    """Return the zone of the IANA database that has this name."""
    try:
        return name if isinstance(name, ZoneInfo) else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ConfigError(
            f"timezone must be an IANA name such as 'Asia/Shanghai', got {shown(name)}"
        ) from None
