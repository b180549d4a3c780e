"""A tenant's case history into a file or a database, verified."""

from __future__ import annotations

from .manifest import ExportReport, WholeCount, WindowReport
from .progress import Progress
from .run import export_cases
from .sinks import FORMATS

__all__ = ["FORMATS", "ExportReport", "Progress", "WholeCount", "WindowReport", "export_cases"]
