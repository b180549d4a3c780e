"""The client's calls against a tenant: what they send, what they refuse before sending."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import msgspec
import pytest
from helpers.tenants import client_of

from aicc_async import (
    AICCClient,
    CaseQuery,
    CaseUpdate,
    ClientCredentials,
    Dialect,
    NewCase,
    QFlowClient,
    RateLimit,
    SQLiteJournal,
    StaticToken,
)
from aicc_async.emulator import Emulator, Fault
from aicc_async.errors import ApiError, AuthError, ConfigError

TYPE = "cvmC0000014Oc9jgT7ZI"
REGION = "AICC__region__CST"
SHANGHAI = ZoneInfo("Asia/Shanghai")
JANUARY = datetime(2025, 1, 1, tzinfo=SHANGHAI)


def new_case(**fields: Any) -> NewCase:
    """Make a case to create."""
    mandatory = {"title": "Rechnung", "description": "zu hoch", "type": TYPE}
    return NewCase(**{**mandatory, "contact_id": "contact-1", "creator_id": "agent-1", **fields})


async def test_a_case_is_created_changed_and_read(aicc: AICCClient, tenant: Emulator) -> None:
    """A created case is found by its id, and a change of it is seen."""
    due = datetime(2030, 5, 6, 7, 8, 9, tzinfo=SHANGHAI)
    case_id = await aicc.create_case(new_case(priority="High", due_date=due))
    assert case_id in tenant.ids()
    await aicc.modify_case(
        CaseUpdate(
            id=case_id, title="工单", description="neu", creator_id="agent-2", priority="Low"
        )
    )
    detail = await aicc.get_case(case_id)
    assert (detail.case.id, detail.case.title, detail.case.description) == (case_id, "工单", "neu")
    assert (detail.case.priority, detail.case.due_date) == ("Low", due)


async def test_extra_fields_go_both_ways(aicc: AICCClient) -> None:
    """Fields of a template are sent at the top level, filtered by, and come back untouched."""
    extra = {REGION: "华东 \U0001f642", "AICC__steps__CST": [1, {"a": None}]}
    case_id = await aicc.create_case(new_case(extra=extra))
    page = await aicc.list_cases(CaseQuery(extra={REGION: extra[REGION]}))
    [case] = [case for case in page.cases if case.id == case_id]
    assert {key: case.extra[key] for key in extra} == extra
    detail = await aicc.get_case(case_id)
    assert {key: detail.case.extra[key] for key in extra} == extra
    change = {REGION: "West"}
    await aicc.modify_case(
        CaseUpdate(id=case_id, title="t", description="d", creator_id="u", extra=change)
    )
    assert (await aicc.get_case(case_id)).case.extra[REGION] == "West"


@pytest.mark.parametrize("spelling", ["isAutoAssigned", "isAtuoAssigned"])
async def test_either_spelling_of_the_flag_can_be_sent(spelling: str) -> None:
    """With one spelling chosen, a tenant that wants that one takes the case."""
    async with (
        Emulator(cases=0, auto_assign_key=spelling) as tenant,
        AICCClient(
            tenant.url,
            auth=StaticToken(tenant.token()),
            dialect=Dialect(auto_assign=[spelling]),
        ) as client,
    ):
        assert await client.create_case(new_case()) in tenant.ids()
        sent = msgspec.json.decode(tenant.requests[-1].body)["caseInfo"]
        assert {key for key in sent if "ssigned" in key} == {spelling}


async def test_a_page_has_rows_and_the_total(aicc: AICCClient, tenant: Emulator) -> None:
    """A page is what was asked for, with aware times in the client's zone."""
    newest = tenant.ids()[::-1]
    page = await aicc.list_cases(start=5, limit=7)
    assert ([case.id for case in page.cases], page.count) == (newest[5:12], 300)
    assert all(case.created_date and case.created_date.tzinfo == SHANGHAI for case in page.cases)
    assert (await aicc.list_cases(start=10_000)).cases == []


@pytest.mark.parametrize(
    "query",
    [
        CaseQuery(priority="High", origin="Email"),
        CaseQuery(start_time=JANUARY, end_time=JANUARY + timedelta(days=31)),
        CaseQuery(start_time=JANUARY.astimezone(UTC), end_time=datetime(2025, 1, 9)),  # noqa: DTZ001
        CaseQuery(start_time=JANUARY),
        CaseQuery(end_time=JANUARY),
    ],
)
async def test_filters_narrow_the_list(
    aicc: AICCClient, tenant: Emulator, query: CaseQuery
) -> None:
    """The rows of a filtered page are those that match in the store."""

    def matches(row: dict[str, Any]) -> bool:
        created = datetime.fromisoformat(row["createdDate"]).replace(tzinfo=SHANGHAI)
        end = query.end_time and query.end_time.replace(tzinfo=SHANGHAI)
        return (
            query.priority in {None, row["priority"]}
            and query.origin in {None, row["origin"]}
            and (not query.start_time or created >= query.start_time)
            and (not end or created <= end)
        )

    page = await aicc.list_cases(query)
    matching = [row["id"] for row in tenant.rows() if matches(row)]
    assert page.count == len(matching)
    assert [case.id for case in page.cases] == matching[::-1][:100]


MANY_DAYS = CaseQuery(start_time=JANUARY, end_time=JANUARY + timedelta(days=31, seconds=1))
BACKWARDS = CaseQuery(start_time=JANUARY, end_time=JANUARY - timedelta(seconds=1))
Call = Callable[[AICCClient], Awaitable[object]]
WRONG: dict[str, tuple[str, Call]] = {
    "start -1": ("start", lambda aicc: aicc.list_cases(start=-1)),
    "start True": ("start", lambda aicc: aicc.list_cases(start=True)),
    "start 1.0": ("start", lambda aicc: aicc.list_cases(start=1.0)),  # type: ignore[arg-type]
    "limit 0": ("limit", lambda aicc: aicc.list_cases(limit=0)),
    "limit 101": ("limit", lambda aicc: aicc.list_cases(limit=101)),
    "limit text": ("limit", lambda aicc: aicc.list_cases(limit="9")),  # type: ignore[arg-type]
    "31 days and a second": ("31 days", lambda aicc: aicc.list_cases(MANY_DAYS)),
    "end before start": ("before", lambda aicc: aicc.list_cases(BACKWARDS)),
    "iterate backwards": ("before", lambda aicc: anext(aicc.iter_cases(BACKWARDS))),
    "query text": ("query", lambda aicc: aicc.list_cases("High")),  # type: ignore[arg-type]
    "query empty": ("query", lambda aicc: aicc.list_cases({})),  # type: ignore[arg-type]
    "iterate text": ("query", lambda aicc: anext(aicc.iter_cases("x"))),  # type: ignore[arg-type]
    "create dict": ("new", lambda aicc: aicc.create_case({"title": "x"})),  # type: ignore[arg-type]
    "modify new": ("change", lambda aicc: aicc.modify_case(new_case())),  # type: ignore[arg-type]
    "no id": ("case_id", lambda aicc: aicc.get_case("")),
    "id of 21 bytes": ("case_id", lambda aicc: aicc.get_case("x" * 21)),
    "id of 7 signs, 21 bytes": ("case_id", lambda aicc: aicc.get_case("单" * 7)),
    "id number": ("case_id", lambda aicc: aicc.get_case(5)),  # type: ignore[arg-type]
    "id of half a sign": ("case_id", lambda aicc: aicc.get_case("\ud800")),
    "id .": ("case_id", lambda aicc: aicc.get_case(".")),
    "id ..": ("case_id", lambda aicc: aicc.get_case("..")),
    "extra no JSON": ("JSON", lambda aicc: aicc.create_case(new_case(extra={"x": object()}))),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_arguments_are_refused_before_anything_is_sent(
    aicc: AICCClient, tenant: Emulator, name: str
) -> None:
    """A call that can't be right is a ConfigError that names the argument, and sends nothing."""
    says, call = WRONG[name]
    with pytest.raises(ConfigError, match=says):
        await call(aicc)
    assert tenant.requests == []


@pytest.mark.parametrize("bound", [1, 100])
async def test_the_bounds_of_a_page_are_taken(aicc: AICCClient, bound: int) -> None:
    """The smallest and the largest page are both given."""
    assert len((await aicc.list_cases(limit=bound)).cases) == bound


@pytest.mark.parametrize(
    "case_id", ["a/b", "a?b=c", "100%", "%2F", "a#b", "a b", "+", "工单六号单号", "..x", "x" * 20]
)
async def test_odd_ids_reach_the_tenant_whole(
    aicc: AICCClient, tenant: Emulator, case_id: str
) -> None:
    """An id is percent-encoded in the path, whatever stands in it."""
    tenant.insert(id=case_id)
    assert (await aicc.get_case(case_id)).case.id == case_id


async def test_an_unknown_id_is_the_services_error(aicc: AICCClient) -> None:
    """What the service refuses keeps its code."""
    with pytest.raises(ApiError) as caught:
        await aicc.get_case("nobody")
    assert caught.value.code == "405230404"


async def test_the_environment_makes_a_client(tenant: Emulator) -> None:
    """Address, credentials, zone and limit come from the mapping given."""
    environ = {
        "AICC_BASE_URL": tenant.url,
        "AICC_CLIENT_ID": tenant.client_id,
        "AICC_CLIENT_SECRET": tenant.client_secret,
        "AICC_TIMEZONE": "Europe/Berlin",
        "AICC_RATE_LIMIT": "600/60",
    }
    async with AICCClient.from_env(environ) as client:
        assert (await client.list_cases(limit=1)).count == 300
        assert client.timezone == ZoneInfo("Europe/Berlin")
        assert client._session._endpoint.rate_limit == RateLimit(600, per=60.0)


async def test_a_key_file_makes_a_client(tenant: Emulator, tmp_path: Path) -> None:
    """The administrator's file is found through the environment."""
    file = tmp_path / "key.csv"
    keys = f"someone,{tenant.client_id},{tenant.client_secret}"
    file.write_text(f"username,client_id,client_secret\n{keys}\n", encoding="utf-8")
    environ = {"AICC_BASE_URL": tenant.url, "AICC_KEY_FILE": str(file)}
    async with AICCClient.from_env(environ) as client:
        assert (await client.list_cases(limit=1)).count == 300


async def test_options_go_before_the_environment(tenant: Emulator) -> None:
    """What the caller gives counts, and what it replaces need not be in the environment."""
    environ = {"AICC_BASE_URL": tenant.url, "AICC_TIMEZONE": "Europe/Berlin"}
    auth = StaticToken(tenant.token())
    async with AICCClient.from_env(environ, auth=auth, timezone="UTC") as client:
        assert (await client.list_cases(limit=1)).count == 300
        assert client.timezone == ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "AICC_BASE_URL"),
        ({"AICC_BASE_URL": "https://host.invalid"}, "AICC_ACCESS_TOKEN"),
        ({"AICC_BASE_URL": "http://host.invalid", "AICC_ACCESS_TOKEN": "t"}, "https"),
        ({"AICC_BASE_URL": "https://host.invalid", "AICC_CLIENT_ID": "c"}, "AICC_CLIENT_SECRET"),
    ],
)
def test_a_lacking_environment_says_what_lacks(environ: dict[str, str], says: str) -> None:
    """What is missing or wrong is named."""
    with pytest.raises(ConfigError, match=says):
        AICCClient.from_env(environ)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"auth": "secret-text"},
            "auth must be a StaticToken, ClientCredentials or a coroutine function .*, got str",
        ),
        ({"max_concurrency": 0}, "max_concurrency must be an integer >= 1, got 0"),
        ({"max_body": 0}, "max_body must be an integer >= 1, got 0"),
        ({"timezone": "Mars/Olympus"}, "timezone must be an IANA name .*, got 'Mars/Olympus'"),
        ({"dialect": "GET"}, "dialect must be a Dialect, got str"),
        ({"dialect": {}}, "dialect must be a Dialect, got dict"),
        ({"dialect": False}, "dialect must be a Dialect, got bool"),
        ({"on_unknown": "ask"}, "on_unknown must be one of raise, reconcile, got 'ask'"),
        ({"on_unknown": ""}, "on_unknown must be one of raise, reconcile, got ''"),
        ({"list_lag": True}, "list_lag must be a number from 0 to 86400, got True"),
        ({"list_lag": -1}, "list_lag must be a number from 0 to 86400, got -1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], says: str) -> None:
    """A client that can't work is not made, and the text repeats no secret."""
    with pytest.raises(ConfigError, match=f"^{says}$") as caught:
        AICCClient("https://host.invalid", **{"auth": StaticToken("t"), **options})
    assert "secret-text" not in str(caught.value)


@pytest.mark.parametrize("word", ["", "ask", False])
async def test_an_outcome_is_raised_or_reconciled(tmp_path: Path, word: Any) -> None:
    """Another word is refused where it is said, an empty one too: only None is as not set."""
    journal, auth = SQLiteJournal(tmp_path / "journal.db"), StaticToken("t")
    text = f"^on_unknown must be one of raise, reconcile, got {word!r}$"
    async with AICCClient(
        "https://host.invalid", auth=auth, journal=journal, timezone="UTC"
    ) as aicc:
        with pytest.raises(ConfigError, match=text):
            await aicc.create_case(new_case(), on_unknown=word)
        with pytest.raises(ConfigError, match=text):
            aicc.create_cases([], on_unknown=word)


async def test_a_session_of_the_callers_stays_open(tenant: Emulator) -> None:
    """A client on a borrowed session leaves it open, with no connection in use."""
    async with aiohttp.ClientSession() as http:
        auth = StaticToken(tenant.token())
        async with AICCClient(tenant.url, auth=auth, session=http) as client:
            assert (await client.list_cases(limit=1)).count == 300
        assert not http.closed
        assert isinstance(http.connector, aiohttp.TCPConnector)
        assert not http.connector._acquired


async def test_a_closed_client_refuses_calls(aicc: AICCClient, tenant: Emulator) -> None:
    """After close, a call is a ConfigError and nothing is sent; closing again does no harm."""
    await aicc.close()
    await aicc.close()
    with pytest.raises(ConfigError, match="closed"):
        await aicc.list_cases()
    assert tenant.requests == []


async def test_stats_count_what_was_sent(aicc: AICCClient, tenant: Emulator) -> None:
    """Requests, retries and throttles are counted as the tenant sees them."""
    tenant.retry_after = None
    tenant.fail("list", Fault.HTTP_503)
    tenant.fail("list", Fault.THROTTLED)
    await aicc.list_cases(limit=1)
    assert (aicc.stats.requests, aicc.stats.retries, aicc.stats.throttled) == (4, 2, 1)
    assert [call.operation for call in tenant.requests] == ["token", "list", "list", "list"]


async def test_wrong_credentials_are_an_auth_error(tenant: Emulator) -> None:
    """A secret that is wrong is told as such, without repeating it."""
    auth = ClientCredentials(tenant.client_id, "wrong-secret")
    async with client_of(tenant, auth=auth) as client:
        with pytest.raises(AuthError) as caught:
            await client.list_cases()
    assert "wrong-secret" not in str(caught.value)


# ---- what is not what it should be ---------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"journal": "x"}, "journal must be a journal such as SQLiteJournal(path), got str"),
        ({"session": object()}, "session must be a ClientSession or None, got object"),
    ],
)
def test_what_is_no_part_of_a_client_is_refused(options: Any, message: str) -> None:
    """A text in the place of a journal, and anything for a session, is a ConfigError at once."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        AICCClient("https://host", auth=StaticToken("t"), **options)


@pytest.mark.parametrize("headers", [["X-A"], {"X-A:": "1"}, {"Host": "h"}, {"": "1"}])
def test_headers_that_are_not_the_callers_are_refused(headers: Any) -> None:
    """What no header is named, and what says how a request is sent, is a ConfigError."""
    with pytest.raises(ConfigError, match="headers must"):
        QFlowClient("https://host/API", headers=headers)


@pytest.mark.parametrize("name", ["a" * 300, "a" * 220, "a\0b"])
def test_a_journal_whose_name_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    """A name that is too long, also with what its locks add to it, is a ConfigError at once."""
    with pytest.raises(ConfigError, match="journal must be a file"):
        SQLiteJournal(tmp_path / name)
