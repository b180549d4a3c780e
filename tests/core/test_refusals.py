"""What refuses a request, in whichever form, is told: code, message, request id and kind."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from helpers.tenants import NEW
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    AICCClient,
    ApiError,
    AuthError,
    ClientCredentials,
    ConfigError,
    Dialect,
    NotFoundError,
    QFlowClient,
    RateLimit,
    RateLimitError,
    RetryPolicy,
    ServerError,
    StaticToken,
)
from aicc_async._protocol.refusals import classify, read_refusal
from aicc_async._ratelimit.adaptive import AdaptiveLimiter
from aicc_async._transport.session import Stats
from aicc_async.emulator import Emulator
from aicc_async.probe.rate import find_rate
from aicc_async.testing.mocks import MockedResponses

HOST = "https://tenant.invalid"
CASES = f"{HOST}/service/AICC__Case/1.0.0/openapi/case"
TOKEN_URL = f"{HOST}/baas/auth/v1.0/oauth2/token"
THROTTLED = (
    "The throttling threshold has been reached: policy user over ratelimit,limit:60,time:1 minute"
)
SHAPES: dict[str, dict[str, Any]] = {
    "snake": {"error_code": "APIG.0308", "error_msg": THROTTLED, "request_id": "r1"},
    "camel": {"errorCode": "APIG.0308", "errorMsg": THROTTLED, "requestId": "r1"},
    "nested": {"error": {"code": "APIG.0308", "message": THROTTLED, "request_id": "r1"}},
    "nested snake": {"error": {"error_code": "APIG.0308", "error_msg": THROTTLED}}
    | {"request_id": "r1"},
}


def client_of(dialect: Dialect | None = None) -> AICCClient:
    """Return a client that tries once."""
    return AICCClient(
        HOST, auth=StaticToken("t"), retry=RetryPolicy(attempts=1, base=0), dialect=dialect
    )


async def failure(status: int, value: object, dialect: Dialect | None = None) -> ApiError:
    """Return what a create raises that is answered like this."""
    with MockedResponses() as service:
        service.post(CASES, status=status, body=msgspec.json.encode(value))
        async with client_of(dialect) as client:
            with pytest.raises(ApiError) as caught:
                await client.create_case(NEW)
    return caught.value


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("status", [400, 403, 429, 503])
async def test_the_gateways_throttle_is_a_rate_limit(shape: str, status: int) -> None:
    """Code, message, request id and quota are there, whatever the status and the shape."""
    error = await failure(status, SHAPES[shape])

    assert type(error) is RateLimitError
    assert (error.status, error.code, error.message) == (status, "APIG.0308", THROTTLED)
    assert error.request_id == "r1"
    assert (error.limit, error.period) == (60, 60.0)
    assert str(error) == f"create: HTTP {status}, resCode APIG.0308: {THROTTLED}"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "APIG.0101", NotFoundError),
        (401, "APIG.0301", AuthError),
        (403, "APIG.0303", AuthError),
        (413, "APIG.0201", ApiError),
    ],
)
async def test_other_refusals_of_the_gateway(status: int, code: str, kind: type[ApiError]) -> None:
    """They have the kind of their status, and say why."""
    value = {"error_code": code, "error_msg": "why", "request_id": "r1"}
    error = await failure(status, value)

    assert type(error) is kind
    assert str(error) == f"create: HTTP {status}, resCode {code}: why"
    assert error.request_id == "r1"


@pytest.mark.parametrize(
    ("text", "quota"),
    [
        ("over ratelimit,limit:10,time:1 second", (10, 1.0)),
        ("over ratelimit, limit: 9, time: 10 second", (9, 10.0)),
        ("limit:5,time:2 hour", (5, 7200.0)),
        ("limit:1,time:1 day", (1, 86_400.0)),
        ("limit:XX,time:1 second", (None, None)),
        ("slower", (None, None)),
    ],
)
async def test_a_quota_in_a_message(text: str, quota: tuple[int | None, float | None]) -> None:
    """Limit and period in seconds are read where the message names them."""
    error = await failure(429, {"error_code": "APIG.0308", "error_msg": text})

    assert isinstance(error, RateLimitError)
    assert (error.limit, error.period) == quota


@pytest.mark.parametrize("status", [200, 400, 500])
async def test_codes_of_a_dialect(status: int) -> None:
    """A code that a tenant throttles with, or says "no such record" with, has its kind."""
    dialect = Dialect(throttle_codes=["4290"], missing_codes=["4041", "4042"])
    throttled = await failure(status, {"resCode": "4290", "resMsg": "slow"}, dialect)
    missing = await failure(status, {"resCode": 4042, "resMsg": "none"}, dialect)

    assert (type(throttled), throttled.code) == (RateLimitError, "4290")
    assert (type(missing), missing.code, missing.message) == (NotFoundError, "4042", "none")
    if status < 500:
        other = await failure(status, {"resCode": "7", "resMsg": "no"}, dialect)
        assert type(other) is ApiError


async def test_a_throttle_inside_200_is_sent_again() -> None:
    """Even a create is: it was refused, not acted on."""
    with MockedResponses() as service:
        service.post(CASES, body=b'{"resCode":"4290","resMsg":"slow"}')
        service.post(CASES, body=b'{"resCode":"0","result":{"caseId":"1"}}')
        dialect = Dialect(throttle_codes=["4290"])
        policy = RetryPolicy(base=0)
        auth = StaticToken("t")
        async with AICCClient(HOST, auth=auth, retry=policy, dialect=dialect) as client:
            assert await client.create_case(NEW) == "1"
            assert client.stats.throttled == 1


async def test_a_quota_that_is_named_bounds_the_adaptive_limit() -> None:
    """The refusal is sent again, and the limit stays at what the gateway says."""
    with MockedResponses() as service:
        refusal = {"error_code": "APIG.0308", "error_msg": "limit:300,time:1 minute"}
        service.post(CASES, status=403, body=msgspec.json.encode(refusal))
        service.post(CASES, body=b'{"resCode":"0","result":{"caseId":"1"}}', repeat=True)
        limit = RateLimit.adaptive(start=40, ceiling=90, per=0.2)
        policy, auth = RetryPolicy(base=0), StaticToken("t")
        async with AICCClient(HOST, auth=auth, retry=policy, rate_limit=limit) as client:
            assert await client.create_case(NEW) == "1"
            limiter = client.api.session._limiter
            assert isinstance(limiter, AdaptiveLimiter)
            assert limiter.limit == 1
            assert client.stats.quota == (300, 60.0)


@pytest.mark.parametrize(("per", "expected"), [(1.0, 5), (2.0, 10), (0.1, 1), (60.0, 40)])
async def test_a_quota_is_counted_in_the_limits_own_period(per: float, expected: int) -> None:
    """300 in a minute are 5 in a second, and no limit is raised by what is said."""
    limiter = AdaptiveLimiter(40, 90, per=per)
    limiter.note_quota(300, 60.0)
    assert limiter.limit == expected


async def test_a_probe_takes_the_quota_that_is_named() -> None:
    """A quota over a minute passes at every rate until it is used up: the rate is what it says."""
    stats = Stats()

    async def ask() -> None:
        stats.requests += 1
        if stats.requests > 3:
            stats.throttled, stats.quota = stats.throttled + 1, (60, 60.0)

    assert await find_rate(ask, stats) == {"rate": 1.0, "rate_refused": 3.0}


@pytest.mark.parametrize("code", ["405230404", 7])
async def test_a_sign_in_that_is_refused_inside_200(code: object) -> None:
    """It is an AuthError with the reason, and a hint at the account's addresses."""
    with MockedResponses() as service:
        body = msgspec.json.encode({"resCode": code, "resMsg": "bad client"})
        service.post(TOKEN_URL, body=body)
        async with AICCClient(HOST, auth=ClientCredentials("id", "secret")) as client:
            with pytest.raises(AuthError, match=r"bad client .*range of IP addresses") as caught:
                await client.list_cases()
    assert (caught.value.code, caught.value.message) == (str(code), "bad client")
    assert client.stats.requests == 1


async def test_a_missing_case_of_the_emulator() -> None:
    """With the code that it names, a case that is not there is a NotFoundError."""
    async with Emulator(cases=3) as tenant:
        auth, dialect = StaticToken(tenant.token()), Dialect(missing_codes=tenant.missing_code)
        async with AICCClient(tenant.url, auth=auth, dialect=dialect) as client:
            with pytest.raises(NotFoundError):
                await client.get_case("no-such-case")


@pytest.mark.parametrize(
    "url",
    [
        CASES,
        f"{HOST}/service/AICC__Case/1.0.0/openapi/",
        f"{HOST}/gateway/SERVICE/aicc__case",
        TOKEN_URL,
    ],
)
def test_a_base_url_with_the_documents_path(url: str) -> None:
    """What the documents show whole is cut by the user, and the message says where."""
    with pytest.raises(ConfigError, match="base_url must end before '/"):
        AICCClient(url, auth=StaticToken("t"))


async def test_a_base_url_of_a_gateway_may_have_a_path() -> None:
    """Any other path stays."""
    async with AICCClient(f"{HOST}/tenants/a", auth=StaticToken("t")) as client:
        assert client.base_url == f"{HOST}/tenants/a"
    async with QFlowClient(f"{HOST}/service/API"):
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
names = st.sampled_from(
    ["resCode", "error_code", "errorCode", "error", "error_msg", "message", "code", "request_id"]
)


@given(st.dictionaries(names, json_values | st.dictionaries(names, json_values)), json_values)
def test_any_value_is_read(value: dict[str, Any], other: object) -> None:
    """No value hides the error, and what comes out is text."""
    for each in (value, other):
        code, message, request_id = read_refusal(each)
        assert isinstance(code, str | None)
        assert isinstance(message, str)
        assert isinstance(request_id, str | None)
        error = ServerError("x", status=500, code=code, message=message, request_id=request_id)
        assert classify(error).code == code
