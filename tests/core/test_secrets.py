"""No signature and no repr holds a secret: ``help()`` and tracebacks show both."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import attrs
import pytest
from helpers.modules import package_modules
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, ClientCredentials, QFlowClient, QFlowLogin, StaticToken
from aicc_async._validators import hide_passwords, shown
from aicc_async.emulator import Emulator
from aicc_async.settings.endpoint import Endpoint

SECRET = "hush-1f5b"
HOST = "https://tenant.invalid"
# Fields that hold what nobody else may read.
SECRET_FIELDS = re.compile(
    r"(^|_)(token|secret|password|credentials|options|headers)$|^(body|url|redis)$"
)
# The emulator holds invented data, and the token of a lease says who holds it.
HARMLESS = re.compile(r"aicc_async\.(emulator\b|journal\.leases$)")
# Each signature, in a process whose environment holds a secret.
SIGNATURES = """
import inspect, sys
from helpers.modules import package_modules


def callables(place, seen):
    for value in list(vars(place).values()):
        value = getattr(value, "__func__", value)
        is_ours = str(getattr(value, "__module__", "")).startswith("aicc_async")
        if not is_ours or not callable(value) or id(value) in seen:
            continue
        seen.add(id(value))
        yield value
        if isinstance(value, type):
            yield from callables(value, seen)


seen, count = set(), 0
for module in package_modules():
    for value in callables(module, seen):
        try:
            text = str(inspect.signature(value))
        except (TypeError, ValueError):
            continue
        count += 1
        if "environ({" in text or sys.argv[1] in text:
            print(value.__module__, value.__qualname__)
print(count)
"""


@pytest.mark.timeout(60)
def test_no_signature_shows_the_environment() -> None:
    """No default argument is the environment, which ``help()`` would print with its secrets."""
    shown = subprocess.run(  # noqa: S603
        [sys.executable, "-c", SIGNATURES, SECRET],
        cwd=Path(__file__).parents[1],
        env=os.environ | {"AICC_CLIENT_SECRET": SECRET},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()

    assert shown[:-1] == []
    assert int(shown[-1]) > 1000


def test_fields_that_hold_secrets_are_in_no_repr() -> None:
    """Whatever record has a field with a secret, its repr leaves it out."""
    fields = {
        f"{kind.__module__}.{kind.__name__}.{field.name}": field.repr
        for module in package_modules()
        for kind in vars(module).values()
        if isinstance(kind, type) and attrs.has(kind) and kind.__module__ == module.__name__
        if not HARMLESS.match(kind.__module__)
        for field in attrs.fields(kind)
        if SECRET_FIELDS.search(field.name)
    }

    assert len(fields) >= 6
    assert [name for name, is_shown in fields.items() if is_shown] == []


def test_what_users_make_shows_no_secret() -> None:
    """Credentials, and clients that have them, can be printed."""
    login = QFlowLogin("user", SECRET)
    made = [
        StaticToken(SECRET),
        ClientCredentials("id", SECRET),
        login,
        Endpoint(base_url=HOST),
        AICCClient(HOST, auth=StaticToken(SECRET)),
        QFlowClient(HOST, login=login),
        QFlowClient(HOST, headers={"X-Key": SECRET}),
        Emulator(),
    ]

    assert SECRET not in "".join(f"{each!r} {each}" for each in made)


@given(st.text(alphabet="h:/@?&u.", max_size=9), st.sampled_from(["redis://", "s3:", "a://b:"]))
def test_a_url_is_shown_without_what_is_secret(noise: str, scheme: str) -> None:
    """However it is misspelt, nothing between its first colon and its last @ is in a message."""
    url = f"{scheme}{noise}{SECRET}{noise}@host"
    assert SECRET not in shown(url) + hide_passwords(f"cannot use {url}: {url}")
    assert hide_passwords("title must be a text, got 5 @ $.rows") == (
        "title must be a text, got 5 @ $.rows"
    )
