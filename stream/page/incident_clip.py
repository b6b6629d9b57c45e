"""The skeletons of an incident out of the recordings: what happened, a little before and a little after."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip as ClipOfPair
from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.skeletons.landmarks import has_soles, head_of
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.alarms.guilty import Guilty, guilty_joints
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.memory.kept import KeptIncident
from dyadwatch.stream.messages import IncidentMessage, ScoreMessage
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.recorded_scenes import RecordedScenes
from dyadwatch.stream.recordings.recordings_folder import recordings_between
from dyadwatch.stream.tracking.time_grid import TimeGrid, mend_rows

FPS = 30.0
_MOST_S = 90.0  # of an incident that went on for longer the part around its peak
_MOST_PEOPLE = 12
# By how much earlier, and later, than reckoned frames may have come.
_EARLIER_S, _LATER_S = 30.0, 5.0
_LAG_S = 600.0  # what lies within is taken for a detector or a source that was behind, not for another clock


class ScoreCurve(Struct, frozen=True, kw_only=True):
    """The evidence of a pair: seconds from the beginning of the incident, and evidence, of which 1 raises an alarm."""

    pair: tuple[TrackId, TrackId]
    times: list[float]
    evidence: list[float]


class Skeletons(Struct, frozen=True, kw_only=True):
    """People on an even grid of time.

    Arguments:
        start_s: of the first frame, seconds from the moment that the clip is about; mostly negative.
        fps: frames a second.
        frames: how many.
        ids: of the people.
        joints, bones, head, soles: as in the live view.
        places: base64 of float32, shape (frames, people, joints, 3), metres, Y up, NaN where unseen.
    """

    start_s: float
    fps: float
    frames: int
    ids: tuple[TrackId, ...]
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    head: int
    soles: bool
    places: str


class IncidentClip(Skeletons, frozen=True, kw_only=True):
    """An incident, from its beginning (0 s).

    Arguments:
        curves: that of the leading pair first.
        guilty: joints to be highlighted.
        doubtful: whether the bodies of the leading pair looked odd while it was scored.
    """

    curves: tuple[ScoreCurve, ...]
    guilty: tuple[Guilty, ...]
    doubtful: bool


class ClipUnavailableError(DyadwatchError):
    """There is nothing to show; `code` says why."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def span_of(message: IncidentMessage, before_s: float, after_s: float) -> tuple[int, int]:
    """First and last ns to show, by the source's clock."""
    end = message.stamp if message.end is None else message.end
    first, last = message.start - round(before_s * NS), end + round(after_s * NS)
    if last - first > _MOST_S * NS:
        middle = message.peak_stamp or message.start
        half = round(_MOST_S / 2 * NS)
        first = min(max(first, middle - half), last - 2 * half)
        last = first + 2 * half
    return first, last


def pair_clips(folder: Path, kept: KeptIncident, offset: int, first: int, last: int) -> list[ClipOfPair]:
    """The skeletons of every pair of an incident, joints in metres at 30 frames a second, NaN where unseen.

    Arguments:
        folder, kept, offset, first, last: as of `read_clip`.

    Raises:
        ClipUnavailableError: they were not recorded, or are deleted by now.
    """
    _, (layout, _, ids, places) = _recorded(folder, kept.message.source, offset, first, last)
    index = {who: i for i, who in enumerate(ids)}
    out: list[ClipOfPair] = []
    for pair in kept.message.pairs:
        if all(who in index for who in pair.pair):
            joints = places[:, [index[who] for who in pair.pair]]
            name = f"{kept.message.id} {pair.pair[0]} {pair.pair[1]}"
            out.append(ClipOfPair(joints, layout, FPS, clip_id=name))
    if not out:
        raise ClipUnavailableError("not_recorded", "its people are not seen in the recording at that time")
    return out


def read_clip(folder: Path, kept: KeptIncident, offset: int, first: int, last: int) -> IncidentClip:
    """Reads what is to be shown.

    Arguments:
        folder: of the recordings.
        kept: the incident.
        offset: ns that the detector's clock is ahead of the source's.
        first, last: ns by the source's clock.

    Raises:
        ClipUnavailableError: it was not recorded, or is deleted by now.
    """
    playback, people = _recorded(folder, kept.message.source, offset, first, last)
    layout, start, ids, places = people
    m = kept.message
    # The leading pair first, then the others who are involved.
    order = sorted(range(len(ids)), key=lambda i: m.people.index(ids[i]) if ids[i] in m.people else len(m.people))
    order = order[:_MOST_PEOPLE]
    curves, doubtful = _curves(playback, m, first, last)
    shown = skeletons_of(
        layout, (start - m.start) / NS, [ids[i] for i in order], encode_places(places[:, order]), len(places)
    )
    return IncidentClip(
        **msgspec.structs.asdict(shown),
        curves=curves,
        guilty=guilty_joints(m, layout.joints),
        doubtful=doubtful,
    )


def skeletons_of(layout: Layout, start_s: float, ids: Sequence[TrackId], places: str, frames: int) -> Skeletons:
    """People as they are sent, `places` as `encode_places` gives them."""
    return Skeletons(
        start_s=start_s,
        fps=FPS,
        frames=frames,
        ids=tuple(ids),
        joints=layout.joints,
        bones=layout.bone_indices,
        head=head_of(layout.joints),
        soles=has_soles(layout.joints),
        places=places,
    )


def encode_places(places: NDArray[np.float32]) -> str:
    """Base64 of float32, of any shape."""
    return base64.b64encode(places.astype("<f4").tobytes()).decode()


def recorded_people(
    folder: Path, source: str, offset: int, first: int, last: int
) -> tuple[Layout, int, list[TrackId], NDArray[np.float32]]:
    """Who is seen in a source: layout, stamp of the first frame, ids, and joints (T, P, J, 3) at `FPS`.

    Arguments:
        folder, offset, first, last: as of `read_clip`.
        source: its name.

    Raises:
        ClipUnavailableError: it was not recorded, or is deleted by now.
    """
    return _recorded(folder, source, offset, first, last)[1]


def recorded_span(first: int, last: int, offset: int, earlier_s: float = _EARLIER_S) -> tuple[int, int]:
    """When that may have been recorded, unix ns: from the one up to before the other.

    Arguments:
        first, last, offset: as of `read_clip`.
        earlier_s: by how much earlier than reckoned it may have come.
    """
    earliest = 0 if 0 < offset < _LAG_S * NS else offset
    return first + earliest - round(earlier_s * NS), last + offset + round(_LATER_S * NS)


def recorded_playback(folder: Path, begin: int, end: int) -> Playback:
    """What was recorded from the one moment up to before the other, unix ns.

    Raises:
        ClipUnavailableError: nothing was, or it is deleted by now or cannot be read.
    """
    paths = recordings_between(folder, begin, end)
    if not paths:
        raise ClipUnavailableError("not_recorded", "nothing was recorded at that time, or it is deleted by now")
    try:
        playback = Playback(paths)
    except (DyadwatchError, OSError) as e:
        raise _unreadable(e) from None
    playback.start, playback.end = begin, end
    return playback


def _unreadable(error: Exception) -> ClipUnavailableError:
    return ClipUnavailableError("unreadable", f"the recording cannot be read: {error}")


def _recorded(
    folder: Path, source: str, offset: int, first: int, last: int
) -> tuple[Playback, tuple[Layout, int, list[TrackId], NDArray[np.float32]]]:
    """The recording of a time, and who is seen in it, as of `_people`.

    Raises:
        ClipUnavailableError: it was not recorded, or is deleted by now.
    """
    playback = recorded_playback(folder, *recorded_span(first, last, offset))
    try:
        config = config_of(r.about for r in playback.recordings)
        people = _people(playback, config, source, first, last)
    except (DyadwatchError, OSError) as e:
        raise _unreadable(e) from None
    if people is None:
        raise ClipUnavailableError("not_recorded", "nobody is seen in the recording at that time")
    return playback, people


def _people(
    playback: Playback, config: Config, source: str, first: int, last: int
) -> tuple[Layout, int, list[TrackId], NDArray[np.float32]] | None:
    """Layout, stamp of the first frame, ids, and joints (T, P, J, 3) of who is seen; None for nobody."""
    grid = TimeGrid(FPS)
    rows: dict[TrackId, dict[int, NDArray[np.float32]]] = {}
    layout: Layout | None = None
    for step in RecordedScenes(playback, config, FPS, source):
        if step.source != source or step.frame is None:
            continue
        if step.frame.stamp > last + NS:
            break  # what follows came later, too
        if layout is not None and step.frame.layout is not layout:
            rows.clear()  # the source began anew with other joints
        layout = step.frame.layout
        for track, k, some in step.rows:
            rows.setdefault(track.id, {}).update(enumerate(some, k))
        for track, mended in step.mended:
            mend_rows(rows[track.id], mended)
    k0, k1 = grid.at_or_after(first), grid.at_or_after(last)
    seen = {who: {k: row for k, row in own.items() if k0 <= k < k1} for who, own in rows.items()}
    seen = {who: own for who, own in seen.items() if own}
    if layout is None or not seen:
        return None
    k0, k1 = min(min(own) for own in seen.values()), max(max(own) for own in seen.values()) + 1
    places = np.full((k1 - k0, len(seen), len(layout), 3), np.nan, np.float32)
    for i, own in enumerate(seen.values()):
        for k, row in own.items():
            places[k - k0, i] = row
    return layout, grid.stamp(k0), list(seen), places


def _curves(playback: Playback, message: IncidentMessage, first: int, last: int) -> tuple[tuple[ScoreCurve, ...], bool]:
    """The curves, that of the leading pair first, and whether anything about that pair was doubtful."""
    leading, doubtful = message.pairs[0].pair if message.pairs else None, False
    found: dict[tuple[TrackId, TrackId], ScoreCurve] = {}
    for entry in playback.said():
        score = entry.what
        if not isinstance(score, ScoreMessage) or score.source != message.source:
            continue
        if score.end > last + NS:
            break
        if first <= score.end <= last:
            curve = found.get(score.pair)
            if curve is None:
                curve = found[score.pair] = ScoreCurve(pair=score.pair, times=[], evidence=[])
            curve.times.append(round((score.end - message.start) / NS, 3))
            curve.evidence.append(score.evidence)
            doubtful |= score.doubtful and score.pair == leading
    return tuple(sorted(found.values(), key=lambda c: c.pair != leading)), doubtful


encode_clip = msgspec.json.Encoder().encode
