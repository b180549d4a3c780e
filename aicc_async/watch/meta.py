"""What a watch notes for itself: of what it is, how far it has come, which fields rows have."""

from __future__ import annotations

from typing import Any

import msgspec

from .._api import CaseApi
from ..errors import WatchError
from ..export.fingerprint import fingerprint
from ..models import CaseQuery
from .bounds import Span
from .shape import Shape

_LABELS = {"tenant": "base_url", "query_digest": "query"}


class Meta(msgspec.Struct, kw_only=True, frozen=True):
    """It is kept with the rows, in the same transaction.

    ``began`` is when the watch did, in seconds of the tenant's wall clock. What is dated before
    ``covered``, and was not known, is not looked at. Of the spans that are
    ``unproven`` no reading was verified yet: what is dated there before ``began`` was there before.
    ``number`` counts the creates that were told. ``cursor`` is up to where rows were read again in
    the present period, which has so many ``rounds_left``.
    """

    target: dict[str, Any]
    began: int
    covered: int
    unproven: list[Span]
    number: int = 0
    cursor: int = 0
    rounds_left: int = 0
    names: list[str] = []
    changed: dict[str, int] = {}
    shape_number: int = 0

    @property
    def shape(self) -> Shape:
        """The extension fields of rows."""
        return Shape(frozenset(self.names), self.changed, self.shape_number)

    def with_shape(self, shape: Shape) -> Meta:
        """Return it with another shape."""
        return msgspec.structs.replace(
            self,
            names=sorted(shape.names),
            changed=dict(shape.changed),
            shape_number=shape.number,
        )


write_meta = msgspec.json.Encoder().encode
_read_meta = msgspec.json.Decoder(Meta).decode


def describe_target(api: CaseApi, query: CaseQuery) -> dict[str, Any]:
    """Describe what is watched; what may be contact data is there as a digest only."""
    found = fingerprint(api, query, since_last=False, detail=False)
    return {name: found[name] for name in ("tenant", "zone", "query", "query_digest")}


def read_meta(noted: bytes, target: dict[str, Any]) -> Meta:
    """Return what was noted. Raises WatchError where it is of another target, or can't be read."""
    try:
        meta = _read_meta(noted)
    except msgspec.DecodeError:
        raise WatchError(
            "state must be one that this version of aicc-async wrote, got notes that cannot be"
            " read. Choose another state"
        ) from None
    for name, value in target.items():
        before = meta.target.get(name)
        if before == value:
            continue
        if name == "query_digest":
            before, value = "one", "another with other hidden values"  # noqa: PLW2901  (shown)
        raise WatchError(
            f"state must be of the same {_LABELS.get(name, name)}: it is of {before}, got {value}."
            " Choose another state"
        )
    return meta
