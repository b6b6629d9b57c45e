"""Who is who among the people a camera sees, where they are, and who is no person at all."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from itertools import count
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.camera.appearance import unlike
from dyadwatch.stream.publishers.camera.estimate import SeenPose
from dyadwatch.stream.publishers.camera.geometry import CameraModel, Placed
from dyadwatch.stream.publishers.camera.root_filter import RootFilter

_FAR = 1e6
_NEW = 50.0  # what it costs to take a sight for somebody new
_STRANGE_S = 0.4
_BLINK_S = 0.3  # who was lost for longer and is found again elsewhere should be known by more than the place
_OTHERS = 0.6  # of `unlike`: who was lost and comes back must look more alike than who never left
_LIES = 0.5  # of `Placed.upright`: the trunk is more than 60 degrees from upright
_UNKNOWN = np.full(3, np.nan)


class PeopleOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a person of what an estimator sees.

    Arguments:
        age_s: someone new is watched for so long before they are published. Shorter: ghosts flash up; longer: late.
        lying_age_s: the same for someone who does not stand, sit or walk upright from the start, as the invented half
            of a person who is hidden by another often does. Who falls has an id by then.
        memory_s: someone lost keeps their id for so long. Longer: ids survive more, and go astray in crowds.
        visibility: least mean visibility of the joints in the image.
        error: largest error of the fit, in sizes of the person; a heap of joints that is no body fits badly.
        height_px: least height in the image.
        shiver_m: largest median change of the body's shape from frame to frame, metres; ghosts change shape at once.
        floats_m: whose lowest joint is higher above the floor is a thing up there, where the camera's place is known.
        speed_m_s: nobody gets further while they are lost from sight.
        unlike: colours that differ by more are other clothes; with them goes the id.
        roam, rise: of the filter of where people are, see `RootFilter`; without a place of the camera, which is then
            perhaps not level, `rise` is not used.
    """

    age_s: float = 0.3
    lying_age_s: float = 1.0
    memory_s: float = 1.5
    visibility: float = 0.45
    error: float = 0.12
    height_px: float = 40.0
    shiver_m: float = 0.10
    floats_m: float = 2.0
    speed_m_s: float = 3.0
    unlike: float = 0.16
    roam: float = 1.0
    rise: float = 0.1


class CameraPerson(NamedTuple):
    """One published person.

    Arguments:
        id: the same for as long as they are seen.
        joints: metres, in the world, Y up, shape (J, 3).
        confidence: visibility, less where the distance is uncertain, shape (J,).
        seen: where in the image.
        placed: before the filter.
    """

    id: int
    joints: NDArray[np.float32]
    confidence: NDArray[np.float32]
    seen: SeenPose
    placed: Placed


class _Sight(NamedTuple):
    """Someone in one image: where in the world, where in the image, in what colours."""

    placed: Placed
    seen: SeenPose
    colours: NDArray[np.float64]


class _Track:
    """Someone, from the first sight on; `id` is given when they prove to be a person."""

    def __init__(self, sight: _Sight, stamp: int, options: PeopleOptions, rise: float) -> None:
        placed, seen, self.colours = sight
        self._unlike = options.unlike
        self._other: list[tuple[int, NDArray[np.float64]]] = []
        self.id: int | None = None
        self.key = seen.key
        self.born = self.at = stamp
        self.placed, self.seen = placed, seen
        self._root = RootFilter(
            placed.root, placed.jitter, placed.across, placed.ray, stamp, roam=options.roam, rise=rise
        )
        self._recent: deque[tuple[float, float, float, float, float]] = deque(maxlen=15)
        self._note(0.0)

    def take(self, sight: _Sight, stamp: int) -> None:
        """The next sight of them."""
        placed, seen, colours = sight
        self._root.step(placed.root, placed.jitter, placed.across, placed.ray, stamp)
        shiver = np.linalg.norm(_shape(seen) - _shape(self.seen), axis=1)
        self.placed, self.seen, self.at, self.key = placed, seen, stamp, seen.key
        self._note(float(np.median(shiver)))
        self._compare(colours, stamp)

    def exchanged(self) -> bool:
        """Whether they wear other clothes since a while: it is somebody else, and their colours are taken over."""
        if len(self._other) < 5 or self._other[-1][0] - self._other[0][0] < _STRANGE_S * NS:
            return False
        self.colours = self._other[-1][1]
        self._other.clear()
        return True

    def _compare(self, colours: NDArray[np.float64], stamp: int) -> None:
        if unlike(colours, self.colours) > self._unlike:
            self._other.append((stamp, colours))
        elif np.isfinite(colours).all():
            self._other.clear()
            known = np.isfinite(self.colours).all()
            self.colours = self.colours + 0.05 * (colours - self.colours) if known else colours

    def expected(self, stamp: int) -> NDArray[np.float64]:
        """Where they should be now; someone unseen for long may as well have stopped."""
        return self._root.place + self._root.velocity * min((stamp - self.at) / NS, 0.5)

    def person(self) -> CameraPerson:
        joints = (self.placed.joints - self.placed.root + self._root.place).astype(np.float32)
        confidence = np.clip(self.seen.visibility / (1.0 + self.placed.noise), 0, 1).astype(np.float32)
        return CameraPerson(self.id or 0, joints, confidence, self.seen, self.placed)

    def lies(self) -> bool:
        """Whether their trunk was mostly far from upright recently."""
        return float(np.median([upright for *_, upright, _ in self._recent])) < _LIES

    def doubt(self, options: PeopleOptions, floor: bool) -> str | None:
        """Why this is perhaps no person; None where nothing speaks against it. `floor`: whether it is known."""
        visibility, error, shiver, _, lowest = np.median(np.array(self._recent), axis=0)
        shiver = max(shiver, self._recent[-1][2] / 2)  # at once where it is as wild as that
        if visibility < options.visibility:
            return "hardly_visible"
        if error > options.error:
            return "no_body"
        if shiver > options.shiver_m:
            return "shape_changes"
        if floor and lowest > options.floats_m:
            return "floats"
        return "too_small" if self.placed.height_px < options.height_px else None

    def _note(self, shiver: float) -> None:
        placed = self.placed
        visibility, lowest = float(self.seen.visibility.mean()), float(placed.joints[:, 1].min())
        self._recent.append((visibility, placed.error, shiver, placed.upright, lowest))


class CameraPeople:
    """Follows everyone a camera sees in three dimensions.

    Arguments:
        camera: which sees them.
        options: what makes a person.
    """

    def __init__(self, camera: CameraModel, options: PeopleOptions | None = None) -> None:
        self._options = options or PeopleOptions()
        self._ids = count(1)
        self.counts: Counter[str] = Counter()
        self.begin_anew(camera)

    def begin_anew(self, camera: CameraModel) -> None:
        """Follows nobody any more, and sees through another camera; ids and counts go on."""
        self._camera = camera
        self._rise = self._options.rise if camera.placed else self._options.roam
        self._tracks: list[_Track] = []

    def update(
        self, seen: Sequence[SeenPose], stamp: int, colours: Sequence[NDArray[np.float64]] | None = None
    ) -> list[CameraPerson]:
        """Everyone who is published at this stamp, by id.

        Arguments:
            seen: everyone in the image.
            stamp: nanoseconds, growing.
            colours: of each of them, see `appearance`; None where nobody looked.
        """
        worn = colours if colours is not None else [_UNKNOWN] * len(seen)
        sights = [
            _Sight(placed, s, c)
            for s, c in zip(seen, worn, strict=True)
            if (placed := self._camera.place(s)) is not None
        ]
        self.counts["not_placed"] += len(seen) - len(sights)
        self._tracks = [t for t in self._tracks if stamp - t.at <= self._memory_ns(t)]
        for k, track in self._assign(sights, stamp):
            if track is None:
                self._tracks.append(_Track(sights[k], stamp, self._options, self._rise))
            else:
                track.take(sights[k], stamp)
        out = [t.person() for t in self._tracks if t.at == stamp and self._is_person(t, stamp)]
        return sorted(out, key=lambda p: p.id)

    def _memory_ns(self, track: _Track) -> int:
        return round((self._options.memory_s if track.id is not None else 0.2) * NS)

    def _is_person(self, track: _Track, stamp: int) -> bool:
        age = (stamp - track.born) / NS
        if age < self._options.age_s:
            return False
        if track.id is None and age < self._options.lying_age_s and track.lies():
            self.counts["lies_and_is_new"] += 1
            return False
        doubt = track.doubt(self._options, self._camera.placed)
        if doubt is not None:
            self.counts[doubt] += 1
            return False
        if track.exchanged() and track.id is not None:
            self.counts["id_switch"] += 1
            track.id = None
        if track.id is None:
            track.id = next(self._ids)
        return True

    def _assign(self, sights: list[_Sight], stamp: int) -> list[tuple[int, _Track | None]]:
        """A track, or none, for every sight: the cheapest of all that the gates let through."""
        if not sights:
            return []
        cost = np.full((len(sights), len(self._tracks) + len(sights)), _NEW)
        for k, sight in enumerate(sights):
            for j, track in enumerate(self._tracks):
                cost[k, j] = self._cost(sight, track, stamp)
        rows, columns = linear_sum_assignment(cost)
        return [
            (int(r), self._tracks[c] if c < len(self._tracks) and cost[r, c] < _NEW else None)
            for r, c in zip(rows, columns, strict=True)
        ]

    def _cost(self, sight: _Sight, track: _Track, stamp: int) -> float:
        """How unlikely it is that a sight is of this track.

        Distance across and along the line of sight count, each in standard deviations of its own, and the clothes. The
        estimator's key counts for much, but not against the gates.
        """
        placed = sight.placed
        dt = (stamp - track.at) / NS
        step = placed.root - track.expected(stamp)
        along = float(step @ placed.ray)
        across = float(np.linalg.norm(step - along * placed.ray))
        roam = min(self._options.speed_m_s * dt, 1.0)
        a, b = across / (0.15 + roam / 2), along / (0.2 + 1.5 * max(placed.noise, track.placed.noise) + roam / 2)
        other_clothes = unlike(sight.colours, track.colours) / self._options.unlike
        known = sight.seen.key is not None and sight.seen.key == track.key
        compared = np.isfinite(sight.colours + track.colours).all()
        gate = 5.0 if known else 2.5 if compared or dt < _BLINK_S else 1.2
        if max(abs(a), abs(b)) > gate or (other_clothes > _OTHERS and not known):
            return _FAR
        return a * a + b * b + (0.0 if known else 4.0 + other_clothes)


def _shape(seen: SeenPose) -> NDArray[np.float64]:
    return seen.world - seen.world.mean(0)
