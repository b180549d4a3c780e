"""Q-Flow's case calls and its sign-in, against the emulated server."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
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
    DecodeError,
    NotFoundError,
    QFlowClient,
    QFlowLogin,
    QueueCancel,
    QueueStatus,
    RetryPolicy,
    ServerError,
    TransportError,
    UnknownOutcome,
)
from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.envelope import build_error
from aicc_async._protocol.qflow import cancel, enqueue, get_case, sign_in
from aicc_async._protocol.sign_in import Grant
from aicc_async.emulator import Emulator, Fault, Readings
from aicc_async.emulator.qflow.queue import Queue
from aicc_async.settings.endpoint import find_zone

WIRE = RecordConverter(find_zone("UTC"))
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
    with pytest.raises(ConfigError) as caught:
        QFlowClient("https://qflow.invalid/API", headers=headers)
    [name] = headers
    wanted = f"headers must be printable strings: the name or value of {name!r} is not one"
    assert str(caught.value) == wanted


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


# ---- looked at, and taken out ----------------------------------------------------------------


async def test_a_case_is_shown_by_either_number(tenant: Emulator, qflow: QFlowClient) -> None:
    """The case and its process show the same record, with an aware time; the rest is in extra."""
    case_id = (await qflow.enqueue_case(FULL)).case_id

    case = await qflow.get_case(case_id)

    assert case.process_id is not None
    assert await qflow.get_process(case.process_id) == case
    assert (case.case_id, bool(case.process_guid)) == (case_id, True)
    assert case.ticket is not None
    assert case.case_date_created is not None
    assert case.case_date_created.utcoffset() is not None
    assert case.extra["Subject"] == FULL.subject
    assert [(request.method, request.path, request.body) for request in tenant.requests[1:]] == [
        ("GET", f"/API/Cases/{case_id}", b""),
        ("GET", f"/API/Cases/Processes/{case.process_id}", b""),
    ]


async def test_a_case_is_taken_out_by_either_number(tenant: Emulator, qflow: QFlowClient) -> None:
    """All fields go as they were given, and the server's bare text comes back."""
    case = await qflow.get_case((await qflow.enqueue_case(FULL)).case_id)
    out = QueueCancel(
        case_id=case.case_id,
        notes="gone",
        classification_code="c",
        custom_properties={"k": "v"},
        status=QueueStatus.NO_SHOW,
    )

    assert await qflow.cancel_case(out) == "OK"

    request = tenant.requests[-1]
    assert (request.method, request.path) == ("POST", "/API/Cases/Cancel")
    assert json.loads(request.body) == {
        "CaseId": case.case_id,
        "Notes": "gone",
        "ClassificationCode": "c",
        "CustomProperties": {"k": "v"},
        "Status": 17,
    }
    shown = (await qflow.get_case(case.case_id)).extra
    assert (shown["Status"], shown["Notes"], shown["CustomProperties"]) == (17, "gone", {"k": "v"})
    await qflow.cancel_case(QueueCancel(process_id=case.process_id, status=QueueStatus.COMPLETE))
    assert (await qflow.get_case(case.case_id)).extra["Status"] == 8


CALLS: dict[str, Callable[[QFlowClient], Awaitable[object]]] = {
    "qflow_case": lambda qflow: qflow.get_case(1),
    "qflow_process": lambda qflow: qflow.get_process(70_002),
    "qflow_cancel": lambda qflow: qflow.cancel_case(QueueCancel(case_id=1)),
}


@pytest.mark.parametrize("fault", [Fault.DROP_AFTER, Fault.HTTP_503, Fault.CUT_BODY])
@pytest.mark.parametrize("operation", CALLS)
async def test_what_may_go_again_does(
    tenant: Emulator, qflow: QFlowClient, operation: str, fault: Fault
) -> None:
    """Reading, and taking out with the same values, outlive a fault."""
    await qflow.enqueue_case(CaseEnqueue(service_id=2))
    tenant.fail(operation, fault)

    await CALLS[operation](qflow)

    assert [one.operation for one in tenant.requests] == ["enqueue", operation, operation]


@pytest.mark.parametrize("operation", CALLS)
async def test_an_unknown_number_is_not_found(qflow: QFlowClient, operation: str) -> None:
    """The server's 404 has its own class."""
    with pytest.raises(NotFoundError, match="No such case"):
        await CALLS[operation](qflow)


@pytest.mark.parametrize("wrong", [-1, "1", 1.0, True, None, HTTPStatus.CONTINUE, 2**63])
async def test_a_number_that_is_none_is_refused(
    tenant: Emulator, qflow: QFlowClient, wrong: Any
) -> None:
    """What can't be a number of a case is never asked for."""
    condition = f"must be an integer from 0 to {2**63 - 1}"
    with pytest.raises(ConfigError, match=f"^case_id {condition}, got {wrong!r}$"):
        await qflow.get_case(wrong)
    with pytest.raises(ConfigError, match=f"^process_id {condition}, got {wrong!r}$"):
        await qflow.get_process(wrong)
    with pytest.raises(ConfigError, match=r"^cancel must be a QueueCancel, got \w+$"):
        await qflow.cancel_case(wrong)
    assert tenant.requests == []


@pytest.mark.parametrize("body", [b"", b"{}", b"5", b"null", b'["OK"]', b"OK"])
def test_a_cancel_is_answered_with_a_text(body: bytes) -> None:
    """Anything but a bare JSON text is not what the page says."""
    with pytest.raises(DecodeError):
        cancel(QueueCancel(case_id=1), WIRE).decode(body)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"CaseId":null}', b'{"CaseId":1,"Ticket":5}']
)
def test_a_shown_case_has_a_number(body: bytes) -> None:
    """Nothing else is sure to be there, but what is there must be as documented."""
    assert get_case(1, WIRE).decode(b'{"CaseId":1}').ticket is None
    with pytest.raises(DecodeError):
        get_case(1, WIRE).decode(body)


# ---- sign-in -------------------------------------------------------------------------------


def signed_in(tenant: Emulator, **options: Any) -> QFlowClient:
    """Make a client that signs in to a server which wants that."""
    readings = {name: options.pop(name) for name in [*options] if name.startswith("qflow_")}
    tenant.readings = Readings(qflow_login=True, **readings)
    login = QFlowLogin(tenant.qflow_user, tenant.qflow_password)
    return QFlowClient(tenant.qflow_url, **{"login": login, "retry": QUICK, **options})


def operations(tenant: Emulator) -> list[str]:
    """List what arrived."""
    return [one.operation for one in tenant.requests]


async def test_many_calls_sign_in_once(tenant: Emulator) -> None:
    """Fifty calls of a new client share one sign-in, and each makes its ticket."""
    async with signed_in(tenant) as qflow:
        assert tenant.requests == []
        await asyncio.gather(*(qflow.enqueue_case(CaseEnqueue(service_id=2)) for _ in range(50)))
        await qflow.get_case(1)
    assert operations(tenant) == ["qflow_token", *["enqueue"] * 50, "qflow_case"]
    sign_in, first, *_ = tenant.requests
    assert (sign_in.method, sign_in.path) == ("POST", "/API/Users/Token")
    assert json.loads(sign_in.body) == {
        "UserName": tenant.qflow_user,
        "Password": tenant.qflow_password,
    }
    assert "Authorization" not in sign_in.headers
    assert first.headers["Authorization"].startswith("Bearer ")


async def test_a_refused_token_is_renewed_once(tenant: Emulator) -> None:
    """An enqueue that was refused with 401 was not done: it goes again, after one sign-in."""
    async with signed_in(tenant) as qflow:
        await qflow.enqueue_case(CaseEnqueue(service_id=2))
        tenant.expire_tokens()
        await asyncio.gather(*(qflow.enqueue_case(CaseEnqueue(service_id=2)) for _ in range(8)))
    assert operations(tenant).count("qflow_token") == 2
    assert len(tenant.enqueued) == 9


async def test_a_second_refusal_is_final(tenant: Emulator) -> None:
    """A fresh token that is refused too is an AuthError, and no ticket was made."""
    async with signed_in(tenant) as qflow:
        tenant.fail("enqueue", Fault.TOKEN_EXPIRED_401, times=None)
        with pytest.raises(AuthError):
            await qflow.enqueue_case(CaseEnqueue(service_id=2))
    assert operations(tenant) == ["qflow_token", "enqueue", "qflow_token", "enqueue"]
    assert tenant.enqueued == []


@pytest.mark.parametrize(("header", "prefix"), [("X-Api-Token", ""), ("authToken", "Token ")])
async def test_header_and_prefix_are_settings(tenant: Emulator, header: str, prefix: str) -> None:
    """A server that wants its token elsewhere gets it there, beside the caller's own headers."""
    own = {"X-Own": "yes"}
    async with signed_in(
        tenant,
        qflow_header=header,
        qflow_prefix=prefix,
        token_header=header,
        token_prefix=prefix,
        headers=own,
    ) as qflow:
        await qflow.enqueue_case(CaseEnqueue(service_id=2))
    assert all(request.headers["X-Own"] == "yes" for request in tenant.requests)
    assert "Authorization" not in tenant.requests[-1].headers
    assert tenant.requests[-1].headers[header].startswith(prefix)


async def test_a_wrong_password_is_an_auth_error(
    tenant: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    """It is tried once, and neither name nor password is told."""
    caplog.set_level(logging.DEBUG)
    login = QFlowLogin("somebody-invented", SECRET)
    async with signed_in(tenant, login=login) as qflow:
        with pytest.raises(AuthError) as caught:
            await qflow.enqueue_case(CaseEnqueue(service_id=2))
    assert operations(tenant) == ["qflow_token"]
    told = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {login!r} {sign_in(login)!r}"
    assert SECRET not in told
    assert "somebody-invented" not in told


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.DROP_AFTER, TransportError),
        (Fault.HTTP_503, ServerError),
        (Fault.NOT_JSON, DecodeError),
    ],
)
async def test_without_a_sign_in_nothing_was_sent(
    tenant: Emulator, fault: Fault, error: type[Exception]
) -> None:
    """An enqueue whose sign-in died never left, and is not in doubt."""
    tenant.fail("qflow_token", fault, times=None)
    async with signed_in(tenant) as qflow:
        with pytest.raises(error) as caught:
            await qflow.enqueue_case(CaseEnqueue(service_id=2))
    assert not isinstance(caught.value, UnknownOutcome)
    assert set(operations(tenant)) == {"qflow_token"}


async def test_tokens_are_not_told(tenant: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever an enqueue dies of, its token stands neither in the error nor in the log."""
    caplog.set_level(logging.DEBUG)
    async with signed_in(tenant) as qflow:
        tenant.fail("enqueue", Fault.DROP_AFTER)
        with pytest.raises(UnknownOutcome) as caught:
            await qflow.enqueue_case(CaseEnqueue(service_id=2))
    token = tenant.requests[-1].headers["Authorization"].removeprefix("Bearer ")
    assert token not in f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {qflow!r}"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"APIToken":""}', b'{"APIToken":5}', b'{"APIToken":"a\\r\\nb"}']
)
def test_a_sign_in_without_a_token_is_a_decode_error(body: bytes) -> None:
    """What can't stand in a header is no token; one that can is good until it is refused."""
    decode = sign_in(QFlowLogin("n", "p")).decode
    assert decode(b'{"APIToken":"t","UserId":1}') == Grant("t", float("inf"))
    with pytest.raises(DecodeError, match=r"@ \$"):
        decode(body)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"login": ("n", "p")}, "login must be a QFlowLogin, got tuple"),
        ({"token_header": ""}, "token_header must be a header's name, got ''"),
        ({"token_header": "X Token"}, "token_header must be a header's name, got 'X Token'"),
        ({"token_header": "X-A:"}, "token_header must be a header's name, got 'X-A:'"),
        ({"token_header": 5}, "token_header must be a header's name, got 5"),
        ({"token_prefix": "Bearer\n"}, "token_prefix must be a printable text"),
        ({"token_prefix": None}, "token_prefix must be a printable text"),
        (
            {"headers": {"authorization": "x"}},
            "headers must not hold 'authorization', which carries the token",
        ),
    ],
)
def test_unusable_sign_ins(options: dict[str, Any], says: str) -> None:
    """What can't sign a request is refused when the client is made."""
    login = QFlowLogin("n", "p")
    with pytest.raises(ConfigError, match=f"^{says}$"):
        QFlowClient("https://qflow.invalid/API", **{"login": login, **options})


async def test_a_header_of_ones_own_may_be_the_tokens(tenant: Emulator) -> None:
    """Without a login the usual header is the caller's to fill."""
    tenant.readings = Readings(qflow_login=True)
    headers = {"Authorization": f"Bearer {tenant.qflow_token()}"}
    async with QFlowClient(tenant.qflow_url, headers=headers, retry=QUICK) as client:
        await client.enqueue_case(CaseEnqueue(service_id=2))
    assert operations(tenant) == ["enqueue"]


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_sign_in_is_an_auth_error(status: int) -> None:
    """Which status wrong credentials get is not documented: any refusal counts as that."""
    error = build_error(sign_in(QFlowLogin("n", "p")), status, {}, b'{"Message":"no"}')
    assert type(error) is AuthError
