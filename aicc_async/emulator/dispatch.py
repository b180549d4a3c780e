"""Dispatch: which part of the tenant answers which operation."""

from collections.abc import Callable, Mapping

import attrs

from .data.store import Store
from .faults.answers import unauthorized_answer
from .faults.page_faults import PageScript
from .http.answer import AICC_JSON, Answer, BusinessError, platform_error
from .http.routes import OPERATIONS_WITHOUT_BODY, QFLOW, Recorded, id_from_path
from .http.tokens import IssuedTokens, sign_in
from .operations import actions, case_types, platform, statistics, tasks
from .operations.request import OperationRequest
from .operations.service import CaseService
from .options import PageRules, Settings
from .qflow.queue import Queue
from .qflow.users import Users, denied_answer

# The operations that need nothing but the store. Create, modify, list and get have a service, which
# keeps pages and knows which cases are too young for the list.
FAMILY: Mapping[str, Callable[[OperationRequest], Answer]] = {
    "transfer": actions.transfer,
    "process": actions.process,
    "cancel": actions.cancel,
    "status": actions.status,
    "type_list": case_types.list_types,
    "type_get": case_types.get_type,
    "statistics": statistics.current,
    "statistics_report": statistics.report,
    "platform_count": platform.count,
    "task_create": tasks.create,
    "task_modify": tasks.modify,
    "task_list": tasks.list_tasks,
    "task_get": tasks.get,
    "task_transfer": tasks.transfer,
    "task_status": tasks.status,
}


@attrs.define(kw_only=True)
class Dispatcher:
    """Answers a request through the part that its operation belongs to."""

    settings: Settings
    store: Store
    service: CaseService
    queue: Queue
    tokens: IssuedTokens
    users: Users
    page_script: PageScript

    def answer(self, call: Recorded) -> Answer:
        """Do the work of a request, and note on it whether the store was changed."""
        if call.operation == "token":
            answer = sign_in(
                self.tokens,
                call.body,
                query=call.path.partition("?")[2],
                content_type=call.headers.get("Content-Type", ""),
                credentials=(self.settings.client_id, self.settings.client_secret),
                is_only=self.settings.quirks.one_token,
            )
        elif call.operation in QFLOW:
            answer = self._answer_qflow(call)
        else:
            answer = self._answer_aicc(call)
        call.applied = answer.applied
        # Q-Flow and the sign-in answer with a type of their own, which the quirk leaves alone.
        if answer.content_type == AICC_JSON:
            answer.content_type = self.settings.quirks.content_type
        return answer

    def _answer_qflow(self, call: Recorded) -> Answer:
        if call.operation == "qflow_token":
            return self.users.sign_in(call.body, call.headers)
        readings = self.settings.readings
        if readings.qflow_login and not self.users.is_signed_in(call.headers, readings):
            return denied_answer()
        path_id = id_from_path(call.path)
        return self.queue.answer(call.operation, call.body, call.headers, path_id=path_id)

    def _answer_aicc(self, call: Recorded) -> Answer:
        if not self.tokens.is_valid(call.headers.get("access-token")):
            return unauthorized_answer()
        # The documents call the header mandatory: strict, where a tenant may be lenient.
        json = call.headers.get("Content-Type", "").startswith("application/json")
        if not json and call.operation not in OPERATIONS_WITHOUT_BODY:
            return platform_error(415, "415", "Content-Type must be application/json")
        try:
            return self._operate(call)
        except BusinessError as error:
            return error.to_answer()

    def _operate(self, call: Recorded) -> Answer:
        if call.operation == "list":
            answer = self.service.list(
                call.body, PageRules.of(self.settings), self.page_script.take()
            )
            if after_page := self.page_script.after_page:
                after_page()
            return answer
        if call.operation == "get":
            return self.service.get(id_from_path(call.path))
        if call.operation == "create":
            return self.service.create(call.body, self.settings.quirks)
        if call.operation == "modify":
            return self.service.modify(call.body)
        request = OperationRequest(
            store=self.store,
            seed=self.settings.seed,
            readings=self.settings.readings,
            body=call.body,
            path_id=id_from_path(call.path),
        )
        return FAMILY[call.operation](request)
