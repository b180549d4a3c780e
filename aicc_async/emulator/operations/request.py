"""A request of the Case 2.0 family, and what it takes to answer it."""

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
    """What an operation gets to see; `last` is the decoded end of the path."""

    store: Store
    seed: int
    readings: Readings
    body: bytes
    path_id: str

    def change_case(self, case_id: str, fields: Wire) -> None:
        """Overwrite fields of a case, or refuse an unknown id."""
        if not self.store.change(case_id, {"modifiedDate": seed.wall_clock()} | fields):
            raise not_found("case", case_id)

    def change_task(self, task_id: str, fields: Wire) -> None:
        """Overwrite fields of a task, or refuse an unknown id."""
        if not self.store.tasks.change(task_id, fields):
            raise not_found("task", task_id)

    def answer_list(self, result: Wire) -> Answer:
        """Answer a list, in an array of one if the tenant does that."""
        return answer_result([result] if self.readings.wrapped else result)


def answer_result(result: Any) -> Answer:
    """Answer with a result."""
    whole = {"resCode": "0", "resMsg": "success", "result": result}
    return Answer(200, msgspec.json.encode(whole))


def answer_done() -> Answer:
    """Answer a change as case/modify does: no result at all (document 002)."""
    return Answer(200, shapes.MODIFY_ANSWER, applied=True)


def not_found(kind: str, wanted: str) -> BusinessError:
    """Refuse an id that names nothing.

    What the platform says then is not documented: here, HTTP 200 with resCode 405230404.
    """
    return BusinessError(BusinessError.NOT_FOUND, f"no {kind} {wanted!r}")
