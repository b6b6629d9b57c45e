"""Who is who: the source's ids kept where it tracks, our own 3D association where it does not."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dyadwatch.core.pose import PoseFrame, TrackId
from dyadwatch.stream.codes import Circumstance, Fault
from dyadwatch.stream.config import TrackOptions
from dyadwatch.stream.counters import Count, bulk_count

_NS = 1_000_000_000
_JITTER_M = 0.5  # how far a root may seem to move between two frames by noise alone
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
    """

    id: TrackId
    key: int
    stamp: int
    root: Place
    velocity: Place = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Seen:
    """A track in the present frame, its row there, joints (J, 3) in metres, NaN where unseen, and confidence (J,)."""

    track: Track
    joints: NDArray[np.float32]
    confidence: NDArray[np.float32]
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
        self._max_gap = round(options.max_gap_s * _NS)
        self._count = count
        self._tracks: dict[int, Track] = {}
        self._next_key = 0
        self._next_id = 1
        self._last_ids: tuple[TrackId, ...] = ()
        self._churn = 0  # frames in a row whose ids were all new

    @property
    def alive(self) -> dict[int, Track]:
        """Tracks by key that were seen within `max_gap_s` of the last frame."""
        return self._tracks

    def clear(self) -> None:
        """Forgets everybody, because time began afresh."""
        self._tracks.clear()
        self._last_ids, self._churn = (), 0

    def push(
        self, frame: PoseFrame, joints: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> tuple[list[Seen], list[Track]]:
        """Finds the people of a frame among the tracks.

        Arguments:
            frame: ids and stamp are taken from it.
            joints: metres in the model's layout, shape (P, J, 3).
            confidence: shape (P, J); joints below `min_confidence` become unseen.

        Returns:
            (seen, ended): the tracks in this frame, and those that are lost by now.
        """
        ended = [t for t in self._tracks.values() if frame.stamp - t.stamp > self._max_gap]
        for t in ended:
            del self._tracks[t.key]
        ids = self._ids(frame, ended)
        if not frame.people:
            return [], ended
        joints, rows, roots = self._roots(joints, confidence)
        if len(rows) < len(roots):
            self._count(Circumstance.PERSON_UNSEEN)
        if ids is None:
            found = self._associate(frame.stamp, [roots[i] for i in rows])
        else:
            by_id = {t.id: t for t in self._tracks.values()}
            found = [self._same(by_id.get(ids[i]), frame.stamp, roots[i], ended) for i in rows]
        seen: list[Seen] = []
        for i, track in zip(rows, found, strict=True):
            if track is None:
                track = self._new(None if ids is None else ids[i], frame.stamp, roots[i])
            else:
                self._move(track, frame.stamp, roots[i])
            seen.append(Seen(track, joints[i], confidence[i], i))
        if len(self._tracks) > self._options.max_tracks:
            ended += self._cap(frame.stamp, len(seen))
        return seen, ended

    def _ids(self, frame: PoseFrame, ended: list[Track]) -> tuple[TrackId, ...] | None:
        """The ids of a frame, or None where they tell nothing: the source has given new ones in every frame of late."""
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
        return tracks

    def _roots(
        self, joints: NDArray[np.float32], confidence: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], list[int], list[Place]]:
        """Joints without the weak ones, who of the people is there at all, and the middle of everybody's joints."""
        # Most frames show everything, which costs a third. A sum is NaN as soon as a joint is, which is one as a whole.
        if confidence.min() >= self._options.min_confidence:
            whole = (joints.sum(axis=1, dtype=np.float64) / joints.shape[1]).tolist()
            if all(x == x for x, _, _ in whole):
                return joints, list(range(len(whole))), whole
        weak = confidence < self._options.min_confidence
        if weak.any():
            joints = np.where(weak[..., None], np.float32(np.nan), joints)
        visible = ~np.isnan(joints[..., 0])
        weights = visible[..., None]
        roots = np.where(weights, joints, 0).sum(axis=1, dtype=np.float64) / np.maximum(weights.sum(axis=1), 1)
        return joints, np.flatnonzero(visible.any(axis=1)).tolist(), roots.tolist()

    def _new(self, given: TrackId | None, stamp: int, root: Place) -> Track:
        if given is None:
            given, self._next_id = self._next_id, self._next_id + 1
        track = Track(given, self._next_key, stamp, root)
        self._tracks[track.key] = track
        self._next_key += 1
        return track

    def _move(self, track: Track, stamp: int, root: Place) -> None:
        dt = (stamp - track.stamp) / _NS
        if dt > 0:
            (x, y, z), (a, b, c), (u, v, w) = root, track.root, track.velocity
            step = (u + _BLEND * ((x - a) / dt - u), v + _BLEND * ((y - b) / dt - v), w + _BLEND * ((z - c) / dt - w))
            track.velocity = step
        track.stamp, track.root = stamp, root

    def _same(self, track: Track | None, stamp: int, root: Place, ended: list[Track]) -> Track | None:
        """The track of a known id, unless the person would have had to fly: then ids were switched."""
        if track is None:
            return None
        reach = self._options.max_speed_m_s * (stamp - track.stamp) / _NS + _JITTER_M
        if math.dist(root, track.root) <= reach:
            return track
        self._count(Fault.ID_JUMP)
        del self._tracks[track.key]
        ended.append(track)
        return None

    def _associate(self, stamp: int, roots: list[Place]) -> list[Track | None]:
        """Least total distance between where tracks should be by now and where people are."""
        found: list[Track | None] = [None] * len(roots)
        tracks = list(self._tracks.values())
        if not tracks or not roots:
            return found
        ages = np.asarray([(stamp - t.stamp) / _NS for t in tracks])
        expected = np.asarray([t.root for t in tracks]) + np.asarray([t.velocity for t in tracks]) * ages[:, None]
        distance = np.linalg.norm(np.asarray(roots)[:, None] - expected[None], axis=2)
        # The longer a person was out of sight, the farther off they may be.
        gate = self._options.gate_m * (1.0 + ages / self._options.max_gap_s)
        cost = np.where(distance <= gate, distance, 1e3)
        for i, j in zip(*linear_sum_assignment(cost), strict=True):
            if cost[i, j] < 1e3:
                found[i] = tracks[j]
        return found
