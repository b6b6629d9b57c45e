"""From clips of any layout and rate to clean recordings on the model's grid, enough of them to train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dyadwatch.core.clips import ClipSet
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.layouts import LAYOUTS
from dyadwatch.core.mapping import JointMap
from dyadwatch.core.recordings import PIECE_S, Recording, Windows, cut, from_second, pieces, usable_runs
from dyadwatch.core.skeleton import Layout
from dyadwatch.core.training.options import TrainOptions

__all__ = ["FEWEST_UNITS", "Prepared", "Recording", "Windows", "cut", "prepare"]

FEWEST_UNITS = 5
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
    layout = _model_layout(clip_sets, options)
    recordings: list[Recording] = []
    skipped: dict[str, list[str]] = {}
    sessions: list[str] = []
    unit = 0
    for clips in clip_sets:
        joint_map = JointMap.between(clips.layout, layout)
        for i, clip in enumerate(clips):
            name = clip.clip_id or f"{clips.name or 'clips'}[{i}]"
            runs, reason = usable_runs(clip, joint_map, options.fps, options.frames)
            if not runs:
                skipped.setdefault(reason, []).append(name)
                continue
            for run in runs:
                parts = pieces(run, options.fps, options.frames)
                for first, joints in parts:
                    start_s = first / options.fps
                    recordings.append(Recording(joints, unit, name + from_second(start_s), clip.label, start_s))
                    unit += len(parts) > 1
            sessions += [clip.session] * (len(recordings) - len(sessions))
            unit = recordings[-1].unit + 1
    if unit < FEWEST_UNITS:
        raise TrainingError(_too_few(unit, skipped, options))
    names = sorted(set(sessions))
    if "" not in names and len(names) >= _FEWEST_SESSIONS:
        number = {s: i for i, s in enumerate(names)}
        recordings = [replace(r, unit=number[s]) for r, s in zip(recordings, sessions, strict=True)]
    return Prepared(layout, tuple(recordings), skipped)


def _model_layout(clip_sets: Sequence[ClipSet], options: TrainOptions) -> Layout:
    if options.layout is None:
        return clip_sets[0].layout
    if options.layout not in LAYOUTS:
        raise TrainingError(
            f"training option layout = {options.layout!r}: expected one of {', '.join(LAYOUTS)}, or none for the "
            "layout of the clips"
        )
    return LAYOUTS[options.layout]


def _too_few(units: int, skipped: dict[str, list[str]], options: TrainOptions) -> str:
    lost = "; ".join(f"{len(names)} {reason}, such as {names[0]}" for reason, names in skipped.items())
    return (
        f"{units} usable clips; expected at least {FEWEST_UNITS} clips of {options.window_s:g} s or longer, or "
        f"{FEWEST_UNITS * PIECE_S:.0f} s of one recording"
        + (f" (skipped: {lost})" if lost else "")
        + "; record more normal behaviour, or shorten the window"
    )
