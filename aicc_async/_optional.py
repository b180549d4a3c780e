"""Libraries that not every user needs."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from .errors import ConfigError


def load(module: str, extra: str) -> ModuleType:
    """Return a module that an extra installs; a ConfigError says how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        # Of ``opentelemetry`` a part may be there without the one that is wanted.
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"{module} is missing: pip install 'aicc-async[{extra}]'") from None
