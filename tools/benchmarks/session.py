"""Floods one after another into one detector, beside sources that behave, and what was seen of each."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dyadwatch.stream.configuration.config import Config
from dyadwatch.tools.benchmarks.floods import VICTIM, Flood, run_flood
from dyadwatch.tools.benchmarks.heard import AGE_S, ScoreCollector, Share, recovery_s, share_of
from dyadwatch.tools.benchmarks.process import DetectorProcess, lines_by_source
from dyadwatch.tools.benchmarks.steady import NS, Key, Steady, expected_windows, send_steadily

GOOD, NEWCOMER = "good", "newcomer"
SETTINGS = ("sinks.status_s=0.2",)
_WARM_S = 6.0  # the first windows fill, and every part has once been used
_NEWCOMER_AFTER_S = 2.0
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Phase:
    """What was seen during one flood and the pause after it.

    Arguments:
        flood: which.
        begun, ended, over: wall ns of the flood's begin and end, and of the end of the pause.
        messages, bytes: that the flood sent.
        rss_before, rss_peak: MB.
        lines: lines of the log in a second by the source that had most.
        disk_mb: written into recordings.
        alive: whether the detector still ran.
        good: the good source during the flood.
        normal_after_s: seconds after the flood until the good source's scores were as before; None: never.
        victim_after_s: the same of the source whose name others take.
        newcomer: the source that came during the flood.
    """

    flood: Flood
    begun: int
    ended: int = 0
    over: int = 0
    messages: int = 0
    bytes: int = 0
    rss_before: float = 0.0
    rss_peak: float = 0.0
    lines: float = 0.0
    disk_mb: float = 0.0
    alive: bool = True
    good: Share = field(default_factory=lambda: Share(0, 0))
    normal_after_s: float | None = None
    victim_after_s: float | None = None
    newcomer: Share | None = None


@dataclass
class FloodSession:
    """One detector's life.

    Arguments:
        phases: in their order; after one from which it did not recover there is no other.
        quiet: the good source before the first flood.
        rss_before, rss_after: MB before the first flood and after the last pause.
        late_s: worst lateness of the sources that behave; theirs, not the detector's.
        dropped: last counts of what belongs to no source.
    """

    phases: list[Phase] = field(default_factory=list)
    quiet: Share = field(default_factory=lambda: Share(0, 0))
    rss_before: float = 0.0
    rss_after: float = 0.0
    late_s: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)


class Sender:
    """Sources that behave, sent by a process of its own."""

    def __init__(self, address: str, sources: Sequence[Steady]) -> None:
        self.sources = sources
        self._until, self._late = _SPAWN.Event(), _SPAWN.Value("d", 0.0)
        self._sent = _SPAWN.Array("Q", len(sources))
        args = (address, sources, self._until, self._sent, self._late)
        self._process = _SPAWN.Process(target=send_steadily, args=args, daemon=True)
        self._process.start()

    @property
    def late_s(self) -> float:
        """How late the latest frame was."""
        return self._late.value

    def stop(self) -> None:
        """Ends it."""
        self._until.set()
        self._process.join(10)

    def expected(self, config: Config) -> list[set[Key]]:
        """The windows that each source's frames lead to."""
        return [expected_windows(s, config, self._sent[i]) for i, s in enumerate(self.sources)]


class Flooding:
    """A flood by a process of its own, as a context manager: it runs inside, and is killed after."""

    def __init__(self, flood: Flood, address: str, seconds: float, count: int) -> None:
        self._ready, self._go = _SPAWN.Event(), _SPAWN.Event()
        self._sent, self._size = _SPAWN.Value("Q", 0), _SPAWN.Value("Q", 0)
        self._seconds = seconds
        args = (flood, address, seconds, count, self._ready, self._go, self._sent, self._size)
        self._process = _SPAWN.Process(target=run_flood, args=args, daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._ready.wait(60)
        self.begun = time.time_ns()
        self._go.set()
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()

    def join(self) -> None:
        """Waits until it is over by itself."""
        self._process.join(self._seconds + 5)

    @property
    def messages(self) -> int:
        """That it sent so far."""
        return self._sent.value

    @property
    def bytes(self) -> int:
        """That it sent so far."""
        return self._size.value


def run_session(
    folder: Path, floods: Sequence[Flood], config: Config, messages: int, seconds: float, pause: float, say: Any
) -> FloodSession:
    """Starts a detector and runs the floods until one of them leaves it disturbed.

    Arguments:
        folder: for its log and recordings.
        floods: all recorded, or none.
        config: that leads to the windows that are expected.
        messages: of all floods of a run.
        seconds: of a flood.
        pause: seconds after each.
        say: called with the name of every flood.
    """
    out, records = FloodSession(), folder / f"records-{time.time_ns()}"
    settings = (*SETTINGS, f"record.folder={records}", "record.min_free_mb=0") if floods[0].records else SETTINGS
    marks: list[tuple[Phase, Sender | None]] = []
    with DetectorProcess(folder, settings, every_s=0.1) as detector, ScoreCollector(detector.out) as heard:
        start = time.time_ns() + 4 * NS
        steady = [Steady(GOOD, start_ns=start), Steady(VICTIM, people=2, seed=2, start_ns=start, room_m=3.0)]
        sender = Sender(detector.into, steady)
        time.sleep(max(0.0, (start - time.time_ns()) / NS + _WARM_S))
        quiet_from, out.rss_before = time.time_ns(), _rss(detector)
        time.sleep(pause)
        quiet_to = time.time_ns()
        for flood in floods:
            say(flood.name)
            marks.append(_phase(flood, detector, messages, seconds, pause))
            marks[-1][0].disk_mb = sum(f.stat().st_size for f in records.glob("*")) / 1e6
            if not detector.alive or not _normal(heard):
                break
        out.rss_after = _rss(detector)
        sender.stop()
        time.sleep(1)
        out.dropped = heard.status.get("@detector", {}).get("dropped", {})
    out.late_s = sender.late_s
    good, victim = sender.expected(config)
    out.quiet = share_of(good, heard.scores[GOOD], quiet_from, quiet_to)
    for p, newcomer in marks:
        p.good = share_of(good, heard.scores[GOOD], p.begun, p.ended)
        p.normal_after_s = recovery_s(good, heard.scores[GOOD], p.ended, p.over - NS)
        p.victim_after_s = recovery_s(victim, heard.scores[VICTIM], p.ended, p.over - NS)
        if newcomer is not None:
            p.newcomer = share_of(newcomer.expected(config)[0], heard.scores[NEWCOMER], p.begun, p.over - NS)
        out.phases.append(p)
    return out


def _phase(
    flood: Flood, detector: DetectorProcess, messages: int, seconds: float, pause: float
) -> tuple[Phase, Sender | None]:
    newcomer = None
    with Flooding(flood, detector.into, seconds * flood.seconds, max(int(messages * flood.messages), 1)) as flooding:
        lines, at = lines_by_source(detector.log), len(detector.samples)
        p = Phase(flood, flooding.begun, rss_before=_rss(detector))
        if flood.newcomer:
            steady = Steady(NEWCOMER, 2, seed=3, start_ns=p.begun + round(_NEWCOMER_AFTER_S * NS), room_m=3.0)
            newcomer = Sender(detector.into, [steady])
        flooding.join()
    p.ended = time.time_ns()
    time.sleep(pause)
    p.over = time.time_ns()
    if newcomer is not None:
        newcomer.stop()
    p.rss_peak = max((s.rss_mb for s in detector.samples[at:]), default=p.rss_before)
    more = lines_by_source(detector.log) - lines
    p.lines = max(more.values(), default=0) / ((p.over - p.begun) / NS)
    p.messages, p.bytes, p.alive = flooding.messages, flooding.bytes, detector.alive
    return p, newcomer


def _normal(heard: ScoreCollector) -> bool:
    """Whether young scores of both sources that behave have come within the last three seconds."""
    now = time.time_ns()
    return all(
        any(now - came < 3 * NS and came - end <= AGE_S * NS for (_, end), came in list(heard.scores[s].items())[-60:])
        for s in (GOOD, VICTIM)
    )


def _rss(detector: DetectorProcess) -> float:
    sample = detector.sample()
    return sample.rss_mb if sample else 0.0
