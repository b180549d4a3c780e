"""The shape of rows: an extension field that comes to all of them at once is one event. Pure.

The idea: when a field is added to the tenant's cases, each row has it from then on. That is told
once. The rows that a state keeps are from before, so each is renewed without an event, by the
number of the shape that it was seen in. So too for a field that goes.

The invariant: a field of the documents is never a change of shape, and in a reading of fewer than
``MIN_ROWS`` known rows nothing is. A row that was seen in the present shape has no field renewed.

What it cannot see: an agent who fills in a field that no case had before, in all rows of a reading.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import Factory, evolve, frozen

from .rows import DOCUMENTED

MIN_ROWS = 2


@frozen
class Shape:
    """Which extension fields rows have, and the shapes in which some came or went, by number."""

    names: frozenset[str] = frozenset()
    changed: Mapping[str, int] = Factory(dict)
    number: int = 0

    def silent(self, seen_in: int) -> frozenset[str]:
        """Return the fields that came or went since a row was seen in a shape."""
        return frozenset(name for name, number in self.changed.items() if number > seen_in)

    def add(self, names: Collection[str]) -> Shape:
        """Return it with fields that single rows have."""
        new = frozenset(names) - self.names - DOCUMENTED
        return evolve(self, names=self.names | new) if new else self

    def change(self, names: Collection[str]) -> Shape:
        """Return the next shape, in which these fields came or went."""
        number = self.number + 1
        known = (self.names | frozenset(names)) - DOCUMENTED
        return Shape(known, {**self.changed, **dict.fromkeys(names, number)}, number)


def find_new_fields(shape: Shape, rows: Sequence[AbstractSet[str]], *, known: int) -> list[str]:
    """Return the fields that no row had before, and that all rows of a reading have.

    ``rows`` are the names in each, nulls among them; ``known`` of them were known before.
    """
    if known < MIN_ROWS:
        return []
    common = set.intersection(*map(set, rows))
    return sorted(common - shape.names - DOCUMENTED)


def find_gone_fields(
    rows: Sequence[AbstractSet[str]], before: Sequence[AbstractSet[str]]
) -> list[str]:
    """Return the fields that all known rows had ``before``, and that no row of a reading has."""
    if len(before) < MIN_ROWS:
        return []
    had = set.intersection(*map(set, before))
    return sorted(had.difference(DOCUMENTED, *rows))
