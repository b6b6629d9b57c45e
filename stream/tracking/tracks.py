"""Who is who: the source's ids kept where it tracks, our own 3D association where it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.assignment import assign
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Circumstance, Fault
from dyadwatch.stream.configuration.config import TrackOptions
from dyadwatch.stream.counters import Count, bulk_count
from dyadwatch.stream.tracking.exchanges import by_place, strays

_JITTER_M = 0.5  # how far a root may seem to move between two frames by noise alone
_STEP_M = 0.05  # who moved less along each axis is where they were, whatever the time between
_BLEND = 0.3  # weight of the newest step in a track's velocity
_CHURN = 10  # frames in a row without any id of the frame before, after which ids are taken for no ids

Place = tuple[float, float, float]


@dataclass(slots=True)
class Track:
    """One person for as long as we are sure it is the same.

    Arguments:
        id: the id people see: the source's own, or a number of ours.
        key: unique in this run of the tracker; a returning id is a new track with a new key.
        stamp: ns, when last seen.
        root: metres, where last seen.
        velocity: metres a second, smoothed.
        given: what the source calls them now, which is another id after an exchange; None where somebody else is
            called so.
    """

    id: TrackId
    key: int
    stamp: int
    root: Place
    velocity: Place = (0.0, 0.0, 0.0)
    given: TrackId | None = None


class SeenPerson(NamedTuple):
    """A track seen in the present frame: its joints (J, 3) in metres, NaN where unseen, and their confidence (J,).

    `whole` says that every joint is known to be seen; False says nothing. `row` is the person's in the frame.
    """

    track: Track
    joints: NDArray[np.float32]
    confidence: NDArray[np.float32]
    whole: bool = False
    row: int = 0


class Tracker:
    """The tracks of one source.

    Arguments:
        options: the section `tracks` of the configuration. A gate that is too low breaks tracks of fast people;
            one too high lets two people who pass each other exchange ids.
        count: called with a reason for every irregularity.
    """

    def __init__(self, options: TrackOptions, count: Count) -> None:
        self._options = options
        self._max_gap = round(options.max_gap_s * NS)
        self._count = count
        self._tracks: dict[int, Track] = {}
        self._given: dict[TrackId, Track] = {}  # by what the source calls them
        self._exchanged = False  # whether ids ever were, and tracks may be known by other ids than the source's
        self._next_key = 0
        self._next_id = 1
        self._last_ids: tuple[TrackId, ...] = ()
        self._churn = 0  # frames in a row whose ids were all new

    @property
    def alive(self) -> dict[int, Track]:
        """Tracks by key that were seen within `max_gap_s` of the last frame."""
        return self._tracks

    def clear(self) -> None:
        """Forgets everybody, because time began anew."""
        self._drop(list(self._tracks.values()))
        self._last_ids, self._churn = (), 0

    def push(
        self, frame: PoseFrame, joints: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> tuple[list[SeenPerson], list[Track]]:
        """Finds the people of a frame among the tracks.

        Arguments:
            frame: ids and stamp are taken from it.
            joints: metres in the model's layout, shape (P, J, 3).
            confidence: shape (P, J); joints below `min_confidence` become unseen.

        Returns:
            (seen, ended): the tracks in this frame, and those that are lost by now.
        """
        ended = self._drop([t for t in self._tracks.values() if frame.stamp - t.stamp > self._max_gap])
        ids = self._ids(frame, ended)
        if not frame.people:
            return [], ended
        joints, rows, roots, whole = self._roots(joints, confidence)
        if len(rows) < len(roots):
            self._count(Circumstance.PERSON_UNSEEN)
        if ids is None:
            found = self._associate(frame.stamp, [roots[i] for i in rows])
        else:
            found = self._by_ids(ids, frame.stamp, roots, rows, ended)
        seen: list[SeenPerson] = []
        for i, track in zip(rows, found, strict=True):
            if track is None:
                track = self._new(None if ids is None else ids[i], frame.stamp, roots[i], ended)
            else:
                self._move(track, frame.stamp, roots[i])
            seen.append(SeenPerson(track, joints[i], confidence[i], whole, i))
        if len(self._tracks) > self._options.max_tracks:
            ended += self._cap(frame.stamp, len(seen))
        return seen, ended

    def _ids(self, frame: PoseFrame, ended: list[Track]) -> tuple[TrackId, ...] | None:
        """The ids of a frame, or None where they tell nothing: the source gives new ones in every frame."""
        if frame.ids is None or not frame.people:
            return frame.ids
        if frame.ids == self._last_ids:  # as nearly always
            self._churn = 0
            return frame.ids
        self._churn = self._churn + 1 if self._last_ids and set(self._last_ids).isdisjoint(frame.ids) else 0
        self._last_ids = frame.ids
        if self._churn < _CHURN:
            return frame.ids
        if self._churn == _CHURN:
            # Everybody has left a track in each of the last frames: only the newest of them goes on.
            newest = max((t.stamp for t in self._tracks.values()), default=0)
            ended += self._drop([t for t in self._tracks.values() if t.stamp < newest])
        self._count(Fault.ID_CHURN)
        return None

    def _cap(self, stamp: int, seen: int) -> list[Track]:
        """Forgets those who were unseen for longest, never who is in the frame of `stamp`."""
        unseen = sorted((t for t in self._tracks.values() if t.stamp < stamp), key=lambda t: (t.stamp, t.key))
        dropped = self._drop(unseen[: len(self._tracks) - max(self._options.max_tracks, seen)])
        if dropped:
            bulk_count(self._count, Fault.TRACKS_CAPPED, len(dropped))
        return dropped

    def _drop(self, tracks: list[Track]) -> list[Track]:
        for t in tracks:
            del self._tracks[t.key]
            self._set_source_id(t, None)
        return tracks

    def _set_source_id(self, track: Track, given: TrackId | None) -> None:
        """Records what the source calls a track now; whoever it called so before has no id any more."""
        if track.given is not None:
            del self._given[track.given]
        track.given = given
        if given is not None:
            before = self._given.get(given)
            if before is not None:
                before.given = None
            self._given[given] = track

    def _roots(
        self, joints: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], list[int], list[Place], bool]:
        """Joints without the weak ones, rows of who is there at all, everybody's middle, and whether all is seen."""
        # Most frames show everything, which costs a third. A sum is NaN as soon as a joint is, which is one as a whole.
        if confidence.min() >= self._options.min_confidence:
            roots = (joints.sum(axis=1, dtype=np.float64) / joints.shape[1]).tolist()
            if all(x == x for x, _, _ in roots):
                return joints, list(range(len(roots))), roots, True
        weak = confidence < self._options.min_confidence
        if weak.any():
            joints = np.where(weak[..., None], np.float32(np.nan), joints)
        visible = ~np.isnan(joints[..., 0])
        weights = visible[..., None]
        roots = np.where(weights, joints, 0).sum(axis=1, dtype=np.float64) / np.maximum(weights.sum(axis=1), 1)
        return joints, np.flatnonzero(visible.any(axis=1)).tolist(), roots.tolist(), False

    def _new(self, given: TrackId | None, stamp: int, root: Place, ended: list[Track]) -> Track:
        while given is None:
            given, self._next_id = self._next_id if self._next_id not in self._given else None, self._next_id + 1
        if self._exchanged and any(t.id == given for t in self._tracks.values()):
            self._rename(given, ended)
        track = Track(given, self._next_key, stamp, root)
        self._tracks[track.key] = track
        self._set_source_id(track, given)
        self._next_key += 1
        return track

    def _rename(self, taken: TrackId, ended: list[Track]) -> None:
        """After an exchange somebody new has the id that another is known by: all are known by their own then."""
        for t in list(self._tracks.values()):
            if t.given is not None and t.given != taken:
                t.id = t.given
        known = {t.id for t in self._given.values()} | {taken}
        ended += self._drop([t for t in self._tracks.values() if t.given in (None, taken) and t.id in known])

    def _move(self, track: Track, stamp: int, root: Place) -> None:
        dt = (stamp - track.stamp) / NS
        if dt > 0:
            (x, y, z), (a, b, c), (u, v, w) = root, track.root, track.velocity
            step = (u + _BLEND * ((x - a) / dt - u), v + _BLEND * ((y - b) / dt - v), w + _BLEND * ((z - c) / dt - w))
            track.velocity = step
        track.stamp, track.root = stamp, root

    def _by_ids(
        self, ids: tuple[TrackId, ...], stamp: int, roots: list[Place], rows: list[int], ended: list[Track]
    ) -> list[Track | None]:
        """The tracks of the ids of the people in `rows`; of ids that exchanged their places, those of the places."""
        found: list[Track | None] = []
        moved: list[int] = []  # places in `found` of those who did more than a small step, and of who is new
        for i in rows:
            track = self._given.get(ids[i])
            if track is not None:
                (x, y, z), (a, b, c) = roots[i], track.root
                if not (-_STEP_M < x - a < _STEP_M and -_STEP_M < y - b < _STEP_M and -_STEP_M < z - c < _STEP_M):
                    moved.append(len(found))
            elif len(self._tracks) > len(self._given):
                moved.append(len(found))
            found.append(track)
        if moved:
            astray = [n for n in moved if (t := found[n]) is None or strays(t, stamp, roots[rows[n]])]
            if astray:
                self._follow_places(astray, found, ids, stamp, roots, rows)
            for n in moved:
                found[n] = self._same(found[n], stamp, roots[rows[n]], ended)
        return found

    def _follow_places(
        self,
        astray: list[int],
        found: list[Track | None],
        ids: tuple[TrackId, ...],
        stamp: int,
        roots: list[Place],
        rows: list[int],
    ) -> None:
        """Puts right in `found`, of those `astray` in it, whose ids exchanged their places."""
        here = {t.key for t in found if t is not None}
        others = [t for t in self._tracks.values() if t.key not in here]
        followed = by_place([roots[rows[n]] for n in astray], [found[n] for n in astray], others, stamp)
        if followed is None:
            return
        self._exchanged = True
        self._count(Fault.IDS_EXCHANGED)
        for n, track in zip(astray, followed, strict=True):
            if track is not None and track is not found[n]:
                self._set_source_id(track, ids[rows[n]])
            found[n] = track

    def _same(self, track: Track | None, stamp: int, root: Place, ended: list[Track]) -> Track | None:
        """The track of a known id, unless the person would have had to fly: then ids were switched."""
        if track is None:
            return None
        reach = self._options.max_speed_m_s * (stamp - track.stamp) / NS + _JITTER_M
        if math.dist(root, track.root) <= reach:
            return track
        self._count(Fault.ID_JUMP)
        ended += self._drop([track])
        return None

    def _associate(self, stamp: int, roots: list[Place]) -> list[Track | None]:
        """Least total distance between where tracks should be by now and where people are."""
        found: list[Track | None] = [None] * len(roots)
        tracks = list(self._tracks.values())
        if not tracks or not roots:
            return found
        ages = np.asarray([(stamp - t.stamp) / NS for t in tracks])
        expected = np.asarray([t.root for t in tracks]) + np.asarray([t.velocity for t in tracks]) * ages[:, None]
        distance = np.linalg.norm(np.asarray(roots)[:, None] - expected[None], axis=2)
        # The longer a person was out of sight, the farther off they may be.
        gate = self._options.gate_m * (1.0 + ages / self._options.max_gap_s)
        for i, j in assign(distance, gate[None]).items():
            found[i] = tracks[j]
        return found
