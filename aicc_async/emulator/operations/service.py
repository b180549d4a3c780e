"""The operations of AICC Case 2.0, without HTTP: bytes in, an answer out."""

import time
from collections import deque

import attrs
import msgspec

from ..data import seed, shapes
from ..data.store import Query, Store
from ..faults.page_faults import PageFault, misplace
from ..http.answer import Answer, BusinessError
from ..options import PageRules, Quirks
from .page_cache import PageCache
from .query import parse
from .request import not_found
from .write import parse_create, parse_modify


@attrs.define
class CaseService:
    """Creates, lists, shows and modifies the cases of a store."""

    store: Store
    seed: int
    auto_assign_key: str | None
    _pages: PageCache = attrs.field(factory=PageCache, init=False)
    _asked: int = attrs.field(default=0, init=False)
    _young: deque[tuple[float, str]] = attrs.field(factory=deque, init=False, repr=False)

    def create(self, body: bytes) -> Answer:
        """Create a case (document 000); a second one like it is a second case."""
        fields = parse_create(body, self.auto_assign_key)
        case = seed.build_created_case(self.store.next_number(), fields, seed=self.seed)
        self.store.insert([case])
        self._young.append((time.monotonic(), case["id"]))
        return Answer(200, shapes.encode_created({"caseId": case["id"]}), applied=True)

    def modify(self, body: bytes) -> Answer:
        """Overwrite the fields given (document 002)."""
        case_id, fields = parse_modify(body)
        if not self.store.change(case_id, {"modifiedDate": seed.wall_clock()} | fields):
            raise not_found("case", case_id)
        return Answer(200, shapes.MODIFY_ANSWER, applied=True)

    def get(self, case_id: str) -> Answer:
        """Show one case (document 004), with what was done to it and its tasks."""
        found = self.store.find(case_id)
        if found is None:
            raise not_found("case", case_id)
        traces, tasks = self.store.traces.for_case(case_id), self.store.tasks.for_case(case_id)
        return Answer(200, shapes.encode_detail(*found, traces=traces, tasks=tasks))

    def list(self, body: bytes, rules: PageRules, fault: PageFault | None = None) -> Answer:
        """List a page of the matching cases (document 001)."""
        self._asked += 1
        hidden = self._hidden(rules.list_lag)
        if fault is not None or rules.quirks.is_unstable:
            return Answer(200, self._page(body, rules, hidden, fault))
        version = (self.store.version, rules, hidden)
        page = self._pages.get(body, version)
        if page is None:
            page = self._page(body, rules, hidden, None)
            self._pages.put(body, page, version)
        return Answer(200, page)

    def _hidden(self, lag: float) -> tuple[str, ...]:
        """Name the cases that are too young for the list; what could be seen once, stays seen."""
        seen = time.monotonic() - lag
        while self._young and self._young[0][0] <= seen:
            self._young.popleft()
        return tuple(case_id for _, case_id in self._young)

    def _page(
        self, body: bytes, rules: PageRules, hidden: tuple[str, ...], fault: PageFault | None
    ) -> bytes:
        query = _without(hidden, _placed(body, rules))
        if fault is not None:
            query = misplace(query, fault)
        rows, count = self.store.page(
            query, newest_first=rules.newest_first, order=rules.quirks.order
        )
        return shapes.encode_page(rows, self._announced(count, rules.quirks))

    def _announced(self, count: int, quirks: Quirks) -> int:
        return max(count + quirks.count_offset + quirks.count_drift * self._asked, 0)


def _placed(body: bytes, rules: PageRules) -> Query:
    """Read a request and put its page where the tenant's rules allow it."""
    quirks = rules.quirks
    lower = ">=" if rules.start_inclusive else ">"
    upper = "<=" if rules.end_inclusive else "<"
    query = parse(body, lower=lower, upper=upper, quirks=quirks)
    limit = min(query.limit, rules.max_limit)
    if query.limit > limit and quirks.over_limit == "refuse":
        raise BusinessError(BusinessError.MALFORMED, f"limit: must be in 1..{rules.max_limit}")
    start = 0 if quirks.ignore_start else query.start
    if quirks.deepest_start is not None and start > quirks.deepest_start:
        if quirks.too_deep == "refuse":
            raise BusinessError(BusinessError.TOO_DEEP, f"start: at most {quirks.deepest_start}")
        limit = 0
    return attrs.evolve(query, start=start, limit=limit)


def _without(hidden: tuple[str, ...], query: Query) -> Query:
    """Leave cases out of a page and of its count."""
    if not hidden:
        return query
    condition = "id NOT IN (SELECT value FROM json_each(?))"
    return attrs.evolve(
        query,
        conditions=(*query.conditions, condition),
        values=(*query.values, msgspec.json.encode(hidden).decode()),
    )
