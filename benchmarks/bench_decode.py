"""A page of 100 rows from bytes to typed cases, against ``orjson.loads`` of the same bytes."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from cattrs import Converter
from cattrs.gen import make_dict_structure_fn, override
from results import Options, Result, run, summarize

from aicc_async import Case, CaseQuery, DecodeError, Dialect
from aicc_async._listing.pages import Page
from aicc_async._protocol.aicc import CaseProtocol
from aicc_async._protocol.converter import RecordConverter
from aicc_async._protocol.names import wire_names

ROUNDS = 500
BOUND = 3.0  # times the floor, at most
ZONE = ZoneInfo("Asia/Shanghai")
CREATED = datetime(2025, 3, 1, 9, tzinfo=ZONE)

Row = dict[str, Any]


def row(number: int) -> Row:
    """Invent a row: the keys of document 001's sample, and two extension fields."""
    created = CREATED + timedelta(seconds=977 * number)
    closed = number % 2 == 0
    return {
        "caseNo": f"{number + 35_013:030d}",
        "closedDate": wall(created + timedelta(hours=5)) if closed else None,
        "contactId": f"ciIy0000012YLAA4{number:04d}",
        "contactPhone": f"+1202555{number % 100 + 100:04d}",
        "createdDate": wall(created),
        "creatorId": f"10gd000000rDybBR{number:04d}",
        "dueDate": wall(created + timedelta(days=14)),
        "extternalNo": f"EXT-{number:06d}",
        "id": f"c6m800000149ndrH{number:04d}",
        "isCanced": False,
        "isSuspend": False,
        "isUpgraded": number % 20 == 0,
        "origin": ("Email", "Voice", "webchat")[number % 3],
        "ownerId": f"10gg000000sGyLvw{number:04d}",
        "parentId": None,
        "priority": ("Critical", "High", "Medium", "Low")[number % 4],
        "reason": None,
        "state": "Completed" if closed else "Processing",
        "status": "y",
        "stayDate": None,
        "suspendAccumulatedTime": None,
        "suspendDate": None,
        "title": f"Parcel {number} has not arrived, the customer asks for a call",
        "type": f"cvmC00000149NzxF{number:04d}",
        "type.__objectType": "AICC__CaseType__CST",
        "type.name": "",
        "typeName": f"Delivery {number}",
        "AICC__region__CST": f"north-{number}",
        "AICC__score__CST": number,
    }


def wall(moment: datetime) -> str:
    """Write a time as the wire does."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def encode(rows: list[Row]) -> bytes:
    """Write a whole answer."""
    result = [{"caseList": rows, "count": len(rows)}]
    return orjson.dumps({"resCode": "0", "resMsg": "success", "result": result})


def client_decoder() -> Callable[[bytes], Page[Case]]:
    """Take the client's own way from bytes to cases."""
    return CaseProtocol(RecordConverter(ZONE), Dialect()).cases(CaseQuery()).decode


def plain_decoder() -> Callable[[bytes], list[Case]]:
    """Make cases as cattrs' documentation would: ``strptime``, and no ``extra`` or strict types."""
    converter = Converter()
    converter.register_structure_hook(
        datetime,
        lambda text, _: datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE),
    )
    converter.register_structure_hook(int | float | None, lambda value, _: value)
    names: Any = {name: override(rename=wire) for name, wire in wire_names(Case).items()}
    converter.register_structure_hook(Case, make_dict_structure_fn(Case, converter, **names))

    def decode(body: bytes) -> list[Case]:
        rows = orjson.loads(body)["result"][0]["caseList"]
        return converter.structure(rows, list[Case])

    return decode


def measure(
    body: bytes, ways: dict[str, Callable[[bytes], object]], rounds: int
) -> dict[str, list[float]]:
    """Run all ways in turns, and return the seconds of each."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    gc.collect()
    gc.disable()
    for _ in range(rounds):
        for name, decode in ways.items():
            began = time.perf_counter()
            decode(body)
            took[name].append(time.perf_counter() - began)
    gc.enable()
    return took


def check(decode: Callable[[bytes], Page[Case]]) -> None:
    """Make sure that the fast way is the strict one, with ``extra`` and aware times."""
    refusal = ""
    case = decode(encode([row(n) for n in range(100)])).rows[7]
    assert case.created_date == CREATED + timedelta(seconds=977 * 7)
    assert case.extra["AICC__score__CST"] == 7
    try:
        decode(encode([row(n) | ({"title": 5} if n == 7 else {}) for n in range(100)]))
    except DecodeError as error:
        refusal = str(error)
    assert refusal.endswith("@ $.result[0].caseList[7].title")
    print(f"a wrong type is refused: {refusal}")


def bench(options: Options) -> list[Result]:
    """Measure all ways."""
    body, decode = encode([row(n) for n in range(100)]), client_decoder()
    check(decode)
    ways: dict[str, Callable[[bytes], object]] = {
        "orjson.loads": orjson.loads,
        "client": decode,
        "json.loads": json.loads,
    }
    ways["plain cattrs"] = plain_decoder()
    seconds = measure(body, ways, ROUNDS // 5 if options.quick else ROUNDS)
    floor = median(seconds["orjson.loads"])
    for name, took in seconds.items():
        ratio = median(took) / floor
        print(f"{name:13} {median(took) * 1e6:8.0f} us a page of {len(body):,} bytes {ratio:6.2f}x")
    # A single page takes microseconds, in which the machine may do something else: ten samples.
    ours, bare = seconds["client"], seconds["orjson.loads"]
    ratios = [median(ours[start::10]) / median(bare[start::10]) for start in range(10)]
    return [summarize("page of typed rows / orjson.loads", ratios, unit="x", target=BOUND)]


if __name__ == "__main__":
    sys.exit(run(bench))
