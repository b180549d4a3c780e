"""Encoded pages, by the bytes that asked for them."""

import attrs

MAX_CACHE_BYTES = 512 * 1024 * 1024


@attrs.define
class PageCache:
    """Pages of one version of the store; another version drops them all, and so does fullness.

    A version is any value that two requests share only when the same bytes get the same page.
    """

    capacity: int = MAX_CACHE_BYTES
    _version: object = attrs.field(default=None, init=False)
    _size: int = attrs.field(default=0, init=False)
    _pages: dict[bytes, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def get(self, request: bytes, version: object) -> bytes | None:
        """Find the page that these bytes asked for before, if nothing was written since."""
        return self._pages.get(request) if version == self._version else None

    def put(self, request: bytes, page: bytes, version: object) -> None:
        """Keep a page; `version` is the store's before it was read."""
        self._size += len(request) + len(page)
        if version != self._version or self._size > self.capacity:
            self._pages.clear()
            self._version = version
            self._size = len(request) + len(page)
        self._pages[request] = page
