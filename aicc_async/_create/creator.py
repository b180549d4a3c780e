"""Creates that happen once: remembered under a key, and looked for before they are sent again.

The idea: the service has no idempotency key, so the journal is one. A key is claimed before the
first byte leaves; whoever holds it is the only one to send. When the outcome is not known, the key
stays in doubt, and the next call looks for the case in the list before it sends again.

The invariant: a create leaves only while its key is held, and after a doubt only once the list has
been asked for longer than it lags. What was sent is in the journal before it can be lost: at worst
as ``sent``, which is looked for as well.

What the clocks, the zone and the service's spelling may hide is looked for once more before a
create is sent again, and ends as an unknown outcome (see ``last_look.py``).

What it can't see: a case that shows later than ``list_lag``, one whose contact, creator or type was
changed before it was looked for, or both title and description, and an equal case that somebody
else made within these minutes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from attrs import Factory, evolve, field, frozen

from .._api import CaseApi
from .._transport.deadline import earliest_end
from .._validators import shown
from ..errors import (
    AICCError,
    ApiError,
    AuthError,
    ConfigError,
    JournalError,
    KeyInUse,
    RateLimitError,
    ServerError,
    TransportError,
    UnknownOutcome,
)
from ..events import JournalOutcome, JournalStatus
from ..journal import Entry, Journal
from ..journal.clock import wall_now
from ..models import NewCase
from .last_look import LastLook, describe_candidates
from .match import digest_match, digest_record
from .readings import CLOCK_TOLERANCE, NONE, CallClock
from .search import CaseSearch, backoff
from .zone import TenantZone

OnUnknown = Literal["raise", "reconcile"]
# A create is looked for before each of these but the first.
MAX_SENDS = 5
MAX_KEY_CHARACTERS = 500
# Between looks at a key that somebody else holds.
KEY_POLL_INTERVALS = 0.02, 1.0  # seconds, at first and at last
# What fails one search like this fails the next one too.
_COMMON_FAILURES = AuthError, RateLimitError, ServerError, TransportError


@frozen
class CreatedCase:
    """A case, and whether an earlier call had made it ``already``."""

    case_id: str
    already: bool = False


@frozen(kw_only=True)
class CreateOutcome:
    """What became of one of many creates.

    ``status`` is one of ``created``, ``already``, ``rejected`` and ``unknown``. ``already``: an
    earlier call made it, or one beside it. ``rejected``: none was made, ``error`` says why.
    ``unknown``: one may have been made, ``error`` is the UnknownOutcome.
    """

    key: str
    status: Literal["created", "already", "rejected", "unknown"]
    case_id: str | None = None
    # The service's own words may name people.
    error: AICCError | None = field(default=None, repr=False)


@frozen(kw_only=True)
class Creator:
    """Creates cases by keys, as ``AICCClient.create_case`` promises.

    ``list_lag`` is in how many seconds the list shows a case at the latest.
    """

    api: CaseApi
    journal: Journal
    list_lag: float
    zone: TenantZone = Factory(TenantZone)

    async def create(
        self,
        new: NewCase,
        *,
        key: str,
        on_unknown: OnUnknown,
        wait: bool,
        max_wait: float | None = None,
    ) -> CreatedCase:
        """Create a case, or return the one that the key has made already.

        Others and the list are waited for ``max_wait`` seconds at most (None: until the caller's
        deadline ends, if there is one), others not at all unless ``wait``.
        """
        # Before the journal, whose connections may be of another event loop as well.
        self.api.check_usable()
        deadline = earliest_end(max_wait)
        try:
            return await self._create(new, key, on_unknown, wait=wait, deadline=deadline)
        except _SearchFailed as failure:
            raise failure.unknown() from failure.error
        except _JournalRefused as failure:
            raise failure.error from None

    async def outcome(self, new: NewCase, *, key: str, on_unknown: OnUnknown) -> CreateOutcome:
        """Create a case, and return as a value what concerns it alone.

        What would fail the next one as well is raised: credentials, limits, transport, journal, and
        a list that cannot be read, or every other one would be unknown too.
        """
        self.api.check_usable()
        try:
            made = await self._create(new, key, on_unknown, wait=True, deadline=earliest_end())
        except _SearchFailed as failure:
            if isinstance(failure.error, _COMMON_FAILURES):
                raise failure.error from None
            return CreateOutcome(key=key, status="unknown", error=failure.unknown())
        except _JournalRefused as failure:
            raise failure.error from None
        except UnknownOutcome as error:
            return CreateOutcome(key=key, status="unknown", error=error)
        except (AuthError, RateLimitError):
            raise
        except (ApiError, ConfigError) as error:
            return CreateOutcome(key=key, status="rejected", error=error)
        status: Literal["already", "created"] = "already" if made.already else "created"
        return CreateOutcome(key=key, status=status, case_id=made.case_id)

    async def _create(
        self,
        new: NewCase,
        key: str,
        on_unknown: OnUnknown,
        *,
        wait: bool,
        deadline: float | None,
    ) -> CreatedCase:
        status: JournalStatus = "failed"
        try:
            made = await self._claim_and_settle(new, key, on_unknown, wait=wait, deadline=deadline)
            status = "already" if made.already else "created"
        except (UnknownOutcome, _SearchFailed):
            status = "unknown"
            raise
        except (AuthError, RateLimitError):
            raise
        except (ApiError, ConfigError):
            status = "rejected"
            raise
        finally:
            if self.api.on_event:
                self.api.on_event(JournalOutcome(status=status))
        return made

    async def _claim_and_settle(
        self,
        new: NewCase,
        key: str,
        on_unknown: OnUnknown,
        *,
        wait: bool,
        deadline: float | None,
    ) -> CreatedCase:
        check_key(key)
        # At once is a time that has passed.
        entry = await self._claim(new, key, deadline=deadline if wait else 0.0)
        if entry.case_id:
            return CreatedCase(entry.case_id, already=True)
        try:
            return await self._settle(new, entry, on_unknown, deadline=deadline)
        finally:
            self.journal.release(key)

    async def _claim(self, new: NewCase, key: str, *, deadline: float | None) -> Entry:
        """Take the key, or find it settled."""
        fields = self.api.protocol.fields(new)
        digest = digest_record(self.api.base_url, fields)
        match_digest = digest_match(self.api.base_url, fields)
        for pause in backoff(*KEY_POLL_INTERVALS):
            service_time = self.api.service_time()
            skew = None if service_time is None else service_time - wall_now()
            try:
                entry = await self.journal.claim(
                    key, digest=digest, match_digest=match_digest, skew=skew
                )
            except ConfigError as error:
                raise _JournalRefused(error) from None
            # A rejected one is just being released, and may come with another record then.
            if entry.digest != digest and entry.state != "rejected":
                raise ConfigError(f"key must be new or of the same record, got {shown(key)}")
            if entry.held or entry.case_id:
                return entry
            now = asyncio.get_running_loop().time()
            if deadline is not None and now + pause > deadline:
                raise KeyInUse(f"create: another call is at work on key {shown(key)}")
            await asyncio.sleep(pause)
        raise AssertionError("backoff has no end")

    async def _settle(
        self, new: NewCase, entry: Entry, on_unknown: OnUnknown, *, deadline: float | None
    ) -> CreatedCase:
        """Send it, after it was looked for where it may have been sent before."""
        clock, is_resent, may_exist = CallClock(), False, False
        try:
            for sends_left in reversed(range(MAX_SENDS)):
                if entry.state == "unknown":
                    search = await self._open_search(new, entry, clock, deadline=deadline)
                    if case_id := await self._reconcile(search):
                        return CreatedCase(case_id)
                    skew, is_resent = _common_skew(search), True
                    await self.journal.resend(entry.key, skew=skew)
                    entry = evolve(entry, skew=skew)
                try:
                    return CreatedCase(await self._send(new, entry.key, is_resent=is_resent))
                except UnknownOutcome:
                    if on_unknown == "raise" or not sends_left:
                        raise
                may_exist = True
                updated_at = clock.now()
                entry = evolve(entry, state="unknown", updated_at=updated_at, updated_drift=NONE)
        except JournalError as error:
            # Whoever has the key now looks for the case; this caller must not take it for unmade.
            if error.case_id or not may_exist:
                raise
            text = f"create: it may have happened, and the journal has failed since ({error})"
            raise UnknownOutcome(text, operation="create") from error
        raise AssertionError("the last send returns or raises")

    async def _send(self, new: NewCase, key: str, *, is_resent: bool) -> str:
        may_have_left = is_resent

        def note_departure(has_left: bool) -> None:
            nonlocal may_have_left
            may_have_left = has_left or is_resent

        try:
            async with self.journal.holding(key):
                case_id = await self.api.create(new, on_departure=note_departure)
        except UnknownOutcome as error:
            # The journal has it as sent, which is looked for as well.
            with suppress(JournalError):
                await self.journal.doubt(key, _describe(error))
            raise
        except JournalError:
            # The key is not held any more: its new holder notes what became of it.
            raise
        except AICCError as error:
            with suppress(JournalError):
                await self.journal.reject(key, _describe(error))
            raise
        except asyncio.CancelledError:
            if not may_have_left:
                self.journal.withdraw(key)
            raise
        self.zone.note_confirmed(case_id, wall_now(), self.api.service_time())
        try:
            await self.journal.confirm(key, case_id)
        except JournalError as error:
            error.case_id = case_id
            raise
        return case_id

    async def _open_search(
        self, new: NewCase, entry: Entry, clock: CallClock, *, deadline: float | None
    ) -> CaseSearch:
        return CaseSearch(
            api=self.api,
            journal=self.journal,
            new=new,
            entry=entry,
            list_lag=self.list_lag,
            clock=clock,
            offset=await self.zone.learn(self.api),
            deadline=deadline,
        )

    async def _reconcile(self, search: CaseSearch) -> str | None:
        """Find the case that it may have made; None: there is none, it may be sent again."""
        try:
            finding = await search.run()
            note = describe_candidates(finding)
            if finding.status == "none":
                finding, note = await LastLook(search=search).run()
        except (JournalError, UnknownOutcome):
            raise
        except AICCError as error:
            raise _SearchFailed(error) from error
        if finding.status == "unsure":
            await self.journal.doubt(search.entry.key, note, finding.ids)
            raise UnknownOutcome(
                f"create: it may have happened, {note}",
                operation="create",
                candidates=finding.ids,
            )
        return finding.ids[0] if finding.status == "found" else None


class _SearchFailed(Exception):  # noqa: N818  (it does not leave this file)
    """A case that may have been made could not be looked for, because of ``error``."""

    def __init__(self, error: AICCError) -> None:
        super().__init__(str(error))
        self.error = error

    def unknown(self) -> UnknownOutcome:
        """Return the error for the caller: it may have happened."""
        text = f"create: it may have happened, and could not be looked for ({self.error})"
        return UnknownOutcome(text, operation="create")


class _JournalRefused(Exception):  # noqa: N818  (it does not leave this file)
    """The journal can't be used as it is set up: no other key would fare better."""

    def __init__(self, error: ConfigError) -> None:
        super().__init__(str(error))
        self.error = error


def check_key(key: object) -> None:
    """Raise ConfigError unless it is a string that may be a key."""
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARACTERS or not key.isprintable():
        condition = f"be a printable string of 1 to {MAX_KEY_CHARACTERS} characters"
        raise ConfigError(f"key must {condition}, got {shown(key)}")


def _common_skew(search: CaseSearch) -> timedelta | None:
    """Return the skew that all sends so far and the next one have; None: they have not one."""
    before, now = search.entry.skew, search.readings().skew
    if before is None or now is None or abs(before - now) > CLOCK_TOLERANCE:
        return None
    return before


def _describe(error: AICCError) -> str:
    """Return what went wrong without the service's own words, which may name people."""
    cause = error.__cause__ if isinstance(error, UnknownOutcome) and error.__cause__ else error
    status, code = getattr(cause, "status", 0), getattr(cause, "code", None)
    parts = [type(cause).__name__, f"HTTP {status}" if status else "", f"resCode {code or ''}"]
    return ", ".join(part for part in parts if part and part != "resCode ")
