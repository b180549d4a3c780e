"""The export: plan, read, verify, write, and record what was done."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from os import PathLike, fspath
from pathlib import Path

from attrs import asdict, evolve, frozen

from .._api import CaseApi, HasCaseApi
from .._files import replace as replace_file
from .._files import replacing
from .._listing.counting import row_counter
from .._listing.first_pages import FirstPages
from .._listing.windows import SETTLE, Window
from .._validators import check, kind
from ..errors import AICCError, ConfigError, ExportError
from ..models import CaseQuery
from . import manifest
from .checkpoint import Checkpoint, open_checkpoint
from .concurrency import call_in_thread, entered_in_thread
from .content import content_sha256, content_size
from .dedupe import deduplicate
from .deletions import Evidence, check_can_mark, find_deleted
from .export_range import compare_whole_range, plan_range
from .fingerprint import (
    check_file,
    check_fingerprint,
    check_ours,
    check_same_columns,
    check_table,
    check_unknown_rows,
    fingerprint,
    next_start,
    warn_of_half,
)
from .history import highest_total
from .manifest import ExportReport, WholeCount, parse_time, time_text
from .outcome import build_report, utc_text
from .progress import OnProgress, ProgressReporter, RunMeter
from .sinks.partition_names import PartitionBy, check_partitions
from .sinks.registry import Target, TargetOptions, resolve_target
from .sinks.sink import Batch, Written, write_rows
from .sinks.template_columns import check_columns
from .stop import StoppedError
from .unfinished import advise, find_checkpoint, remove_parts
from .window_reader import read_windows


async def export_cases(
    aicc: HasCaseApi,
    query: CaseQuery | None,
    target: str | PathLike[str],
    *,
    format: str | None = None,  # noqa: A002  (what users call it)
    detail: bool = False,
    raw_cells: bool = False,
    bom: bool = False,
    strict_types: bool = False,
    partition_by: PartitionBy | None = None,
    columns: Mapping[str, str] | None = None,
    since_last: timedelta | None = None,
    settle: timedelta = SETTLE,
    restart: bool = False,
    replace: bool = False,
    overwrite: bool = False,
    mark_deleted: bool = False,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write all cases that match into a file or a database, and prove that they are all there.

    ``target`` is a path (``.jsonl``, ``.jsonl.gz``, ``.jsonl.zst``, ``.csv``, ``.parquet``,
    ``.sqlite``, ``.db``), a ``postgresql://`` URL, or the ``s3://bucket/key`` of one that is no
    database; ``format`` names what its suffix does not say. Each case is there once, oldest window
    first. A file or object appears when it is complete, with a manifest beside it; a database
    changes in one transaction.

    What waits for the disk, or computes for long, is done in threads and in short turns: other
    tasks of the event loop go on meanwhile.

    Every window is checked against what the service announced, and read again, then in halves,
    when it disagrees. So it is where the service refuses deep pages, or where a total may be the
    most that it ever gives (``the total may be capped at 10000``). What never agrees is written all
    the same: look at ``report.verified`` and ``report.unverified``. A window that ended less than
    ``settle`` before it was read is open.

    Progress is durable in a hidden folder beside the target: the same call resumes where an earlier
    one ended, whatever ended it. ``restart`` discards that. ``since_last`` begins where the last
    complete run into this target ended, less so much time: tables are brought up to date, files get
    the new cases only, with a RuntimeWarning that says so. ``raw_cells`` leaves cells of a CSV as
    they are, also those that a spreadsheet would run; ``bom`` begins a new CSV with the mark by
    which Excel knows UTF-8. A table whose last run had another zone or other filters is refused,
    and so is one that has rows and no manifest, unless ``replace`` removes its rows in the same
    transaction. A file that is not empty and has no manifest beside it is somebody else's: it is
    refused, unless ``overwrite`` replaces it. ``on_progress`` is called after every page, with
    ``detail`` after every row, and must be quick.

    In a format with types a value of another type than documented goes into ``extra``, by the
    field's wire name, and its field is null; a RuntimeWarning says how many there were of each, and
    which case is the first. ``strict_types`` makes it a DecodeError that names the case.

    With ``partition_by`` ("month" or "day") a ``.parquet`` target is a folder with files by the
    date of creation in the client's zone: ``month=2025-01/part-0.parquet``. It is replaced as a
    whole; ``since_last`` adds files with the new cases to it.

    ``columns`` are template fields of a known type, as ``{"AICC__score__CST": "int"}`` (``str``,
    ``int``, ``float``, ``bool``, ``time``, ``decimal``): a column each, by that name. A value of
    another type stays in ``extra`` and counts in ``odd_values``; an empty text is null, but for
    ``str``. A decimal has up to 29 digits before the point and 9 behind it, and may be written as a
    text. A table gets the columns that it lacks, where older rows are null; a ConfigError is raised
    when a column that is there has another type, or was left out.

    What is known of the target is compared with it. ``since_last`` begins at the newest case of a
    table if that is before the last run's end, as in one that was restored from a backup; a file
    must have the size and digest that its manifest says. A table is committed only when it has the
    ids of all rows that were read.

    With ``detail`` each row gets the parts of its case's detail (document 004) that it has not
    itself, as the service wrote them: ``caseInfo``, ``caseTrace``, ``customerInfo``, ``tasks``,
    ``isFollower``. In Parquet they are typed columns (``case_info`` and ``customer`` are structs,
    ``case_trace`` and ``tasks`` lists of structs, ``is_follower`` a boolean); beside a table, the
    tables ``aicc_case_info``, ``aicc_case_trace``, ``aicc_customer`` and ``aicc_tasks`` have a row
    for each record, with ``case_id`` and ``position``; a CSV has them as JSON. Each record has the
    fields of its model by Python's names, and what is not as in the model in an ``extra`` of JSON.
    That is a request for each case. Row and details are of different moments: up to a thousand
    requests lie between them, more where more cases share a second. A case that the service no
    longer knows by then (deleted meanwhile) keeps its row without them, and is counted in
    ``report.without_detail``; look at it: a tenant that refuses all details with a code of its own
    looks the same.

    ``mark_deleted`` sets ``deleted_at`` of a table's cases that are gone; the column is added when
    it is first used. A case is gone when it was created within windows that this run and an earlier
    one verified, no page of this run has it, and the service says of its detail that there is no
    such case: HTTP 404, or a code that the profile or the dialect has in ``missing_codes``. That is
    a request for each case that is missing, and at most two for one that is there. An error,
    another code, an unverified window or a total that may be capped marks nothing, and a
    RuntimeWarning says so. Filters are refused. A case that comes again has no ``deleted_at`` any
    more.

    Raises ConfigError when the target cannot be created, is not as its manifest says, or holds an
    unfinished export of something else, ExportError when it cannot be written or when a second has
    more rows than the service answers offsets, else what the client raises. After each of these the
    same call resumes, and so does one with another suffix: what a format refuses can be written in
    another one without reading again; a note of the error says how.
    """
    api, keep = aicc.api, since_last is not None
    query = CaseQuery() if query is None else check("query", query, kind(CaseQuery))
    check("since_last", since_last, kind(timedelta, type(None)))
    check("settle", settle, kind(timedelta))
    options = TargetOptions(
        raw_cells=raw_cells,
        bom=bom,
        strict_types=strict_types,
        partition_by=partition_by,
        replace=replace,
        columns=check_columns(columns),
        detail=detail,
        mark_deleted=mark_deleted,
    )
    destination, last = await call_in_thread(
        partial(_resolve, api, query, target, name=format, options=options, keep=keep)
    )
    # A database that cannot be reached is an error now, not after everything was read.
    newest = await call_in_thread(destination.table.newest_date) if destination.table else None
    folder = destination.checkpoint
    if not (keep or restart):
        folder = await _find_unfinished(api, query, destination, detail=detail)
    opened = open_checkpoint(folder, restart=restart, overwrite=overwrite)
    async with entered_in_thread(opened) as checkpoint:
        is_resumed = folder == destination.checkpoint and checkpoint.is_planned
        # A kill may have left what an unfinished run has written without its manifest.
        if not is_resumed or not checkpoint.values().get("writing"):
            await _check_target(destination, last, keep=keep, replace=replace)
        # An unfinished run was allowed to write it.
        if not (keep or overwrite or is_resumed):
            await call_in_thread(partial(check_ours, destination))
        if since_last is not None:
            start = next_start(
                api, query, destination, last=last, newest=newest, back=since_last, detail=detail
            )
            query = _begin_at(
                api, query, destination, checkpoint=checkpoint, start=start, detail=detail
            )
        return await _Job(
            api,
            query,
            target=destination,
            checkpoint=checkpoint,
            keep=keep,
            detail=detail,
            settle=settle,
            on_progress=on_progress,
            # A table that was emptied has none of its cases any more.
            last=last if newest or not destination.table else None,
        ).run(mark_deleted=mark_deleted)


async def _find_unfinished(
    api: CaseApi, query: CaseQuery, destination: Target, *, detail: bool
) -> Path:
    """Return the folder of the unfinished export to go on with, or of a new one."""
    described = fingerprint(api, query, since_last=False, detail=detail)
    folder, text = await call_in_thread(lambda: find_checkpoint(destination, described))
    if text:
        # Here, and not in the thread, so that it shows the line of the caller's caller.
        warnings.warn(text, RuntimeWarning, stacklevel=3)
    return folder


def _resolve(
    api: CaseApi,
    query: CaseQuery,
    target: str | PathLike[str],
    *,
    name: str | None,
    options: TargetOptions,
    keep: bool,
) -> tuple[Target, ExportReport | None]:
    """Return what a target and the name of a format mean, and the manifest of the last run.

    ``keep``: what is there stays. The manifest is None where this run does not add to its rows.
    """
    check("target", target, kind(str, PathLike))
    check("format", name, kind(str, type(None)))
    if keep and options.replace:
        raise ConfigError("replace cannot be combined with since_last")
    if options.mark_deleted:
        check_can_mark(api, query, replace=options.replace)
    found = resolve_target(fspath(target), api.zone, name=name, options=options)
    if keep and found.publish:
        raise ConfigError("since_last cannot be combined with an s3:// target: it is written anew")
    last = None
    if keep or (found.table and not options.replace):
        last = manifest.load(found.manifest)
    check_same_columns(found, last)
    if not keep:
        check_table(api, query, found, last=last)
    return found, last


async def _check_target(
    target: Target, last: ExportReport | None, *, keep: bool, replace: bool
) -> None:
    """Compare what is there with the manifest of the last run, if that is looked at."""
    if last is None and not replace:
        await call_in_thread(partial(check_unknown_rows, target))
    if last and keep:
        await call_in_thread(partial(check_file, target, last))
    if keep and target.partition_by and target.file and target.file.is_dir():
        # The sink would find out when everything is read.
        await call_in_thread(partial(check_partitions, target.file, target.partition_by))
    warn_of_half(target, last=last, keep=keep)


def _begin_at(
    api: CaseApi,
    query: CaseQuery,
    target: Target,
    *,
    checkpoint: Checkpoint,
    start: datetime | None,
    detail: bool,
) -> CaseQuery:
    """Return the query of what is new from ``start``, or of an unfinished export's whole range.

    Its target may have its rows already, and give a later ``start``. An earlier one means that
    somebody has restored or cut the target since it was planned: the checkpoint is discarded.
    """
    if checkpoint.is_planned:
        saved = checkpoint.values()
        planned = parse_time(saved["since"])
        if planned is None or (start and start >= planned):
            start = planned
        else:
            before = evolve(query, start_time=planned)
            described = fingerprint(api, before, since_last=True, detail=detail)
            check_fingerprint(target, saved["fingerprint"], described)
            checkpoint.clear()
    if start and not target.sink.upserts:
        message = "new cases are added; changes of older ones are not seen"
        warnings.warn(f"{target.name}: {message}", RuntimeWarning, stacklevel=3)
    return evolve(query, start_time=start)


@frozen(kw_only=True)
class _RowsRead:
    """A file of rows, each id once, and what is known of it; ``sha256`` None: not yet digested.

    ``deleted`` are cases that are gone; None: nobody has looked for them.
    """

    path: Path
    days: Counter[str]
    whole: WholeCount | None
    sha256: str | None
    deleted: Sequence[str] | None = None


class _Job:
    """One run of an export, in three stages."""

    def __init__(
        self,
        api: CaseApi,
        query: CaseQuery,
        *,
        target: Target,
        checkpoint: Checkpoint,
        keep: bool,
        detail: bool,
        settle: timedelta,
        on_progress: OnProgress | None,
        last: ExportReport | None,
    ) -> None:
        self._last = last
        self._api = api
        self._query = query
        self._target = target
        self._checkpoint = checkpoint
        self._keep = keep
        self._detail = detail
        self._settle = settle
        fetch = api.dated_pages(query)
        self._count = row_counter(fetch)
        # A run that resumes has none.
        self._pages = FirstPages.none(fetch)
        self._meter = RunMeter(api.stats, checkpoint.values())
        self._progress = ProgressReporter(on_progress, self._meter)

    async def run(self, *, mark_deleted: bool) -> ExportReport:
        """Read, check and write all; the totals of requests are saved whatever ends it early."""
        try:
            await self._start()
            rows = await self._read()
            if mark_deleted:
                rows = evolve(rows, deleted=await self._find_deleted(rows))
            report = await self._write(rows)
        except BaseException:
            # A later run adds to them. The disk may be why it ended.
            with suppress(ExportError):
                await call_in_thread(partial(self._checkpoint.save, **asdict(self._meter.totals())))
            raise
        if self._checkpoint.folder != self._target.checkpoint:
            await call_in_thread(partial(remove_parts, self._checkpoint.folder))
        return report

    async def _start(self) -> None:
        """Resume the export of the checkpoint, or freeze its range and plan its windows."""
        self._progress.start_planning()
        described = fingerprint(self._api, self._query, since_last=self._keep, detail=self._detail)
        saved, windows = self._checkpoint.values(), self._checkpoint.windows
        if self._checkpoint.is_planned:
            check_fingerprint(self._target, saved["fingerprint"], described)
            if not await call_in_thread(self._checkpoint.has_its_rows):
                await call_in_thread(self._checkpoint.clear)
        if self._checkpoint.is_planned:
            await call_in_thread(partial(self._checkpoint.save, runs=saved["runs"] + 1))
        else:
            plan = await plan_range(
                self._api,
                self._query,
                settle=self._settle,
                detail=self._detail,
                highest=highest_total(self._last) if self._keep and self._last else 0,
            )
            self._pages = plan.pages
            save = partial(
                windows.plan,
                plan.windows,
                fingerprint=described,
                start=time_text(plan.start),
                end=time_text(plan.end),
                began=utc_text(),
                announced=plan.announced,
                highest=plan.highest,
                rows_after=plan.rows_after,
                since=time_text(self._api.window(self._query).start),
                runs=1,
                **asdict(self._meter.totals()),
            )
            await call_in_thread(save)
        self._progress.start_reading(windows)

    async def _read(self) -> _RowsRead:
        """Read the pending windows, drop duplicates, and compare all rows with the whole range."""
        saved = self._checkpoint.values()
        # The range as it was frozen.
        asked = Window(parse_time(saved["start"]), parse_time(saved["end"]))
        dates = self._api.creation_dates(asked, rows_after=saved["rows_after"])
        sha256, is_distinct = await read_windows(
            self._api,
            self._pages,
            self._checkpoint,
            dates=dates,
            meter=self._meter,
            settle=self._settle,
            detail=self._detail,
            progress=self._progress,
        )
        path = self._checkpoint.rows_path
        if is_distinct:
            days = await call_in_thread(self._checkpoint.windows.days)
        else:
            path, days = await call_in_thread(lambda: deduplicate(self._checkpoint))
        is_digested = path == self._checkpoint.rows_path
        saved = self._checkpoint.values()
        whole = await compare_whole_range(
            self._count,
            parse_time(saved["start"]),
            datetime.fromisoformat(saved["end"]),
            # Where totals are capped, that of the whole range says nothing.
            announced=saved["announced"] if saved.get("cap") is None else None,
            rows=days.total(),
        )
        return _RowsRead(path=path, days=days, whole=whole, sha256=sha256 if is_digested else None)

    async def _find_deleted(self, rows: _RowsRead) -> list[str]:
        """Return the cases of the target's table that are gone."""
        table, saved = self._target.table, self._checkpoint.values()
        if table is None:
            return []
        evidence = Evidence(
            windows=await call_in_thread(self._checkpoint.windows.reports),
            whole=rows.whole,
            last=self._last,
            rows=rows.path,
            is_doubtful=saved.get("cap") is not None or bool(saved["rows_after"]),
        )
        return await find_deleted(self._api, table, evidence, target=self._target.name)

    async def _write(self, rows: _RowsRead) -> ExportReport:
        """Write the target and its manifest: neither is there without the other."""
        target, file, total = self._target, self._target.file, rows.days.total()
        if file and target.format == "jsonl" and not self._keep:
            return await call_in_thread(lambda: self._link(file, rows))
        # Until now nothing of ours can have changed the target.
        await call_in_thread(partial(self._checkpoint.save, writing=True))
        try:
            return await write_rows(
                rows.path,
                total=total,
                write=lambda batches: self._write_batches(batches, rows),
                show=lambda written: self._progress.show_writing(written, total),
            )
        except AICCError as error:
            if not self._keep:
                error.add_note(advise(target, total, detail=self._detail))
            raise

    def _link(self, file: Path, rows: _RowsRead) -> ExportReport:
        """Give a target the very bytes of the row file, by a link to it."""
        written = Written(added=rows.days.total(), total=rows.days.total())
        with replacing(self._target.manifest) as part:
            report = self._report(rows, rows.path, written)
            part.write_bytes(manifest.encode(report))
            replace_file(file, rows.path)
        return report

    def _write_batches(self, batches: Iterable[Batch], rows: _RowsRead) -> ExportReport:
        """Write rows into the sink; the manifest waits under a hidden name until they are there.

        All in one thread, which no cancellation ends between the two renames.
        """
        reports = list[ExportReport]()
        with replacing(self._target.manifest) as part:

            def seal(file: Path | None, written: Written) -> None:
                reports.append(self._report(rows, file, written))
                part.write_bytes(manifest.encode(reports[0]))

            if self._target.table:
                self._target.table.write(batches, keep=self._keep, seal=seal, deleted=rows.deleted)
            else:
                self._target.sink.write(batches, keep=self._keep, seal=seal)
        if self._target.publish:
            self._target.publish()
        return reports[0]

    def _report(self, rows: _RowsRead, file: Path | None, written: Written) -> ExportReport:
        sha256 = rows.sha256 if file == rows.path else None
        if file and sha256 is None:
            try:
                sha256 = content_sha256(file)
            except StoppedError:
                # A table is committed by now: it gets its manifest, which needs no digest.
                if not self._target.table:
                    raise
        return build_report(
            self._target,
            self._checkpoint,
            totals=self._meter.totals(),
            days=rows.days,
            whole=rows.whole,
            written=written,
            size=content_size(file) if file else None,
            sha256=sha256,
            last=self._last,
        )
