"""The asyncio client for Huawei AICC Case 2.0, and for Q-Flow's case queue.

Names are loaded when they are first used (PEP 562): ``import aicc_async`` costs a few milliseconds,
and the pytest plugin and the command line pay for what they use.
"""

from __future__ import annotations

# Type checkers take a variable of this name for True. Importing typing's would take 10 ms, in which
# an interrupt of the command line is a traceback.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from ._create.creator import (
        CreateOutcome,
    )
    from ._protocol.dicts import (
        from_dict,
        to_dict,
        to_json,
    )
    from ._ratelimit.budget import (
        RequestPriority,
        request_priority,
    )
    from ._transport.deadline import (
        deadline,
    )
    from .client import (
        AICCClient,
    )
    from .credentials import (
        ClientCredentials,
        QFlowLogin,
        StaticToken,
    )
    from .errors import (
        AICCError,
        ApiError,
        AuthError,
        CaseChanged,
        ConfigError,
        DecodeError,
        ExportError,
        FieldFault,
        InvalidInput,
        JournalError,
        KeyInUse,
        NotFoundError,
        RateLimitError,
        RequestTimeout,
        ServerError,
        TransportError,
        UnknownOutcome,
        WatchError,
    )
    from .export import (
        ExportPlan,
        ExportReport,
        export_cases,
        plan_export,
    )
    from .journal import (
        SQLiteJournal,
    )
    from .models import (
        Address,
        Case,
        CaseCancel,
        CaseDetail,
        CaseEnqueue,
        CaseInfo,
        CasePage,
        CaseProcess,
        CaseQuery,
        CaseStatistics,
        CaseTrace,
        CaseTransfer,
        CaseType,
        CaseTypePage,
        CaseTypeQuery,
        CaseTypeStatus,
        CaseUpdate,
        Classification,
        CurrentStatistics,
        Customer,
        EnqueuedCase,
        NewCase,
        NewTask,
        Organization,
        Origin,
        OwnerType,
        Priority,
        ProcessInfo,
        ProcessType,
        QueueCancel,
        QueuedCase,
        QueueStatus,
        ResumeType,
        State,
        StatisticsPage,
        StatisticsQuery,
        StatusUpdate,
        Task,
        TaskPage,
        TaskQuery,
        TaskTransfer,
        TaskUpdate,
    )
    from .qflow import (
        QFlowClient,
    )
    from .settings import (
        Dialect,
        NetworkSettings,
        RateLimit,
        RetryPolicy,
        Timeouts,
    )

__all__ = [
    "AICCClient",
    "AICCError",
    "Address",
    "ApiError",
    "AuthError",
    "Case",
    "CaseCancel",
    "CaseChanged",
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
    "ClientCredentials",
    "ConfigError",
    "CreateOutcome",
    "CurrentStatistics",
    "Customer",
    "DecodeError",
    "Dialect",
    "EnqueuedCase",
    "ExportError",
    "ExportPlan",
    "ExportReport",
    "FieldFault",
    "InvalidInput",
    "JournalError",
    "KeyInUse",
    "NetworkSettings",
    "NewCase",
    "NewTask",
    "NotFoundError",
    "Organization",
    "Origin",
    "OwnerType",
    "Priority",
    "ProcessInfo",
    "ProcessType",
    "QFlowClient",
    "QFlowLogin",
    "QueueCancel",
    "QueueStatus",
    "QueuedCase",
    "RateLimit",
    "RateLimitError",
    "RequestPriority",
    "RequestTimeout",
    "ResumeType",
    "RetryPolicy",
    "SQLiteJournal",
    "ServerError",
    "State",
    "StaticToken",
    "StatisticsPage",
    "StatisticsQuery",
    "StatusUpdate",
    "Task",
    "TaskPage",
    "TaskQuery",
    "TaskTransfer",
    "TaskUpdate",
    "Timeouts",
    "TransportError",
    "UnknownOutcome",
    "WatchError",
    "__version__",
    "deadline",
    "export_cases",
    "from_dict",
    "plan_export",
    "request_priority",
    "to_dict",
    "to_json",
]

_MODULES = {
    "._create.creator": ("CreateOutcome",),
    "._protocol.dicts": (
        "from_dict",
        "to_dict",
        "to_json",
    ),
    "._ratelimit.budget": (
        "RequestPriority",
        "request_priority",
    ),
    "._transport.deadline": ("deadline",),
    ".client": ("AICCClient",),
    ".credentials": (
        "ClientCredentials",
        "QFlowLogin",
        "StaticToken",
    ),
    ".errors": (
        "AICCError",
        "ApiError",
        "AuthError",
        "CaseChanged",
        "ConfigError",
        "DecodeError",
        "ExportError",
        "FieldFault",
        "InvalidInput",
        "JournalError",
        "KeyInUse",
        "NotFoundError",
        "RateLimitError",
        "RequestTimeout",
        "ServerError",
        "TransportError",
        "UnknownOutcome",
        "WatchError",
    ),
    ".export": (
        "ExportPlan",
        "ExportReport",
        "export_cases",
        "plan_export",
    ),
    ".journal": ("SQLiteJournal",),
    ".models": (
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
    ),
    ".qflow": ("QFlowClient",),
    ".settings": (
        "Dialect",
        "NetworkSettings",
        "RateLimit",
        "RetryPolicy",
        "Timeouts",
    ),
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    from importlib import import_module  # noqa: PLC0415

    if name == "__version__":
        value: object = import_module("._optional", __name__).installed_version("aicc-async")
    elif name in _WHERE:
        value = getattr(import_module(_WHERE[name], __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})
