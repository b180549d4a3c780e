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
        if error.name != module.partition(".")[0]:
            raise
        raise ConfigError(f"{module} is missing: pip install 'aicc-async[{extra}]'") from None
