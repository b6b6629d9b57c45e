"""From clips of any layout and rate to clean recordings on the model's grid, enough of them to train on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dyadwatch.core.clips import ClipSet
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.layouts import LAYOUTS
from dyadwatch.core.mapping import JointMap
from dyadwatch.core.readers.dataset import Dataset
from dyadwatch.core.recordings import PIECE_S, Recording, Windows, cut, from_second, pieces, usable_runs
from dyadwatch.core.resample import resample
from dyadwatch.core.skeleton import Layout
from dyadwatch.core.training.options import FEWEST_FRAMES, TrainOptions

__all__ = ["FEWEST_UNITS", "Prepared", "Recording", "Windows", "cut", "model_layout", "prepare", "skipped_words"]

FEWEST_UNITS = 5
_HIDDEN, _SHORTER = "that never show ", "shorter than a window"  # how reasons of `usable_runs` begin
_WINDOW_FLAG = "--window-s"
_MOST_REASONS = 5
_FEWEST_SESSIONS = 10  # with fewer, holding back a whole session leaves too little


@dataclass(frozen=True)
class Prepared:
    """What there is to train on.

    Arguments:
        layout: the model's.
        recordings: at least `FEWEST_UNITS` units.
        skipped: names of clips that could not be used, by reason.
    """

    layout: Layout
    recordings: tuple[Recording, ...]
    skipped: dict[str, list[str]]

    @property
    def units(self) -> int:
        """Number of units."""
        return 1 + max(r.unit for r in self.recordings)

    @property
    def frames(self) -> int:
        """Frames of all recordings together."""
        return sum(len(r.joints) for r in self.recordings)


def prepare(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Prepared:
    """Maps, resamples, cleans and cuts clips; one bad clip is skipped and counted, never fatal.

    Raises:
        LayoutError: when the joints of a set do not map onto the model's layout.
        TrainingError: when too little is left.
    """
    if not clip_sets:
        raise TrainingError("no clips given; expected at least one clip file")
    layout = model_layout(clip_sets, options)
    recordings: list[Recording] = []
    skipped: dict[str, list[str]] = {}
    too_short: list[int] = []  # frames of the model's grid
    sessions: list[str] = []
    unit = 0
    for clips in clip_sets:
        for lost in clips.skipped if isinstance(clips, Dataset) else ():
            if lost.whole:
                skipped.setdefault(f"that cannot be used: {lost.reason}", []).append(lost.name)
        joint_map = JointMap.between(clips.layout, layout)
        for i, clip in enumerate(clips):
            name = clip.clip_id or f"{clips.name or 'clips'}[{i}]"
            runs, reason = usable_runs(clip, joint_map, options.fps, options.frames)
            if not runs:
                skipped.setdefault(reason, []).append(name)
                if reason.startswith(_SHORTER):
                    too_short.append(len(resample(clip.joints, clip.fps, options.fps)))
                continue
            for run in runs:
                parts = pieces(run, options.fps, options.frames)
                for first, joints in parts:
                    start_s = first / options.fps
                    recordings.append(Recording(joints, unit, name + from_second(start_s), clip.label, start_s))
                    unit += len(parts) > 1
            sessions += [clip.session] * (len(recordings) - len(sessions))
            unit = recordings[-1].unit + 1
    skipped = {reason + _which_window(reason, too_short, options.fps): lost for reason, lost in skipped.items()}
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


def _which_window(reason: str, too_short: Sequence[int], fps: float) -> str:
    """The window that clips of so many frames would be long enough for; empty for other reasons, and if none is."""
    long_enough = [frames for frames in too_short if frames >= FEWEST_FRAMES]
    if not reason.startswith(_SHORTER) or not long_enough:
        return ""
    seconds = math.floor(100 * min(long_enough) / fps) / 100
    which = "them" if len(long_enough) == len(too_short) else f"{len(long_enough)} of them"
    return f" ({_WINDOW_FLAG} {seconds:g} would use {which})"


def skipped_words(prepared: Prepared) -> str:
    """How many clips could not be used, why, and what would use them; empty where all could."""
    lost = sum(map(len, prepared.skipped.values()))
    if not lost:
        return ""
    used = len({r.clip for r in prepared.recordings})
    return f"{lost} of {lost + used} clips {'was' if lost == 1 else 'were'} skipped: {_reasons(prepared.skipped)}"


def _reasons(skipped: dict[str, list[str]]) -> str:
    reasons = [f"{len(names)} {reason}, such as {names[0]}" for reason, names in skipped.items()]
    return "; ".join(reasons[:_MOST_REASONS]) + ("; and more" if reasons[_MOST_REASONS:] else "")


def _too_few(units: int, skipped: dict[str, list[str]], options: TrainOptions, layout: Layout) -> str:
    lost = _reasons(skipped)
    return (
        f"{units} usable clips; expected at least {FEWEST_UNITS} clips of {options.window_s:g} s or longer, or "
        f"{FEWEST_UNITS * PIECE_S:.0f} s of one recording"
        + (f" (skipped: {lost})" if lost else "")
        + f"; {', or '.join(_advice(units, skipped, layout))}"
    )


def _advice(units: int, skipped: dict[str, list[str]], layout: Layout) -> list[str]:
    """What would make enough clips usable: only what can help against what they were skipped for."""
    hidden = {reason.removeprefix(_HIDDEN): len(n) for reason, n in skipped.items() if reason.startswith(_HIDDEN)}
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
    if any(_WINDOW_FLAG in reason for reason in skipped):
        out.append("shorten the window")
    return out
