"""Leases on keys: renewed in time, and what is sent under one that has ended is cancelled."""

from __future__ import annotations

import asyncio

import pytest

from aicc_async import JournalError, RequestTimeout, UnknownOutcome
from aicc_async.journal.leases import Lease, LeaseKeeper


def lease_of(seconds: float) -> Lease:
    """Return a lease that ends so many seconds from now."""
    found = Lease("k", "d")
    found.extend(asyncio.get_running_loop().time() + seconds)
    return found


@pytest.mark.looptime
async def test_leases_are_renewed_at_a_third() -> None:
    """What is held is renewed three times in a lease, until it is dropped."""
    loop, times = asyncio.get_running_loop(), []

    async def renew(holds: list[Lease]) -> set[str]:
        times.append((round(loop.time() - began), [each.key for each in holds]))
        return set()

    keeper, began = LeaseKeeper(30, renew), loop.time()
    lease = keeper.add("k", "d")
    keeper.add("not claimed yet", "d")
    keeper.start(lease, began)
    async with lease.sending():
        await asyncio.sleep(45)
    keeper.drop("k")
    await keeper.close()

    assert times == [(10, ["k"]), (20, ["k"]), (30, ["k"]), (40, ["k"])]


@pytest.mark.looptime
@pytest.mark.parametrize(("works", "after"), [(True, 10), (False, 30)])
async def test_a_lost_lease_cancels_what_is_sent(works: bool, after: int) -> None:
    """A lease that is somebody else's ends at the next renewal, one that can't be renewed later."""
    loop = asyncio.get_running_loop()

    async def renew(holds: list[Lease]) -> set[str]:
        if not works:
            raise JournalError("Redis is down")
        return {each.key for each in holds}

    keeper, began = LeaseKeeper(30, renew), loop.time()
    lease = keeper.add("k", "d")
    keeper.start(lease, began)
    with pytest.raises(UnknownOutcome, match="the lease on the key 'k' ended"):
        async with lease.sending():
            await asyncio.sleep(3600)
    await keeper.close()

    assert round(loop.time() - began) == after
    with pytest.raises(JournalError, match="lost"):
        async with lease.sending():
            pytest.fail("a lease that has ended sends nothing")


@pytest.mark.looptime
async def test_other_failures_and_cancellation_pass_a_lease() -> None:
    """A failure or a cancellation within a lease is not mistaken for its end."""
    with pytest.raises(RequestTimeout):
        async with lease_of(30).sending():
            raise RequestTimeout("no answer")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5), lease_of(30).sending():
            await asyncio.sleep(3600)
