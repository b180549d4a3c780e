"""A request of the Case 2.0 family, and the answers that its operations have in common."""

from typing import Any

import attrs
import msgspec

from ..data import seed, shapes
from ..data.store import Store
from ..http.answer import Answer, BusinessError
from ..options import Readings

Wire = dict[str, Any]


@attrs.frozen(kw_only=True)
class OperationRequest:
    """What an operation gets to see; ``path_id`` is the decoded end of the path."""

    store: Store
    seed: int
    readings: Readings
    body: bytes
    path_id: str

    def answer_list(self, result: Wire) -> Answer:
        """Answer with a list, in an array of one object if the tenant's reading is that."""
        return answer_result([result] if self.readings.wrapped else result)


def answer_result(result: Any) -> Answer:
    """Answer with a result."""
    whole = {"resCode": "0", "resMsg": "success", "result": result}
    return Answer(200, msgspec.json.encode(whole))


def answer_done() -> Answer:
    """Answer a change as case/modify does: without any result (document 002)."""
    return Answer(200, shapes.MODIFY_ANSWER, applied=True)


def change_case(store: Store, case_id: str, fields: Wire) -> None:
    """Overwrite fields of a case and note the time, or refuse an unknown id."""
    if not store.change(case_id, {"modifiedDate": seed.wall_clock()} | fields):
        raise not_found("case", case_id)


def not_found(kind: str, record_id: str) -> BusinessError:
    """Build the refusal of an id that names nothing."""
    # What the platform answers then is not documented: here, HTTP 200 with a resCode of our own.
    return BusinessError(BusinessError.NOT_FOUND, f"no {kind} {record_id!r}")
