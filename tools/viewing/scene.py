"""What there is to see: people on an even grid of time, the scores of their pairs, and the events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.units import NS
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.tracking.scene_tracker import SceneStep
from dyadwatch.stream.tracking.time_grid import TimeGrid, mend_rows

_MOST_PEOPLE = 12
_STAND_M = 0.95  # of the lowest joint over the floor, where a skeleton ends at the hips
_SOLES = ("foot", "ankle", "heel", "toe", "foot_index", "big_toe")


class Curve(NamedTuple):
    """The evidence of one pair: seconds, ends of the windows, and evidence, of which 1 raises an alarm; both (n,)."""

    pair: tuple[str, str]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


class Span(NamedTuple):
    """An event, in seconds; `joints` are those of the first and the second that contribute most."""

    pair: tuple[str, str]
    start: float
    end: float
    joints: tuple[str, str] | None


@dataclass(frozen=True)
class Scene:
    """People and scores on one timeline.

    Arguments:
        title: where it comes from.
        fps: points a second.
        layout: of the joints.
        names: one a person; the pair that is looked at comes first.
        joints: metres, Y up, shape (T, P, J, 3), NaN where unseen.
        curves: of all pairs; that of the first two people comes first, where it has any.
        spans: events of that pair.
        levels: where alarms are raised and cleared; None where nobody says.
        missing: why there are no scores; None where there are.
        began: unix ns of the first point, where stamps are unix time.
    """

    title: str
    fps: float
    layout: Layout
    names: tuple[str, ...]
    joints: NDArray[np.float32]
    curves: tuple[Curve, ...] = ()
    spans: tuple[Span, ...] = ()
    levels: tuple[float, float] | None = None
    missing: str | None = None
    began: int | None = None

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.joints) / self.fps

    @cached_property
    def curve(self) -> Curve | None:
        """Scores of the pair that is looked at."""
        pair = set(self.names[:2])
        return next((c for c in self.curves if set(c.pair) == pair), None)

    @property
    def peak(self) -> float:
        """Seconds to the moment most worth a look: the highest score, or where the two are nearest, or the middle."""
        curve = self.curve
        if curve is not None and len(curve.values):
            return float(curve.times[int(curve.values.argmax())])
        if len(self.names) > 1:
            apart = np.linalg.norm(self.places[:, 0] - self.places[:, 1], axis=1)
            if not np.isnan(apart).all():
                return float(np.nanargmin(apart)) / self.fps
        return self.seconds / 2

    @cached_property
    def places(self) -> NDArray[np.float64]:
        """Where everybody is: mean of the joints in sight, metres, shape (T, P, 3), NaN where nobody."""
        seen = ~np.isnan(self.joints[..., :1])
        count = seen.sum(axis=2)
        total = np.where(seen, self.joints, 0).sum(axis=2, dtype=np.float64)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    @cached_property
    def top(self) -> float:
        """Upper end of the axis of scores."""
        highest = [float(c.values.max()) for c in self.curves if len(c.values)]
        return 1.12 * max([*highest, *(self.levels or ()), 1.0])

    @cached_property
    def floor(self) -> float:
        """Height of the floor, metres, by the lowest joints."""
        soles = [i for i, j in enumerate(self.layout.joints) if j.partition("_")[2] in _SOLES]
        heights = self.joints[:, :, soles, 1] if soles else self.joints[..., 1]
        heights = heights[~np.isnan(heights)]
        if not len(heights):
            return 0.0
        return float(np.percentile(heights, 2)) - (0.03 if soles else _STAND_M)


@dataclass
class _Stretch:
    """What can be joined: one run of a source, in one layout; rows (J, 3) by person and point of the grid."""

    layout: Layout
    clock: str
    rows: dict[str, dict[int, NDArray[np.float32]]] = field(default_factory=dict)
    first: int = 0
    last: int = -1


class ScenePeople:
    """Collects what is seen of one source, from the steps of its scene.

    Arguments:
        fps: points of the scene's grid a second.
    """

    def __init__(self, fps: float) -> None:
        self._grid = TimeGrid(fps)
        self._fps = fps
        self._stretches: list[_Stretch] = []

    def take(self, step: SceneStep) -> None:
        """Takes up a step."""
        frame = step.frame
        if frame is None:
            return
        if step.fresh:
            self._stretches.append(_Stretch(frame.layout, frame.clock, first=self._grid.at_or_after(frame.stamp)))
        now = self._stretches[-1]
        now.last = self._grid.at_or_after(frame.stamp + 1) - 1
        for track, k, rows in step.rows:
            now.rows.setdefault(str(track.id), {}).update(enumerate(rows, k))
        for track, mended in step.mended:
            mend_rows(now.rows[str(track.id)], mended)

    def scene(
        self,
        title: str,
        told: Iterable[Message],
        *,
        pair: Sequence[str] = (),
        levels: tuple[float, float] | None = None,
        missing: str | None = None,
    ) -> Scene:
        """The longest stretch in which the pair is seen, or the one with its highest score.

        Arguments:
            title: where it comes from.
            told: scores and events; those of other sources are to be left out.
            pair: names of the two to look at; by default those with the highest score.
            levels: where alarms are raised and cleared.
            missing: what to say where there are no scores.

        Raises:
            ConfigError: nobody is seen, or there is no such pair; the message names who there is.
        """
        messages = list(told)
        scores = [m for m in messages if isinstance(m, ScoreMessage)]
        events = [m for m in messages if isinstance(m, EventMessage)]
        stretches = [s for s in self._stretches if s.rows and s.last > s.first]
        if not stretches:
            raise ConfigError(f"{title}: nobody is seen in it; expected people for two frames or more")
        stretches = _with_pair(stretches, pair)
        wanted = [m for m in scores if not pair or set(map(str, m.pair)) == set(pair)]
        best = max(wanted, key=lambda m: m.evidence, default=None)
        chosen = max(stretches, key=lambda s: s.last - s.first)
        if best is not None:
            within = [s for s in stretches if self._grid.stamp(s.first) <= best.end <= self._grid.stamp(s.last)]
            chosen = within[0] if within else chosen
        begin, end = self._grid.stamp(chosen.first), self._grid.stamp(chosen.last)
        scores = [m for m in scores if begin <= m.end <= end]
        names = self._names(chosen, pair, best if best in scores else None)
        joints = np.full((chosen.last - chosen.first + 1, len(names), len(chosen.layout), 3), np.nan, np.float32)
        for i, name in enumerate(names):
            for k, row in chosen.rows[name].items():
                if chosen.first <= k <= chosen.last:
                    joints[k - chosen.first, i] = row
        curves = _curves(scores, begin)
        return Scene(
            title,
            self._fps,
            chosen.layout,
            names,
            joints,
            tuple(sorted(curves, key=lambda c: set(c.pair) != set(names[:2]))),
            tuple(_spans([e for e in events if set(map(str, e.pair)) == set(names[:2])], begin, end)),
            levels,
            missing if not curves else None,
            begin if chosen.clock == "unix" else None,
        )

    def _names(self, stretch: _Stretch, pair: Sequence[str], best: ScoreMessage | None) -> tuple[str, ...]:
        """The two to look at, then the others, who is longest in sight first."""
        by_length = sorted(stretch.rows, key=lambda name: -len(stretch.rows[name]))
        first = list(pair) or ([str(i) for i in best.pair] if best is not None else by_length[:2])
        first = [name for name in first if name in stretch.rows]
        return (*first, *[name for name in by_length if name not in first][: _MOST_PEOPLE - 2])


def _with_pair(stretches: Sequence[_Stretch], pair: Sequence[str]) -> Sequence[_Stretch]:
    """The stretches in which both of a pair are seen; all where no pair is named.

    Raises:
        ConfigError: there are none.
    """
    if len(set(pair)) < len(pair):
        raise ConfigError(f"--pair names {pair[0]!r} twice; expected two people")
    there = list(dict.fromkeys(name for s in stretches for name in s.rows))
    unknown = [name for name in pair if name not in there]
    if unknown:
        raise ConfigError(f"--pair names {unknown[0]!r}, who is not seen; expected two of {', '.join(there):.300}")
    together = [s for s in stretches if all(name in s.rows for name in pair)]
    if not together:
        raise ConfigError(
            f"--pair names {' and '.join(map(repr, pair))}, between whom the source began anew; expected two who are "
            "seen in one run of it"
        )
    return together


def _curves(scores: Sequence[ScoreMessage], begin: int) -> list[Curve]:
    by_pair: dict[tuple[str, str], list[ScoreMessage]] = {}
    for m in scores:
        by_pair.setdefault((str(m.pair[0]), str(m.pair[1])), []).append(m)
    return [
        Curve(
            pair,
            np.array([(m.end - begin) / NS for m in found]),
            np.array([m.evidence for m in found], dtype=np.float64),
        )
        for pair, found in by_pair.items()
    ]


def _spans(events: Sequence[EventMessage], begin: int, end: int) -> Iterable[Span]:
    """One a happening, from the latest message of each."""
    latest = {e.id: e for e in events}
    for e in latest.values():
        stop = e.end if e.end is not None else max(e.stamp, e.start)
        if e.start <= end and stop >= begin:
            top = (e.joints[0].first, e.joints[0].second) if e.joints else None
            span = (max(e.start - begin, 0) / NS, (min(stop, end) - begin) / NS)
            yield Span((str(e.pair[0]), str(e.pair[1])), *span, top)
