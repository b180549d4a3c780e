"""Ask a tenant what the documents leave open: lists only, few requests, and no guesses."""

from __future__ import annotations

from .run import probe

__all__ = ["probe"]
