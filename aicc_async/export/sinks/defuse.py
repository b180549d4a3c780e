"""CSV cells that no spreadsheet runs as a formula.

The idea: a spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` (OWASP calls it
CSV injection; a phone number "+1202…" is enough). So an apostrophe goes before such a sign, which
makes it text. A program may split at semicolons or tabs instead of commas, and heed no quotes then:
so a cell can begin behind these and behind line breaks too. What it may trim there comes before
the sign: blanks, quotes, NUL.

The invariant: only apostrophes are added, every sign at such a place has one, and doing it a second
time changes nothing. So ids of an old file are found again, however it was written.

What it cannot see: programs that begin cells elsewhere or run other signs. That is why cells can be
written raw, and why this is no reason to open a file that one does not trust.
"""

from __future__ import annotations

import re

# The wide ones count in East Asian settings.
SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
# The begin of a cell: of the whole text, with what may be trimmed or taken for a separator there,
# or behind a separator or line break. Then the sign.
_CELL_START = re.compile(rf"""(?:\A[\s\0",;|]*|[;\t\r\n][\s\0";]*)([{SIGNS}])?""")


def defuse(text: str) -> str:
    """Return a text with an apostrophe before each sign that would be run."""
    # Most texts, and phone numbers, are seen here, at a third of the cost.
    if text.isprintable() and ";" not in text:
        if text[:1].isalnum():
            return text
        if text.startswith(tuple(SIGNS)):
            return f"'{text}"
    safe = _CELL_START.sub(
        lambda found: f"{found[0][:-1]}'{found[0][-1]}" if found[1] else found[0], text
    )
    return f"'{safe}" if text.startswith(("\t", "\r", "\n", "\0")) else safe
