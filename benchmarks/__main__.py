"""``python -m benchmarks``: measure everything, and write down what came out.

Each bench runs in a process of its own. What they hand back is kept in ``results.json``, of which
``RESULTS.md``, the picture and the README's lines are made. ``python -m benchmarks NAME...`` runs
only those (``export``, ``peers``) and keeps the others' figures; without any bench to run,
``--write`` makes the files anew. ``--quick`` takes some minutes, writes nothing, and fails where a
figure is behind its target, and behind what is kept, by more than a third of the target, twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

# ``python -m`` has the clone in front; scripts find each other in this folder.
sys.path.insert(0, str(Path(__file__).parent))

from picture import draw
from readme import fill_readme
from report import KEPT, describe_machine, write_report
from results import Result

FOLDER = Path(__file__).parent
PEERS = "peers"


def find_command(name: str, *, quick: bool) -> list[str]:
    """Return the command that runs a bench, as it is typed in the clone."""
    if name == PEERS:
        return ["python", "-m", "benchmarks.peers"]
    return ["python", f"benchmarks/bench_{name}.py", *(["--quick"] if quick else [])]


def run_bench(name: str, *, quick: bool) -> dict[str, Any] | None:
    """Run a bench, and return what is kept of it; None if it handed nothing back."""
    command = find_command(name, quick=quick)
    with TemporaryDirectory() as folder:
        handed = Path(folder) / "results.json"
        print(f"$ {' '.join(command)}", flush=True)
        subprocess.run(
            [sys.executable, *command[1:], "--json", handed], check=False, cwd=FOLDER.parent
        )
        if not handed.exists():
            print(f"{name}: handed nothing back")
            return None
        return {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "command": " ".join(command),
            "results": json.loads(handed.read_text()),
        }


def load_kept() -> dict[str, Any]:
    """Return what is kept of earlier runs."""
    kept: dict[str, Any] = json.loads(KEPT.read_text()) if KEPT.exists() else {"benches": {}}
    return kept


def write_all(kept: dict[str, Any]) -> None:
    """Write what is kept, and what is made of it."""
    KEPT.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n")
    write_report(kept)
    draw(kept)
    fill_readme(kept)


def read_results(found: dict[str, Any] | None) -> list[Result]:
    """Return the results of a bench."""
    return [Result(**fields) for fields in found["results"]] if found else []


def has_fallen(found: dict[str, Any] | None, kept: dict[str, Any] | None) -> bool:
    """Return whether a quick run is far behind the targets, and behind what is kept."""
    before = {each.name: each.median for each in read_results(kept)}
    return any(each.has_fallen(before.get(each.name)) for each in read_results(found))


def print_table(found: dict[str, Any]) -> list[Result]:
    """Print a line for each figure, and return them."""
    results = []
    for name, each in sorted(found.items()):
        for fields in each["results"] if name != PEERS else []:
            results.append(Result(**fields))
            print(f"{name:10} {results[-1]}")
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for; return 1 if a bench failed or missed its target."""
    everything = sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=", ".join([*everything, PEERS]))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write", action="store_true", help="only make the files anew")
    given = parser.parse_args(arguments)
    names = given.names or ([] if given.write else everything + [PEERS] * (not given.quick))
    if unknown := sorted(set(names) - {*everything, PEERS}):
        parser.error(f"no such bench: {', '.join(unknown)}")
    if given.quick:
        return judge_quick_runs([name for name in names if name != PEERS])
    runs = {name: run_bench(name, quick=False) for name in names}
    found = {name: each for name, each in runs.items() if each}
    kept = load_kept()
    kept["benches"] |= found
    if found:
        kept["machine"] = describe_machine()
    write_all(kept)
    is_met = all(each.is_met() for each in print_table(found))
    return int(not is_met or len(found) < len(runs))


def judge_quick_runs(names: Sequence[str]) -> int:
    """Run benches quickly; return 1 if one failed, or has fallen twice."""
    kept = load_kept()["benches"]
    runs = {name: run_bench(name, quick=True) for name in names}
    fallen = [name for name, each in runs.items() if has_fallen(each, kept.get(name))]
    # A short run may have met another program.
    runs |= {name: run_bench(name, quick=True) for name in fallen}
    fallen = [name for name in fallen if has_fallen(runs[name], kept.get(name))]
    found = {name: each for name, each in runs.items() if each}
    print_table(found)
    for name in fallen:
        print(f"{name} has fallen by more than a third of its target")
    return int(bool(fallen) or len(found) < len(runs))


if __name__ == "__main__":
    sys.exit(main())
