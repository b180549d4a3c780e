"""Lines, some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

SIZE = 1000  # lines


def in_batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Hand out lines in lists, none of them empty."""
    rest = iter(lines)
    while batch := list(islice(rest, SIZE)):
        yield batch
