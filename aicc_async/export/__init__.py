"""A tenant's case history into a file or a database, verified."""

from __future__ import annotations

from .job import export_cases
from .manifest import ExportReport, WholeCount, WindowReport
from .progress import Progress
from .sinks.registry import FORMATS

__all__ = ["FORMATS", "ExportReport", "Progress", "WholeCount", "WindowReport", "export_cases"]
