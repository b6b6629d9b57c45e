"""From the steps of a scene to the windows of its pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.finding import Finding
from dyadwatch.core.mapping import JointMap
from dyadwatch.stream.codes import Blindness, Circumstance, PairEnd
from dyadwatch.stream.config import WindowOptions
from dyadwatch.stream.counters import Count
from dyadwatch.stream.grid import TimeGrid
from dyadwatch.stream.items import Item, Keys, Pair, PairEnded, Window, WindowShape
from dyadwatch.stream.scene import Step
from dyadwatch.stream.windows import TrackRing, fill_hidden

_NS = 1_000_000_000


class PairWindows:
    """Cuts the windows of one scene.

    Arguments:
        source: its name.
        shape: what the model wants.
        options: the section `windows` of the configuration.
        leave_m: `pairs.leave_m`; a window that begins with the two farther apart is left out.
        max_gap: ns for which a partner's rows may come late.
        count: called with a reason for every window that cannot be used.
    """

    def __init__(
        self, source: str, shape: WindowShape, options: WindowOptions, leave_m: float, max_gap: int, count: Count
    ) -> None:
        self._source = source
        self._shape = shape
        self._options = options
        self._leave_m = leave_m
        self._slack = int(max_gap / _NS * shape.fps) + 2
        self._count = count
        self._grid = TimeGrid(shape.fps)
        self._rings: dict[int, TrackRing] = {}
        self._next_end: dict[Keys, int] = {}
        self._windowed: set[Keys] = set()  # pairs whose newest window was of use
        self._cut_of: set[Keys] = set()  # pairs that windows were cut of
        self._hidden: dict[Keys, Finding[Blindness]] = {}
        self._mapping: JointMap | None = None
        self._stamp = 0
        self._clock = "unix"

    @property
    def hidden_joint(self) -> Finding[Blindness] | None:
        """The joint for which the newest window of a pair was left out; None where no window was."""
        return next(reversed(self._hidden.values()), None)

    def flow(self, pairs: list[Pair]) -> bool:
        """Whether the newest window of any of these pairs was of use."""
        return any(p.keys in self._windowed for p in pairs)

    def hidden(self, pairs: list[Pair]) -> Finding[Blindness] | None:
        """The joint for which the newest window of the first of these pairs was left out that has one such."""
        return next((self._hidden[p.keys] for p in pairs if p.keys in self._hidden), None)

    def take(self, step: Step, arrived: int) -> list[Item]:
        """Takes up a step.

        Arguments:
            step: of the scene.
            arrived: monotonic ns at which the frame that led to it was received.

        Returns:
            The pairs it ends and the windows it completes, in order.
        """
        out = self._ends(step.ended) if step.ended else []
        if step.fresh:
            self._rings.clear()
        for track in step.lost:
            self._rings.pop(track.key, None)
        if step.frame is None:
            return out
        self._stamp, self._clock, self._mapping = step.frame.stamp, step.frame.clock, step.mapping
        for track, k, rows in step.rows:
            ring = self._rings.get(track.key)
            if ring is None:
                ring = self._rings[track.key] = TrackRing(len(self._shape.layout), self._shape.frames, self._slack)
            ring.extend(k, rows)
        for pair in step.pairs:
            out += self._cut(pair, arrived)
        return out

    def _ends(self, pairs: Sequence[tuple[Pair, PairEnd]]) -> list[Item]:
        for pair, _ in pairs:
            self._next_end.pop(pair.keys, None)
            self._windowed.discard(pair.keys)
            self._hidden.pop(pair.keys, None)
        # Of a pair without windows nobody knows: its end would only wait behind those of others, and without a bound.
        known = [(pair, reason) for pair, reason in pairs if pair.keys in self._cut_of]
        self._cut_of -= {pair.keys for pair, _ in known}
        return [PairEnded(self._source, pair, self._stamp, self._clock, reason) for pair, reason in known]

    def _cut(self, pair: Pair, arrived: int) -> list[Item]:
        """The windows of a pair that are complete by now: their ends lie on multiples of the hop."""
        a, b = (self._rings[k] for k in pair.keys)
        hop, frames = self._options.hop, self._shape.frames
        earliest = max(a.first_end, b.first_end)
        end = max(self._next_end.get(pair.keys, 0), -(-earliest // hop) * hop)
        out: list[Item] = []
        while end <= a.last and end <= b.last:
            joints = np.stack((a.window(end), b.window(end)))
            if self._begins_far(joints):
                end += hop
                continue
            if fill_hidden(joints, self._options.max_hidden):
                start = self._grid.stamp(end - frames + 1)
                out.append(Window(self._source, pair, start, self._grid.stamp(end), joints, self._clock, arrived))
                self._windowed.add(pair.keys)
                self._cut_of.add(pair.keys)
                self._hidden.pop(pair.keys, None)
            else:
                self._count(Circumstance.JOINTS_HIDDEN)
                self._hidden[pair.keys] = self._most_hidden(pair, joints)
                self._windowed.discard(pair.keys)
            end += hop
        self._next_end[pair.keys] = end
        return out

    def _most_hidden(self, pair: Pair, joints: NDArray[np.float32]) -> Finding[Blindness]:
        """The joint out of sight for longest in a window (2, T, J, 3), of whom, and what it is derived from."""
        unseen = np.isnan(joints[..., 0]).sum(axis=1)
        person, joint = np.unravel_index(unseen.argmax(), unseen.shape)
        name, derived_from = self._shape.layout.joints[joint], ()
        if self._mapping is not None:
            sent = tuple(dict.fromkeys(self._mapping.source.joints[i] for i in self._mapping.pairs[joint]))
            derived_from = () if sent[0] == name else sent
        return Finding(Blindness.JOINTS_HIDDEN, joint=name, person=pair.ids[person], derived_from=derived_from)

    def _begins_far(self, joints: NDArray[np.float32]) -> bool:
        """Whether a window still holds the time before the two were near: no model was taught what is normal there."""
        first = joints[:, 0]
        places = [p[~np.isnan(p[:, 0])].mean(axis=0) if not np.isnan(p[:, 0]).all() else None for p in first]
        if places[0] is None or places[1] is None:
            return False  # hidden at the start; whether too much is hidden is judged with the whole window
        step = places[0] - places[1]
        return float(np.hypot(step[0], step[2])) > self._leave_m
