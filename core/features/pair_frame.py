"""The canonical pair frame: one origin, one heading and one scale for both persons of a window.

Both persons are moved together, so where they stand and how they face each other survives; the camera's place
and heading and the people's size do not. Centring each person on himself would throw away the relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.mapping import JointMap

TRUNK_M = 0.5  # length of every canonical trunk, pelvis to neck
TRUNK_RANGE_M = (0.2, 0.9)  # a measured trunk outside is noise: a toddler's has 0.25 m, a giant's 0.7 m
COINCIDENT_M = 1e-3  # people whose mean pelvises are nearer than this have no line between them


# Where a sensor sees upper bodies only, what stands for pelvis and neck, best first, and how long the trunk between
# them is beside that from pelvis to neck. The first is the rule for all others.
_PLACED_BY = (
    ("pelvis", "neck", 1.0),
    ("torso", "neck", 0.6),
    ("spine_mid", "neck", 0.6),
    ("chest", "neck", 0.4),
    ("spine3", "neck", 0.4),
    ("pelvis", "head", 1.4),
    ("torso", "head", 1.0),
    ("neck", "head", 0.5),
)


@dataclass(frozen=True)
class Anchors:
    """Joints that place a pair; each is the middle of two indices on the J axis, or twice the same index.

    Arguments:
        pelvis, neck: lower and upper end of the trunk, or of what stands for it.
        trunk: length of a typical one, as a part of that from pelvis to neck.
    """

    pelvis: tuple[int, int]
    neck: tuple[int, int]
    trunk: float = 1.0


def anchors(layout: Layout) -> Anchors:
    """Which joints of `layout` give pelvis and neck, or the trunk that stands for the one between them.

    Pelvis: the joint, or the middle of the hips; else torso, spine or chest; else the neck or the middle of the
    shoulders, with the head as the upper end. Known layouts have all of them and are placed by pelvis and neck.

    Raises:
        LayoutError: when nothing of the layout will do; the message names what is missing.
    """
    for low, high, trunk in _PLACED_BY:
        ends = _joint(layout, low), _joint(layout, high)
        if ends[0] is not None and ends[1] is not None:
            return Anchors(ends[0], ends[1], trunk)
    missing = [joint for joint in ("pelvis", "neck") if _joint(layout, joint) is None]
    raise LayoutError(
        f"layout {layout.name!r} has no {' and no '.join(missing)} to place a pair by, nor joints to derive it from "
        f"(it has {', '.join(layout.joints)}); expected pelvis, hips, torso, spine or chest, and neck, shoulders or "
        "head"
    )


def _joint(layout: Layout, joint: str) -> tuple[int, int] | None:
    """The joint itself, in a model's layout where `core.skeletons.mapping` derives it; else what stands in for it."""
    if joint in layout.index:
        return layout.index[joint], layout.index[joint]
    try:
        first, second = JointMap.between(layout, Layout("anchors", (joint,))).pairs[0]
    except LayoutError:
        return None
    return int(first), int(second)


def placed_by(layout: Layout, at: Anchors) -> dict[str, Any]:
    """The anchors by name, as a model file says them."""
    low, high = ([layout.joints[i] for i in dict.fromkeys(pair)] for pair in (at.pelvis, at.neck))
    return {"low": low, "high": high, "trunk": at.trunk}


def anchors_said(layout: Layout, said: object) -> Anchors:
    """The anchors that a model file says, see `placed_by`; those of `anchors` where it says none, as older ones do.

    Raises:
        LayoutError: when it says what the layout does not have.
    """
    if said is None:
        return anchors(layout)
    try:
        ends: list[tuple[int, int]] = []
        for key in ("low", "high"):
            names = said[key]  # type: ignore[index]
            ends.append((layout.index[names[0]], layout.index[names[-1]]))
        trunk = float(said["trunk"])  # type: ignore[index]
    except (KeyError, IndexError, TypeError, ValueError):
        trunk, ends = 0.0, []
    if not 0.1 <= trunk <= 10:
        raise LayoutError(
            f"placed_by is {said!r:.200}; expected low and high, lists of joints among {', '.join(layout.joints)}, and "
            "trunk, 0.1 to 10"
        )
    return Anchors(ends[0], ends[1], trunk)


def canonical(joints: NDArray[np.floating], at: Anchors) -> NDArray[np.floating]:
    """Both persons in the pair's own frame.

    Origin: the mean over window and persons of the pelvises, height included. +X: the mean horizontal line
    from person 0 to person 1; Y stays up. Unit: a trunk of 0.5. Swapping the persons therefore swaps the
    result and turns it by half a turn about Y. Where the pelvises coincide within a millimetre the
    horizontal plane shrinks smoothly, because no heading is right.

    Arguments:
        joints: metres, Y up, shape (..., 2, T, J, 3), without NaN.
        at: pelvis and neck, see `anchors`.

    Returns:
        Shape (..., 2, T, J, 3), same dtype.
    """
    pelvis = 0.5 * (joints[..., at.pelvis[0], :] + joints[..., at.pelvis[1], :])
    neck = 0.5 * (joints[..., at.neck[0], :] + joints[..., at.neck[1], :])
    centre = pelvis.mean(axis=-2)  # (..., 2, 3)
    origin = centre.mean(axis=-2)[..., None, None, None, :]
    line = centre[..., 1, :] - centre[..., 0, :]
    length = np.sqrt(line[..., 0] ** 2 + line[..., 2] ** 2 + COINCIDENT_M**2)
    trunk = np.linalg.norm(neck - pelvis, axis=-1).mean(axis=(-1, -2))
    scale = at.trunk * TRUNK_M / np.clip(trunk, at.trunk * TRUNK_RANGE_M[0], at.trunk * TRUNK_RANGE_M[1])
    cos, sin = (scale * line[..., axis] / length for axis in (0, 2))
    cos, sin, scale = (v[..., None, None, None] for v in (cos, sin, scale))
    x, y, z = np.moveaxis(joints - origin, -1, 0)
    return np.stack([cos * x + sin * z, scale * y, cos * z - sin * x], axis=-1).astype(joints.dtype, copy=False)
