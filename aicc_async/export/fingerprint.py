"""What an export is of: an unfinished or a finished one of something else must not be continued."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from .._api import CaseApi
from .._listing.zones import wall
from .._protocol.converter import RecordConverter, dumps
from ..errors import ConfigError
from ..models import CaseQuery
from . import manifest
from .content import content_sha256, content_size, has_content
from .manifest import EarlierRun, ExportReport
from .sinks.partition_names import find_stranger
from .sinks.registry import Target

# All extension fields are hidden too: nobody knows what they hold.
CONTACT_DATA = {"title", "contactPhone"}
RANGE = {"startTime", "endTime"}
# What to call the entries of a fingerprint whose own name says little.
_LABELS = {
    "query_digest": "query",
    "detail": "choice of details",
    "since_last": "choice of since_last",
}


def fingerprint(
    api: CaseApi, query: CaseQuery, *, since_last: bool, detail: bool
) -> dict[str, Any]:
    """Describe what an export reads; what may be contact data is there as a digest only.

    The format is not in it: what was read can be written in any.
    """
    wire = RecordConverter(api.zone).dump(query)
    return {
        "tenant": api.base_url,
        "query": _visible(wire, query),
        "query_digest": hashlib.sha256(dumps(wire)).hexdigest(),
        "zone": str(api.zone),
        "since_last": since_last,
        "detail": detail,
    }


def check_fingerprint(target: Target, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raise ConfigError when an unfinished export was of something else."""
    different = [name for name in now if before.get(name) != now[name]]
    if different:
        label = _LABELS.get(different[0], different[0])
        raise ConfigError(
            f"cannot resume: {target.name} has an unfinished export of another {label}."
            " Finish that with its own options, or start again with --restart (restart=True)"
        )


def next_start(
    api: CaseApi,
    query: CaseQuery,
    target: Target,
    *,
    last: ExportReport | None,
    newest: datetime | None,
    back: timedelta,
    detail: bool,
) -> datetime | None:
    """Return where an export since the last one begins; None when there was none before.

    That is where the ``last`` run ended, or the ``newest`` case of a table if that is earlier, less
    ``back``; and before what that run left open or unverified. A table that had rows and has none
    begins anew. Raises ConfigError when it was a run of another query, or
    with another choice of details: some rows of the target would have them, and others not.
    """
    if last is None:
        return newest and wall(newest, api.zone) - back
    filters = _visible(RecordConverter(api.zone).dump(query), query)
    if _without_range(last.query) != _without_range(filters) or last.zone != str(api.zone):
        raise ConfigError(
            f"cannot continue {target.name}: its last run had another query or zone."
            " Choose another target"
        )
    if last.detail != detail:
        raise ConfigError(
            f"cannot continue {target.name}: its last run was"
            f" {'with' if last.detail else 'without'} details. Choose another target"
        )
    runs: list[EarlierRun | ExportReport] = [*last.earlier, last]
    again = [
        # The first window begins a second before the range.
        max(window.start, run.start or "")
        for run in runs
        for window in run.windows
        if window.start and window.verdict in {"open", "unverified"}
    ]
    is_table = target.table is not None
    if is_table and newest is None and (last.rows or last.in_table):
        return None
    try:
        ends = [datetime.fromisoformat(last.end)] if last.end else []
        if is_table and newest:
            # An older backup may have been restored, whose manifest was not.
            ends.append(wall(newest, api.zone))
        ends = [end - back for end in ends]
        return min(ends + [datetime.fromisoformat(start) for start in again], default=None)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(
            f"{target.manifest} must have times as YYYY-MM-DD HH:MM:SS. Choose another target"
        ) from None


def check_table(
    api: CaseApi, query: CaseQuery, target: Target, *, last: ExportReport | None
) -> None:
    """Raise ConfigError when the rows of a table are those of another query or zone."""
    filters = _without_range(_visible(RecordConverter(api.zone).dump(query), query))
    if last and (_without_range(last.query) != filters or last.zone != str(api.zone)):
        raise ConfigError(
            f"cannot add to {target.name}: its last run had another query or zone, so that it would"
            " hold rows of both. Choose another target, or replace its rows with --replace"
            " (replace=True)"
        )


def check_same_columns(target: Target, last: ExportReport | None) -> None:
    """Raise ConfigError when template fields of the last run would have another column, or none.

    Their values would be in two places. Tables and CSV files get columns that are new.
    """
    before, now = last.columns if last else {}, target.columns
    different = {name for name, kind in before.items() if now.get(name) != kind}
    if last and target.format == "parquet":
        different |= now.keys() - before.keys()
    if different:
        known = ", ".join(f"{name}:{kind}" for name, kind in before.items()) or "none"
        raise ConfigError(
            f"cannot continue {target.name}: columns must be those of its last run ({known}),"
            f" got another choice for {min(different)}"
        )


def check_ours(target: Target) -> None:
    """Raise ConfigError for a file that no export has written, or for another's manifest.

    Tables are not looked at: their rows stay, but for those of the same ids.
    """
    foreign: Path | str | None = target.find_foreign() if target.find_foreign else None
    try:
        if manifest.load(target.manifest) is None and target.file and not target.table:
            foreign = target.file if has_content(target.file) else None
        elif target.file and target.file.is_dir():
            # Whoever has put files of his own among ours should know that they go.
            foreign = find_stranger(target.file)
    except ConfigError:
        foreign = target.manifest
    if foreign:
        raise ConfigError(
            f"cannot overwrite {foreign}: no export has written it. Choose another target, or"
            " replace it with --overwrite (overwrite=True)"
        )


def check_unknown_rows(target: Target) -> None:
    """Raise ConfigError when a table without a manifest has rows; call it in a thread."""
    if target.table and target.table.has_rows():
        raise ConfigError(
            f"cannot add to {target.name}: it has rows and no manifest ({target.manifest}), so that"
            " their query and zone are not known. Put the manifest back, choose another target, or"
            " replace its rows with --replace (replace=True)"
        )


def warn_of_half(target: Target, *, last: ExportReport | None, keep: bool) -> None:
    """Warn of a file without its manifest, or of the ``last`` manifest without its database.

    A database without a manifest may be somebody's, with other tables. A file that is written anew
    has no use for a manifest that somebody left there, and was refused without one.
    """
    file, name = target.file, target.manifest.name
    if file is None:
        return
    is_there = has_content(file)
    if keep and is_there and target.table is None and not target.manifest.exists():
        text = f"{target.name} is there without its manifest {name}: all is read, and what is new"
        warnings.warn(f"{text} is added to it", RuntimeWarning, stacklevel=4)
    if not is_there and last:
        text = f"{name} is there without {target.name}: all is read, and both are written anew"
        warnings.warn(text, RuntimeWarning, stacklevel=4)


def check_file(target: Target, last: ExportReport) -> None:
    """Raise ConfigError unless a file is as its manifest says; call it in a thread.

    A table is not looked at: others may write to it, and its newest row says where it ends.
    """
    file = target.file
    if file is None or target.table or last.sha256 is None:
        return
    try:
        size = content_size(file)
        if size == last.size and content_sha256(file) == last.sha256:
            return
        found = f"it has {size:,} bytes" if size != last.size else "its content differs"
    except FileNotFoundError:
        found = "it is gone"
    except OSError as error:
        found = str(error.strerror)
    size_left = "unknown" if last.size is None else f"{last.size:,}"
    raise ConfigError(
        f"cannot continue {target.name}: it must be as its last run left it, with {size_left}"
        f" bytes, but {found}. Put it back, or re-run with restart and without since_last"
    )


def _visible(wire: Mapping[str, Any], query: CaseQuery) -> dict[str, Any]:
    """Return a query's filters, with what may be contact data hidden."""
    hidden = CONTACT_DATA | set(query.extra)
    return {name: "(hidden)" if name in hidden else value for name, value in wire.items()}


def _without_range(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in filters.items() if name not in RANGE}
