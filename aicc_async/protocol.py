"""The calls as values: what to send, how to read the answer, what an error is. No I/O.

AICC answers in an envelope ``{"resCode", "resMsg", "result"}``. ``resCode`` alone says whether it
went well, and ``result`` has no one shape: an object, an array of one object, or nothing.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from attrs import field, frozen

from .errors import (
    ApiError,
    AuthError,
    ConfigError,
    DecodeError,
    NotFoundError,
    RateLimitError,
    ServerError,
)
from .models import Case, CaseDetail, CaseEnqueue, CaseQuery, CaseUpdate, EnqueuedCase, NewCase
from .rows import CaseReader
from .windows import Window
from .wire import Wire, dumps, loads

T = TypeVar("T")
R = TypeVar("R")
OPENAPI = "/service/AICC__Case/1.0.0/openapi"
TOKEN_REFUSED = frozenset({"405230602", "405230603"})  # observed, with any HTTP status
PIECE = 2**14  # bytes
_LONGEST = 500  # characters of the service's own words in an error
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@frozen(kw_only=True)
class Request(Generic[T]):
    """One call; ``repeatable`` when it may go out again though the service may have acted."""

    operation: str
    method: str
    path: str
    body: bytes = field(repr=False)
    decode: Callable[[bytes], T] = field(repr=False)
    repeatable: bool
    content_type: str = JSON
    signed: bool = True  # with an access token; only a sign-in is not
    denied: frozenset[int] = frozenset({401, 403})  # statuses that mean: not with these credentials


@frozen
class Page(Generic[R]):
    """A page of a listing: rows, their ids, the total that the service announced, and bytes."""

    ids: list[str]
    rows: list[R] = field(repr=False)  # people stand in them
    count: int
    size: int


Lister = Callable[[Window, int, int], Request[Page[R]]]  # window, start, limit
DatedRow = tuple[str, Any]  # createdDate as it stands; the row as written, bytes or a view


def result(body: bytes, *, operation: str) -> Any:
    """Open the envelope; a ``resCode`` other than "0" is an ApiError."""
    envelope = loads(body)
    if envelope.__class__ is not dict:
        raise DecodeError("an object is needed @ $")
    if envelope.get("resCode").__class__ not in (str, int):
        raise DecodeError("a text is needed @ $.resCode")
    _check_code(operation, envelope["resCode"], envelope.get("resMsg"))
    return envelope.get("result")


def only(value: Any) -> tuple[dict[str, Any], str]:
    """Take the one object out of a result, wrapped in an array or not; and tell its path."""
    path = "$.result"
    if value.__class__ is list and len(value) == 1:
        value, path = value[0], "$.result[0]"
    if value.__class__ is not dict:
        raise DecodeError(f"an object or an array of one is needed @ {path}")
    return value, path


def refusal(
    request: Request[Any], status: int, headers: Mapping[str, str], body: bytes
) -> ApiError:
    """Make an error out of an answer that is not HTTP 2xx."""
    code, message = _code_and_message(body)
    kind = _error_class(request, status, code)
    text = f"{request.operation}: HTTP {status}" + (f", resCode {code}" if code else "")
    return kind(
        f"{text}: {message}" if message else text,
        status=status,
        code=code,
        message=message,
        request_id=headers.get("X-Request-Id"),
    )


def _error_class(request: Request[Any], status: int, code: str | None) -> type[ApiError]:
    if status in request.denied or (request.signed and code in TOKEN_REFUSED):
        return AuthError
    if status >= 500:  # noqa: PLR2004
        return ServerError
    return {404: NotFoundError, 429: RateLimitError}.get(status, ApiError)


def _code_and_message(body: bytes) -> tuple[str | None, str]:
    """Find code and text in the error bodies of AICC, of its sign-in, and of Q-Flow."""
    try:
        value = loads(body)
    except DecodeError:
        return None, ""
    if not isinstance(value, dict):
        return None, ""
    code = value.get("resCode", value.get("error"))
    message = value.get("resMsg", value.get("error_description", value.get("Message")))
    fields = value.get("ModelState")
    named = f" ({', '.join(fields)})" if isinstance(fields, dict) else ""
    return str(code) if isinstance(code, str | int) else None, f"{message or ''}{named}"[:_LONGEST]


def _check_code(operation: str, code: object, message: object) -> None:
    if str(code) == "0":
        return
    kind = AuthError if str(code) in TOKEN_REFUSED else ApiError
    text = f"{message or ''}"[:_LONGEST]
    raise kind(f"{operation}: resCode {code}: {text}", status=200, code=str(code), message=text)


class _Key(msgspec.Struct, gc=False):
    id: str
    createdDate: Any = None  # noqa: N815


class _Keys(msgspec.Struct):
    caseList: list[_Key]  # noqa: N815
    count: int


class _Envelope(msgspec.Struct):
    resCode: str | int  # noqa: N815
    resMsg: Any = None  # noqa: N815  (a word for people; resCode decides)
    result: list[_Keys] | _Keys | None = None


class _Rows(msgspec.Struct):
    caseList: list[msgspec.Raw]  # noqa: N815


class _RawEnvelope(msgspec.Struct):
    result: list[_Rows] | _Rows


_read_keys = msgspec.json.Decoder(_Envelope).decode
_read_rows = msgspec.json.Decoder(_RawEnvelope).decode


def raw_page(body: bytes) -> Page[bytes]:
    """Split a page of the list into rows as the service wrote them, each on one line.

    Nothing but the ids and the total is read; what a row holds is not checked.
    """
    keys, rows, count = _split(body)
    # copies, so that a row that is kept does not keep its page (14 µs a page)
    return Page([row.id for row in keys], list(map(bytes, rows)), count, len(body))


def dated_page(body: bytes) -> Page[DatedRow]:
    """Split a page likewise, each row with the text of its creation date ("": it has none).

    Rows are views of the page: they are for who passes them on.
    """
    keys, rows, count = _split(body)
    dates = [row.createdDate if row.createdDate.__class__ is str else "" for row in keys]
    return Page([row.id for row in keys], list(zip(dates, rows, strict=True)), count, len(body))


def _split(body: bytes) -> tuple[list[_Key], list[msgspec.Raw], int]:
    if not body.isascii():
        _check_utf8(body)  # a skipped text is not looked into
    if b"\n" in body or b"\r" in body:
        body = _on_one_line(body)
    try:
        keys = _read_keys(body)
    except (ValueError, RecursionError) as error:
        result(body, operation="list")  # an error's result may be anything
        raise DecodeError(_at_path(error)) from None
    _check_code("list", keys.resCode, keys.resMsg)
    if keys.result == []:
        return [], [], 0
    if keys.result is None or (isinstance(keys.result, list) and len(keys.result) != 1):
        raise DecodeError("an object or an array of one is needed @ $.result")
    found = keys.result[0] if isinstance(keys.result, list) else keys.result
    rows = _read_rows(body).result
    raw = rows[0].caseList if isinstance(rows, list) else rows.caseList
    return found.caseList, raw, found.count


def _at_path(error: Exception) -> str:
    what, mark, path = str(error).partition(" - at `")
    return f"{what} @ {path.rstrip('`')}" if mark else "no JSON of the documented shape @ $"


def _check_utf8(body: bytes) -> None:
    """Decode it in pieces: as one text it takes six times as long, most of it to get memory."""
    view, start = memoryview(body), 0
    try:
        while start < len(body):
            piece = view[start : start + PIECE]
            start += utf_8_decode(piece, "strict", len(piece) < PIECE)[1]  # what is whole of it
    except UnicodeDecodeError:
        raise DecodeError(f"no UTF-8 at byte {_first_bad_byte(body)} @ $") from None


def _first_bad_byte(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def _on_one_line(body: bytes) -> bytes:
    try:
        return msgspec.json.format(body, indent=-1)
    except (ValueError, RecursionError):
        raise DecodeError(f"{len(body)} bytes that are no JSON @ $") from None


class CaseCalls:
    """The calls of AICC Case 2.0, as requests."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._rows = CaseReader(wire.zone)

    def create_case(self, new: NewCase) -> Request[str]:
        """``POST /case`` (document 000). Sent twice, it makes two cases."""

        def decode(body: bytes) -> str:
            answer, path = only(result(body, operation="create"))
            case_id = answer.get("caseId")
            if case_id.__class__ is not str or not case_id:
                raise DecodeError(f"a case id is needed @ {path}.caseId")
            return str(case_id)

        body = dumps({"caseInfo": self._wire.dump(new)})
        return self._post("create", "/case", body, decode, repeatable=False)

    def modify_case(self, change: CaseUpdate) -> Request[None]:
        """``POST /case/modify`` (document 002). The same values twice have the same outcome."""

        def decode(body: bytes) -> None:
            result(body, operation="modify")

        body = dumps({"caseInfo": self._wire.dump(change)})
        return self._post("modify", "/case/modify", body, decode, repeatable=True)

    def get_case(self, case_id: str) -> Request[CaseDetail]:
        """``GET /case/{id}`` (document 004), with the id in a JSON body too, as documented."""

        def decode(body: bytes) -> CaseDetail:
            answer, path = only(result(body, operation="get"))
            return self._wire.load(CaseDetail, answer, path=path)

        return Request(
            operation="get",
            method="GET",
            path=f"{OPENAPI}/case/{quote(case_id, safe='')}",
            body=dumps({"id": case_id}),
            decode=decode,
            repeatable=True,
        )

    def list_cases(self, query: CaseQuery) -> Lister[Case]:
        """``POST /case/list`` (document 001), one page, typed."""
        return self._lister(query, self._case_page)

    def list_rows(self, query: CaseQuery) -> Lister[bytes]:
        """``POST /case/list``, one page, as the service wrote its rows."""
        return self._lister(query, raw_page)

    def list_dated(self, query: CaseQuery) -> Lister[DatedRow]:
        """``POST /case/list``, one page, as the service wrote its rows, each with its date."""
        return self._lister(query, dated_page)

    def _lister(self, query: CaseQuery, decode: Callable[[bytes], Page[R]]) -> Lister[R]:
        filters = self._wire.dump(query)
        filters.pop("startTime", None)
        filters.pop("endTime", None)

        def request(window: Window, start: int, limit: int) -> Request[Page[R]]:
            body = filters | _times(window) | {"start": start, "limit": limit}
            return self._post("list", "/case/list", dumps(body), decode, repeatable=True)

        return request

    def _case_page(self, body: bytes) -> Page[Case]:
        cases, count = self._rows.read(body) or self._read_slowly(body)
        return Page([case.id for case in cases], cases, count, len(body))

    def _read_slowly(self, body: bytes) -> tuple[list[Case], int]:
        value = result(body, operation="list")
        if value == []:
            return [], 0
        answer, path = only(value)
        rows, count = answer.get("caseList"), answer.get("count")
        if rows.__class__ is not list or count.__class__ is not int:
            raise DecodeError(f"caseList and count are needed @ {path}")
        cases = self._wire.load_cases(rows, path=f"{path}.caseList")
        self._rows.learn(cases)
        return cases, count

    def _post(
        self,
        operation: str,
        path: str,
        body: bytes,
        decode: Callable[[bytes], T],
        *,
        repeatable: bool,
    ) -> Request[T]:
        return Request(
            operation=operation,
            method="POST",
            path=OPENAPI + path,
            body=body,
            decode=decode,
            repeatable=repeatable,
        )


def _times(window: Window) -> dict[str, str]:
    times = {"startTime": window.start, "endTime": window.end}
    return {name: _text(moment) for name, moment in times.items() if moment is not None}


def _text(moment: datetime) -> str:
    return moment.isoformat(" ", "seconds")


def enqueue(case: CaseEnqueue, wire: Wire, *, form: bool = False) -> Request[EnqueuedCase]:
    """``POST Cases`` of Q-Flow (document 003). Each makes a ticket: never repeat it blindly.

    The document shows no sample of the form encoding; a dictionary is sent as ASP.NET's model
    binder reads one: ``CustomProperties[0].Key=…&CustomProperties[0].Value=…``.
    """
    fields = wire.dump(case)
    return Request(
        operation="enqueue",
        method="POST",
        path="/Cases",
        body=urlencode(_form(fields)).encode() if form else dumps(fields),
        decode=lambda body: wire.load(EnqueuedCase, loads(body)),
        repeatable=False,
        content_type=FORM if form else JSON,
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
        given = type(value).__name__
        raise ConfigError(f"extra: {name!r} can't be sent as a form, {given} was given")
    return str(value).lower() if isinstance(value, bool) else str(value)
