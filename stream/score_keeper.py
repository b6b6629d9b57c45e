"""A judge that keeps scores instead of deciding on them, so that they can be decided on many times."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.score_log import PairScores, ScoreLog
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Fault
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.items import Item, Pair, PairEnded, Window
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.messages import Message
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.windows.source_line import SourceLine

_PAUSE_S = 1.0  # as the judge has it
_STILL_NS = NS  # frames farther apart are not watching what is between them


@dataclass
class _Open:
    """The scores of a pair that has not ended."""

    pair: Pair
    clock: str
    stamps: array[int] = field(default_factory=lambda: array("q"))
    parts: array[float] = field(default_factory=lambda: array("d"))
    doubtful: bytearray = field(default_factory=bytearray)


class TrackKeeper:
    """Collects scores, pair by pair."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Pair], _Open] = {}
        self._done: list[PairScores] = []
        self.windows = 0

    def add(self, window: Window, parts: Sequence[float]) -> None:
        """Takes score, relation and unusual of a pair's next window."""
        key = window.source, window.pair
        track = self._open.get(key)
        if track is None:
            track = self._open[key] = _Open(window.pair, window.clock)
        track.stamps.append(window.end)
        track.parts.extend(parts)
        track.doubtful.append(window.doubtful)
        self.windows += 1

    def end(self, source: str, pair: Pair) -> None:
        """Tells that a pair will have no more windows."""
        track = self._open.pop((source, pair), None)
        if track is not None:
            parts = np.frombuffer(track.parts, np.float64).reshape(-1, 3)
            stamps = np.frombuffer(track.stamps, np.int64)
            doubtful = np.frombuffer(track.doubtful, np.bool_)
            self._done.append(PairScores(source, pair.ids, track.clock, stamps, parts, doubtful))

    def log(self, hop_s: float, pause_s: float) -> ScoreLog:
        """All of it; ends the pairs that have not ended."""
        for source, pair in list(self._open):
            self.end(source, pair)
        return ScoreLog(tuple(self._done), hop_s, pause_s)


class ScoreKeeper(Scoring):
    """Scores windows as the detector does, and keeps the scores.

    Arguments:
        scorer, config, losses: as of `Scoring`.
    """

    def __init__(self, scorer: Scorer, config: Config, losses: DropLog) -> None:
        super().__init__(scorer, Thresholds(1.0, 1.0), config, losses)
        self._keeper_scorer, self._keeper_losses = scorer, losses
        self._hop_s = config.windows.hop / scorer.info.fps
        self._tracks = TrackKeeper()

    def judge(self, items: Sequence[Item]) -> list[Message]:
        """Scores the windows among the items; there is nothing to tell."""
        windows = [i.joints for i in items if isinstance(i, Window)]
        scores = iter(self._keeper_scorer.score(windows))
        for item in items:
            if isinstance(item, Window):
                score = next(scores)
                if math.isfinite(score.score + score.relation + score.unusual):
                    weight, _ = self.site.weigh(item)
                    self._tracks.add(item, [weight * part for part in (score.score, score.relation, score.unusual)])
                else:
                    self._keeper_losses.add(item.source, Fault.SCORE_NOT_FINITE)
            elif isinstance(item, PairEnded):  # pyright: ignore[reportUnnecessaryIsInstance] - there may be more kinds
                self._tracks.end(item.source, item.pair)
                self.site.ended(item.source, item.pair)
        return []

    def log(self) -> ScoreLog:
        """The scores kept; once, at the end."""
        return self._tracks.log(self._hop_s, max(_PAUSE_S, 2 * self._hop_s))


class KeepingPipeline(Pipeline):
    """The live path up to the scores, which are kept.

    Arguments:
        scorer, config: as of `Pipeline`.
    """

    def __init__(self, scorer: Scorer, config: Config) -> None:
        super().__init__(scorer, Thresholds(1.0, 1.0), config)
        self.judge = self.keeper = ScoreKeeper(scorer, config, DropLog(self.counters))


class WatchedTime:
    """How long each source was watched: the time between used frames less than a second apart.

    Sources of a group are watched as one, under its name.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[SourceLine, int, int]] = {}  # source -> its line, frames used, stamp
        self._ns: dict[str, int] = {}

    def look(self, line: SourceLine) -> None:
        """Takes note of how a line stands after one of its frames."""
        scene, before = line.scene, self._last.get(line.source)
        if before is not None and before[0] is line:
            if scene.frames == before[1]:
                return
            step = scene.stamp - before[2]
            if 0 < step < _STILL_NS:
                self._ns[line.source] = self._ns.get(line.source, 0) + step
        if scene.frames:
            self._last[line.source] = line, scene.frames, scene.stamp

    def hours(self, members: Sequence[str] = ()) -> dict[str, float]:
        """Hours by source, without those that are members of groups."""
        return {name: ns / NS / 3600 for name, ns in sorted(self._ns.items()) if name not in members}
