"""The report's headline: whether the export is proven complete."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from ..manifest import ExportReport, WholeCount
from .contradictions import find_contradictions
from .texts import figure, plural
from .window_line import WindowLine, count_by_verdict


@frozen
class Headline:
    """What a reader must know first; ``level`` is one of good, open, bad, none."""

    level: str
    title: str
    sentences: list[str]


def headline(report: ExportReport, windows: Sequence[WindowLine]) -> Headline:
    """Return whether the export is proven complete, and why not."""
    doubts, whole = find_contradictions(report), report.whole
    if unverified := count_by_verdict(windows)["unverified"]:
        doubts.append(
            f"{unverified:,} of {plural(len(windows), 'window')} could not be verified: "
            "cases may be missing there."
        )
    if whole and not whole.agrees:
        doubts.append(f"The service's count of the whole range{_announced(whole)} disagrees.")
    if doubts:
        return Headline("bad", "Not proven complete", doubts)
    if not windows:
        return Headline("none", "Nothing is proven", ["The manifest lists no windows."])
    settled = [line for line in windows if line.verdict != "open"]
    if len(settled) < len(windows):
        return _open_headline(settled, len(windows) - len(settled))
    agreement = "It gave no count of the whole range to compare with."
    if whole:
        agreement = f"Its count of the whole range{_announced(whole)} agrees too."
    sentences = [_agreement(windows), agreement]
    if earlier := sum(len(run.windows) for run in report.earlier):
        sentences.append(f"Earlier runs read {earlier:,} of these windows.")
    return Headline("good", "Proven complete", sentences)


def _open_headline(settled: Sequence[WindowLine], number: int) -> Headline:
    again = f"a later run reads {'it' if number == 1 else 'them'} again"
    sentence = f"{plural(number, 'window')} ended too recently to be settled: {again}."
    if not settled:
        return Headline("open", "Nothing is settled yet", [sentence])
    agreement = _agreement(settled, "settled ")
    return Headline("open", "Proven complete, but for what is still open", [agreement, sentence])


def _agreement(windows: Sequence[WindowLine], kind: str = "") -> str:
    repaired = count_by_verdict(windows)["repaired"]
    where = (
        f"In all {len(windows):,} {kind}windows" if len(windows) > 1 else f"In the one {kind}window"
    )
    after = f" ({repaired:,} of them after reading again)" if repaired else ""
    return f"{where}{after}, what was received agrees with what the service announced."


def _announced(whole: WholeCount) -> str:
    announced = figure(whole.announced)
    return "" if announced is None else f", {announced:,},"
