"""Inter-X in its official layout: `skeletons/`, `annots/`, `splits/`."""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ClipError
from dyadwatch.core.files.text_files import read_bytes, read_text
from dyadwatch.core.readers.dataset import Dataset, gather
from dyadwatch.core.readers.plain_pickle import read_plain_pickle
from dyadwatch.core.skeletons.layout import Layout

DOWNSAMPLE = 4
FPS = 120.0 / DOWNSAMPLE
_ID = re.compile(r"G\d{3}T\d{3}A(\d{3})R\d{3}\Z")
_MOST_FRAMES = 120 * 600
_MOST_BYTES = 8 * 3 * 64 * _MOST_FRAMES + 1000
# Read by pattern: numpy's own reader evaluates the header.
_HEADER = re.compile(r"\{'descr': '([<>]f[48])', 'fortran_order': False, 'shape': \((\d+), (\d+), (\d+)\), *\} *\n\Z")


def _fingers(side: str) -> list[str]:
    return [f"{side}_finger{f}_{part}" for f in range(1, 6) for part in range(1, 5)]


def _arm(side: str) -> list[str]:
    return [*(f"{side}_{j}" for j in ("clavicle", "shoulder", "elbow", "wrist")), *_fingers(side)]


def _leg(side: str) -> list[str]:
    return [f"{side}_{j}" for j in ("hip", "knee", "ankle", "foot", "toe_end")]


# From the topology that the data set's own viewer draws. It names no joints: that the first leg and arm are the
# left ones is the order of the motion capture system, and nothing but mirroring depends on it.
INTERX64 = Layout(
    "interx64",
    ("pelvis", *_leg("left"), *_leg("right"), "spine", "chest_spine", *_arm("left"), *_arm("right"), "neck", "head",
     "head_end"),
    (("pelvis", "spine"), ("spine", "chest_spine"), ("chest_spine", "neck"), ("neck", "head"), ("head", "head_end"),
     *((f"{s}_{a}", f"{s}_{b}") for s in ("left", "right")
       for a, b in (("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"), ("foot", "toe_end"),
                    ("clavicle", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"))),
     *(("pelvis", f"{s}_hip") for s in ("left", "right")),
     *(("chest_spine", f"{s}_clavicle") for s in ("left", "right"))),
)  # fmt: skip


def read_person(path: Path) -> NDArray[np.float32]:
    """One `P1.npy`, every fourth frame; metres, shape (T, 64, 3).

    Raises:
        ClipError: when it is no .npy file of plain numbers of that shape; no pickle inside is ever loaded.
    """
    expected = f"a .npy file of floats of shape (frames, {len(INTERX64)}, 3)"
    data = read_bytes(path, expected, _MOST_BYTES)
    length, start = (struct.unpack_from("<H", data, 8)[0], 10) if len(data) >= 10 else (0, 0)
    found = _HEADER.match(data[start : start + length].decode("latin1"))
    if data[:8] != b"\x93NUMPY\x01\x00" or not found:
        raise ClipError(f"{path}: not readable as such; expected {expected}")
    dtype, shape = np.dtype(found[1]), tuple(int(n) for n in found.group(2, 3, 4))
    if shape[1:] != (len(INTERX64), 3) or not 0 < shape[0] <= _MOST_FRAMES:
        raise ClipError(f"{path}: {dtype} of shape {shape}; expected {expected}")
    values = data[start + length :]
    if len(values) != dtype.itemsize * math.prod(shape):
        raise ClipError(f"{path}: {len(values)} bytes of numbers for shape {shape}; cut short, or too long")
    joints = np.frombuffer(values, dtype).reshape(shape)[::DOWNSAMPLE]
    finite = np.isfinite(joints) & (np.abs(joints) < 1e9)
    return np.where(finite, joints, np.nan).astype(np.float32)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_interx(root: Path) -> Dataset:
    """The folder that holds `skeletons`, `annots` and `splits`.

    Person 0 of every clip is the one who acts, where `annots/interaction_order.pkl` is there to tell.

    Raises:
        ClipError: when splits or annotations are unusable, or not one clip is usable.
    """
    actions = _lines(root / "annots" / "action_setting.txt")
    order_file = root / "annots" / "interaction_order.pkl"
    order = read_plain_pickle(order_file) if order_file.is_file() else {}
    split_of: dict[str, str] = {}
    for split in ("train", "val", "test"):
        file = root / "splits" / f"{split}.txt"
        for name in _lines(file):
            if not _ID.match(name):
                raise ClipError(f"{file}: {name[:40]!r} found; expected ids such as G001T000A000R000")
            split_of[name] = split
    if not split_of:
        raise ClipError(f"{root / 'splits'}: train.txt, val.txt and test.txt name no clip")

    def read(name: str) -> Clip:
        action = int(name[9:12])
        if action >= len(actions):
            raise ClipError(
                f"{root / 'annots' / 'action_setting.txt'}: {len(actions)} lines; expected one for action {action:03d}"
            )
        first, second = (read_person(root / "skeletons" / name / f"P{p}.npy") for p in (1, 2))
        if len(first) != len(second):
            raise ClipError(f"{root / 'skeletons' / name}: {len(first)} and {len(second)} frames; expected the same")
        pair = (second, first) if order.get(name) == 1 else (first, second)
        label = re.sub(r"[^a-z0-9]+", "_", actions[action].lower()).strip("_")
        return Clip(np.stack(pair, axis=1), INTERX64, FPS, label, name, split_of[name], name[:4])

    # a part of the data set is read as the part it is: ids of the splits without a folder are passed over
    there = [n for n in split_of if (root / "skeletons" / n).is_dir()]
    jobs = [(n, lambda n=n: read(n)) for n in there]
    return gather(root, "inter-x", INTERX64, jobs, "folders skeletons/GgggTtttAaaaRrrr with P1.npy and P2.npy")
