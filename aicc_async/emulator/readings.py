"""What the documents leave open beside case/list: which reading of them this tenant holds to."""

import attrs
from attrs.validators import in_


@attrs.frozen(kw_only=True)
class Readings:
    """The tenant's reading of the Case 2.0 family and of Q-Flow. Assign another one at any time.

    `wrapped` says whether the lists (case types, tasks, report) come as an array of one object, as
    case/list does, or as that object.

    `task_rows` is what holds the rows of task/list: `taskList`, `tasks`, or `bare`: the result is
    the array of rows itself, without a count.

    `task_created` is what a created task is answered with: an object with `taskId` or `id`, the
    bare `text` of the id, or `none`: no result at all.

    `task_detail` is the verb of the task's detail: `GET`, `POST` or `both`; with another verb there
    is no such path.

    `swap_statistics` swaps the paths of the two statistics; each keeps its verb.

    `qflow_login` says whether Q-Flow wants a token of `Users/Token` or `Users/LoginQFlow`;
    `qflow_header` is the header that carries it, after the text `qflow_prefix`.
    """

    wrapped: bool = True
    task_rows: str = attrs.field(default="taskList", validator=in_(("taskList", "tasks", "bare")))
    task_created: str = attrs.field(
        default="taskId", validator=in_(("taskId", "id", "text", "none"))
    )
    task_detail: str = attrs.field(default="both", validator=in_(("both", "GET", "POST")))
    swap_statistics: bool = False
    qflow_login: bool = False
    qflow_header: str = "Authorization"
    qflow_prefix: str = "Bearer "
