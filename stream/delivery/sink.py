"""Incidents and calls into the spool, and the threads that deliver them from there."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial

from dyadwatch.core.finding import Finding
from dyadwatch.stream.codes import DeliveryState
from dyadwatch.stream.configuration.delivery_options import DeliveryOptions
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.carriers import make_line
from dyadwatch.stream.delivery.parcel import Update, asks_to_look, incidents_of
from dyadwatch.stream.delivery.peak_poses import PeakPose, PeakPoses
from dyadwatch.stream.delivery.spool import Spool, Taken, TargetAccount, TargetState
from dyadwatch.stream.delivery.target_line import TargetLine
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, Message, ScoreMessage, StatusMessage

_FORGET_S = 3600.0  # between two looks for what is no longer needed
_MOST_CLOSED = 256  # incidents that are over, of which a call may still come
_LAST_S = 0.4  # of a stop, for what was reported last


class DeliverySink:
    """Takes what the detector publishes; each target has its own thread, so that none waits for another.

    Arguments:
        options: the section `delivery` of the configuration.
        spool: closed with it.
        around: what targets are given of the detector.
        peaks: the poses of events, for pictures of them; None where no target wants any.
        clock: unix ns.

    Raises:
        ConfigError: a secret cannot be read, or an address is none.
        DeliveryError: the file of devices cannot be used.
        MissingExtraError: a library is not installed.
    """

    idle_s = 0.2
    takes: tuple[type[Message], ...]

    def __init__(
        self,
        options: DeliveryOptions,
        spool: Spool,
        around: Surroundings,
        peaks: PeakPoses | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._spool = spool
        self._clock = clock
        self._incidents: dict[str, IncidentMessage] = {}  # those that are open
        self._peaks = peaks
        self._poses: dict[str, PeakPose] = {}  # of incidents, at their highest moment so far
        self._forgot = 0.0
        self._lines: dict[str, TargetLine] = {}
        for name, target in options.to.items():
            connected = partial(self._try_now, name)
            self._lines[name] = make_line(name, target, options.names, around, spool, clock, connected)
        self._boards = [line.board for line in self._lines.values() if line.board is not None]
        self.takes = (IncidentMessage, AttentionMessage, StatusMessage, *((ScoreMessage,) if self._boards else ()))
        for line in self._lines.values():
            line.start()

    def emit(self, messages: Sequence[Message]) -> None:
        """Takes messages; those that are to be delivered are on the disk when it returns."""
        at = self._clock()
        taken: list[Taken] = []
        for m in messages:
            if isinstance(m, IncidentMessage):
                self._incidents[m.id] = m
                self._look(m)
            if isinstance(m, IncidentMessage | AttentionMessage):
                taken.append(self._taken(m, at))
        if taken:
            names = self._spool.put(taken)
            for line in self._lines.values():
                line.wake(names)
            self._let_go()
        for board in self._boards:
            board.show(messages)

    def idle(self) -> None:
        """What is due, messages or not."""
        for line in self._lines.values():
            line.tick()
        self._spool.keep()
        if time.monotonic() - self._forgot > _FORGET_S:
            self._forgot = time.monotonic()
            self._spool.forget(self._clock())

    def states(self) -> list[TargetState]:
        """How it stands with each target; from any thread."""
        out: list[TargetState] = []
        for name, line in self._lines.items():
            try:
                found, account = line.state()
            except sqlite3.Error as e:
                found, account = self._failing(f"the spool cannot be read ({e})", 0), TargetAccount(0, None, 0, {})
            if self._spool.error:
                found = self._failing(f"{self._spool.error}; what is new waits in memory", account.waiting)
            out.append((name, found, account))
        return out

    def close(self) -> None:
        """Delivers for a moment what was reported last; what is not by then waits in the spool for the next run."""
        until = time.monotonic() + _LAST_S
        while time.monotonic() < until and any(self._delivers(line) for line in self._lines.values()):
            time.sleep(0.02)
        for line in self._lines.values():
            line.end()
        for line in self._lines.values():
            line.join(max(until - time.monotonic(), 0.1))
        self._spool.close()

    def _taken(self, m: Update, at: int) -> Taken:
        about = m if isinstance(m, IncidentMessage) else None
        if about is None and len(ids := incidents_of(m)) == 1:
            about = self._incidents.get(ids[0])
        to = {name: only for line in self._lines.values() for name, only in line.to(m, at).items()}
        return Taken(m, about, at, to, self._poses.get(about.id) if about is not None and asks_to_look(m) else None)

    def _look(self, m: IncidentMessage) -> None:
        pose = self._peaks.of(m) if self._peaks is not None else None
        if pose is not None:
            self._poses[m.id] = pose

    def _let_go(self) -> None:
        """Forgets incidents that are over, the oldest first; calls about the latest may still come."""
        closed = [id_ for id_, m in self._incidents.items() if m.type == "close"]
        for id_ in closed[: max(len(closed) - _MOST_CLOSED, 0)]:
            del self._incidents[id_]
            self._poses.pop(id_, None)

    def _delivers(self, line: TargetLine) -> bool:
        try:
            return line.delivers()
        except sqlite3.Error:
            return False

    def _try_now(self, name: str) -> None:
        if name in self._lines:
            self._lines[name].try_now()

    def _failing(self, why: str, waiting: int) -> Finding[DeliveryState]:
        return Finding(DeliveryState.FAILING, error=why, seconds=0.0, waiting=waiting)
