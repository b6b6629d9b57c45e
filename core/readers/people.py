"""People out of files that hold one or several of them, and the clip of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.body import (
    FARTHEST_M,
    LARGEST_BODY_M,
    METRES,
    SMALLEST_FIGURE_M,
    WHOLE_BODY_JOINTS,
    likely_units,
)
from dyadwatch.core.clips import Clip
from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.layouts import find_layout
from dyadwatch.core.marker_map import MarkerMap, plan_markers
from dyadwatch.core.marker_sets import choose_markers
from dyadwatch.core.readers.declared import Declared, metres_per_unit
from dyadwatch.core.skeleton import Layout


@dataclass(frozen=True)
class Person:
    """One person of a file.

    Arguments:
        name: as the file has it; may be empty.
        joints: metres, right-handed, Y up; shape (T, J, 3) float32; NaN where unseen.
        layout: what the J axis means.
        fps: frames per second.
    """

    name: str
    joints: NDArray[np.float32]
    layout: Layout
    fps: float

    @property
    def frames_seen(self) -> int:
        """Frames in which anything of the person is seen."""
        return int(np.isfinite(self.joints).all(axis=-1).any(axis=-1).sum())


def people_of_markers(
    path: Path, labels: Sequence[str], positions: NDArray[np.float32], fps: float, units: str, declared: Declared
) -> list[Person]:
    """The people whose named markers or bones a file holds, with plausible bodies.

    Arguments:
        path: for messages.
        labels: M names.
        positions: metres, Y up, shape (T, M, 3).
        fps: frames per second.
        units: what the file's coordinates were in, for messages.
        declared: may hold a marker map; without one the sets in common use are tried.

    Raises:
        ClipError: when the markers do not make people, or no plausible ones.
        ConfigError: when the marker map is unusable.
    """
    markers = declared.marker_map()
    try:
        plan = plan_markers(labels, markers or choose_markers(labels))
    except LayoutError as e:
        if markers is None or declared.markers is None:
            raise ClipError(f"{path}: {e}") from None
        raise ClipError(f"{path}: marker map {declared.markers} does not fit: {e}") from None
    with np.errstate(invalid="ignore", over="ignore"):
        joints = plan.positions(positions)
    people = [Person(name, joints[:, p], plan.layout, fps) for p, name in enumerate(plan.ids)]
    return [checked(path, person, units) for person in people]


def plain_people(
    path: Path, joints: dict[str, NDArray[np.float32]], layout: Layout, fps: float, units: str, declared: Declared
) -> list[Person]:
    """People whose joints a file names plainly; a declared marker map renames them.

    Raises:
        ClipError: when the map does not fit, or no plausible people come out.
        ConfigError: when the marker map is unusable.
    """
    markers = declared.marker_map()
    people = [Person(name, j, layout, fps) for name, j in joints.items()]
    if markers is not None:
        try:
            plan = plan_markers(layout.joints, MarkerMap(joints=markers.joints))
        except LayoutError as e:
            raise ClipError(f"{path}: marker map {declared.markers} does not fit: {e}") from None
        people = [Person(p.name, plan.positions(p.joints)[:, 0], plan.layout, fps) for p in people]
    return [checked(path, person, units) for person in people]


def checked(path: Path, person: Person, units: str) -> Person:
    """The person, if a body can be so: the middle of its sizes over all frames in which half of it is seen counts.

    Raises:
        ClipError: naming size and likely units.
    """
    seen = np.isfinite(person.joints).all(axis=-1)
    joints = person.joints[seen.mean(axis=1) >= 0.5]
    if not len(joints):
        return person
    joints = np.where(np.isfinite(joints).all(axis=-1, keepdims=True), joints, np.nan)
    high, low = np.fmax.reduce(joints, axis=1), np.fmin.reduce(joints, axis=1)
    span = float(np.median((high - low).max(axis=1)))
    far = float(np.median(np.maximum(np.abs(high), np.abs(low)).max(axis=1)))
    who = f"{path}: person {person.name!r:.40}"
    scale = metres_per_unit(units) or 1.0
    if span > LARGEST_BODY_M:
        likely = likely_units(span / scale, units) if units in METRES else "wrong units"
        raise ClipError(
            f"{who} spans {span:.4g} m with units {units!r}; expected at most {LARGEST_BODY_M} m ({likely}? "
            "say them with --units)"
        )
    if far > FARTHEST_M:
        raise ClipError(f"{who} is {far:.4g} m from the origin with units {units!r}; expected at most {FARTHEST_M:g} m")
    if len(person.layout) >= WHOLE_BODY_JOINTS and span < SMALLEST_FIGURE_M:
        raise ClipError(
            f"{who} spans {span:.2g} m with units {units!r}; expected at least {SMALLEST_FIGURE_M} m (larger units? "
            "say them with --units: m, cm, mm, in or metres in one unit; 0.0564 in CMU's own skeletons)"
        )
    return person


def two_people(people: Sequence[Person]) -> tuple[list[Person], list[str]]:
    """The two seen in most frames, in the file's order, and the names of those left out."""
    ranked = sorted(range(len(people)), key=lambda i: -people[i].frames_seen)
    kept = sorted(ranked[:2])
    return [people[i] for i in kept], [people[i].name for i in sorted(ranked[2:])]


def clip_of(where: str, people: Sequence[Person], clip_id: str, label: str = "") -> Clip:
    """The clip of two people, of the joints that both have; who ends earlier is unseen from there on.

    Raises:
        ClipError: when their rates differ or they share no joint.
    """
    first, second = people
    if first.fps != second.fps:
        raise ClipError(f"{where}: {first.fps:g} and {second.fps:g} frames per second; expected the same for both")
    layout = first.layout
    if second.layout.joints != layout.joints:
        layout = find_layout(tuple(j for j in layout.joints if j in second.layout.index) or ("",))
        if layout.joints == ("",):
            raise ClipError(f"{where}: the two people have no joint in common; expected the same skeleton for both")
    joints = np.full((max(len(p.joints) for p in people), 2, len(layout), 3), np.nan, np.float32)
    for i, p in enumerate(people):
        joints[: len(p.joints), i] = p.joints[:, [p.layout.index[j] for j in layout.joints]]
    joints[~np.isfinite(joints).all(axis=-1)] = np.nan
    return Clip(joints, layout, first.fps, label, clip_id)
