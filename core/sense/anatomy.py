"""What a layout shows of a body: limbs with their usual shares of the height, and the parts that tell where up is.

Shares of the height lie between joint centres and follow Drillis and Contini (1966) and de Leva (1996). How far a limb
may be off, as a factor, is what sensors and conventions differ by; arms that a sensor loses are off by more, whatever
their names, and count for less.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.mapping import JointMap

Point = tuple[int, int]  # the middle of two joints, or twice the same one

PARTS = ("hips", "shoulders")  # where two bodies cannot be in one place
LINES = ("shoulder", "hip")  # from the right one to the left one: they turn with the body, and no faster
# Up the trunk and the legs, from right to left, and ahead: out of the face, and from ankles to toes.
VECTORS = ("trunk", "legs", "shoulder_line", "hip_line", "face", "toes")


class LimbShare(NamedTuple):
    """From where to where, its usual share of the height, and by what factor it is off at times, as a logarithm.

    `most` is how many times that counts at most, `weight` how much the height is estimated from it. What is `near` can
    be too long, never too short.
    """

    first: str
    second: str
    share: float
    spread: float
    most: float = 6.0
    weight: int = 0
    near: bool = False


_ARM = 2.5
_LIMBS = (
    LimbShare("*_hip", "*_knee", 0.243, 0.15, weight=2),
    LimbShare("*_knee", "*_ankle", 0.245, 0.15, weight=2),
    LimbShare("*_shoulder", "*_elbow", 0.165, 0.3, _ARM, 1),
    LimbShare("*_elbow", "*_wrist", 0.15, 0.3, _ARM, 1),
    LimbShare("shoulders", "hips", 0.29, 0.22, weight=3),
    LimbShare("left_shoulder", "right_shoulder", 0.2, 0.25),
    LimbShare("left_hip", "right_hip", 0.11, 0.35),
    LimbShare("shoulders", "head", 0.13, 0.4),
)
_HAND_SHARE = 0.19  # elbow to hand, where there is no wrist


def _near(first: str, share: float, spread: float, *joints: str) -> tuple[LimbShare, ...]:
    return tuple(LimbShare(first, joint, share, spread, near=True) for joint in joints)


_NEAR = (
    *_near("head", 0.06, 0.5, "nose", "*_eye", "*_eye_inner", "*_eye_outer", "*_ear", "*_mouth"),
    *_near("*_wrist", 0.09, 0.4, "*_hand", "*_handtip", "*_thumb", "*_pinky", "*_index"),
    *_near("*_ankle", 0.1, 0.4, "*_foot", "*_heel", "*_foot_index", "*_big_toe", "*_small_toe"),
    *_near("hips", 0.17, 0.5, "spine1", "spine2", "spine3", "spine_mid", "naval_spine", "chest_spine", "torso"),
    *_near("shoulders", 0.09, 0.5, "*_clavicle", "*_collar"),
)
_TRUNKS = (("shoulders", "hips"), ("neck", "pelvis"), ("head", "shoulders"), ("head", "neck"))
_LEGS = (("hips", "ankles"), ("hips", "knees"))
_FACES = (("nose", "ears"), ("nose", "head"))
_TOES = (("foots", "ankles"),)
_TORN = 2.8  # times its usual length; of all clips of two noisy sensors no rigid limb comes to more than 2.5
_STANDING = ("ankle", "foot", "heel", "toe")  # parts of names of joints that stand still on the floor at times
_MOST_JOINTS = 256  # a layout of more is none of a body


@dataclass(frozen=True, eq=False)
class Anatomy:
    """What a layout shows of a body; made by `anatomy_of`.

    Arguments:
        layout: of the joints that are measured.
        limbs: those that it has.
        ends: rows of joints, shape (4, V): a vector V leads from the middle of the last two to that of the first two.
            First all limbs, then `VECTORS`.
        parts: rows of joints, shape (2, 2): the middles of `PARTS`.
        lines: left and right ends, shape (2, N), of those of `LINES` that are there.
        has_vectors, has_parts: whether those are there, for each of `VECTORS` and `PARTS`; where not, they are of no
            use.
    """

    layout: Layout
    limbs: tuple[LimbShare, ...]
    ends: NDArray[np.intp]
    parts: NDArray[np.intp]
    lines: NDArray[np.intp]
    has_vectors: tuple[bool, ...]
    has_parts: tuple[bool, ...]

    @cached_property
    def usual(self) -> NDArray[np.float32]:
        """Usual share of the height of each limb, shape (L,)."""
        return np.array([limb.share for limb in self.limbs], np.float32)

    @cached_property
    def weighed(self) -> NDArray[np.intp]:
        """Indices of the limbs that the height is estimated from, each as often as it counts."""
        return np.repeat(np.arange(len(self.limbs)), [limb.weight for limb in self.limbs])

    @cached_property
    def absent(self) -> NDArray[np.intp]:
        """Columns of `measures.measure` of vectors and parts that are not there."""
        return len(self.limbs) + np.flatnonzero(np.repeat(~np.array(self.has_vectors + self.has_parts), 3))

    @cached_property
    def rigid(self) -> NDArray[np.intp]:
        """Indices of the limbs that keep their length, whatever a body does; those to a head and near a joint vary."""
        return np.array([i for i, li in enumerate(self.limbs) if not li.near and li.second != "head"], np.intp)

    @cached_property
    def widths(self) -> NDArray[np.intp]:
        """Indices of the limbs across shoulders and hips, of those that are there."""
        across = [(f"left_{line}", f"right_{line}") for line in LINES]
        return np.array([i for i, limb in enumerate(self.limbs) if (limb.first, limb.second) in across], np.intp)

    @cached_property
    def longest(self) -> NDArray[np.float32]:
        """Share of the height that each limb is at most, however noisy the sensor; shape (L,)."""
        out = np.full(len(self.limbs), np.inf, np.float32)
        out[self.rigid] = _TORN * self.usual[self.rigid]
        return out

    @cached_property
    def stands(self) -> NDArray[np.bool_]:
        """Which joints stand on the floor at times, shape (J,)."""
        return np.array([any(part in name for part in _STANDING) for name in self.layout.joints])

    @cached_property
    def off(self) -> NDArray[np.float32]:
        """Spread, most, and how much too short counts, 0 or -1, of each limb; shape (3, L)."""
        shares = [[limb.spread, limb.most, 0.0 if limb.near else -1.0] for limb in self.limbs]
        return np.array(shares, np.float32).reshape(-1, 3).T


def _point(layout: Layout, name: str) -> Point | None:
    """Where a part of the body lies in a layout; None where it has nothing of it."""
    match name:
        case "shoulders" | "hips" | "knees" | "ankles" | "ears" | "foots":
            left, right = (_point(layout, f"{side}_{name[:-1]}") for side in ("left", "right"))
            if left is not None and right is not None and left[0] == left[1] and right[0] == right[1]:
                return left[0], right[0]
            return _point(layout, "pelvis") if name == "hips" and "pelvis" in layout.index else None
        case "left_shoulder" | "right_shoulder":  # a collar bone is no end of an arm
            exact = [n for n in (name, name.replace("shoulder", "upper_arm")) if n in layout.index]
            return (layout.index[exact[0]], layout.index[exact[0]]) if exact else None
        case _:
            try:
                first, second = JointMap.between(layout, Layout("point", (name,))).pairs[0].tolist()
            except LayoutError:
                return None
            return first, second


def _sided(limbs: tuple[LimbShare, ...]) -> list[LimbShare]:
    out: list[LimbShare] = []
    for limb in limbs:
        if "*" in limb.first + limb.second:
            for side in ("left", "right"):
                first, second = limb.first.replace("*", side), limb.second.replace("*", side)
                out.append(limb._replace(first=first, second=second))
        else:
            out.append(limb)
    return out


@lru_cache(maxsize=64)
def anatomy_of(layout: Layout) -> Anatomy:
    """What a layout shows of a body; of one that is none of a body, nothing."""
    known = layout if len(layout) <= _MOST_JOINTS else Layout("none", ("none",))
    limbs: list[LimbShare] = []
    ends: list[tuple[Point, Point]] = []
    for limb in _sided(_LIMBS) + [n for n in _sided(_NEAR) if n.second in known.index]:
        first, second = _point(known, limb.first), _point(known, limb.second)
        if first is None or second is None or first == second:
            continue
        if limb.second.endswith("_wrist") and limb.second not in known.index:
            limb = limb._replace(share=_HAND_SHARE)
        limbs.append(limb)
        ends.append((first, second))
    vectors = [_first_there(known, choices) for choices in (_TRUNKS, _LEGS)]
    lines = [(left, right) for line in LINES if (left := _side(known, line, "left")) is not None
             and (right := _side(known, line, "right")) is not None]  # fmt: skip
    vectors += [_line(known, line) for line in LINES]
    vectors += [_first_there(known, _FACES) if "nose" in known.index else None, _first_there(known, _TOES)]
    points = [_point(known, part) for part in PARTS]
    none: Point = (0, 0)
    rows = [(*a, *b) for a, b in [*ends, *(v or (none, none) for v in vectors)]]
    return Anatomy(
        layout,
        tuple(limbs),
        np.array(rows, np.intp).T,
        np.array([p or none for p in points], np.intp).T,
        np.array(lines, np.intp).reshape(-1, 2).T,
        tuple(v is not None for v in vectors),
        tuple(p is not None for p in points),
    )


def _side(layout: Layout, line: str, side: str) -> int | None:
    point = _point(layout, f"{side}_{line}")
    return point[0] if point is not None and point[0] == point[1] else None


def _line(layout: Layout, line: str) -> tuple[Point, Point] | None:
    left, right = (_side(layout, line, side) for side in ("left", "right"))
    return None if left is None or right is None else ((left, left), (right, right))


def _first_there(layout: Layout, choices: tuple[tuple[str, str], ...]) -> tuple[Point, Point] | None:
    for a, b in choices:
        first, second = _point(layout, a), _point(layout, b)
        if first is not None and second is not None and first != second:
            return first, second
    return None
