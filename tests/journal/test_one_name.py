"""A journal has one file, one name and one process: whatever else it is reached by is refused."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.new_cases import DIGESTS, new_case
from helpers.redis_process import RedisServer

from aicc_async import AICCClient, AICCError, JournalError, SQLiteJournal
from aicc_async._files import is_mount_point
from aicc_async.connectors.redis import RedisJournal
from aicc_async.emulator import Emulator

pytest_plugins = ["helpers.redis_server"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")

Connect = Callable[..., AICCClient]
MOUNTED = """
mount --bind "$1" "$2" && exec "$3" -c '
import asyncio, sys
from aicc_async import JournalError, SQLiteJournal
async def main():
    async with SQLiteJournal(sys.argv[1]) as journal:
        try:
            await journal.claim("k", digest="d", match_digest="m")
        except JournalError as error:
            print(error)
asyncio.run(main())
' "$2"
"""


async def test_a_hard_link_is_refused(path: Path, tmp_path: Path) -> None:
    """Processes that come by different names would not see one another's locks."""
    async with SQLiteJournal(path) as journal:
        await journal.claim("k", **DIGESTS)
        link = tmp_path / "link.db"
        link.hardlink_to(path)
        async with SQLiteJournal(link) as linked:
            with pytest.raises(JournalError, match="must have one name only, got 2 hard links"):
                await linked.claim("l", **DIGESTS)
        with pytest.raises(JournalError, match="must have one name only, got 2 hard links"):
            await journal.claim("m", **DIGESTS)
        link.unlink()
        assert (await journal.claim("n", **DIGESTS)).held


async def test_a_journal_replaced_while_it_is_open_sends_nothing(
    tenant: Emulator, connect: Connect, path: Path, tmp_path: Path
) -> None:
    """What would be noted in a file that nobody finds any more is an error, before it is sent."""
    aicc = connect()
    await aicc.create_case(new_case(), key="k")
    async with SQLiteJournal(tmp_path / "new.db") as new:
        await new.claim("k", **DIGESTS)
    (tmp_path / "new.db").replace(path)
    with pytest.raises(JournalError, match="it was replaced while it was open"):
        await aicc.create_case(new_case(title="another"), key="l")
    path.unlink()  # noqa: ASYNC240  (a small file)
    with pytest.raises(JournalError, match="cannot use the journal"):
        await aicc.create_case(new_case(title="another"), key="l")

    assert tenant.count() == 301


async def test_a_journal_replaced_while_a_case_is_made_raises_its_id(
    tenant: Emulator, connect: Connect, path: Path, tmp_path: Path
) -> None:
    """The case that could not be noted is in the error."""
    aicc = connect()

    def replace() -> None:
        (tmp_path / "new.db").touch()
        (tmp_path / "new.db").replace(path)

    await aicc.create_case(new_case(), key="k")
    create = aicc.api.session.send

    async def send_and_replace(*arguments: object, **options: object) -> object:
        made: object = await create(*arguments, **options)  # type: ignore[arg-type]  # passed on
        replace()
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aicc.api.session, "send", send_and_replace)
        with pytest.raises(JournalError, match="it was replaced") as caught:
            await aicc.create_case(new_case(title="another"), key="l")

    assert caught.value.case_id in tenant.ids()
    assert tenant.count() == 302


def test_a_mounted_file_is_refused(tmp_path: Path) -> None:
    """A file that is mounted itself has no folder that its processes share."""
    (tmp_path / "one.db").touch()
    (tmp_path / "two places.db").touch()
    names = [str(tmp_path / "one.db"), str(tmp_path / "two places.db"), sys.executable]
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED, "sh", *names]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)  # noqa: S603  (ours)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if ended.returncode:
        pytest.skip(f"nothing may be mounted here: {ended.stderr}")

    assert "it must not be a mount point. Mount its folder instead" in ended.stdout


def test_mounts_are_read_as_linux_lists_them(tmp_path: Path) -> None:
    """The fifth field is the place, with spaces as octal numbers."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(r"36 35 98:0 /a\040b.db /mnt/c\040d.db rw - ext4 /dev/root rw")

    assert is_mount_point(Path("/mnt/c d.db"), mounts)
    assert not is_mount_point(Path("/mnt/c"), mounts)
    assert not is_mount_point(tmp_path, tmp_path / "missing")


# ---- after os.fork() ------------------------------------------------------------------------


def in_child(work: Callable[[], str]) -> str:
    """Return what a forked process says; it must not take long."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, work().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(child, 0)
    return said


def attempt(*steps: Callable[[], object]) -> str:
    """Run steps in a loop of their own, and return their errors."""

    async def run() -> str:
        said = []
        for step in steps:
            try:
                async with asyncio.timeout(30):
                    await step()  # type: ignore[misc]  # each returns a coroutine
            except (AICCError, TimeoutError) as error:
                said.append(f"{type(error).__name__}: {error}")
        return "\n".join(said)

    # The loop of the parent is the current one of the child, too.
    asyncio.events._set_running_loop(None)
    return asyncio.new_event_loop().run_until_complete(run())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_journal_of_before_a_fork_is_an_error_at_once(path: Path) -> None:
    """The child hangs in nothing, and closes nothing of the parent's."""
    async with SQLiteJournal(path) as journal:
        await journal.claim("k", **DIGESTS)
        said = in_child(
            lambda: attempt(
                lambda: journal.claim("l", **DIGESTS),
                lambda: journal.claim("k", **DIGESTS),
                journal.entries,
                journal.close,
            )
        )
        assert said.count("JournalError: the journal") == 3
        assert said.count("was opened before os.fork()") == 3
        assert "TimeoutError" not in said
        async with SQLiteJournal(path) as other:
            assert not (await other.claim("k", **DIGESTS)).held


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_journal_in_redis_of_before_a_fork_is_an_error_at_once(
    redis_server: RedisServer, prefix: str
) -> None:
    """Its connections and leases are the parent's."""
    async with RedisJournal(redis_server.url, prefix) as journal:
        await journal.claim("k", **DIGESTS)
        said = in_child(
            lambda: attempt(
                lambda: journal.claim("l", **DIGESTS),
                lambda: journal.claim("k", **DIGESTS),
                journal.close,
            )
        )
        assert said.count("was used before os.fork()") == 2
        assert "TimeoutError" not in said
        async with RedisJournal(redis_server.url, prefix) as other:
            assert not (await other.claim("k", **DIGESTS)).held


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_client_of_before_a_fork_is_an_error_at_once(
    tenant: Emulator, connect: Connect
) -> None:
    """The child sends nothing over the parent's connections, which stay as they are."""
    aicc = connect(journal=None)
    await aicc.list_cases(limit=1)
    said = in_child(lambda: attempt(aicc.list_cases, aicc.close))
    assert said.startswith("ConfigError: the client was used before os.fork()")
    assert "TimeoutError" not in said
    await aicc.list_cases(limit=1)

    assert len(tenant.requests) == 2
