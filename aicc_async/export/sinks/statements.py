"""SQL that both kinds of tables share; identifiers are quoted, values are always parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...models import Case
from .layout import Layout
from .template_columns import Column
from .typed import COLUMNS

DELETED = "deleted_at"


def quote(names: Iterable[str]) -> list[str]:
    """Return names as identifiers; all are of letters, digits and underscores."""
    return [f'"{name}"' for name in names]


def names(columns: Iterable[str], prefix: str = "") -> str:
    """Return identifiers with commas between them, each behind a prefix such as a table's."""
    return ", ".join(f"{prefix}{name}" for name in quote(columns))


def define(columns: Mapping[str, str]) -> str:
    """Return the definitions of columns by their names and types."""
    return ", ".join(f'"{name}" {kind}' for name, kind in columns.items())


def case_columns(layout: Layout) -> tuple[str, ...]:
    """Return the columns of a table of cases; ``extra`` is the last one, as it is read last."""
    return *COLUMNS[:-1], *layout.types, COLUMNS[-1]


def case_values(case: Case, more: Mapping[str, Column]) -> list[object]:
    """Return the values of ``case_columns``, of which a layout took ``more``."""
    values: list[object] = [getattr(case, name) for name in COLUMNS[:-1]]
    return [*values, *more.values(), case.extra]


def on_conflict(
    table: str, key: Iterable[str], columns: Iterable[str], *, differs: str, has_marks: bool = False
) -> str:
    """Return the end of an upsert that writes only what has changed.

    ``differs`` is the database's operator; ``has_marks``: a row that comes is not deleted.
    """
    known = list(columns)
    new, old = names(known, "excluded."), names(known, f"{table}.")
    sets = ", ".join(f"{name} = excluded.{name}" for name in quote(known))
    condition = f"({old}) {differs} ({new})"
    if has_marks:
        sets += f", {DELETED} = NULL"
        condition += f" OR {table}.{DELETED} IS NOT NULL"
    return f"ON CONFLICT ({names(key)}) DO UPDATE SET {sets} WHERE {condition}"
