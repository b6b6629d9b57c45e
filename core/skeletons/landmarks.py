"""What stands for parts of a body that a skeleton is drawn by: its head, and whether it has feet."""

from __future__ import annotations

from collections.abc import Sequence

_HEADS = ("head", "nose")  # the best first
_SOLES = ("ankle", "foot", "heel", "toe")  # also within a name, such as left_foot_index


def head_of(joints: Sequence[str]) -> int:
    """Position of the joint that a head is drawn at; -1 for none."""
    return next((joints.index(name) for name in _HEADS if name in joints), -1)


def has_soles(joints: Sequence[str]) -> bool:
    """Whether the lowest joints stand on the floor; otherwise skeletons end at the hips."""
    return any(part in joint for joint in joints for part in _SOLES)
