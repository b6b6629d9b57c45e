"""A judge that keeps scores instead of deciding on them, so that they can be decided on many times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dyadwatch.core.decision.score_log import PairScores, PairScoresBuilder, ScoreLog, longest_pause_s
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.site_rules import SiteRules
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import Item, Pair, PairEnded, Window
from dyadwatch.stream.judging.scoring import ScoredWindow, scored_items
from dyadwatch.stream.messages import Message
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.windows.source_line import SourceLine

_STILL_NS = NS  # frames farther apart are not watching what is between them


class TrackKeeper:
    """Collects scores, pair by pair."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, Pair], tuple[PairScoresBuilder, str]] = {}  # with the name of their clock
        self._done: list[PairScores] = []
        self.windows = 0

    def add(self, window: Window, parts: Sequence[float]) -> None:
        """Takes the parts of the score of a pair's next window."""
        key = window.source, window.pair
        track = self._open.get(key)
        if track is None:
            track = self._open[key] = PairScoresBuilder(), window.clock
        track[0].add(window.end, parts, doubtful=window.doubtful)
        self.windows += 1

    def end(self, source: str, pair: Pair) -> None:
        """Notes that a pair will have no more windows."""
        track = self._open.pop((source, pair), None)
        if track is not None:
            scores, clock = track
            self._done.append(scores.build(source, pair.ids, clock))

    def log(self, hop_s: float) -> ScoreLog:
        """All of it; ends the pairs that have not ended."""
        for source, pair in list(self._open):
            self.end(source, pair)
        return ScoreLog(tuple(self._done), hop_s, longest_pause_s(hop_s))


class ScoreKeeper:
    """Scores windows as the detector does, by the same rules of the site, and keeps the scores.

    Whether the model suits a source is not looked at: levels are to be found for the scores as they are.

    Arguments:
        scorer, config, losses: as of `Scoring`.
    """

    def __init__(self, scorer: Scorer, config: Config, losses: DropLog) -> None:
        self._scorer = scorer
        self._losses = losses
        self._site = SiteRules(config, None)
        self._hop_s = config.windows.hop / scorer.info.fps
        self._tracks = TrackKeeper()

    def judge(self, items: Sequence[Item]) -> list[Message]:
        """Scores the windows among the items; there is nothing to tell."""
        for item in scored_items(self._scorer, items, self._losses):
            if isinstance(item, ScoredWindow):
                window, score = item
                weight, _ = self._site.weigh(window)
                self._tracks.add(window, [weight * part for part in score.parts])
            elif isinstance(item, PairEnded):
                self._tracks.end(item.source, item.pair)
                self._site.ended(item.source, item.pair)
        return []

    def log(self) -> ScoreLog:
        """The scores kept; once, at the end."""
        return self._tracks.log(self._hop_s)


class KeepingPipeline:
    """The live path up to the scores, which are kept.

    Arguments:
        scorer, config: as of `Pipeline`.

    Attributes:
        counters: what was left out.
        intake: the lines of all sources.
        judge: keeps the scores.
    """

    def __init__(self, scorer: Scorer, config: Config) -> None:
        self.counters = Counters()
        drops = DropLog(self.counters)
        self.intake = Ingest(scorer.shape, config, drops)
        self.judge = ScoreKeeper(scorer, config, drops)

    def run(self, frames: Iterable[PoseFrame]) -> None:
        """Takes frames up to the end of the stream."""
        for frame in frames:
            self.judge.judge(self.intake.push(frame, 0))
        self.judge.judge(self.intake.finish(PairEnd.END_OF_STREAM))


class WatchedTime:
    """How long each source was watched: the time between used frames less than a second apart.

    Sources of a group are watched as one, under its name.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[SourceLine, int, int]] = {}  # source -> its line, frames used, stamp
        self._ns: dict[str, int] = {}

    def look(self, line: SourceLine) -> None:
        """Records how a line stands after one of its frames."""
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
