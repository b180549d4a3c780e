"""The client page's service: one client for the application, one case for each Idempotency-Key."""

from __future__ import annotations

import asyncio
import runpy
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from helpers.recipes import recipe

from aicc_async import AICCClient, ConfigError
from aicc_async.emulator import Emulator, Fault, Latency

Caller = TestClient[web.Request, web.Application]
CASE = {
    "title": "Parcel lost",
    "description": "It did not come.",
    "type": "cvmC0000014Oc9jgT7ZI",
    "contact_id": "ciIy0000013y7cC8T2rA",
    "creator_id": "10gg00000148PCjKVDAu",
}


@pytest.fixture
def service(tenant: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Read the page's file in a folder of its own, with the tenant in the environment."""
    (tmp_path / "service.py").write_text(recipe("service.py"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AICC_BASE_URL", tenant.url)
    monkeypatch.setenv("AICC_CLIENT_ID", tenant.client_id)
    monkeypatch.setenv("AICC_CLIENT_SECRET", tenant.client_secret)
    monkeypatch.setenv("AICC_TIMEZONE", "Asia/Shanghai")
    return runpy.run_path("service.py")


@pytest.fixture
async def caller(service: dict[str, Any]) -> AsyncIterator[Caller]:
    """Serve it on a socket."""
    async with TestClient(TestServer(service["app"])) as client:
        yield client


async def post(caller: Caller, key: str | None, **changes: object) -> tuple[int, dict[str, str]]:
    """Ask for a case."""
    headers = {} if key is None else {"Idempotency-Key": key}
    async with caller.post("/cases", json=CASE | changes, headers=headers) as answer:
        return answer.status, await answer.json()


async def test_the_same_key_twice_makes_one_case(caller: Caller, tenant: Emulator) -> None:
    """The second request gets the first one's answer."""
    first, second = await post(caller, "order-1"), await post(caller, "order-1")

    assert first == second
    assert first[0] == 200
    assert tenant.ids().count(first[1]["id"]) == 1
    assert tenant.count() == 301


async def test_fifty_at_once_make_one_case_for_each_key(caller: Caller, tenant: Emulator) -> None:
    """Requests that come together, each key five times, get the one case of their key."""
    tenant.latency = Latency(0.01)
    keys = [f"order-{number % 10}" for number in range(50)]
    asked = (post(caller, key, title=f"Parcel {key}") for key in keys)
    answers = await asyncio.gather(*asked)

    assert {status for status, _ in answers} == {200}
    assert len({(key, answer["id"]) for key, (_, answer) in zip(keys, answers, strict=True)}) == 10
    assert tenant.count() == 310


async def test_a_lost_answer_is_504_and_the_same_key_finds_the_case(
    caller: Caller, tenant: Emulator
) -> None:
    """What may have happened is not answered with a success; asked again, it is looked for."""
    tenant.fail("create", Fault.DROP_AFTER)
    lost, found = await post(caller, "order-1"), await post(caller, "order-1")

    assert lost[0] == 504
    assert found[0] == 200
    assert found[1]["id"] in tenant.ids()
    assert tenant.count() == 301


async def test_a_case_that_may_still_show_is_503_with_the_time_to_ask_again(
    caller: Caller, tenant: Emulator
) -> None:
    """No handler waits for minutes: the caller is told when the same key will know."""
    tenant.fail("create", Fault.DROP_BEFORE)
    assert (await post(caller, "order-1"))[0] == 504
    headers = {"Idempotency-Key": "order-1"}
    async with caller.post("/cases", json=CASE, headers=headers) as answer:
        assert answer.status == 503
        assert 0 < int(answer.headers["Retry-After"]) <= 180


@pytest.mark.parametrize(
    ("key", "changes"),
    [(None, {}), ("order-1", {"title": "x" * 129}), ("order-1", {"no_such_field": 1})],
)
async def test_bad_input_is_422_and_nothing_is_sent(
    caller: Caller, tenant: Emulator, key: str | None, changes: dict[str, object]
) -> None:
    """A missing key, a bound that is broken and an unknown field are the caller's to correct."""
    status, answer = await post(caller, key, **changes)

    assert status == 422
    assert answer["error"]
    assert tenant.requests == []


async def test_no_json_is_422(caller: Caller) -> None:
    """A body that is not JSON at all is the caller's to correct as well."""
    async with caller.post("/cases", data=b"{", headers={"Idempotency-Key": "k"}) as answer:
        assert answer.status == 422


async def test_a_refusal_is_502_and_the_key_may_be_used_again(
    caller: Caller, tenant: Emulator
) -> None:
    """What the service refuses is its own failure, and the same key may succeed later."""
    tenant.fail("create", Fault.BUSINESS_ERROR)
    refused, made = await post(caller, "order-1"), await post(caller, "order-1")

    assert refused[0] == 502
    assert made[0] == 200
    assert tenant.count() == 301


async def test_shutdown_closes_the_client(service: dict[str, Any]) -> None:
    """The application's end is the client's, and its journal's."""
    async with TestClient(TestServer(service["app"])) as caller:
        await post(caller, "order-1")
        client: AICCClient = service["app"][service["AICC"]]

    with pytest.raises(ConfigError, match="the client is closed"):
        await client.get_case("1")
    assert not list(Path().glob("cases.journal-owner-*"))  # noqa: ASYNC240  (a glance)
