"""From one skeleton layout to another, by joint name; derived joints mean one place, whatever sensor they come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError
from dyadwatch.core.skeletons.layout import Layout

# Joints that sensors place differently: a Kinect's neck lies 0.1 m above the shoulders, OpenPose's between them, ZED's
# head 0.07 m below the ears. Wherever both halves are there the joint is the middle of them, also where the source has
# one of the name. What a model was trained with is part of its format, see `core.model_file.artefact.FORMAT`.
_MIDDLE: dict[str, tuple[str, str]] = {
    "neck": ("left_shoulder", "right_shoulder"),
    "pelvis": ("left_hip", "right_hip"),
    "head": ("left_ear", "right_ear"),
}

# What may stand in for a joint, best first. Two names mean the middle between them. The hand stands in for the
# wrist (and the foot for the ankle) because Kinect v1 data, SBU among them, have no wrist: some 8 cm off.
_STAND_INS: dict[str, tuple[tuple[str, ...], ...]] = {
    "head": (("nose",), ("left_eye", "right_eye")),
    "nose": (("head",),),
    "neck": (("spine_shoulder",), ("left_clavicle", "right_clavicle")),
    "pelvis": (("mid_hip",), ("hips",), ("spine_base",), ("hip",), ("root",)),
    "torso": (("spine_mid",), ("spine2",), ("chest_spine",), ("spine",), ("neck", "pelvis")),
    "spine_shoulder": (("left_shoulder", "right_shoulder"), ("neck",)),
    "spine_mid": (("torso",), ("naval_spine",), ("spine1",), ("neck", "pelvis")),
}
_SIDED: dict[str, tuple[str, ...]] = {
    "wrist": ("hand",),
    "hand": ("wrist",),
    "ankle": ("foot", "heel"),
    "foot": ("foot_index", "big_toe", "ankle"),
    "shoulder": ("upper_arm", "clavicle", "collar"),
    "elbow": ("fore_arm", "lower_arm"),
    "hip": ("up_leg", "upper_leg"),
    "knee": ("leg", "lower_leg"),
}
for _joint, _others in _SIDED.items():
    for _side in ("left", "right"):
        _STAND_INS[f"{_side}_{_joint}"] = tuple((f"{_side}_{o}",) for o in _others)


def _sources(joint: str, have: dict[str, int]) -> tuple[int, int] | None:
    """The two source joints (twice the same one where one is enough) whose middle is `joint`; None if absent."""
    middle = _MIDDLE.get(joint, ())
    if middle and all(half in have for half in middle):
        return have[middle[0]], have[middle[1]]
    if joint in have:
        return have[joint], have[joint]
    for names in _STAND_INS.get(joint, ()):
        if all(n in have for n in names):
            return have[names[0]], have[names[-1]]
    if joint == "torso" and "neck" in have:
        hips = _sources("pelvis", have)
        if hips is not None and hips[0] == hips[1]:
            return have["neck"], hips[0]
    return None


@dataclass(frozen=True)
class JointMap:
    """Maps joints of one layout onto another; make it with `JointMap.between`.

    Arguments:
        source: layout of the arrays that go in.
        target: layout of the arrays that come out.
        pairs: (J_target, 2) indices on the source's J axis; a target joint is the middle of its two.
    """

    source: Layout
    target: Layout
    pairs: NDArray[np.intp]

    @classmethod
    def between(cls, source: Layout, target: Layout) -> JointMap:
        """The map from `source` onto `target`.

        Raises:
            LayoutError: when target joints are missing; the message names every one of them.
        """
        found = [_sources(j, source.index) for j in target.joints]
        missing = [j for j, f in zip(target.joints, found, strict=True) if f is None]
        if missing:
            raise LayoutError(
                f"layout {source.name!r} cannot feed a model of layout {target.name!r}: "
                f"no joint for {', '.join(missing)} (it has {', '.join(source.joints)})",
                missing,
            )
        return cls(source, target, np.asarray([f for f in found if f is not None], dtype=np.intp))

    @cached_property
    def is_identity(self) -> bool:
        """Whether every joint of the target is the one at its place in the source."""
        same = np.arange(len(self.source))[:, None]
        return self.pairs.shape[0] == len(same) and bool((self.pairs == same).all())

    @cached_property
    def _halves(self) -> NDArray[np.intp]:
        """The columns of `pairs`, each in one piece; shape (2, J_target)."""
        return self.pairs.T.copy()

    @cached_property
    def implied(self) -> NDArray[np.bool_]:
        """Which joints of the target are the middle of two that it has as well: unseen only where one of those is."""
        first, second = self.pairs.T
        alone = self.pairs[first == second, 0]
        return (first != second) & np.isin(first, alone) & np.isin(second, alone)

    def positions(self, joints: NDArray[np.float32]) -> NDArray[np.float32]:
        """Joints of the target layout.

        Arguments:
            joints: metres, shape (..., J_source, 3); NaN where unseen.

        Returns:
            Shape (..., J_target, 3); NaN where a joint it needs was unseen.
        """
        if self.is_identity:
            return joints
        first, second = self._halves
        out = joints.take(first, axis=-2)
        out += joints.take(second, axis=-2)
        out *= 0.5
        return out

    def confidence(self, confidence: NDArray[np.float32]) -> NDArray[np.float32]:
        """Confidence of the target joints, the lower one of the two joints; shape (..., J)."""
        if self.is_identity:
            return confidence
        first, second = self._halves
        return np.minimum(confidence.take(first, axis=-1), confidence.take(second, axis=-1))
