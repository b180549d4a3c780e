"""Settings: what is refused, and that the refusal says field, bound and what was given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import inf, nan
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs.exceptions import FrozenInstanceError
from hypothesis import example, given
from hypothesis import strategies as st

from aicc_async.errors import ConfigError
from aicc_async.settings import Dialect, RateLimit, RetryPolicy, Timeouts
from aicc_async.settings import endpoint as settings
from aicc_async.settings.endpoint import Endpoint
from aicc_async.settings.environment import (
    parse_dialect,
    parse_environment,
    parse_rate_limit,
    parse_span,
)

Make = Callable[[Any], object]
SECONDS: dict[str, tuple[Make, str]] = {
    "per": (lambda value: RateLimit(1, per=value), "0.001"),
    "deadline": (lambda value: RetryPolicy(deadline=value), "0.001"),
    "base": (lambda value: RetryPolicy(base=value), "0"),
    "cap": (lambda value: RetryPolicy(cap=value), "0"),
    "max_retry_after": (lambda value: RetryPolicy(max_retry_after=value), "0"),
    "connect": (lambda value: Timeouts(connect=value), "0.001"),
    "read": (lambda value: Timeouts(read=value), "0.001"),
}
WHOLE: dict[str, Make] = {
    "limit": RateLimit,
    "attempts": lambda value: RetryPolicy(attempts=value),
    "max_concurrency": lambda value: Endpoint(base_url="https://h", max_concurrency=value),
    "max_body": lambda value: Endpoint(base_url="https://h", max_body=value),
}
KINDS: dict[str, tuple[Make, str]] = {
    "strict": (lambda value: RateLimit(1, strict=value), "bool"),
    "rate_limit": (
        lambda value: Endpoint(base_url="https://h", rate_limit=value),
        "RateLimit or None",
    ),
    "retry": (lambda value: Endpoint(base_url="https://h", retry=value), "RetryPolicy"),
    "timeouts": (lambda value: Endpoint(base_url="https://h", timeouts=value), "Timeouts"),
}
NO_NUMBERS: list[object] = [None, "1", True, nan, inf, -inf, 10**400, -1, [1]]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: repr(value)[:9])
@pytest.mark.parametrize("name", SECONDS)
def test_seconds_are_bounded_numbers(name: str, value: object) -> None:
    """What is no number, or below the bound, or endless, is refused with all that one needs."""
    make, bound = SECONDS[name]

    with pytest.raises(ConfigError) as caught:
        make(value)

    given = repr(value) if value != 10**400 else f"1{'0' * 79}…"
    assert str(caught.value) == f"{name} must be a number from {bound} to 1e+09, got {given}"


@pytest.mark.parametrize("name", SECONDS)
def test_seconds_at_the_bound_are_accepted(name: str) -> None:
    """The bound itself is allowed."""
    make, bound = SECONDS[name]

    assert getattr(make(float(bound)), name) == float(bound)


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", True, None], ids=repr)
@pytest.mark.parametrize("name", WHOLE)
def test_counts_are_whole_and_at_least_one(name: str, value: object) -> None:
    """A count is an int from 1."""
    with pytest.raises(ConfigError) as caught:
        WHOLE[name](value)

    assert str(caught.value) == f"{name} must be an integer >= 1, got {value!r}"


@pytest.mark.parametrize("name", WHOLE)
def test_one_is_enough(name: str) -> None:
    """The least count is accepted."""
    assert getattr(WHOLE[name](1), name) == 1


@pytest.mark.parametrize("name", KINDS)
def test_a_setting_of_another_kind_is_refused(name: str) -> None:
    """A number where settings belong is refused before any request."""
    make, wanted = KINDS[name]

    with pytest.raises(ConfigError) as caught:
        make(5)

    assert str(caught.value) == f"{name} must be a {wanted}, got int"


def test_settings_are_frozen() -> None:
    """A checked setting can't be changed behind the check."""
    policy = RetryPolicy()

    with pytest.raises(FrozenInstanceError):
        policy.attempts = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://service.example", "https://service.example"),
        ("https://service.example/", "https://service.example"),
        ("https://service.example:8443/API/", "https://service.example:8443/API"),
        ("HTTPS://Service.Example", "https://service.example"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ],
)
def test_a_good_base_url_is_kept_without_its_last_slash(text: str, url: str) -> None:
    """Only https, or http to this machine, and a path may follow."""
    assert settings.check_base_url(text) == url


@pytest.mark.parametrize(
    "host", ["service.example", "127.0.0.1.example", "10.0.0.1", "192.0.2.1", "[::2]"]
)
def test_http_to_another_machine_needs_consent(host: str) -> None:
    """A token does not travel in clear unless asked for; the host is named."""
    with pytest.raises(ConfigError, match="allow_http=True") as caught:
        settings.check_base_url(f"http://{host}")

    assert host.strip("[]") in str(caught.value)
    assert settings.check_base_url(f"http://{host}", allow_http=True) == f"http://{host}"


@pytest.mark.parametrize(
    "text",
    [
        *("", "service.example", "//service.example", "ftp://service.example", "https://"),
        *("https:///path", "https://h:port", "https://h:99999", "https://[::1", "https://h t"),
        *("https://h\ud800", "https://xn--", "https://xn--a", 5, None, b"https://h"),
    ],
    ids=ascii,
)
def test_what_is_no_url_is_refused(text: Any) -> None:
    """Anything that has no http scheme and host is told what a URL looks like."""
    with pytest.raises(
        ConfigError, match=r"^base_url must be an https URL such as 'https://host'$"
    ):
        settings.check_base_url(text, allow_http=True)


@pytest.mark.parametrize(
    "text",
    [
        "https://hush@h",
        "https://user:hush@h",
        "https://:hush@h",
        "https://h?token=hush",
        "https://h/#hush",
        "http://hush@127.0.0.1",
        "https://user:hush@h:port",
    ],
)
def test_secrets_in_a_url_are_refused_and_not_repeated(text: str) -> None:
    """A user, password, query or fragment is refused without writing it anywhere."""
    with pytest.raises(
        ConfigError, match=r"^base_url must (be an https URL|not hold a user)"
    ) as caught:
        settings.check_base_url(text)

    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.one_of(st.text(), st.text("htps:/@?#[]%.0a\n ").map("https://h".__add__)))
@example("0://[]@")
def test_any_text_is_a_url_or_a_config_error(text: str) -> None:
    """Nothing but ConfigError comes out of a bad URL, and a good one stays as it came out."""
    try:
        url = settings.check_base_url(text)
    except ConfigError:
        return
    assert settings.check_base_url(url) == url


def test_a_zone_is_found_by_name() -> None:
    """A name of the IANA database, or a zone, is a zone."""
    zone = ZoneInfo("Europe/Berlin")

    assert settings.find_zone("Europe/Berlin") == zone
    assert settings.find_zone(zone) is zone


@pytest.mark.parametrize(
    "name",
    ["", "Nowhere", "Europe", "../UTC", "/etc/hosts", "a\0", "\ud800", 8, None, b"UTC", []],
    ids=ascii,
)
def test_no_zone_is_refused(name: Any) -> None:
    """What names no zone is refused, and named."""
    with pytest.raises(ConfigError) as caught:
        settings.find_zone(name)

    wanted = f"timezone must be an IANA name such as 'Asia/Shanghai', got {name!r}"
    assert str(caught.value) == wanted


@given(st.integers(1, 10**6), st.floats(0.001, 10**6))
def test_a_rate_is_read_back(limit: int, per: float) -> None:
    """A rate written as a text is that rate."""
    assert parse_rate_limit(f"{limit}/{per}") == RateLimit(limit, per=per)
    assert parse_rate_limit(str(limit)) == RateLimit(limit)


@pytest.mark.parametrize("text", ["", "/", "ten", "1.5", "10/", "10/60/2", "/60", "10/minute"])
def test_no_rate_is_refused(text: str) -> None:
    """What is no rate is told what a rate looks like."""
    with pytest.raises(ConfigError) as caught:
        parse_rate_limit(text)

    wanted = f"rate_limit must be like '10' or '600/60', got {text!r}"
    assert str(caught.value) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0", "limit must be an integer >= 1, got 0"),
        ("-1", "limit must be an integer >= 1, got -1"),
        ("1/0", r"per must be a number from 0\.001 to 1e\+09, got 0\.0"),
        ("1/nan", r"per must be a number from 0\.001 to 1e\+09, got nan"),
    ],
)
def test_a_rate_out_of_bounds_is_refused(text: str, says: str) -> None:
    """A rate below its bounds is refused by the name of the part that is wrong."""
    with pytest.raises(ConfigError, match=f"^{says}$"):
        parse_rate_limit(text)


@given(st.one_of(st.text(), st.text("0123456789/.-e ", max_size=9)))
def test_any_text_is_a_rate_or_a_config_error(text: str) -> None:
    """Nothing but ConfigError comes out of a bad rate."""
    try:
        rate = parse_rate_limit(text)
    except ConfigError:
        return
    assert rate.limit >= 1


def test_the_environment_is_read() -> None:
    """All three variables end up where they belong."""
    environ = {
        "AICC_BASE_URL": "https://h",
        "AICC_TIMEZONE": "Europe/Berlin",
        "AICC_RATE_LIMIT": "600/60",
    }
    options = {"timezone": "Europe/Berlin", "rate_limit": RateLimit(600, per=60)}

    assert parse_environment(environ) == ("https://h", options)


def test_empty_variables_are_as_not_set() -> None:
    """An empty variable leaves the default in place."""
    environ = {"AICC_BASE_URL": "https://h", "AICC_TIMEZONE": "", "AICC_RATE_LIMIT": ""}

    assert parse_environment(environ) == ("https://h", {})


@pytest.mark.parametrize("environ", [{}, {"AICC_BASE_URL": ""}])
def test_without_a_base_url_nothing_starts(environ: dict[str, str]) -> None:
    """The one variable that has no default is asked for by name."""
    with pytest.raises(ConfigError, match=r"^AICC_BASE_URL must be set$"):
        parse_environment(environ)


def test_a_dialect_is_read_from_the_environment() -> None:
    """Each field of a dialect can be told in a variable; what is not told is as documented."""
    text = "task_detail=POST  swap_statistics=true auto_assign=isAutoAssigned"
    environ = {"AICC_BASE_URL": "https://h", "AICC_DIALECT": text}
    whole = Dialect(auto_assign=("isAutoAssigned",), task_detail="POST", swap_statistics=True)

    assert parse_environment(environ) == ("https://h", {"dialect": whole})
    assert parse_dialect("task_detail=GET") == Dialect()
    assert parse_dialect("throttle_statuses=503,420") == Dialect(throttle_statuses=(503, 420))
    codes = Dialect(throttle_codes=("APIM.1",), missing_codes=("4041", "4042"))
    assert parse_dialect("throttle_codes=APIM.1 missing_codes=4041,4042") == codes
    assert Dialect(missing_codes="4041").missing_codes == ("4041",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "POST",
            (
                "dialect must name only auto_assign, missing_codes, swap_statistics, task_detail,"
                " throttle_codes, throttle_statuses, got 'POST'"
            ),
        ),
        (
            "missing_codes=1,0",
            r"missing_codes must be texts other than '' and '0', got \('1', '0'\)",
        ),
        (
            "throttle_codes=",
            r"throttle_codes must be texts other than '' and '0', got \('',\)",
        ),
        (
            "throttle_statuses=503,soon",
            r"throttle_statuses must be HTTP statuses from 400 to 599, got \[503, 'soon'\]",
        ),
        (
            "throttle_statuses=200",
            r"throttle_statuses must be HTTP statuses from 400 to 599, got \[200\]",
        ),
        ("task_detail=PUT", "task_detail must be one of GET, POST, got 'PUT'"),
        ("swap_statistics=1", "swap_statistics must be a bool, got str"),
        (
            "auto_assign=x",
            r"auto_assign must be one or both of isAutoAssigned, isAtuoAssigned, got \['x'\]",
        ),
    ],
)
def test_no_dialect_is_refused(text: str, says: str) -> None:
    """What is no dialect is told which field wants what."""
    with pytest.raises(ConfigError, match=f"^{says}$"):
        parse_dialect(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 604_800), ("12h", 43_200), ("5m", 300), ("30s", 30), ("0s", 0)]
)
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    """A number and a unit."""
    assert parse_span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["999999999999d", f"{'9' * 5000}s"])
def test_no_length_of_time_is_beyond_all_bounds(text: str) -> None:
    """One error, whether the number or the time is too long."""
    with pytest.raises(OverflowError):
        parse_span(text)


@given(st.text())
def test_any_text_is_a_length_of_time_or_none(text: str) -> None:
    """What is none is told as such."""
    found = parse_span(text)
    assert (found is None) == (not text[:-1].isdecimal() or text[-1] not in "dhms")
