"""Settings as texts: what the environment, the command line and options of engines hold."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import evolve

from .._validators import check, one_of, shown
from ..errors import ConfigError
from ..events import OnEvent
from .endpoint import Dialect, RateLimit
from .network import NetworkSettings, environment_proxy

_FLAGS = {"true": True, "false": False}
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
# No span is that long; Python would take its time to read more digits.
MAX_SPAN_CHARACTERS = 20


def parse_rate_limit(text: str) -> RateLimit:
    """Parse ``10`` (a second) or ``600/60`` (in any 60 seconds)."""
    limit, slash, per = text.partition("/")
    try:
        return RateLimit(int(limit), per=float(per) if slash else 1.0)
    except ConfigError:
        raise
    except ValueError:
        raise ConfigError(f"rate_limit must be like '10' or '600/60', got {shown(text)}") from None


def parse_span(text: str) -> timedelta | None:
    """Parse ``7d``, ``12h``, ``5m`` or ``30s``; None for other texts.

    Raises OverflowError when it is longer than a timedelta can be.
    """
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isdecimal():
        return None
    if len(text) > MAX_SPAN_CHARACTERS:
        raise OverflowError
    return timedelta(**{unit: int(text[:-1])})


def parse_dialect(text: str) -> Dialect:
    """Parse ``task_detail=POST swap_statistics=true auto_assign=isAutoAssigned``, or some of it."""
    given = {name: value for name, _, value in (word.partition("=") for word in text.split())}
    words: dict[str, Any] = {
        "auto_assign": lambda value: value.split(","),
        "missing_codes": lambda value: value.split(","),
        "swap_statistics": lambda value: _FLAGS.get(value, value),
        "task_detail": str,
        "throttle_codes": lambda value: value.split(","),
        "throttle_statuses": lambda value: [
            # What is no number is refused by what it is for.
            int(each) if each.isdecimal() else each
            for each in value.split(",")
        ],
    }
    if unknown := given.keys() - words.keys():
        known = ", ".join(words)
        raise ConfigError(f"dialect must name only {known}, got {shown(min(unknown))}")
    return Dialect(**{name: words[name](value) for name, value in given.items()})


def parse_telemetry(text: str) -> OnEvent:
    """Return what ``otel`` names: the one that gives events to OpenTelemetry's global providers."""
    if text != "otel":
        raise ConfigError(f"telemetry must be 'otel', got {shown(text)}")
    # An extra of its own.
    from ..events.otel import OpenTelemetry  # noqa: PLC0415

    return OpenTelemetry()


def parse_environment(environ: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return ``AICC_BASE_URL``, and what ``AICC_TIMEZONE``, ``AICC_RATE_LIMIT`` and so on set.

    Empty is as not set.
    """
    if not environ.get("AICC_BASE_URL"):
        raise ConfigError("AICC_BASE_URL must be set")
    options: dict[str, Any] = {}
    if environ.get("AICC_TIMEZONE"):
        options["timezone"] = environ["AICC_TIMEZONE"]
    if environ.get("AICC_RATE_LIMIT"):
        options["rate_limit"] = parse_rate_limit(environ["AICC_RATE_LIMIT"])
    if environ.get("AICC_DIALECT"):
        options["dialect"] = parse_dialect(environ["AICC_DIALECT"])
    if environ.get("AICC_PROFILE"):
        options["profile"] = environ["AICC_PROFILE"]
    if environ.get("AICC_TELEMETRY"):
        options["on_event"] = parse_telemetry(environ["AICC_TELEMETRY"])
    base_url = environ["AICC_BASE_URL"]
    return base_url, options | parse_network(environ, base_url)


def parse_network(environ: Mapping[str, str], base_url: str) -> dict[str, Any]:
    """Return the arguments ``network`` and ``allow_http`` of a client, where variables set them."""
    options: dict[str, Any] = {}
    if environ.get("AICC_ALLOW_HTTP"):
        options["allow_http"] = parse_flag("AICC_ALLOW_HTTP", environ["AICC_ALLOW_HTTP"])
    given: dict[str, Any] = {
        "proxy": environ.get("AICC_PROXY") or environment_proxy(base_url, environ),
        "ca_file": environ.get("AICC_CA_FILE"),
        "client_cert": environ.get("AICC_CLIENT_CERT"),
        "client_key": environ.get("AICC_CLIENT_KEY"),
        "headers": parse_headers("AICC_HEADERS", environ.get("AICC_HEADERS", "")),
    }
    return options | override_network(None, **given)


def override_network(network: NetworkSettings | None, **given: Any) -> dict[str, Any]:
    """Return the argument ``network`` of a client: one that is set already, with what is given.

    Nothing when neither sets anything. Headers add to those that there are.
    """
    given = {name: value for name, value in given.items() if value}
    network = NetworkSettings() if network is None else network
    if "headers" in given:
        given["headers"] = {**network.headers, **given["headers"]}
    network = evolve(network, **given)
    return {} if network == NetworkSettings() else {"network": network}


def parse_flag(name: str, text: str) -> bool:
    """Parse ``true`` or ``false``, in any case."""
    return _FLAGS[check(name, text.lower(), one_of(*_FLAGS))]


def parse_headers(name: str, text: str) -> dict[str, str]:
    """Parse ``Name: value`` lines; ``name`` is that of the variable or option."""
    headers = [line.partition(":") for line in text.splitlines() if line.strip()]
    if not all(colon for _, colon, _ in headers):
        # A value may be a secret: none is shown.
        raise ConfigError(f"{name} must be 'Name: value' lines")
    return {header.strip(): value.strip() for header, _, value in headers}
