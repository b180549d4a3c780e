"""What marks an SQLite file as ours, and as one that this version reads: in its header."""

from __future__ import annotations

import sqlite3

from attrs import frozen

from .entry import JOURNAL_ADVICE, describe_layout


@frozen(kw_only=True)
class FileLayout:
    """The tables of a kind of file; ``number`` grows with every change of them.

    ``foreign`` says what is wrong with a database of somebody else's, ``advice`` what to do about
    one of another layout.
    """

    # https://www.sqlite.org/pragma.html#pragma_application_id
    application_id: int
    number: int
    schema: str
    foreign: str
    advice: str = JOURNAL_ADVICE

    def create_or_check(self, db: sqlite3.Connection) -> None:
        """Create the tables in an empty file; sqlite3.DatabaseError for another database or layout.

        Within a transaction, or two processes would both find an empty file.
        """
        (application_id,) = db.execute("PRAGMA application_id").fetchone()
        (number,) = db.execute("PRAGMA user_version").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application_id != self.application_id:
            raise sqlite3.DatabaseError(self.foreign)
        if tables and number != self.number:
            raise sqlite3.DatabaseError(
                describe_layout(found=number, known=self.number, advice=self.advice)
            )
        if not tables:
            db.execute(f"PRAGMA application_id = {self.application_id}")
            db.execute(f"PRAGMA user_version = {self.number}")
            for statement in self.schema.split(";"):
                db.execute(statement)
