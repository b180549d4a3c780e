"""The Case 2.0 family: which function answers which operation."""

from collections.abc import Callable, Mapping

from ..http.answer import Answer
from . import actions, case_types, statistics, tasks
from .request import Asked

FAMILY: Mapping[str, Callable[[Asked], Answer]] = {
    "transfer": actions.transfer,
    "process": actions.process,
    "cancel": actions.cancel,
    "status": actions.status,
    "type_list": case_types.type_list,
    "type_get": case_types.type_get,
    "statistics": statistics.current,
    "statistics_report": statistics.report,
    "task_create": tasks.create,
    "task_modify": tasks.modify,
    "task_list": tasks.list_page,
    "task_get": tasks.get,
    "task_transfer": tasks.transfer,
    "task_status": tasks.status,
}
"""All but create, modify, list and get: those are `service`'s."""
