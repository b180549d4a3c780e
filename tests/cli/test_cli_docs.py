"""``aicc-async docs``: every topic has a text, which names public modules only."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from importlib import import_module
from inspect import getdoc

import pytest
from helpers.processes import COMMAND, SECONDS
from helpers.shell import Call

from aicc_async.cli.commands.docs import TOPICS
from aicc_async.errors import ConfigError

# What the extra of a connector installs may be missing where tests run.
EXTRAS = {"dlt": "dlt", "postgres": "psycopg", "redis": "redis", "spark": "pyspark"}


def test_without_a_topic_all_are_listed(call: Call) -> None:
    """Each has a line of its own, with what it is about."""
    ended = call("docs")
    assert (ended.code, ended.err) == (0, "")
    assert re.findall(r"^(\w+) {2,}\S", ended.out, re.MULTILINE) == list(TOPICS) == sorted(TOPICS)


@pytest.mark.parametrize(
    ("task", "topic"),
    [
        ("names", "models"),
        ("credentials", "connect"),
        ("service", "client"),
        ("worker", "journal"),
    ],
)
def test_a_task_leads_to_the_page_that_has_it(call: Call, task: str, topic: str) -> None:
    """It is listed with the topic's name, and prints the same."""
    assert re.search(rf"^{task} +The page of {topic}\.$", call("docs").out, re.MULTILINE)
    assert call("docs", task).out == call("docs", topic).out


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_a_public_module(topic: str) -> None:
    """No part of its name begins with an underscore."""
    assert not [part for part in TOPICS[topic].split(".") if part.startswith("_")]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_prints_its_docstring(call: Call, topic: str) -> None:
    """As it is, without the indentation; also where the module can't be imported."""
    ended = call("docs", topic)
    assert (ended.code, ended.err) == (0, "")
    assert len(ended.out.splitlines()[0]) > 10
    try:
        module = import_module(TOPICS[topic])
    except (ImportError, ConfigError):
        assert topic in EXTRAS
    else:
        assert ended.out == f"{getdoc(module)}\n"


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_names_public_modules_only(call: Call, topic: str) -> None:
    """A reader may import whatever a text names."""
    names = re.findall(r"\baicc_async(?:\.\w+)+", call("docs", topic).out)
    assert not [name for name in names if re.search(r"\._(?!_)", name)]


@pytest.mark.parametrize("topic", EXTRAS)
def test_a_topic_needs_no_extra(call: Call, monkeypatch: pytest.MonkeyPatch, topic: str) -> None:
    """Its text is there to read before anything is installed for it."""
    whole = call("docs", topic).out
    for name in [name for name in sys.modules if name.startswith(TOPICS[topic])]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.partition(".")[0] == EXTRAS[topic]]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, EXTRAS[topic], None)
    ended = call("docs", topic)
    assert (ended.code, ended.out, ended.err) == (0, whole, "")


@pytest.mark.parametrize(
    ("topic", "nearest"), [("jurnal", "journal"), ("error", "errors"), ("SPARK", "spark"), ("", "")]
)
def test_an_unknown_topic_is_a_usage_error(call: Call, topic: str, nearest: str) -> None:
    """The message names the nearest one, and all others."""
    ended = call("docs", topic)
    assert (ended.code, ended.out) == (2, "")
    assert f"Did you mean '{nearest}" in ended.err
    assert all(name in ended.err for name in TOPICS)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_pager_is_for_terminals(is_terminal: bool) -> None:
    """On a terminal the text goes through it; into a pipe it goes as it is."""
    environ = os.environ | {"PAGER": "sed s/^/page:/", "TERM": "xterm"}
    ours, theirs = pty.openpty()
    line = [*COMMAND, "docs", "errors"]
    where = {"stdin": theirs, "stdout": theirs if is_terminal else subprocess.PIPE}
    with subprocess.Popen(line, env=environ, **where) as process:  # type: ignore[call-overload]  # noqa: S603
        os.close(theirs)
        shown = b""
        if process.stdout:
            shown = process.stdout.read()
        while is_terminal:
            try:
                shown += os.read(ours, 65536)
            except OSError:
                # Nobody is there any more.
                break
        assert process.wait(SECONDS) == 0
    os.close(ours)
    assert shown.startswith(b"page:The errors" if is_terminal else b"The errors")
