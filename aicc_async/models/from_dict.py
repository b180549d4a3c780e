"""Records from names and values, as of a form or a message, with all faults named at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Self

from attrs import NOTHING, fields

from .._validators import MAX_SHOWN_CHARACTERS, check, find_faults, kind, shown
from ..errors import FieldFault, InvalidInput

# Below it the nearest name is another word.
MIN_LIKENESS = 0.75


class InputRecord:
    """A record that is sent."""

    __slots__ = ()

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Return the record that has these fields, by their names in Python.

        A name with ``__`` in it is a field of the case type's template, and goes into ``extra``.
        InvalidInput names every other name that is not a field, with the nearest one, every
        mandatory field that is missing, and every value out of bounds.
        """
        check("values", values, kind(Mapping))
        known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]  # of attrs
        own, template, faults = sort_fields(known, values)
        if template:
            extra = {} if own.get("extra") is None else own["extra"]
            # What is not a mapping is refused as ``extra``, by its own check.
            own["extra"] = {**extra, **template} if isinstance(extra, Mapping) else extra
        faults += [
            missing_field(name, "None" if name in own else "nothing")
            for name, field in known.items()
            if field.default is NOTHING and own.get(name) is None
        ]
        if not faults:
            return cls(**own)
        # Its fields are there to be checked: no record can be made of them.
        draft = object.__new__(cls)
        for name in known:
            object.__setattr__(draft, name, own.get(name))
        set_names = {name for name, value in own.items() if value is not None}
        raise InvalidInput.of([*faults, *find_faults(draft, among=set_names)])


def sort_fields(
    known: Collection[str], values: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], list[FieldFault]]:
    """Return a record's own fields, those of a template, and a fault for each other name."""
    own = {name: value for name, value in values.items() if name in known}
    others = [name for name in values if name not in own]
    template = {name: values[name] for name in others if is_template_field(name)}
    spellings = {bare_name(name): name for name in known} if others else {}
    faults = [unknown_field(name, spellings) for name in others if name not in template]
    return own, template, faults


def is_template_field(name: object) -> bool:
    """Return whether it is the name of a case type's own field."""
    return isinstance(name, str) and "__" in name


def bare_name(name: str) -> str:
    """Return a name without what spellings of it differ in."""
    return name.replace("_", "").replace(" ", "").lower()


def unknown_field(name: object, spellings: Mapping[str, str]) -> FieldFault:
    """Return the fault of a name that is not a field's; ``spellings`` map bare names to fields."""
    # Only who has made a mistake needs it.
    from difflib import get_close_matches  # noqa: PLC0415

    text = name[:MAX_SHOWN_CHARACTERS] if isinstance(name, str) else shown(name)
    bare = bare_name(text)
    near = [bare] if bare in spellings else get_close_matches(bare, spellings, 1, MIN_LIKENESS)
    advice = f". Did you mean {spellings[near[0]]!r}?" if near else ""
    return FieldFault(text, f"unknown field {shown(name)}{advice}")


def missing_field(name: str, given: str) -> FieldFault:
    """Return the fault of a mandatory field that is not set."""
    return FieldFault(name, "must be set", given)
