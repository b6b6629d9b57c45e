"""NTU RGB+D 120: the mutual classes of its `.skeleton` files, camera 1, cross-subject split."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import number, read_lines
from dyadwatch.core.readers.association import FileSighting, join, merged, one_person
from dyadwatch.core.readers.dataset import Dataset, gather
from dyadwatch.core.readers.exchanged import put_right
from dyadwatch.core.skeletons.layouts import KINECT25

FPS = 30.0
CATEGORIES = dict(
    zip(
        (*range(50, 61), *range(106, 121)),
        ("punch_slap", "kick", "push", "pat_on_back", "point_finger", "hug", "give_object", "touch_pocket",
         "handshake", "walk_towards", "walk_apart", "hit_with_object", "wield_knife", "knock_over", "grab_stuff",
         "shoot_with_gun", "step_on_foot", "high_five", "cheers_and_drink", "carry_object", "take_photo", "follow",
         "whisper", "exchange_things", "support_somebody", "rock_paper_scissors"),
        strict=True,
    )
)  # fmt: skip
TRAINING_SUBJECTS = frozenset(
    (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38, 45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78,
     *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103)
)  # fmt: skip
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})\.skeleton\Z")
_JOINTS = len(KINECT25)
_BODY_VALUES, _JOINT_VALUES = 10, 12
_MOST_FRAMES = 10_000
# A ghost is a chair or a reflection: short-lived, or it hardly moves.
_LONG_LIFE = 0.5  # of the longest-lived body


@dataclass
class _Lines:
    """Lines of a file, handed out one by one."""

    path: Path
    lines: Iterator[tuple[int, str]]

    def words(self, count: int, what: str) -> tuple[list[str], str]:
        """The words of the next line and where it stands; there must be `count`.

        Raises:
            ClipError: when the file ends or the line has another number of words.
        """
        i, line = next(self.lines, (0, ""))
        if not i:
            raise ClipError(f"{self.path}: ends early; expected {what}")
        words = line.split()
        if len(words) != count:
            raise ClipError(f"{self.path}, line {i}: {len(words)} values; expected {count}: {what}")
        return words, f"{self.path}, line {i}"

    def count(self, what: str, most: int) -> int:
        """A whole number from 0 to `most`.

        Raises:
            ClipError: when it is anything else.
        """
        (word,), where = self.words(1, what)
        if not (word.isascii() and word.isdigit() and len(word) < 9 and int(word) <= most):
            raise ClipError(f"{where}: {word[:20]!r} found; expected {what}, 0 to {most}")
        return int(word)


def read_bodies(path: Path) -> tuple[int, dict[str, FileSighting]]:
    """Every body of a `.skeleton` file.

    Returns:
        Number of frames, and by body id the frames it is in; nothing is laid out for the others.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
    """
    lines = _Lines(path, read_lines(path))
    frames = lines.count("the number of frames", _MOST_FRAMES)
    bodies: dict[str, dict[int, NDArray[np.float32]]] = {}
    for frame in range(frames):
        for _ in range(lines.count("the number of bodies", 10)):
            words, _ = lines.words(_BODY_VALUES, "10 values of a body")
            name = words[0]
            while frame in bodies.get(name, {}):  # nobody is twice in a frame, whatever their ids say
                name += "'"
            body = bodies.setdefault(name, {})[frame] = np.empty((_JOINTS, 3), np.float32)
            joints = lines.count("the number of joints", 99)
            if joints != _JOINTS:
                raise ClipError(f"{path}, frame {frame}: {joints} joints; expected {_JOINTS}")
            for j in range(_JOINTS):
                words, where = lines.words(_JOINT_VALUES, "12 values of a joint")
                body[j] = [number(w, where) for w in words[:3]]
    found = {k: FileSighting(np.fromiter(b, np.intp), np.stack([*b.values()])) for k, b in bodies.items()}
    return frames, found


def two_bodies(bodies: dict[str, FileSighting]) -> list[str]:
    """The ids of the two people among all bodies: of those that live long, the two that move most.

    Long is half as long as the longest-lived; where fewer than two live long, the longest-lived are taken. The same
    body under two ids is not two.
    """
    life = {k: len(b.frames) for k, b in bodies.items()}
    moved = {k: float(np.var(b.joints, axis=0).sum()) if life[k] else 0.0 for k, b in bodies.items()}
    long = [k for k in bodies if life[k] >= _LONG_LIFE * max(life.values())]
    ranked = sorted(long, key=lambda k: -moved[k])
    ranked += sorted((k for k in bodies if k not in long), key=lambda k: (-life[k], -moved[k]))
    second = next((k for k in ranked[1:] if not one_person(bodies[ranked[0]], bodies[k])), ranked[1])
    chosen = {ranked[0], second}
    return [k for k in bodies if k in chosen]


def read_ntu_clip(path: Path) -> Clip:
    """One `.skeleton` file with two people.

    Raises:
        ClipError: naming the file, what was found and what was expected.
    """
    found = _NAME.search(path.name)
    if not found:
        raise ClipError(f"{path}: the name is not SsssCcccPpppRrrrAaaa.skeleton, which gives subject and action")
    subject, action = int(found[3]), int(found[5])
    frames, bodies = read_bodies(path)
    # the sensor gives people new ids as it likes
    people = {names[0]: merged([bodies[n] for n in names]) for names in join(bodies, FPS).values()}
    if len(people) < 2:
        raise ClipError(f"{path}: {len(people)} bodies in {frames} frames; expected two people")
    first, second = (people[k].over(frames) for k in two_bodies(people))
    put_right(first, second, FPS)
    joints = np.stack([first, second], axis=1)
    seen = np.flatnonzero(np.isfinite(joints).any(axis=(1, 2, 3)))
    return Clip(
        joints[seen[0] : seen[-1] + 1],
        KINECT25,
        FPS,
        label=CATEGORIES.get(action, f"A{action:03d}"),
        clip_id=path.stem,
        split="train" if subject in TRAINING_SUBJECTS else "test",
        session=f"S{found[1]}P{found[3]}",
    )


def _wanted(name: str) -> bool:
    found = _NAME.search(name)
    return bool(found) and int(found[2]) == 1 and int(found[5]) in CATEGORIES


def read_ntu(path: Path) -> Dataset:
    """A folder of `.skeleton` files, however deep, or one of them.

    Files of other cameras and of actions of one person are passed over.

    Raises:
        ClipError: when not one clip is usable.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*.skeleton") if _wanted(p.name))
    jobs = [(p.name, lambda p=p: read_ntu_clip(p)) for p in files]
    return gather(path, "ntu", KINECT25, jobs, "mutual actions A050-A060 and A106-A120 of camera C001")
