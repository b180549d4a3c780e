"""What a journal holds of a create, and what every journal must do, wherever it keeps that."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Literal, Protocol

from attrs import frozen

State = Literal["sent", "confirmed", "rejected", "unknown", "reconciled"]
STATES: tuple[State, ...] = ("sent", "confirmed", "rejected", "unknown", "reconciled")
SETTLED = ("confirmed", "reconciled")  # there is a case, and its id is known


@frozen(kw_only=True)
class Entry:
    """A create under its key. No contact data: the record itself is not kept.

    ``digest`` is that of the whole record, ``likeness`` that of what a list shows of it (contact,
    creator, type, title). ``state``: ``sent`` may be on its way, ``confirmed`` was answered with
    ``case_id``, ``rejected`` was refused or never left, ``unknown`` may have happened,
    ``reconciled`` was found in the list, or by an operator. ``began`` is when it was first to be
    sent, ``touched`` when it was last sent or heard of: nothing of it leaves later, unless it is
    ``sent``. ``note`` says what went wrong, ``candidates`` which cases it may have made.
    """

    key: str
    digest: str
    likeness: str
    state: State
    began: datetime
    touched: datetime
    case_id: str | None = None
    note: str = ""
    candidates: tuple[str, ...] = ()
    held: bool = False  # by whoever asked


@frozen
class Finding:
    """What to make of the cases that a list showed: ``found`` one, ``none``, ``busy``, ``unsure``.

    ``busy``: another create that looks the same is on its way, and the case may be its own.
    """

    word: Literal["found", "none", "busy", "unsure"]
    ids: tuple[str, ...] = ()


class Journal(Protocol):
    """Holds creates by key, for every process that uses it.

    What a coroutine here returned from is durable. A key is held from ``claim`` until its outcome
    is settled or it is released, and by nobody after its process has died.
    """

    async def claim(self, key: str, *, digest: str, likeness: str) -> Entry:
        """Take a key that nobody holds, and tell what is known of it.

        A new or rejected one becomes ``sent``, with this digest. One that was ``sent`` or
        ``unknown`` becomes ``unknown``. Another digest, a settled entry and one that somebody holds
        are left as they are: then ``held`` is False.
        """
        ...

    def holding(self, key: str) -> AbstractAsyncContextManager[None]:
        """Send within this: a key that is held for a time only gives it up when that ends.

        Raises JournalError when it is held no more, UnknownOutcome when that came while it was
        being sent.
        """
        ...

    async def resend(self, key: str) -> None:
        """Note that a key which is held is about to be sent again.

        Raises JournalError when it is not held any more: it must not be sent then.
        """
        ...

    async def confirm(self, key: str, case_id: str) -> None:
        """Settle: this case was made. Nobody else's key keeps it."""
        ...

    async def reject(self, key: str, note: str) -> None:
        """Settle: no case was made."""
        ...

    async def doubt(self, key: str, note: str, candidates: Sequence[str] = ()) -> None:
        """Note that it may have happened; the key stays held."""
        ...

    async def untaken(self, ids: Sequence[str]) -> list[str]:
        """Leave out the cases that keys have."""
        ...

    async def take(
        self, key: str, same: Sequence[str], alike: Sequence[str], *, asked: datetime
    ) -> Finding:
        """Settle with one of the cases that a list showed, if it can only be this key's.

        ``same`` are the ids of those that equal the record, oldest first; ``alike`` differ where no
        list can tell whether the service changed it. Those of other keys don't count. ``asked`` is
        when the list was asked for.
        """
        ...

    def release(self, key: str) -> None:
        """Hold a key no longer, at once and without waiting for the disk."""
        ...

    async def close(self) -> None:
        """Let go of everything."""
        ...


def decide(
    same: Sequence[str], alike: Sequence[str], *, equals: int, others: int, rivals: int
) -> Finding:
    """Tell whether a case can only be the one in doubt.

    ``same`` and ``alike`` are nobody's so far; ``equals`` counts the keys in doubt with this very
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
