"""The scores that a detector published while it recorded, so that they can be decided on otherwise.

The recording does not say when a pair ended, but for events that were open then. A pause in which people would have
been lost counts as its end unless an event lasted through it; where none was open it made no difference to what was
decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.decision.score_log import PairScores, PairScoresBuilder, ScoreLog, longest_pause_s
from dyadwatch.core.errors import RecordingError
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import PairEnd
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.messages import EventMessage, ScoreMessage
from dyadwatch.stream.recordings.channels import Ended
from dyadwatch.stream.recordings.frame_times import FrameTimes
from dyadwatch.stream.recordings.header import config_of, recorded_thresholds
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.write_queue import Published

_ENDS = frozenset(str(reason) for reason in PairEnd)
# Source, ids, and which of the pairs that bear the same ids at a time, as they may after ids were exchanged.
_Key = tuple[str, tuple[TrackId, TrackId], int]


@dataclass(frozen=True, eq=False)
class Ending:
    """How a track ended: when, and why."""

    stamp: int
    reason: PairEnd


@dataclass(frozen=True, eq=False)
class RecordedScores:
    """What a detector published of one or more days.

    Arguments:
        log: the scores.
        endings: of the tracks of the log, in their order.
        events: as they were reported.
        sources: hours in which frames came, by source or group.
        config: in force.
        thresholds: in force.
        model, model_sha256: that made the scores.
    """

    log: ScoreLog
    endings: tuple[Ending, ...]
    events: tuple[EventMessage, ...]
    sources: dict[str, float]
    config: Config
    thresholds: Thresholds
    model: str
    model_sha256: str


def read_scores(
    playback: Playback, progress: Callable[[float], None] = lambda seconds: None, *, none_too: bool = False
) -> RecordedScores:
    """The scores in recordings of a detector.

    Arguments:
        progress: called with the seconds of the recording that are read, now and then.
        none_too: whether hours without any score are an answer, too.

    Raises:
        RecordingError: no detector ran, it told no scores, or they are of several models.
    """
    abouts = [r.about for r in playback.recordings]
    made = {a.model_sha256: a.model for a in abouts if a.model_sha256}
    where = playback.recordings[0].path
    if not made:
        raise RecordingError(
            f"{where}: was recorded without a detector, so that there are no scores in it; expected a recording that "
            "`dyadwatch run` made with record.folder; `dyadwatch calibrate` scores others"
        )
    if len(made) > 1:
        names = " and ".join(f"{name} (sha256 {sha[:12]}...)" for sha, name in sorted(made.items()))
        raise RecordingError(f"the scores were made by different models, {names}; expected recordings of one of them")
    (sha, model), thresholds = next(iter(made.items())), next(filter(None, map(recorded_thresholds, abouts)), None)
    if thresholds is None:
        raise RecordingError(f"{where}: does not say which thresholds were in force; expected raise_at and clear_at")
    config = config_of(abouts)
    reader = _Reader(min(config.clock.max_gap_s, config.tracks.max_gap_s), progress)
    for recording in playback.recordings:
        reader.new_file(recording.about.run)
        for entry in recording.entries(playback.start, playback.end, reader.frames.received):
            if isinstance(entry, Published):
                reader.said(entry)
    reader.end_all(PairEnd.END_OF_STREAM)
    if not reader.tracks and not none_too:
        raise RecordingError(
            f"{where}: there are no scores in it; expected a recording of a detector with sinks.scores: true that had "
            "pairs to score"
        )
    hop_s = reader.hop_s
    log = ScoreLog(tuple(reader.tracks), hop_s, longest_pause_s(hop_s))
    sources = reader.frames.hours(config)
    return RecordedScores(log, tuple(reader.endings), tuple(reader.events), sources, config, thresholds, model, sha)


class _Reader:
    """Takes up what was reported, in its order."""

    def __init__(self, max_gap_s: float, progress: Callable[[float], None]) -> None:
        self._max_gap = round(max_gap_s * NS)
        self.frames = FrameTimes(progress)
        self._run: str | None = None
        self._pairs: dict[_Key, PairScoresBuilder] = {}
        self._newest: dict[tuple[str, tuple[TrackId, TrackId]], _Key] = {}  # whose score was reported last
        self._open: dict[_Key, str] = {}  # the event that is open
        self._events_of: dict[str, _Key] = {}
        self._clocks: dict[str, str] = {}
        self._steps: Counter[int] = Counter()
        self.tracks: list[PairScores] = []
        self.endings: list[Ending] = []
        self.events: list[EventMessage] = []

    @property
    def hop_s(self) -> float:
        """Seconds from one window of a pair to its next: the most frequent step."""
        return (self._steps.most_common(1)[0][0] if self._steps else 200_000_000) / NS

    def new_file(self, run: str) -> None:
        """Nothing joins two runs."""
        if run != self._run:
            self.end_all(PairEnd.END_OF_STREAM)
            self._run = run
            self.frames.new_run()

    def said(self, entry: Published) -> None:
        """Takes what the detector said."""
        what = entry.what
        if isinstance(what, ScoreMessage):
            self._score(what)
        elif isinstance(what, EventMessage):
            self._event(what)
        elif isinstance(what, Ended):
            for key in [k for k in self._pairs if k[0] == what.source]:
                self._end(key, self._pairs[key].stamps[-1], PairEnd(what.reason))

    def _score(self, score: ScoreMessage) -> None:
        number = 0
        while True:
            key = score.source, score.pair, number
            pair = self._pairs.get(key)
            if pair is None or pair.stamps[-1] != score.end:
                break
            number += 1
        self._newest[score.source, score.pair] = key
        if pair is not None:
            step = score.end - pair.stamps[-1]
            if step < 0 or (score.start - pair.stamps[-1] > self._max_gap and key not in self._open):
                self._end(key, pair.stamps[-1], PairEnd.LOST)
                pair = None
            elif step <= NS:
                self._steps[round(step, -3)] += 1
        if pair is None:
            pair = self._pairs[key] = PairScoresBuilder()
        parts = (score.weight * part for part in score.parts)
        pair.add(score.end, parts, doubtful=score.doubtful)

    def _event(self, event: EventMessage) -> None:
        self.events.append(event)
        self._clocks[event.source] = event.clock
        if event.type == "open":  # told right after the score that opened it
            key = self._newest.get((event.source, event.pair), (event.source, event.pair, 0))
            self._open[key], self._events_of[event.id] = event.id, key
        elif event.type == "close":
            key = self._events_of.pop(event.id, (event.source, event.pair, 0))
            self._open.pop(key, None)
            if str(event.reason) in _ENDS:
                self._end(key, event.stamp, PairEnd(str(event.reason)))

    def end_all(self, reason: PairEnd) -> None:
        """Nothing follows any more."""
        for key, pair in list(self._pairs.items()):
            self._end(key, pair.stamps[-1], reason)
        self._open.clear()

    def _end(self, key: _Key, stamp: int, reason: PairEnd) -> None:
        pair = self._pairs.pop(key, None)
        self._open.pop(key, None)
        if pair is None:
            return
        clock = self._clocks.get(key[0], "unix" if pair.stamps[0] > 10**17 else "media")
        self.tracks.append(pair.build(key[0], key[1], clock))
        self.endings.append(Ending(stamp, reason))
