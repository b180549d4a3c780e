"""What an export did, window by window, and the file that says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import cattrs
import msgspec
from attrs import Factory, frozen

from .._files import replacing
from ..errors import ConfigError

VERSION = 1
SUFFIX = ".manifest.json"
Verdict = Literal["verified", "repaired", "unverified", "open"]


@frozen(kw_only=True)
class WindowReport:
    """One window of time, and whether what came is what was announced.

    - ``start``, ``end``: wall-clock times of the zone, both meant to be included; None is open.
      Neighbours overlap by a second or two, whose rows count in both.
    - ``verdict``: ``verified``: announced totals, rows, ids and seams agreed at the first reading;
      ``repaired``: they agreed after more of them; ``unverified``: they never did, see ``reason``:
      all rows that any reading brought are in the file; ``open``: they agreed, but the window ended
      so shortly before it was read that cases may still come into it.
    - ``announced``, ``announced_last``: the totals told by the first and the last page.
    - ``received``: rows that the last reading brought, doubles at the pages' seams included;
      ``distinct``: different ids among them; ``readings``: how often it was read.
    - ``without_detail``: rows whose details were wanted, and the service had none.
    - ``finished``: seconds of work until it was done; ``requests``, ``retries`` and ``throttled``:
      the export's totals at that moment.
    """

    start: str | None
    end: str | None
    verdict: Verdict
    reason: str = ""
    announced: int
    announced_last: int
    received: int
    distinct: int
    readings: int
    without_detail: int = 0
    finished: float
    requests: int
    retries: int
    throttled: int


@frozen(kw_only=True)
class WholeCount:
    """The total of the range by counts without an end, which no window can have left out.

    ``announced`` is the last of them. They agree when the rows that came, and those of the range's
    last second, are not fewer than the smaller of two counts: before the windows were read, and
    after.
    """

    announced: int
    agrees: bool


@frozen(kw_only=True)
class ExportReport:
    """What an export did; the manifest beside the file holds the same fields.

    - ``target``: the file, or the database without its password; ``format``: how it was written.
    - ``detail``: whether rows have their cases' details; ``without_detail``: how many have none,
      because the service no longer knew the case when it was asked for them.
    - ``query``: the filters by wire names, contact data and free text hidden; ``zone``: of all
      times without one; ``start``, ``end``: the range, its end frozen when the export began.
    - ``began``, ``ended``: UTC; ``seconds``: of work, all runs together; ``runs``: how often it was
      begun or taken up again.
    - ``rows``: different cases read; ``added``: those that were not in the target before (all of
      them, where it was made anew; where rows are upserted, those written).
    - ``size``, ``sha256``: of the file; None for a database.
    - ``requests``, ``retries``, ``throttled``: HTTP requests of all runs, those sent again, 429s.
    - ``whole``: a count of the whole range; None when the service doesn't answer one.
    - ``windows``: one ``WindowReport`` each, oldest first; ``days``: cases by day of creation.
    - ``versions``: of this package, Python and aiohttp.

    Nothing in it is a secret, and of contacts only ids.
    """

    version: int = VERSION
    target: str
    format: str
    detail: bool = False
    query: Mapping[str, Any] = Factory(dict)
    zone: str
    start: str | None
    end: str | None
    began: str
    ended: str
    runs: int
    seconds: float
    rows: int
    added: int
    without_detail: int = 0
    size: int | None = None
    sha256: str | None = None
    requests: int
    retries: int
    throttled: int
    whole: WholeCount | None = None
    windows: tuple[WindowReport, ...] = ()
    days: Mapping[str, int] = Factory(dict)
    versions: Mapping[str, str] = Factory(dict)

    @property
    def unverified(self) -> tuple[WindowReport, ...]:
        """The windows that one should not rely on."""
        return tuple(window for window in self.windows if window.verdict == "unverified")

    @property
    def verified(self) -> bool:
        """Whether all windows agreed, and the whole with their sum; open ones are no objection."""
        return not self.unverified and (self.whole is None or self.whole.agrees)


def manifest_path(target: Path) -> Path:
    """Name the manifest of a file."""
    return target.with_name(target.name + SUFFIX)


def save(report: ExportReport, path: Path) -> None:
    """Write a manifest, whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(cattrs.unstructure(report))))


def load(path: Path) -> ExportReport | None:
    """Read a manifest; None when there is none. Raises ConfigError when it is no manifest."""
    try:
        value = msgspec.json.decode(path.read_bytes())
        if value["version"] != VERSION:
            raise ConfigError(f"{path}: version {VERSION} of a manifest is needed")
        return cattrs.structure(value, ExportReport)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: it can't be read: {error.strerror}") from error
    except (msgspec.DecodeError, cattrs.BaseValidationError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: no manifest of an export ({type(error).__name__})") from None
