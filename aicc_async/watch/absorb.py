"""What comes of a reading: the rows to keep, and the events to tell. Pure.

The idea: a row that came is true, whether or not its window was verified, so it is compared with
the row that its case was last told of. The invariant: each change of that row is an event, but for
those that begin a watch, and those of a shape that was told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from attrs import define, evolve, field, frozen

from .bounds import is_in
from .event import Body, EventKind, write_body
from .meta import Meta
from .rows import Row, chain_id, digest_of, find_differences, pack, shape_of, unpack
from .shape import find_gone_fields, find_new_fields
from .state import KnownCase


@frozen
class ListedRow:
    """A row that came: its case, when that was created, its fields, and the row without nulls."""

    id: str
    created: int
    names: frozenset[str]
    # It holds contact data, which no log may show.
    row: Row = field(repr=False)


@define
class Outcome:
    """What is to be kept, and told; it changes the notes that it begins with."""

    meta: Meta
    seen_at: float
    known: list[KnownCase]
    events: list[tuple[str, bytes]] = field(repr=False)
    forgotten: list[str]

    @classmethod
    def begin(cls, meta: Meta, seen_at: float) -> Outcome:
        """Return one with nothing."""
        return cls(meta, seen_at, [], [], [])

    def absorb(self, rows: Collection[ListedRow], known: Mapping[str, KnownCase]) -> None:
        """Compare rows with those that are known of their cases."""
        old = [known[each.id] for each in rows if each.id in known]
        self._find_shape([each.names for each in rows], old, [each.row for each in rows])
        for each in sorted(rows, key=lambda row: (row.created, row.id)):
            before = known.get(each.id)
            if before is None:
                if each.created >= self.meta.covered:
                    self._add_new(each)
            else:
                self._compare(each, before)

    def tell_deleted(self, case: KnownCase) -> None:
        """Forget a case, and tell that it was deleted."""
        self.forgotten.append(case.id)
        event_id = chain_id(case.id, case.event_id, case.digest)
        self._tell(case.id, event_id, "deleted", row=unpack(case.row))

    def _find_shape(
        self, rows: Sequence[frozenset[str]], old: Sequence[KnownCase], new: Sequence[Row]
    ) -> None:
        if not rows:
            return
        shape = self.meta.shape
        changed = find_new_fields(shape, rows, known=len(old))
        digests = {digest_of(row) for row in new}
        # Only if all have changed may all have lost a field: most times none has.
        if not digests & {each.digest for each in old}:
            before = [unpack(each.row).keys() for each in old]
            changed += find_gone_fields(rows, before)
        if changed:
            shape = shape.change(changed)
            self._tell("", f"shape:{shape.number}", "shape", names=changed)
        self.meta = self.meta.with_shape(shape.add(frozenset().union(*rows)))

    def _add_new(self, new: ListedRow) -> None:
        meta = self.meta
        was_there = new.created < meta.began and is_in(meta.unproven, new.created)
        digest = digest_of(new.row)
        # A case that comes again after it was deleted is created once more: with another id.
        event_id = chain_id(new.id, str(meta.number), digest)
        self._keep(new, digest, event_id)
        if not was_there:
            self.meta = msgspec.structs.replace(meta, number=meta.number + 1)
            self._tell(new.id, event_id, "created", row=new.row)

    def _compare(self, new: ListedRow, before: KnownCase) -> None:
        digest, shape = digest_of(new.row), self.meta.shape
        if digest == before.digest:
            if before.missing_at is not None or shape_of(before.row) < shape.number:
                row = pack(new.row, shape.number)
                self.known.append(evolve(before, row=row, missing_at=None))
            return
        old, silent = unpack(before.row), shape.silent(shape_of(before.row))
        names = [name for name in find_differences(old, new.row) if name not in silent]
        if not names:
            self._keep(new, digest, before.event_id)
            return
        event_id = chain_id(new.id, before.event_id, digest)
        self._keep(new, digest, event_id)
        former = {name: old[name] for name in names if name in old}
        self._tell(new.id, event_id, "changed", row=new.row, old=former, names=names)

    def _keep(self, new: ListedRow, digest: bytes, event_id: str) -> None:
        self.known.append(
            KnownCase(
                id=new.id,
                created=new.created,
                digest=digest,
                event_id=event_id,
                row=pack(new.row, self.meta.shape.number),
            )
        )

    def _tell(
        self,
        case_id: str,
        event_id: str,
        kind: EventKind,
        *,
        row: Row | None = None,
        old: Row | None = None,
        names: Sequence[str] = (),
    ) -> None:
        body = Body(
            id=event_id,
            kind=kind,
            seen_at=self.seen_at,
            case_id=case_id,
            row=row or {},
            old=old or {},
            names=list(names),
        )
        self.events.append((case_id, write_body(body)))
