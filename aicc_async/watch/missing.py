"""Cases that readings lack: which of them are deleted, by a second reading and by their details.

The invariant: a case is told as deleted only where two readings without a doubt lack it, of two
looks, and its detail says that there is no such case, while that of a control is there
(``export/existence.py``). Whatever stays in doubt is asked for again, less often each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from .._api import CaseApi
from ..errors import NotFoundError
from ..export.existence import PROBE_ADVICE, find_existence
from ..models import CaseQuery
from .absorb import ListedRow
from .bounds import ROWS_PER_LEAF, find_leaf, is_in
from .keeper import Keeper
from .rows import drop_nulls, parse_date, read_row, unpack
from .state import KnownCase

# Cases among which one is looked for that is listed.
MAX_CONTROLS = 1000
# A case that stays in doubt is asked for in the next look, and later in so many at most.
MAX_LOOKS_BETWEEN = 120


class MissingCases:
    """The cases that are missing, look by look."""

    def __init__(self, api: CaseApi, keeper: Keeper, query: CaseQuery, *, span: int) -> None:
        self._api = api
        self._keeper = keeper
        self._is_filtered = query != CaseQuery()
        # The seconds that a window may have.
        self._span = span
        self._looks = 0
        # Those that a detail could not decide: in which look they are asked for, and how many the
        # next wait is.
        self._undecided: dict[str, tuple[int, int]] = {}

    async def read_again(self) -> None:
        """Read again where cases were missing in an earlier look, a few at a time."""
        self._looks += 1
        due = [
            each
            for each in await self._keeper.state.missing()
            if each.id not in self._keeper.turn.marked
            and self._is_due(each)
            and not is_in(self._keeper.turn.read, each.created)
        ]
        while due:
            begin = due[0].created
            latest = (begin, begin + self._span)
            span = await find_leaf(self._keeper.state, *latest, rows=ROWS_PER_LEAF, span=self._span)
            inside = [each.created for each in due if each.created < span[1]]
            await self._keeper.read((begin, inside[-1] + 1))
            due = due[len(inside) :]

    async def decide(self, horizon: int) -> None:
        """Ask for cases that were missing twice: only who has no detail either is deleted."""
        # As they are now: a later reading of this look may have brought one.
        again = await self._keeper.state.find(sorted(self._keeper.turn.again))
        due = {each.id: each for each in again if each.missing_at and self._is_due(each)}
        control = await self._find_control(horizon) if due else None
        if control is None:
            return
        found = await find_existence(self._api, list(due), control=control)
        outcome = self._keeper.begin_outcome()
        gone = found.having("gone") if found.is_trusted else []
        for case_id in gone:
            outcome.tell_deleted(due[case_id])
        await self._keeper.commit(outcome)
        there = found.having("there")
        for case_id in there:
            await self._keep_unlisted(due[case_id])
        if found.having("unknown"):
            self._keeper.warn("unknown", f"cases are missing: {PROBE_ADVICE}")
        self._note_undecided(due.keys(), decided={*gone, *there})

    def _is_due(self, case: KnownCase) -> bool:
        return self._undecided.get(case.id, (0, 0))[0] <= self._looks

    def _note_undecided(self, ids: Iterable[str], *, decided: AbstractSet[str]) -> None:
        """Ask for what stays in doubt less often each time."""
        for case_id in ids:
            if case_id in decided:
                self._undecided.pop(case_id, None)
                continue
            _, wait = self._undecided.get(case_id, (0, 1))
            self._undecided[case_id] = self._looks + wait, min(wait * 2, MAX_LOOKS_BETWEEN)

    async def _find_control(self, horizon: int) -> str | None:
        """Return a case that is listed, by this look or by one more reading; None: none is."""
        turn = self._keeper.turn
        if turn.control is None:
            missing = {each.created for each in await self._keeper.state.missing()}
            known = await self._keeper.state.seconds(horizon, turn.late, limit=MAX_CONTROLS)
            for second in [each for each in known if each not in missing][:1]:
                await self._keeper.read((second, second + 1))
        return turn.control

    async def _keep_unlisted(self, case: KnownCase) -> None:
        """Compare a case that is there, and not listed where it was, with its detail.

        Under filters it does not match any more: it is forgotten then.
        """
        try:
            parts = await self._api.raw_detail(case.id)
        except NotFoundError:
            # It went at this very moment: the next look finds that.
            return
        before = unpack(case.row)
        detail = read_row(parts["caseInfo"]) if "caseInfo" in parts else {}
        # A detail has fields that no row has: they say nothing of a change.
        row = drop_nulls(before | {name: detail[name] for name in before if name in detail})
        date = row.get("createdDate")
        created = parse_date(date) if isinstance(date, str) else None
        listed = ListedRow(
            case.id, case.created if created is None else created, frozenset(before), row
        )
        outcome = self._keeper.begin_outcome()
        outcome.absorb([listed], {case.id: case})
        if self._is_filtered:
            outcome.known, outcome.forgotten = [], [case.id]
        await self._keeper.commit(outcome)
