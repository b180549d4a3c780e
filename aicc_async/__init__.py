"""The asyncio client for Huawei AICC Case 2.0, and for Q-Flow's case queue."""

from __future__ import annotations

from importlib import import_module as _import_module
from typing import TYPE_CHECKING
from typing import Any as _Any

from ._create.creator import CreateOutcome
from ._ratelimit.budget import RequestPriority, request_priority
from .client import AICCClient
from .credentials import ClientCredentials, QFlowLogin, StaticToken
from .errors import (
    AICCError,
    ApiError,
    AuthError,
    CaseChanged,
    ConfigError,
    DecodeError,
    ExportError,
    JournalError,
    KeyInUse,
    NotFoundError,
    RateLimitError,
    RequestTimeout,
    ServerError,
    TransportError,
    UnknownOutcome,
)
from .journal import SQLiteJournal
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
from .settings import Dialect, RateLimit, RetryPolicy, Timeouts

if TYPE_CHECKING:  # in fact they are loaded when they are asked for
    from .export import ExportReport, export_cases
    from .qflow import QFlowClient

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
    "ExportReport",
    "JournalError",
    "KeyInUse",
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
    "__version__",
    "export_cases",
    "request_priority",
]


_LATER = {"ExportReport": ".export", "QFlowClient": ".qflow", "export_cases": ".export"}


def __getattr__(name: str) -> _Any:
    """Look up when it is asked for what would make the import a fifth longer."""
    if name in _LATER:
        return getattr(_import_module(_LATER[name], __name__), name)
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415

    return version("aicc-async")
