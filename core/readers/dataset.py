"""What every reader gives: clips, and what it had to leave out and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.association import one_person, sighting
from dyadwatch.core.readers.read_options import FASTEST_FOUND, SLOWEST_FOUND, likely_time
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.unseen import blank_zeros

_ABSURD_M = 100.0
_FEWEST_FRAMES = 2


@dataclass(frozen=True)
class Skipped:
    """What cannot be used, and why in a few words.

    Arguments:
        clip: as far as it was read.
        whole: False where it is only a person of a clip that is used without him.
    """

    name: str
    reason: str
    clip: Clip | None = field(default=None, repr=False, compare=False)
    whole: bool = True


@dataclass(frozen=True)
class Dataset(ClipSet):
    """Clips of one data set.

    Arguments:
        kind: the format they were read from: `shared`, `sbu`, `ntu` or `inter-x`.
        skipped: clips that were left out.
        doubts: clips that are used, and why that may be wrong; those that are not `whole` are mere notes.
    """

    kind: str = ""
    skipped: tuple[Skipped, ...] = ()
    doubts: tuple[Skipped, ...] = ()

    def where(self, keep: Callable[[Clip], bool]) -> Dataset:
        """The clips for which `keep` is true, and what was skipped of them or may have been one of them."""
        skipped, doubts = (
            tuple(s for s in these if s.clip is None or keep(s.clip)) for these in (self.skipped, self.doubts)
        )
        return replace(self, clips=tuple(c for c in self.clips if keep(c)), skipped=skipped, doubts=doubts)

    def certain(self) -> Dataset:
        """The clips that are not in doubt; the others are skipped."""
        doubted = tuple(d for d in self.doubts if d.whole)
        if not doubted:
            return self
        gone = {id(d.clip) for d in doubted}
        clips = tuple(c for c in self.clips if id(c) not in gone)
        notes = tuple(d for d in self.doubts if not d.whole and id(d.clip) not in gone)
        return replace(self, clips=clips, skipped=(*self.skipped, *doubted), doubts=notes)


def fault(clip: Clip) -> str:
    """Why a clip cannot be used; empty where it can."""
    if len(clip) < _FEWEST_FRAMES:
        return f"{len(clip)} frames; expected at least {_FEWEST_FRAMES}"
    seen = np.asarray(np.isfinite(clip.joints).all(axis=-1))  # (T, 2, J)
    for person in (0, 1):
        if not seen[:, person].any():
            return f"person {person} is never seen; expected two persons"
    if not SLOWEST_FOUND <= clip.fps <= FASTEST_FOUND:
        return (
            f"{clip.fps:.4g} frames per second; expected {SLOWEST_FOUND:g} to {FASTEST_FOUND:g}{likely_time(clip.fps)}"
        )
    if np.nanmax(np.abs(np.where(seen[..., None], clip.joints, 0))) > _ABSURD_M:
        return f"joints more than {_ABSURD_M:.0f} m away; expected metres"
    if one_person(sighting(clip.joints[:, 0]), sighting(clip.joints[:, 1])):
        return (
            "both persons are in the same place within a few centimetres in every frame: one person twice, such as raw "
            "and filtered; expected two persons"
        )
    return ""


def gather(
    root: Path, kind: str, layout: Layout, names: Iterable[tuple[str, Callable[[], Clip]]], expected: str
) -> Dataset:
    """Reads clip after clip; one that cannot be used is skipped and told, never fatal.

    Arguments:
        root: the data set's file or folder, for messages and its name.
        kind, layout: of the data set.
        names: name of each clip and a function that reads it.
        expected: what was looked for, for the message when there is nothing.

    Raises:
        ClipError: when not one clip is usable.
    """
    clips: list[Clip] = []
    skipped: list[Skipped] = []
    notes: list[Skipped] = []
    for name, read in names:
        try:
            clip = read()
        except ClipError as e:
            skipped.append(Skipped(name, str(e)))
            continue
        notes += [Skipped(name, note, clip, whole=False) for note in blank_zeros(clip.joints)]
        reason = fault(clip)
        if reason:
            skipped.append(Skipped(name, reason, clip))
        else:
            clips.append(clip)
    if not clips:
        found = (
            f"{len(skipped)} clips, none usable, such as {skipped[0].name}: {skipped[0].reason}" if skipped else "none"
        )
        raise ClipError(f"{root}: no usable clip; found {found}; expected {expected}")
    kept = set(map(id, clips))
    return Dataset(tuple(clips), layout, root.name, kind, tuple(skipped), tuple(n for n in notes if id(n.clip) in kept))
