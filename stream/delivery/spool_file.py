"""The spool as SQLite: one file beside the memory, or a spare in memory while the disk fails."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Self

from dyadwatch.core.errors import DeliveryError
from dyadwatch.core.files.locks import FileLock
from dyadwatch.core.files.transactions import transaction

APPLICATION = 0x64796164 + 1
VERSION = 1
_SCHEMA = """
    CREATE TABLE waiting (
        number INTEGER PRIMARY KEY AUTOINCREMENT,   -- the order
        target TEXT NOT NULL,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,                        -- unix ns at which it was taken
        plain INTEGER NOT NULL,                     -- 1: goes first where there are too many
        tries INTEGER NOT NULL DEFAULT 0,
        parcel TEXT NOT NULL,                       -- JSON
        UNIQUE (target, key)
    ) STRICT;
    CREATE TABLE numbers (about TEXT PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
    CREATE TABLE told (
        target TEXT NOT NULL, incident TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (target, incident)
    ) STRICT;
    CREATE TABLE totals (target TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (target, what))
    STRICT;
"""


_COLUMNS = "target, key, at, plain, tries, parcel"
_ADD = f"INSERT OR IGNORE INTO waiting ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
_NUMBER = "INSERT OR REPLACE INTO numbers VALUES (?, ?, ?)"
_TOLD = "INSERT OR REPLACE INTO told VALUES (?, ?, ?)"
_COUNT = "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"
_ALL = (
    (f"SELECT {_COLUMNS} FROM waiting ORDER BY number", _ADD),
    ("SELECT about, number, at FROM numbers", _NUMBER),
    ("SELECT target, incident, at FROM told", _TOLD),
    ("SELECT target, what, count FROM totals", _COUNT),
)


# Of a target and its receivers: those of NAME are NAME/..., and 0 is the character behind /.
_OF_TARGET = "(target = ?1 OR (target > ?1 || '/' AND target < ?1 || '0'))"


def receiver_name(target: str, receiver: str) -> str:
    """What stands in the place of the name of a target that has several receivers, each with updates of its own."""
    return f"{target}/{receiver}"


class SpoolRow(NamedTuple):
    """One update that waits for one target, or for one receiver of it."""

    target: str
    key: str
    at: int
    plain: int
    tries: int
    parcel: str


class SpoolFile:
    """One SQLite database of updates that wait.

    Arguments:
        path: of the file; None for one in memory.
        write: False to look only.

    Raises:
        DeliveryError: naming the file and what is wrong with it, or that another detector delivers from it.
    """

    def __init__(self, path: Path | None, *, write: bool = True) -> None:
        self.path = path
        self._lock: FileLock | None = None
        try:
            if path is not None and write:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._lock = FileLock(path)
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            name = ":memory:" if path is None else f"{path.absolute().as_uri()}?mode={'rw' if write else 'ro'}"
            self._db = sqlite3.connect(name, timeout=5.0, isolation_level=None, check_same_thread=False, uri=True)
            self._prepare()
        except BlockingIOError:
            raise DeliveryError(
                f"another detector delivers from {path}; give each a file of its own with delivery.file"
            ) from None
        except (OSError, sqlite3.Error) as e:
            self._unlock()
            why = e.strerror if isinstance(e, OSError) else str(e)
            raise DeliveryError(f"{path} cannot be opened ({why}); expected a spool of dyadwatch, or no file") from None
        except BaseException:
            self._unlock()
            raise

    def _prepare(self) -> None:
        (application,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and (application, version) != (APPLICATION, VERSION):
            raise DeliveryError(
                f"{self.path} is no spool of this version of dyadwatch; name another file with delivery.file, or move "
                "it away: what waits in it is then not delivered"
            )
        if not tables:
            self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        if not tables:
            self._db.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
                " COMMIT;"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file, for another detector to deliver from it."""
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        return transaction(self._db)

    def add(
        self, rows: Iterable[SpoolRow], numbers: Mapping[str, int], told: Iterable[tuple[str, str]], at: int
    ) -> None:
        """Adds updates, all or none.

        Arguments:
            rows: in order.
            numbers: the last number of each group of updates.
            told: (target, incident) of those that a target is notified of.
            at: unix ns.

        Raises:
            sqlite3.Error: none was.
        """
        with self._transaction() as db:
            db.executemany(_ADD, rows)
            db.executemany(_NUMBER, [(about, number, at) for about, number in numbers.items()])
            db.executemany(_TOLD, [(*one, at) for one in told])

    def end(self, ends: Iterable[tuple[str, str, str]]) -> int:
        """Takes updates out: (target, key, what became of it). Gives how many there were.

        They are counted for the target, whichever of its receivers they were for.

        Raises:
            sqlite3.Error: none was.
        """
        with self._transaction() as db:
            found = 0
            for target, key, what in ends:
                if db.execute("DELETE FROM waiting WHERE target = ? AND key = ?", (target, key)).rowcount:
                    found += 1
                    db.execute(_COUNT, (target.partition("/")[0], what, 1))
        return found

    def absorb(self, other: SpoolFile) -> None:
        """Takes all that another holds, behind what is here.

        Raises:
            sqlite3.Error: nothing was taken.
        """
        with self._transaction() as db:
            for query, into in _ALL:
                db.executemany(into, other._db.execute(query).fetchall())

    def tried(self, target: str, key: str) -> None:
        """Counts a try that failed.

        Raises:
            sqlite3.Error: it could not be counted.
        """
        self._db.execute("UPDATE waiting SET tries = tries + 1 WHERE target = ? AND key = ?", (target, key))

    def first(self, target: str, without: Collection[str]) -> SpoolRow | None:
        """The oldest update for a target, but for some keys."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM waiting WHERE target = ? ORDER BY number LIMIT ?", (target, len(without) + 1)
        )
        return next((row for values in rows if (row := SpoolRow(*values)).key not in without), None)

    def least(self, target: str) -> str | None:
        """Key of the update that goes first where there are too many."""
        row = self._db.execute(
            "SELECT key FROM waiting WHERE target = ? ORDER BY plain DESC, number LIMIT 1", (target,)
        ).fetchone()
        return row and row[0]

    def waiting(self, target: str) -> tuple[int, int | None]:
        """How many updates wait for a target, with all its receivers, and unix ns of the oldest."""
        return self._db.execute(f"SELECT count(*), min(at) FROM waiting WHERE {_OF_TARGET}", (target,)).fetchone()

    def receivers(self, target: str) -> set[str]:
        """For which of its receivers anything waits."""
        query = f"SELECT DISTINCT target FROM waiting WHERE {_OF_TARGET}"
        return {name for (name,) in self._db.execute(query, (target,))} - {target}

    def totals(self, target: str) -> Counter[str]:
        """What became of the updates for a target."""
        return Counter(dict(self._db.execute("SELECT what, count FROM totals WHERE target = ?", (target,))))

    def number(self, about: str) -> int:
        """The last number of a group of updates; 0 for none."""
        row = self._db.execute("SELECT number FROM numbers WHERE about = ?", (about,)).fetchone()
        return row[0] if row else 0

    def is_told(self, target: str, incident: str) -> bool:
        """Whether a target was notified of an incident."""
        query = "SELECT 1 FROM told WHERE target = ? AND incident = ?"
        return self._db.execute(query, (target, incident)).fetchone() is not None

    def forget(self, before: int) -> None:
        """Deletes numbers, and who was notified of what, that are older.

        Raises:
            sqlite3.Error: nothing was deleted.
        """
        with self._transaction() as db:
            db.execute("DELETE FROM numbers WHERE at < ?", (before,))
            db.execute("DELETE FROM told WHERE at < ?", (before,))
        self._db.execute("PRAGMA incremental_vacuum").fetchall()
