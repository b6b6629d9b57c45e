"""What is still to be delivered: in order, each update once for each target, whatever ends the program."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec import structs

from dyadwatch.core.finding import Finding
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import DeliveryLoss, DeliveryState
from dyadwatch.stream.configuration.delivery_options import DeliveryOptions
from dyadwatch.stream.delivery.parcel import Parcel, Update, group_of, incidents_of
from dyadwatch.stream.delivery.peak_poses import PeakPose
from dyadwatch.stream.delivery.spool_file import SpoolFile, SpoolRow, receiver_name
from dyadwatch.stream.messages import IncidentMessage

_PAST_NS = 14 * 86_400 * NS  # after which it is forgotten what a target was notified of
_DELIVERED = "delivered"
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Parcel).decode


class Taken(NamedTuple):
    """An update, and who is to have it.

    Arguments:
        message: the update.
        about: the incident as it is known then.
        at: unix ns.
        to: name of the target -> whether only if it was notified of the incident before.
        pose: who is to be seen in a picture; None for nobody.
    """

    message: Update
    about: IncidentMessage | None
    at: int
    to: Mapping[str, bool]
    pose: PeakPose | None = None


class TargetAccount(NamedTuple):
    """How it stands with one target: `since` is the unix ns at which the oldest of what waits was taken."""

    waiting: int
    since: int | None
    delivered: int
    dropped: dict[DeliveryLoss, int]


TargetState = tuple[str, Finding[DeliveryState], TargetAccount]  # of the target with this name


class Spool:
    """The updates that wait for each target. From any thread.

    While the disk fails, new updates wait in memory and are delivered all the same; they go to the disk once it works.

    Arguments:
        disk: that they are kept in; closed with the spool.
        options: the section `delivery` of the configuration.

    Attributes:
        error: of the disk; empty while it works.
    """

    def __init__(self, disk: SpoolFile, options: DeliveryOptions) -> None:
        self._disk = disk
        self._spare = SpoolFile(None)
        self._spared = False  # whether anything is in it
        self._pictured = {name for name, target in options.to.items() if target.picture}
        self._most = options.most_waiting
        self._keep = round(options.keep_h * 3600 * NS)
        self._lock = threading.RLock()
        self._gone: dict[tuple[str, str], str] = {}  # (target, key) -> what became of what the disk still has
        self.error = ""

    def put(self, taken: Sequence[Taken]) -> set[str]:
        """Takes updates; gives the names of the targets that have something new."""
        with self._lock:
            rows: list[SpoolRow] = []
            numbers: dict[str, int] = {}
            told: dict[tuple[str, str], None] = {}
            for one in taken:
                to = [name for name, only in one.to.items() if not only or self._is_told(name, one.message, told)]
                if to:
                    told |= {(name, incident): None for name in to for incident in incidents_of(one.message)}
                    rows += self._rows(one, to, numbers)
            if not rows:
                return set()
            if self._spared:
                self.keep()  # or what comes now would go before it
            try:
                if not self._spared:
                    self._disk.add(rows, numbers, told, taken[0].at)
            except sqlite3.Error as e:
                self._fails(e)
                self._spared = True
            if self._spared:
                self._spare.add(rows, numbers, told, taken[0].at)
            names = {row.target for row in rows}
            try:
                for name in names:
                    self._make_room(name)
            except sqlite3.Error as e:
                self._fails(e)
            return names

    def next(self, name: str, now: int) -> Parcel | None:
        """The oldest update that waits for a target; None for none. What is too old is left out on the way."""
        with self._lock:
            while (row := self._first(name)) is not None:
                if now - row.at >= self._keep:
                    self._settle(name, row.key, DeliveryLoss.EXPIRED)
                    continue
                try:
                    return structs.replace(_decode(row.parcel), tries=row.tries)
                except msgspec.MsgspecError:
                    self._settle(name, row.key, DeliveryLoss.UNREADABLE)
            return None

    def done(self, name: str, parcel: Parcel) -> None:
        """An update was delivered."""
        with self._lock:
            self._settle(name, parcel.key, _DELIVERED)

    def drop(self, name: str, parcel: Parcel, why: DeliveryLoss) -> None:
        """An update will not be delivered."""
        with self._lock:
            self._settle(name, parcel.key, why)

    def failed(self, name: str, parcel: Parcel) -> None:
        """An update could not be delivered; it stays where it is."""
        with self._lock:
            self._spare.tried(name, parcel.key)
            try:
                self._disk.tried(name, parcel.key)
            except sqlite3.Error as e:
                self._fails(e)

    def keep(self) -> None:
        """Writes to the disk what it did not take before; to be called now and then."""
        with self._lock:
            if not self._gone and not self._spared:
                self.error = ""
                return
            try:
                self._disk.end((*which, what) for which, what in self._gone.items())
                self._gone.clear()
                if self._spared:
                    self._move()
            except sqlite3.Error as e:
                self._fails(e)
            else:
                self.error = ""

    def account(self, name: str) -> TargetAccount:
        """How it stands with a target, with all its receivers; of one receiver alone what waits.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        with self._lock:
            (waiting, since), (spared, spared_since) = self._disk.waiting(name), self._spare.waiting(name)
            counts = self._disk.totals(name) + self._spare.totals(name)
            of_it = receiver_name(name, "")
            gone = [what for (target, _), what in self._gone.items() if target == name or target.startswith(of_it)]
            counts.update(gone)
            waiting += spared - len(gone)
            oldest = min((at for at in (since, spared_since) if at is not None), default=None)
            dropped = {loss: counts[loss] for loss in DeliveryLoss if counts[loss]}
            return TargetAccount(waiting, oldest if waiting > 0 else None, counts[_DELIVERED], dropped)

    def receivers(self, name: str) -> set[str]:
        """Names in here of those receivers of a target for whom anything waits; none where the disk cannot be asked."""
        with self._lock:
            try:
                return self._disk.receivers(name) | self._spare.receivers(name)
            except sqlite3.Error as e:
                self._fails(e)
                return set()

    def forget(self, now: int) -> None:
        """Deletes what is no longer needed to number updates, and to know what a target was notified of."""
        with self._lock:
            try:
                self._disk.forget(now - _PAST_NS)
            except sqlite3.Error as e:
                self._fails(e)

    def close(self) -> None:
        """Writes what still waits to be written, and closes the file."""
        with self._lock:
            self.keep()
            self._disk.close()
            self._spare.close()

    def _rows(self, one: Taken, to: Sequence[str], numbers: dict[str, int]) -> list[SpoolRow]:
        m, group = one.message, group_of(one.message)
        number = numbers[group] = (numbers.get(group) or self._last(group, one.at)) + 1
        parcel = Parcel(key=f"{group}-{number}", number=number, at=one.at, message=m, about=one.about)
        text = pictured = _encode(parcel).decode()
        if one.pose is not None and self._pictured:
            pictured = _encode(structs.replace(parcel, pose=one.pose)).decode()
        plain = int(isinstance(m, IncidentMessage) and m.type == "update")
        return [
            SpoolRow(name, parcel.key, one.at, plain, 0, pictured if name in self._pictured else text) for name in to
        ]

    def _last(self, group: str, at: int) -> int:
        """The last number of a group; one that was never given where the disk cannot be asked."""
        try:
            return max(self._disk.number(group), self._spare.number(group))
        except sqlite3.Error as e:
            self._fails(e)
            return max(at // 1_000_000, self._spare.number(group))

    def _is_told(self, name: str, message: Update, told: Mapping[tuple[str, str], None]) -> bool:
        ids = incidents_of(message)
        if any((name, incident) in told or self._spare.is_told(name, incident) for incident in ids):
            return True
        try:
            return any(self._disk.is_told(name, incident) for incident in ids)
        except sqlite3.Error as e:
            self._fails(e)
            return bool(ids)  # rather once too often than not at all

    def _make_room(self, name: str) -> None:
        while self._disk.waiting(name)[0] + self._spare.waiting(name)[0] - self._gone_of(name) > self._most:
            key = self._disk.least(name) or self._spare.least(name)
            if key is None or (name, key) in self._gone:
                return  # the disk fails; what waits in it is bounded already
            self._settle(name, key, DeliveryLoss.FULL)

    def _gone_of(self, name: str) -> int:
        return sum(target == name for target, _ in self._gone)

    def _first(self, name: str) -> SpoolRow | None:
        gone = {key for target, key in self._gone if target == name}
        try:
            first = self._disk.first(name, gone)
        except sqlite3.Error as e:
            self._fails(e)
            first = None
        return first or self._spare.first(name, gone)

    def _settle(self, name: str, key: str, what: str) -> None:
        if self._spared and self._spare.end([(name, key, what)]):
            return
        self._gone[name, key] = what
        try:
            self._disk.end([(name, key, what)])
        except sqlite3.Error as e:
            self._fails(e)
        else:
            del self._gone[name, key]

    def _move(self) -> None:
        """Brings what waits in memory to the disk, behind what is there, and starts the memory anew."""
        self._disk.absorb(self._spare)
        self._spare.close()
        self._spare, self._spared = SpoolFile(None), False

    def _fails(self, error: sqlite3.Error) -> None:
        self.error = f"{self._disk.path} cannot be written to ({error})"
