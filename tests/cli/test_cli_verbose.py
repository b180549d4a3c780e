"""``-v``: what a command sends, a line for every attempt, and nothing of what is in it."""

from __future__ import annotations

import io
import logging
import re

import pytest
from helpers.commands import all_commands
from helpers.shell import Call
from rich.console import Console

from aicc_async._transport.session import Stats
from aicc_async.cli.progress import display
from aicc_async.emulator import Emulator, Fault
from aicc_async.export import Progress

NEW = {
    "title": "Kim's parcel",
    "description": "d",
    "type": "y",
    "contactId": "o",
    "creatorId": "r",
    "contactPhone": "0700-5550",
}


def without_times(text: str) -> list[str]:
    """Return lines with their milliseconds cut out."""
    return re.sub(r"after \d+ ms", "after … ms", text).splitlines()


def test_each_attempt_is_a_line(tenant: Emulator, call: Call) -> None:
    """Operation, status, time, path, the number of the attempt, and the code of a refusal."""
    tenant.fail("list", Fault.HTTP_503)
    tenant.fail("list", Fault.DROP_BEFORE)
    ended = call("list", "--limit", 1, "-v")
    path = "POST /service/AICC__Case/1.0.0/openapi/case/list"
    lines = without_times(ended.err)
    assert re.fullmatch(r"token: 200 after … ms \(POST /baas/.*, attempt 1\)", lines[0])
    assert re.fullmatch(rf"list: 503 after … ms \({path}, attempt 1, resCode .+\)", lines[1])
    assert lines[2:4] == [
        f"list: no answer after … ms ({path}, attempt 2)",
        f"list: 200 after … ms ({path}, attempt 3)",
    ]
    assert (ended.code, len(ended.rows)) == (0, 1)


def test_no_data_is_in_it(tenant: Emulator, call: Call) -> None:
    """Neither what is sent nor what comes back, and no token; the next command is silent again."""
    ended = call("create", "--verbose", stdin=NEW)
    assert ended.code == 0
    assert "create: 200 after " in ended.err
    token = tenant.requests[-1].headers["access-token"]
    for secret in (token, tenant.client_secret, "Kim", "0700-5550"):
        assert secret not in ended.err
    logger = logging.getLogger("aicc_async")
    assert (logger.level, logger.handlers) == (logging.NOTSET, [])
    assert call("get", tenant.ids()[0]).err == ""


@pytest.mark.usefixtures("tenant")
def test_a_queue_has_it_too(call: Call) -> None:
    """The commands of Q-Flow show their attempts."""
    ended = call("enqueue", "-v", stdin={"ServiceId": 2})
    assert ended.code == 0
    assert without_times(ended.err)[-1] == "enqueue: 200 after … ms (POST /Cases, attempt 1)"


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_command_that_sends_has_it(name: str) -> None:
    """Whatever takes the address of a service takes -v."""
    command = all_commands()[name]
    names = {each.name for each in command.params}
    assert ("verbose" in names) == ("base_url" in names)


def test_a_terminal_has_no_bar_beside_the_lines(caplog: pytest.LogCaptureFixture) -> None:
    """A line of an attempt would be written into it."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True)
    with display(console, Stats()):
        pass
    assert written.getvalue()
    written.truncate(0)
    written.seek(0)
    caplog.set_level(logging.DEBUG, logger="aicc_async")
    with display(console, Stats()) as show:
        show(Progress(stage="planning"))
    assert written.getvalue() == ""
