"""From the times that rows of a table have to the frames they are: a jump in time is a gap, whatever its rows say."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ClipError
from dyadwatch.core.readers.read_options import FASTEST_FOUND, SLOWEST_FOUND, ReadOptions, likely_time
from dyadwatch.core.words import counted

MOST_FRAMES = 2_000_000
LARGEST_TIME = 1e19  # nanoseconds since 1970 are 1.8e18
_ALIKE = 0.03  # part by which two rates may differ and mean the same
_WHOLE = 0.005  # part by which a measured rate may differ from a whole number and mean it
_SCALES = (1.0, 1e3, 1e6, 1e9)
_UNFOLDS = 20  # times as many values as the file has: more than that of a gap is another recording
_ALWAYS_VALUES = 4_000_000
_MOST_VALUES = 100_000_000  # coordinates of all people, frames and joints: 0.4 GB


class TimedRows(NamedTuple):
    """Where rows lie.

    Arguments:
        steps: frame of each row, from 0; shape (N,).
        fps: frames per second.
        begins_s: time of frame 0 on the clock of the file.
        notes: what was found strange and how it was taken.
    """

    steps: NDArray[np.intp]
    fps: float
    begins_s: float
    notes: tuple[str, ...] = ()


def place(
    path: Path, times: NDArray[np.float64], who: NDArray[np.intp], nominal: float | None, declared: ReadOptions
) -> TimedRows:
    """The frames of rows by their times. A rate that was declared is that of the rows; gaps stay where they are.

    Arguments:
        path: for messages.
        times: of each row; in seconds, or in a unit that `nominal` or what was declared tells.
        who: the person of each row; times of one person tell the rate.
        nominal: frames per second as the file says elsewhere, if it does; its times go before.

    Raises:
        ClipError: when there are fewer than two times, or the rate they make is none of a camera.
    """
    found = 1 / _period(path, times, who)
    notes: tuple[str, ...] = ()
    scale = 1.0
    if declared.fps is not None:
        fps, step = declared.fps, found
        scale = _scale(found, fps)
    elif nominal is not None and (same := [s for s in _SCALES if abs(found * s - nominal) < _ALIKE * nominal]):
        scale, fps = same[0], declared.rate(path, nominal)
        step = fps / scale
    elif SLOWEST_FOUND <= found <= FASTEST_FOUND:
        fps = step = float(np.round(found)) if abs(found / np.round(found) - 1) < _WHOLE else round(found, 2)
        if nominal is not None:
            notes = (f"says {nominal:g} frames per second, and its times {found:.4g}: the times are taken",)
    else:
        raise ClipError(
            f"{path}: a frame every {1 / found:.4g} s by its times; expected {SLOWEST_FOUND:g} to {FASTEST_FOUND:g} "
            f"a second{likely_time(found)}; say the true rate with --file-fps"
        )
    first = float(times.min())
    steps = checked_steps(path, np.round((times - first) * step))
    return TimedRows(steps, fps, first / scale, (*notes, *_disorder(times, steps, who)))


def _disorder(times: NDArray[np.float64], steps: NDArray[np.intp], who: NDArray[np.intp]) -> tuple[str, ...]:
    """What to tell of rows whose order is not that of their times, and of those that share a frame."""
    notes: list[str] = []
    order = np.argsort(who, kind="stable")
    same = np.diff(who[order]) == 0
    rises = np.diff(times[order])[same] >= 0
    if rises.any() and not rises.all():
        notes.append(
            f"times go back {counted(int((~rises).sum()), 'time')} from row to row: rows are put in the order of their "
            "times (was a clock set, or are they several takes?)"
        )
    doubled = len(steps) - len(np.unique(who * (int(steps.max()) + 1) + steps))
    if doubled:
        notes.append(f"{counted(doubled, 'row')} left out, which lie in a frame with a later one of the same person")
    return tuple(notes)


def _scale(found: float, fps: float) -> float:
    """How many units of time a second has, from a rate in those units and the true one."""
    return _SCALES[int(np.clip(np.round(np.log10(fps / found) / 3), 0, len(_SCALES) - 1))]


def _period(path: Path, times: NDArray[np.float64], who: NDArray[np.intp]) -> float:
    """Time from one frame to the next, in the unit of the times: the mean of all steps that skip nothing."""
    order = np.lexsort((times, who))
    steps = np.diff(times[order])[np.diff(who[order]) == 0]
    steps = steps[steps > 0]
    if not len(steps):
        raise ClipError(f"{path}: one time only; expected a row for every frame")
    middle = float(np.sort(steps)[(len(steps) - 1) // 2])
    return float(steps[(steps > 0.5 * middle) & (steps < 1.5 * middle)].mean())


def checked_steps(path: Path, steps: NDArray[np.float64]) -> NDArray[np.intp]:
    """Frames as whole numbers.

    Raises:
        ClipError: when there are too many from first to last.
    """
    if not steps.max() < MOST_FRAMES:
        raise ClipError(f"{path}: {steps.max() + 1:g} frames from first to last; expected at most {MOST_FRAMES}")
    return steps.astype(np.intp)


def check_room(path: Path, held: int, rows: int, people: int, columns: int) -> None:
    """Refuses gaps that would unfold a small file to a large array, before it is laid out.

    Arguments:
        held: frames from first to last.
        rows, people, columns: of the file; columns are coordinates of one person.

    Raises:
        ClipError: naming how many there would be.
    """
    values = held * people * columns
    if values > min(_UNFOLDS * rows * columns + _ALWAYS_VALUES, _MOST_VALUES):
        raise ClipError(
            f"{path}: {held} frames of {people} people and {columns // 3} joints; too many to hold for {rows} rows "
            "(a jump in frame numbers or times?)"
        )
