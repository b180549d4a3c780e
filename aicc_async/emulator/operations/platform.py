"""The platform's own route: a count of the case object's records.

Its page documents the request; the shape of the result is our reading of it.
"""

from ..http.answer import Answer, BusinessError
from .request import OperationRequest, answer_result


def count(request: OperationRequest) -> Answer:
    """Answer with the number of cases, or refuse an account that has no right."""
    if request.readings.platform == "refuses":
        raise BusinessError(BusinessError.DENIED, "no permission for the object", status=403)
    return answer_result([{"count": request.store.count()}])
