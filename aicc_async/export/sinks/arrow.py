"""Cases as Arrow's record batches: a typed column for each field, a map for all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate, chain, compress, cycle
from operator import attrgetter
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from ..._optional import load
from ..._protocol.converter import dumps
from ..._protocol.names import wire_names
from ...errors import ExportError
from ...models import Case
from .arrow_layout import layout_fields, layout_values
from .columns import ColumnReader, Columns
from .layout import Layout
from .sink import Misfits
from .typed import KINDS, TypedRows, json_cell

_NAMES = wire_names(Case)
_TEXT_OR_ABSENT = {str, type(None), UnsetType}


class ArrowRows:
    """The columns of ``Case`` by their Python names, and ``extra``; times have the ``zone``.

    Before ``extra`` are those of a ``layout``; what it takes out of the cases is in ``misfits``.
    With ``has_json_extra`` that column is a JSON object as a text, in place of a map.

    Raises ConfigError that names the ``extra`` to install when pyarrow is missing.
    """

    def __init__(
        self,
        zone: str,
        extra: str,
        layout: Layout | None = None,
        *,
        has_json_extra: bool = False,
    ) -> None:
        arrow = self._arrow = load("pyarrow", extra)
        self._compute = load("pyarrow.compute", extra)
        self._zone = ZoneInfo(zone)
        text = arrow.string()
        types = {
            str: text,
            bool: arrow.bool_(),
            int: arrow.float64(),
            datetime: arrow.timestamp("us", tz=zone),
        }
        fields = [arrow.field(name, types[kind]) for name, kind in KINDS.items()]
        self._layout = layout
        fields += layout_fields(arrow, zone, layout) if layout else []
        self._has_json_extra = has_json_extra
        extra_type = text if has_json_extra else arrow.map_(text, text)
        self.schema = arrow.schema([*fields, arrow.field("extra", extra_type)])

    def read(self, typed: TypedRows, batch: Sequence[bytes]) -> Any:
        """Return lines of JSON as a record batch; a value that does not fit is an ExportError."""
        if not self._layout and (fast := typed.read_columns(batch)):
            return self._record_columns(*fast)
        return self.record(typed.read(batch), typed.misfits)

    def _record_columns(self, columns: Columns, reader: ColumnReader) -> Any:
        arrays = [
            self._times(name, columns[_NAMES[name]])
            if kind is datetime
            else self._column(name, columns[_NAMES[name]])
            for name, kind in KINDS.items()
        ]
        extensions = [columns[name] for name in reader.extensions]
        if self._has_json_extra:
            arrays.append(self._column("extra", reader.extras(columns)))
        elif extensions:
            arrays.append(self._map(extensions, reader.extensions))
        else:
            arrays.append(self._column("extra", [[]] * len(columns["id"])))
        return self._arrow.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _times(self, name: str, times: Sequence[datetime | None]) -> Any:
        """Return naive times as those of the zone, an hour shown twice as its first."""
        naive = self._arrow.array(times, self._arrow.timestamp("us"))
        try:
            return self._compute.assume_timezone(naive, self._zone.key, ambiguous="earliest")
        except self._arrow.ArrowException:
            # Arrow refuses an hour that clocks skip, and may have no zones at all.
            aware = [time and datetime.combine(time, time.time(), self._zone) for time in times]
            return self._column(name, aware)

    def _map(self, columns: Sequence[Sequence[Any]], names: Sequence[str]) -> Any:
        """Return the maps of extension fields, each with those that its row has."""
        values = list(chain.from_iterable(zip(*map(_as_texts, columns), strict=True)))
        is_there = [value is not UNSET for value in values]
        counts = list(accumulate(is_there, initial=0))
        text = self._arrow.string()
        return self._arrow.MapArray.from_arrays(
            self._arrow.array(counts[:: len(names)], self._arrow.int32()),
            self._arrow.array(list(compress(cycle(names), is_there)), text),
            self._column("extra", compress(values, is_there), text),
        )

    def record(self, cases: Sequence[Case], misfits: dict[str, Misfits] | None = None) -> Any:
        """Return a record batch; a value that does not fit its column is an ExportError."""
        columns = [self._column(name, map(attrgetter(name), cases)) for name in KINDS]
        if self._layout:
            found = layout_values(self._layout, cases, {} if misfits is None else misfits)
            columns += [self._column(name, values) for name, values in found.items()]
        extras: Iterable[object]
        if self._has_json_extra:
            extras = (json_cell(case.extra) for case in cases)
        else:
            # Texts and null stay, all else is JSON.
            extras = (
                list(zip(case.extra, _as_texts([*case.extra.values()]), strict=True))
                for case in cases
            )
        columns.append(self._column("extra", extras))
        return self._arrow.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, name: str, values: Iterable[object], kind: Any = None) -> Any:
        kind = kind or self.schema.field(name).type
        try:
            return self._arrow.array(list(values), kind)
        except (self._arrow.ArrowException, OverflowError):
            # Arrow's own message quotes the value.
            raise ExportError(f"{name}: a value does not fit into {kind}") from None


def _as_texts(values: Sequence[object]) -> Sequence[object]:
    """Return texts and null as they are, all else but a missing field as JSON."""
    if {*map(type, values)} <= _TEXT_OR_ABSENT:
        return values
    return [
        value if value.__class__ in _TEXT_OR_ABSENT else dumps(value).decode() for value in values
    ]
