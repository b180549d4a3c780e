"""Every module of the package that can be imported here."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType

import aicc_async
from aicc_async import ConfigError


def package_modules() -> Iterator[ModuleType]:
    """Yield them all, but for those whose extra is not installed."""
    # A package that cannot be imported is no reason to end: it is left out below.
    for info in walk_packages(aicc_async.__path__, "aicc_async.", onerror=lambda _: None):
        # Importing it runs the command.
        if info.name == "aicc_async.__main__":
            continue
        try:
            yield import_module(info.name)
        except (ModuleNotFoundError, ConfigError):
            continue
