"""The tables of the memory, and how a file of an earlier version becomes one of this."""

from __future__ import annotations

import sqlite3

from dyadwatch.core.errors import MemoryFileError

APPLICATION = 0x64796164  # "dyad", in the head of every file of ours

# One a version, never changed once released: a file goes through those it has not had.
MIGRATIONS = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY,
        started INTEGER NOT NULL,
        ended INTEGER,
        program TEXT NOT NULL,
        model TEXT NOT NULL
    ) STRICT;
    CREATE TABLE incidents (
        id TEXT PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (id),
        source TEXT NOT NULL,
        about TEXT NOT NULL,
        severity TEXT NOT NULL,
        reason TEXT NOT NULL,
        open INTEGER NOT NULL CHECK (open IN (0, 1)),
        began INTEGER NOT NULL,      -- unix ns at which its first message was kept
        told INTEGER NOT NULL,       -- and the latest
        continues TEXT,              -- id of the incident of an earlier run that this one goes on with
        message TEXT NOT NULL        -- the latest, as JSON
    ) STRICT;
    CREATE INDEX incidents_by_time ON incidents (began);
    CREATE INDEX incidents_open ON incidents (open) WHERE open = 1;
    CREATE TABLE updates (
        incident TEXT NOT NULL REFERENCES incidents (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        told INTEGER NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (incident, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE actions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        kind TEXT NOT NULL,
        incident TEXT REFERENCES incidents (id) ON DELETE CASCADE,
        source TEXT,
        until INTEGER,
        verdict TEXT,
        who TEXT NOT NULL DEFAULT '',
        note TEXT NOT NULL DEFAULT ''
    ) STRICT;
    CREATE INDEX actions_of ON actions (incident, kind);
    CREATE TABLE calls (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        message TEXT NOT NULL
    ) STRICT;
    CREATE TABLE near_misses (
        id TEXT PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (id),
        source TEXT NOT NULL,
        told INTEGER NOT NULL,
        peak_score REAL NOT NULL,
        message TEXT NOT NULL
    ) STRICT;
    CREATE INDEX near_misses_by_peak ON near_misses (source, peak_score);
    CREATE INDEX near_misses_by_time ON near_misses (told);
    CREATE TABLE source_states (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (id),
        source TEXT NOT NULL,
        at INTEGER NOT NULL,
        state TEXT NOT NULL,
        code TEXT,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX source_states_by_time ON source_states (source, at);
    """,
    """
    CREATE TABLE calibrations (
        run TEXT PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
        at INTEGER NOT NULL,         -- unix ns at which the run took it up
        model_sha256 TEXT NOT NULL,
        thresholds TEXT NOT NULL,    -- as JSON: raise_at, clear_at and rules in force
        evidence TEXT NOT NULL       -- as JSON: what the calibration rests on; {} where it is of the configuration
    ) STRICT;
    CREATE TABLE config_changes (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
        at INTEGER NOT NULL,
        who TEXT NOT NULL,
        changes TEXT NOT NULL        -- as JSON: a list of key, before and after
    ) STRICT;
    """,
    """
    ALTER TABLE runs ADD COLUMN seen INTEGER;  -- unix ns at which it was last known to go on
    """,
)


def version_of(connection: sqlite3.Connection, name: str) -> int:
    """The version of a file, 0 for a new one; nothing of it is changed.

    Arguments:
        connection: to it.
        name: of the file, for errors.

    Raises:
        MemoryFileError: it is of another program, or of a newer version of this.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and (tables or version or application):
        raise MemoryFileError(
            f"{name} is an SQLite file of another program; expected a memory of dyadwatch, or no file"
        )
    if version > len(MIGRATIONS):
        raise MemoryFileError(
            f"{name} is a memory of version {version}; this dyadwatch knows versions up to {len(MIGRATIONS)}: install "
            "a newer one, or name another file"
        )
    return version


def migrate(connection: sqlite3.Connection, version: int) -> None:
    """Brings a file from a version to the present one, step by step, each whole or not at all.

    Arguments:
        connection: in autocommit mode.
        version: that it has.
    """
    for number in range(version, len(MIGRATIONS)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {MIGRATIONS[number]} PRAGMA application_id = {APPLICATION};"
            f" PRAGMA user_version = {number + 1}; COMMIT;"
        )
