"""Names of fields as people write them: those of the wire, and those of Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

import attrs

from .._protocol.names import wire_names
from ..errors import ConfigError
from ..models.from_dict import is_template_field


def spellings(cls: type) -> dict[str, str]:
    """Map both names of each field of a record to the one in Python."""
    return {name: field for field, wire in wire_names(cls).items() for name in (field, wire)}


def to_wire_names(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record by their wire names, those of a record within it as well.

    Raises ConfigError for a field that has both names: one of its values would be lost.
    """
    names, fields_by_name, hints = wire_names(cls), spellings(cls), get_type_hints(cls)
    found: dict[str, Any] = {}
    for given, value in fields.items():
        wire = names.get(given, given)
        if wire in found:
            raise ConfigError(f"{wire} must be set by one name, got two")
        kind: Any = hints.get(fields_by_name.get(given, ""))
        is_record = isinstance(kind, type) and attrs.has(kind) and isinstance(value, dict)
        found[wire] = to_wire_names(kind, value) if is_record else value
    return found


def parse_pairs(
    label: str, pairs: Iterable[str], names: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Parse ``NAME=VALUE`` texts: fields by their Python names, and those of a template.

    ``names`` map what a field may be called to the field. A name that is neither is a ConfigError,
    not a silent no-op.
    """
    known: dict[str, str] = {}
    extra: dict[str, str] = {}
    for text in pairs:
        given, equals, value = text.partition("=")
        field = names.get(given)
        # Fields of a template have names such as AICC__region__CST.
        if not equals or (field is None and not is_template_field(given)):
            listed = ", ".join(sorted(set(names.values())))
            raise ConfigError(f"{label} must be NAME=VALUE, NAME one of {listed}, got {given!r}")
        name = field or given
        if name in known or name in extra:
            # The service takes one value for each field: the other would be lost.
            raise ConfigError(f"{label} {name} must have one value, got two")
        (known if field else extra)[name] = value
    return known, extra
