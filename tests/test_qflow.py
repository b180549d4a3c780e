"""Q-Flow's one call, against the emulated server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import (
    ApiError,
    AuthError,
    CaseEnqueue,
    ConfigError,
    QFlowClient,
    RetryPolicy,
    TransportError,
    UnknownOutcome,
)
from aicc_async.emulator import Emulator, Fault
from aicc_async.emulator.qflow import Queue
from aicc_async.protocol import enqueue
from aicc_async.settings import zone
from aicc_async.wire import Wire

WIRE = Wire(zone("UTC"))
QUICK = RetryPolicy(base=0.001)
SECRET = "an-invented-api-token"
FULL = CaseEnqueue(
    case_id=1,
    service_id=2,
    service_id_ext_ref="sample string 3",
    customer_id=4,
    ext_ref="sample string 5",
    notes="line 1\nline 2 & more = less + 100 %",
    subject="Größe 案件",
    classification_code="sample string 8",
    auto_close=True,
    custom_properties={"sample string 1": "a&b=c", "sample string 3": "sample string 4"},
    procedure_ext_ref="sample string 10",
    procedure_option_ext_ref="sample string 11",
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
cases = st.builds(
    CaseEnqueue,
    service_id=st.integers(0, 2**31 - 1),
    customer_id=st.none() | st.integers(0, 2**31 - 1),
    ext_ref=st.none() | texts,
    notes=st.none() | texts,
    subject=st.none() | texts,
    auto_close=st.none() | st.booleans(),
    custom_properties=st.none() | st.dictionaries(texts.filter(bool), texts, max_size=3),
)


@pytest.fixture
async def qflow(tenant: Emulator) -> AsyncIterator[QFlowClient]:
    """Run a client of the emulated server."""
    async with QFlowClient(tenant.qflow_url, retry=QUICK) as client:
        yield client


def given_fields(case: Any) -> dict[str, Any]:
    """List what a record holds, but for its number and what is not known."""
    fields = attrs.asdict(case)
    return {name: value for name, value in fields.items() if name not in {"case_id", "extra"}}


@pytest.mark.parametrize("form", [False, True])
async def test_every_field_goes_and_comes(tenant: Emulator, qflow: QFlowClient, form: bool) -> None:
    """All fields of document 003 come back as they were sent, in both encodings."""
    answer = await qflow.enqueue_case(FULL, form=form)
    assert answer.case_id == 1
    assert given_fields(answer) == given_fields(FULL)
    [request] = tenant.requests
    encoding = "application/x-www-form-urlencoded" if form else "application/json"
    assert (request.method, request.path) == ("POST", "/API/Cases")
    assert request.headers["Content-Type"] == encoding


async def test_the_documents_names(tenant: Emulator, qflow: QFlowClient) -> None:
    """The names on the wire are those of the document's sample."""
    await qflow.enqueue_case(FULL)
    [request] = tenant.requests
    assert sorted(json.loads(request.body)) == sorted(tenant.enqueued[0])


@pytest.mark.parametrize("form", [False, True])
async def test_what_is_not_given_is_not_sent(
    tenant: Emulator, qflow: QFlowClient, form: bool
) -> None:
    """A case of a service alone sends that alone."""
    answer = await qflow.enqueue_case(CaseEnqueue(service_id=2), form=form)
    assert (answer.service_id, answer.subject, answer.auto_close) == (2, None, False)
    [request] = tenant.requests
    assert request.body == (b"ServiceId=2" if form else b'{"ServiceId":2}')


async def test_each_call_makes_a_ticket(tenant: Emulator, qflow: QFlowClient) -> None:
    """Two calls with the same values are two tickets."""
    first, second = [await qflow.enqueue_case(CaseEnqueue(service_id=2)) for _ in range(2)]
    assert (first.case_id, second.case_id, len(tenant.enqueued)) == (1, 2, 2)


async def test_further_fields_pass_both_ways(tenant: Emulator, qflow: QFlowClient) -> None:
    """What the record does not name travels in extra."""
    await qflow.enqueue_case(CaseEnqueue(service_id=2, extra={"Ticket": "A7"}))
    assert json.loads(tenant.requests[0].body) == {"ServiceId": 2, "Ticket": "A7"}
    request = enqueue(CaseEnqueue(service_id=2), WIRE)
    assert request.decode(b'{"CaseId":3,"Ticket":"A7"}').extra == {"Ticket": "A7"}


@given(cases, st.booleans())
def test_any_case_arrives_whole(case: CaseEnqueue, form: bool) -> None:
    """Whatever the texts, the server reads what was meant, in both encodings."""
    request = enqueue(case, WIRE, form=form)
    queue = Queue(None)
    answer = queue.enqueue(request.body, {"Content-Type": request.content_type})
    assert answer.status == 200
    wanted = given_fields(case)
    wanted["auto_close"] = bool(wanted["auto_close"])
    found = given_fields(request.decode(answer.body))
    assert {name: found[name] or None for name in found} == {
        name: wanted[name] or None for name in wanted
    }


async def test_errors_name_the_fields(qflow: QFlowClient) -> None:
    """ASP.NET's error body becomes an ApiError with its message and the fields' names."""
    case = CaseEnqueue(service_id=2**40)
    with pytest.raises(ApiError, match=r"HTTP 400: The request is invalid\.") as caught:
        await qflow.enqueue_case(case)
    error = caught.value
    assert (type(error), error.status, error.code) == (ApiError, 400, None)
    assert error.message == "The request is invalid. (ServiceId)"


async def test_what_breaks_a_bound_is_not_sent(tenant: Emulator) -> None:
    """A text longer than documented is a ConfigError before any request."""
    for name, most in {"ext_ref": 200, "notes": 4000, "subject": 100}.items():
        CaseEnqueue(service_id=2, **{name: "x" * most})  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=name):
            CaseEnqueue(service_id=2, **{name: "x" * (most + 1)})  # type: ignore[arg-type]
    assert tenant.requests == []


async def test_required_headers(tenant: Emulator) -> None:
    """The header that carries the server's token is the caller's to name."""
    tenant._queue.required_headers = {"X-Api-Token": SECRET}
    async with QFlowClient(tenant.qflow_url, headers={"X-Api-Token": SECRET}) as client:
        await client.enqueue_case(CaseEnqueue(service_id=2))
    assert SECRET not in repr(client)
    async with QFlowClient(tenant.qflow_url) as client:
        with pytest.raises(AuthError, match="Authorization has been denied") as caught:
            await client.enqueue_case(CaseEnqueue(service_id=2))
    assert (caught.value.status, len(tenant.requests), len(tenant.enqueued)) == (401, 2, 1)


@pytest.mark.parametrize(
    "headers", [{"X-A": "a\r\nX-B: b"}, {"X\r\nA": "a"}, {"X-A": 5}, {"X-A": None}, {5: "a"}]
)
def test_unusable_headers(headers: Any) -> None:
    """A header that can't be one is a ConfigError, and its value is not shown."""
    with pytest.raises(ConfigError, match="headers: ") as caught:
        QFlowClient("https://qflow.invalid/API", headers=headers)
    assert "X-B: b" not in str(caught.value)


@pytest.mark.parametrize(
    "fault", [Fault.DROP_AFTER, Fault.CUT_BODY, Fault.HTTP_500, Fault.HTML_200]
)
async def test_doubt(tenant: Emulator, qflow: QFlowClient, fault: Fault) -> None:
    """An enqueue that may have made a ticket is not sent again."""
    tenant.fail("enqueue", fault)
    with pytest.raises(UnknownOutcome) as caught:
        await qflow.enqueue_case(CaseEnqueue(service_id=2))
    assert caught.value.operation == "enqueue"
    assert len(tenant.requests) == 1


async def test_throttled_enqueues_go_again(tenant: Emulator, qflow: QFlowClient) -> None:
    """A 429 made no ticket: the enqueue goes again."""
    tenant.retry_after = None
    tenant.fail("enqueue", Fault.THROTTLED, times=2)
    await qflow.enqueue_case(CaseEnqueue(service_id=2))
    assert (len(tenant.requests), len(tenant.enqueued)) == (3, 1)
    assert (qflow.stats.requests, qflow.stats.retries, qflow.stats.throttled) == (3, 2, 2)


async def test_nobody_there() -> None:
    """A server that can't be reached got nothing."""
    async with QFlowClient("http://127.0.0.1:9/API", retry=QUICK) as client:
        with pytest.raises(TransportError) as caught:
            await client.enqueue_case(CaseEnqueue(service_id=2))
    assert not caught.value.sent


async def test_after_close(qflow: QFlowClient) -> None:
    """A closed client refuses calls."""
    await qflow.close()
    with pytest.raises(ConfigError, match="closed"):
        await qflow.enqueue_case(CaseEnqueue(service_id=2))


@pytest.mark.parametrize("url", ["http://qflow.invalid/API", "ftp://host", "", "https://u:p@host"])
def test_unusable_addresses(url: str) -> None:
    """The address must be https, or http where that was allowed or is this machine."""
    with pytest.raises(ConfigError, match="base_url"):
        QFlowClient(url)
