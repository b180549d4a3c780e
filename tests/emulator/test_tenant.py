"""The tenant's own methods, its quota and its latency."""

import json
import random
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from emulator.bare_client import (
    FIRST_PAGE,
    LIST,
    TOKEN,
    BareClient,
    new_case,
    sign_in_form,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async.emulator import Bucket, Emulator, FixedWindow, Latency, run_in_thread
from aicc_async.emulator.faults.quota import Quota


def test_deleting_an_unknown_case() -> None:
    """An unknown id is a KeyError, since it is a mistake of the test."""
    with run_in_thread(cases=0) as tenant, pytest.raises(KeyError):
        tenant.delete("nothing")


async def test_ids_between_times(tenant: Emulator) -> None:
    """Both bounds are included, and the order is createdDate, then id."""
    rows = sorted(tenant.rows(), key=lambda row: (row["createdDate"], row["id"]))
    assert tenant.ids() == [row["id"] for row in rows]
    start, end = rows[10]["createdDate"], rows[20]["createdDate"]
    assert tenant.ids(start, end) == [
        row["id"] for row in rows if start <= row["createdDate"] <= end
    ]


async def test_insert_many_is_all_or_nothing(tenant: Emulator) -> None:
    """If one id exists already, no row of the call is inserted."""
    with pytest.raises(Exception, match="UNIQUE"):
        tenant.insert_many([{"id": "new"}, {"id": tenant.ids()[0]}])
    assert tenant.count() == 300


async def test_requests_are_recorded(client: BareClient) -> None:
    """Each request is kept with its operation, body, time, status, and whether it changed a row."""
    before = time.monotonic()
    await client.list_cases()
    await client.post("/case", new_case())
    await client.post("/case", {})
    kept = [(one.operation, one.status, one.applied) for one in client.tenant.requests]
    assert kept == [("list", 200, False), ("create", 200, True), ("create", 200, False)]
    first = client.tenant.requests[0]
    assert before <= first.at <= time.monotonic()
    assert json.loads(first.body) == {"start": 0, "limit": 100}
    assert first.headers["ACCESS-TOKEN"] == client.headers["access-token"]
    assert client.headers["access-token"] not in repr(first)


async def test_recording_can_be_left_out(http: aiohttp.ClientSession) -> None:
    """Without ``record`` no request is kept."""
    async with Emulator(cases=0, record=False) as tenant:
        await BareClient(tenant, http).list_cases()
        assert tenant.requests == []


async def test_a_database_file_is_kept(tmp_path: Path, http: aiohttp.ClientSession) -> None:
    """A file is seeded once, and continues with new numbers and ids after a restart."""
    database = tmp_path / "tenant.sqlite"
    async with Emulator(cases=20, database=database) as tenant:
        await BareClient(tenant, http).post("/case", new_case(AICC__x__CST="kept"))
        before = tenant.rows()
    async with Emulator(cases=20, database=database) as tenant:
        assert tenant.rows() == before
        client = BareClient(tenant, http)
        await client.post("/case", new_case())
        assert len(await client.ids(AICC__x__CST="kept")) == 1
        assert len({row["caseNo"] for row in tenant.rows()}) == 22


async def test_a_port_in_use_is_an_error(tenant: Emulator) -> None:
    """A second server on the same port fails, and leaves nothing open."""
    with pytest.raises(OSError, match="address"):
        await Emulator(cases=0, port=tenant.port).start()


@settings(deadline=None)
@given(
    limit=st.integers(1, 5),
    gaps=st.lists(st.floats(0, 0.6, allow_nan=False), min_size=1, max_size=40),
)
def test_the_quota_is_strict(limit: int, gaps: list[float]) -> None:
    """No second has more requests than the quota, and none is refused below it."""
    quota, now = Quota(), 0.0
    passed: list[float] = []
    for gap in gaps:
        now += gap
        recent = [at for at in passed if now - at < 1.0]
        admitted = quota.admit(now, limit)
        assert admitted is (len(recent) < limit)
        passed += [now] * admitted
    assert quota.refused == len(gaps) - len(passed)


@given(gaps=st.lists(st.floats(0, 0.6, allow_nan=False), min_size=1, max_size=60))
def test_a_bucket_lets_a_burst_through_and_then_its_rate(gaps: list[float]) -> None:
    """In any span no more than the burst and the refill pass, and none is refused below that."""
    quota, now, passed = Quota(), 0.0, list[float]()
    for gap in gaps:
        now += gap
        has_room = all(
            len(passed) - i + 1 <= 3 + (now - since) * 4 + 1e-6 for i, since in enumerate(passed)
        )
        admitted = quota.admit(now, Bucket(burst=3, per_second=4))
        if admitted:
            passed.append(now)
            assert has_room
        else:
            assert len(passed) >= 3
    assert quota.refused == len(gaps) - len(passed)


@given(gaps=st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=60))
def test_a_fixed_window_begins_anew(gaps: list[float]) -> None:
    """Each minute lets exactly the quota through."""
    quota, now, arrived, passed = Quota(), 0.0, Counter[int](), Counter[int]()
    for gap in gaps:
        now += gap
        arrived[int(now // 60)] += 1
        passed[int(now // 60)] += quota.admit(now, FixedWindow(4))
    assert passed == {minute: min(count, 4) for minute, count in arrived.items()}


def test_the_peak_counts_refused_requests() -> None:
    """The peak counts every arrival of a second, refused ones too."""
    quota = Quota()
    for now in (0.0, 0.5, 0.9, 1.0, 2.5):
        quota.admit(now, 1)
    assert (quota.peak, quota.refused) == (3, 2)


@pytest.mark.parametrize("retry_after", ["1", "Wed, 21 Oct 2026 07:28:00 GMT", None])
@pytest.mark.usefixtures("clock")
async def test_above_the_quota_is_429(http: aiohttp.ClientSession, retry_after: str | None) -> None:
    """Requests above the quota are refused with the literal header; signing in costs nothing."""
    async with Emulator(cases=0, quota=2, retry_after=retry_after) as tenant:
        client = BareClient(tenant, http)
        answers = [await client.send("POST", LIST, FIRST_PAGE) for _ in range(4)]
        async with http.post(f"{tenant.url}{TOKEN}", data=sign_in_form(tenant)) as signed_in:
            assert signed_in.status == 200
    assert [answer.status for answer in answers] == [200, 200, 429, 429]
    assert answers[2].headers.get("Retry-After") == retry_after
    assert (tenant.peak, tenant.refused) == (4, 2)


async def test_latency_delays_the_answer(http: aiohttp.ClientSession) -> None:
    """An answer is delayed by the latency."""
    async with Emulator(cases=0, latency=Latency(0.02)) as tenant:
        before = time.monotonic()
        await BareClient(tenant, http).list_cases()
        assert time.monotonic() - before >= 0.02


def test_latency_has_its_mean() -> None:
    """With a sigma the delays vary around the mean, the same ones for the same seed."""
    latency = Latency(0.05, sigma=0.8)
    delays = [latency.draw(source) for source in [random.Random(1)] for _ in range(20_000)]  # noqa: S311
    assert sum(delays) / len(delays) == pytest.approx(0.05, rel=0.05)
    assert latency.draw(random.Random(1)) == delays[0]  # noqa: S311
    assert Latency(0.05).draw(random.Random(1)) == 0.05  # noqa: S311
