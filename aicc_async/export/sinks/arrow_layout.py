"""A layout's columns in Arrow: template fields, and the parts of details as structs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...models import Case
from .layout import Layout
from .sink import Misfits
from .template_columns import DIGITS_BEFORE_POINT, DIGITS_BEHIND_POINT


def layout_fields(arrow: Any, zone: str, layout: Layout) -> list[Any]:
    """Return the fields of a schema, in the order of ``layout_values``."""
    text = arrow.string()
    types = {
        "str": text,
        "any": text,
        "int": arrow.int64(),
        "float": arrow.float64(),
        "bool": arrow.bool_(),
        "time": arrow.timestamp("us", tz=zone),
        "decimal": arrow.decimal128(DIGITS_BEFORE_POINT + DIGITS_BEHIND_POINT, DIGITS_BEHIND_POINT),
    }
    fields = [arrow.field(name, types[each]) for name, each in layout.types.items()]
    for part in layout.parts:
        members = [arrow.field(field.name, types[field.type]) for field in part.fields]
        record = arrow.struct([*members, arrow.field("extra", text)])
        fields.append(arrow.field(part.name, arrow.list_(record) if part.is_list else record))
    return fields


def layout_values(
    layout: Layout, cases: Sequence[Case], misfits: dict[str, Misfits]
) -> dict[str, list[Any]]:
    """Take the values of a layout's columns out of cases; a part that did not come is null."""
    columns: dict[str, list[Any]] = {name: [] for name in layout.types}
    columns |= {part.name: [] for part in layout.parts}
    for case in cases:
        values, records = layout.take(case, misfits)
        for name, value in values.items():
            columns[name].append(value)
        for part in layout.parts:
            found = records.get(part.name)
            if not part.is_list:
                columns[part.name].append(found[0] if found else None)
            else:
                columns[part.name].append(found)
    return columns
