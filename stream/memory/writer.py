"""Writes to the memory what a run of the detector publishes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from dyadwatch.core.decision.calibration_file import Calibration
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import MemoryFileError
from dyadwatch.core.files.locks import FileLock
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import AT_REST, IncidentReason, SourceState
from dyadwatch.stream.configuration.config import MemoryOptions
from dyadwatch.stream.memory.kept import Action, ActionKind, Before, ConfigChange, KeptIncident, Wanted
from dyadwatch.stream.memory.source_spans import GONE
from dyadwatch.stream.memory.store import Store, insert_action
from dyadwatch.stream.messages import (
    AttentionMessage,
    IncidentMessage,
    Message,
    NearMissMessage,
    StatusMessage,
    encode_json,
)
from dyadwatch.stream.run import Run
from dyadwatch.stream.texts import INCIDENT

_MOST_UPDATES = 200  # kept of one incident; its latest state is kept always
_CONTINUES_S = 60.0  # an incident that comes again so soon after a restart, among the same people, goes on
_PLAIN = (IncidentReason.STILL_GOING_ON,)  # updates that tell nothing new but the latest state


class MemoryWriter:
    """The one writer of a file, for as long as a run lasts.

    Incidents that an earlier run left open are closed as interrupted; one that opens soon after among the same people
    goes on with it, its acknowledgement too.

    Arguments:
        path: of the file; it is made if need be.
        options: the section `memory` of the configuration.
        run: the present one.
        program, model: reported with the run.
        now: unix ns.

    Attributes:
        interrupted: the last messages of those incidents, for who saw them open.

    Raises:
        MemoryFileError: the file cannot be used, or another detector writes it.
    """

    def __init__(
        self, path: Path, options: MemoryOptions, run: Run, program: str, model: str, now: int | None = None
    ) -> None:
        self._options = options
        self._run = run
        self._lock = _lock(path)
        try:
            self.store = Store(path, create=True)
        except BaseException:
            self._lock.release()
            raise
        now = time.time_ns() if now is None else now
        self._left: list[KeptIncident] = []
        self._states: dict[str, tuple[str, str]] = {}
        try:
            with self.store.transaction() as connection:
                connection.execute(
                    "INSERT INTO runs (id, started, program, model) VALUES (?, ?, ?, ?)",
                    (run.id, run.started, program, model),
                )
                self.interrupted = [self._interrupt(connection, kept, now) for kept in self._open()]
        except sqlite3.Error as e:
            self.close()
            raise MemoryFileError(f"{path} could not be written to: {e}") from None

    def _open(self) -> list[KeptIncident]:
        self._left = self.store.incidents(Wanted(open=True, most=10_000))
        return self._left

    def _interrupt(self, connection: sqlite3.Connection, kept: KeptIncident, now: int) -> IncidentMessage:
        message, reason = kept.message, IncidentReason.INTERRUPTED
        closed = msgspec.structs.replace(
            message, type="close", end=message.stamp, reason=reason, text=INCIDENT[reason], merged_into=None
        )
        self._keep_incident(connection, closed, kept.told, kept.run)
        connection.execute("UPDATE runs SET ended = ? WHERE id = ? AND ended IS NULL", (kept.told, kept.run))
        return closed

    def keep(self, messages: Iterable[Message], now: int) -> None:
        """Keeps messages, all or none.

        Raises:
            sqlite3.Error: none could be kept; they may be given again.
        """
        states = dict(self._states)
        try:
            self._keep_all(messages, now)
        except BaseException:
            self._states = states
            raise

    def keep_calibration(
        self, calibration: Calibration | None, thresholds: Thresholds, model_sha256: str, at: int = 0
    ) -> None:
        """Keeps what the run judges by, in the place of what it judged by before.

        Arguments:
            calibration: that its thresholds come from; None where they are of the configuration.
            thresholds: in force.
            model_sha256: of the model's file.
            at: unix ns from which on; 0: from its beginning.

        Raises:
            sqlite3.Error: it could not be kept.
        """
        rules = [rule.plain for rule in thresholds.rules]
        plain = {"raise_at": thresholds.raise_at, "clear_at": thresholds.clear_at, "rules": rules}
        evidence = {} if calibration is None else calibration.evidence
        row = (self._run.id, at or self._run.started, model_sha256, _json(plain), _json(evidence))
        with self.store.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO calibrations VALUES (?, ?, ?, ?, ?)", row)

    def keep_change(self, change: ConfigChange) -> None:
        """Keeps that the configuration was changed.

        Raises:
            sqlite3.Error: it could not be kept.
        """
        with self.store.transaction() as connection:
            connection.execute(
                "INSERT INTO config_changes (run, at, who, changes) VALUES (?, ?, ?, ?)",
                (self._run.id, change.at, change.who, _json(change.changes)),
            )

    def before(self, now: int, since: int) -> Before:
        """Calls and answers from before this run, as far as it still counts.

        Arguments:
            now: unix ns.
            since: unix ns from which on calls count.

        Raises:
            sqlite3.Error: it could not be read.
        """
        soon = [k for k in self._left if self._run.started - k.told < _CONTINUES_S * NS]
        return Before(
            calls=tuple(self.store.calls(since)),
            snoozes=tuple(self.store.snoozes(now)),
            acknowledged=tuple(k for k in soon if k.acknowledged),
            until=self._run.started + round(_CONTINUES_S * NS),
        )

    def is_news(self, status: StatusMessage) -> bool:
        """Whether a source does otherwise than it was kept last."""
        return self._states.get(status.source) != _state(status)

    def _keep_all(self, messages: Iterable[Message], now: int) -> None:
        with self.store.transaction() as connection:
            for message in messages:
                match message:
                    case IncidentMessage():
                        self._keep_incident(connection, message, now, self._run.id)
                    case NearMissMessage():
                        self._keep_near_miss(connection, message, now)
                    case AttentionMessage():
                        text = encode_json(message).decode()
                        connection.execute("INSERT INTO calls (at, message) VALUES (?, ?)", (message.at, text))
                    case StatusMessage():
                        self._keep_state(connection, message, now)
                    case _:
                        pass

    def forget(self, now: int) -> None:
        """Deletes what is older than it is to be kept, and gives its room back.

        Raises:
            sqlite3.Error: nothing was deleted.
        """
        if not self._options.keep_days:
            return
        before = now - round(self._options.keep_days * 86400 * NS)
        with self.store.transaction() as connection:
            connection.execute("DELETE FROM incidents WHERE NOT open AND told < ?", (before,))
            connection.execute("DELETE FROM actions WHERE incident IS NULL AND at < ?", (before,))
            connection.execute("DELETE FROM calls WHERE at < ?", (before,))
            connection.execute("DELETE FROM near_misses WHERE told < ?", (before,))
            connection.execute(
                "DELETE FROM source_states WHERE at < ?"  # but not what still holds
                " AND id NOT IN (SELECT max(id) FROM source_states WHERE run = ? GROUP BY source)",
                (before, self._run.id),
            )
            connection.execute(
                "DELETE FROM runs WHERE started < ? AND id != ? AND id NOT IN (SELECT run FROM incidents)"
                " AND id NOT IN (SELECT run FROM near_misses) AND id NOT IN (SELECT run FROM source_states)",
                (before, self._run.id),
            )
        self.store.connection.execute("PRAGMA incremental_vacuum").fetchall()

    def goes_on(self, now: int) -> None:
        """Takes note that the run goes on: of one that is killed it is known until when.

        Raises:
            sqlite3.Error: that could not be kept.
        """
        with self.store.transaction() as connection:
            connection.execute("UPDATE runs SET seen = ? WHERE id = ?", (now, self._run.id))

    def gone(self, at: int, sources: Collection[str] | None = None) -> None:
        """Takes note that sources have no state any more, until they are heard of again.

        Arguments:
            at: unix ns since when.
            sources: their names; None for all, as where the machine slept.

        Raises:
            sqlite3.Error: that could not be kept.
        """
        names = [name for name in self._states if sources is None or name in sources]
        with self.store.transaction() as connection:
            connection.executemany(
                "INSERT INTO source_states (run, source, at, state, code, text) VALUES (?, ?, ?, ?, '', '')",
                [(self._run.id, name, at, GONE) for name in names],
            )
        for name in names:
            del self._states[name]

    def end(self, now: int) -> None:
        """Takes note that the run ends as it should.

        Raises:
            sqlite3.Error: that could not be kept.
        """
        with self.store.transaction() as connection:
            connection.execute("UPDATE runs SET ended = ? WHERE id = ?", (now, self._run.id))

    def close(self) -> None:
        """Closes the file, for others to write it."""
        self.store.close()
        self._lock.release()

    def _keep_incident(self, connection: sqlite3.Connection, m: IncidentMessage, now: int, run: str) -> None:
        text = encode_json(m).decode()
        row = (str(m.severity), str(m.reason), int(m.type != "close"), now, text)
        known = connection.execute("SELECT run FROM incidents WHERE id = ?", (m.id,)).fetchone()
        if known is None:
            went_on = self._goes_on(m, now)
            connection.execute(
                "INSERT INTO incidents"
                " (id, run, source, about, began, continues, severity, reason, open, told, message)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (m.id, run, m.source, str(m.about), now, went_on and went_on.message.id, *row),
            )
            if went_on is not None and went_on.acknowledged and went_on.message.severity.rank >= m.severity.rank:
                note = f"of {went_on.message.id}, which this goes on with"
                action = Action(
                    at=now, kind=ActionKind.ACKNOWLEDGE, incident=m.id, who=went_on.acknowledged_by, note=note
                )
                insert_action(connection, action)
        else:
            # The same happening played again has the same id: it is reported once, as it went the last time.
            connection.execute(
                "UPDATE incidents SET run = ?, severity = ?, reason = ?, open = ?, told = ?, message = ? WHERE id = ?",
                (run, *row, m.id),
            )
        if m.reason in _PLAIN:
            return
        (number,) = connection.execute(
            "SELECT ifnull(max(number), 0) FROM updates WHERE incident = ?", (m.id,)
        ).fetchone()
        if number < _MOST_UPDATES or m.type == "close":
            connection.execute("INSERT INTO updates VALUES (?, ?, ?, ?)", (m.id, number + 1, now, text))

    def _goes_on(self, m: IncidentMessage, now: int) -> KeptIncident | None:
        """The incident of an earlier run that one goes on with which opens now; None for none."""
        if m.type != "open" or now - self._run.started > _CONTINUES_S * NS:
            self._left = []
            return None
        for kept in self._left:
            if kept.may_go_on_as(m) and self._run.started - kept.told < _CONTINUES_S * NS:
                return kept
        return None

    def _keep_near_miss(self, connection: sqlite3.Connection, m: NearMissMessage, now: int) -> None:
        """Keeps the highest of each source."""
        connection.execute(
            "INSERT OR REPLACE INTO near_misses (id, run, source, told, peak_score, message) VALUES (?, ?, ?, ?, ?, ?)",
            (m.id, self._run.id, m.source, now, m.peak_score, encode_json(m).decode()),
        )
        connection.execute(
            "DELETE FROM near_misses WHERE source = ? AND id IN"
            " (SELECT id FROM near_misses WHERE source = ? ORDER BY peak_score DESC, told DESC LIMIT -1 OFFSET ?)",
            (m.source, m.source, self._options.near_misses),
        )

    def _keep_state(self, connection: sqlite3.Connection, status: StatusMessage, now: int) -> None:
        """Keeps changes alone."""
        if not self.is_news(status):
            return
        state = self._states[status.source] = _state(status)
        connection.execute(
            "INSERT INTO source_states (run, source, at, state, code, text) VALUES (?, ?, ?, ?, ?, ?)",
            (self._run.id, status.source, now, *state, status.blind.text if state[1] and status.blind else ""),
        )


def _state(status: StatusMessage) -> tuple[str, str]:
    """State and code; one that sees people come and go watches, or learns, as it should."""
    code = str(status.blind.code) if status.blind else ""
    calm = SourceState.WATCHING if status.learning is None else SourceState.LEARNING
    return (str(calm), "") if code in AT_REST else (str(status.state), code)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _lock(path: Path) -> FileLock:
    """The right to write the memory.

    Raises:
        MemoryFileError: somebody else has it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(path)
    except BlockingIOError:
        raise MemoryFileError(
            f"{path} is written by another detector; give each a file of its own, with --memory or memory.file"
        ) from None
    except OSError as e:
        raise MemoryFileError(
            f"{path}.lock cannot be made ({e.strerror}); expected a folder that can be written to"
        ) from None
