"""The records: what is sent, what comes back.

Names are the wire's in snake_case, spelt right. What is sent is frozen, and checked when it is
made; what comes back is a plain slots class (frozen ones cost six times as much to make). Every
record keeps wire fields that it does not name in ``extra``, and sends them back at the same level.
Contact data and free text stay out of every repr::

    from datetime import datetime

    from aicc_async import ConfigError, NewCase, Priority

    new = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
        priority=Priority.HIGH,
        due_date=datetime(2025, 2, 1, 18, 0),
        extra={"AICC__region__CST": "north"},
    )
    print(new.is_auto_assigned)
    try:
        NewCase(
            title="包裹" * 22,
            description=new.description,
            type=new.type,
            contact_id=new.contact_id,
            creator_id=new.creator_id,
        )
    except ConfigError as error:
        print(error)

It prints::

    True
    title must be at most 128 bytes in UTF-8, got 132

``to_dict`` writes any record as JSON can hold it, by Python names or as it is on the wire, and
``from_dict`` reads it back; ``to_json`` writes bytes at once. No service needs converters of its
own::

    import json

    from aicc_async import NewCase, from_dict, to_dict

    new = NewCase(
        title="Parcel lost",
        description="It did not come.",
        type="cvmC0000014Oc9jgT7ZI",
        contact_id="ciIy0000013y7cC8T2rA",
        creator_id="10gg00000148PCjKVDAu",
        extra={"AICC__region__CST": "north"},
    )
    text = json.dumps(to_dict(new))
    print(from_dict(NewCase, json.loads(text)) == new)
    print(to_dict(new, names="wire", timezone="Asia/Shanghai")["contactId"])

It prints::

    True
    ciIy0000013y7cC8T2rA

A value outside its list (``Priority``, ``Origin``, ``State``, …) is kept as it is, since a tenant
may have more. Naive times are taken in the client's zone; times that come back are aware.

Names
-----

The wire's name is Python's in camelCase, typos of the documents aside. CSV and JSON lines have the
wire's names as columns, Parquet, SQLite, Postgres, Spark and dlt those of Python. Every command
takes both: in JSON, in a CSV of cases to create, in ``change`` and in ``--filter``. These are the
fields of a case, and where each is::

    Python                    wire                    list  get  create  change  filter
    attachment                attachment                    x    x       x
    be_id                     beId                               x
    case_no                   caseNo                  x     x                    x
    classification            classification                                     x
    closed_date               closedDate              x     x
    contact_id                contactId               x     x    x       x       x
    contact_phone             contactPhone            x     x    x       x       x
    created_date              createdDate             x     x
    creator_id                creatorId               x     x    x       x       x
    creator_name              creatorName                   x
    description               description                   x    x       x
    due_date                  dueDate                 x     x    x       x
    end_time                  endTime                                            x
    external_no               extternalNo             x     x
    id                        id                      x     x            x
    is_auto_assigned          isAutoAssigned                     x
    is_cancelled              isCanced                x
    is_direct_response        isDirectResponse                                   x
    is_export                 isExport                                           x
    is_reopen                 isReopen                                           x
    is_suspend                isSuspend               x
    is_upgraded               isUpgraded              x     x
    local                     local                                              x
    origin                    origin                  x     x    x               x
    owner_id                  ownerId                 x     x    x       x       x
    owner_name                ownerName                     x
    owner_type                ownerType               x
    parent_id                 parentId                x     x
    priority                  priority                x     x    x       x       x
    queue_id                  queueId                                            x
    reason                    reason                  x     x
    resume_type               resumenType                                        x
    start_time                startTime                                          x
    state                     state                   x     x    x
    status                    status                  x     x                    x
    stay_date                 stayDate                x     x
    suspend_accumulated_time  suspendAccumulatedTime  x     x
    suspend_date              suspendDate             x     x
    title                     title                   x     x    x       x       x
    type                      type                    x     x    x               x
    type_name                 typeName                x

Fields of the case type's template, ``AICC__region__CST``, have one name, and go into ``extra``. In
other records, ``additional_address`` is ``addtionalAddress``, ``case`` is ``caseInfo``,
``custom_field`` is ``customFied``, ``customer`` is ``customerInfo``, ``overdue_cases`` is
``overCases``, ``process`` is ``processInfo``, ``trace`` is ``caseTrace`` and ``from_`` is ``from``;
Q-Flow's have capitals at their beginning as well, ``ServiceId``.

The documents
-------------

The whole package calls the vendors' pages by numbers, and tables by their place on the page::

    document 000  AICC, "Creating a Case"                      POST …/openapi/case
    document 001  AICC, "Querying the Case List"               POST …/openapi/case/list
    document 002  AICC, "Modifying a Case"                     POST …/openapi/case/modify
    document 003  Q-Flow, "POST Cases", "Case Enqueue for FIFO"
    document 004  AICC, "查询工单详情" (the detail of a case)    GET …/openapi/case/{id}

What says "Case 2.0" and a path comes from the other pages of that interface.
"""

from .actions import (
    CaseCancel,
    CaseProcess,
    CaseTransfer,
    ProcessInfo,
    StatusUpdate,
)
from .case_types import (
    CaseType,
    CaseTypePage,
    CaseTypeQuery,
)
from .cases import (
    Case,
    CasePage,
    CaseQuery,
    CaseUpdate,
    NewCase,
)
from .customers import (
    Address,
    Customer,
    Organization,
)
from .details import (
    CaseDetail,
    CaseInfo,
    CaseTrace,
)
from .qflow import (
    CaseEnqueue,
    EnqueuedCase,
    QueueCancel,
    QueuedCase,
)
from .statistics import (
    CaseStatistics,
    CurrentStatistics,
    StatisticsPage,
    StatisticsQuery,
)
from .tasks import (
    NewTask,
    Task,
    TaskPage,
    TaskQuery,
    TaskTransfer,
    TaskUpdate,
)
from .values import (
    CaseTypeStatus,
    Classification,
    Origin,
    OwnerType,
    Priority,
    ProcessType,
    QueueStatus,
    ResumeType,
    State,
)

__all__ = [
    "Address",
    "Case",
    "CaseCancel",
    "CaseDetail",
    "CaseEnqueue",
    "CaseInfo",
    "CasePage",
    "CaseProcess",
    "CaseQuery",
    "CaseStatistics",
    "CaseTrace",
    "CaseTransfer",
    "CaseType",
    "CaseTypePage",
    "CaseTypeQuery",
    "CaseTypeStatus",
    "CaseUpdate",
    "Classification",
    "CurrentStatistics",
    "Customer",
    "EnqueuedCase",
    "NewCase",
    "NewTask",
    "Organization",
    "Origin",
    "OwnerType",
    "Priority",
    "ProcessInfo",
    "ProcessType",
    "QueueCancel",
    "QueueStatus",
    "QueuedCase",
    "ResumeType",
    "State",
    "StatisticsPage",
    "StatisticsQuery",
    "StatusUpdate",
    "Task",
    "TaskPage",
    "TaskQuery",
    "TaskTransfer",
    "TaskUpdate",
]
