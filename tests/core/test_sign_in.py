"""Signing in: once for everybody, again when it must be, and with nothing given away."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.tenants import NEW, client_of, count
from hypothesis import given
from hypothesis import strategies as st
from looptime import LoopTimeProxy

from aicc_async import (
    AICCClient,
    AICCError,
    ApiError,
    AuthError,
    ClientCredentials,
    ConfigError,
    RateLimit,
    ServerError,
    StaticToken,
    TransportError,
    UnknownOutcome,
)
from aicc_async._protocol.requests import Request
from aicc_async._protocol.sign_in import DEFAULT_LIFETIME, Grant, sign_in
from aicc_async._transport.tokens import RENEWAL_MARGIN, Signing, Tokens
from aicc_async.credentials import credentials_from
from aicc_async.emulator import Emulator, Fault
from aicc_async.errors import DecodeError

SECRET = "an-invented-secret"
EXPIRIES = [Fault.TOKEN_EXPIRED_401, Fault.TOKEN_EXPIRED_200, Fault.TOKEN_EXPIRED_500]


async def ends(*calls: asyncio.Future[object]) -> list[object]:
    """Wait for all calls; give results and errors."""
    return await asyncio.gather(*calls, return_exceptions=True)


def fifty_pages(client: AICCClient) -> list[asyncio.Future[object]]:
    """Begin fifty calls at once."""
    return [asyncio.ensure_future(client.list_cases(limit=1)) for _ in range(50)]


@pytest.fixture
async def wrong(tenant: Emulator) -> AsyncIterator[AICCClient]:
    """Run a client with a secret that the tenant does not know."""
    async with client_of(tenant, auth=ClientCredentials(tenant.client_id, SECRET)) as client:
        yield client


# ---- one sign-in for everybody -------------------------------------------------------------


async def test_fifty_calls_sign_in_once(tenant: Emulator, aicc: AICCClient) -> None:
    """Fifty calls of a new client share one sign-in."""
    assert not any(isinstance(end, Exception) for end in await ends(*fifty_pages(aicc)))
    assert count(tenant, "token") == 1


async def test_fifty_calls_over_an_expired_token(tenant: Emulator, aicc: AICCClient) -> None:
    """When the tenant refuses the token of fifty calls, one sign-in renews it."""
    await aicc.list_cases(limit=1)
    tenant.expire_tokens()
    assert not any(isinstance(end, Exception) for end in await ends(*fifty_pages(aicc)))
    assert count(tenant, "token") == 2


@pytest.mark.parametrize("fault", EXPIRIES)
async def test_each_way_of_expiry(tenant: Emulator, aicc: AICCClient, fault: Fault) -> None:
    """However the tenant says that a token is spent, the calls in flight renew it once."""
    await aicc.list_cases(limit=1)
    tenant.fail("list", fault, times=8)  # as many as go at the same time
    assert not any(isinstance(end, Exception) for end in await ends(*fifty_pages(aicc)))
    assert count(tenant, "token") == 2


@pytest.mark.parametrize("fault", EXPIRIES)
async def test_an_expired_create_is_sent_again(
    tenant: Emulator, aicc: AICCClient, fault: Fault
) -> None:
    """A create whose token was refused was not done: it goes again, and makes one case."""
    tenant.fail("create", fault)
    assert await aicc.create_case(NEW) in tenant.ids()
    assert (tenant.count(), count(tenant, "create"), count(tenant, "token")) == (301, 2, 2)


@pytest.mark.parametrize("fault", EXPIRIES)
async def test_a_second_refusal_is_final(tenant: Emulator, aicc: AICCClient, fault: Fault) -> None:
    """A fresh token that is refused too is an AuthError, after two attempts."""
    tenant.fail("list", fault, times=None)
    with pytest.raises(AuthError):
        await aicc.list_cases()
    assert (count(tenant, "list"), count(tenant, "token")) == (2, 2)


@pytest.mark.parametrize("fault", EXPIRIES)
async def test_a_static_token_is_not_renewed(tenant: Emulator, fault: Fault) -> None:
    """A static token that is refused is an AuthError at once."""
    tenant.fail("list", fault)
    async with client_of(tenant, signs_in=False) as client:
        with pytest.raises(AuthError):
            await client.list_cases()
    assert (count(tenant, "list"), count(tenant, "token")) == (1, 0)


async def test_wrong_credentials_fail_everybody_at_once(
    tenant: Emulator, wrong: AICCClient
) -> None:
    """Fifty callers wait for one sign-in, which is refused once and not tried again."""
    found = await ends(*fifty_pages(wrong))
    assert all(isinstance(end, AuthError) and end.code == "invalid_client" for end in found)
    assert [one.operation for one in tenant.requests] == ["token"]


async def test_the_queue_does_not_age_tokens(tenant: Emulator) -> None:
    """Calls that waited long for their turn take the token of now, not the one of then."""
    tenant.on_page(lambda tenant, number: tenant.expire_tokens() if number == 1 else None)
    async with client_of(tenant, max_concurrency=1) as client:
        assert not any(isinstance(end, Exception) for end in await ends(*fifty_pages(client)))
    assert (count(tenant, "token"), count(tenant, "list")) == (2, 51)


# ---- sign-ins that fail --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.HTTP_503, ServerError),
        (Fault.HTTP_502, ServerError),
        (Fault.DROP_BEFORE, TransportError),
        (Fault.DROP_AFTER, TransportError),
        (Fault.HTTP_500_AFTER, ServerError),
        (Fault.NOT_JSON, DecodeError),
        (Fault.HTML_200, DecodeError),
        (Fault.REDIRECT, ApiError),
    ],
)
async def test_a_create_without_sign_in_was_not_sent(
    tenant: Emulator, aicc: AICCClient, fault: Fault, error: type[AICCError]
) -> None:
    """A create that never left is not in doubt, whatever its sign-in died of."""
    tenant.fail("token", fault, times=None)
    with pytest.raises(error) as caught:
        await aicc.create_case(NEW)
    assert not isinstance(caught.value, UnknownOutcome)
    assert count(tenant, "create") == 0
    repeated = error in (ServerError, TransportError) or fault is Fault.HTML_200
    assert count(tenant, "token") == (5 if repeated else 1)  # attempts do not multiply


async def test_a_sign_in_that_fails_for_a_while_is_repeated(
    tenant: Emulator, aicc: AICCClient
) -> None:
    """A sign-in survives four failures, and the create behind it is sent once."""
    tenant.fail("token", Fault.HTTP_503, times=2)
    tenant.fail("token", Fault.DROP_AFTER, times=2)
    await aicc.create_case(NEW)
    assert (count(tenant, "token"), count(tenant, "create")) == (5, 1)


async def test_renewal_within_a_create_that_fails(tenant: Emulator, aicc: AICCClient) -> None:
    """When the token of a create is refused and none comes after it, nothing is in doubt."""
    await aicc.list_cases()
    tenant.fail("create", Fault.TOKEN_EXPIRED_500)
    tenant.fail("token", Fault.DROP_AFTER, times=None)
    with pytest.raises(TransportError):
        await aicc.create_case(NEW)
    assert (tenant.count(), count(tenant, "create"), count(tenant, "token")) == (300, 1, 6)


# ---- cancelled and closed ------------------------------------------------------------------


async def until(found: Callable[[], bool]) -> None:
    """Let the loop run until something is so."""
    while not found():  # noqa: ASYNC110 -- there is no event to wait for on the far side
        await asyncio.sleep(0)


async def test_a_cancelled_caller_leaves_the_sign_in(tenant: Emulator, aicc: AICCClient) -> None:
    """The caller that began the sign-in is cancelled; the others get its token."""
    first, *others = fifty_pages(aicc)
    await until(lambda: count(tenant, "token") == 1)
    first.cancel()
    found = await ends(first, *others)
    assert isinstance(found[0], asyncio.CancelledError)
    assert not any(isinstance(end, BaseException) for end in found[1:])
    assert count(tenant, "token") == 1


async def test_closing_ends_a_sign_in(tenant: Emulator, aicc: AICCClient) -> None:
    """Callers who wait for a sign-in when the client closes are told so; no task is left."""
    tenant.fail("token", Fault.HANG)
    calls = fifty_pages(aicc)
    await until(lambda: count(tenant, "token") == 1)
    await aicc.close()
    assert all(isinstance(end, ConfigError) for end in await ends(*calls))
    assert not [task for task in asyncio.all_tasks() if "renew" in repr(task)]


async def test_cancelled_while_closing(tenant: Emulator, aicc: AICCClient) -> None:
    """A caller who is cancelled just when the client closes sees the cancellation."""
    tenant.fail("token", Fault.HANG)
    call: asyncio.Future[object] = asyncio.ensure_future(aicc.list_cases())
    await until(lambda: count(tenant, "token") == 1)
    call.cancel()
    await aicc.close()
    assert [type(end) for end in await ends(call)] == [asyncio.CancelledError]


# ---- the life of a token -------------------------------------------------------------------


class Issuer:
    """Stands in for the session: gives tokens of a lifetime, one second after they are asked."""

    def __init__(self, lifetime: float) -> None:
        self.lifetime = lifetime
        self.issued = 0

    async def __call__(self, request: Request[Grant]) -> Grant:
        """Answer a sign-in."""
        assert request.operation == "token"
        await asyncio.sleep(1)
        self.issued += 1
        return Grant(f"token {self.issued}", self.lifetime)


@pytest.mark.looptime
@pytest.mark.parametrize(("lifetime", "margin"), [(7200, RENEWAL_MARGIN), (600, 60), (100, 10)])
async def test_renewal_before_the_end(
    lifetime: float, margin: float, looptime: LoopTimeProxy
) -> None:
    """A token is used until shortly before its end, then renewed once for fifty callers."""
    issuer = Issuer(lifetime)
    tokens = Tokens(sign_in(ClientCredentials("id", SECRET)), issuer)
    assert await tokens.token() == "token 1"
    await asyncio.sleep(lifetime - margin - 0.1)
    assert await tokens.token() == "token 1"
    await asyncio.sleep(0.2)
    before = looptime + 0
    assert set(await asyncio.gather(*(tokens.token() for _ in range(50)))) == {"token 2"}
    assert looptime + 0 - before == pytest.approx(1, abs=0.01)


@pytest.mark.looptime
async def test_an_old_refusal_does_not_spoil_a_new_token() -> None:
    """A late refusal of the token before leaves the present one in use."""
    issuer = Issuer(7200)
    tokens = Tokens(sign_in(ClientCredentials("id", SECRET)), issuer)
    old = await tokens.token()
    assert tokens.refuse(old)
    new = await tokens.token()
    assert tokens.refuse(old)
    assert await tokens.token() == new
    assert issuer.issued == 2


def grant(body: bytes) -> Grant:
    """Read the answer to a sign-in."""
    return sign_in(ClientCredentials("id", SECRET)).decode(body)


@pytest.mark.parametrize(
    ("text", "lifetime"),
    [("7200", 7200), ('"600"', 600), ("1800.5", 1800.5)]
    + [(odd, DEFAULT_LIFETIME) for odd in ("null", "0", "-5", '"nan"', '"inf"', '""')],
)
def test_lifetimes(text: str, lifetime: float) -> None:
    """What is no lifetime counts as the shortest known, so that it can't cause a storm."""
    body = b'{"access_token":"x","expires_in":%s}' % text.encode()
    assert grant(body).lifetime == lifetime
    assert grant(b'{"access_token":"x"}').lifetime == DEFAULT_LIFETIME


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"access_token":""}',
        b'{"access_token":5}',
        b'{"access_token":"a\\r\\nX-Other: b"}',
        b'{"access_token":"x","expires_in":[1]}',
        b'{"access_token":"x","expires_in":"soon"}',
    ],
)
def test_grants_that_are_none(body: bytes) -> None:
    """An answer without a token that may stand in a header is a DecodeError."""
    with pytest.raises(DecodeError, match=r"@ \$"):
        grant(body)


@given(st.binary(max_size=60))
def test_any_grant_is_read_or_refused(body: bytes) -> None:
    """No bytes make the reading of a sign-in raise anything else."""
    with pytest.raises(DecodeError):
        grant(body)


# ---- the key file --------------------------------------------------------------------------

HEAD = "username,client_id,client_secret\n"


def key_file(folder: Path, text: str | bytes) -> Path:
    """Write a key file."""
    path = folder / "key.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}someone,an-id,{SECRET}\n",
        f"\ufeffclient_id,client_secret\nan-id,{SECRET}",
        f"{HEAD}\n\nsomeone,an-id,{SECRET}\n\n,,\n",
        f"username, client_id, client_secret\r\nsomeone, an-id, {SECRET}\r\n",
        f'client_secret,client_id\n"{SECRET}","an-id"\n',
        f"{HEAD}someone,an-id,{SECRET},one,too,many\n",
    ],
)
def test_key_files(tmp_path: Path, text: str) -> None:
    """A key file is read with or without BOM, blank lines, quotes and further columns."""
    found = ClientCredentials.from_key_file(key_file(tmp_path, text))
    assert found == ClientCredentials("an-id", SECRET)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "^key file must have one row, got 0$"),
        (HEAD, "^key file must have one row, got 0$"),
        (f"{HEAD}a,b,{SECRET}\nc,d,{SECRET}\n", "^key file must have one row, got 2$"),
        (f"username,client_secret\na,{SECRET}\n", "^key file must have a column client_id$"),
        ("username,client_id\na,b\n", "^key file must have a column client_secret$"),
        (f"{HEAD}a,,{SECRET}\n", "^client_id must not be empty$"),
        (f"{HEAD}a,b\n", "^client_secret must not be empty$"),
        (f'{HEAD}a,b,"{SECRET}\nmore"\n', "^client_secret must be printable: no line breaks"),
        (HEAD.encode() + f"a,b,{SECRET}\xff".encode("latin-1"), "UnicodeDecodeError"),
        (f"{HEAD}a,b,{SECRET * 20_000}\n", "^key file cannot be read: Error$"),
    ],
)
def test_bad_key_files(tmp_path: Path, text: str | bytes, said: str) -> None:
    """A key file that is none is a ConfigError that gives nothing of it away."""
    with pytest.raises(ConfigError, match=said) as caught:
        ClientCredentials.from_key_file(key_file(tmp_path, text))
    assert SECRET not in everything(caught.value)


@pytest.mark.parametrize("name", ["none.csv", ".", "nul\0.csv"])
def test_unreadable_key_files(tmp_path: Path, name: str) -> None:
    """A key file that can't be opened is a ConfigError."""
    with pytest.raises(ConfigError, match=r"^key file cannot be read: \w+Error$"):
        ClientCredentials.from_key_file(tmp_path / name)


def test_credentials_from_the_environment(tmp_path: Path) -> None:
    """A token goes before a key file, a key file before id and secret; nothing is an error."""
    environ = {"AICC_CLIENT_ID": "id", "AICC_CLIENT_SECRET": SECRET}
    assert credentials_from(environ) == ClientCredentials("id", SECRET)
    path = key_file(tmp_path, f"{HEAD}a,b,{SECRET}\n")
    environ["AICC_KEY_FILE"] = str(path)
    assert credentials_from(environ) == ClientCredentials("b", SECRET)
    assert credentials_from(environ | {"AICC_ACCESS_TOKEN": "t"}) == StaticToken("t")
    with pytest.raises(ConfigError, match="AICC_ACCESS_TOKEN"):
        credentials_from({"AICC_CLIENT_ID": "id", "AICC_KEY_FILE": ""})


# ---- nothing given away --------------------------------------------------------------------


def everything(error: BaseException) -> str:
    """Write out an error with its causes, contexts, arguments and fields."""
    texts = [*traceback.format_exception(error)]
    found: BaseException | None = error
    while found is not None:
        texts.append(f"{found!r} {found.args} {vars(found)}")
        texts.append(repr(getattr(found, "object", "")))
        found = found.__cause__ or found.__context__
    return "\n".join(texts)


def test_secrets_are_not_shown() -> None:
    """No secret stands in the text of credentials, of a grant, or of a sign-in."""
    credentials = ClientCredentials("id", SECRET)
    fixed = StaticToken(SECRET)
    things = (credentials, fixed, Grant(SECRET, 5.0), sign_in(credentials))
    for thing in (*things, Signing.from_credentials(credentials), Signing.from_credentials(fixed)):
        assert SECRET not in f"{thing} {thing!r}"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "must not be empty"),
        ("  ", "must not be empty"),
        (f"{SECRET}\r\nb", "must be printable: no line breaks, no control characters"),
        (f"{SECRET}\0b", "must be printable: no line breaks, no control characters"),
        (5, "must be a string, got int"),
        (None, "must be a string, got NoneType"),
        (SECRET.encode(), "must be a string, got bytes"),
        ([SECRET], "must be a string, got list"),
    ],
)
def test_unusable_secrets(value: Any, says: str) -> None:
    """A secret that can't be in a header or form is a ConfigError that does not show it."""
    for name, make in (("token", StaticToken), ("client_secret", partial(ClientCredentials, "id"))):
        with pytest.raises(ConfigError, match=f"^{name} {says}$") as caught:
            make(value)
        assert SECRET not in everything(caught.value)


async def test_secrets_are_not_told(
    tenant: Emulator, wrong: AICCClient, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused sign-in shows the secret neither in its error nor in the log."""
    caplog.set_level(logging.DEBUG)
    with pytest.raises(AuthError) as caught:
        await wrong.list_cases()
    [request] = tenant.requests
    assert SECRET.encode() in request.body
    assert SECRET not in request.path
    assert SECRET not in everything(caught.value) + caplog.text
    assert vars(pickle.loads(pickle.dumps(caught.value))) == vars(caught.value)  # noqa: S301


@pytest.mark.parametrize("fault", [*EXPIRIES, Fault.DROP_AFTER, Fault.HTTP_500, Fault.NOT_JSON])
async def test_tokens_are_not_told(
    tenant: Emulator, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a call dies of, its token stands neither in the error nor in the log."""
    caplog.set_level(logging.DEBUG)
    tenant.fail("list", fault, times=None)
    token = tenant.token()
    async with client_of(tenant, auth=StaticToken(token)) as client:
        with pytest.raises(AICCError) as caught:
            await client.list_cases()
    assert tenant.requests[0].headers["access-token"] == token
    assert token not in everything(caught.value) + caplog.text + repr(client)


async def test_sign_ins_count_against_the_limit(tenant: Emulator) -> None:
    """A sign-in takes a slot of the rate limit like any request, and waits for no other."""
    auth = ClientCredentials(tenant.client_id, tenant.client_secret)
    rate = RateLimit(1, per=0.05, strict=True)
    async with AICCClient(tenant.url, auth=auth, rate_limit=rate, max_concurrency=1) as client:
        await client.list_cases(limit=1)
    first, second = tenant.requests
    assert (first.operation, second.operation) == ("token", "list")
    assert second.at - first.at >= 0.05


# ---- a function of the caller's --------------------------------------------------------------


async def test_a_function_is_asked_once_and_again_after_a_refusal(tenant: Emulator) -> None:
    """Fifty calls share what it returns; after a 401 they share what it returns then."""
    asked = 0

    async def fetch_token() -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return tenant.token()

    async with client_of(tenant, auth=fetch_token) as client:
        assert not any(isinstance(end, Exception) for end in await ends(*fifty_pages(client)))
        tenant.expire_tokens()
        assert not any(isinstance(end, Exception) for end in await ends(*fifty_pages(client)))
    assert (asked, count(tenant, "token")) == (2, 0)


@pytest.mark.parametrize("token", [None, b"text", "", "two\nlines"])
async def test_a_function_must_return_a_token(tenant: Emulator, token: Any) -> None:
    """What is fit for no header is a ConfigError that does not show it."""

    async def fetch_token() -> Any:
        return token

    async with client_of(tenant, auth=fetch_token) as client:
        with pytest.raises(ConfigError, match="the token that auth returns must ") as caught:
            await client.list_cases()
    assert "lines" not in str(caught.value)
    assert not tenant.requests


async def test_what_a_function_raises_reaches_the_caller(tenant: Emulator) -> None:
    """It is the caller's own error, as it was raised; the next call asks again."""

    class VaultError(Exception):
        """What a client of a vault raises."""

    is_sealed = iter([True, False])

    async def fetch_token() -> str:
        if next(is_sealed):
            raise VaultError("sealed")
        return tenant.token()

    async with client_of(tenant, auth=fetch_token) as client:
        with pytest.raises(VaultError, match="sealed"):
            await client.list_cases()
        assert (await client.list_cases(limit=1)).count == tenant.count()


@pytest.mark.parametrize("auth", [StaticToken, lambda: "token", print, None])
def test_what_gives_no_token_is_refused(auth: Any) -> None:
    """A class, a plain function: a ConfigError before anything is sent."""
    with pytest.raises(ConfigError, match="auth must be a StaticToken, ClientCredentials or a cor"):
        AICCClient("https://host", auth=auth)
