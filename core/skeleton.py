"""Skeleton layouts: which joints a source sends, in which order, and how they hang together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from dyadwatch.core.errors import LayoutError

_SIDES = {"l": "left", "r": "right", "lft": "left", "rgt": "right"}


def normalise_joint_name(name: str) -> str:
    """Spells a joint name the project's way: `LShoulder`, `l_shoulder`, `shoulder-left` -> `left_shoulder`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name.strip())
    words = [w for w in re.split(r"[^a-z0-9]+", snake.lower()) if w]
    words = [_SIDES.get(w, w) for w in words]
    for side in ("left", "right"):
        if words[1:] and side in words[1:]:
            words.remove(side)
            words.insert(0, side)
    return "_".join(words)


@dataclass(frozen=True)
class Layout:
    """An ordered set of named joints.

    Arguments:
        name: the name used on the wire and in artefacts; `custom` for joint lists that have none.
        joints: normalised joint names, in the order of the J axis.
        bones: pairs of joint names; for drawing and for bone lengths.

    Raises:
        LayoutError: when a name is empty or doubled, or a bone names an unknown joint.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if not self.joints:
            raise LayoutError(f"layout {self.name!r} has no joints; expected at least one")
        doubled = sorted({j for j in self.joints if self.joints.count(j) > 1})
        if doubled:
            raise LayoutError(f"layout {self.name!r} names joints more than once: {', '.join(doubled)}")
        unknown = sorted({j for bone in self.bones for j in bone} - set(self.joints))
        if unknown:
            raise LayoutError(f"layout {self.name!r} has bones to unknown joints: {', '.join(unknown)}")

    @classmethod
    def custom(cls, joints: Iterable[str], name: str = "custom") -> Layout:
        """A layout from any spelling of joint names, without bones."""
        names = tuple(normalise_joint_name(j) for j in joints)
        if "" in names:
            raise LayoutError(
                f"joint {names.index('')} of layout {name!r} has no name; expected a word like 'left_wrist'"
            )
        return cls(name, names)

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each joint on the J axis."""
        return {j: i for i, j in enumerate(self.joints)}

    @cached_property
    def bone_indices(self) -> tuple[tuple[int, int], ...]:
        """The bones as positions on the J axis."""
        return tuple((self.index[a], self.index[b]) for a, b in self.bones)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Permutation of the J axis that swaps left and right: `joints[:, layout.mirror]`."""
        swap = {"left": "right", "right": "left"}
        out: list[int] = []
        for i, joint in enumerate(self.joints):
            side, _, rest = joint.partition("_")
            out.append(self.index.get(f"{swap[side]}_{rest}", i) if side in swap else i)
        return tuple(out)

    def __len__(self) -> int:
        return len(self.joints)
