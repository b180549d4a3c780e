"""Creates that happen once: remembered under a key, and looked for before they are sent again."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import msgspec
from attrs import evolve, field, frozen

from .._api import CaseApi
from .._listing.zones import is_within
from ..errors import (
    AICCError,
    ApiError,
    AuthError,
    ConfigError,
    ExportError,
    JournalError,
    KeyInUse,
    RateLimitError,
    ServerError,
    TransportError,
    UnknownOutcome,
)
from ..journal import Entry, Finding, Journal
from ..models import Case, CaseQuery, NewCase
from ..settings import AUTO_ASSIGN

OnUnknown = Literal["raise", "reconcile"]
Likeness = Literal["same", "near", "alike"]  # near: the description, but not the extension fields
LIST_LAG = 180.0  # seconds: server-side scripts may take 3 minutes
LONGEST_LAG = 86_400
MARGIN = timedelta(minutes=2)  # what clocks may differ; with more of it more strangers are found
SKEW = timedelta(seconds=30)  # of the service's clock: from here on it is made good
ROUNDS = 5  # times that a create is sent, each but the first after it was looked for
MOST = 100  # cases that are compared one by one
LONGEST_KEY = 500  # characters
POLL = 0.02, 1.0  # seconds between looks at a key that somebody holds, at first and at last
LOOK = 0.25, 30.0  # seconds between looks at the list
WIDE = AuthError, RateLimitError, ServerError, TransportError  # they'd meet the next one as well
_SHOWN = ("contactId", "creatorId", "type", "title")  # what a row of the list shows of a record


@frozen
class Made:
    """A case, and whether an earlier call had made it ``already``."""

    case_id: str
    already: bool = False


@frozen(kw_only=True)
class CreateOutcome:
    """What became of one of many creates: ``created``, ``already``, ``rejected`` or ``unknown``.

    ``already``: an earlier call made it, or one beside it. ``rejected``: none was made, ``error``
    says why. ``unknown``: one may have been made, ``error`` is the UnknownOutcome.
    """

    key: str
    status: Literal["created", "already", "rejected", "unknown"]
    case_id: str | None = None
    error: AICCError | None = field(default=None, repr=False)  # the service's words may stand in it


@frozen(kw_only=True)
class Creator:
    """Creates cases by keys; what it promises stands at ``AICCClient.create_case``.

    ``list_lag`` is in how many seconds the list shows a case at the latest.
    """

    api: CaseApi
    journal: Journal
    list_lag: float

    async def create(self, new: NewCase, *, key: str, on_unknown: OnUnknown, wait: bool) -> Made:
        """Create a case, or tell which one the key has made already."""
        try:
            return await self._create(new, key, on_unknown, wait=wait)
        except _NotLooked as failure:
            raise failure.unknown() from failure.error

    async def outcome(self, new: NewCase, *, key: str, on_unknown: OnUnknown) -> CreateOutcome:
        """Create a case, and tell as a value what concerns it alone.

        What would meet the next one as well is raised: credentials, limits, transport, journal, and
        a list that can't be asked, or every other one would be unknown too.
        """
        try:
            made = await self._create(new, key, on_unknown, wait=True)
        except _NotLooked as failure:
            if isinstance(failure.error, WIDE):
                raise failure.error from None
            return CreateOutcome(key=key, status="unknown", error=failure.unknown())
        except UnknownOutcome as error:
            return CreateOutcome(key=key, status="unknown", error=error)
        except (AuthError, RateLimitError):
            raise
        except (ApiError, ConfigError) as error:
            return CreateOutcome(key=key, status="rejected", error=error)
        status: Literal["already", "created"] = "already" if made.already else "created"
        return CreateOutcome(key=key, status=status, case_id=made.case_id)

    async def _create(self, new: NewCase, key: str, on_unknown: OnUnknown, *, wait: bool) -> Made:
        _check_key(key)
        entry = await self._claim(new, key, wait=wait)
        if entry.case_id:
            return Made(entry.case_id, already=True)
        try:
            return await self._settle(new, entry, on_unknown)
        finally:
            self.journal.release(key)

    async def _claim(self, new: NewCase, key: str, *, wait: bool) -> Entry:
        """Take the key, or find it settled."""
        fields = _plain(self.api.protocol.fields(new))
        digest = _digest(self.api.base_url, fields)
        shown = {name: " ".join(fields[name].split()) for name in _SHOWN}  # compared like this
        match_digest = _digest(self.api.base_url, shown)
        for pause in _pauses(*POLL):
            entry = await self.journal.claim(key, digest=digest, match_digest=match_digest)
            if entry.digest != digest and entry.state != "rejected":  # that is just being released
                raise ConfigError(f"key: {key!r} stands for another record already")
            if entry.held or entry.case_id:
                return entry
            if not wait:
                raise KeyInUse(f"create: another call with the key {key!r} is on its way")
            await asyncio.sleep(pause)
        raise AssertionError  # pauses have no end

    async def _settle(self, new: NewCase, entry: Entry, on_unknown: OnUnknown) -> Made:
        """Send it, after it was looked for where it may have been sent before."""
        for rounds_left in reversed(range(ROUNDS)):
            if entry.state == "unknown":
                if case_id := await self._reconcile(new, entry):
                    return Made(case_id)
                await self.journal.resend(entry.key)
            try:
                return Made(await self._send(new, entry.key))
            except UnknownOutcome:
                if on_unknown == "raise" or not rounds_left:
                    raise
            entry = evolve(entry, state="unknown", updated_at=_now())
        raise AssertionError  # the last round returns or raises

    async def _send(self, new: NewCase, key: str) -> str:
        try:
            async with self.journal.holding(key):
                case_id = await self.api.create(new)
        except UnknownOutcome as error:
            with suppress(JournalError):  # it is noted as sent, which is looked for as well
                await self.journal.doubt(key, _note(error))
            raise
        except JournalError:  # not held any more: whoever holds it says what became of it
            raise
        except AICCError as error:
            with suppress(JournalError):
                await self.journal.reject(key, _note(error))
            raise
        try:
            await self.journal.confirm(key, case_id)
        except JournalError as error:
            error.case_id = case_id
            raise
        return case_id

    async def _reconcile(self, new: NewCase, entry: Entry) -> str | None:
        """Find the case that it may have made; None: there is none, it may be sent again."""
        try:
            finding = await self._search(new, entry)
        except (JournalError, UnknownOutcome):
            raise
        except AICCError as error:
            raise _NotLooked(error) from error
        if finding.status == "unsure":
            note = f"{len(finding.ids)} cases look like it"
            await self.journal.doubt(entry.key, note, finding.ids)
            raise UnknownOutcome(
                f"create: it may have happened, {note}",
                operation="create",
                candidates=finding.ids,
            )
        return finding.ids[0] if finding.status == "found" else None

    async def _search(self, new: NewCase, entry: Entry) -> Finding:
        """Look until it is found, or should have shown by now."""
        clock = asyncio.get_running_loop().time  # the other one may be set meanwhile
        shown = entry.updated_at + timedelta(seconds=self.list_lag)
        last = clock() + min((shown - _now()).total_seconds(), self.list_lag)
        compared: dict[str, Likeness] = {}
        for pause in _pauses(*LOOK):
            asked, left = _now(), last - clock()
            try:
                cases = await self._look(new, entry, min(asked, shown))
            except ExportError:  # rows kept moving: others create as well
                if left <= 0:
                    raise
                await asyncio.sleep(min(pause, left))
                continue
            finding = await self._take(new, entry.key, cases, compared, asked)
            if finding.status == "found" or (finding.status != "busy" and left <= 0):
                return finding
            await asyncio.sleep(min(pause, left) if left > 0 else pause)
        raise AssertionError  # pauses have no end

    async def _look(self, new: NewCase, entry: Entry, until: datetime) -> list[Case]:
        """List the cases that look like it and are no other key's, oldest first."""
        cases = await self._list(new, entry.created_at, until)
        skew = _skew(self.api.last_headers)
        if abs(skew) > SKEW:
            cases = await self._list(new, entry.created_at + skew, until + skew)
        free = set(await self.journal.untaken([case.id for case in cases]))
        return [case for case in cases if case.id in free]

    async def _take(
        self,
        new: NewCase,
        key: str,
        cases: list[Case],
        compared: dict[str, Likeness],
        asked: datetime,
    ) -> Finding:
        """Take one of the cases, if it can only be this one."""
        ids = [case.id for case in cases]
        if len(ids) > MOST:
            return Finding("unsure", tuple(ids[:MOST]))
        for case in cases:
            if case.id not in compared:
                compared[case.id] = await self._compare(new, case)
        same = [each for each in ids if compared[each] == "same"]
        alike = [each for each in ids if compared[each] != "same"]
        finding = await self.journal.take(key, same, alike, asked=asked)
        if finding.status == "unsure" and [compared[each] for each in ids] == ["near"]:
            # the only one, and nobody else's: the service may write extension fields its own way
            return await self.journal.take(key, ids, [], asked=asked)
        return finding

    async def _list(self, new: NewCase, began: datetime, until: datetime) -> list[Case]:
        start, end = began - MARGIN, until + MARGIN
        finds_by_creation = self.api.profile.date_field in {None, "createdDate"}
        query = CaseQuery(
            contact_id=new.contact_id,
            creator_id=new.creator_id,
            type=new.type,
            start_time=start if finds_by_creation else None,
            end_time=end if finds_by_creation else None,
        )
        found = self.api.rows(self.api.protocol.cases(query), self.api.windows(query))
        cases = [case async for case in found if _looks_like(case, new, start, end)]
        return sorted(cases, key=lambda case: (case.created_date or start, case.id))

    async def _compare(self, new: NewCase, case: Case) -> Likeness:
        """Compare what no row shows; other spaces and line ends are no difference."""
        detail = (await self.api.detail(case.id)).case
        if (detail.description or "").split() != new.description.split():
            return "alike"
        return "near" if _differs(new.extra, case.extra | detail.extra) else "same"


class _NotLooked(Exception):  # noqa: N818  (it doesn't leave this file)
    """A case that may have been made could not be looked for: why."""

    def __init__(self, error: AICCError) -> None:
        super().__init__(str(error))
        self.error = error

    def unknown(self) -> UnknownOutcome:
        """Tell the caller that it may have happened."""
        text = f"create: it may have happened, and could not be looked for ({self.error})"
        return UnknownOutcome(text, operation="create")


def _looks_like(case: Case, new: NewCase, start: datetime, end: datetime) -> bool:
    shown = (case.contact_id, case.creator_id, case.type)
    sent = (new.contact_id, new.creator_id, new.type)
    if any(value not in {None, wanted} for value, wanted in zip(shown, sent, strict=True)):
        return False
    if (case.title or "").split() != new.title.split():
        return False
    return case.created_date is None or is_within(case.created_date, start, end)


def _differs(sent: Mapping[str, Any], shown: Mapping[str, Any]) -> bool:
    """Tell whether an extension field shows another value than was sent; 5 and "5" are one."""
    return any(
        shown.get(name) is not None and str(shown[name]).casefold() != str(value).casefold()
        for name, value in sent.items()
    )


def _check_key(key: object) -> None:
    """Raise ConfigError unless it is a text that may be a key."""
    if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        given = f"{len(key)} characters were" if isinstance(key, str) else f"{key!r} was"
        wanted = f"a printable text of 1 to {LONGEST_KEY} characters"
        raise ConfigError(f"key: {wanted} is needed, {given} given")


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out how the auto-assign flag is spelt: the same record has one digest."""
    flags = [value for name, value in fields.items() if name in AUTO_ASSIGN]
    return {name: value for name, value in fields.items() if name not in AUTO_ASSIGN} | {
        AUTO_ASSIGN[0]: flags[0]
    }


def _digest(tenant: str, fields: Mapping[str, Any]) -> str:
    text = msgspec.json.encode([tenant, fields], order="sorted")
    return hashlib.sha256(text).hexdigest()


def _note(error: AICCError) -> str:
    """Tell what went wrong without the service's words: people may stand in them."""
    cause = error.__cause__ if isinstance(error, UnknownOutcome) and error.__cause__ else error
    status, code = getattr(cause, "status", 0), getattr(cause, "code", None)
    parts = [type(cause).__name__, f"HTTP {status}" if status else "", f"resCode {code or ''}"]
    return ", ".join(part for part in parts if part and part != "resCode ")


def _skew(headers: Mapping[str, str]) -> timedelta:
    """Tell by how much the service's clock is ahead."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, IndexError):
        return timedelta(0)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)) - _now()


def _pauses(first: float, longest: float) -> Iterator[float]:
    pause = first
    while True:
        yield pause
        pause = min(pause * 2, longest)


def _now() -> datetime:
    return datetime.now(UTC)
