"""Skeleton layouts: which joints a source sends, in which order, and how they hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from string import ascii_lowercase, ascii_uppercase, digits

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError

_SIDES = {"l": "left", "r": "right", "lft": "left", "rgt": "right"}


def _among(characters: str) -> NDArray[np.bool_]:
    """For each byte whether it is one of the characters."""
    return np.isin(np.arange(256), [ord(c) for c in characters])


_UPPER, _SMALL, _DIGIT = _among(ascii_uppercase), _among(ascii_lowercase), _among(digits)
# Small letters for capitals, and a space for what belongs to no word.
_WORDS = ascii_uppercase + ascii_lowercase + digits + "\n"
_FOLD = np.array([ord(chr(c).lower()) if chr(c) in _WORDS else ord(" ") for c in range(256)], np.uint8)


def normalise_joint_name(name: str) -> str:
    """Spells a joint name the project's way: `LShoulder`, `l_shoulder`, `shoulder-left` -> `left_shoulder`."""
    return normalise_joint_names((name,))[0]


def normalise_joint_names(names: Iterable[str]) -> tuple[str, ...]:
    """The same for many; at once, for a source may send hundreds of new ones with every message."""
    names = tuple(names)
    if not names:
        return ()
    lines = "\n".join(name.replace("\n", " ") for name in names).encode("ascii", "replace")
    code = np.frombuffer(lines, np.uint8)
    upper, small = _UPPER[code], _SMALL[code]
    # A word begins at a capital after a small letter or digit, and at the last of several capitals before a small one.
    begins = upper[1:] & (small | _DIGIT[code])[:-1]
    begins[:-1] |= upper[:-2] & upper[1:-1] & small[2:]
    words = np.insert(_FOLD[code], np.flatnonzero(begins) + 1, ord(" ")).tobytes().decode("ascii")
    return tuple(_spell(name.split()) for name in words.split("\n"))


def _spell(words: list[str]) -> str:
    words = [_SIDES.get(w, w) for w in words]
    for side in ("left", "right"):
        if side in words[1:]:
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
        doubled = sorted(j for j, n in Counter(self.joints).items() if n > 1)
        if doubled:
            raise LayoutError(f"layout {self.name!r} names joints more than once: {', '.join(doubled)}")
        unknown = sorted({j for bone in self.bones for j in bone} - set(self.joints))
        if unknown:
            raise LayoutError(f"layout {self.name!r} has bones to unknown joints: {', '.join(unknown)}")

    @classmethod
    def custom(cls, joints: Iterable[str], name: str = "custom") -> Layout:
        """A layout from any spelling of joint names, without bones."""
        names = normalise_joint_names(joints)
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
