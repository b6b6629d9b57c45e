"""A scenario: some people, some minutes, and the truth about what happens in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.simulator.encounters import ANOMALIES, NORMAL
from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.motion import RATE, count
from dyadwatch.stream.publishers.simulator.stage import Stage

_NOISE_SLOW_S = 0.12  # errors of a pose sensor wander; they are not white
_TRIES = 8  # lives that are tried until one holds all that was asked for
_TAIL_S = 45.0  # encounters that run over the end are played out of sight


@dataclass(frozen=True)
class Interval:
    """Something that happens between some people.

    Arguments:
        kind: what, one of NORMAL, ANOMALIES, `meet` or `part`.
        anomalous: whether a detector should find it.
        people: ids of those who take part, ascending.
        start, end: nanoseconds since the scenario began.
    """

    kind: str
    anomalous: bool
    people: tuple[int, ...]
    start: int
    end: int

    def shifted(self, start_ns: int) -> Interval:
        """The same on a clock on which the scenario began at `start_ns`."""
        return Interval(self.kind, self.anomalous, self.people, self.start + start_ns, self.end + start_ns)


@dataclass(frozen=True)
class Act:
    """A line of a script: who does what, and when it may begin at the earliest.

    Arguments:
        kind: one of NORMAL or ANOMALIES.
        people: ids, from 1; two, or one for `wander`, or three and more for `group`.
        at_s: seconds from the start; the people involved walk up to each other from then on.
    """

    kind: str
    people: tuple[int, ...]
    at_s: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """People with ids 1..P over some time. Made by `make_scenario`.

    Arguments:
        seed: with the other arguments of `make_scenario` it decides on every bit.
        duration_s: length.
        noise_m: standard deviation of each coordinate's error, metres.
        truth: all that happens, in order of its start.
    """

    seed: int
    duration_s: float
    noise_m: float
    truth: tuple[Interval, ...]
    _figures: tuple[SimulatedPerson, ...] = field(repr=False)

    @property
    def people(self) -> int:
        """How many."""
        return len(self._figures)

    def joints(self, fps: float = 30.0, *, noise: bool = True) -> NDArray[np.float32]:
        """Everybody at the frames' times k / fps: metres, layout `kinect25`, shape (T, P, 25, 3).

        Raises:
            ConfigError: when fps is out of range.
        """
        if not 1.0 <= fps <= 240.0:
            raise ConfigError(f"fps is {fps:g}; expected 1 to 240 frames a second")
        t = np.arange(int(self.duration_s * fps + 1e-9)) / fps
        out = np.stack([f.joints(t) for f in self._figures], axis=1)
        if noise and self.noise_m > 0:
            rng = np.random.default_rng([self.seed, 0x5E450])
            a = float(np.exp(-1.0 / (fps * _NOISE_SLOW_S)))
            error = rng.standard_normal(out.shape, np.float32) * np.float32(self.noise_m)
            error[1:] *= np.float32(np.sqrt(1 - a * a))
            for k in range(1, len(error)):
                error[k] += a * error[k - 1]
            out += error
        return out.astype(np.float32)

    def frames(
        self,
        fps: float = 30.0,
        *,
        source: str = "simulator",
        epoch: int = 0,
        start_ns: int = 0,
        clock: str = "unix",
        noise: bool = True,
    ) -> Iterator[PoseFrame]:
        """What a sensor would send: frame k at start_ns + k / fps, ids 1..P, confidence 1."""
        joints = self.joints(fps, noise=noise)
        ids = tuple(range(1, self.people + 1))
        confidence = np.ones(joints.shape[1:3], np.float32)
        for k, people in enumerate(joints):
            stamp = start_ns + round(k * NS / fps)
            yield PoseFrame(source, epoch, k, stamp, clock, KINECT25, people, confidence.copy(), ids)

    def clips(self, fps: float = 30.0, *, lead_s: float = 1.0, tail_s: float = 1.0, noise: bool = True) -> ClipSet:
        """One clip for every interval of two people, with some time before and after; the label is its kind."""
        joints = self.joints(fps, noise=noise)
        clips: list[Clip] = []
        for k, what in enumerate(self.truth):
            if len(what.people) != 2:
                continue
            first = max(0, int((what.start / NS - lead_s) * fps))
            pair = [p - 1 for p in what.people]
            part = joints[first : int((what.end / NS + tail_s) * fps) + 1, pair]
            if len(part) > fps:
                name = f"sim{self.seed}-{k}"
                clips.append(Clip(np.ascontiguousarray(part), KINECT25, fps, what.kind, name, session=str(self.seed)))
        return ClipSet(tuple(clips), KINECT25, "simulator")


def _check(
    seed: int, people: int, duration_s: float, noise_m: float, anomalies: Sequence[str], script: Sequence[Act]
) -> None:
    if seed < 0:
        raise ConfigError(f"seed is {seed}; expected 0 or more")
    if not 0.0 <= noise_m <= 0.1:
        raise ConfigError(f"noise_m is {noise_m:g}; expected 0 to 0.1 metres")
    if not 2 <= people <= 6:
        raise ConfigError(f"people is {people}; expected 2 to 6")
    if not 1.0 <= duration_s <= 3600.0:
        raise ConfigError(f"duration_s is {duration_s:g}; expected 1 to 3600 seconds")
    for kind in anomalies:
        if kind not in ANOMALIES:
            raise ConfigError(f"anomaly {kind!r} is not known; expected one of {', '.join(ANOMALIES)}")
    for act in script:
        if act.kind not in (*ANOMALIES, *NORMAL):
            raise ConfigError(f"act {act.kind!r} is not known; expected one of {', '.join((*NORMAL, *ANOMALIES))}")
        wanted = {"wander": (1, 1), "group": (3, 6)}.get(act.kind, (2, 2))
        distinct = len(set(act.people)) == len(act.people) and all(1 <= p <= people for p in act.people)
        if not distinct or not wanted[0] <= len(act.people) <= wanted[1]:
            many = f"{wanted[0]}" if wanted[0] == wanted[1] else f"{wanted[0]} to {wanted[1]}"
            raise ConfigError(
                f"act {act.kind!r} names people {act.people}; expected {many} different ids of 1..{people}"
            )


def make_scenario(
    seed: int,
    people: int = 4,
    duration_s: float = 60.0,
    anomalies: Sequence[str] | int = (),
    *,
    noise_m: float = 0.006,
    room_m: float | None = None,
    script: Sequence[Act] = (),
) -> Scenario:
    """Lets people live for a while.

    Arguments:
        seed: same arguments, same bits.
        people: 2 to 6.
        duration_s: seconds.
        anomalies: kinds to stage, spread over the time in this order; or how many, of kinds in turn.
        noise_m: standard deviation of the sensor's error in each coordinate.
        room_m: length of the floor's sides; by default large enough for the people.
        script: what happens instead of a random life; then `anomalies` must be empty.

    Raises:
        ConfigError: when a value is out of range or not everything fits into the time.
    """
    if isinstance(anomalies, int):
        anomalies = [ANOMALIES[k % len(ANOMALIES)] for k in range(anomalies)]
    _check(seed, people, duration_s, noise_m, anomalies, script)
    if script and anomalies:
        raise ConfigError("both script and anomalies are given; expected one of them")
    room = room_m if room_m is not None else 6.0 + 0.7 * people
    n = count(duration_s)
    for attempt in range(_TRIES):
        stage = Stage(np.random.default_rng([seed, attempt]), people, n + count(_TAIL_S), room / 2 - 0.4)
        rng = np.random.default_rng([seed, attempt, 1])
        left = _follow_script(stage, script, n) if script else _live(stage, rng, n, anomalies)
        if not left:
            break
    else:
        raise ConfigError(
            f"duration_s is {duration_s:g}; too short for {people} people to stage all of "
            f"{', '.join(anomalies or [a.kind for a in script])}: expected about {20 * len(anomalies or script)}"
        )
    for fig in stage.figures:
        fig.settle()
    return Scenario(seed, duration_s, noise_m, _truth(stage, n), tuple(stage.figures))


def _follow_script(stage: Stage, script: Sequence[Act], n: int) -> list[str]:
    left: list[str] = []
    for act in sorted(script, key=lambda a: a.at_s):
        who = [p - 1 for p in act.people]
        start = max(count(act.at_s), *(int(stage.until[k]) for k in who))
        end = stage.enter(act.kind, who, start)
        while end is None and start < n:
            start += count(0.5)
            end = stage.enter(act.kind, who, start)
        if end is None or end > n:
            left.append(act.kind)
    return left


def _live(stage: Stage, rng: np.random.Generator, n: int, anomalies: Sequence[str]) -> list[str]:
    """Random encounters until the time is over; anomalies as soon as they are due. Returns those that did not fit."""
    people = len(stage.until)
    due = [int(n * (k + 0.3) / (len(anomalies) + 0.7)) for k in range(len(anomalies))]
    left = list(anomalies)
    while (start := int(stage.until.min())) < n:
        order = np.argsort(stage.until, kind="stable")
        if left and start >= due[-len(left)] - count(4.0):
            kind, many = left[0], 2
        else:
            kinds = ["visit", "stand", "pass", "walk together", "follow", "wander", "group"]
            weights = np.asarray([0.46, 0.09, 0.09, 0.07, 0.05, 0.16, 0.08 if people > 2 else 0.0])
            if left and people < 5 and start >= due[-len(left)] - count(15.0):
                weights *= [0.0, 1.0, 1.0, 0.0, 0.0, 4.0, 0.0]  # nothing long: two people must be free in time
            kind = str(rng.choice(kinds, p=weights / weights.sum()))
            many = 1 if kind == "wander" else min(people, int(rng.integers(3, 5))) if kind == "group" else 2
        who = [int(k) for k in order[:many]]
        if many > 1 and rng.random() < 0.5:
            # Not always the one who is free next: otherwise the same two meet again and again.
            who[-1] = int(rng.choice(order[many - 1 : many + 1]))
        end = stage.enter(kind, who, int(stage.until[who].max()))
        if end is None:
            stage.until[order[0]] += count(0.7)
        elif kind in anomalies and left and kind == left[0]:
            beat, _, i = next(h for h in reversed(stage.happened) if h[0].anomalous)
            if i + len(beat) > n:
                break
            left.pop(0)
    return left


def _truth(stage: Stage, n: int) -> tuple[Interval, ...]:
    out: list[Interval] = []
    for beat, who, i in stage.happened:
        start, end = i + beat.skip, min(i + len(beat), n)
        if end > start:
            ids = tuple(sorted(k + 1 for k in who))
            out.append(Interval(beat.kind, beat.anomalous, ids, start * NS // RATE, end * NS // RATE))
    return tuple(sorted(out, key=lambda x: (x.start, x.people, x.kind)))
