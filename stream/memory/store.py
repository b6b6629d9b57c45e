"""The memory as one SQLite file: it is read and acted on while a detector writes it, and outlives any kill."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from dyadwatch.core.errors import MemoryFileError, UnknownIncidentError
from dyadwatch.core.files.transactions import transaction
from dyadwatch.stream.codes import SEVERITIES
from dyadwatch.stream.memory.kept import (
    Action,
    ActionKind,
    ChangedKey,
    ConfigChange,
    KeptIncident,
    KeptRun,
    Verdict,
    Wanted,
)
from dyadwatch.stream.memory.schema import migrate, version_of
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, NearMissMessage

_BUSY_S = 5.0  # for which another writer, such as `dyadwatch events`, is waited for
_JOURNAL = 4 << 20  # bytes of the log that stay after a checkpoint
_MOST_ACTIONS = 1000

EVERYTHING = Wanted()
decode_incident = msgspec.json.Decoder(IncidentMessage).decode
_decode_call = msgspec.json.Decoder(AttentionMessage).decode
_decode_changes = msgspec.json.Decoder(tuple[ChangedKey, ...]).decode
_decode_near_miss = msgspec.json.Decoder(NearMissMessage).decode


class Store:
    """One file of memory, as a context manager. Of one thread.

    A commit is on the disk when it returns (synchronous=FULL): what somebody acknowledged must outlive a power cut, not
    only a kill, and there are a few commits a second at most, on a thread that nobody waits for.

    Arguments:
        path: of the file.
        create: whether to make one where there is none.

    Raises:
        MemoryFileError: naming the file and what is wrong with it.
    """

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        try:
            self._prepare(create)
            self.connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as e:
            why = e.strerror if isinstance(e, OSError) else str(e)
            raise MemoryFileError(f"{path} cannot be opened ({why}); expected a memory of dyadwatch") from None
        try:
            version = version_of(self.connection, str(path))
            for pragma in (
                "auto_vacuum = INCREMENTAL",  # before the first table: room of what is deleted can be given back
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                "trusted_schema = OFF",
                f"journal_size_limit = {_JOURNAL}",
            ):
                self.connection.execute(f"PRAGMA {pragma}")
            migrate(self.connection, version)
        except sqlite3.Error as e:
            self.connection.close()
            raise MemoryFileError(f"{path} is no memory of dyadwatch, or is damaged: {e}") from None
        except BaseException:
            self.connection.close()
            raise

    def _prepare(self, create: bool) -> None:
        """A new file can be read by its owner alone, and so can those that SQLite puts beside it."""
        if not self.path.exists():
            if not create:
                raise MemoryFileError(
                    f"there is no memory in {self.path}; a detector keeps one with --memory FILE, or where it records"
                )
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        if not self.path.is_file():
            raise MemoryFileError(f"{self.path} is no file; expected a memory of dyadwatch")
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if create and mode & 0o077:
            self.path.chmod(mode & ~0o077)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self.connection.close()

    def transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        """Everything in it is kept or nothing is.

        Raises:
            sqlite3.Error: it could not be kept.
        """
        return transaction(self.connection)

    def incidents(self, wanted: Wanted = EVERYTHING) -> list[KeptIncident]:
        """The incidents that are wanted, the latest first."""
        rules, values = ["(open OR told >= ?)", "began < ?"], [wanted.since, wanted.until]
        severities = [str(s) for s in SEVERITIES[SEVERITIES.index(wanted.least) :]]
        rules.append(f"severity IN ({', '.join('?' * len(severities))})")
        arguments: list[Any] = [*values, *severities]
        if wanted.source:
            rules.append("source = ?")
            arguments.append(wanted.source)
        if wanted.open:
            rules.append("open")
        if wanted.unacknowledged:
            rules.append("acknowledged IS NULL")
        if wanted.verdict:
            rules.append("ifnull(verdict, 'none') = ?")
            arguments.append(str(wanted.verdict))
        return self._select(f"WHERE {' AND '.join(rules)} ORDER BY began DESC, id LIMIT ?", (*arguments, wanted.most))

    def incident(self, start_of_id: str) -> KeptIncident:
        """The one whose id begins so.

        Raises:
            UnknownIncidentError: none does, or several do.
        """
        found = (
            self._select("WHERE substr(id, 1, ?) = ? LIMIT 6", (len(start_of_id), start_of_id)) if start_of_id else []
        )
        if len(found) == 1:
            return found[0]
        if found:
            some = ", ".join(kept.message.id for kept in found[:5])
            raise UnknownIncidentError(f"several incidents begin with {start_of_id!r}: {some}; give more of the id")
        raise UnknownIncidentError(
            f"no incident has the id {start_of_id!r:.80}; `dyadwatch events` lists those there are"
        )

    def near_misses(self, source: str = "", most: int = 1000) -> list[NearMissMessage]:
        """What came near to an event and was none, the highest first; of one source where it is named."""
        rows = self.connection.execute(
            "SELECT message FROM near_misses WHERE ? IN ('', source) ORDER BY peak_score DESC, told DESC LIMIT ?",
            (source, most),
        )
        return [_decode_near_miss(message) for (message,) in rows]

    def calls(self, since: int) -> list[AttentionMessage]:
        """Calls since a moment, unix ns, in order."""
        rows = self.connection.execute("SELECT message FROM calls WHERE at >= ? ORDER BY id", (since,))
        return [_decode_call(message) for (message,) in rows]

    def snoozes(self, now: int) -> list[Action]:
        """The snoozes of sources that last beyond a moment, unix ns; of each source the one that was asked for last."""
        rows = self.connection.execute(
            "SELECT source, until, max(id), at, who FROM actions WHERE kind = ? AND source IS NOT NULL GROUP BY source",
            (str(ActionKind.SNOOZE),),
        )
        return [
            Action(id=id, at=at, kind=ActionKind.SNOOZE, source=source, until=until, who=who)
            for source, until, id, at, who in rows
            if until is not None and until > now
        ]

    def runs(self, most: int = 20) -> list[KeptRun]:
        """The latest runs, the last first."""
        rows = self.connection.execute(
            "SELECT id, started, ended, program, model, ifnull(thresholds, '{}'), ifnull(evidence, '{}') FROM runs"
            " LEFT JOIN calibrations ON run = id ORDER BY started DESC LIMIT ?",
            (most,),
        )
        return [
            KeptRun(
                id=row[0],
                started=row[1],
                ended=row[2],
                program=row[3],
                model=row[4],
                thresholds=msgspec.json.decode(row[5]),
                evidence=msgspec.json.decode(row[6]),
                changes=self._changes(row[0]),
            )
            for row in rows.fetchall()
        ]

    def _changes(self, run: str) -> tuple[ConfigChange, ...]:
        rows = self.connection.execute("SELECT at, who, changes FROM config_changes WHERE run = ? ORDER BY id", (run,))
        return tuple(ConfigChange(at=at, who=who, changes=_decode_changes(changes)) for at, who, changes in rows)

    def updates(self, incident: str) -> list[tuple[int, IncidentMessage]]:
        """All that is kept of how an incident went: unix ns at which each message was kept, and the message."""
        rows = self.connection.execute(
            "SELECT told, message FROM updates WHERE incident = ? ORDER BY number", (incident,)
        )
        return [(told, decode_incident(message)) for told, message in rows]

    def actions(self, after: int = 0, incident: str = "") -> list[Action]:
        """What people did, from the action after that with the id `after` on; about one incident where it is named."""
        rows = self.connection.execute(
            "SELECT id, at, kind, ifnull(incident, ''), ifnull(source, ''), ifnull(until, 0), verdict, who, note"
            " FROM actions WHERE id > ? AND (? = '' OR incident = ?) ORDER BY id LIMIT ?",
            (after, incident, incident, _MOST_ACTIONS),
        )
        return [msgspec.convert(dict(zip(Action.__struct_fields__, row, strict=True)), Action) for row in rows]

    @property
    def last_action(self) -> int:
        """Id of the latest action; 0 for none."""
        (last,) = self.connection.execute("SELECT ifnull(max(id), 0) FROM actions").fetchone()
        return last

    def act(self, action: Action) -> Action:
        """Keeps an action at once; it is there whatever happens from then on. Gives it with its id.

        Raises:
            MemoryFileError: it could not be kept, or is about an incident that is not there.
        """
        try:
            with self.transaction() as connection:
                return insert_action(connection, action)
        except sqlite3.IntegrityError:
            raise UnknownIncidentError(f"no incident has the id {action.incident!r:.80}") from None
        except sqlite3.Error as e:
            raise MemoryFileError(f"{self.path} could not be written to: {e}") from None

    def _select(self, rest: str, arguments: Sequence[object]) -> list[KeptIncident]:
        rows = self.connection.execute(f"SELECT * FROM ({_OVERVIEW}) {rest}", arguments)
        return [
            KeptIncident(
                message=decode_incident(row[0]),
                run=row[1],
                began=row[2],
                told=row[3],
                continues=row[4] or "",
                acknowledged=row[5] or 0,
                acknowledged_by=row[6] or "",
                snoozed=row[7] or 0,
                verdict=None if row[8] is None else Verdict(row[8]),
                note=row[9] or "",
            )
            for row in rows
        ]


def _of(column: str, kind: ActionKind, order: str = "DESC") -> str:
    return (
        f"(SELECT {column} FROM actions a WHERE a.incident = i.id AND a.kind = '{kind}' ORDER BY a.id {order} LIMIT 1)"
    )


_OVERVIEW = f"""
    SELECT message, run, began, told, continues,
        {_of("at", ActionKind.ACKNOWLEDGE, "ASC")} AS acknowledged,
        {_of("who", ActionKind.ACKNOWLEDGE, "ASC")} AS acknowledged_by,
        {_of("until", ActionKind.SNOOZE)} AS snoozed,
        {_of("verdict", ActionKind.VERDICT)} AS verdict,
        (SELECT note FROM actions a WHERE a.incident = i.id AND a.note != '' ORDER BY a.id DESC LIMIT 1) AS note,
        id, source, severity, open
    FROM incidents i
"""


def insert_action(connection: sqlite3.Connection, action: Action) -> Action:
    """Adds an action within a transaction; gives it with its id."""
    cursor = connection.execute(
        "INSERT INTO actions (at, kind, incident, source, until, verdict, who, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            action.at,
            str(action.kind),
            action.incident or None,
            action.source or None,
            action.until if action.kind is ActionKind.SNOOZE else None,
            None if action.verdict is None else str(action.verdict),
            action.who,
            action.note,
        ),
    )
    assert cursor.lastrowid is not None
    return msgspec.structs.replace(action, id=cursor.lastrowid)
