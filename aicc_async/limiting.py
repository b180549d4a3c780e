"""Which limiter a limit wants; those that few want are loaded when they are."""

from __future__ import annotations

from .limiter import AnyLimiter, Limiter
from .settings import RateLimit


def limiter_of(rate: RateLimit | None) -> AnyLimiter:
    """Make the limiter that a limit wants."""
    if rate is not None and rate.shared is not None:
        from .sharing import SharedLimiter  # noqa: PLC0415

        return SharedLimiter(rate, rate.shared)
    if rate is not None and rate.ceiling is not None:
        from .adaptive_limiter import AdaptiveLimiter  # noqa: PLC0415

        return AdaptiveLimiter(rate)
    return Limiter(rate)
