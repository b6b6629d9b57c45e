"""Clips that are normal, edited or of another kind, and the events that a method raises on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.alarms import Raised, events, window_ends, windows_of
from dyadwatch.core.evaluation.edits import EDITS, FROM_ONSET, edited
from dyadwatch.core.evaluation.figures import Figure, resamplings
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import Fold, on_grid
from dyadwatch.core.evaluation.settings import PEACEFUL, Settings
from dyadwatch.core.skeletons.layouts import get_layout
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training.options import TrainOptions

FALSE, FALSE_EVENTS, JUDGED = "normal clips that raise", "false events", "clips judged"
DELAY, DELAY_95, ONSET = "delay, median s", "delay, 95 % s", "onset told, median error s"
BOUND = "false events an hour, bound from training"
ODD = "clips of other labels"

# windows (N, 2, T, J, 3) to surprise by part, each (N,)
Parts = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.floating]]]


@dataclass(frozen=True)
class PlayedClip:
    """A clip of the test.

    Arguments:
        measure: what is measured on it.
        onset_s: from when on it is anomalous; None where it is normal.
    """

    clip: Clip
    measure: str
    onset_s: float | None


def alarm_options(settings: Settings, seed: int, **more: Any) -> TrainOptions:
    """Training options of a model that is to raise alarms: as `dyadwatch train` takes them, pairs judged early."""
    return settings.train_options(seed, **{"least_s": TrainOptions.least_s, "hop": settings.hop, **more})


def has_violence(clips: Sequence[Clip]) -> bool:
    """Whether there are clips of other categories than peaceful ones, as in SBU."""
    return set(PEACEFUL) < {c.label for c in clips}


def normal_training_clips(clips: Sequence[Clip], fold: Fold) -> tuple[Clip, ...]:
    """The training clips of a fold; of SBU those of peaceful categories."""
    peaceful = has_violence(clips)
    return tuple(clips[i] for i in fold.train if not peaceful or clips[i].label in PEACEFUL)


class EventTest:
    """Normal clips to learn from, and the test; on the model's time grid.

    A clip is normal if its label is among the training clips' normal ones. Normal test clips are also played edited,
    but where there are clips of other labels to find in every fold: those of SBU's violent categories.
    """

    def __init__(self, clips: ClipSet, fold: Fold, settings: Settings) -> None:
        self.settings = settings
        violent = has_violence(clips)
        train = normal_training_clips(clips, fold)
        self.train = ClipSet(train, clips.layout, clips.name)
        labels = {c.label for c in train}
        layout = clips.layout if settings.layout is None else get_layout(settings.layout)
        joint_map = JointMap.between(clips.layout, layout)
        placed = [on_grid(clips[i], joint_map, settings.fps) for i in fold.test]
        test = [c for c in placed if c is not None]
        normal = [c for c in test if c.label in labels]
        if len(normal) < 2:
            raise ClipError(f"{clips.name}: {len(normal)} normal test clips in {fold.name}; expected at least 2")
        self.played = [PlayedClip(c, FALSE, None) for c in normal]
        self.played += [PlayedClip(c, c.label if violent else ODD, 0.0) for c in test if c.label not in labels]
        if not violent:
            self.played += [
                PlayedClip(found.clip, str(edit), found.onset_s)
                for edit in EDITS
                for i in range(len(normal))
                if (found := edited(normal, i, edit)) is not None
            ]

    def measure(self, row: Row, parts: Parts, thresholds: Thresholds, bound: float) -> list[Figure]:
        """Share of the clips of each kind that raise an event at or after the onset, delays, false events.

        Arguments:
            bound: false events an hour that the training recordings vouch for.
        """
        raised, judged = self._raise(parts, thresholds)
        kinds = list(dict.fromkeys(p.measure for p in self.played))
        figures = [self._share(row, kind, raised) for kind in kinds]
        onsets = {k for k in kinds if k in set(map(str, FROM_ONSET))}
        delays = [self._delay(p, r) for p, r in zip(self.played, raised, strict=True) if p.measure in onsets]
        errors = [self._error(p, r) for p, r in zip(self.played, raised, strict=True) if p.measure in onsets]
        figures += [
            _quantile(row, DELAY, delays, 0.5),
            _quantile(row, DELAY_95, delays, 0.95),
            _quantile(row, ONSET, errors, 0.5),
        ]
        false = sum(len(r) for p, r in zip(self.played, raised, strict=True) if p.onset_s is None)
        return [
            *figures,
            Figure(row, FALSE_EVENTS, 0, float(false)),
            Figure(row, JUDGED, 0, round(float(np.mean(judged)), 6)),
            Figure(row, BOUND, 0, bound),
        ]

    def _raise(self, parts: Parts, thresholds: Thresholds) -> tuple[list[list[Raised]], list[bool]]:
        """The events of every clip, and whether it was long enough for a window."""
        frames, hop, fps = self.settings.frames, self.settings.hop, self.settings.fps
        least = alarm_options(self.settings, 0).least_frames
        ends = [window_ends(len(p.clip), least, hop, i % hop) for i, p in enumerate(self.played)]
        cut = [windows_of(p.clip, frames, e) for p, e in zip(self.played, ends, strict=True)]
        counts = np.cumsum([len(c) for c in cut])[:-1]
        found = {name: np.split(values, counts) for name, values in parts(np.concatenate(cut)).items()}
        out = [
            events({name: values[i] for name, values in found.items()}, e, fps, hop, thresholds)
            for i, e in enumerate(ends)
        ]
        return out, [len(e) > 0 for e in ends]

    def _share(self, row: Row, kind: str, raised: Sequence[Sequence[Raised]]) -> Figure:
        mine = [_found(p, r) for p, r in zip(self.played, raised, strict=True) if p.measure == kind]
        hits = np.asarray(mine, np.float64)
        samples = resamplings([""] * len(hits), self.settings.bootstrap)
        return Figure(
            row, kind, 0, round(float(hits.mean()), 6), tuple(np.round(samples @ hits / len(hits), 5).tolist())
        )

    @staticmethod
    def _delay(played: PlayedClip, raised: Sequence[Raised]) -> float | None:
        first = _first(played, raised)
        return None if first is None or played.onset_s is None else first.at_s - played.onset_s

    @staticmethod
    def _error(played: PlayedClip, raised: Sequence[Raised]) -> float | None:
        first = _first(played, raised)
        return None if first is None or played.onset_s is None else abs(first.since_s - played.onset_s)


def _first(played: PlayedClip, raised: Sequence[Raised]) -> Raised | None:
    """The first event that is not from before the onset."""
    onset = played.onset_s or 0.0
    return next((r for r in raised if r.at_s >= onset), None)


def _found(played: PlayedClip, raised: Sequence[Raised]) -> bool:
    return _first(played, raised) is not None


def _quantile(row: Row, measure: str, values: Sequence[float | None], at: float) -> Figure:
    known = [v for v in values if v is not None]
    return Figure(row, measure, 0, round(float(np.quantile(known, at)), 4) if known else None)
