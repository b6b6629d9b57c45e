"""What normal looks like beside an incident: of the calm windows recorded shortly before it, the one most like it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.features.pair_frame import Anchors, anchors, canonical
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.memory.kept import KeptIncident
from dyadwatch.stream.page.calm_windows import AROUND_S, CalmWindow, Pair, calm_slices
from dyadwatch.stream.page.incident_clip import (
    FPS,
    ClipUnavailableError,
    Skeletons,
    encode_places,
    recorded_people,
    skeletons_of,
)
from dyadwatch.stream.windows.ring import fill_hidden

_AFTER_S = 5.0  # a moment so shortly before the incident may be its beginning
_SEEN = 0.5  # of the joints, of both people at the peak
_SPARE = NS // 10  # read around a window, which need not begin on the grid
_AT_ONCE = 256  # windows that are compared at once
People = tuple[Layout, int, list[TrackId], NDArray[np.float32]]


class NormalMoment(Skeletons, frozen=True, kw_only=True):
    """Two people of the same source who raised no alarm, moved and turned to stand as those of the incident do.

    Its first frame is `start_s` from the end of the window that was compared: the counterpart of the incident's peak.

    Arguments:
        pair: who they are.
        stamp: end of the window, ns of the source's clock.
        at: the same, unix ns; by the detector's clock where that of the source is another.
        evidence: the most that any window in it had; 1 raises an alarm.
        apart_m: mean distance from the joints of the incident's peak, in the pair's own frame, people of one size.
        windows: calm ones that it was chosen from.
    """

    pair: Pair
    stamp: int
    at: int
    evidence: float
    apart_m: float
    windows: int


def normal_moment(folder: Path, kept: KeptIncident, offset: int, spans: Sequence[tuple[int, int]] = ()) -> NormalMoment:
    """Finds it in the recordings of the last day before the incident.

    Arguments:
        folder: of the recordings.
        kept: the incident.
        offset: ns that the detector's clock is ahead of the source's.
        spans: of all incidents of the source, ns of its clock: what is within is not taken for normal.

    Raises:
        ClipUnavailableError: the incident has no pair, or is not recorded; or nothing calm is, or was found in time.
    """
    message = kept.message
    if not message.pairs:
        raise ClipUnavailableError("no_pair", "it is about the source itself, not about people")
    pair, peak = message.pairs[0].pair, message.pairs[0].peak_stamp
    before, margin = message.start - round(_AFTER_S * NS), round(AROUND_S * NS)
    spans = (*spans, (before, 2**63))
    odd: People | None = None
    longest = 0
    for begin, end, windows in calm_slices(folder, message.source, before + offset, spans):
        length = max(w.end - w.start for w in windows)  # the first of a pair may be shorter
        if odd is None or length > longest:
            odd = recorded_people(folder, message.source, offset, peak - length - _SPARE, peak + _SPARE)
            longest = length
        wanted = _window(odd, pair, peak - length, peak)
        if wanted is None or not _is_enough(wanted, anchors(odd[0])):
            raise ClipUnavailableError("unseen", "too little of the pair is seen at the peak to be compared")
        try:
            people = recorded_people(folder, message.source, offset, begin - margin - _SPARE, end + margin + _SPARE)
        except ClipUnavailableError:
            continue
        if people[0] != odd[0]:
            continue  # the source had other joints then
        found = _nearest(wanted, anchors(odd[0]), people, windows)
        if found is not None:
            return _moment(found, wanted, people, 0 if message.clock == "unix" else offset, len(windows))
    raise ClipUnavailableError("no_calm", "no calm moment of two people is recorded in the day before it")


class _Found(NamedTuple):
    window: CalmWindow
    swapped: bool
    apart: float


def _window(
    people: People, pair: Pair, start: int, end: int, needed: NDArray[np.bool_] | None = None
) -> NDArray[np.float32] | None:
    """Joints (2, T, J, 3) of two people, with what was hidden for a while filled as before a model.

    Arguments:
        people: who is seen.
        pair, start, end: whom, and from when to when.
        needed: joints (J,) that both must show; None for those that both show.

    Returns:
        None where one of them, or a joint that is needed, is not there; other joints may be NaN.
    """
    _, first, ids, places = people
    if not set(pair) <= set(ids):
        return None
    k, n = _frames(first, start, end)
    if k < 0 or k + n > len(places):
        return None
    joints = np.moveaxis(places[k : k + n, [ids.index(who) for who in pair]], 0, 1)  # a copy
    both = np.asarray(np.isfinite(joints[..., 0]).any(axis=1).all(axis=0), np.bool_)
    used = both if needed is None else needed
    filled = joints[:, :, used]
    if not fill_hidden(filled):
        return None
    joints[:, :, used] = filled
    joints[:, :, ~used] = np.nan
    return joints


def _frames(first: int, start: int, end: int) -> tuple[int, int]:
    """Where a window begins among frames from `first` on, and how many it has: one more than steps."""
    return round((start - first) / NS * FPS), round((end - start) / NS * FPS) + 1


def _is_enough(wanted: NDArray[np.float32], at: Anchors) -> bool:
    """Whether a pair can be placed by what both show, and enough of it is left to compare."""
    seen = _shown(wanted)
    return bool(seen[[*at.pelvis, *at.neck]].all() and seen.mean() >= _SEEN)


def _shown(wanted: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The joints (J,) of a window that are there."""
    return np.isfinite(wanted[0, 0, :, 0])


def _nearest(wanted: NDArray[np.float32], at: Anchors, people: People, windows: Sequence[CalmWindow]) -> _Found | None:
    """The calm window whose people, in their own frame, are least far from those wanted; either may be the first."""
    odd = canonical(wanted, at)
    needed = _shown(wanted)
    cut = [(window, _window(people, window.pair, window.start, window.end, needed)) for window in windows]
    there = [(window, joints) for window, joints in cut if joints is not None and joints.shape == wanted.shape]
    best: _Found | None = None
    for i in range(0, len(there), _AT_ONCE):
        some = there[i : i + _AT_ONCE]
        joints = np.stack([joints for _, joints in some])  # (N, 2, T, J, 3)
        for swapped in (False, True):
            apart = _apart(odd, canonical(joints[:, ::-1] if swapped else joints, at))
            k = int(np.argmin(apart))
            if best is None or apart[k] < best.apart:
                best = _Found(some[k][0], swapped, float(apart[k]))
    return best


def _apart(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Mean distance of the joints that both have, (N,)."""
    return np.nanmean(np.linalg.norm(a - b, axis=-1).reshape(len(b), -1), axis=1)


def _moment(found: _Found, wanted: NDArray[np.float32], people: People, offset: int, windows: int) -> NormalMoment:
    layout, first, ids, places = people
    window = found.window
    a, b = window.pair
    pair = (b, a) if found.swapped else (a, b)
    k, n = _frames(first, window.start, window.end)
    around = round(AROUND_S * FPS)
    low, high = max(k - around, 0), min(k + n + around, len(places))
    shown = places[low:high, [ids.index(who) for who in pair]]
    turned = _as_those(shown, shown[k - low : k - low + n], np.moveaxis(wanted, 1, 0), anchors(layout))
    start_s = (first - window.end) / NS + low / FPS
    return NormalMoment(
        **msgspec.structs.asdict(skeletons_of(layout, start_s, list(pair), encode_places(turned), len(turned))),
        pair=pair,
        stamp=window.end,
        at=window.end + offset,
        evidence=round(window.evidence, 3),
        apart_m=round(found.apart, 3),
        windows=windows,
    )


def _as_those(
    shown: NDArray[np.float32], window: NDArray[np.float32], wanted: NDArray[np.float32], at: Anchors
) -> NDArray[np.float32]:
    """Joints (T, 2, J, 3) moved and turned about Y so that in the window the two stand as those wanted do."""
    middle, line = _stand(window, at)
    there, wanted_line = _stand(wanted, at)
    angle = np.arctan2(line[2], line[0]) - np.arctan2(wanted_line[2], wanted_line[0])
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    move = np.array([there[0], middle[1], there[2]])  # heights stay: both stand on the same floor
    return ((shown - middle) @ turn.T + move).astype(np.float32)


def _stand(joints: NDArray[np.float32], at: Anchors) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """The middle between two people (T, 2, J, 3), and the line from the first to the second."""
    pelvis = np.nanmean(0.5 * (joints[:, :, at.pelvis[0]] + joints[:, :, at.pelvis[1]]), axis=0)
    return pelvis.mean(axis=0), pelvis[1] - pelvis[0]
