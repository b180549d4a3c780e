"""A source for dlt: the cases, proved complete as an export's, into each of dlt's destinations."""

from .source import aicc_cases

__all__ = ["aicc_cases"]
