"""Pose files on the command line: the same formats and flags for every verb that reads them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.errors import ClipError, UnknownFormatError
from dyadwatch.core.readers.dataset import Dataset, Skipped
from dyadwatch.core.readers.read import read_poses
from dyadwatch.core.readers.read_options import Axes, ReadOptions
from dyadwatch.core.sense.clip import without_odd
from dyadwatch.stream.messages import EventMessage
from dyadwatch.stream.recordings.pair_clips import clip_sets
from dyadwatch.stream.recordings.playback import Playback, is_recording

_MOST_DOUBTS = 10  # lines
_FPS_HELP = "Frames per second of files that do not tell, or tell it wrong."


@Parameter(name="*")
@dataclass(frozen=True)
class FileFlags:
    """What files do not say themselves, for verbs with an --fps of their own."""

    units: Annotated[
        str | None, Parameter(help="Units of files that do not name them: m, cm, mm, in, or metres in one unit.")
    ] = None
    axes: Annotated[Axes | None, Parameter(help="Which axis of the files points up.")] = None
    file_fps: Annotated[float | None, Parameter(name="--file-fps", help=_FPS_HELP)] = None
    map: Annotated[
        str | None,
        Parameter(help="Which markers make which joint: a YAML file, or motionbuilder, cmu, motive, plug-in-gait, "
                  "kinect-v1; found by the names of the markers if not given."),
    ] = None  # fmt: skip
    unequal: Annotated[
        bool, Parameter(negative=(), help="Two files of a person each are one recording, whatever their lengths.")
    ] = False

    @property
    def declared(self) -> ReadOptions:
        """The same, as the readers take it.

        Raises:
            ClipError: naming the flag's value and what was expected.
        """
        return ReadOptions(self.units, self.axes, self.file_fps, self.map, self.unequal)


@Parameter(name="*")
@dataclass(frozen=True)
class FpsFileFlags(FileFlags):
    """What files do not say themselves; --fps can only mean theirs."""

    file_fps: Annotated[float | None, Parameter(name=("--fps", "--file-fps"), help=_FPS_HELP)] = None


NO_FLAGS = FileFlags()
NO_FPS_FLAGS = FpsFileFlags()


def select_sets(
    paths: Sequence[Path],
    label: Sequence[str] = (),
    split: Sequence[str] = (),
    flags: FileFlags = NO_FLAGS,
    *,
    doubtful: bool = False,
) -> list[ClipSet]:
    """The clips of pose files, those of some labels and splits only where given; what was skipped is reported.

    Of recordings, every pair of people while they are near each other is a clip. Clips in doubt, such as two files that
    are hardly one recording, are reported and, unless `doubtful`, skipped: nothing should be learnt from them unasked.
    Nor should it learn from implausible bodies; callers that accept doubtful clips find those while they play.

    Raises:
        ClipError: a file is unusable, nothing is left, or nothing has one of the labels or splits; the message lists
            what there is.
        RecordingError: likewise, for recordings.
        ConfigError: the marker map is unusable.
    """
    recordings = [path for path in paths if is_recording(path)]
    try:
        datasets = read_poses([path for path in paths if path not in recordings], flags.declared)
    except UnknownFormatError as e:
        raise UnknownFormatError(f"{e}, recordings (.mcap)") from None
    recorded = _recorded(recordings) if recordings else []
    datasets = datasets if doubtful else [data.certain() for data in datasets]
    for data in datasets:
        tell_skipped(data)
    sets: list[ClipSet] = [*datasets, *recorded]
    for key, wanted in (("label", label), ("split", split)):
        unknown = [name for name in wanted if all(getattr(c, key) != name for d in sets for c in d)]
        if unknown:
            raise ClipError(_nothing_left(sets, {key: unknown}, _skipped_of(datasets)))
    kept = [d.where(lambda c: (not label or c.label in label) and (not split or c.split in split)) for d in sets]
    kept = [k for k in kept if len(k)]
    if paths and not kept:
        raise ClipError(_nothing_left(sets, {"label": label, "split": split}, _skipped_of(datasets)))
    return kept if doubtful else _bodies(kept)


def _bodies(sets: Sequence[ClipSet]) -> list[ClipSet]:
    """Without the clips of implausible bodies, which are reported.

    Raises:
        ClipError: nothing is left.
    """
    judged = [without_odd(Dataset(d.clips, d.layout, d.name)) for d in sets]
    for data in judged:
        tell_skipped(data)
    if sets and not any(map(len, judged)):
        raise ClipError(_nothing_left(judged, {}, _skipped_of(judged)))
    return [_with(before, after) for before, after in zip(sets, judged, strict=True) if len(after)]


def _with(before: ClipSet, judged: Dataset) -> ClipSet:
    """The set as it was, with the clips that are left, and with those that are not among what it skipped."""
    if isinstance(before, Dataset):
        return replace(before, clips=judged.clips, skipped=(*before.skipped, *judged.skipped))
    return replace(before, clips=judged.clips)


def _skipped_of(datasets: Sequence[Dataset]) -> list[tuple[str, Skipped]]:
    return [(data.name, s) for data in datasets for s in data.skipped]


def _nothing_left(
    sets: Sequence[ClipSet], wanted: Mapping[str, Sequence[str]], skipped: Sequence[tuple[str, Skipped]]
) -> str:
    """What was asked for, what there is instead, and what may have been it but cannot be used."""
    asked = {key: names for key, names in wanted.items() if names}
    has = " and ".join(f"{key} {' or '.join(map(repr, names))}" for key, names in asked.items())
    text = f"no clip has {has}" if asked else "no clip can be used"
    present = {key: sorted({getattr(c, key) for d in sets for c in d} - {""}) for key in asked}
    listed = [f"{key}s {', '.join(map(repr, names)):.300}" if names else f"no {key}s" for key, names in present.items()]
    if listed:
        text += f"; there are {' and '.join(listed)}"
    if skipped:
        name, first = skipped[0]
        text += f"; {len(skipped)} skipped that cannot be used, such as {first.name} of {name}: {first.reason}"
    return text


def select_clips(
    paths: Sequence[Path], label: Sequence[str] = (), split: Sequence[str] = (), flags: FileFlags = NO_FLAGS
) -> list[Clip]:
    """The clips of `select_sets`, those in doubt among them, in one list.

    Raises:
        ClipError: a file is unusable, or nothing is left; the message lists what there is.
        ConfigError: the marker map is unusable.
    """
    return [clip for data in select_sets(paths, label, split, flags, doubtful=True) for clip in data]


def _recorded(paths: Sequence[Path]) -> list[ClipSet]:
    playback = Playback(paths)
    sets = clip_sets(playback)
    for note in playback.notes:
        sys.stderr.write(f"{note}\n")
    return sets


def tell_events(paths: Sequence[Path]) -> None:
    """A line on standard error where recordings that are taken for normal hold events."""
    for path in filter(is_recording, paths):
        said = (e.what for e in Playback([path]).said())
        opened = sum(isinstance(what, EventMessage) and what.type == "open" for what in said)
        if opened:
            sys.stderr.write(
                f"{path}: {opened} event{'s were' if opened > 1 else ' was'} told while this was recorded; what led to "
                "that is now taken for normal, unless you cut it out: dyadwatch recordings cut\n"
            )


def tell_skipped(data: Dataset) -> None:
    """One line on standard error for clips that cannot be used, and one for every doubt about those that can."""
    if data.skipped:
        first = data.skipped[0]
        sys.stderr.write(f"{data.name}: {len(data.skipped)} skipped, such as {first.name}: {first.reason}\n")
    by_reason: dict[str, list[str]] = {}
    for doubt in data.doubts:
        by_reason.setdefault(doubt.reason, []).append(doubt.name)
    for reason, names in list(by_reason.items())[:_MOST_DOUBTS]:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        sys.stderr.write(f"{data.name + ': ' if data.name else ''}{names[0]}{more}: {reason}\n")
    if len(by_reason) > _MOST_DOUBTS:
        sys.stderr.write(f"{data.name}: {len(by_reason) - _MOST_DOUBTS} more doubts of other kinds\n")
