"""The columns that an export adds to those of ``Case``: template fields, and parts of details."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from ...errors import DecodeError
from ...models import Case
from .detail_parts import FOLLOWER, FOLLOWER_WIRE, PARTS, Cells, Note, Part, PartReader
from .sink import Misfits
from .template_columns import Column, column_reader

# The records of a case's parts, by the parts' names.
Records = dict[str, list[Cells] | None]


class Layout:
    """What is a column of its own, and how its values are taken out of a case's ``extra``.

    ``columns`` are template fields with their types, by wire name; ``has_detail`` adds the parts of
    details. What has another type than its column stays in ``extra``; ``strict`` makes it a
    DecodeError.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        columns: Mapping[str, str],
        has_detail: bool = False,
        strict: bool = False,
    ) -> None:
        self.parts: tuple[Part, ...] = PARTS if has_detail else ()
        # The types of single values, by column.
        self.types = dict(columns) | ({FOLLOWER: "bool"} if has_detail else {})
        self._strict = strict
        self._read_value = column_reader(zone)
        self._read_part = PartReader(zone, strict=strict).read

    def take(self, case: Case, misfits: dict[str, Misfits]) -> tuple[dict[str, Column], Records]:
        """Take out a case's values by column, and the records of its parts by the parts' names.

        A part that did not come is not among them: nothing is known of it. One that is null or not
        made of records is None.
        """
        # Of most exports it is every row.
        if not self.types:
            return {}, {}

        def note(name: str) -> None:
            misfits.setdefault(name, Misfits(case.id)).count += 1

        values = {name: self._take_value(case, name, note) for name in self.types}
        parts = {
            part.name: self._take_part(case, part, note)
            for part in self.parts
            if part.wire in case.extra
        }
        return values, parts

    def _take_value(self, case: Case, name: str, note: Note) -> Column:
        wire = FOLLOWER_WIRE if name == FOLLOWER else name
        value = case.extra.get(wire)
        try:
            found = self._read_value(self.types[name], value)
        except (TypeError, ValueError):
            if self._strict:
                raise DecodeError(
                    f"case {case.id}: must be a {self.types[name]},"
                    f" got {type(value).__name__} @ $.{wire}"
                ) from None
            note(wire)
            return None
        case.extra.pop(wire, None)
        return found

    def _take_part(self, case: Case, part: Part, note: Note) -> list[Cells] | None:
        try:
            found = self._read_part(part, case.extra[part.wire], note)
        except DecodeError as error:
            if self._strict:
                raise DecodeError(f"case {case.id}: {error}") from None
            note(part.wire)
            return None
        del case.extra[part.wire]
        return found
