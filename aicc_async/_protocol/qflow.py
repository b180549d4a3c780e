"""Q-Flow's case calls and its sign-in, as requests. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any
from urllib.parse import urlencode

from ..credentials import QFlowLogin
from ..errors import ConfigError, DecodeError
from ..models import CaseEnqueue, EnqueuedCase, QueueCancel, QueuedCase
from .converter import RecordConverter, dumps
from .lenient import read_json
from .operations import (
    ENQUEUE,
    QFLOW_CANCEL,
    QFLOW_CASE,
    QFLOW_PROCESS,
    QFLOW_TOKEN,
    Operation,
)
from .requests import FORM, JSON, Request
from .sign_in import Grant, token_in


def enqueue(
    case: CaseEnqueue, converter: RecordConverter, *, form: bool = False
) -> Request[EnqueuedCase]:
    """Return the request ``POST Cases`` (document 003).

    Each makes a ticket: it must never be repeated blindly.
    The document shows no sample of the form encoding; a dictionary is sent as ASP.NET's model
    binder reads one: ``CustomProperties[0].Key=…&CustomProperties[0].Value=…``.
    """
    fields = converter.dump(case)
    return Request(
        operation=ENQUEUE.name,
        method=ENQUEUE.method,
        path=ENQUEUE.path_of(),
        body=urlencode(_form(fields)).encode() if form else dumps(fields),
        decode=lambda body: converter.load(EnqueuedCase, read_json(body)),
        repeatable=ENQUEUE.repeatable,
        content_type=FORM if form else JSON,
    )


def sign_in(login: QFlowLogin) -> Request[Grant]:
    """Return the request ``POST Users/Token``, whose ``APIToken`` is good until it is refused.

    How long it lives is not documented, nor how wrong credentials are refused: 400 is taken for
    that too.
    """
    return Request(
        operation=QFLOW_TOKEN.name,
        method=QFLOW_TOKEN.method,
        path=QFLOW_TOKEN.path_of(),
        body=dumps({"UserName": login.user_name, "Password": login.password}),
        decode=lambda body: Grant(token_in(read_json(body), "APIToken"), inf),
        repeatable=True,
        signed=False,
        denied=frozenset({400, 401, 403}),
    )


def cancel(case: QueueCancel, converter: RecordConverter) -> Request[str]:
    """Return the request ``POST Cases/Cancel``, which is answered with a bare JSON string.

    The same values twice leave the case in the same state, so it may be sent again. What a second
    one is answered is not documented: it may be refused though the first one did its work, and its
    notes may be kept twice.
    """

    def decode(body: bytes) -> str:
        answer = read_json(body)
        if not isinstance(answer, str):
            raise DecodeError(f"must be a str, got {type(answer).__name__} @ $")
        return answer

    return Request(
        operation=QFLOW_CANCEL.name,
        method=QFLOW_CANCEL.method,
        path=QFLOW_CANCEL.path_of(),
        body=dumps(converter.dump(case)),
        decode=decode,
        repeatable=True,
    )


def get_case(case_id: int, converter: RecordConverter) -> Request[QueuedCase]:
    """Return the request ``GET Cases/{id}``."""
    return _get(QFLOW_CASE, case_id, converter)


def get_process(process_id: int, converter: RecordConverter) -> Request[QueuedCase]:
    """Return the request ``GET Cases/Processes/{id}``."""
    return _get(QFLOW_PROCESS, process_id, converter)


def _get(operation: Operation, number: int, converter: RecordConverter) -> Request[QueuedCase]:
    return Request(
        operation=operation.name,
        method=operation.method,
        path=operation.path_of(number),
        body=b"",
        decode=lambda body: converter.load(QueuedCase, read_json(body)),
        repeatable=True,
    )


def _form(fields: Mapping[str, Any]) -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in fields.items():
        if isinstance(value, Mapping):
            for i, (key, item) in enumerate(value.items()):
                flat |= {f"{name}[{i}].Key": key, f"{name}[{i}].Value": _form_text(name, item)}
        elif value is not None:
            flat[name] = _form_text(name, value)
    return flat


def _form_text(name: str, value: object) -> str:
    if not isinstance(value, str | int | float):
        raise ConfigError(
            f"extra must hold strings and numbers to be sent as a form, "
            f"got {type(value).__name__} as {name!r}"
        )
    return str(value).lower() if isinstance(value, bool) else str(value)
