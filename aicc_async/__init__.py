"""The asyncio client for Huawei AICC Case 2.0, and for Q-Flow's case queue."""

from __future__ import annotations

from .auth import ClientCredentials, StaticToken
from .client import AICCClient
from .errors import (
    AICCError,
    ApiError,
    AuthError,
    ConfigError,
    DecodeError,
    ExportError,
    NotFoundError,
    RateLimitError,
    RequestTimeout,
    ServerError,
    TransportError,
    UnknownOutcome,
)
from .export import ExportReport, export_cases
from .models import (
    Address,
    Case,
    CaseDetail,
    CaseEnqueue,
    CaseInfo,
    CasePage,
    CaseQuery,
    CaseTrace,
    CaseUpdate,
    Classification,
    Customer,
    EnqueuedCase,
    NewCase,
    Organization,
    Origin,
    OwnerType,
    Priority,
    ResumeType,
    State,
    Task,
)
from .qflow import QFlowClient
from .settings import RateLimit, RetryPolicy, Timeouts

__all__ = [
    "AICCClient",
    "AICCError",
    "Address",
    "ApiError",
    "AuthError",
    "Case",
    "CaseDetail",
    "CaseEnqueue",
    "CaseInfo",
    "CasePage",
    "CaseQuery",
    "CaseTrace",
    "CaseUpdate",
    "Classification",
    "ClientCredentials",
    "ConfigError",
    "Customer",
    "DecodeError",
    "EnqueuedCase",
    "ExportError",
    "ExportReport",
    "NewCase",
    "NotFoundError",
    "Organization",
    "Origin",
    "OwnerType",
    "Priority",
    "QFlowClient",
    "RateLimit",
    "RateLimitError",
    "RequestTimeout",
    "ResumeType",
    "RetryPolicy",
    "ServerError",
    "State",
    "StaticToken",
    "Task",
    "Timeouts",
    "TransportError",
    "UnknownOutcome",
    "__version__",
    "export_cases",
]


def __getattr__(name: str) -> str:
    """Look the version up when it is asked for: reading metadata costs time at import."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version  # noqa: PLC0415

    return version("aicc-async")
