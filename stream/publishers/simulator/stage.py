"""The floor: who is free when, where an encounter fits between the others, and what truly happened."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dyadwatch.stream.publishers.simulator.acts import Beat
from dyadwatch.stream.publishers.simulator.encounters import compose
from dyadwatch.stream.publishers.simulator.figure import SimulatedPerson
from dyadwatch.stream.publishers.simulator.ik import Array

_CLEAR_M = 0.7  # people who have nothing to do with each other keep this far apart, where there is room
_CLOSE_M = 0.5  # and never come closer than this
_TRIES = 24


class Stage:
    """Places encounters of several people so that nobody walks through anybody.

    Arguments:
        rng: decides on people, places and all that is left open.
        people: how many.
        samples: length of the timeline, in samples of 1/RATE seconds, with room for what runs over.
        half: metres from the middle of the floor to where people may stand.
    """

    def __init__(self, rng: np.random.Generator, people: int, samples: int, half: float) -> None:
        self._rng = rng
        self._half = half
        starts: list[Array] = []
        while len(starts) < people:
            pose = rng.uniform([-half, -half, -np.pi], [half, half, np.pi])
            if all(np.hypot(*(pose - s)[:2]) > 1.2 for s in starts):
                starts.append(pose)
        self.figures = [SimulatedPerson(r, samples, s) for r, s in zip(rng.spawn(people), starts, strict=True)]
        self.until = np.zeros(people, np.int64)
        self.happened: list[tuple[Beat, tuple[int, ...], int]] = []

    def enter(self, kind: str, who: Sequence[int], start: int) -> int | None:
        """Stages an encounter of some people from sample `start` on.

        Returns:
            the sample at which it is over; None when no way of playing it keeps clear of the others.
        """
        figures = [self.figures[k] for k in who]
        poses = np.stack([f.c.root[start] for f in figures])
        best: tuple[float, list[Beat]] | None = None
        for _ in range(_TRIES):
            beats = compose(self._rng, kind, figures, poses, self._half)
            margin = self._margin(beats, who, start)
            if best is None or margin > best[0]:
                best = (margin, beats)
            if margin >= _CLEAR_M:
                break
        if best is None or best[0] < _CLOSE_M:
            return None
        i = start
        for beat in best[1]:
            for fig, roots in zip(figures, beat.roots, strict=True):
                fig.follow(i, roots)
            self.happened.append((beat, tuple(who), i))
            i += len(beat)
        i = start
        for beat in best[1]:
            beat.play(figures, i)
            i += len(beat)
        self.until[list(who)] = i
        return i

    def _margin(self, beats: Sequence[Beat], who: Sequence[int], start: int) -> float:
        """Metres to the nearest outsider over all time; negative where the encounter itself is impossible."""
        roots = np.concatenate([b.roots for b in beats], axis=1)[..., :2]
        if start + roots.shape[1] > len(self.figures[0].stepping) or np.abs(roots).max() > self._half + 0.35:
            return -1.0
        for beat in beats:
            for a in range(len(who)):
                for b in range(a):
                    apart = np.hypot(*(beat.roots[a] - beat.roots[b]).T[:2])
                    # Who starts out close may leave, but nobody comes closer than the beat allows.
                    if apart.min() < min(beat.apart, apart[0] - 0.05):
                        return -1.0
        others = [k for k in range(len(self.figures)) if k not in who]
        if not others:
            return np.inf
        end = max(start + roots.shape[1], int(self.until.max()))
        near = np.stack([self.figures[k].c.root[start:end:3, :2] for k in others])
        mine = roots[:, np.minimum(np.arange(0, int(end - start), 3), roots.shape[1] - 1)]
        gap = mine[:, None] - near[None]
        return float(np.sqrt((gap * gap).sum(axis=-1).min()))
