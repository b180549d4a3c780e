"""Every argument of the client has a variable or an option, or the README says why not."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from helpers.commands import all_commands
from helpers.recipes import ROOT

from aicc_async import AICCClient, QFlowClient

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = re.search(r"^## Install\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
ROWS = re.findall(r"^\| (.*?) \| (.*?) \| (.*) \|$", SECTION[1] if SECTION else "", re.MULTILINE)
# Arguments that a program alone can set; the README has the reason of each.
EXCEPTIONS = {"max_body", "on_unknown", "retry", "session", "timeouts"}
NETWORK_FILES = "AICC_CLIENT_CERT", "AICC_CLIENT_KEY", "AICC_CA_FILE"
SAMPLES = {
    "AICC_ACCESS_TOKEN": "t",
    "AICC_ALLOW_HTTP": "true",
    "AICC_BASE_URL": "https://tenant.invalid",
    "AICC_CLIENT_ID": "i",
    "AICC_CLIENT_SECRET": "s",
    "AICC_DIALECT": "task_detail=POST",
    "AICC_HEADERS": "X-Stage: RELEASE",
    "AICC_PROFILE": "profile.toml",
    "AICC_PROXY": "http://proxy:3128",
    "AICC_RATE_LIMIT": "10",
    "AICC_TELEMETRY": "otel",
    "AICC_TIMEZONE": "Europe/Berlin",
}


def quoted(text: str) -> list[str]:
    """Return what is between backticks."""
    return re.findall(r"`([^`]+)`", text)


def arguments_of(kind: type) -> set[str]:
    """Return the names of a client's arguments."""
    return set(inspect.signature(kind).parameters)


NAMED = [(quoted(first), quoted(second), third) for first, second, third in ROWS if "`" in second]


def test_every_argument_is_in_the_table() -> None:
    """One that is new needs a row, and no row names one that is gone."""
    named = {name for _, arguments, _ in NAMED for name in arguments}
    assert arguments_of(AICCClient) - named == set()
    assert named - arguments_of(AICCClient) - arguments_of(QFlowClient) == set()


def test_what_has_no_variable_has_an_option_or_a_reason() -> None:
    """The option is one of a command; what has neither is known here."""
    options = {
        name for command in all_commands().values() for each in command.params for name in each.opts
    }
    without = [(arguments, third) for variables, arguments, third in NAMED if not variables]
    reasons = set[str]()
    for arguments, third in without:
        flags = [text for text in quoted(third) if text.startswith("--")]
        assert set(flags) <= options
        reasons |= set() if flags else set(arguments)
    assert reasons == EXCEPTIONS


class Noted(AICCClient):
    """A client that is not made: only what it is given is of interest."""

    def __init__(self, base_url: str, **options: Any) -> None:
        self.given = {"base_url": base_url, **options}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_variable_sets_the_argument_of_its_row(name: str) -> None:
    """``from_env`` gives the client more than without it, under that name."""
    least = {
        "AICC_BASE_URL": "https://other.invalid",
        "AICC_CLIENT_ID": "x",
        "AICC_CLIENT_SECRET": "y",
    }
    [[argument]] = [arguments for names, arguments, _ in NAMED if name in names]
    before, after = (
        Noted.from_env(least).given,
        Noted.from_env({**least, name: SAMPLES[name]}).given,
    )
    assert {key for key in after if after[key] != before.get(key)} == {argument}


def test_all_variables_of_from_env_are_tried() -> None:
    """Files are tried where they are read: the certificates' and the key file's."""
    table = README.partition("| variable |")[2].partition("`AICCClient.from_env()`")[0]
    variables = {name for name in quoted(table) if re.fullmatch(r"AICC_\w+", name)}
    assert variables == SAMPLES.keys() | {*NETWORK_FILES, "AICC_KEY_FILE"}
