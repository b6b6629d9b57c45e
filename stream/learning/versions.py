"""The versions of a site's model: files in a folder beside the memory, and a small table of where each comes from."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from dyadwatch.core.decision.calibration_file import calibration_path
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files.atomic import write_atomically
from dyadwatch.core.files.locks import waiting_lock
from dyadwatch.core.model_file.artefact import file_sha256
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.learning.learning_codes import Origin
from dyadwatch.stream.memory.memory_place import memory_file

FOLDER = "site-models"  # where `up` keeps its data by default, models/ holds the pose models of cameras
_TABLE = "models.json"
_MOST = 10  # versions that are kept beside the one in use and those used before it


class WouldBe(Struct, frozen=True, kw_only=True):
    """An alarm that a version would have raised on what was recorded; `stamp` is ns of the source's clock."""

    source: str
    pair: tuple[TrackId, TrackId]
    clock: str
    stamp: int
    evidence: float


class Version(Struct, frozen=True, kw_only=True):
    """One version.

    Arguments:
        number: from 1; 0 until it is added.
        made: unix ns.
        by: who asked for it; empty for the learner itself.
        how: it came about.
        on: number of the version that it was made of; 0 for the model that comes along.
        sha256: of the model's file.
        minutes: in which two people were near each other, that had been heard when it was made.
        clips: it compares with, of the recordings or of what it was taught.
        unseen_hours: watched hours that it did not see, which its thresholds were tried on.
        budget: of false events that they vouch for; empty: they vouch for none.
        events: that it would have told in the hours heard lately.
        per_hour_95: at most so many false events an hour, 95 % sure, if all of them were false.
        would_be: the strongest of them, in the order of time.
        incidents: ids of the false alarms that it was taught.
    """

    number: int = 0
    made: int
    by: str = ""
    how: Origin
    on: int = 0
    sha256: str = ""
    minutes: float = 0.0
    clips: int = 0
    unseen_hours: float = 0.0
    budget: str = ""
    events: int = 0
    per_hour_95: float | None = None
    would_be: tuple[WouldBe, ...] = ()
    incidents: tuple[str, ...] = ()


class Use(Struct, frozen=True, kw_only=True):
    """That a version was taken into use; `at` is unix ns."""

    number: int
    at: int
    by: str = ""


class VersionTable(Struct, frozen=True, kw_only=True):
    """What there is.

    Arguments:
        versions: in the order of their numbers.
        uses: what was taken into use, and what it took the place of; the last is in use. Going back takes it off.
        proposed: number of the version that waits for somebody to use it; 0 for none.
        by: who took into use what is, or went back to it.
        asked: unix ns at which somebody asked for a proposal, whether there is enough or not; 0 for nobody.
    """

    versions: tuple[Version, ...] = ()
    uses: tuple[Use, ...] = ()
    proposed: int = 0
    by: str = ""
    asked: int = 0

    @property
    def current(self) -> int:
        """Number of the version in use; 0 while nobody is judged."""
        return self.uses[-1].number if self.uses else 0

    @property
    def next(self) -> int:
        """Number of the version that is made next."""
        return max((v.number for v in self.versions), default=0) + 1

    def version(self, number: int) -> Version:
        """One of them.

        Raises:
            ConfigError: there is none of that number; it tells those there are.
        """
        for version in self.versions:
            if version.number == number:
                return version
        there = ", ".join(str(v.number) for v in self.versions) or "none yet"
        raise ConfigError(f"version is {number}; expected one of those there are: {there}")


class SiteModels:
    """The folder of versions. Any process may change it, one at a time; the detector follows the version in use.

    Arguments:
        folder: it is made with the first version.
        name: what the versions are called.
    """

    def __init__(self, folder: Path, name: str = "site") -> None:
        self.folder = folder
        self.name = name
        self._seen: tuple[int, int] | None = None
        self._table = VersionTable()

    def path(self, number: int) -> Path:
        """The model file of a version."""
        return self.folder / f"{self.name}-v{number}.onnx"

    def read(self) -> VersionTable:
        """What there is now.

        Raises:
            ConfigError: the table cannot be read.
        """
        table = self.folder / _TABLE
        try:
            stat = table.stat()
        except OSError:
            return VersionTable()
        seen = stat.st_mtime_ns, stat.st_ino
        if seen != self._seen:
            try:
                self._table, self._seen = msgspec.json.decode(table.read_bytes(), type=VersionTable), seen
            except (OSError, msgspec.MsgspecError) as e:
                raise ConfigError(f"{table} cannot be read ({e!s:.200}); expected a table of model versions") from None
        return self._table

    @property
    def current(self) -> Path | None:
        """The model file in use; None while nobody is judged."""
        number = self.read().current
        return self.path(number) if number else None

    def add(self, version: Version, made: Path, *, propose: bool = False) -> Version:
        """Takes up a model file and its thresholds, which are moved here.

        Arguments:
            version: where it comes from; number and checksum are filled in.
            made: the model file, with its calibration beside it.
            propose: whether it is offered to people.
        """
        with self._changing() as table:
            number = table.next
            out = self.path(number)
            os.replace(calibration_path(made), calibration_path(out))
            os.replace(made, out)
            version = structs.replace(version, number=number, sha256=file_sha256(out))
            kept = self._kept((*table.versions, version), {u.number for u in table.uses} | {table.proposed})
            proposed = number if propose else table.proposed
            self._write(structs.replace(table, versions=kept, proposed=proposed, asked=0))
        return version

    def use(self, number: int, by: str) -> VersionTable:
        """Takes a version into use.

        Raises:
            ConfigError: there is none of that number.
        """
        with self._changing() as table:
            table.version(number)
            if number == table.current:
                return table
            uses = (*table.uses, Use(number=number, at=time.time_ns(), by=by))
            proposed = 0 if number == table.proposed else table.proposed
            return self._write(structs.replace(table, uses=uses, proposed=proposed, by=by))

    def back(self, by: str) -> VersionTable:
        """Goes back to what was in use before; before the first version nobody was judged.

        Raises:
            ConfigError: nothing is in use.
        """
        with self._changing() as table:
            if not table.uses:
                raise ConfigError("no version is in use, so that there is none to go back from; expected one")
            return self._write(structs.replace(table, uses=table.uses[:-1], by=by))

    def ask(self) -> VersionTable:
        """Asks the learner for a proposal of what has been heard so far."""
        with self._changing() as table:
            return self._write(structs.replace(table, asked=time.time_ns()))

    def answered(self) -> None:
        """Takes note that no proposal could be made."""
        with self._changing() as table:
            if table.asked:
                self._write(structs.replace(table, asked=0))

    def _kept(self, versions: tuple[Version, ...], spared: set[int]) -> tuple[Version, ...]:
        """The latest, and those in use; the files of the others are deleted."""
        gone = {v.number for v in versions[:-_MOST]} - spared
        for number in gone:
            self.path(number).unlink(missing_ok=True)
            calibration_path(self.path(number)).unlink(missing_ok=True)
        return tuple(v for v in versions if v.number not in gone)

    @contextmanager
    def _changing(self) -> Generator[VersionTable]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with waiting_lock(self.folder / f"{_TABLE}.lock"):
            yield self.read()

    def _write(self, table: VersionTable) -> VersionTable:
        write_atomically(self.folder / _TABLE, msgspec.json.format(msgspec.json.encode(table), indent=1))
        return table


def site_models(config: Config) -> SiteModels | None:
    """The versions of a detector's site; None where the configuration names a model, or nothing is kept."""
    memory = memory_file(config)
    if config.scorer.model or memory is None:
        return None
    return SiteModels(memory.parent / FOLDER)
