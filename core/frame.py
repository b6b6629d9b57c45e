"""The canonical pair frame: one origin, one heading and one scale for both persons of a window.

Both persons are moved together, so where they stand and how they face each other survives; the camera's place
and heading and the people's size do not. Centring each person on himself would throw away the relation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.mapping import JointMap
from dyadwatch.core.skeleton import Layout

TRUNK_M = 0.5  # length of every canonical trunk, pelvis to neck
TRUNK_RANGE_M = (0.2, 0.9)  # a measured trunk outside is noise: a toddler's has 0.25 m, a giant's 0.7 m
COINCIDENT_M = 1e-3  # people whose mean pelvises are nearer than this have no line between them


@dataclass(frozen=True)
class Anchors:
    """Joints that place a pair; each is the middle of two indices on the J axis, or twice the same index."""

    pelvis: tuple[int, int]
    neck: tuple[int, int]


def anchors(layout: Layout) -> Anchors:
    """Which joints of `layout` give pelvis and neck, stand-ins such as the middle of the hips included.

    Raises:
        LayoutError: when pelvis or neck has neither the joint nor a stand-in; the message names which.
    """
    found: dict[str, tuple[int, int]] = {}
    missing: list[str] = []
    for joint in ("pelvis", "neck"):
        try:
            first, second = JointMap.between(layout, Layout("anchors", (joint,))).pairs[0]
        except LayoutError:
            missing.append(joint)
        else:
            found[joint] = (int(first), int(second))
    if missing:
        raise LayoutError(
            f"layout {layout.name!r} has no {' and no '.join(missing)} to place a pair by, "
            f"nor joints to derive it from (it has {', '.join(layout.joints)})"
        )
    return Anchors(found["pelvis"], found["neck"])


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
    scale = TRUNK_M / np.clip(trunk, *TRUNK_RANGE_M)
    cos, sin = (scale * line[..., axis] / length for axis in (0, 2))
    cos, sin, scale = (v[..., None, None, None] for v in (cos, sin, scale))
    x, y, z = np.moveaxis(joints - origin, -1, 0)
    return np.stack([cos * x + sin * z, scale * y, cos * z - sin * x], axis=-1).astype(joints.dtype, copy=False)
