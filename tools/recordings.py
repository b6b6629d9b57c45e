"""`dyadwatch recordings`: looks into recordings, cuts, merges and exports them."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from dyadwatch.core.data.clip_files import Clip, write_clips
from dyadwatch.core.errors import ConfigError, RecordingError
from dyadwatch.core.words import counted
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.recordings.c3d_export import write_c3d
from dyadwatch.stream.recordings.csv_export import write_tables
from dyadwatch.stream.recordings.edit import copy
from dyadwatch.stream.recordings.foxglove_export import write_scenes
from dyadwatch.stream.recordings.header import config_of
from dyadwatch.stream.recordings.info import RecordingInfo, describe
from dyadwatch.stream.recordings.pair_clips import LONGEST_S, recording_clips
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.tools.outputs import check_folder, check_output

app = App(name="recordings", help="Look into recordings, cut, merge and export them.")
_Flag = Parameter(negative=())
_From = Annotated[str | None, Parameter(name="--from")]


@app.command
def info(paths: list[Path], /, *, json: Annotated[bool, _Flag] = False) -> None:
    """Tell what is in recordings, and what is missing from them.

    Parameters
    ----------
    paths
        Recordings (.mcap), or folders that hold some.
    json
        Print one JSON object.
    """
    found = describe(Playback(paths))
    if json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return
    console = Console()
    for file in found.files:
        _tell_file(file, console)
    console.print(_sources(found))
    console.print(f"{_seconds(found)}, {found.megabytes:.1f} MB, {_refused(found)}", soft_wrap=True, highlight=False)
    for name, source in sorted(found.sources.items()):
        if source.unreadable:
            found.notes.append(f"{name}: of {counted(source.unreadable, 'frame')} the header cannot be read")
    for note in found.notes:
        console.print(escape(note), style="yellow", soft_wrap=True)


def _tell_file(file: Mapping[str, Any], console: Console) -> None:
    """The path on a line of its own, whole: it is what the next command takes."""
    console.print(escape(file["path"]), style="bold", soft_wrap=True, highlight=False)
    closed = "closed" if file["whole"] else "not closed"
    model = f", scored by {file['model']}" if file["model"] else ""
    console.print(
        f"  {file_span(file['from'], file['to'])}, {file['bytes'] / 1e6:.1f} MB, {closed}{escape(model)}",
        soft_wrap=True, highlight=False,
    )  # fmt: skip


def file_span(first: str | None, last: str | None) -> str:
    """From when to when, as --from and --until take it."""
    return "nothing in it" if first is None or last is None else f"{first} to {last}"


def _seconds(found: RecordingInfo) -> str:
    """How long it took to receive it, and the time that the frames themselves cover where that is another."""
    text = f"{found.seconds:.1f} s"
    if abs(found.stamped_s - found.seconds) <= max(1.0, 0.05 * found.seconds) or not any(
        s.frames for s in found.sources.values()
    ):
        return text
    return f"received within {text}, {found.stamped_s:.1f} s by the frames' own stamps"


def _refused(found: RecordingInfo) -> str:
    reasons = ", ".join(f"{reason} {n}" for reason, n in sorted(found.refused_for.items()))
    return counted(found.refused, "refused message") + (f" ({escape(reasons)})" if reasons else "")


def _sources(found: RecordingInfo) -> Table:
    columns = ("frames", "fps", "stamped s", "people", "layout", "runs", "scores", "events")
    table = Table(Column("source", overflow="fold"), *columns)
    for name, s in sorted(found.sources.items()):
        figures = (
            s.frames,
            f"{s.fps:.1f}",
            f"{s.stamped_s:.1f}",
            s.people,
            escape(s.layout),
            s.runs,
            s.scores,
            s.events,
        )
        table.add_row(escape(name), *map(str, figures))
    return table


@app.command
def cut(
    paths: list[Path],
    /,
    *,
    out: Path,
    from_: _From = None,
    until: str | None = None,
    source: Annotated[tuple[str, ...], _Flag] = (),
) -> None:
    """Copy a stretch of time, or some sources, into a new file; every message stays as it was received.

    Parameters
    ----------
    paths
        Recordings (.mcap), or folders that hold some.
    out
        New file.
    from_
        Where to begin: seconds from the beginning, or a time as info prints it, such as
        2026-11-21T14:30:00+01:00 (Z for UTC).
    until
        Where to end, likewise; what was received at that very moment is left out.
    source
        Only this source; may be repeated.
    """
    check_output("--out", out, new=True)
    playback = Playback(paths, from_, until)
    count = copy(playback, out, source)
    _tell(playback, f"{out}: {counted(count, 'message')}")


@app.command
def merge(paths: list[Path], /, *, out: Path, source: Annotated[tuple[str, ...], _Flag] = ()) -> None:
    """Join recordings into one file: parts of one run, runs one after the other, or runs of several recorders.

    Parameters
    ----------
    paths
        Recordings (.mcap), or folders that hold some.
    out
        New file.
    source
        Only this source; may be repeated.
    """
    check_output("--out", out, new=True)
    playback = Playback(paths)
    count = copy(playback, out, source)
    _tell(playback, f"{out}: {counted(count, 'message')} of {counted(len(playback.recordings), 'file')}")


@app.command
def export(
    paths: list[Path],
    /,
    *,
    out: Path,
    format: Literal["clips", "csv", "c3d", "foxglove"] = "clips",
    from_: _From = None,
    until: str | None = None,
    source: str | None = None,
    fps: float = 30.0,
    least: float = 3.0,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Write recordings in another form: clips to train on, tables, mocap points, or a scene that Foxglove draws.

    For clips and c3d sources are merged as the detector that recorded merged them.

    Parameters
    ----------
    paths
        Recordings (.mcap), or folders that hold some.
    out
        Folder for clips, csv and c3d; new file for foxglove.
    format
        clips: clips.npz of every pair while it is near enough to be scored, a folder for each source and skeleton.
        csv: a table for each source. c3d: a file for each clip. foxglove: MCAP with 3D scenes, scores and events.
    from_
        Where to begin: seconds from the beginning, or a time as info prints it, such as
        2026-11-21T14:30:00+01:00 (Z for UTC).
    until
        Where to end, likewise.
    source
        Only this source; for clips and c3d also the name of a group of merged sources.
    fps
        Frames a second of clips and C3D files.
    least
        Seconds that a clip or C3D file must last, 0 to 60; a longer encounter becomes several clips.
    set_
        One configuration key instead of the recorded one, such as --set 'merge.groups={hall: [cam_a, cam_b]}'; may be
        repeated. For clips and c3d.
    json
        Print what was written as one JSON object.
    """
    if not 1 <= fps <= 240:
        raise ConfigError(f"--fps is {fps:g}; expected 1 to 240 frames a second")
    if not 0 <= least <= LONGEST_S:
        raise ConfigError(f"--least is {least:g}; expected 0 to {LONGEST_S:g} seconds, the longest that a clip lasts")
    if format == "foxglove":
        check_output("--out", out, new=True)
    else:
        check_folder("--out", out)
    playback = Playback(paths, from_, until)
    if source is not None and format in ("csv", "foxglove"):
        playback.expect_sources([source])
    written: dict[str, int] = {}
    if format == "csv":
        _make_folder(out)
        written = {str(path): rows for path, rows in write_tables(playback, out, source)}
    elif format == "foxglove":
        written = {str(out): write_scenes(playback, out, source)}
    else:
        config = set_option(config_of(r.about for r in playback.recordings), *set_)
        clips = list(recording_clips(playback, source=source, fps=fps, least_s=least, config=config))
        if not clips:
            raise RecordingError(f"nothing to export: no two people stay near each other for {least:g} s in that time")
        _make_folder(out)
        written = _write_clips(clips, out) if format == "clips" else _write_c3d(clips, out)
    if json:
        sys.stdout.write(msgspec.json.encode(written).decode() + "\n")
    what = {"clips": "clip", "csv": "row", "c3d": "frame", "foxglove": "frame"}[format]
    _tell(playback, "\n".join(f"{path}: {counted(count, what)}" for path, count in written.items()))


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise RecordingError(
            f"{out}: cannot be made ({e.strerror}); expected a folder that can be written to"
        ) from None


def _write_clips(clips: list[Clip], out: Path) -> dict[str, int]:
    sets: dict[str, list[Clip]] = {}
    for clip in clips:
        name = f"{clip.session.partition(' ')[0]}-{clip.layout.name}"
        for k in itertools.count(1):  # every skeleton without a name is a set of its own
            mine = sets.setdefault(name if k == 1 else f"{name}-{k}", [])
            if not mine or mine[0].layout == clip.layout:
                mine.append(clip)
                break
    return {str(write_clips(out / name, some).parent): len(some) for name, some in sets.items()}


def _write_c3d(clips: list[Clip], out: Path) -> dict[str, int]:
    paths: dict[Path, Clip] = {}
    for clip in clips:
        name = re.sub("[^A-Za-z0-9_.-]", "_", clip.clip_id)[:120]
        tries = (out / f"{name}{f'~{k}' if k > 1 else ''}.c3d" for k in itertools.count(1))
        paths[next(path for path in tries if path not in paths)] = clip
    for path in paths:  # all of them before the first is written
        if path.exists():
            raise RecordingError(f"{path}: is there already; expected a folder without it")
    for path, clip in paths.items():
        write_c3d(path, clip, ("first", "second"))
    return {str(path): len(clip) for path, clip in paths.items()}


def _tell(playback: Playback, text: str) -> None:
    for note in playback.notes:
        sys.stderr.write(f"{note}\n")
    sys.stderr.write(f"{text}\n")
