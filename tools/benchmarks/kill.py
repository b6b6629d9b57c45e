"""`dyadwatch bench kill`: detectors killed under load, and what the memory has of what they told."""

from __future__ import annotations

import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError, DyadwatchError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.codes import IncidentReason
from dyadwatch.stream.memory.kept import Action, ActionKind, Wanted
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.messages import IncidentMessage
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.subscriber import Subscriber
from dyadwatch.tools.benchmarks.machine import describe_machine
from dyadwatch.tools.benchmarks.process import DetectorProcess
from dyadwatch.tools.benchmarks.verdict import Bar, print_verdict

_FPS = 30.0
# Incidents that come and go all the time, so that every kill has something to lose.
_SETTINGS = (
    "alarm.rules=[]",
    "alarm.raise_at=0.8",
    "alarm.clear_at=0.75",
    "alarm.min_duration_s=0",
    "alarm.hold_s=0.2",
    "alarm.update_s=0.2",
    "incidents.linger_s=0.2",
    "incidents.update_s=0.2",
    "attention.cooldown_s=0",
)
_START_S, _LEAST_S, _MOST_S = 30.0, 1.0, 6.0  # until the first incident, and from then to the kill
_ALL = 10**6


@dataclass
class Tally:
    """What was seen of all kills.

    Arguments:
        kills: how many.
        shown: ids of incidents that a listener was notified of.
        acknowledged: ids of those for which the acknowledgement came back.
        open: how many were open when they were killed.
        missing, doubled, changed: ids that the memory lacks; that it tells twice; that it had before a kill and lost or
            changed after it.
        unended: ids that were left open and not closed as interrupted by the next start.
    """

    kills: int = 0
    shown: set[str] = field(default_factory=set)
    acknowledged: set[str] = field(default_factory=set)
    open: int = 0
    missing: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    changed: set[str] = field(default_factory=set)
    unended: set[str] = field(default_factory=set)


def kill(
    *,
    count: int = 20,
    sources: int = 6,
    seed: int = 1,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Kill detectors with SIGKILL under load, at random moments, and look what became of incidents.

    A listener notes every incident that it receives, somebody acknowledges some of them, and after each kill and the
    next start the memory is compared. Exit status 1 where one is lost, doubled or left open.

    Parameters
    ----------
    count
        How many kills.
    sources
        How many sources of two simulated people send at once.
    seed
        Of the moments.
    json
        Print one JSON object instead.
    """
    for flag, value in (("--count", count), ("--sources", sources)):
        if value < 1:
            raise ConfigError(f"{flag} is {value}; expected at least 1")
    report: dict[str, Any] = {"machine": describe_machine()}
    with tempfile.TemporaryDirectory(prefix="dyadwatch-kill-") as folder:
        tally = kill_often(Path(folder), count, sources, seed, Console(stderr=True))
    report |= {"kills": tally.kills, "shown": len(tally.shown), "acknowledged": len(tally.acknowledged)}
    bars = [
        Bar("incidents shown or acknowledged, and lost", str(len(tally.missing)), "0", not tally.missing),
        Bar("incidents told twice", str(len(tally.doubled)), "0", not tally.doubled),
        Bar(
            "incidents kept before a kill and lost or changed after it", str(len(tally.changed)), "0", not tally.changed
        ),
        Bar("open ones not closed by the next start", str(len(tally.unended)), "0", not tally.unended),
        Bar("incidents shown", str(len(tally.shown)), f">= {count}", len(tally.shown) >= count),
        Bar("incidents acknowledged", str(len(tally.acknowledged)), f">= {count}", len(tally.acknowledged) >= count),
        Bar("incidents open at a kill", str(tally.open), ">= 1", tally.open >= 1),
    ]
    print_verdict(report, bars, (), json)


def kill_often(folder: Path, count: int, sources: int, seed: int, console: Console) -> Tally:
    """Runs and kills so many detectors on one memory.

    Arguments:
        folder: for the memory and the logs.
        count: of kills.
        sources: that send at once.
        seed: of the moments.
        console: is notified of each.
    """
    moments, tally, memory = random.Random(seed), Tally(), folder / "incidents.db"
    people = [list(make_scenario(seed=i, people=2, duration_s=60.0, room_m=3.0).frames(_FPS)) for i in range(sources)]
    for number in range(count):
        before = _kept(memory) if memory.exists() else {}
        left_open = {id_ for id_, m in before.items() if m.type != "close"}
        with DetectorProcess(folder, _SETTINGS, ("--no-table", "--memory", str(memory))) as detector:
            tally.unended |= left_open - _interrupted(memory, left_open)
            with _Load(detector.into, people), _Listener(detector.out) as listener:
                _until_shown(listener)
                until = time.monotonic() + moments.uniform(_LEAST_S, _MOST_S)
                while time.monotonic() < until:
                    _acknowledge(memory, listener, tally)
                    time.sleep(moments.uniform(0.0, 0.2))
                detector.stop(0.0, signal.SIGKILL)
                listener.join()
        tally.kills += 1
        tally.shown |= listener.shown.keys()
        _compare(memory, before, tally)
        console.print(f"kill {number + 1}: {len(listener.shown)} incidents shown", highlight=False)
    return tally


def _until_shown(listener: _Listener) -> None:
    until = time.monotonic() + _START_S
    while not listener.shown:
        if time.monotonic() > until:
            raise DyadwatchError(f"no incident was told within {_START_S:g} s")
        time.sleep(0.02)


def _acknowledge(memory: Path, listener: _Listener, tally: Tally) -> None:
    fresh = [id_ for id_ in list(listener.shown) if id_ not in tally.acknowledged]
    if fresh:
        with Store(memory) as store:
            store.act(Action(at=time.time_ns(), kind=ActionKind.ACKNOWLEDGE, incident=fresh[-1], who="bench"))
        tally.acknowledged.add(fresh[-1])


def _kept(memory: Path) -> dict[str, IncidentMessage]:
    with Store(memory) as store:
        return {kept.message.id: kept.message for kept in store.incidents(Wanted(most=_ALL))}


def _interrupted(memory: Path, left_open: set[str]) -> set[str]:
    kept = _kept(memory)
    return {id_ for id_ in left_open if kept[id_].reason is IncidentReason.INTERRUPTED}


def _compare(memory: Path, before: dict[str, IncidentMessage], tally: Tally) -> None:
    """Holds what the memory has against what was seen, and what it had."""
    with Store(memory) as store:
        kept = store.incidents(Wanted(most=_ALL))
        now = {k.message.id: k.message for k in kept}
        # An incident that goes on with an acknowledged one has its acknowledgement from there, too.
        actions = [a for id_ in tally.acknowledged for a in store.actions(incident=id_)]
        acted = Counter(a.incident for a in actions if not a.note)
        for id_ in now:
            kinds = Counter(m.type for _, m in store.updates(id_))
            if kinds["open"] != 1 or kinds["close"] > 1:
                tally.doubled.add(id_)
    tally.missing |= (tally.shown | tally.acknowledged) - now.keys()
    tally.missing |= tally.acknowledged - acted.keys()
    tally.doubled |= {id_ for id_, n in acted.items() if n > 1}
    tally.changed |= {id_ for id_, m in before.items() if m.type == "close" and now.get(id_) != m}
    tally.open += sum(m.type != "close" for m in now.values())


class _Listener:
    """Notes the incidents that a detector tells, as a context manager."""

    def __init__(self, address: str) -> None:
        self.shown: dict[str, None] = {}
        self._address = address
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.join()

    def join(self) -> None:
        """Takes what has come, and stops."""
        self._done.set()
        self._thread.join()

    def _listen(self) -> None:
        with Subscriber(self._address, kinds=("incident",)) as subscriber:
            while not self._done.is_set():
                while (message := subscriber.receive(0.1)) is not None:
                    if isinstance(message, IncidentMessage) and message.pairs:
                        self.shown[message.id] = None


class _KilledError(Exception):
    """The detector is gone."""


class _Load:
    """Sends the frames of several sources at their pace, as a context manager."""

    def __init__(self, address: str, people: Sequence[Sequence[PoseFrame]]) -> None:
        self._address = address
        self._people = people
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send, name="load", daemon=True)

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _send(self) -> None:
        start, number = time.time_ns(), 0
        with suppress(_KilledError), PosePublisher(self._address) as publisher:
            while not self._done.wait(max(0.0, (start - time.time_ns()) / 1e9 + number / _FPS)):
                stamp = start + round(number / _FPS * 1e9)
                for i, frames in enumerate(self._people):
                    frame = frames[number % len(frames)]
                    publisher.send(replace(frame, source=f"s{i}", epoch=start, seq=number, stamp=stamp))
                number += 1
            raise _KilledError  # nobody takes what is still queued: the publisher must not wait for that
