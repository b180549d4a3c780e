"""Cases as Arrow's record batches: a typed column for each field, a map for all others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from ..._optional import load
from ..._protocol.converter import dumps
from ...errors import ExportError
from ...models import Case
from .arrow_layout import layout_fields, layout_values
from .layout import Layout
from .sink import Misfits
from .typed import KINDS


class ArrowRows:
    """The columns of ``Case`` by their Python names, and ``extra``; times have the ``zone``.

    Before ``extra`` are those of a ``layout``; what it takes out of the cases is in ``misfits``.

    Raises ConfigError that names the ``extra`` to install when pyarrow is missing.
    """

    def __init__(self, zone: str, extra: str, layout: Layout | None = None) -> None:
        arrow = self._arrow = load("pyarrow", extra)
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
        self.schema = arrow.schema([*fields, arrow.field("extra", arrow.map_(text, text))])

    def record(self, cases: Sequence[Case], misfits: dict[str, Misfits] | None = None) -> Any:
        """Return a record batch; a value that does not fit its column is an ExportError."""
        columns = [self._column(name, map(attrgetter(name), cases)) for name in KINDS]
        if self._layout:
            found = layout_values(self._layout, cases, {} if misfits is None else misfits)
            columns += [self._column(name, values) for name, values in found.items()]
        # Texts and null stay, all else is JSON.
        extras = (
            [
                (name, value if value is None or value.__class__ is str else dumps(value).decode())
                for name, value in case.extra.items()
            ]
            for case in cases
        )
        columns.append(self._column("extra", extras))
        return self._arrow.RecordBatch.from_arrays(columns, schema=self.schema)

    def _column(self, name: str, values: Iterable[object]) -> Any:
        kind = self.schema.field(name).type
        try:
            return self._arrow.array(list(values), kind)
        except (self._arrow.ArrowException, OverflowError):
            # Arrow's own message quotes the value.
            raise ExportError(f"{name}: a value does not fit into {kind}") from None
