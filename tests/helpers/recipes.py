"""The files that the README shows whole, each named in its first line."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def readme_file(name: str) -> str:
    """Cut a file out of the README."""
    [code] = re.findall(
        rf"^```python\n(# {re.escape(name)}(?:: [^\n]*)?\n.*?)^```$",
        README.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return str(code)
