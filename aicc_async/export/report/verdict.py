"""The report's headline: whether the export is proven complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from .window_line import WindowLine, by_verdict, count, table


@frozen
class Headline:
    """What a reader must know first; ``level`` is one of good, open, bad, none."""

    level: str
    title: str
    sentences: list[str]


def headline(manifest: dict[str, Any], windows: Sequence[WindowLine]) -> Headline:
    """Say whether the export is proven complete, and why not."""
    doubts = _doubts(manifest, windows)
    if doubts:
        return Headline("bad", "Not proven complete", doubts)
    if not windows:
        return Headline("none", "Nothing is proven", ["The manifest lists no windows."])
    if by_verdict(windows)["open"]:
        return _so_far(windows)
    return Headline("good", "Proven complete", [_agreement(windows), _whole(manifest)])


def plural(number: int, noun: str) -> str:
    """Say how many, with separators and the noun's right form."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _doubts(manifest: dict[str, Any], windows: Sequence[WindowLine]) -> list[str]:
    doubts = []
    unverified, all_ = by_verdict(windows)["unverified"], len(windows)
    if unverified:
        doubts.append(
            f"{unverified:,} of {plural(all_, 'window')} could not be verified: "
            "cases may be missing there."
        )
    whole = table(manifest.get("whole"))
    if whole.get("agrees") is False:
        doubts.append(f"The service's count of the whole range{_of(whole)} disagrees.")
    return doubts


def _so_far(windows: Sequence[WindowLine]) -> Headline:
    settled = [line for line in windows if line.verdict != "open"]
    number = len(windows) - len(settled)
    again = f"a later run reads {'it' if number == 1 else 'them'} again"
    sentence = f"{plural(number, 'window')} ended too recently to be settled: {again}."
    if not settled:
        return Headline("open", "Nothing is settled yet", [sentence])
    agreement = _agreement(settled, "settled ")
    return Headline("open", "Proven complete, but for what is still open", [agreement, sentence])


def _agreement(windows: Sequence[WindowLine], kind: str = "") -> str:
    repaired = by_verdict(windows)["repaired"]
    where = (
        f"In all {len(windows):,} {kind}windows" if len(windows) > 1 else f"In the one {kind}window"
    )
    after = f" ({repaired:,} of them after reading again)" if repaired else ""
    return f"{where}{after}, what was received agrees with what the service announced."


def _whole(manifest: dict[str, Any]) -> str:
    whole = table(manifest.get("whole"))
    if whole.get("agrees") is True:
        return f"Its count of the whole range{_of(whole)} agrees too."
    return "It gave no count of the whole range to compare with."


def _of(whole: dict[str, Any]) -> str:
    announced = count(whole.get("announced"))
    return "" if announced is None else f", {announced:,},"
