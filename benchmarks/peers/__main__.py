"""``python -m benchmarks.peers``: other ways to read all cases, and ours, on the same tenant."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path

from attrs import asdict

# ``python -m`` has the clone in front; scripts find each other in this folder's parent.
sys.path.insert(0, str(Path(__file__).parent.parent))

from peers.comparison import LATENCIES, ROWS, compare, write_table
from peers.environments import PEERS


def main() -> int:
    """Measure what was asked for, and print a table."""
    parser = ArgumentParser(description=__doc__)
    names = [peer.name for peer in PEERS]
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=int, nargs="*", default=LATENCIES, metavar="MS")
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    given = parser.parse_args()
    chosen = [peer for peer in PEERS if peer.name in given.only]
    found = compare(chosen, rows=given.rows, latencies=given.latency, rounds=given.rounds)
    print(*write_table(found), sep="\n")
    if given.json:
        given.json.write_text(json.dumps([asdict(each) for each in found]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
