"""Profiles: what is accepted, what a file keeps, and what a client makes of one."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict, fields
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, ConfigError, RateLimit, StaticToken
from aicc_async.emulator import Emulator, Quirks
from aicc_async.profile import Profile

URL = "http://127.0.0.1:1"
PROFILES = st.builds(
    Profile,
    probed=st.none() | st.datetimes(timezones=st.just(UTC)),
    start_inclusive=st.none() | st.booleans(),
    date_field=st.none() | st.sampled_from(["createdDate", "other"]),
    order=st.none() | st.sampled_from(["newest_first", "oldest_first", "neither"]),
    page_size=st.none() | st.integers(1, 2**53),
    deepest_start=st.none() | st.integers(0, 2**53),
    span=st.none() | st.sampled_from(["seconds", "days", "dates", "none"]),
    content_type=st.none() | st.text(st.characters(codec="ascii", categories=["L"]), min_size=1),
    rate=st.none() | st.floats(min_value=0.001, max_value=1e6),
    rate_refused=st.none() | st.floats(min_value=0.001, max_value=1e6),
)


@given(profile=PROFILES)
def test_a_file_keeps_all_of_a_profile(profile: Profile) -> None:
    """What is loaded equals what was saved, and no file is more than plain fields."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "profile.toml")
        profile.save(path)
        assert Profile.load(path) == profile


def test_a_new_profile_knows_nothing() -> None:
    """Every field is unknown until it is found."""
    assert set(asdict(Profile()).values()) == {None}


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"probed": "today"}, "probed: a time"),
        ({"start_inclusive": 1}, "start_inclusive: true or false"),
        ({"count_true": "yes"}, "count_true: true or false"),
        ({"order": "newest"}, "order: one of newest_first"),
        ({"over_limit": 5}, "over_limit: one of clamped"),
        ({"span": "weeks"}, "span: one of seconds"),
        ({"page_size": 0}, "page_size: a whole number of at least 1"),
        ({"page_size": True}, "page_size: a whole number"),
        ({"deepest_start": -1}, "deepest_start: a whole number of at least 0"),
        ({"rate": 0}, "rate: a number above 0"),
        ({"rate": float("inf")}, "rate: a number above 0"),
        ({"date_field": ""}, "date_field: a printable text"),
        ({"content_type": "a\nb"}, "content_type: a printable text"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], text: str) -> None:
    """The message names the field and what fits."""
    with pytest.raises(ConfigError, match=text):
        Profile(**wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("page_size = ", "can't be read: TOMLDecodeError"),
        ("page_sise = 5", "'page_sise' is no field"),
        ("page_size = 0", "profile .*: page_size: a whole number"),
    ],
)
def test_files_that_are_no_profile(tmp_path: Path, text: str, message: str) -> None:
    """A file that is broken, misspelt or out of bounds is a ConfigError that says so."""
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Profile.load(path)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """Neither reading nor writing where nothing can be raises an error of another tree."""
    with pytest.raises(ConfigError, match="can't be read: FileNotFoundError"):
        Profile.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be written: No such file"):
        Profile().save(tmp_path / "none" / "profile.toml")


def test_saving_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to install."""
    monkeypatch.setitem(sys.modules, "tomli_w", None)
    with pytest.raises(ConfigError, match="pip install"):
        Profile().save(tmp_path / "profile.toml")


@pytest.mark.parametrize(
    ("found", "limit"),
    [
        ({}, None),
        ({"rate": 50.0}, None),
        ({"rate_refused": 1.0}, None),
        ({"rate": 10.0, "rate_refused": 12.0}, RateLimit(8)),
        ({"rate": 1.0, "rate_refused": 2.0}, RateLimit(1)),
    ],
)
def test_the_rate_has_a_margin(found: dict[str, Any], limit: RateLimit | None) -> None:
    """A limit follows only from a rate that passed and one that did not."""
    assert Profile(**found).rate_limit == limit


def test_every_field_is_documented() -> None:
    """The docstring explains each field."""
    assert all(f"``{one.name}``" in str(Profile.__doc__) for one in fields(Profile))


# ---- in a client ---------------------------------------------------------------------------


async def test_a_client_takes_a_profile_or_its_file(tmp_path: Path) -> None:
    """A profile, a path and a path as text are the same to a client; nothing is a new profile."""
    profile = Profile(page_size=40, deepest_start=9_900)
    path = tmp_path / "profile.toml"
    profile.save(path)
    for given_ in (profile, path, str(path)):
        async with AICCClient(URL, auth=StaticToken("t"), profile=given_) as aicc:
            assert aicc.profile == profile
    async with AICCClient(URL, auth=StaticToken("t")) as aicc:
        assert aicc.profile == Profile()


@pytest.mark.parametrize("wrong", [{}, 5, False])
def test_a_client_takes_nothing_else(wrong: Any) -> None:
    """What is no profile is refused before anything is sent."""
    with pytest.raises(ConfigError, match="profile: Profile is needed"):
        AICCClient(URL, auth=StaticToken("t"), profile=wrong)


async def test_no_larger_page_is_asked_for() -> None:
    """Where a limit above the tenant's is refused, everything can still be read."""
    refusing = Quirks(over_limit="refuse")
    async with Emulator(cases=90, max_limit=40, quirks=refusing) as tenant:
        auth = StaticToken(tenant.token())
        async with AICCClient(tenant.url, auth=auth, profile=Profile(page_size=40)) as aicc:
            assert len((await aicc.list_cases()).cases) == 40
            assert sorted([case.id async for case in aicc.iter_cases()]) == sorted(tenant.ids())


async def test_the_rate_is_kept() -> None:
    """A client with the rate of a profile stays below a quota that it would else run into."""
    async with Emulator(cases=10, quota=5) as tenant:
        auth, profile = StaticToken(tenant.token()), Profile(rate=5, rate_refused=6)
        async with AICCClient(tenant.url, auth=auth, profile=profile) as aicc:
            for _ in range(6):
                await aicc.list_cases()
            assert (aicc.stats.throttled, tenant.peak) == (0, 4)


async def test_a_rate_that_is_given_goes_before() -> None:
    """What the caller says counts more than what was found."""
    async with Emulator(cases=10) as tenant:
        auth, profile = StaticToken(tenant.token()), Profile(rate=1, rate_refused=2)
        given_ = RateLimit(50)
        async with AICCClient(tenant.url, auth=auth, profile=profile, rate_limit=given_) as aicc:
            for _ in range(5):
                await aicc.list_cases()
            assert tenant.peak == 5
