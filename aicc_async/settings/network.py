"""The way to the service: a proxy, certificates, headers that a gateway wants.

The idea: files, addresses and headers are checked when the settings are made, and again where a
client is made, which may be on another machine (settings travel to Spark's tasks; an SSLContext
cannot). The password of a proxy leaves its address before anybody else sees it: aiohttp's errors
hold the address, and its logs may.
"""

from __future__ import annotations

import os
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from os import PathLike, fspath
from pathlib import Path
from typing import Any

# typeshed lacks it.
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

from attrs import Attribute, field, frozen
from yarl import URL

from .._validators import check, is_text, kind, kind_of, refusal, shown
from ..errors import ConfigError

# Those that say how a request is sent are the transport's.
_OWN_HEADERS = {"connection", "content-length", "content-type", "host", "transfer-encoding"}
# RFC 9110, section 5.6.2.
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PROXY_CONDITION = "be an http:// or https:// URL such as 'http://proxy:3128'"


def _check_proxy(_: object, attribute: Attribute[Any], value: str | None) -> None:
    if value is None:
        return
    is_text(_, attribute, value)
    url = host = None
    with suppress(ValueError, IndexError):
        url = URL(value)
        # A name in punycode is decoded here.
        host = url.host
    # Outside the block above, and without the value: both may hold the password.
    if url is None or url.scheme not in {"http", "https"} or not host:
        raise refusal(attribute, _PROXY_CONDITION)
    if " " in host or not value.isprintable():
        raise refusal(attribute, _PROXY_CONDITION)
    if url.path not in {"", "/"} or url.query_string or url.fragment:
        raise refusal(attribute, f"{_PROXY_CONDITION}, without a path")


def _check_file(_: object, attribute: Attribute[Any], value: object) -> None:
    kind(str, PathLike, type(None))(_, attribute, value)
    if not isinstance(value, str | PathLike):
        return
    try:
        with Path(value).open("rb"):
            return
    except (OSError, ValueError) as error:
        what = kind_of(error)
    raise refusal(attribute, f"be a file that can be read ({what})", shown(fspath(value)))


def _check_context(_: object, attribute: Attribute[Any], value: object) -> None:
    kind(ssl.SSLContext, type(None))(_, attribute, value)
    if isinstance(value, ssl.SSLContext) and value.verify_mode != ssl.CERT_REQUIRED:
        raise refusal(attribute, "verify the server's certificate", value.verify_mode.name)


def _check_own_headers(_: object, __: object, value: Mapping[str, str]) -> None:
    check_headers(value)
    for name in value:
        if name.lower() == "proxy-authorization":
            # The service would get it, not the proxy.
            raise ConfigError(f"headers must not hold {name!r}: proxy takes the password")


def check_headers(headers: Mapping[str, str], *, taken: str = "") -> Mapping[str, str]:
    """Refuse headers that cannot be sent, the transport's own, and the one that is ``taken``."""
    check("headers", headers, kind(Mapping))
    for name, value in headers.items():
        if not all(isinstance(text, str) and text.isprintable() for text in (name, value)):
            raise ConfigError(
                f"headers must be printable strings: the name or value of {shown(name)} is not one"
            )
        if not HEADER_NAME.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ConfigError(
                f"headers must have names, and none of the transport's own, got {shown(name)}"
            )
        if name.lower() == taken.lower():
            raise ConfigError(f"headers must not hold {name!r}, which carries the token")
    return headers


@frozen
class Route:
    """What aiohttp is told about the way of each request, and the headers that go with it."""

    options: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@frozen(kw_only=True)
class NetworkSettings:
    """The way to the service: proxy, certificates, headers that go with every request.

    ``proxy`` is an ``http://`` or ``https://`` URL, with user and password if it wants them.
    Without one, ``trust_env`` takes it from ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY`` of
    the process, but never for this machine's own addresses. ``ca_file`` has the authorities that
    are trusted, in PEM, instead of the system's. ``client_cert`` and ``client_key`` are PEM files
    for a server that wants a certificate (mTLS); the first may hold the key too. A key with a
    passphrase, or the trust store of the system (truststore), takes an ``ssl_context``, which
    replaces the three. Nothing turns verification off.

    ``headers`` go with every request, the sign-in's among them, but not to the proxy. A request
    that the proxy refuses, or whose TLS handshake fails, was not sent: ``TransportError.sent`` is
    False. Passwords and the values of headers are in no repr, log or error.

    Raises ConfigError when a file cannot be read or is not PEM, and for what cannot be sent.
    """

    proxy: str | None = field(
        default=None,
        validator=_check_proxy,
        # Without the password.
        repr=lambda proxy: repr(proxy and str(URL(proxy).with_user(None))),
    )
    ca_file: str | PathLike[str] | None = field(default=None, validator=_check_file)
    client_cert: str | PathLike[str] | None = field(default=None, validator=_check_file)
    client_key: str | PathLike[str] | None = field(default=None, validator=_check_file)
    ssl_context: ssl.SSLContext | None = field(default=None, validator=_check_context)
    headers: Mapping[str, str] = field(factory=dict, validator=_check_own_headers, repr=False)
    trust_env: bool = field(default=False, validator=kind(bool))

    def __attrs_post_init__(self) -> None:
        files = self.ca_file, self.client_cert, self.client_key
        if self.ssl_context is not None and any(file is not None for file in files):
            raise ConfigError(
                "ssl_context=… cannot be combined with ca_file, client_cert or client_key"
            )
        if self.client_key is not None and self.client_cert is None:
            raise ConfigError("client_key must come with client_cert")
        self._build_context()

    def route_to(self, base_url: str) -> Route:
        """Return what a session needs to send requests to a service this way."""
        options: dict[str, Any] = {}
        headers = dict(self.headers)
        proxy = self.proxy
        if proxy is None and self.trust_env:
            proxy = environment_proxy(base_url, os.environ)
        if proxy is not None:
            url = URL(proxy)
            options["proxy"] = url.with_user(None)
            if url.user is not None or url.password is not None:
                login = b64encode(f"{url.user or ''}:{url.password or ''}".encode()).decode()
                # A tunnel is asked for by a request of its own. Without one, the proxy reads the
                # request's own headers.
                is_tunnel = base_url.startswith("https:")
                its_headers = options.setdefault("proxy_headers", {}) if is_tunnel else headers
                its_headers["Proxy-Authorization"] = f"Basic {login}"
        context = self._build_context()
        if context is not None:
            options["ssl"] = context
        return Route(options, headers)

    def _build_context(self) -> ssl.SSLContext | None:
        if self.ca_file is None and self.client_cert is None:
            return self.ssl_context
        try:
            # Without a file it trusts the system's authorities.
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            what = getattr(error, "reason", None) or kind_of(error)
            condition = "be a file of certificates in PEM"
            raise ConfigError(f"ca_file must {condition}, got {what}") from None
        if self.client_cert is not None:
            _add_certificate(context, self.client_cert, self.client_key)
        return context


def _add_certificate(
    context: ssl.SSLContext, cert: str | PathLike[str], key: str | PathLike[str] | None
) -> None:
    try:
        # Without a password OpenSSL would ask for one on the terminal, and wait.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:
        what = getattr(error, "reason", None) or kind_of(error)
    else:
        return
    raise ConfigError(
        "client_cert must be a PEM file with a certificate, and its key must be there or in"
        f" client_key, without a passphrase, got {what}"
    )


def is_this_machine(host: str) -> bool:
    """Return whether a host of a URL is a loopback address, or ``localhost``."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


def environment_proxy(base_url: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy that ``HTTPS_PROXY`` or ``HTTP_PROXY`` name, unless ``NO_PROXY`` has a host.

    Names in lower case go before, as curl and urllib have it. What is said to this machine stays on
    it, as in Go: a token may go there in clear.
    """
    url = host = None
    with suppress(ValueError, IndexError, TypeError):
        url = URL(base_url)
        host = url.host
    if url is None or not host or is_this_machine(host):
        return None
    found = _variable(f"{url.scheme}_proxy", environ)
    if found is None:
        return None
    _, no_proxy = _variable("no_proxy", environ) or ("", "")
    if proxy_bypass_environment(f"{host}:{url.port}", {"no": no_proxy}):
        return None
    name, text = found
    # Many write no scheme.
    return check(name, text if "://" in text else f"http://{text}", _check_proxy)


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return a variable's name and value; empty in lower case is not set, as in urllib."""
    if name not in environ:
        # In a CGI script it is the header "Proxy" of whoever calls: https://httpoxy.org
        is_header = name == "http_proxy" and "REQUEST_METHOD" in environ
        name = name if is_header else name.upper()
    value = environ.get(name)
    return (name, value) if value else None
