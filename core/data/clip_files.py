"""Clip files in the shared format: two people, many short clips in one `.npz`, no pickle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.files.atomic import write_atomically, written_atomically
from dyadwatch.core.files.npz import read_npz
from dyadwatch.core.files.text_files import read_utf8
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import find_layout

_MOST_META_BYTES = 10_000_000
_PER_CLIP = ("label", "clip_id", "split", "session", "fps")


@dataclass(frozen=True)
class Clip:
    """One recording of two people.

    Arguments:
        joints: metres, right-handed, Y up; shape (T, 2, J, 3) float32; NaN where unseen.
        layout: what the J axis means.
        fps: frames per second.
        label, clip_id, split, session: what the file says of the clip; empty where it says nothing.
    """

    joints: NDArray[np.float32]
    layout: Layout
    fps: float
    label: str = ""
    clip_id: str = ""
    split: str = ""
    session: str = ""

    def __len__(self) -> int:
        return self.joints.shape[0]


@dataclass(frozen=True)
class ClipSet(Sequence[Clip]):
    """Clips of one layout, in file order."""

    clips: tuple[Clip, ...]
    layout: Layout
    name: str = ""

    @overload
    def __getitem__(self, i: int) -> Clip: ...
    @overload
    def __getitem__(self, i: slice) -> tuple[Clip, ...]: ...
    def __getitem__(self, i: int | slice) -> Clip | tuple[Clip, ...]:
        return self.clips[i]

    def __len__(self) -> int:
        return len(self.clips)

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def where(self, keep: Callable[[Clip], bool]) -> ClipSet:
        """The clips for which `keep` is true."""
        return ClipSet(tuple(c for c in self.clips if keep(c)), self.layout, self.name)


def _locate(path: Path) -> Path:
    if path.is_dir():
        file = path / "clips.npz"
        if not file.is_file():
            raise ClipError(f"{path}: a folder without clips.npz; expected clips.npz and meta.json in it")
        return file
    if not path.exists():
        raise ClipError(f"{path}: no such file; expected a clips.npz file or the folder that holds one")
    return path


def _read_layout(meta: Path) -> Layout:
    if not meta.exists():
        raise ClipError(f"{meta}: missing; expected a JSON file with the key 'joints' beside clips.npz")
    try:
        joints = json.loads(read_utf8(meta, "a JSON file with the key 'joints'", _MOST_META_BYTES))["joints"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, RecursionError) as e:
        raise ClipError(f"{meta}: not usable ({type(e).__name__}: {e}); expected JSON with the key 'joints'") from e
    if not (isinstance(joints, list) and all(isinstance(j, str) for j in joints)):
        raise ClipError(f"{meta}: 'joints' is {joints!r:.60}; expected a list of joint names")
    try:
        return find_layout(Layout.custom(joints).joints)
    except LayoutError as e:
        raise ClipError(f"{meta}: {e}") from None


def _load_arrays(file: Path) -> dict[str, NDArray]:
    try:
        return read_npz(file, ("pose", "offset", *_PER_CLIP))
    except ValueError as e:
        raise ClipError(f"{file}: cannot be read as .npz without pickle ({e}); it may be cut short or foreign") from e


def read_clips(path: str | Path) -> ClipSet:
    """Reads a clip file in the shared format.

    Arguments:
        path: `clips.npz`, or the folder that holds it; `meta.json` with the joint names lies beside it.

    Returns:
        Its clips, joints in metres, shape (T, 2, J, 3) each.

    Raises:
        ClipError: naming the file and what is wrong with it.
    """
    file = _locate(Path(path))
    layout = _read_layout(file.with_name("meta.json"))
    z = _load_arrays(file)
    missing = [k for k in ("pose", "offset") if k not in z]
    if missing:
        raise ClipError(
            f"{file}: has no array {' and '.join(missing)}; expected pose and offset (the shared clip format)"
        )
    pose, offset = z["pose"], z["offset"]
    if pose.ndim != 4 or pose.shape[1] != 2 or pose.shape[3] != 3 or pose.dtype.kind != "f":
        raise ClipError(f"{file}: pose is {pose.dtype} of shape {pose.shape}; expected float32 (frames, 2, joints, 3)")
    if pose.shape[2] != len(layout):
        raise ClipError(f"{file}: pose has {pose.shape[2]} joints, meta.json names {len(layout)}; expected the same")
    if (offset.ndim != 1 or offset.dtype.kind not in "iu" or len(offset) < 2 or offset[0] != 0
            or offset[-1] != len(pose) or np.any(np.diff(offset.astype(np.int64)) < 0)):  # fmt: skip
        raise ClipError(f"{file}: offset must rise from 0 to the {len(pose)} frames of pose; it does not")
    n = len(offset) - 1
    for key in _PER_CLIP:
        if key in z and z[key].shape != (n,):
            raise ClipError(f"{file}: {key} has shape {z[key].shape} for {n} clips; expected ({n},), one entry each")
    fps = z.get("fps", np.full(n, 30.0))
    if fps.dtype.kind not in "fiu" or not np.all(np.isfinite(fps)) or np.any(fps <= 0):
        raise ClipError(f"{file}: fps holds values that are not positive numbers; expected frames per second")
    text = {k: z[k].astype(str) if k in z else np.full(n, "") for k in _PER_CLIP[:-1]}
    pose = np.ascontiguousarray(pose, dtype=np.float32)
    clips = tuple(
        Clip(pose[offset[i] : offset[i + 1]], layout, float(fps[i]), **{k: str(v[i]) for k, v in text.items()})
        for i in range(n)
    )
    return ClipSet(clips, layout, file.parent.name)


def write_clips(folder: str | Path, clips: Sequence[Clip], *, notes: str = "") -> Path:
    """Writes clips of one layout as `clips.npz` and `meta.json` into `folder`; returns the path of the former.

    Arguments:
        folder: made where it is missing.
        clips: joints in metres, shape (T, 2, J, 3) each.
        notes: for people, kept in `meta.json`.

    Raises:
        ClipError: when there are no clips or their layouts differ.
    """
    if not clips:
        raise ClipError(f"{folder}: no clips to write")
    layout = clips[0].layout
    if any(c.layout != layout for c in clips):
        raise ClipError(f"{folder}: clips of different layouts cannot share a file")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    offset = np.concatenate([[0], np.cumsum([len(c) for c in clips])]).astype(np.int64)
    with written_atomically(folder / "clips.npz") as partial:
        np.savez_compressed(
            partial,
            pose=np.concatenate([c.joints for c in clips]).astype(np.float32),
            offset=offset,
            fps=np.asarray([c.fps for c in clips], np.float32),
            label=np.asarray([c.label for c in clips]),
            clip_id=np.asarray([c.clip_id for c in clips]),
            split=np.asarray([c.split for c in clips]),
            session=np.asarray([c.session for c in clips]),
        )
    meta = {"joints": list(layout.joints), "bones": [list(b) for b in layout.bone_indices], "units": "metres",
            "axes": "right-handed, Y up", "notes": notes}  # fmt: skip
    write_atomically(folder / "meta.json", json.dumps(meta, indent=1).encode())
    return folder / "clips.npz"
