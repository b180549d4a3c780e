"""``python -m benchmarks``: measure everything, and write down what came out.

Each bench runs in a process of its own. What they hand back is kept in ``results.json``, of which
``RESULTS.md``, the picture and the README's lines are made. ``python -m benchmarks NAME...`` runs
only those (``export``, ``peers``) and keeps the others' figures; without any bench to run,
``--write`` makes the files anew. ``--quick`` takes some minutes, writes nothing, and fails where a
figure is beyond its target by more than a third, twice.
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
from results import Result, all_met

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


def is_met(found: dict[str, Any]) -> bool:
    """Return whether a quick run is near enough to its targets."""
    return all_met([Result(**fields) for fields in found["results"]], quick=True)


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
    runs = {name: run_bench(name, quick=given.quick) for name in names}
    if given.quick:
        # A short run may have met another program: what falls short is measured once more.
        short = [name for name, each in runs.items() if each and not is_met(each)]
        runs |= {name: run_bench(name, quick=True) for name in short}
    found = {name: each for name, each in runs.items() if each}
    met = all_met(print_table(found), quick=given.quick)
    if not given.quick:
        kept = load_kept()
        kept["benches"] |= found
        if found:
            kept["machine"] = describe_machine()
        write_all(kept)
    return int(not met or len(found) < len(runs))


if __name__ == "__main__":
    sys.exit(main())
