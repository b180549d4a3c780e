"""What a journal holds of a create, and what every journal must do, wherever it keeps that."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Literal, Protocol

from attrs import field, frozen
from attrs.validators import gt, instance_of

from .._validators import must
from .clock import wall_now

State = Literal["sent", "confirmed", "rejected", "unknown", "reconciled", "planned"]
STATES: tuple[State, ...] = ("sent", "confirmed", "rejected", "unknown", "reconciled", "planned")
# There is a case, and its id is known.
SETTLED = ("confirmed", "reconciled")
# What to do about a journal of another layout.
JOURNAL_ADVICE = "Settle its open creates with the version that wrote it, then start a new journal"
is_age = must("be a timedelta > 0", instance_of(timedelta), gt(timedelta(0)))


@frozen(kw_only=True)
class Entry:
    """A create under its key. No contact data: the record itself is not kept.

    ``digest`` is that of the whole record, ``match_digest`` that of what a list shows of it
    (contact, creator, type, title). ``state``: ``planned`` is to be sent (``PostgresJournal``
    alone has it, and no digests yet), ``sent`` may be on its way, ``confirmed`` was answered with
    ``case_id``, ``rejected`` was refused or never left, ``unknown`` may have happened,
    ``reconciled`` was found in the list, or by an operator. ``created_at`` is when it was first to
    be sent, ``updated_at`` when it was last sent or last changed its state: unless it is
    ``sent``, nothing of it leaves after that. ``note`` says what went wrong, ``candidates`` which
    cases it may have made. ``held``: by whoever claimed it.

    All times are the wall clock's of the machine that noted them. ``created_drift`` and
    ``updated_drift`` are by how much that clock was set since, as another clock shows; ``skew`` is
    by how much the service's clock was ahead of it at the sending. None: that is not known.
    """

    key: str
    digest: str
    match_digest: str
    state: State
    created_at: datetime
    updated_at: datetime
    case_id: str | None = None
    note: str = ""
    candidates: tuple[str, ...] = ()
    held: bool = False
    skew: timedelta | None = None
    # Of the moment at which the entry was read: two readings of it are the same entry.
    created_drift: timedelta | None = field(default=None, eq=False)
    updated_drift: timedelta | None = field(default=None, eq=False)


@frozen
class Finding:
    """What the cases of a list mean for a key: ``found`` one, ``none``, ``busy``, ``unsure``.

    ``busy``: another create that looks the same is on its way, and the case may be its own.
    """

    status: Literal["found", "none", "busy", "unsure"]
    ids: tuple[str, ...] = ()


class Journal(Protocol):
    """Holds creates by key, for every process that uses it.

    What a coroutine here returned from is durable. A key is held from ``claim`` until its outcome
    is settled or it is released, and by nobody after its process has died.
    """

    async def claim(
        self, key: str, *, digest: str, match_digest: str, skew: timedelta | None = None
    ) -> Entry:
        """Take a key that nobody holds, and return what is known of it.

        A new or rejected one becomes ``sent``, with this digest and ``skew``. One that was ``sent``
        or ``unknown`` becomes ``unknown``. Another digest, a settled entry and one that somebody
        holds are left as they are: then ``held`` is False.
        """
        ...

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:
        """Send within this: it is cancelled when the hold on the key ends.

        Raises JournalError when the key is not held any more, UnknownOutcome when the hold ended
        while it was being sent.
        """
        ...

    async def resend(self, key: str, *, skew: timedelta | None = None) -> None:
        """Note that a key which is held is about to be sent again, and the ``skew`` of all sends.

        Raises JournalError when it is not held any more: it must not be sent then.
        """
        ...

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. No other key keeps it."""
        ...

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        ...

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        ...

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Return those of the cases that no key has."""
        ...

    async def open_digests(self, digests: Sequence[str]) -> list[str]:
        """Return those of the match digests that a key has which is sent or in doubt."""
        ...

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: float
    ) -> Finding:
        """Settle with one of the cases that a list showed, if it can only be this key's.

        ``same`` are the ids of those that equal the record, oldest first; ``alike`` differ where a
        list can't show whether the service changed it. Those of other keys don't count. ``asked``
        is when the list was requested, by the loop's clock.
        """
        ...

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for the disk."""
        ...

    def withdraw(self, key: str) -> None:
        """Release a key under which nothing was sent; it is rejected then."""
        ...

    async def close(self) -> None:
        """Release all keys, and close what is open."""
        ...


def new_entry(key: str, *, digest: str, match_digest: str, skew: timedelta | None = None) -> Entry:
    """Return the entry of a create that is about to be sent, held by who claims it."""
    now = wall_now()
    return Entry(
        key=key,
        digest=digest,
        match_digest=match_digest,
        state="sent",
        created_at=now,
        updated_at=now,
        held=True,
        skew=skew,
        created_drift=timedelta(0),
        updated_drift=timedelta(0),
    )


def describe_layout(*, found: object, known: object, advice: str = JOURNAL_ADVICE) -> str:
    """Return why a journal, or what else is kept, of another layout is refused, and what to do."""
    return f"its layout must be {known}, got {found}. {advice}"


def decide(
    same: Sequence[str], alike: Sequence[str], *, equals: int, others: int, rivals: int
) -> Finding:
    """Return whether a case can only be the one in doubt.

    ``same`` and ``alike`` are no key's so far; ``equals`` counts the keys in doubt with this very
    record (this one too), ``others`` those that only look like it, ``rivals`` the creates on their
    way that look like it. Equal records may have one another's case: there is one for each.
    """
    if not same and len(alike) <= others:
        return Finding("none")
    if rivals:
        return Finding("busy")
    if same and len(same) <= equals:
        return Finding("found", (same[0],))
    return Finding("unsure", (*same, *alike))
