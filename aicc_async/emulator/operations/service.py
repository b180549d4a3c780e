"""Create, modify, get and list: the operations of cases that most clients use."""

import time
from collections import deque
from datetime import datetime, timedelta

import attrs
import msgspec

from ..data import seed, shapes
from ..data.store import Query, Store
from ..faults.page_faults import PageFault, misplace
from ..http.answer import Answer, BusinessError
from ..options import TITLE_FORMS, PageRules, Quirks
from .page_cache import PageCache
from .query import parse
from .request import answer_done, change_case, not_found
from .write import parse_create, parse_modify


@attrs.define
class CaseService:
    """Creates, modifies, shows and lists the cases of a store."""

    store: Store
    seed: int
    auto_assign_key: str | None
    _pages: PageCache = attrs.field(factory=PageCache, init=False)
    _pages_requested: int = attrs.field(default=0, init=False)
    _young: deque[tuple[float, str]] = attrs.field(factory=deque, init=False, repr=False)

    def create(self, body: bytes, quirks: Quirks) -> Answer:
        """Create a case (document 000)."""
        # The interface has no idempotency key, so a second request like the first is a second case.
        fields = parse_create(body, self.auto_assign_key)
        case = seed.build_created_case(self.store.next_number(), fields, seed=self.seed)
        case["title"] = TITLE_FORMS[quirks.title_form](case["title"])
        created = datetime.fromisoformat(case["createdDate"])
        case["createdDate"] = str(created + timedelta(seconds=quirks.created_ahead))
        self.store.insert([case])
        self._young.append((time.monotonic(), case["id"]))
        return Answer(200, shapes.encode_created({"caseId": case["id"]}), applied=True)

    def modify(self, body: bytes) -> Answer:
        """Overwrite the fields that are sent (document 002)."""
        case_id, fields = parse_modify(body)
        change_case(self.store, case_id, fields)
        return answer_done()

    def get(self, case_id: str) -> Answer:
        """Show one case (document 004), with its traces and its tasks."""
        found = self.store.find(case_id)
        if found is None:
            raise not_found("case", case_id)
        traces, tasks = self.store.traces.for_case(case_id), self.store.tasks.for_case(case_id)
        return Answer(200, shapes.encode_detail(*found, traces=traces, tasks=tasks))

    def list(self, body: bytes, rules: PageRules, fault: PageFault | None = None) -> Answer:
        """List a page of the matching cases (document 001)."""
        self._pages_requested += 1
        # Creates are queued in the order of time. What leaves the queue never returns, so a case
        # that a list could have shown is not hidden again when the lag grows.
        oldest = time.monotonic() - rules.list_lag
        while self._young and self._young[0][0] <= oldest:
            self._young.popleft()
        hidden = tuple(case_id for _, case_id in self._young)
        if fault is not None or rules.quirks.is_unstable:
            return Answer(200, self._read_page(body, rules, hidden, fault))
        version = (self.store.version, rules, hidden)
        page = self._pages.get(body, version)
        if page is None:
            page = self._read_page(body, rules, hidden, None)
            self._pages.put(body, page, version)
        return Answer(200, page)

    def _read_page(
        self, body: bytes, rules: PageRules, hidden: tuple[str, ...], fault: PageFault | None
    ) -> bytes:
        quirks, query = rules.quirks, _parse_by_rules(body, rules)
        if hidden:
            # One bound value however many cases are hidden: SQLite limits the number of parameters.
            query = attrs.evolve(
                query,
                conditions=(*query.conditions, "id NOT IN (SELECT value FROM json_each(?))"),
                values=(*query.values, msgspec.json.encode(hidden).decode()),
            )
        if fault is not None:
            query = misplace(query, fault)
        rows, count = self.store.page(query, newest_first=rules.newest_first, order=quirks.order)
        if quirks.max_count is not None:
            rows = rows[: max(quirks.max_count - query.start, 0)]
            count = min(count, quirks.max_count)
        count += quirks.count_offset + quirks.count_drift * self._pages_requested
        return shapes.encode_page(rows, max(count, 0))


def _parse_by_rules(body: bytes, rules: PageRules) -> Query:
    """Parse a request, and move its page to where the tenant's rules allow it."""
    quirks = rules.quirks
    lower = ">=" if rules.start_inclusive else ">"
    upper = "<=" if rules.end_inclusive else "<"
    query = parse(body, lower=lower, upper=upper, quirks=quirks)
    limit = min(query.limit, rules.max_limit)
    if query.limit > limit and quirks.over_limit == "refuse":
        raise BusinessError(BusinessError.MALFORMED, f"limit: must be in 1..{rules.max_limit}")
    start = 0 if quirks.ignore_start else query.start
    if quirks.deepest_start is not None and start > quirks.deepest_start:
        if quirks.too_deep != "empty":
            status = 500 if quirks.too_deep == "fail" else 200
            message = f"start: at most {quirks.deepest_start}"
            raise BusinessError(BusinessError.TOO_DEEP, message, status=status)
        # With a limit of 0 the page is empty, and its count the same as everywhere else.
        limit = 0
    return attrs.evolve(query, start=start, limit=limit)
