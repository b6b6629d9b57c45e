"""Which clip a message is about, when in that clip, and which clips were never judged.

Clips are played one after the other as one source, so stamps and ids of messages count on from clip to clip. People
who join events with labels need the clip's own name and time.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import BinaryIO, NamedTuple

import msgspec
from msgspec import Struct

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.finding import Finding, Value
from dyadwatch.core.sense.sense_codes import Odd, Oddity, settled
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.core.words import counted
from dyadwatch.stream.alarms.explained import explained
from dyadwatch.stream.codes import Unscored
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.health.unjudged import Accounts
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.messages import EventMessage, IncidentMessage, IncidentPair, Message, ScoreMessage, encode_json
from dyadwatch.stream.publishers.clip_player import Played, clip_intervals
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.tracking.time_grid import TimeGrid

_FEWEST_FRAMES = 8  # of a window: `core.training.options` takes no fewer


class ClipPlace(Struct, frozen=True):
    """The key `clip` of a JSON line; see docs/clips.md."""

    index: int
    set: str
    id: str
    label: str
    start_s: float
    end_s: float | None
    at_s: float


class Unjudged(NamedTuple):
    """Names of clips without a score: those that hold no window, and those that do."""

    short: list[str]
    others: list[str]


class Timeline:
    """Where clips lie on the time axis of `clip_frames`, and which of them were scored.

    Arguments:
        sets: the clips in the order they are played.
    """

    def __init__(self, sets: Sequence[ClipSet]) -> None:
        self._sets = [data.name for data in sets for _ in data]
        self._played = list(clip_intervals([clip for data in sets for clip in data]))
        self._starts = [p.start_ns for p in self._played]
        self._scored: set[int] = set()

    def _index(self, message: EventMessage | IncidentMessage | ScoreMessage) -> int:
        return self.index_at(message.start)

    def index_at(self, stamp: int) -> int:
        """The number of the clip that is played at a stamp."""
        return bisect_right(self._starts, stamp) - 1

    def note(self, messages: Sequence[Message]) -> None:
        """Records the clips that have a score."""
        self._scored.update(self._index(m) for m in messages if isinstance(m, ScoreMessage))

    def place(self, message: EventMessage | IncidentMessage | ScoreMessage) -> ClipPlace:
        """The clip that a message is about, and its times in seconds after the clip's first frame."""
        i = self._index(message)
        clip, begin = self._played[i].clip, self._played[i].start_ns
        at = message.stamp if isinstance(message, EventMessage | IncidentMessage) else message.end
        end_s = None if message.end is None else _seconds(message.end - begin)
        start_s, at_s = _seconds(message.start - begin), _seconds(at - begin)
        return ClipPlace(i, self._sets[i], clip.clip_id, clip.label, start_s, end_s, at_s)

    def in_clip(self, incident: IncidentMessage) -> IncidentMessage:
        """The incident as people read it: the clip's name for the source, its own seconds, persons 0 and 1."""
        i = self._index(incident)
        played = self._played[i]
        begin, clip = played.start_ns, played.clip
        names = {t: f"person {played.ids.index(t)}" if t in played.ids else str(t) for t in incident.people}
        pairs = tuple(_renamed(pair, names) for pair in incident.pairs)
        return msgspec.structs.replace(
            incident,
            source=_name(i, clip) + (f" ({clip.label})" if clip.label else ""),
            people=tuple(names.values()),
            pairs=pairs,
            start=incident.start - begin,
            end=None if incident.end is None else incident.end - begin,
            # It closes in the time of the next clip, which is nothing to tell of this one.
            stamp=min(incident.stamp, self._end(i)) - begin,
            explanation=pairs[0].explanation,
        )

    def _end(self, i: int) -> int:
        clip = self._played[i].clip
        return self._played[i].start_ns + round(len(clip) * NS / clip.fps)

    def unjudged(self, shape: WindowShape, hop: int) -> Unjudged:
        """The clips of which no window was scored.

        Arguments:
            shape: the windows of the model.
            hop: grid points from the end of one window to that of the next.
        """
        grid = TimeGrid(shape.fps)
        found = Unjudged([], [])
        for i, played in enumerate(self._played):
            if i not in self._scored:
                holds = _holds_window(grid, played, shape.least, hop)
                (found.others if holds else found.short).append(_name(i, played.clip))
        return found

    def unjudged_lines(self, shape: WindowShape, config: Config, accounts: Accounts) -> list[str]:
        """What to tell about clips that are quiet only because nothing of them was scored: how many for which cause.

        Arguments:
            shape: the windows of the model.
            config: the detector's.
            accounts: of the clips, by their numbers.
        """
        short = self.unjudged(shape, config.windows.hop).short
        found: dict[Unscored, list[tuple[int, Finding[Unscored]]]] = {}
        for i, played in enumerate(self._played):
            if i in self._scored:
                continue
            if _name(i, played.clip) in short:
                every, need = config.windows.hop / shape.fps, shape.least / shape.fps
                fitting = _fitting_window_s(played.clip, shape, config)
                cause = Finding(Unscored.SHORT, need_s=need, every_s=every, fitting_s=fitting)
            else:
                cause = accounts.of(str(i)).cause(shape, config)
            found.setdefault(cause.code, []).append((i, cause))
        return [self._line(of_cause) for of_cause in found.values()]

    def odd_lines(self, accounts: Accounts) -> list[str]:
        """What to tell of clips whose people look odd: of each finding the first clip, and how many more there are.

        Arguments:
            accounts: of the clips, by their numbers.
        """
        found: dict[Oddity, list[tuple[int, Odd]]] = {}
        for i in range(len(self._played)):
            for odd in settled(accounts.of(str(i)).odd.values()):
                found.setdefault(odd.code, []).append((i, odd))
        lines: list[str] = []
        for (i, odd), *others in found.values():
            played = self._played[i]
            said = text_of(Finding(odd.code, **self._persons(played, odd.detail)))
            more = f" and {counted(len(others), 'more clip')}" if others else ""
            lines.append(f"{_name(i, played.clip)}{more}: {said}")
        return lines

    def _persons(self, played: Played, detail: Mapping[str, Value]) -> dict[str, Value]:
        """Data in which the two of a clip are called persons 0 and 1."""
        names = {who: f"person {k}" for k, who in enumerate(played.ids)}
        who = ("person", "first", "second")
        return {key: names.get(str(v), v) if key in who else v for key, v in detail.items()}

    def _line(self, found: Sequence[tuple[int, Finding[Unscored]]]) -> str:
        """Clips that one cause kept from being judged, and what is known of the first of them."""
        i, cause = found[0]
        played = self._played[i]
        cause = Finding(cause.code, **self._persons(played, cause.detail))
        n, were = counted(len(self._played), "clip"), "was" if len(found) == 1 else "were"
        return f"{len(found)} of {n} {were} not judged, such as {_name(i, played.clip)}: {text_of(cause)}"


def _renamed(pair: IncidentPair, names: Mapping[TrackId, str]) -> IncidentPair:
    who = (names[pair.pair[0]], names[pair.pair[1]])
    return msgspec.structs.replace(pair, pair=who, explanation=explained(pair, who))


def _fitting_window_s(clip: Clip, shape: WindowShape, config: Config) -> float:
    """Seconds of the longest window for which a clip is long enough; 0 where it is too short for any."""
    points = int((len(clip) - 1) / clip.fps * shape.fps) + 1 - config.windows.hop
    if points < _FEWEST_FRAMES:
        return 0.0
    return math.floor(100 * points / shape.fps) / 100


def _name(i: int, clip: Clip) -> str:
    return clip.clip_id or f"clip {i}"


def _seconds(ns: int) -> float:
    return round(ns / NS, 3)


def _holds_window(grid: TimeGrid, played: Played, frames: int, hop: int) -> bool:
    """Whether a clip is long enough, where it lies on the model's time grid, for a window to end in it."""
    last = played.start_ns + round((len(played.clip) - 1) * NS / played.clip.fps)
    earliest = grid.at_or_after(played.start_ns) + frames - 1
    first_end = -(-earliest // hop) * hop  # windows end on multiples of the hop
    return grid.stamp(first_end) <= last


class ClipJsonSink:
    """Writes messages as they are published live, one JSON object a line, each with one more key, `clip`.

    Arguments:
        stream: a binary stream such as `sys.stdout.buffer`.
        timeline: of the clips that are played.
    """

    def __init__(self, stream: BinaryIO, timeline: Timeline) -> None:
        self._stream = stream
        self._timeline = timeline

    def emit(self, messages: Sequence[Message]) -> None:
        """Writes and flushes the scores, events and incidents among the messages."""
        for m in messages:
            if isinstance(m, EventMessage | IncidentMessage | ScoreMessage):
                place = msgspec.json.encode(self._timeline.place(m))
                # The message itself stays the same to the byte; only its closing brace moves.
                self._stream.write(encode_json(m)[:-1] + b',"clip":' + place + b"}\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is held."""
