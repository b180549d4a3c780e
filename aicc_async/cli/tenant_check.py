"""The first calls of a new account: a line for each thing that has to be right."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta

from attrs import asdict

from ..client import AICCClient
from ..errors import (
    AICCError,
    ApiError,
    AuthError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
    TransportError,
)
from ..probe.asking import MAX_REQUESTS, Asker
from ..probe.clock import find_utc_offset
from ..probe.gateway import lowest_quota
from ..probe.page_shape import read_first_page
from ..probe.platform import describe_refusal
from ..probe.survey import Survey
from .console import echo, printable

# What a gateway or a proxy on the way adds to an answer.
GATEWAY_HEADERS = ("X-Request-Id", "Server", "Via")
# Not questions of the probe's.
NO_QUESTIONS = {"probed", "rate", "rate_refused", "platform"}
SIGN_IN_ADVICE = (
    "check the key file (client_id, client_secret), and ask the administrator whether the account"
    " is bound to other IP addresses than yours"
)
RIGHTS_ADVICE = (
    "sign in anew if the token was set, and ask the administrator whether the account has the right"
    " to read the case object AICC__CASE__CST by API"
)
NETWORK_ADVICE = (
    "check the domain in AICC_BASE_URL, and whether this machine needs a proxy or the certificates"
    " of your company"
)
# The first that fits; a kind is before those that it is derived from.
ADVICE: tuple[tuple[type[AICCError], str], ...] = (
    (AuthError, RIGHTS_ADVICE),
    (RateLimitError, "try again in a minute, and set AICC_RATE_LIMIT to less than the quota"),
    (NotFoundError, "check the domain in AICC_BASE_URL: it answers, but has no case interface"),
    (ServerError, "try again later: the domain is right, and the service is not well"),
    (ApiError, "ask the administrator what this code means"),
    (
        DecodeError,
        "check the domain in AICC_BASE_URL, and the proxy: what answers is not the case interface",
    ),
    (TransportError, NETWORK_ADVICE),
)


async def check_tenant(aicc: AICCClient) -> bool:
    """Print what is found, a line each; return whether rows agree with the zone.

    What ends it is raised with a note that says what to do.
    """
    survey = Survey(now=aicc.api.now())
    asker = Asker(aicc.api, survey)
    try:
        await aicc.api.sign_in()
    except AICCError as error:
        _advise(error, ((AuthError, SIGN_IN_ADVICE), *ADVICE))
        raise
    is_issued = aicc.stats.requests > 0
    token = "gave a token" if is_issued else "not asked: a token is set; cases tell if it is good"
    _print("sign-in", f"{aicc.base_url} {token}")
    try:
        await read_first_page(survey, asker)
        gateway = _describe_gateway(await asker.debug_headers(survey.whole))
        await find_utc_offset(survey, asker)
        whole = survey.whole
        span = f" from {whole.start} to {whole.end}" if whole.start else " in all"
        _print("cases", f"{survey.pages[0].count:,}{span}")
        _print("zone", _describe_zone(aicc, survey))
        _print("rights", await _describe_rights(aicc, survey))
    except AICCError as error:
        _advise(error, ADVICE)
        raise
    _print("gateway", gateway)
    _print("probe", _describe_probe(aicc))
    return "utc_offset" not in survey.answers


def _print(what: str, finding: str) -> None:
    echo(printable(f"{what + ':':9}{finding}"))


def _advise(error: AICCError, advice: Iterable[tuple[type[AICCError], str]]) -> None:
    for kind, text in advice:
        if isinstance(error, kind):
            error.add_note(text)
            return


def _describe_zone(aicc: AICCClient, survey: Survey) -> str:
    name = aicc.timezone.key
    if offset := survey.answers.get("utc_offset"):
        return (
            f"{name} is wrong: rows are dated {offset:g} hours or more ahead of UTC; set"
            " AICC_TIMEZONE to the tenant's zone"
        )
    dates = [moment for page in survey.pages for moment in page.created_dates()]
    if not dates:
        return f"{name} cannot be compared: there are no rows"
    now = survey.now - timedelta(microseconds=survey.now.microsecond)
    return f"no row contradicts {name}: none is after its now, {now}; newest seen: {max(dates)}"


async def _describe_rights(aicc: AICCClient, survey: Survey) -> str:
    case_id = next((case_id for page in survey.pages for case_id in page.ids), None)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "one case type": lambda: aicc.list_case_types(limit=1),
        "statistics": aicc.current_statistics,
        "tasks": lambda: aicc.list_tasks(limit=1),
    }
    if case_id:
        calls = {"one case": lambda: aicc.get_case(case_id)} | calls
    answered, refused = ["the list of cases"], list[str]()
    for name, ask in calls.items():
        if why := await _refusal(ask):
            refused.append(f"{name} ({why})")
        else:
            answered.append(name)
    text = f"may read {', '.join(answered)}"
    return f"{text}; refused: {', '.join(refused)}" if refused else text


async def _refusal(ask: Callable[[], Awaitable[object]]) -> str | None:
    """Return how a call was refused; None when it was answered."""
    try:
        await ask()
    except RateLimitError:
        raise
    except ApiError as error:
        return describe_refusal(error)
    except DecodeError:
        return "answered otherwise than documented"
    return None


def _describe_gateway(headers: Mapping[str, str]) -> str:
    seen = [f"{name}: {headers[name]}" for name in GATEWAY_HEADERS if name in headers]
    quota = lowest_quota(headers)
    told = f"a quota of {quota[0]} requests in {quota[1]:g} seconds" if quota else "no quota"
    return f"tells {told}; headers: {', '.join(seen) or 'none of a gateway'}"


def _describe_probe(aicc: AICCClient) -> str:
    unknown = [
        name
        for name, answer in asdict(aicc.profile).items()
        if answer is None and name not in NO_QUESTIONS
    ]
    if not unknown:
        return "has nothing to ask: the profile has all answers"
    return (
        f"would ask for {', '.join(unknown)}, in at most {MAX_REQUESTS} requests: aicc-async probe"
        " -o profile.toml"
    )
