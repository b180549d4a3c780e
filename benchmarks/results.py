"""How a bench hands back what it measured.

A bench is a script ``bench_NAME.py``. It has one function that measures, and returns a list of
results; ``run`` is given it and does the rest, so that the file ends in::

    def bench(options: Options) -> list[Result]:
        ratios = ...  # of three rounds if options.quick
        return [summarize("export / bare loop", ratios, unit="x", target=1.0)]


    if __name__ == "__main__":
        sys.exit(run(bench))

``python -m benchmarks`` finds the file by its name and runs it with ``--json FILE``: nothing else
is to be done. With ``--quick`` a bench takes about ten seconds, or returns no result; of what it
returns only ratios are judged (unit ``x`` or ``%``), see ``Result.has_fallen``. A result without a
target is only shown. Progress may be printed at will.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from attrs import asdict, frozen

# A quick run is short, and on a machine that does something else too.
QUICK_TOLERANCE = 1 / 3


@frozen(kw_only=True)
class Options:
    """What a bench was asked for.

    ``words`` are its own arguments, such as names or URLs; ``given`` has its own options too.
    """

    quick: bool
    words: tuple[str, ...] = ()
    given: Namespace


@frozen(kw_only=True)
class Result:
    """One figure: the median of its rounds with the lowest and the highest, and its target."""

    name: str
    unit: str
    median: float
    low: float
    high: float
    rounds: int
    target: float | None = None
    is_higher_better: bool = False

    @property
    def is_ratio(self) -> bool:
        """Return whether it compares two things on the same machine."""
        return self.unit in {"x", "%"}

    def is_met(self) -> bool:
        """Return whether the median is within the target."""
        if self.target is None:
            return True
        sign = 1 if self.is_higher_better else -1
        return sign * self.median >= sign * self.target

    def has_fallen(self, before: float | None = None) -> bool:
        """Return whether the median is behind the target by more than a third of that.

        Where the target was missed ``before``, it is compared with what was measured then.
        """
        if self.target is None or not self.is_ratio:
            return False
        sign = 1 if self.is_higher_better else -1
        least = min(sign * self.target, sign * (self.target if before is None else before))
        return sign * self.median < least - QUICK_TOLERANCE * self.target

    def __str__(self) -> str:
        """Write the figure on a line."""
        spread = f"{self.low:,.3g} to {self.high:,.3g} in {self.rounds}"
        bound = "at least" if self.is_higher_better else "at most"
        target = "" if self.target is None else f", {bound} {self.target:,.3g}"
        missed = "" if self.is_met() else ", MISSED"
        return f"{self.name}: {self.median:,.3g} {self.unit} ({spread}{target}{missed})"


Bench = Callable[[Options], list[Result]]


def summarize(
    name: str,
    values: Sequence[float],
    *,
    unit: str,
    target: float | None = None,
    is_higher_better: bool = False,
) -> Result:
    """Return the result of one or more rounds."""
    return Result(
        name=name,
        unit=unit,
        median=median(values),
        low=min(values),
        high=max(values),
        rounds=len(values),
        target=target,
        is_higher_better=is_higher_better,
    )


def run(bench: Bench, parser: ArgumentParser | None = None) -> int:
    """Run a bench as a script: print its results, and return 1 if a target is missed.

    ``parser`` has options of its own.
    """
    parser = parser or ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="some ten seconds, with tolerance")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("words", nargs="*")
    given = parser.parse_args()
    found = bench(Options(quick=given.quick, words=tuple(given.words), given=given))
    for result in found:
        print(result)
    if given.json:
        given.json.write_text(json.dumps([asdict(result) for result in found]))
    return int(any(each.has_fallen() if given.quick else not each.is_met() for each in found))
