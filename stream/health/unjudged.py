"""Why nothing of a source or a clip was scored: what is looked at while it plays, and the cause that follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from dyadwatch.core.finding import Finding, Value
from dyadwatch.core.sense.sense_codes import BLINDING, Odd, Oddity
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import FAULTS, FRAMES_LEFT_OUT, Blindness, Circumstance, Fault, Unscored
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.windows.source_line import SourceLine

_FEW = 16  # people among whom the nearest two are looked for


@dataclass
class Account:
    """What was seen of a source, or of one clip, frame by frame.

    Arguments:
        frames, used: that came, and that were used.
        most: people in one frame.
        nearest_m: of any two people, along the floor.
        near: whether any two were near each other.
        longest_ns: for so long without a break.
        unfit, hidden: what the line said last of joints that do not fit, and of the one out of sight for longest.
        left_out_for: what was odd about the people of whom a window was left out last.
        odd: what was odd about bodies, by code, as first seen.
        counts: what was left out, by reason.
    """

    frames: int = 0
    used: int = 0
    most: int = 0
    nearest_m: float = math.inf
    near: bool = False
    longest_ns: int = 0
    unfit: Finding[Blindness] | None = None
    hidden: Finding[Blindness] | None = None
    left_out_for: Odd | None = None
    odd: dict[Oddity, Odd] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _since: dict[tuple[int, int], int] = field(default_factory=dict)
    _first: int = 0
    _last: int = 0

    def look(self, line: SourceLine, *, used: bool) -> None:
        """Records how a line stands after one of its frames, which may be one that was not used."""
        self.frames += 1
        scene = line.scene
        self.unfit = scene.unfit or self.unfit
        self.hidden = line.hidden_joint or self.hidden
        self.left_out_for = line.left_out_for or self.left_out_for
        for odd in line.odd:
            self.odd.setdefault(odd.code, odd)
        if not used:
            return
        if not self.used:
            self._first = scene.stamp
        self._last = scene.stamp
        self.used += 1
        self.most = max(self.most, scene.people)
        pairs = {pair.keys for pair in scene.open_pairs}
        self._since = {keys: self._since.get(keys, scene.stamp) for keys in pairs}
        alive = scene.tracker.alive
        for (a, b), since in self._since.items():
            if alive[a].stamp == alive[b].stamp == scene.stamp:  # both are seen; who is not is remembered for a while
                self.longest_ns = max(self.longest_ns, scene.stamp - since)
        self.near = self.near or bool(pairs)
        if not pairs:
            roots = [track.root for track in list(alive.values())[:_FEW]]
            found = (math.hypot(a[0] - b[0], a[2] - b[2]) for a, b in combinations(roots, 2))
            self.nearest_m = min(self.nearest_m, *found, math.inf)

    @property
    def period_s(self) -> float:
        """Seconds from one used frame to the next, in the mean."""
        return (self._last - self._first) / NS / (self.used - 1) if self.used > 1 else 0.0

    def cause(self, shape: WindowShape, config: Config) -> Finding[Unscored]:
        """Why there was no window to score."""
        gap = min(config.clock.max_gap_s, config.tracks.max_gap_s)
        if self.unfit and not self.most:
            return Finding(Unscored.LAYOUT_UNFIT, **self.unfit.detail)
        if not self.frames:
            return Finding(Unscored.NO_FRAMES)
        if not self.used:
            return Finding(Unscored.REFUSED, frames=self.frames, reasons=_left_out(self.counts))
        if self.most < 2:
            return Finding(Unscored.ONE_PERSON if self.most else Unscored.NOBODY)
        left_out = self._windows_left_out(config)
        if left_out is not None:
            return left_out
        if self.period_s > gap:
            return Finding(Unscored.SLOW, step_s=self.period_s, most_s=gap)
        if not self.near and self.nearest_m < math.inf:
            return Finding(Unscored.APART, nearest_m=self.nearest_m, enter_m=config.pairs.enter_m)
        every, need = config.windows.hop / shape.fps, shape.least / shape.fps
        longest = self.longest_ns / NS
        return Finding(Unscored.INTERRUPTED, longest_s=longest, need_s=need, every_s=every, max_gap_s=gap)

    def _windows_left_out(self, config: Config) -> Finding[Unscored] | None:
        """Why windows that there were have no score; None where there were none."""
        hidden, failed, odd = (sum(self.counts.get(r, 0) for r in reasons) for reasons in (_HIDDEN, _FAILED, BLINDING))
        if odd and self.left_out_for is not None:
            why = self.left_out_for
            return Finding(Unscored.ODD_BODIES, windows=odd, odd=str(why.code), **why.detail)
        if hidden:
            which: Mapping[str, Value] = self.hidden.detail if self.hidden else {}
            most = config.windows.max_hidden
            return Finding(Unscored.JOINTS_HIDDEN, windows=hidden, max_hidden=most, **which)
        return Finding(Unscored.NOT_SCORED, windows=failed) if failed else None


class Accounts:
    """Accounts of what is asked about: sources, or the clips that one source plays one after the other.

    Arguments:
        counters: of the pipeline.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._of: dict[str, Account] = {}
        self._before: dict[str, dict[str, int]] = {}  # key -> counts of its source when it began
        self._newest: dict[str, str] = {}  # source -> key
        self._latest: dict[str, dict[str, int]] = {}  # source -> counts after its last frame
        self._frames: dict[str, tuple[SourceLine, int]] = {}

    def look(self, key: str, line: SourceLine) -> None:
        """Records how a line stands after a frame of what `key` names."""
        source = line.source
        account = self._of.get(key)
        if account is None:
            account = self._of[key] = Account()
            self._before[key] = self._latest.get(source, {})
            self._newest[source] = key
        before = self._frames.get(source)
        used = line.scene.frames > (before[1] if before is not None and before[0] is line else 0)
        self._frames[source] = line, line.scene.frames
        account.look(line, used=used)
        self._take_counts(source, key)

    def settle(self) -> None:
        """Takes over what was counted since the last frames; for the end."""
        for source, key in self._newest.items():
            self._take_counts(source, key)

    def _take_counts(self, source: str, key: str) -> None:
        before, now = self._before[key], self._counters.of(source)
        self._latest[source] = now
        self._of[key].counts = {r: n - before.get(r, 0) for r, n in now.items() if n > before.get(r, 0)}

    def of(self, key: str) -> Account:
        """What was seen under a key; an account without frames where nothing was."""
        return self._of.get(key) or Account()


_HIDDEN = (Circumstance.JOINTS_HIDDEN,)
_FAILED = (
    Fault.SCORE_NOT_FINITE,
    Fault.SCORE_FAILED,
    Fault.SCORE_INVALID,
    Fault.SCORE_CANCELLED,
    Fault.SHED_OVERLOAD,
)


def _left_out(counts: Mapping[str, int]) -> dict[str, int]:
    """How many frames were left out for which reason, the most frequent first."""
    found = sorted(((n, r) for r, n in counts.items() if r in FRAMES_LEFT_OUT or r not in FAULTS), reverse=True)
    return {reason: n for n, reason in found}
