"""A company's network: a proxy that wants a password, a private authority, and mTLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from aicc_async.emulator import Emulator
from helpers.tinyproxy import Proxy, proxying
from helpers.tls_front import Authority, make_authority, terminating

# The value of a header that nobody else may read.
GATEWAY_KEY = "hush-header"
HEADERS = f"X-Stage: RELEASE\nX-Gateway-Key: {GATEWAY_KEY}"


@frozen
class Company:
    """What a user in it has to know, and what the proxy has seen."""

    tenant: Emulator
    proxy: Proxy
    authority: Authority
    port: int

    @property
    def url(self) -> str:
        """The tenant's address, which wants a certificate."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def files(self) -> dict[str, str]:
        """The paths of the authority's file, the certificate and its key, by the settings."""
        return {
            "ca_file": str(self.authority.ca_file),
            "client_cert": str(self.authority.client_cert),
            "client_key": str(self.authority.client_key),
        }

    def check(self) -> None:
        """Fail unless all requests came through the proxy, with the headers."""
        assert self.proxy.tunnels(self.port) > 0
        assert self.tenant.requests
        for request in self.tenant.requests:
            assert request.headers["X-Stage"] == "RELEASE"
            assert request.headers["X-Gateway-Key"] == GATEWAY_KEY


@contextmanager
def company(tenant: Emulator, folder: Path) -> Iterator[Company]:
    """Put a tenant behind mTLS, and run a proxy, which alone is told where to go."""
    authority = make_authority(folder)
    context = authority.server_context(wants_certificate=True)
    port = int(tenant.url.rpartition(":")[2])
    with proxying() as proxy, terminating(port, context) as own_port:
        yield Company(tenant, proxy, authority, own_port)
