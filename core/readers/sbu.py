"""SBU Kinect Interaction v2 in its own text format, `skeleton_pos.txt`."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import number, read_lines
from dyadwatch.core.readers.dataset import Dataset, gather
from dyadwatch.core.skeletons.layouts import SBU15
from dyadwatch.core.skeletons.unseen import filled_joints

FPS = 15.0
# The folders 01 to 08 of each pair of people.
CATEGORIES = ("approaching", "departing", "kicking", "pushing", "shaking_hands", "hugging", "exchanging_object",
              "punching")  # fmt: skip
# The official folds: no pair of people is in two of them.
FOLDS = {
    "fold1": ("s01s02", "s03s04", "s05s02", "s06s04"),
    "fold2": ("s02s03", "s02s07", "s03s05", "s05s03"),
    "fold3": ("s01s03", "s01s07", "s07s01"),
    "fold4": ("s02s01", "s02s06", "s03s02", "s03s06"),
    "fold5": ("s04s02", "s04s03", "s04s06", "s06s02", "s06s03", "s07s03"),
}
_FOLD_OF = {pair: fold for fold, pairs in FOLDS.items() for pair in pairs}
_VALUES = 1 + 2 * len(SBU15) * 3
_TREE = re.compile(r"(?:^|/)(s\d\ds\d\d)/(\d\d)/([^/]+)/[^/]+$")
# X = 1280 - 2560 x, Y = 960 - 1920 y, Z = 10000 / 7.8125 z, in millimetres
_SCALE_M = np.asarray([-2.56, -1.92, 1.28])
_OFFSET_M = np.asarray([1.28, 0.96, 0.0])


def is_sbu(name: str) -> bool:
    """Whether a file of this name is in SBU's format."""
    return name.endswith(".txt") and "skeleton_pos" in name


def read_sbu_clip(path: Path, relative: str = "") -> Clip:
    """One `skeleton_pos.txt`.

    Arguments:
        path: the file.
        relative: its place in the data set, from which pair, category and fold are read; the path itself if empty.

    Raises:
        ClipError: naming file and line, what was found and what was expected.
    """
    rows: list[NDArray[np.float64]] = []
    for i, line in read_lines(path):
        if not line.strip():
            continue
        words = line.split(",")
        if len(words) != _VALUES:
            raise ClipError(
                f"{path}, line {i}: {len(words)} values; expected {_VALUES}: a frame number, then x, y, z of 15 joints "
                "of two persons"
            )
        rows.append(np.asarray([number(w, f"{path}, line {i}") for w in words[1:]]))
    if not rows:
        raise ClipError(f"{path}: holds no frame; expected lines of {_VALUES} numbers")
    joints = np.stack(rows).reshape(-1, 2, len(SBU15), 3)
    # the sensor writes zeros for a joint that it does not see
    unseen = filled_joints(joints)[..., None]
    joints = np.where(unseen, np.nan, joints * _SCALE_M + _OFFSET_M).astype(np.float32)
    return Clip(joints, SBU15, FPS, **_describe(relative or path.as_posix()))


def _describe(place: str) -> dict[str, str]:
    """Label, id, split and session of a file, as far as its place tells."""
    found = _TREE.search(place)
    if found and 1 <= int(found[2]) <= len(CATEGORIES):
        pair, category, take = found[1], CATEGORIES[int(found[2]) - 1], found[3]
        return {
            "label": category,
            "clip_id": f"{pair}_{category}_{take}",
            "split": _FOLD_OF.get(pair, ""),
            "session": pair,
        }
    name = place.rpartition("/")[2]
    label = next((c for c in CATEGORIES if c in name), "")
    fold = re.search(r"fold[1-5]", name)
    return {"label": label, "clip_id": name.removesuffix(".txt"), "split": fold[0] if fold else "", "session": ""}


def read_sbu(path: Path) -> Dataset:
    """A tree `sXXsYY/CC/NNN/skeleton_pos.txt`, a folder of such files, or one of them.

    Raises:
        ClipError: when not one clip is usable.
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*.txt") if is_sbu(p.name))
    named = [(p.relative_to(path).as_posix() if p != path else p.name, p) for p in files]
    jobs = [(name, lambda p=p, name=name: read_sbu_clip(p, name)) for name, p in named]
    return gather(path, "sbu", SBU15, jobs, "files skeleton_pos.txt as SBU Kinect Interaction has them")
