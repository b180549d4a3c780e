"""A tenant's case history into a file."""

from __future__ import annotations

from .run import ExportReport, Progress, export_cases

__all__ = ["ExportReport", "Progress", "export_cases"]
