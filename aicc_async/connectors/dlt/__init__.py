"""A source for dlt: the cases, proved complete as an export's, into each of dlt's destinations."""

from ..._optional import load

# Before the import below: without dlt it would fail on a module that no user knows.
load("dlt", "dlt")

from .source import aicc_cases  # noqa: E402  (only where dlt is installed)

__all__ = ["aicc_cases"]
