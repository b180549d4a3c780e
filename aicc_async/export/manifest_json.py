"""A manifest's JSON and its records: cattrs, strict, with the path of what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn

from .._validators import shown

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
JSON_KINDS = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
# Python's own words for these would say little.
_REASONS: dict[type, str] = {
    KeyError: "is missing",
    OverflowError: "must be a number below 1e308",
}


class MisfitError(Exception):
    """The JSON is not that of a record: ``<path> must <condition>, got <kind>``."""


def dump_record(record: object) -> Any:
    """Return a record as JSON values."""
    return _CONVERTER.unstructure(record)


def load_record(value: object, cls: type[T]) -> T:
    """Return JSON values as a record. A value of another kind is a MisfitError, never converted.

    A message names only its kind: the JSON may be anything, such as a case.
    """
    try:
        return _CONVERTER.structure(value, cls)
    except (BaseValidationError, TypeError) as error:
        problems = transform_error(
            error,
            path="$",
            format_exception=lambda error, _: _REASONS.get(type(error)) or str(error),
        )
        first, *others = [" ".join(reversed(each.split(" @ ", 1))) for each in problems]
        more = f" (and {len(others)} more)" if others else ""
        raise MisfitError(f"{first}{more}") from None


def _is_a(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _exactly(*kinds: type, then: Hook = lambda value, _: value) -> Hook:
    """Return a hook that takes values of some kinds only; JSON's true is not an integer."""

    def check(value: Any, target: Any) -> Any:
        if value.__class__ not in kinds:
            kind = JSON_KINDS[value.__class__]
            raise TypeError(f"must be {JSON_KINDS[kinds[0]]}, got {kind}")
        return then(value, target)

    return check


def _one_of(kind: Any) -> Hook:
    words = get_args(kind)

    def check(value: Any, _: Any) -> Any:
        if value in words:
            return value
        # A word of a newer version can be shown, any other text may be private.
        is_word = isinstance(value, str) and value.isidentifier()
        got = shown(value) if is_word else JSON_KINDS[value.__class__]
        raise TypeError(f"must be one of {', '.join(words)}, got {got}")

    return check


_CONVERTER = Converter(detailed_validation=True)
for _kind in (str, bool, int):
    _CONVERTER.register_structure_hook(_kind, _exactly(_kind))
_CONVERTER.register_structure_hook(float, _exactly(float, int, then=lambda value, _: float(value)))
_CONVERTER.register_structure_hook_factory(_is_a(Literal), _one_of)
_CONVERTER.register_structure_hook_factory(
    _is_a(tuple),
    lambda kind: _exactly(list, then=homogenous_tuple_structure_factory(kind, _CONVERTER)),
)
_CONVERTER.register_structure_hook_factory(
    _is_a(Mapping),
    lambda kind: _exactly(dict, then=mapping_structure_factory(kind, _CONVERTER)),
)
_CONVERTER.register_structure_hook_factory(
    attrs.has, lambda cls: _exactly(dict, then=make_dict_structure_fn(cls, _CONVERTER))
)
