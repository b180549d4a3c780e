"""Libraries that not every user needs, and the versions of what is installed."""

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


def installed_version(name: str) -> str:
    """Return a distribution's version; "unknown" where its metadata was stripped (PyInstaller)."""
    # It takes 7 ms, which importing the package need not take.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        # Metadata that is there and empty has none.
        return version(name) or "unknown"
    except (PackageNotFoundError, KeyError):
        return "unknown"
