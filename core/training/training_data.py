"""From clips of any layout and rate to clean recordings on the model's grid, enough of them to train on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.data.resample import resample
from dyadwatch.core.data.unusable import Unusable, WhyUnusable
from dyadwatch.core.data.windows import PIECE_S, CleanRecording, Windows, cut, from_second, recordings_of, usable_runs
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.finding import Finding
from dyadwatch.core.readers.dataset import Dataset
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import LAYOUTS
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training.options import FEWEST_FRAMES, TrainOptions
from dyadwatch.core.words import of_clips

__all__ = [
    "FEWEST_UNITS",
    "CleanRecording",
    "LeftOut",
    "Prepared",
    "Windows",
    "cut",
    "model_layout",
    "prepare",
    "skipped_words",
]

FEWEST_UNITS = 5
_MOST_REASONS = 5
_FEWEST_SESSIONS = 10  # with fewer, holding back a whole session leaves too little


class LeftOut(NamedTuple):
    """Clips that cannot be used, by name, and why."""

    why: WhyUnusable
    names: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """What there is to train on.

    Arguments:
        layout: the model's.
        recordings: at least `FEWEST_UNITS` units.
        skipped: clips that could not be used.
    """

    layout: Layout
    recordings: tuple[CleanRecording, ...]
    skipped: tuple[LeftOut, ...]

    @property
    def units(self) -> int:
        """Number of units."""
        return 1 + max(r.unit for r in self.recordings)

    @property
    def frames(self) -> int:
        """Frames of all recordings together, as they were seen."""
        return sum(len(r.seen) for r in self.recordings)


def prepare(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Prepared:
    """Maps, resamples, cleans and cuts clips; one bad clip is skipped and counted, never fatal.

    Raises:
        LayoutError: when the joints of a set do not map onto the model's layout.
        TrainingError: when too little is left.
    """
    if not clip_sets:
        raise TrainingError("no clips given; expected at least one clip file")
    layout = model_layout(clip_sets, options)
    recordings: list[CleanRecording] = []
    lost: list[tuple[str, WhyUnusable]] = []
    too_short: list[int] = []  # frames of the model's grid
    sessions: list[str] = []
    unit = 0
    for clips in clip_sets:
        unreadable = [s for s in clips.skipped if s.whole] if isinstance(clips, Dataset) else []
        lost += [(s.name, Finding(Unusable.UNREADABLE, error=s.reason)) for s in unreadable]
        joint_map = JointMap.between(clips.layout, layout)
        for i, clip in enumerate(clips):
            name = clip.clip_id or f"{clips.name or 'clips'}[{i}]"
            runs, why = usable_runs(clip, joint_map, options.fps, options.least_frames)
            if why is not None:
                lost.append((name, why))
                if why.code is Unusable.SHORT:
                    too_short.append(len(resample(clip.joints, clip.fps, options.fps)))
                continue
            for run in runs:
                parts = recordings_of(run, options.fps, options.frames, options.lead)
                for start_s, joints, lead in parts:
                    name_there = name + from_second(start_s)
                    recordings.append(CleanRecording(joints, unit, name_there, clip.label, start_s, lead))
                    unit += len(parts) > 1
            sessions += [clip.session] * (len(recordings) - len(sessions))
            unit = recordings[-1].unit + 1
    skipped = _by_reason(lost, too_short, options.fps)
    if unit < FEWEST_UNITS:
        raise TrainingError(_too_few(unit, skipped, options, layout))
    names = sorted(set(sessions))
    if "" not in names and len(names) >= _FEWEST_SESSIONS:
        number = {s: i for i, s in enumerate(names)}
        recordings = [replace(r, unit=number[s]) for r, s in zip(recordings, sessions, strict=True)]
    return Prepared(layout, tuple(recordings), skipped)


def model_layout(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Layout:
    """The layout that a model is to have.

    Raises:
        TrainingError: when there is none of that name.
    """
    if options.layout is None:
        return clip_sets[0].layout
    if options.layout not in LAYOUTS:
        raise TrainingError(
            f"training option layout = {options.layout!r}: expected one of {', '.join(LAYOUTS)}, or none for the "
            "layout of the clips"
        )
    return LAYOUTS[options.layout]


def _by_reason(lost: Sequence[tuple[str, WhyUnusable]], too_short: Sequence[int], fps: float) -> tuple[LeftOut, ...]:
    """Names by reason; those that are too short, of so many frames, with the window that would use them."""
    out: list[LeftOut] = []
    for _, why in lost:
        if all(why != known.why for known in out):
            out.append(LeftOut(why, tuple(name for name, its in lost if its == why)))
    long_enough = [frames for frames in too_short if frames >= FEWEST_FRAMES]
    if not long_enough:
        return tuple(out)
    seconds = math.floor(100 * min(long_enough) / fps) / 100
    fitting = {"fitting_s": seconds, "fitting": len(long_enough), "of": len(too_short)}
    return tuple(
        LeftOut(Finding(o.why.code, **o.why.detail, **fitting), o.names) if o.why.code is Unusable.SHORT else o
        for o in out
    )


def skipped_words(prepared: Prepared) -> str:
    """How many clips could not be used, why, and what would use them; empty where all could."""
    lost = sum(len(o.names) for o in prepared.skipped)
    if not lost:
        return ""
    used = len({r.clip for r in prepared.recordings})
    return f"{lost} of {lost + used} clips {'was' if lost == 1 else 'were'} skipped: {_reasons(prepared.skipped)}"


def _reasons(skipped: Sequence[LeftOut]) -> str:
    reasons = [f"{len(names)} {of_clips(why)}, such as {names[0]}" for why, names in skipped]
    return "; ".join(reasons[:_MOST_REASONS]) + ("; and more" if reasons[_MOST_REASONS:] else "")


def _too_few(units: int, skipped: Sequence[LeftOut], options: TrainOptions, layout: Layout) -> str:
    lost = _reasons(skipped)
    return (
        f"{units} usable clips; expected at least {FEWEST_UNITS} clips of "
        f"{options.least_frames / options.fps:.3g} s or longer, or "
        f"{FEWEST_UNITS * PIECE_S:.0f} s of one recording"
        + (f" (skipped: {lost})" if lost else "")
        + f"; {', or '.join(_advice(units, skipped, layout))}"
    )


def _advice(units: int, skipped: Sequence[LeftOut], layout: Layout) -> list[str]:
    """What would make enough clips usable: only what can help against what they were skipped for."""
    hidden = {str(why.detail["joint"]): len(n) for why, n in skipped if why.code is Unusable.JOINT_UNSEEN}
    out: list[str] = []
    if hidden:
        fitting = [
            name
            for name, other in LAYOUTS.items()
            if set(other.joints) <= set(layout.joints) and not hidden.keys() & set(other.joints)
        ]
        joints = " and ".join(hidden)
        smaller = f"choose a --layout without {joints}, such as {fitting[0]}" if fitting else ""
        out.append(smaller or f"record with {joints} in view: no smaller --layout does without")
    if units + sum(hidden.values()) < FEWEST_UNITS:
        out.append("record more normal behaviour")
    if any("fitting_s" in why.detail for why, _ in skipped):
        out.append("shorten the window")
    return out
