"""Encoded pages, by the bytes that requested them.

Benchmarks read the same history again and again. Without this cache each page would cost SQLite's
time once more, and the figures would be those of the emulator.
"""

import attrs

MAX_CACHE_BYTES = 512 * 1024 * 1024


@attrs.define
class PageCache:
    """The pages of one version of the store, up to ``capacity`` bytes.

    A version is any value that two requests share only if the same bytes get the same page.
    """

    capacity: int = MAX_CACHE_BYTES
    _version: object = attrs.field(default=None, init=False)
    _size: int = attrs.field(default=0, init=False)
    _pages: dict[bytes, bytes] = attrs.field(factory=dict, init=False, repr=False)

    def get(self, request: bytes, version: object) -> bytes | None:
        """Return the page that these bytes got before, unless the version is another."""
        return self._pages.get(request) if version == self._version else None

    def put(self, request: bytes, page: bytes, version: object) -> None:
        """Keep a page; ``version`` is the one from before the page was read."""
        # A write between reading and keeping gives the store another version, so a page that missed
        # it is never found again.
        self._size += len(request) + len(page)
        # Pages of the old version are of no use. A cache that is full starts again, which is
        # simpler than evicting single pages, and rare: 512 MB hold some 700,000 rows.
        if version != self._version or self._size > self.capacity:
            self._pages.clear()
            self._version = version
            self._size = len(request) + len(page)
        self._pages[request] = page
