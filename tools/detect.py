"""`dyadwatch detect`: pose files in, events out, without sockets, as fast as the machine goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ClipError
from dyadwatch.core.skeletons.body_size import LARGEST_BODY_M, guess_units
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.words import counted
from dyadwatch.loading import configure, is_learning, load_scorer
from dyadwatch.stream.health.unjudged import Accounts
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.clip_player import clip_frames
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.stream.recordings.playback import is_recording
from dyadwatch.stream.sinks.live_table import IncidentLinesSink
from dyadwatch.stream.sinks.sinks import Sink
from dyadwatch.tools.detect_clips import ClipJsonSink, Timeline
from dyadwatch.tools.detect_recording import NOT_NAMED, detect_recordings
from dyadwatch.tools.files import NO_FPS_FLAGS, FpsFileFlags, select_sets

_BATCH = 256  # frames between two words to the sinks


def check_clips(clips: Sequence[Clip], layout: Layout) -> None:
    """Refuses clips that the live wire would refuse as well, before any is scored.

    Raises:
        LayoutError: joints do not fit the model; names every missing one.
        ClipError: a body is larger than any; names the clip and the likely units.
    """
    for source in {c.layout.joints: c.layout for c in clips}.values():
        JointMap.between(source, layout)
    for c in clips:
        if not len(c):
            continue
        span = float(np.fmax.reduce(np.fmax.reduce(c.joints, axis=2) - np.fmin.reduce(c.joints, axis=2), axis=None))
        if span > LARGEST_BODY_M:
            likely = {"mm": "millimetres", "cm": "centimetres"}.get(guess_units(span, "m"), "a wrong joint")
            raise ClipError(
                f"clip {c.clip_id or '(without id)'}: a person spans {span:.4g} m; expected at most {LARGEST_BODY_M} m "
                f"({likely}?)"
            )


def detect(
    paths: list[Path],
    /,
    *,
    model: Path | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    source: str = "clips",
    label: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    split: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    flags: FpsFileFlags = NO_FPS_FLAGS,
    json: Annotated[bool, Parameter(negative=())] = False,
    scores: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Find events in pose files. The same files give the same events as when they are published to a running detector.

    Reads what `publish file` reads, see `dyadwatch docs sources`, and recordings (.mcap), which give the events of the
    live run: its configuration and thresholds are taken from the recording unless --config names others.

    Events are reported with the id and label of their clip and the seconds within it. Clips of which nothing could be
    scored are counted at the end: they are not quiet, they were not judged.

    Parameters
    ----------
    paths
        Files and folders. Files of one person each, such as BVH, are taken two by two.
    model
        Model file to score with. By default the one that the configuration names, or was recorded with; where there is
        none, the one that comes with dyadwatch, which knows simulated people only.
    config
        Configuration file; without one the commented default is used.
    set_
        One configuration key, such as --set alarm.hold_s=3; may be repeated.
    source
        Source name that the events carry.
    label
        Only clips of this label; may be repeated.
    split
        Only clips of this split; may be repeated.
    json
        Print events as JSON objects, one a line: the messages of a running detector, and the clip, see
        `dyadwatch docs clips`.
    scores
        With --json, print every score too.
    """
    if any(is_recording(path) for path in paths):
        detect_recordings(paths, model, config, set_, json=json, scores=scores)
        return
    check_source(source)
    settings = configure(config, set_, model)
    # Every score is looked at here, to know which clips were judged; --scores says whether they are printed.
    settings = msgspec.structs.replace(settings, sinks=msgspec.structs.replace(settings.sinks, scores=True))
    detector = load_scorer(settings)
    summary = Console(stderr=True)
    sets = select_sets(paths, label, split, flags, doubtful=True)
    clips = [clip for data in sets for clip in data]
    check_clips(clips, detector[0].shape.layout)
    if is_learning(settings):
        summary.print(NOT_NAMED, soft_wrap=True, highlight=False)
    pipeline = Pipeline(*detector, settings)
    console = Console(stderr=json)
    timeline, accounts = Timeline(sets), Accounts(pipeline.counters)
    sink: Sink = ClipJsonSink(sys.stdout.buffer, timeline) if json else IncidentLinesSink(console, timeline.in_clip)
    began = time.monotonic()
    events = windows = frames = 0
    span = sum(len(c) / c.fps for c in clips)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("detecting", total=sum(map(len, clips)))
        for messages, n in run_clips(pipeline, clip_frames(clips, source), timeline, accounts):
            windows += sum(isinstance(m, ScoreMessage) for m in messages)
            events += sum(isinstance(m, EventMessage) and m.type == "open" for m in messages)
            frames += n
            timeline.note(messages)
            sink.emit([m for m in messages if scores or not isinstance(m, ScoreMessage)])
            progress.advance(task, n)
    took = time.monotonic() - began
    dropped = pipeline.counters.of(source)
    summary.print(
        f"{counted(len(clips), 'clip')}, {counted(frames, 'frame')}, {counted(windows, 'window')}, "
        f"{counted(events, 'event')} in {took:.1f} s "
        f"({span / took:.0f} times real time)" + (f"; dropped: {dropped}" if dropped else "")
    )
    for line in (*timeline.odd_lines(accounts), *timeline.unjudged_lines(detector[0].shape, settings, accounts)):
        summary.print(escape(line), soft_wrap=True, highlight=False)


def run_clips(
    pipeline: Pipeline, frames: Iterator[PoseFrame], timeline: Timeline, accounts: Accounts
) -> Iterator[tuple[list[Message], int]]:
    """Runs the frames of clips; gives messages, and of how many frames they are, at times.

    Arguments:
        pipeline: fresh.
        frames: of the clips of `timeline`, in order.
        accounts: of each clip, by its number.
    """
    messages: list[Message] = []
    n = 0
    for frame in frames:
        messages += pipeline.push(frame)
        if (line := pipeline.intake.lines.get(frame.source)) is not None:
            accounts.look(str(timeline.index_at(frame.stamp)), line)
        n += 1
        if n == _BATCH:
            yield messages, n
            messages, n = [], 0
    yield messages + pipeline.finish(), n
    accounts.settle()
