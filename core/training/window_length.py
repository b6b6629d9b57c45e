"""The length of a window that fits the clips, where nobody asked for one.

Where there is enough to learn from, windows are short: a blow lasts a third of a second, and what learns tells in two
thirds of one whether two people answer each other; the rules of an alarm average over what takes longer. The nearest
neighbour alone needs to see more of an act to know it, and as much as clips of a few seconds have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.data.windows import usable_runs
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training.material import enough_to_learn
from dyadwatch.core.training.options import FEWEST_FRAMES, TrainOptions
from dyadwatch.core.training.training_data import model_layout, prepare

LEARNT_S = 2 / 3
_SERVED = 0.9  # part of the clips that are to be long enough
_ROOM = 2  # frames: by default the detector ends windows at every third step of the grid only (windows.hop)
_SHORTEST_S = 0.6  # what two people do to each other is hardly seen in less


@dataclass(frozen=True)
class FittedWindow:
    """A window that is shorter than the usual one.

    Arguments:
        usual_s, window_s: seconds.
        clips: how many there are that could serve at some length.
        usual_clips, window_clips: how many are long enough for each.
    """

    usual_s: float
    window_s: float
    clips: int
    usual_clips: int
    window_clips: int

    def __str__(self) -> str:
        return (
            f"{self.window_s:g} s, for which {self.window_clips} of {self.clips} clips are long enough; "
            f"{self.usual_clips} are for the usual {self.usual_s:.3g} s"
        )

    def report(self) -> dict[str, Any]:
        """The same as plain values, for a report."""
        return asdict(self)


def usual_window(clip_sets: Sequence[ClipSet], options: TrainOptions) -> TrainOptions:
    """The options with windows of `LEARNT_S` where the clips are enough for parts that learn; else as they are.

    Raises:
        LayoutError: when the joints of a set do not map onto the model's layout.
    """
    window_s = max(LEARNT_S, FEWEST_FRAMES / options.fps)
    short = replace(options, window_s=window_s, least_s=min(options.least_s, window_s))
    if options.recipe != "default" or short.frames >= options.frames:
        return options
    try:
        return short if enough_to_learn(prepare(clip_sets, short), short) else options
    except TrainingError:  # too little, which training says in full
        return options


def fit_window(clip_sets: Sequence[ClipSet], options: TrainOptions) -> tuple[TrainOptions, FittedWindow | None]:
    """The usual window, shortened where it would leave most clips, and most of their time, unused.

    Nine clips of ten are to be long enough, with room for the steps at which the detector ends windows, but a window is
    never shorter than 0.6 s; None, and the options as they
    are, where the usual window fits.

    Raises:
        LayoutError: when the joints of a set do not map onto the model's layout.
    """
    options = usual_window(clip_sets, options)
    lengths = [len(c) / c.fps for clips in clip_sets for c in clips]
    long_enough = [s for s in lengths if round(s * options.fps) >= options.least_frames]
    if 2 * len(long_enough) >= len(lengths) or 2 * sum(long_enough) >= sum(lengths):
        return options, None
    frames = sorted(_longest(clip_sets, options))
    if not frames:
        return options, None
    least = max(FEWEST_FRAMES, math.ceil(_SHORTEST_S * options.fps))
    wanted = min(max(frames[int((1 - _SERVED) * len(frames))] - _ROOM, least), options.frames)
    fitted = replace(options, window_s=math.floor(100 * wanted / options.fps) / 100)
    served = [sum(n >= w for n in frames) for w in (options.frames, fitted.frames)]
    if served[1] == served[0]:
        return options, None
    return fitted, FittedWindow(options.window_s, fitted.window_s, len(frames), served[0], served[1])


def _longest(clip_sets: Sequence[ClipSet], options: TrainOptions) -> list[int]:
    """Frames on the model's grid that each clip shows all joints without a break, of those that can be used at all."""
    layout = model_layout(clip_sets, options)
    found: list[int] = []
    for clips in clip_sets:
        joint_map = JointMap.between(clips.layout, layout)
        for clip in clips:
            runs, _ = usable_runs(clip, joint_map, options.fps, FEWEST_FRAMES)
            if runs:
                found.append(max(len(joints) for _, joints in runs))
    return found
