"""The operations of AICC Case 2.0, without HTTP: bytes in, an answer out."""

import attrs

from . import seed, shapes
from .answer import Answer, BusinessError, platform_error
from .pages import PageCache
from .query import parse
from .store import Store
from .write import parse_create, parse_modify


@attrs.define
class CaseService:
    """Creates, lists, shows and modifies the cases of a store."""

    store: Store
    seed: int
    newest_first: bool
    start_inclusive: bool
    end_inclusive: bool
    max_limit: int
    auto_assign_key: str | None
    _pages: PageCache = attrs.field(factory=PageCache, init=False)

    def create(self, body: bytes) -> Answer:
        """Create a case (document 000); a second one like it is a second case."""
        fields = parse_create(body, self.auto_assign_key)
        case = seed.fresh(self.store.next_number(), fields, seed=self.seed)
        self.store.insert([case])
        return Answer(200, shapes.created(case["id"]), applied=True)

    def modify(self, body: bytes) -> Answer:
        """Overwrite the fields given (document 002)."""
        case_id, fields = parse_modify(body)
        if not self.store.change(case_id, fields):
            raise _unknown(case_id)
        return Answer(200, shapes.MODIFIED, applied=True)

    def get(self, case_id: str) -> Answer:
        """Show one case (document 004).

        What the platform says to an unknown id is not documented: here, HTTP 200 with resCode
        405230404.
        """
        found = self.store.find(case_id)
        if found is None:
            raise _unknown(case_id)
        return Answer(200, shapes.detail(*found))

    def list(self, body: bytes) -> Answer:
        """List a page of the matching cases (document 001)."""
        version = self.store.version
        page = self._pages.get(body, version)
        if page is None:
            page = self._page(body)
            self._pages.put(body, page, version)
        return Answer(200, page)

    def _page(self, body: bytes) -> bytes:
        lower = ">=" if self.start_inclusive else ">"
        upper = "<=" if self.end_inclusive else "<"
        query = parse(body, lower=lower, upper=upper)
        clamped = attrs.evolve(query, limit=min(query.limit, self.max_limit))
        rows, count = self.store.page(clamped, newest_first=self.newest_first)
        return shapes.page(rows, count)


def refusal(error: BusinessError) -> Answer:
    """Answer a business error: HTTP 200, and a resCode other than 0."""
    return platform_error(200, error.code, error.message)


def _unknown(case_id: str) -> BusinessError:
    return BusinessError(BusinessError.NOT_FOUND, f"no case {case_id!r}")
