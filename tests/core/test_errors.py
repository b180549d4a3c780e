"""The errors: their tree, their fields, and that they can be pickled."""

from __future__ import annotations

import copy
import pickle

import pytest

from aicc_async import errors
from aicc_async.errors import (
    AICCError,
    ApiError,
    ConfigError,
    DecodeError,
    ExportError,
    RequestTimeout,
    TransportError,
    UnknownOutcome,
)

PARENTS = {
    "AICCError": (Exception,),
    "ConfigError": (AICCError, ValueError),
    "InvalidInput": (ConfigError,),
    "TransportError": (AICCError,),
    "RequestTimeout": (TransportError, TimeoutError),
    "ApiError": (AICCError,),
    "AuthError": (ApiError,),
    "NotFoundError": (ApiError,),
    "RateLimitError": (ApiError,),
    "ServerError": (ApiError,),
    "DecodeError": (AICCError, ValueError),
    "UnknownOutcome": (AICCError,),
    "KeyInUse": (AICCError,),
    "CaseChanged": (AICCError,),
    "JournalError": (AICCError,),
    "WatchError": (AICCError,),
    "ExportError": (AICCError,),
}


def _throttled() -> errors.RateLimitError:
    error = errors.RateLimitError("list: HTTP 429", status=429)
    error.retry_after = 1.5
    return error


def _not_noted() -> errors.JournalError:
    error = errors.JournalError("the journal: the disk is full")
    error.case_id = "i1"
    return error


API = {"status": 400, "code": "7", "message": "no", "request_id": "r1"}
RAISED = [
    AICCError("a"),
    ConfigError("a"),
    errors.InvalidInput.of([errors.FieldFault("a", "must be set", "nothing")]),
    TransportError("a", sent=False),
    RequestTimeout("a", sent=True),
    RequestTimeout("a", sent=False),
    ApiError("a", status=400, code="7", message="no", request_id="r1"),
    errors.AuthError("a", status=401),
    errors.NotFoundError("a", status=404),
    _throttled(),
    errors.ServerError("a", status=502),
    DecodeError("a @ $.b"),
    UnknownOutcome("a", operation="create", candidates=["i1", "i2"]),
    errors.KeyInUse("a"),
    errors.CaseChanged("a", fields=["priority"]),
    _not_noted(),
    errors.WatchError("a"),
    ExportError("a", window="all time", resume="later"),
]


def _names(error: BaseException) -> str:
    return type(error).__name__


def test_the_tree_is_the_documented_one() -> None:
    """Every class of the module is in the design's tree, under its parents."""
    found = {
        name: kind.__bases__
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Exception)
    }

    assert found == PARENTS


def test_the_docstring_draws_every_error() -> None:
    """The tree in the module's docstring names each class."""
    assert all(name in str(errors.__doc__) for name in PARENTS)


@pytest.mark.parametrize("error", RAISED, ids=_names)
def test_an_error_survives_pickle(error: AICCError) -> None:
    """A pickled error comes back as the same class with the same text and fields."""
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own bytes)

    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("error", RAISED, ids=_names)
def test_an_error_survives_a_copy(error: AICCError) -> None:
    """A copied error has the same class, text and fields."""
    back = copy.deepcopy(error)

    assert (type(back), str(back), vars(back)) == (type(error), str(error), vars(error))


def test_the_samples_cover_every_class() -> None:
    """No class is left out of the tests above."""
    assert {_names(error) for error in RAISED} == set(PARENTS)


def test_fields_are_plain_values() -> None:
    """The fields of an API error are what they were given as."""
    error = ApiError("a", status=400, code="7", message="no", request_id="r1")

    assert vars(error) == API
    assert str(error) == "a"


def test_a_transport_error_may_have_been_sent_unless_told() -> None:
    """The careful reading is the default."""
    assert TransportError("a").sent
    assert RequestTimeout("a").sent


def test_a_timeout_can_be_caught_as_the_built_in() -> None:
    """A caller who catches TimeoutError catches ours."""
    with pytest.raises(TimeoutError, match=r"^no answer$") as caught:
        raise RequestTimeout("no answer", sent=False)

    assert isinstance(caught.value, RequestTimeout)
    assert not caught.value.sent


def test_candidates_are_kept_as_a_tuple() -> None:
    """Nobody changes the candidates of an error later."""
    assert UnknownOutcome("a", candidates=["i1"]).candidates == ("i1",)
    assert UnknownOutcome("a").candidates == ()


def test_errors_say_whether_they_are_final() -> None:
    """What only another record or another case could change is final; what time may is not."""
    final = {errors.ConfigError, errors.ApiError, errors.NotFoundError, errors.CaseChanged}
    final |= {errors.DecodeError, errors.InvalidInput}
    kinds = {each for each in vars(errors).values() if isinstance(each, type)}
    tree = {each for each in kinds if issubclass(each, errors.AICCError)}
    assert {each for each in tree if not each.retryable} == final
