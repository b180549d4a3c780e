"""Cases as Arrow's record batches: a typed column for each field, a map for all others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from ..._optional import load
from ..._protocol.converter import dumps
from ...errors import ExportError
from ...models import Case
from .typed import KINDS


class ArrowRows:
    """The columns of ``Case`` by their Python names, and ``extra``; times have the ``zone``.

    Raises ConfigError that names the ``extra`` to install when pyarrow is missing.
    """

    def __init__(self, zone: str, extra: str) -> None:
        self._arrow = load("pyarrow", extra)
        self.schema = self._arrow.schema(self._fields(zone))

    def record(self, cases: Sequence[Case]) -> Any:
        """Make a record batch; a value that doesn't fit its column is an ExportError."""
        columns = [self._column(name, map(attrgetter(name), cases)) for name in KINDS]
        columns.append(self._column("extra", (_texts(case.extra) for case in cases)))
        return self._arrow.RecordBatch.from_arrays(columns, schema=self.schema)

    def _fields(self, zone: str) -> Iterator[Any]:
        arrow = self._arrow
        text = arrow.string()
        kinds = {
            str: text,
            bool: arrow.bool_(),
            int: arrow.float64(),
            datetime: arrow.timestamp("us", tz=zone),
        }
        for name, kind in KINDS.items():
            yield arrow.field(name, kinds[kind])
        yield arrow.field("extra", arrow.map_(text, text))

    def _column(self, name: str, values: Iterable[object]) -> Any:
        kind = self.schema.field(name).type
        try:
            return self._arrow.array(list(values), kind)
        except (self._arrow.ArrowException, OverflowError):  # its text quotes the value
            raise ExportError(f"{name}: a value doesn't fit into {kind}") from None


def _texts(extra: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    return [(name, _text(value)) for name, value in extra.items()]


def _text(value: Any) -> str | None:
    return value if value is None or value.__class__ is str else dumps(value).decode()
