"""Rows by column: what is to be done with values is done for a thousand of them at once.

The idea: a call for each value of each row takes many times as long as parsing it. msgspec parses
rows into a class that is made for them, and its instances become columns without any Python code
per value. A sink looks at a whole column at once, and most need nothing to be done.

The invariant: a batch is read here only if all its rows have the documented types and no fields but
known ones. Any other is left to who reads it row by row, and says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..._protocol.lenient import exact_number
from ..._protocol.rows import MAX_LEARNED_FIELDS, new_fields

_encode_lines = msgspec.json.Encoder(decimal_format="number").encode_lines
# By wire name. A documented field that a row has not is None, an extension field is UNSET.
Columns = dict[str, Sequence[Any]]


class ColumnReader:
    """Reads lines of JSON into columns, and learns the extension fields that rows have.

    ``types`` are those of the documented fields, by wire name. A number of an extension field that
    has a point is a Decimal.
    """

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self.extensions: list[str] = []
        self._decode = self._compile()

    def read(self, batch: Sequence[bytes]) -> Columns | None:
        """Return the columns of rows; None when they are not plainly as documented and known."""
        try:
            rows = self._decode(b"[" + b",".join(batch) + b"]")
        except (ValueError, RecursionError):
            # Whoever reads them slowly says why.
            return None
        if not rows or len(rows) != len(batch):
            return None
        columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
        return dict(zip((*self._types, *self.extensions), columns, strict=True))

    def learn(self, names: Iterable[str]) -> None:
        """Note the fields of rows that were read slowly."""
        new = new_fields(names, {*self._types, *self.extensions})
        if new and len(self.extensions) + len(new) <= MAX_LEARNED_FIELDS:
            self.extensions += new
            self._decode = self._compile()

    def extras(self, columns: Columns) -> list[str]:
        """Return each row's extension fields as a JSON object."""
        if not self.extensions:
            return ["{}"] * len(columns["id"])
        rows = map(self._extra, *[columns[name] for name in self.extensions])
        return _encode_lines(list(rows)).decode().split("\n")[:-1]

    def _compile(self) -> Callable[[bytes], list[Any]]:
        names = [*self._types, *self.extensions]
        fields: list[Any] = [
            (
                f"field_{i}",
                self._types.get(name, Any),
                None if name in self._types else msgspec.UNSET,
            )
            for i, name in enumerate(names)
            if name != "id"
        ]
        # Among required fields it is the only one, so that it is the first of all.
        fields.insert(0, ("field_0", self._types["id"]))
        self._extra: Any = msgspec.defstruct(
            "Extra",
            [(f"field_{i}", Any, msgspec.UNSET) for i in range(len(self.extensions))],
            rename={f"field_{i}": name for i, name in enumerate(self.extensions)},
            gc=False,
        )
        row: Any = msgspec.defstruct(
            "Row",
            fields,
            rename={f"field_{i}": name for i, name in enumerate(names)},
            forbid_unknown_fields=True,
            gc=False,
        )
        return msgspec.json.Decoder(list[row], float_hook=exact_number).decode
