"""What an export did, window by window, and the manifest: the file that records it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from attrs import Factory, frozen

from .._files import replacing
from ..errors import ConfigError
from .manifest_json import MisfitError, dump_record, load_record

# Raise it when a field changes its meaning: a manifest of another version is refused.
VERSION = 1
SUFFIX = ".manifest.json"
WindowVerdict = Literal["verified", "repaired", "unverified", "open"]
_EXPECTED = "the manifest of an export, such as cases.jsonl.manifest.json"


@frozen(kw_only=True)
class WindowReport:
    """One window of time, and whether what came is what was announced.

    - ``start``, ``end``: wall-clock times of the zone, both meant to be included; None is open.
      Neighbours overlap by a second or two, whose rows count in both. The first one begins a second
      before the range, the last one ends a second after it; what was created then is dropped.
    - ``verdict``: ``verified``: announced totals, rows, ids and seams agreed at the first reading;
      ``repaired``: they agreed after more of them; ``unverified``: they never did, see ``reason``:
      all rows that any reading brought are in the file, or they did, and the total may be the most
      that the service ever announces; ``open``: they agreed, but the window ended so shortly before
      it was read that cases may still come into it.
    - ``announced``, ``announced_last``: the totals that the first and the last page announced.
    - ``received``: rows of the last reading, with the duplicates at the pages' seams;
      ``distinct``: different ids among them; ``readings``: how often it was read.
    - ``without_detail``: rows that should have details, and the service had none.
    - ``finished``: seconds of work until it was finished; ``requests``, ``retries``,
      ``throttled``: the export's totals at that moment.
    """

    start: str | None
    end: str | None
    verdict: WindowVerdict
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
    """The total of the whole range, counted without windows: it has also what no window has.

    ``announced`` is the count after the windows were read, ``before`` the one when they were
    planned; where as many rows came as that one, there is no other. It ``agrees`` when the rows
    that came, with those of the range's last second, are not fewer than either of them.
    """

    announced: int
    before: int | None = None
    agrees: bool


@frozen(kw_only=True)
class OddValues:
    """How many values of a field had another type than documented; ``example`` is the first case.

    In a format with types they are in ``extra``.
    """

    count: int
    example: str


@frozen(kw_only=True)
class EarlierRun:
    """What an earlier run added to the target, as far as no later run has read it again.

    Its fields are those of ``ExportReport``; ``windows`` are the ones that are still the proof of
    their cases.
    """

    start: str | None
    end: str | None
    ended: str
    rows: int
    added: int
    windows: tuple[WindowReport, ...]


@frozen(kw_only=True)
class ExportReport:
    """What an export did; the manifest beside the file holds the same fields.

    - ``target``: the file, or the database without its password; ``format``: how it was written.
    - ``detail``: whether rows have their cases' details; ``without_detail``: how many have none,
      because the service no longer knew the case when it was asked for them.
    - ``columns``: template fields that have a column of their own, with their types.
    - ``query``: the filters by wire names, contact data and free text hidden; ``zone``: of all
      times without one; ``start``, ``end``: the range, its end frozen when the export began.
    - ``began``, ``ended``: UTC; ``seconds``: of work, all runs together; ``runs``: how often it was
      started or resumed.
    - ``rows``: different cases read; ``added``: those that were not in the target before (all of
      them in a new file; in a table, those inserted or updated).
    - ``deleted``: cases that this run has marked as deleted in a table.
    - ``in_target``: cases in the target after the run, those of earlier runs too.
    - ``in_table``: how many of the rows' ids a table had before the load was committed, which is
      all of them; None for a file.
    - ``odd_values``: by wire name, what a format with types could not hold in the field's column.
    - ``size``, ``sha256``: of the file, or of all files of a folder; None for a database.
    - ``requests``, ``retries``, ``throttled``: HTTP requests of all runs, those sent again, 429s.
    - ``whole``: a count of the whole range; None when the service does not answer one.
    - ``windows``: one ``WindowReport`` each, oldest first; ``days``: cases by day of creation.
    - ``earlier``: the runs before this one that the target's other cases are from, each with the
      windows that none after it has read; oldest first.
    - ``versions``: of this package, Python and aiohttp.

    Nothing in it is a secret, and of contacts only ids.
    """

    version: int = VERSION
    target: str
    format: str
    detail: bool = False
    columns: Mapping[str, str] = Factory(dict)
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
    deleted: int = 0
    in_target: int | None = None
    in_table: int | None = None
    odd_values: Mapping[str, OddValues] = Factory(dict)
    size: int | None = None
    sha256: str | None = None
    requests: int
    retries: int
    throttled: int
    whole: WholeCount | None = None
    windows: tuple[WindowReport, ...] = ()
    days: Mapping[str, int] = Factory(dict)
    earlier: tuple[EarlierRun, ...] = ()
    versions: Mapping[str, str] = Factory(dict)

    @property
    def unverified(self) -> tuple[WindowReport, ...]:
        """The windows that may lack cases, or have cases that should not be there."""
        return tuple(window for window in self.windows if window.verdict == "unverified")

    @property
    def verified(self) -> bool:
        """Whether all windows agreed, and the whole range with their sum; they may be open."""
        return not self.unverified and (self.whole is None or self.whole.agrees)


def manifest_path(target: Path) -> Path:
    """Return the path of a file's manifest."""
    return target.with_name(target.name + SUFFIX)


def save(report: ExportReport, path: Path) -> None:
    """Write a manifest as a whole, or leave the old one."""
    with replacing(path) as part:
        part.write_bytes(encode(report))


def encode(report: ExportReport) -> bytes:
    """Return a manifest's content."""
    return msgspec.json.format(msgspec.json.encode(dump_record(report)))


def load(path: Path) -> ExportReport | None:
    """Read a manifest; None when there is no such file.

    Raises ConfigError that names the file, and the path of the first field that does not fit.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return decode(content, path)


def decode(content: bytes, path: Path | str) -> ExportReport:
    """Return what a manifest's content says; raise ConfigError that names the ``path``."""
    try:
        value = msgspec.json.decode(content)
    except (ValueError, RecursionError):
        raise ConfigError(f"{path} must be {_EXPECTED}, got invalid JSON") from None
    version = value.get("version", ...) if isinstance(value, dict) else VERSION
    if version is ... or (type(version) is int and version != VERSION):
        found = "no version" if version is ... else f"version {version}"
        raise ConfigError(f"{path} must be {_EXPECTED} of version {VERSION}, got {found}")
    try:
        return load_record(value, ExportReport)
    except MisfitError as error:
        raise ConfigError(f"{path} must be {_EXPECTED}: {error}") from None


def time_text(moment: datetime | None) -> str | None:
    """Return a window's time as it is in a manifest; None is open."""
    return None if moment is None else str(moment)


def parse_time(text: str | None) -> datetime | None:
    """Return a time of a manifest, wall-clock; None is open."""
    return None if text is None else datetime.fromisoformat(text)
