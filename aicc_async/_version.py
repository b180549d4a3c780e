"""The versions of what is installed, for the manifest and ``--version``."""

from __future__ import annotations


def installed_version(name: str) -> str:
    """Return a distribution's version; "unknown" where its metadata was stripped (PyInstaller)."""
    # It takes 7 ms, which importing the package need not take.
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    try:
        # Metadata that is there and empty has none.
        return version(name) or "unknown"
    except (PackageNotFoundError, KeyError):
        return "unknown"
