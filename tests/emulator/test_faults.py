"""Scripted faults: which requests they strike, and what the client reads."""

import asyncio
import random
import zlib
from collections import Counter

import aiohttp
import pytest
from emulator.bare_client import (
    AICC_TYPE,
    FIRST_PAGE,
    LIST,
    OPENAPI,
    BareClient,
    new_case,
)
from helpers.clock import until
from hypothesis import given, settings
from hypothesis import strategies as st

from aicc_async.emulator import Emulator, Fault, Latency
from aicc_async.emulator.faults.answers import replacement_answer
from aicc_async.emulator.faults.script import FAULTS_AFTER_WORK, Script

CUTS = (Fault.DROP_BEFORE, Fault.DROP_AFTER, Fault.CUT_BODY)

HANGS = (Fault.HANG, Fault.HANG_AFTER)

STATUS = {
    Fault.HTTP_500: 500,
    Fault.HTTP_502: 502,
    Fault.HTTP_503: 503,
    Fault.HTTP_504: 504,
    Fault.HTTP_500_AFTER: 500,
    Fault.HTML_200: 200,
    Fault.BUSINESS_ERROR: 200,
    Fault.THROTTLED: 429,
    Fault.TOKEN_EXPIRED_401: 401,
    Fault.TOKEN_EXPIRED_200: 200,
    Fault.TOKEN_EXPIRED_500: 500,
    Fault.REDIRECT: 302,
    Fault.NOT_JSON: 200,
    Fault.BAD_TYPE: 200,
    Fault.GZIP_BOMB: 200,
}


@pytest.mark.parametrize("fault", Fault)
async def test_faults_before_and_after_the_work(client: BareClient, fault: Fault) -> None:
    """A create is applied exactly if the fault says "done", and the record shows it."""
    client.tenant.fail("create", fault)
    sending = asyncio.create_task(client.send("POST", f"{OPENAPI}/case", new_case()))
    if fault in HANGS:
        await until(lambda: client.tenant.requests)
        sending.cancel()
    [end] = await asyncio.gather(sending, return_exceptions=True)
    status = None
    if isinstance(end, BaseException):
        assert isinstance(end, aiohttp.ClientError | asyncio.CancelledError)
    else:
        status = end.status
    assert status == STATUS.get(fault)
    [recorded] = client.tenant.requests
    assert (recorded.status, recorded.applied) == (status, fault in FAULTS_AFTER_WORK)
    assert client.tenant.count() == 300 + (fault in FAULTS_AFTER_WORK)


@pytest.mark.parametrize("fault", CUTS)
async def test_cut_connections(client: BareClient, fault: Fault) -> None:
    """A cut is a reset, an end before the answer, or an end within it."""
    kinds = {
        Fault.DROP_BEFORE: aiohttp.ClientOSError,
        Fault.DROP_AFTER: aiohttp.ServerDisconnectedError,
        Fault.CUT_BODY: aiohttp.ClientPayloadError,
    }
    client.tenant.fail("list", fault)
    with pytest.raises(kinds[fault]):
        await client.list_cases()
    assert len(await client.ids()) == 100


@pytest.mark.parametrize(
    "fault",
    [fault for fault in STATUS if fault not in FAULTS_AFTER_WORK | {Fault.THROTTLED}],
)
async def test_replaced_answers(client: BareClient, fault: Fault) -> None:
    """Each answer that comes instead of the work has the body that such servers send."""
    client.tenant.fail("list", fault)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert reply.body == replacement_answer(fault).body
    if reply.content_type == AICC_TYPE and fault is not Fault.GZIP_BOMB:
        assert reply.json().keys() == {"resCode", "resMsg"}


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.BUSINESS_ERROR, "405230099"),
        (Fault.TOKEN_EXPIRED_401, "405230602"),
        (Fault.TOKEN_EXPIRED_200, "405230602"),
        (Fault.TOKEN_EXPIRED_500, "405230603"),
    ],
)
async def test_result_codes(client: BareClient, fault: Fault, code: str) -> None:
    """Expired tokens and business errors carry the observed result codes."""
    client.tenant.fail("list", fault)
    assert await client.code() == code


async def test_pages_of_other_servers(client: BareClient) -> None:
    """A gateway, a sign-in page and a redirect answer HTML, and declare it."""
    for fault in (Fault.HTTP_502, Fault.HTTP_504, Fault.HTML_200, Fault.REDIRECT):
        client.tenant.fail("list", fault)
        reply = await client.send("POST", LIST, FIRST_PAGE)
        assert reply.content_type == "text/html"
    assert reply.headers["Location"] == "http://elsewhere.invalid/login"


async def test_throttled_carries_the_tenants_header(client: BareClient) -> None:
    """A scripted 429 has the tenant's ``Retry-After``, and does not count as refused by quota."""
    client.tenant.fail("list", Fault.THROTTLED)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert reply.headers["Retry-After"] == "1"
    assert client.tenant.refused == 0


async def test_not_json_is_half_of_the_body(client: BareClient) -> None:
    """The announced length is right, the JSON is cut."""
    client.tenant.fail("list", Fault.NOT_JSON)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert int(reply.headers["Content-Length"]) == len(reply.body)
    with pytest.raises(ValueError, match="char"):
        reply.json()


async def test_bad_type_is_one_number(client: BareClient) -> None:
    """Only the first title differs from the good answer."""
    client.tenant.fail("*", Fault.BAD_TYPE, times=2)
    bad = await client.list_cases()
    bad_detail = await client.detail(client.tenant.ids()[0])
    good = await client.list_cases()
    assert bad["result"][0]["caseList"][0]["title"] == 5
    bad["result"][0]["caseList"][0]["title"] = good["result"][0]["caseList"][0]["title"]
    assert bad == good
    assert bad_detail["caseInfo"]["title"] == 5


async def test_bad_type_of_an_empty_page(client: BareClient) -> None:
    """An answer without any row is left as it is."""
    client.tenant.fail("list", Fault.BAD_TYPE)
    assert (await client.list_cases(caseNo="none"))["result"] == [{"caseList": [], "count": 0}]


async def test_the_gzip_bomb_inflates_to_200_mb(client: BareClient) -> None:
    """A gzip body of less than 1 MB inflates to 200 MB."""
    client.tenant.fail("list", Fault.GZIP_BOMB)
    reply = await client.send("POST", LIST, FIRST_PAGE)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(reply.body) < 1_000_000
    assert inflated_size(reply.body) == 200_000_000


def inflated_size(body: bytes) -> int:
    """Inflate piece by piece, to the checksum at the end."""
    inflate, size = zlib.decompressobj(31), 0
    while body and not inflate.eof:
        size += len(inflate.decompress(body, 1 << 22))
        body = inflate.unconsumed_tail
    assert inflate.eof
    return size


async def test_faults_come_in_their_order(client: BareClient) -> None:
    """Faults strike in the order of the calls, as often as requested, and only their operation."""
    client.tenant.fail("create", Fault.HTTP_502)
    client.tenant.fail("list", Fault.HTTP_500)
    client.tenant.fail("*", Fault.HTTP_503, times=2)
    statuses = []
    for _ in range(4):
        reply = await client.send("POST", LIST, FIRST_PAGE)
        statuses.append(reply.status)
    assert statuses == [500, 503, 503, 200]
    client.tenant.fail("list", Fault.HTTP_500, times=None)
    assert [await client.code() for _ in range(3)] == ["405230500"] * 3
    client.tenant.clear_faults()
    assert (await client.post("/case", new_case()))["resCode"] == "0"


@settings(deadline=None)
@given(
    parts=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    unused=st.integers(0, 5),
    of=st.integers(0, 2**32),
)
def test_shares_lie_side_by_side(parts: list[int], unused: int, of: int) -> None:
    """Each fault strikes when one number drawn falls into its share, whatever others there are."""
    whole = sum(parts) + unused
    faults = list(Fault)[: len(parts)]
    script, draw = Script(random.Random(of)), random.Random(of)  # noqa: S311
    for fault, part in zip(faults, parts, strict=True):
        script.add("create", fault, None, part / whole)
    bounds = [sum(parts[: number + 1]) / whole for number in range(len(parts))]
    for _ in range(50):
        drawn = draw.random()
        expected = next(
            (one for one, maximum in zip(faults, bounds, strict=True) if drawn < maximum), None
        )
        assert script.take("create") is expected


def test_a_share_is_as_large_as_it_says() -> None:
    """Many requests suffer each fault about as often as its share says, other operations never."""
    script = Script(random.Random(7))  # noqa: S311
    script.add("create", Fault.HTTP_503, None, 0.1)
    script.add("*", Fault.HTTP_500, None, 0.3)
    taken = Counter(script.take("create") for _ in range(20_000))
    others = Counter(script.take("list") for _ in range(20_000))
    assert taken[Fault.HTTP_503] / 20_000 == pytest.approx(0.1, rel=0.1)
    assert taken[Fault.HTTP_500] / 20_000 == pytest.approx(0.3, rel=0.1)
    assert others[Fault.HTTP_500] / 20_000 == pytest.approx(0.3, rel=0.1)
    assert Fault.HTTP_503 not in others


async def test_shares_last_until_they_are_cleared(client: BareClient) -> None:
    """A share of 1 fails every request; an earlier fault with ``times`` takes its turn first."""
    client.tenant.fail("list", Fault.HTTP_502)
    client.tenant.fail("list", Fault.HTTP_503, share=1)
    client.tenant.fail("list", Fault.HTTP_500)
    statuses = [(await client.send("POST", LIST, FIRST_PAGE)).status for _ in range(4)]
    assert statuses == [502, 503, 503, 503]
    client.tenant.clear_faults()
    assert await client.code() == "0"


async def test_the_seed_decides_which_requests_fail(http: aiohttp.ClientSession) -> None:
    """Two tenants of the same seed fail the same requests, whether or not they draw delays too."""
    seen = []
    for latency in (None, Latency(0.0001, sigma=0.5)):
        async with Emulator(cases=0, seed=5, latency=latency) as tenant:
            tenant.fail("list", Fault.HTTP_503, share=0.5)
            client = BareClient(tenant, http)
            seen.append([await client.code() for _ in range(30)])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {"0", "405230503"}


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    """A share lies above 0 and is at maximum 1."""
    with pytest.raises(ValueError, match="share"):
        Emulator().fail("create", Fault.HANG, share=share)


def test_a_fault_of_an_unknown_operation_is_refused() -> None:
    """A misspelt operation is refused, since it would never fail."""
    with pytest.raises(ValueError, match="'lists'"):
        Emulator().fail("lists", Fault.HANG)


@pytest.mark.parametrize("fault", HANGS)
async def test_closing_does_not_wait_for_hanging_requests(
    http: aiohttp.ClientSession, fault: Fault
) -> None:
    """A request that hangs does not delay the end of the tenant."""
    tenant = Emulator(cases=0)
    await tenant.start()
    tenant.fail("list", fault)
    hanging = asyncio.create_task(BareClient(tenant, http).list_cases())
    while not tenant.requests:  # noqa: ASYNC110  (the emulator offers no event for it)
        await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await tenant.close()
    with pytest.raises(aiohttp.ClientError):
        await hanging
