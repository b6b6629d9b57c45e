"""The devices that are notified, and the key that messages are signed with: one SQLite file, for its owner alone.

The page adds and removes devices, the detector sends to them; both keep it open or open it as they need.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from dyadwatch.core.errors import ConfigError, DeliveryError
from dyadwatch.core.files.transactions import transaction
from dyadwatch.stream.push.push_device import PushDevice

APPLICATION = 0x64796164 + 2
VERSION = 1
MOST, MOST_OF_ONE = 100, 20  # devices in all, and of one token
_COLUMNS = ", ".join(PushDevice.__struct_fields__)
_GIVEN_ANEW = ", ".join(
    f"{name} = excluded.{name}" for name in ("endpoint", "p256dh", "auth", "name", "who", "token", "until", "least")
)
_SCHEMA = """
    CREATE TABLE signing (one INTEGER PRIMARY KEY CHECK (one = 1), private TEXT NOT NULL) STRICT;
    CREATE TABLE devices (
        id TEXT PRIMARY KEY, endpoint TEXT NOT NULL, p256dh TEXT NOT NULL, auth TEXT NOT NULL, name TEXT NOT NULL,
        who TEXT NOT NULL, token INTEGER NOT NULL, until INTEGER NOT NULL, least TEXT NOT NULL, since INTEGER NOT NULL,
        succeeded INTEGER NOT NULL, failed INTEGER NOT NULL, error TEXT NOT NULL
    ) STRICT;
"""


class DeviceFile:
    """The file; from any thread.

    Arguments:
        path: of the file; it is made where there is none.

    Raises:
        DeliveryError: naming the file and what is wrong with it; so does everything else here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as e:
            raise self._failure(e) from None
        try:
            self._prepare()
        except sqlite3.Error as e:
            self._db.close()
            raise self._failure(e) from None
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            self._db.close()

    def all(self) -> list[PushDevice]:
        """Every device, the oldest first."""
        with self._lock:
            try:
                rows = self._db.execute(f"SELECT {_COLUMNS} FROM devices ORDER BY since, id").fetchall()
            except sqlite3.Error as e:
                raise self._failure(e) from None
        fields = PushDevice.__struct_fields__
        try:
            return [msgspec.convert(dict(zip(fields, row, strict=True)), PushDevice) for row in rows]
        except msgspec.ValidationError as e:
            raise self._failure(e) from None

    def get(self, id_: str) -> PushDevice | None:
        """One device; None where it is not there any more."""
        return next((d for d in self.all() if d.id == id_), None)

    def add(self, device: PushDevice) -> None:
        """Adds a device, or changes the one with its id; when that was added and how it went stays.

        Raises:
            ConfigError: there are too many.
        """

        def add(db: sqlite3.Connection) -> None:
            mine = "SELECT count(*), coalesce(sum(who = ? AND token = ?), 0) FROM devices WHERE id != ?"
            total, of_one = db.execute(mine, (device.who, device.token, device.id)).fetchone()
            if total >= MOST or of_one >= MOST_OF_ONE:
                raise ConfigError(
                    f"{of_one} devices of {device.who} are notified and {total} in all; expected fewer than "
                    f"{MOST_OF_ONE} and {MOST}: remove one first"
                )
            marks = ", ".join("?" * len(PushDevice.__struct_fields__))
            values = msgspec.to_builtins(device)
            db.execute(
                f"INSERT INTO devices ({_COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {_GIVEN_ANEW}",
                [values[name] for name in PushDevice.__struct_fields__],
            )

        self._change(add)

    def remove(self, *ids: str) -> None:
        """Takes devices out; those that are not there are none's trouble."""
        self._change(lambda db: db.executemany("DELETE FROM devices WHERE id = ?", [(id_,) for id_ in ids]))

    def succeeded(self, id_: str, at: int) -> None:
        """The push service took a message, at unix ns."""
        self._change(lambda db: db.execute("UPDATE devices SET succeeded = ?, error = '' WHERE id = ?", (at, id_)))

    def failed(self, id_: str, at: int, why: str) -> None:
        """It did not, at unix ns."""
        self._change(lambda db: db.execute("UPDATE devices SET failed = ?, error = ? WHERE id = ?", (at, why, id_)))

    def private_key(self, make: Callable[[], str]) -> str:
        """The key that messages are signed with; the first to ask makes it, for all."""
        with self._lock:
            try:
                found = self._db.execute("SELECT private FROM signing").fetchone()
            except sqlite3.Error as e:
                raise self._failure(e) from None
        if found is not None:
            return found[0]
        made = make()
        self._change(lambda db: db.execute("INSERT OR IGNORE INTO signing VALUES (1, ?)", (made,)))
        return self.private_key(make)

    def _change(self, change: Callable[[sqlite3.Connection], object]) -> None:
        with self._lock:
            try:
                with transaction(self._db) as db:
                    change(db)
            except sqlite3.Error as e:
                raise self._failure(e) from None

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes is noted again, or asked for again
        with transaction(self._db) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if tables and (application, version) != (APPLICATION, VERSION):
                raise DeliveryError(
                    f"{self.path} holds no devices of this version of dyadwatch; name another with file of the target, "
                    "or move it away: devices are then added anew"
                )
            if not tables:
                for statement in _SCHEMA.split(";")[:-1]:
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {APPLICATION}")
                db.execute(f"PRAGMA user_version = {VERSION}")

    def _failure(self, error: OSError | sqlite3.Error | msgspec.ValidationError) -> DeliveryError:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return DeliveryError(f"{self.path} cannot be used ({why}); expected a file of devices, or none")
