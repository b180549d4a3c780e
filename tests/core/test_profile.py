"""Profiles: what is accepted, what a file keeps, and what a client makes of one."""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from attrs import asdict, fields
from helpers.clock import StoppedClock
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, ConfigError, RateLimit, StaticToken
from aicc_async.emulator import Emulator, Quirks
from aicc_async.settings.profile import Profile

URL = "http://127.0.0.1:1"
PROFILES = st.builds(
    Profile,
    probed=st.none() | st.datetimes(timezones=st.just(UTC)),
    start_inclusive=st.none() | st.booleans(),
    date_field=st.none() | st.sampled_from(["createdDate", "other"]),
    order=st.none() | st.sampled_from(["newest_first", "oldest_first", "neither"]),
    page_size=st.none() | st.integers(1, 2**53),
    max_count=st.none() | st.integers(1, 2**53),
    deepest_start=st.none() | st.integers(0, 2**53),
    span=st.none() | st.sampled_from(["seconds", "days", "dates", "none"]),
    content_type=st.none() | st.text(st.characters(codec="ascii", categories=["L"]), min_size=1),
    missing_codes=st.none() | st.lists(st.text("4567", min_size=1)),
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


START = f"must be an integer from 0 to {2**53}"
LABEL = "must be a printable text of 1 to 200 characters"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"probed": "today"}, "probed must be a datetime, got str"),
        ({"start_inclusive": 1}, "start_inclusive must be a bool, got int"),
        ({"count_true": "yes"}, "count_true must be a bool, got str"),
        (
            {"order": "newest"},
            "order must be one of newest_first, oldest_first, neither, got 'newest'",
        ),
        ({"over_limit": 5}, "over_limit must be one of clamped, refused, got 5"),
        ({"span": "weeks"}, "span must be one of seconds, days, dates, none, got 'weeks'"),
        ({"page_size": 0}, f"page_size must be an integer from 1 to {2**53}, got 0"),
        ({"page_size": True}, f"page_size must be an integer from 1 to {2**53}, got True"),
        ({"offset_reached": HTTPStatus.OK}, f"offset_reached {START}, got <HTTPStatus.OK: 200>"),
        ({"deepest_start": -1}, f"deepest_start {START}, got -1"),
        ({"missing_codes": 5}, "missing_codes must be texts other than '' and '0', got (5,)"),
        ({"rate": 0}, "rate must be a finite number > 0, got 0"),
        ({"rate": float("inf")}, "rate must be a finite number > 0, got inf"),
        ({"rate": 10**400}, f"rate must be a finite number > 0, got 1{'0' * 79}…"),
        ({"rate_refused": True}, "rate_refused must be a finite number > 0, got True"),
        ({"date_field": ""}, f"date_field {LABEL}, got ''"),
        ({"content_type": "a\nb"}, f"content_type {LABEL}, got 'a\\nb'"),
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any], text: str) -> None:
    """The message names the field and what fits."""
    with pytest.raises(ConfigError) as caught:
        Profile(**wrong)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("page_size = ", "cannot be read: TOMLDecodeError"),
        ("page_sise = 5", "'page_sise' is not a field of a profile"),
        ("page_size = 0", f"page_size must be an integer from 1 to {2**53}, got 0"),
    ],
)
def test_files_that_are_no_profile(tmp_path: Path, text: str, message: str) -> None:
    """A file that is broken, misspelt or out of bounds is a ConfigError that says so."""
    path = tmp_path / "profile.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Profile.load(path)
    assert str(caught.value) == f"profile {path}: {message}"


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    """Neither reading nor writing where nothing can be raises an error of another tree."""
    with pytest.raises(ConfigError, match=r"cannot be read: FileNotFoundError$"):
        Profile.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be written: No such file"):
        Profile().save(tmp_path / "none" / "profile.toml")


def test_a_new_profile_is_private_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    """It says how a tenant can be loaded most; a mode that somebody chose stays."""
    path = tmp_path / "profile.toml"
    Profile(page_size=50).save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    Profile(page_size=60).save(path)
    assert (Profile.load(path).page_size, path.stat().st_mode & 0o777) == (60, 0o644)


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
    with pytest.raises(
        ConfigError, match=f"^profile must be a Profile, got {type(wrong).__name__}$"
    ):
        AICCClient(URL, auth=StaticToken("t"), profile=wrong)


async def test_no_larger_page_is_asked_for() -> None:
    """Where a limit above the tenant's is refused, everything can still be read."""
    refusing = Quirks(over_limit="refuse")
    async with Emulator(cases=90, max_limit=40, quirks=refusing) as tenant:
        auth = StaticToken(tenant.token())
        async with AICCClient(tenant.url, auth=auth, profile=Profile(page_size=40)) as aicc:
            assert len((await aicc.list_cases()).cases) == 40
            assert sorted([case.id async for case in aicc.iter_cases()]) == sorted(tenant.ids())


async def test_the_rate_is_kept(clock: StoppedClock) -> None:
    """A client with the rate of a profile stays below a quota that it would else run into."""
    async with Emulator(cases=10, quota=5) as tenant:
        auth, profile = StaticToken(tenant.token()), Profile(rate=5, rate_refused=6)
        async with AICCClient(tenant.url, auth=auth, profile=profile) as aicc:
            for _ in range(6):
                await clock.run(aicc.list_cases())
            assert (aicc.stats.throttled, tenant.peak) == (0, 4)


async def test_a_rate_that_is_given_goes_before(clock: StoppedClock) -> None:
    """What the caller says counts more than what was found."""
    async with Emulator(cases=10) as tenant:
        auth, profile = StaticToken(tenant.token()), Profile(rate=1, rate_refused=2)
        given_ = RateLimit(50)
        async with AICCClient(tenant.url, auth=auth, profile=profile, rate_limit=given_) as aicc:
            for _ in range(5):
                await clock.run(aicc.list_cases())
            assert tenant.peak == 5


@pytest.mark.parametrize(
    ("zone", "offset", "probed"),
    [
        ("UTC", 8.0, None),
        ("Asia/Kolkata", 5.75, None),
        ("America/Los_Angeles", 0, None),
        # In winter; in summer it is +2 h.
        ("Europe/Berlin", 2.0, datetime(2025, 1, 15, tzinfo=UTC)),
    ],
)
def test_a_zone_behind_the_profiles_offset_is_warned_of(
    zone: str, offset: float, probed: datetime | None
) -> None:
    """The client's making says once that both can't be right, and names both."""
    profile = Profile(utc_offset=offset, probed=probed)
    with pytest.warns(RuntimeWarning) as caught:
        AICCClient(URL, auth=StaticToken("t"), timezone=zone, profile=profile)
    [text] = [str(warning.message) for warning in caught]
    assert text.startswith(f"timezone {zone} is ")
    assert f"utc_offset says that rows are dated by a clock of {offset:+g} h" in text


@pytest.mark.parametrize(
    ("zone", "offset", "probed"),
    [
        (None, None, None),
        (None, 8.0, None),
        # It is the least that fits.
        (None, 3.0, None),
        ("UTC", 0.0, None),
        ("Europe/Berlin", 2.0, datetime(2025, 7, 15, tzinfo=UTC)),
        ("Europe/Berlin", 1.0, datetime(2025, 1, 15)),  # noqa: DTZ001  (as in an edited file)
    ],
)
def test_a_zone_that_fits_the_profile_is_not_warned_of(
    zone: str | None, offset: float | None, probed: datetime | None
) -> None:
    """Warnings are errors here: none comes where the zone is the offset's, or further ahead."""
    profile = Profile(utc_offset=offset, probed=probed)
    client = AICCClient(URL, auth=StaticToken("t"), timezone=zone, profile=profile)
    assert client.profile == profile
