"""People out of files that hold one or several of them, and the clip of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.readers.association import FileSighting, one_person, sighting
from dyadwatch.core.readers.read_options import ReadOptions, metres_per_unit
from dyadwatch.core.skeletons.body_size import (
    FARTHEST_M,
    LARGEST_BODY_M,
    METRES,
    SMALLEST_FIGURE_M,
    WHOLE_BODY_JOINTS,
    likely_units,
)
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import find_layout
from dyadwatch.core.skeletons.marker_map import MarkerMap, plan_markers
from dyadwatch.core.skeletons.marker_sets import choose_markers

_THIRD = "a third person; the two seen longest are kept"


@dataclass(frozen=True)
class Person:
    """One person of a file.

    Arguments:
        name: as the file has it; may be empty.
        joints: metres, right-handed, Y up; shape (T, J, 3) float32; NaN where unseen.
        layout: what the J axis means.
        fps: frames per second.
        begins_s: time of the first frame on the file's own clock, if it has one.
        notes: what the file says strangely or not at all, and how it was taken.
    """

    name: str
    joints: NDArray[np.float32]
    layout: Layout
    fps: float
    begins_s: float | None = None
    notes: tuple[str, ...] = ()

    def timed(self, begins_s: float | None, notes: Sequence[str]) -> Person:
        """The same, with a beginning and more notes."""
        return replace(self, begins_s=begins_s, notes=(*self.notes, *notes))

    @property
    def frames_seen(self) -> int:
        """Frames in which anything of the person is seen."""
        return int(np.isfinite(self.joints).all(axis=-1).any(axis=-1).sum())


def people_of_markers(
    path: Path, labels: Sequence[str], positions: NDArray[np.float32], fps: float, units: str, declared: ReadOptions
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
    path: Path, joints: dict[str, NDArray[np.float32]], layout: Layout, fps: float, units: str, declared: ReadOptions
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


def two_people(people: Sequence[Person]) -> tuple[list[Person], list[tuple[str, str]]]:
    """The two seen in most frames, in the file's order, and the names of those left out with the reason.

    Whoever is the longest seen twice, such as a filtered copy, is no second person while there is another.
    """
    ranked = sorted(range(len(people)), key=lambda i: -people[i].frames_seen)
    first = ranked[0]
    seen = sighting(people[first].joints) if len(people) > 2 else None
    copies = [i for i in ranked[1:] if seen is not None and _is_copy(people[first], seen, people[i])]
    others = [i for i in ranked[1:] if i not in copies] + copies
    kept = sorted((first, *others[:1]))
    why = [
        (people[i].name, f"the same body as {people[first].name!r:.40}" if i in copies else _THIRD)
        for i in sorted(others[1:])
    ]
    return [people[i] for i in kept], why


def _is_copy(first: Person, seen: FileSighting, other: Person) -> bool:
    return first.layout.joints == other.layout.joints and one_person(seen, sighting(other.joints))


def clip_of(where: str, people: Sequence[Person], clip_id: str, label: str = "") -> Clip:
    """The clip of two people, of the joints that both have; who ends earlier is unseen from there on.

    Where the files of both tell times, who begins later is unseen until then.

    Raises:
        ClipError: when their rates differ, they share no joint, or were not seen at the same time.
    """
    first, second = people
    if first.fps != second.fps:
        raise ClipError(f"{where}: {first.fps:g} and {second.fps:g} frames per second; expected the same for both")
    layout = first.layout
    if second.layout.joints != layout.joints:
        layout = find_layout(tuple(j for j in layout.joints if j in second.layout.index) or ("",))
        if layout.joints == ("",):
            raise ClipError(f"{where}: the two people have no joint in common; expected the same skeleton for both")
    begins = _begins(where, first, second)
    count = max(b + len(p.joints) for b, p in zip(begins, people, strict=True))
    joints = np.full((count, 2, len(layout), 3), np.nan, np.float32)
    for i, (b, p) in enumerate(zip(begins, people, strict=True)):
        joints[b : b + len(p.joints), i] = p.joints[:, [p.layout.index[j] for j in layout.joints]]
    joints[~np.isfinite(joints).all(axis=-1)] = np.nan
    return Clip(joints, layout, first.fps, label, clip_id)


def _begins(where: str, first: Person, second: Person) -> tuple[int, int]:
    """The frames of the clip at which each begins."""
    if first.begins_s is None or second.begins_s is None:
        return 0, 0
    later = round((second.begins_s - first.begins_s) * first.fps)
    if not -len(second.joints) < later < len(first.joints):
        spans = [f"{p.begins_s:.6g} to {p.begins_s + len(p.joints) / p.fps:.6g} s" for p in (first, second)
                 if p.begins_s is not None]  # fmt: skip
        raise ClipError(f"{where}: seen at other times, {' and '.join(spans)}; expected one recording on one clock")
    return max(-later, 0), max(later, 0)
