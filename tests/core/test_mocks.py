"""Mocked answers: aioresponses as users of this package need it."""

from __future__ import annotations

import pytest

from aicc_async import AICCClient, NewCase, RateLimit, StaticToken
from aicc_async.testing.mocks import MockedResponses

HOST = "https://tenant.invalid"
CREATE = f"{HOST}/service/AICC__Case/1.0.0/openapi/case"
NEW = NewCase(title="t", description="d", type="T", contact_id="c", creator_id="u")
CREATED = {"resCode": "0", "resMsg": "Success", "result": {"caseId": "i"}}


@pytest.mark.parametrize("rate_limit", [None, RateLimit(5), RateLimit(5, strict=True)])
async def test_what_was_sent_can_be_compared(rate_limit: RateLimit | None) -> None:
    """The body is there as bytes and as JSON, whether or not a limit paces it."""
    with MockedResponses() as mocked:
        mocked.post(CREATE, payload=CREATED)
        async with AICCClient(HOST, auth=StaticToken("t"), rate_limit=rate_limit) as aicc:
            assert await aicc.create_case(NEW) == "i"
    (sent,) = mocked.sent_json("POST", CREATE)
    assert sent["caseInfo"]["title"] == "t"
    (call,) = mocked.requests[next(iter(mocked.requests))]
    assert call.kwargs["data"] == mocked.sent("POST", CREATE)[0]
    assert call.kwargs["data"] != b"another"


async def test_a_large_body_is_read() -> None:
    """A body beyond aiohttp's read buffer comes whole."""
    with MockedResponses() as mocked:
        mocked.post(CREATE, payload=CREATED | {"padding": "x" * 1_000_000})
        async with AICCClient(HOST, auth=StaticToken("t")) as aicc:
            assert await aicc.create_case(NEW) == "i"


def test_nothing_was_sent() -> None:
    """A URL that nobody asked for has no bodies."""
    with MockedResponses() as mocked:
        assert mocked.sent("POST", CREATE) == []
