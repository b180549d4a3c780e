"""The journal in SQLite: what it holds, who holds a key, and what no disk or kill takes from it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest
from helpers.new_cases import new_case
from helpers.rows_for_sinks import no_file_beyond
from hypothesis import given
from hypothesis import strategies as st

from aicc_async import AICCClient, ConfigError, JournalError, StaticToken
from aicc_async.emulator import Emulator
from aicc_async.journal import STATES, Entry, Finding, SQLiteJournal
from aicc_async.journal import sqlite as sqlite_journal
from aicc_async.journal.database import LAYOUT, open_database
from aicc_async.journal.entry import decide

MATCH_DIGEST = "match digest"
HOLD = """
import asyncio, sys
from aicc_async.journal import SQLiteJournal
async def main():
    journal = SQLiteJournal(sys.argv[1])
    entry = await journal.claim("k", digest="d", match_digest="match digest")
    print(entry.state, entry.held, flush=True)
    sys.stdin.read()
asyncio.run(main())
"""
RACE = """
import asyncio, sys
from aicc_async.journal import SQLiteJournal
async def main():
    sys.stdin.read(1)
    async with SQLiteJournal(sys.argv[1]) as journal:
        for number in range(20):
            entry = await journal.claim(f"k{number}", digest="d", match_digest="match digest")
            if entry.held:
                print(f"k{number}")
        print("done", flush=True)
        sys.stdin.read()
asyncio.run(main())
"""
FIRST_LAYOUT = """
PRAGMA application_id = 0x41494343;
CREATE TABLE creates (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, likeness TEXT NOT NULL, state TEXT NOT NULL,
    began REAL NOT NULL, touched REAL NOT NULL, case_id TEXT UNIQUE, note TEXT NOT NULL DEFAULT '',
    candidates TEXT NOT NULL DEFAULT '[]', owner TEXT
) WITHOUT ROWID;
INSERT INTO creates (key, digest, likeness, state, began, touched) VALUES
    ('k', 'd', 'l', 'unknown', 1.0, 2.0);
PRAGMA journal_mode = WAL;
"""


@pytest.fixture
async def journal(path: Path) -> AsyncIterator[SQLiteJournal]:
    """Open a journal."""
    async with SQLiteJournal(path) as opened:
        yield opened


@pytest.fixture
async def other(path: Path) -> AsyncIterator[SQLiteJournal]:
    """Open the same file as another process would."""
    async with SQLiteJournal(path) as opened:
        yield opened


async def claim(journal: SQLiteJournal, key: str = "k", digest: str = "d") -> Entry:
    """Claim a key for a record that looks like all others here."""
    return await journal.claim(key, digest=digest, match_digest=MATCH_DIGEST)


async def take(
    journal: SQLiteJournal, key: str, same: Sequence[str] = (), alike: Sequence[str] = ()
) -> Finding:
    """Take a case that a list shows now."""
    return await journal.take(key, same, alike, asked=asyncio.get_running_loop().time())


async def state(journal: SQLiteJournal, key: str = "k") -> str | None:
    """Look up a key's state."""
    entry = await journal.entry(key)
    return entry.state if entry else None


def owners(folder: Path) -> int:
    """Count the processes that left a lock."""
    return len({path.name.removesuffix("-journal") for path in folder.glob("*-owner-*")})


async def in_doubt(journal: SQLiteJournal, *keys: str, digest: str = "d") -> None:
    """Send creates whose outcome nobody knows."""
    for key in keys:
        await claim(journal, key, digest)
        await journal.doubt(key, "RequestTimeout")
        journal.release(key)


# ---- what a key goes through ---------------------------------------------------------------


async def test_a_new_key_is_sent_and_held(journal: SQLiteJournal) -> None:
    """Its entry has the digest and the moment."""
    before = datetime.now(UTC)
    entry = await claim(journal)
    assert (entry.state, entry.held, entry.case_id, entry.digest) == ("sent", True, None, "d")
    assert before <= entry.created_at == entry.updated_at <= datetime.now(UTC)


async def test_a_confirmed_key_has_its_case(journal: SQLiteJournal, other: SQLiteJournal) -> None:
    """A later claim returns the case, and does not hold the key."""
    await claim(journal)
    await journal.confirm("k", "c1")
    for each in (journal, other):
        journal.release("k")
        entry = await claim(each)
        assert (entry.state, entry.case_id, entry.held) == ("confirmed", "c1", False)


async def test_a_key_in_doubt_is_claimed_as_unknown(journal: SQLiteJournal) -> None:
    """Its entry keeps when it was created, when it was last updated, and what went wrong."""
    first = await claim(journal)
    await journal.doubt("k", "RequestTimeout", ["c1", "c2"])
    doubted = await journal.entry("k")
    journal.release("k")
    again = await claim(journal)
    assert doubted
    assert (again.state, again.held, again.created_at) == ("unknown", True, first.created_at)
    assert (again.note, again.candidates) == ("RequestTimeout", ("c1", "c2"))
    assert again.updated_at == doubted.updated_at > first.updated_at


async def test_a_doubt_that_lasts_does_not_count_as_sent_anew(journal: SQLiteJournal) -> None:
    """The candidates of a look are noted, and the moment of sending stays."""
    await in_doubt(journal, "k")
    entry = await claim(journal)
    await journal.doubt("k", "2 cases look like it", ["c1", "c2"])
    again = await journal.entry("k")
    assert again
    assert (again.updated_at, again.candidates) == (entry.updated_at, ("c1", "c2"))


async def test_a_key_that_is_sent_again_is_noted_first(journal: SQLiteJournal) -> None:
    """It is on its way again, with a new time of sending and the old time of creation."""
    await in_doubt(journal, "k")
    entry = await claim(journal)
    await journal.resend("k")
    again = await journal.entry("k")
    assert again
    assert (again.state, again.created_at) == ("sent", entry.created_at)
    assert again.updated_at > entry.updated_at


async def test_a_rejected_key_may_get_another_record(journal: SQLiteJournal) -> None:
    """No case was made under it, so it begins anew."""
    first = await claim(journal)
    await journal.reject("k", "ApiError")
    journal.release("k")
    assert await state(journal) == "rejected"
    entry = await claim(journal, digest="another")
    assert (entry.state, entry.digest, entry.held) == ("sent", "another", True)
    assert entry.created_at > first.created_at
    assert (await journal.entry("k") or entry).note == ""


@pytest.mark.parametrize("settled", [True, False])
async def test_another_record_leaves_a_key_alone(settled: bool, journal: SQLiteJournal) -> None:
    """The entry comes back as it is, not held."""
    await in_doubt(journal, "k")
    if settled:
        await journal.confirm("k", "c1")
    before = await journal.entry("k")
    entry = await claim(journal, digest="another")
    assert entry == before
    assert not entry.held
    assert (await claim(journal)).held is not settled


# ---- who holds it --------------------------------------------------------------------------


async def test_a_key_is_held_by_one_task(journal: SQLiteJournal) -> None:
    """Of many claims at once one holds it, until it is released."""
    entries = await asyncio.gather(*(claim(journal) for _ in range(20)))
    assert sorted(entry.held for entry in entries) == [False] * 19 + [True]
    assert {entry.state for entry in entries} == {"sent"}
    journal.release("k")
    assert (await claim(journal)).held


async def test_a_key_is_held_by_one_process(journal: SQLiteJournal, other: SQLiteJournal) -> None:
    """Another one sees it as it is, also while it is in doubt, and gets it after the release."""
    await claim(journal)
    assert not (await claim(other)).held
    await journal.doubt("k", "RequestTimeout")
    assert not (await claim(other)).held
    journal.release("k")
    await journal.entries()
    entry = await claim(other)
    assert (entry.held, entry.state) == (True, "unknown")
    assert not (await claim(journal)).held


async def test_a_journal_that_is_closed_holds_nothing(
    path: Path, other: SQLiteJournal, tmp_path: Path
) -> None:
    """Others may claim what it held, it leaves no lock, and may be used again."""
    journal = SQLiteJournal(path)
    await claim(journal)
    assert not (await claim(other)).held
    await journal.close()
    assert (await claim(other)).held
    assert owners(tmp_path) == 1
    assert not (await claim(journal)).held
    await journal.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_process_that_is_killed_holds_nothing(
    path: Path, journal: SQLiteJournal, tmp_path: Path
) -> None:
    """Its key is claimed as unknown, sent at this moment for all that is known."""
    command = (sys.executable, "-c", HOLD, str(path))
    with subprocess.Popen(  # noqa: S603, ASYNC220  (our own command)
        command, stdin=-1, stdout=-1, text=True
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "sent True\n"
        assert not (await claim(journal)).held
        holder.send_signal(signal.SIGSTOP)
        assert not (await claim(journal)).held
        holder.send_signal(signal.SIGKILL)
    killed = datetime.now(UTC)
    entry = await claim(journal)
    assert (entry.state, entry.held) == ("unknown", True)
    assert entry.created_at < killed <= entry.updated_at
    assert owners(tmp_path) == 1


async def test_links_to_one_file_are_one_journal(
    path: Path, journal: SQLiteJournal, tmp_path: Path
) -> None:
    """A key that is held by way of one name is held by way of another."""
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.db"
    link.symlink_to(path)
    await claim(journal)
    async with SQLiteJournal(link) as linked:
        assert not (await claim(linked)).held


async def test_a_cancelled_claim_leaves_no_doubt(journal: SQLiteJournal) -> None:
    """Nothing was sent: nobody has to look for it later."""
    task = asyncio.create_task(claim(journal))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await state(journal) in {"rejected", None}
    assert (await claim(journal)).state == "sent"


async def test_a_cancelled_claim_of_a_doubt_keeps_the_doubt(journal: SQLiteJournal) -> None:
    """It may have been sent by whoever had it before."""
    await in_doubt(journal, "k")
    task = asyncio.create_task(claim(journal))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await claim(journal)).state == "unknown"


async def test_what_is_released_unsettled_is_in_doubt(journal: SQLiteJournal) -> None:
    """It may have been sent until that moment, and no later."""
    entry = await claim(journal)
    journal.release("k")
    released = await journal.entry("k")
    assert released
    assert released.state == "unknown"
    assert released.updated_at > entry.updated_at
    assert (await claim(journal)).updated_at == released.updated_at


async def test_a_former_holder_does_not_send_or_reject(path: Path, other: SQLiteJournal) -> None:
    """A holder that has released everything can't change what another one does with the key."""
    journal = SQLiteJournal(path)
    await in_doubt(journal, "k")
    await claim(journal)
    await journal.close()
    await claim(other)
    with pytest.raises(JournalError, match="'k' is not held any more"):
        await journal.resend("k")
    await journal.reject("k", "closed")
    await journal.doubt("k", "closed", ["c1"])
    await journal.close()
    entry = await other.entry("k")
    assert entry
    assert (entry.state, entry.candidates) == ("unknown", ())
    await other.resend("k")


# ---- whose case it is ----------------------------------------------------------------------


ids = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)
few = st.integers(0, 3)


@given(ids, few, st.integers(1, 3), few, few)
def test_a_case_is_found_only_when_it_can_be_no_other_keys(
    shown: list[str], split: int, equals: int, others: int, rivals: int
) -> None:
    """Found: nobody is on the way, and each equal case has a key in doubt with that record."""
    same, alike = shown[:split], shown[split:]
    finding = decide(same, alike, equals=equals, others=others, rivals=rivals)
    if finding.status == "found":
        assert not rivals
        assert finding.ids == (same[0],)
        assert len(same) <= equals
    elif finding.status == "none":
        assert not same
        assert len(alike) <= others
        assert finding.ids == ()
    elif finding.status == "unsure":
        assert not rivals
        assert finding.ids == (*same, *alike)
    else:
        assert rivals
        assert shown


@given(ids, few, st.integers(1, 3), few)
def test_less_doubt_never_follows_from_more_cases(
    shown: list[str], split: int, equals: int, others: int
) -> None:
    """A further case that looks like it never makes it sure that there is none."""
    same, alike = shown[:split], shown[split:]
    before = decide(same, alike, equals=equals, others=others, rivals=0)
    for after in (
        decide([*same, "g"], alike, equals=equals, others=others, rivals=0),
        decide(same, [*alike, "g"], equals=equals, others=others, rivals=0),
    ):
        assert before.status == "none" or after.status != "none"


async def test_the_one_case_that_equals_it_is_taken(journal: SQLiteJournal) -> None:
    """The key is settled, and has it from then on."""
    await in_doubt(journal, "k")
    assert await take(journal, "k", ["c1"], ["c2"]) == Finding("found", ("c1",))
    entry = await claim(journal)
    assert (entry.state, entry.case_id) == ("reconciled", "c1")
    assert await journal.untaken(["c0", "c1", "c2"]) == ["c0", "c2"]


async def test_a_case_is_never_two_keys(journal: SQLiteJournal, other: SQLiteJournal) -> None:
    """What one key has is not there for the other: of two cases each key gets one."""
    await in_doubt(journal, "k", "l")
    assert await take(journal, "k", ["c1"]) == Finding("found", ("c1",))
    assert await take(other, "l", ["c1"]) == Finding("none")
    assert await take(other, "l", ["c1", "c2"]) == Finding("found", ("c2",))


async def test_more_equal_cases_than_keys_are_nobodys(journal: SQLiteJournal) -> None:
    """One of them is a stranger's, and it could be any."""
    await in_doubt(journal, "k", "l")
    assert await take(journal, "k", ["c1", "c2", "c3"]) == Finding("unsure", ("c1", "c2", "c3"))
    assert await state(journal) == "unknown"


async def test_a_case_that_differs_is_explained_by_another_key(journal: SQLiteJournal) -> None:
    """With a key in doubt that looks alike it is that one's; without, it could be anybody's."""
    await in_doubt(journal, "k")
    assert await take(journal, "k", [], ["c1"]) == Finding("unsure", ("c1",))
    await in_doubt(journal, "l", digest="another")
    assert await take(journal, "k", [], ["c1"]) == Finding("none")
    assert await take(journal, "k", [], ["c1", "c2"]) == Finding("unsure", ("c1", "c2"))


async def test_what_a_dead_process_sent_explains_a_case_too(
    path: Path, journal: SQLiteJournal
) -> None:
    """Nobody has looked at its key since, and still the case may be that one's."""
    await in_doubt(journal, "k")
    dead = SQLiteJournal(path)
    await claim(dead, "l", "another")
    assert await take(journal, "k", [], ["c1"]) == Finding("busy")
    await dead.close()
    assert await state(journal, "l") == "sent"
    assert await take(journal, "k", [], ["c1"]) == Finding("none")


async def test_a_create_on_its_way_may_have_made_the_case(
    journal: SQLiteJournal, other: SQLiteJournal
) -> None:
    """Whatever its process: wait for it, unless it was sent after the list was requested."""
    await in_doubt(journal, "k")
    asked = asyncio.get_running_loop().time()
    await claim(other, "l")
    await claim(journal, "m")
    assert await take(journal, "k", ["c1"]) == Finding("busy")
    assert await take(journal, "k") == Finding("none")
    await journal.confirm("m", "c2")
    assert await take(journal, "k", ["c1", "c2"]) == Finding("busy")
    assert await journal.take("k", ["c1"], [], asked=asked) == Finding("found", ("c1",))


async def test_a_case_is_taken_back_when_its_maker_is_known(journal: SQLiteJournal) -> None:
    """The key that was thought to have made it is in doubt again, with a note that says why."""
    await in_doubt(journal, "k", "l")
    await take(journal, "k", ["c1"])
    await journal.confirm("l", "c1")
    entry = await claim(journal)
    assert (entry.state, entry.case_id, entry.held) == ("unknown", None, True)
    assert entry.note == "c1 was made by another key"
    assert (await claim(journal, "l")).case_id == "c1"


# ---- what an operator does -----------------------------------------------------------------


async def test_entries_are_listed_oldest_first(journal: SQLiteJournal) -> None:
    """All of them, or those of one state."""
    for key, case_id in [("b", "c1"), ("a", None), ("c", "c2")]:
        await claim(journal, key)
        if case_id:
            await journal.confirm(key, case_id)
    assert [entry.key for entry in await journal.entries()] == ["b", "a", "c"]
    assert [entry.key for entry in await journal.entries("confirmed")] == ["b", "c"]
    assert {name: len(await journal.entries(name)) for name in STATES} == {
        "planned": 0, "sent": 1, "confirmed": 2, "rejected": 0, "unknown": 0, "reconciled": 0,
    }  # fmt: skip
    with pytest.raises(ConfigError, match=r"state must be one of sent, .*, got 'lost'"):
        await journal.entries("lost")


async def test_an_operator_settles_a_doubt(journal: SQLiteJournal) -> None:
    """With the case that was found, or with none: then it may be sent again."""
    await in_doubt(journal, "k", "l")
    found = await journal.resolve("k", "c1")
    assert (found.state, found.case_id) == ("reconciled", "c1")
    none = await journal.resolve("l", None)
    assert (none.state, none.case_id) == ("rejected", None)
    assert (await claim(journal)).case_id == "c1"
    assert (await claim(journal, "l")).state == "sent"


@pytest.mark.parametrize(
    ("key", "case_id", "reason"),
    [
        ("none", "c9", "it is not in the journal"),
        ("settled", "c9", "its state is confirmed"),
        ("mine", "c9", "a process is at work on it"),
        ("others", None, "a process is at work on it"),
        ("doubt", "c1", "c1 is another key's case"),
    ],
)
async def test_an_operator_cannot_settle_it(
    key: str, case_id: str | None, reason: str, journal: SQLiteJournal, other: SQLiteJournal
) -> None:
    """What is settled, held, not there, or would have another key's case stays as it is."""
    await in_doubt(journal, "doubt")
    for each, name in ((journal, "settled"), (journal, "mine"), (other, "others")):
        await claim(each, name)
    await journal.confirm("settled", "c1")
    before = await journal.entries()
    with pytest.raises(ConfigError, match=f"cannot resolve the key '{key}': {reason}"):
        await journal.resolve(key, case_id)
    assert await journal.entries() == before


async def test_what_was_settled_long_ago_is_forgotten(journal: SQLiteJournal) -> None:
    """What is in doubt stays, and so does what looks like it."""
    for key, match_digest in [("old", "1"), ("refused", "2"), ("doubt", "3"), ("like", "3")]:
        await journal.claim(key, digest=key, match_digest=match_digest)
    await journal.confirm("old", "c1")
    await journal.reject("refused", "ApiError")
    await journal.confirm("like", "c2")
    assert await journal.prune(older_than=timedelta(hours=1)) == 0
    assert await journal.prune(older_than=timedelta(microseconds=1)) == 2
    assert {entry.key for entry in await journal.entries()} == {"doubt", "like"}
    with pytest.raises(
        ConfigError, match=r"older_than must be a timedelta > 0, got datetime.timedelta\(0\)"
    ):
        await journal.prune(older_than=timedelta(0))


# ---- the file ------------------------------------------------------------------------------


async def test_everything_is_there_after_it_was_opened_again(path: Path) -> None:
    """Times come back to the microsecond."""
    async with SQLiteJournal(path) as journal:
        await in_doubt(journal, "k", "l")
        await take(journal, "k", ["c1"])
        before = await journal.entries()
    async with SQLiteJournal(str(path)) as journal:
        assert await journal.entries() == before
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_journal_in_memory_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of them share nothing, and there is no file."""
    monkeypatch.chdir(tmp_path)
    async with SQLiteJournal(":memory:") as one, SQLiteJournal(":memory:") as two:
        assert (await claim(one)).held
        assert not (await claim(one)).held
        assert (await claim(two)).held
    assert os.listdir(tmp_path) == []  # noqa: PTH208  (in a coroutine)


@pytest.mark.parametrize("given", ["", "missing/journal.db"])
def test_a_path_that_cannot_be_a_file_is_refused(given: str, tmp_path: Path) -> None:
    """It is refused at once, before anything is opened."""
    with pytest.raises(ConfigError, match=r"journal must be a file in an existing folder, got "):
        SQLiteJournal(tmp_path / given)


def text_file(path: Path) -> None:
    """Write a text where the journal should be."""
    path.write_text("my notes\n" * 500)


def another_database(path: Path) -> None:
    """Make another database where the journal should be."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE mine (a)")


def no_folder(path: Path) -> None:
    """Take the folder away."""
    path.parent.rmdir()


@pytest.mark.parametrize("spoil", [text_file, another_database, no_folder])
async def test_without_a_journal_nothing_is_sent(
    spoil: object, tenant: Emulator, tmp_path: Path
) -> None:
    """The error is ours, the file stays as it is, and no request leaves."""
    path = tmp_path / "folder" / "journal.db"
    path.parent.mkdir()
    journal = SQLiteJournal(path)
    assert callable(spoil)
    spoil(path)
    before = path.read_bytes() if path.exists() else None
    client = AICCClient(
        tenant.url, auth=StaticToken(tenant.token()), journal=journal, timezone="Asia/Shanghai"
    )
    async with client as aicc:
        for _ in range(2):
            with pytest.raises(JournalError, match=r"cannot use the journal .*journal.db: "):
                await aicc.create_case(new_case(), key="k")
    assert [call.operation for call in tenant.requests] == []
    assert (path.read_bytes() if path.exists() else None) == before


def first_layout(path: Path) -> int:
    """Write a journal as it was before layouts had a number, and return what counts as one."""
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(FIRST_LAYOUT)
    return 0


def later_layout(path: Path) -> int:
    """Write a journal as a later version may, and return its layout."""
    with closing(open_database(path)) as db:
        db.execute(
            "INSERT INTO creates (key, digest, match_digest, state, created_at, updated_at,"
            " updated_steady, boot) VALUES ('k', 'd', 'm', 'sent', 1, 2, 3, 'b')"
        )
        db.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    return LAYOUT + 1


@pytest.mark.parametrize("write", [first_layout, later_layout])
async def test_a_journal_of_another_layout_is_refused(
    write: Callable[[Path], int], tenant: Emulator, tmp_path: Path
) -> None:
    """The error names the file and what to do, it stays as it is, and no request leaves."""
    path = tmp_path / "journal.db"
    layout = write(path)
    before = path.read_bytes()
    journal = SQLiteJournal(path)
    client = AICCClient(
        tenant.url, auth=StaticToken(tenant.token()), journal=journal, timezone="Asia/Shanghai"
    )
    async with client as aicc:
        with pytest.raises(JournalError) as caught:
            await aicc.create_case(new_case(), key="k")
        with pytest.raises(JournalError, match=f"its layout must be {LAYOUT}, got {layout}"):
            await journal.entries()
    assert str(caught.value) == (
        f"cannot use the journal {path}: its layout must be {LAYOUT}, got {layout}. Settle its"
        " open creates with the version that wrote it, then start a new journal"
    )
    assert tenant.requests == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [100, 4_096, 20_000])
async def test_a_full_disk_sends_nothing(size: int, tenant: Emulator, path: Path) -> None:
    """Creates fail before they are sent, or the error has their case; with room they succeed."""
    auth = StaticToken(tenant.token())
    async with AICCClient(
        tenant.url, auth=auth, journal=SQLiteJournal(path), timezone="Asia/Shanghai"
    ) as aicc:
        failed = 0
        with no_file_beyond(size):
            for number in range(30):
                try:
                    await aicc.create_case(new_case(), key=f"k{number}")
                except JournalError as error:
                    assert "cannot use the journal" in str(error)  # noqa: PT017  (some succeed)
                    failed += error.case_id is None
        made = tenant.count() - 300
        assert made == 30 - failed < 30
        for number in range(30):
            await aicc.create_case(new_case(), key=f"k{number}")
    assert tenant.count() == 330


async def test_many_processes_open_a_new_journal_at_once(path: Path) -> None:
    """Each works, none waits for ever, and every key is held by one of them."""
    command = (sys.executable, "-c", RACE, str(path))
    racers = [
        subprocess.Popen(  # noqa: S603, ASYNC220  (our own command)
            (*command, str(number)), stdin=-1, stdout=-1, stderr=-1, text=True
        )
        for number in range(6)
    ]
    held = []
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("g")
        racer.stdin.flush()
    for racer in racers:
        assert racer.stdout
        held += [line.strip() for line in takewhile("done\n".__ne__, racer.stdout)]
    assert [racer.communicate(timeout=60) for racer in racers] == [("", "")] * len(racers)
    assert sorted(held) == sorted(f"k{number}" for number in range(20))


async def test_many_threads_open_new_journals_at_once(tmp_path: Path) -> None:
    """Whoever comes while another one makes the file waits for it."""
    for number in range(25):
        opened = [SQLiteJournal(tmp_path / f"{number}.db") for _ in range(4)]
        entries = await asyncio.gather(*(claim(each) for each in opened))
        assert sum(entry.held for entry in entries) == 1
        await asyncio.gather(*(each.close() for each in opened))


async def test_a_journal_closed_while_claims_wait_stays_closed(
    journal: SQLiteJournal, tmp_path: Path
) -> None:
    """What still waits is written, and nothing opens the journal anew."""
    tasks = [asyncio.create_task(claim(journal, f"k{number}")) for number in range(600)]
    await asyncio.sleep(0)
    await journal.close()
    assert all(entry.held for entry in await asyncio.gather(*tasks))
    assert owners(tmp_path) == 0


async def test_a_job_that_fails_ends_nothing(journal: SQLiteJournal) -> None:
    """Its caller gets the error, and the journal works on for the others."""
    with pytest.raises(UnicodeEncodeError):
        await journal.entry("\ud800")
    assert (await claim(journal)).held


async def test_a_thousand_claims_share_their_syncs(journal: SQLiteJournal) -> None:
    """Claims that wait together are written together, and each returns its own entry."""
    keys = [f"k{number}" for number in range(1000)]
    entries = await asyncio.gather(*(claim(journal, key) for key in keys))
    assert [entry.key for entry in entries] == keys
    assert all(entry.held for entry in entries)


async def test_what_is_in_memory_alone_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody prunes it, so it goes when it is a day old; what is in doubt stays."""
    monkeypatch.setattr(sqlite_journal, "CLAIMS_PER_PRUNE", 3)
    monkeypatch.setattr(sqlite_journal, "MEMORY_RETENTION", timedelta(microseconds=1))
    async with SQLiteJournal(":memory:") as journal:
        for key in ("a", "b", "c", "d"):
            await journal.claim(key, digest=key, match_digest=key)
            if key != "b":
                await journal.confirm(key, f"case-{key}")
        assert [entry.key for entry in await journal.entries()] == ["b", "c", "d"]


async def test_a_new_journal_is_private_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    """Nobody chose a mode for the file and its locks; one that somebody chose stays."""
    path = tmp_path / "cases.journal"
    async with SQLiteJournal(path) as journal:
        await journal.claim("k", digest="d", match_digest=MATCH_DIGEST)
        modes = {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}  # noqa: ASYNC240  (few files)
        assert modes == {0o600}
    path.chmod(0o640)
    async with SQLiteJournal(path) as journal:
        assert await journal.entry("k")
    assert path.stat().st_mode & 0o777 == 0o640


async def test_locks_of_killed_processes_are_swept(tmp_path: Path) -> None:
    """Opening a journal removes what nobody holds, and neither a living process's nor a user's."""
    path = tmp_path / "cases[1].journal"
    dead = tmp_path / f"{path.name}-owner-{'0' * 32}"
    others = [tmp_path / f"{path.name}-owner-mine", tmp_path / f"b.journal-owner-{'0' * 32}"]
    async with SQLiteJournal(path) as first:
        await first.entries()
        alive = [each for each in tmp_path.iterdir() if "-owner-" in each.name]  # noqa: ASYNC240
        assert alive
        for file in (dead, *others):
            file.touch()
        async with SQLiteJournal(path) as second:
            await second.entries()
            assert not dead.exists()
            assert all(file.exists() for file in (*alive, *others))
