"""How much of each source was recorded that can be learnt from, added up as the recordings grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dyadwatch.core.errors import RecordingError
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.stream.learning.progress import HeardOf
from dyadwatch.stream.messages import ScoreMessage, StatusMessage
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recordings_folder import recordings_between
from dyadwatch.stream.scoring.learning import Listener

_MOST_PAIRS = 1000  # that are remembered, so that one which goes on counts once


class RecordedTime:
    """Adds up the scores in a folder of recordings: scores are told of every pair near enough, and of none besides.

    Arguments:
        folder: of the recordings.
        known: what was added up before.
        until: unix ns by the recorder's clock up to which that was.

    Attributes:
        stale: sources whose calibration no longer holds, as their last status says.
    """

    def __init__(self, folder: Path, known: Sequence[HeardOf] = (), until: int = 0) -> None:
        self._folder = folder
        self._known = {h.source: h for h in known}
        self._listeners: dict[str, Listener] = {}
        self._pairs: dict[str, dict[tuple[TrackId, TrackId], None]] = {}
        self.until = until
        self.stale: set[str] = set()

    @property
    def heard(self) -> tuple[HeardOf, ...]:
        """By source, in the order of their names."""
        names = sorted({*self._known, *self._listeners})
        return tuple(self._of(name) for name in names)

    def look(self, now: int) -> bool:
        """Adds what was recorded since the last look; whether there was anything.

        Arguments:
            now: unix ns; what is recorded later is for the next look.
        """
        paths = recordings_between(self._folder, self.until, now)
        if not paths:
            return False
        try:
            playback = Playback(paths)
        except RecordingError:  # the first file has just been opened
            return False
        playback.start, playback.end = self.until, now
        before = self.until
        for said in playback.said():
            self.until = max(self.until, said.log_time + 1)
            if isinstance(said.what, ScoreMessage):
                self._take(said.what, said.log_time)
            elif isinstance(said.what, StatusMessage):
                (self.stale.discard if said.what.calibration is None else self.stale.add)(said.what.source)
        return self.until > before

    def _take(self, score: ScoreMessage, at: int) -> None:
        if score.source not in self._known:
            self._known[score.source] = HeardOf(source=score.source, since=at)
        pairs = self._pairs.setdefault(score.source, {})
        self._listeners.setdefault(score.source, Listener()).take(score, pairs)
        if not score.doubtful:
            pairs[score.pair] = None
            if len(pairs) > _MOST_PAIRS:
                del pairs[next(iter(pairs))]

    def _of(self, name: str) -> HeardOf:
        known, heard = self._known[name], self._listeners.get(name)
        if heard is None:
            return known
        return HeardOf(
            source=name,
            minutes=round(known.minutes + heard.heard.minutes, 3),
            pairs=known.pairs + heard.heard.pairs,
            since=known.since,
        )
