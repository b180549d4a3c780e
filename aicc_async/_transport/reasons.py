"""Why no complete answer came, in words that name neither the request nor what was answered.

Errors of aiohttp are told by their attributes: one file alone imports it.
"""

from __future__ import annotations

import os
import re
import socket
import ssl

# aiohttp's own are 8,190 and 128, which cookies and policies of a gateway may exceed. With one that
# is too large an answer is lost, and the outcome of a create with it.
MAX_HEADER_BYTES = 2**16
MAX_HEADERS = 1000
# Of a proxy: it wants another login, or lets nobody through to there.
LASTING_REFUSALS = {400, 401, 403, 405, 407}
# Alerts by which the other side ends a handshake, in OpenSSL's words.
_REFUSING_ALERT = re.compile(r"_ALERT_(.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)")


def describe_failure(error: BaseException) -> str:
    """Return the reason of a failed attempt: where it went, and what the system or TLS said.

    The texts of other errors may hold pieces of the answer: only their class is named.
    """
    host, port = getattr(error, "host", None), getattr(error, "port", None)
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    reason = _reason(cause)
    if alert := find_refusing_alert(error):
        return f"the server refused the TLS handshake: {alert}"
    if isinstance(host, str):
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        whose = "the proxy " if type(error).__name__ == "ClientProxyConnectionError" else ""
        return f"cannot connect to {whose}{place}: {reason or type(cause).__name__}"
    if (status := _refused_tunnel(error)) is not None:
        return f"the proxy opened no tunnel: HTTP {status}"
    if too_large := _too_large(str(getattr(error, "message", ""))):
        return f"no complete answer: {too_large}"
    name = type(error).__name__
    return f"no complete answer ({name}: {reason})" if reason else f"no complete answer ({name})"


def will_fail_again(error: BaseException | None) -> bool:
    """Return whether the next attempt fails as well: a certificate, or the proxy's login."""
    causes = error, getattr(error, "certificate_error", None), getattr(error, "os_error", None)
    # A pinned fingerprint that does not match has both.
    is_other_pin = hasattr(error, "expected") and hasattr(error, "got")
    if is_other_pin or any(isinstance(cause, ssl.CertificateError) for cause in causes):
        return True
    return bool(find_refusing_alert(error)) or _refused_tunnel(error) in LASTING_REFUSALS


def find_refusing_alert(error: BaseException | None) -> str:
    """Return how the server's TLS refused this side's certificate, or the lack of one; else "".

    aiohttp has it below an error of its own, such as one of a lost connection.
    """
    causes = error, getattr(error, "__cause__", None), getattr(error, "os_error", None)
    # Errors of aiohttp that are made of one have no ``reason``.
    reasons = [getattr(each, "reason", None) for each in causes if isinstance(each, ssl.SSLError)]
    found = [reason for reason in reasons if _REFUSING_ALERT.search(reason or "")]
    return str(found[0]) if found else ""


def _refused_tunnel(error: BaseException | None) -> int | None:
    """Return the status by which a proxy refused to CONNECT; None for another error."""
    if type(error).__name__ != "ClientHttpProxyError":
        return None
    status: int = getattr(error, "status", 0)
    return status


def _too_large(message: str) -> str:
    """Return which bound an answer's head exceeded, by aiohttp's message, which quotes it too."""
    if "Got more than" in message:
        return f"its status or a header must be at most {MAX_HEADER_BYTES} bytes, got more"
    if "Too many headers" in message:
        return f"it must have at most {MAX_HEADERS} headers, got more"
    return ""


def _reason(error: BaseException) -> str:
    if isinstance(error, ssl.CertificateError):
        why = getattr(error, "verify_message", "")
        return f"certificate verify failed: {why}" if why else "certificate verify failed"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', None) or type(error).__name__}"
    if hasattr(error, "expected") and hasattr(error, "got"):
        return "the certificate's fingerprint is not the one that was pinned"
    if isinstance(error, socket.gaierror) or not isinstance(error, OSError):
        return str(getattr(error, "strerror", None) or "")
    # asyncio's own text repeats the address.
    is_known = error.errno is not None and error.errno > 0
    return os.strerror(error.errno or 0) if is_known else str(error.strerror or "")
