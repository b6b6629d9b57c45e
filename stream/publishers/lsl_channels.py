"""What the channels of an LSL stream mean: which three are a marker's place, in what units, and whose joints."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.marker_map import MarkerMap, MarkerPlan, plan_markers
from dyadwatch.core.skeletons.marker_sets import choose_markers
from dyadwatch.core.skeletons.unseen import blank_zeros
from dyadwatch.stream.publishers.checked import Units

_TYPES = {"positionx": 0, "positiony": 1, "positionz": 2, "confidence": 3}
_SUFFIX = re.compile(r"^(.+?)[\s_.-]*(?:pos(?:ition)?[\s_.-]*)?([xyz]|conf(?:idence)?)$", re.IGNORECASE)
_UNITS: dict[str, Units] = {
    "m": "m", "meter": "m", "meters": "m", "metre": "m", "metres": "m",
    "cm": "cm", "centimeters": "cm", "centimetres": "cm",
    "mm": "mm", "millimeters": "mm", "millimetres": "mm",
}  # fmt: skip
_AXES = "xyz"


class Channel(NamedTuple):
    """One channel as its stream describes it; empty where it does not."""

    label: str = ""
    marker: str = ""
    object: str = ""
    type: str = ""
    unit: str = ""


@dataclass(frozen=True)
class LslPlan:
    """From a sample to people's joints; make it with `plan_channels`.

    Arguments:
        markers: what the markers make.
        channels: (M, 4) channel of x, y, z and confidence of each marker; -1 for none.
        units: as the stream says, if it does.
    """

    markers: MarkerPlan
    channels: NDArray[np.intp]
    units: Units | None

    def values(self, sample: NDArray[np.float64]) -> NDArray[np.float32]:
        """x y z confidence of all joints, shape (P, J, 4), of a sample (channels,); in the stream's units and axes.

        A marker at exactly 0 0 0 is one that the tracker did not see, and so is one that is not a number.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            markers = sample[self.channels[:, :3]].astype(np.float32)
            sure = np.where(self.channels[:, 3] < 0, 1.0, sample[self.channels[:, 3]]).astype(np.float32)
        blank_zeros(markers)
        with np.errstate(over="ignore", invalid="ignore"):
            joints = self.markers.positions(markers)
        return np.concatenate([joints, sure[self.markers.picks].min(axis=2)[..., None]], axis=2)


def plan_channels(
    channels: Sequence[Channel],
    count: int,
    *,
    wanted: MarkerMap | None = None,
    layout: Layout | None = None,
    units: Units | None = None,
) -> LslPlan:
    """What the channels of a stream mean.

    Arguments:
        channels: as described by the stream; may be empty.
        count: how many a sample has.
        wanted: which markers make which joint; without one the sets in common use are tried.
        layout: takes the channels in order instead: person after person, joint after joint, x y z, or x y z
            confidence.
        units: prevail over what the stream says.

    Raises:
        LayoutError: when they make nobody, or the stream's units are unknown or differ from marker to marker; says what
            was looked for and what there is.
    """
    if layout is not None:
        return _in_order(count, layout)
    places: dict[str, list[int]] = {}
    for k, (name, axis) in enumerate(map(_meaning, channels[:count])):
        if name:
            places.setdefault(name, [-1, -1, -1, -1])[axis] = k
    named = {n: at for n, at in places.items() if min(at[:3]) >= 0}
    if not named:
        labels = ", ".join(c.label for c in channels[:20]) or "none"
        raise LayoutError(
            f"no channels of the stream are a marker's x, y and z; expected channel types PositionX, PositionY, "
            f"PositionZ or labels such as LWrist_x, or say with --layout that they are a skeleton's in order; its "
            f"{count} channels have the labels {labels[:300]}"
        )
    units = units or _units([channels[k].unit for at in named.values() for k in at[:3]])
    labels = list(named)
    plan = plan_markers(labels, wanted or choose_markers(labels))
    return LslPlan(plan, np.array(list(named.values()), np.intp), units)


def _units(said: Sequence[str]) -> Units | None:
    """The units that the channels of places have; None where none says any."""
    names = sorted({unit.strip().lower() for unit in said} - {""})
    found: set[Units] = {_UNITS[name] for name in names if name in _UNITS}
    if len(found) > 1 or not all(name in _UNITS for name in names):
        raise LayoutError(
            f"units of its channels are {', '.join(map(repr, names))[:200]}; expected the same for all, of m, cm and "
            "mm or their names, or say them with --units"
        )
    return found.pop() if found else None


def _in_order(count: int, layout: Layout) -> LslPlan:
    joints = len(layout)
    per_joint = next((c for c in (3, 4) if count and count % (c * joints) == 0), None)
    if per_joint is None:
        raise LayoutError(
            f"the stream has {count} channels; expected a multiple of {3 * joints} (x y z) or {4 * joints} (x y z "
            f"confidence) for the {joints} joints of layout {layout.name!r}"
        )
    people = count // (per_joint * joints)
    channels = np.full((people * joints, 4), -1, np.intp)
    channels[:, :per_joint] = np.arange(count).reshape(-1, per_joint)
    picks = np.arange(people * joints, dtype=np.intp).reshape(people, joints, 1)
    ids = tuple(str(p + 1) for p in range(people))
    return LslPlan(MarkerPlan(layout, ids, picks, np.ones(picks.shape, np.float32)), channels, None)


def _meaning(channel: Channel) -> tuple[str, int]:
    """Marker and axis of a channel, 3 being its confidence; no name for a channel of something else."""
    name, axis = channel.marker.strip() or channel.label.strip(), _TYPES.get(channel.type.strip().lower())
    found = _SUFFIX.match(name)
    if axis is None:
        if channel.type.strip().lower() not in ("", "position", "mocap") or found is None:
            return "", 0
        name = found[1]
        axis = _AXES.find(found[2].lower()) if len(found[2]) == 1 else 3
    elif found is not None and not channel.marker and found[2].lower() == (*_AXES, "conf")[axis]:
        name = found[1]
    owner = channel.object.strip()
    return (f"{owner}:{name}" if owner and owner != name and ":" not in name else name), axis
