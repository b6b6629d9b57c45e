"""Calm windows out of recordings, the latest first: those whose evidence, and that of what is around them, is low."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.page.incident_clip import ClipUnavailableError
from dyadwatch.stream.recordings.reader import Recording
from dyadwatch.stream.recordings.recordings_folder import recordings_between

CALM = 0.5  # of the evidence that raises an alarm; the page draws what is below in the colour of calm
_BACK_S = 86_400.0
_SLICE_S = 30.0  # of recordings that are read at once, the latest first: their poses take a second or two
_ENOUGH = 30  # windows to choose from
_WINDOW_S = 3.0  # of a window at most, and how late it may have been scored
_SEARCH_S = 6.0  # of this machine's time, then it is given up
AROUND_S = 1.5  # before and after a window must be calm, too
_decode_score = msgspec.json.Decoder(ScoreMessage).decode
Pair = tuple[TrackId, TrackId]


class CalmWindow(NamedTuple):
    """A window among calm ones; ns of the source's clock."""

    pair: Pair
    start: int
    end: int
    evidence: float


def calm_slices(
    folder: Path, source: str, until: int, spans: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, int, list[CalmWindow]]]:
    """First and last ns of calm windows, and the windows, of stretches of recordings, the latest first.

    Raises:
        ClipUnavailableError: it took too long.
    """
    give_up, size = time.monotonic() + _SEARCH_S, round(_SLICE_S * NS)
    since, pad = until - round(_BACK_S * NS), round((AROUND_S + _WINDOW_S) * NS)
    windows: list[CalmWindow] = []
    for path in reversed(recordings_between(folder, since, until)):
        _check_time(give_up)
        try:
            recording = Recording(path)
            first, last = recording.span or (until, until)
            end = min(last + 1, until)
            while end > max(first, since) and time.monotonic() < give_up:
                scores = list(_scores(recording, source, end - size - pad, end + pad))
                windows += _calm(scores, spans, end - size, end)
                end -= size
                if len(windows) >= _ENOUGH:
                    yield _span(windows)
                    windows = []
        except (DyadwatchError, OSError):
            windows = []
            continue  # a file that is damaged, or was deleted meanwhile
        if windows:  # poses are not read across files
            yield _span(windows)
            windows = []
        if end > max(first, since):
            _check_time(give_up)


def _check_time(give_up: float) -> None:
    if time.monotonic() >= give_up:
        text = f"no calm moment was found in {_SEARCH_S:g} s; the rest of the day before it was not searched"
        raise ClipUnavailableError("gave_up", text)


def _span(windows: list[CalmWindow]) -> tuple[int, int, list[CalmWindow]]:
    """Those of the latest stretch alone, where few lie hours apart."""
    last = max(w.end for w in windows)
    near = [w for w in windows if last - w.end < 2 * _SLICE_S * NS]
    return min(w.start for w in near), last, near


def _scores(recording: Recording, source: str, begin: int, end: int) -> Iterator[tuple[int, ScoreMessage]]:
    """When they were recorded, unix ns, and what they say."""
    topic = f"score.{source}"
    for raw in recording.messages(max(begin, 0), end):
        if raw.channel.topic == topic:
            try:
                yield raw.log_time, _decode_score(raw.data)
            except msgspec.MsgspecError:
                continue


def _calm(
    scores: Sequence[tuple[int, ScoreMessage]], spans: Sequence[tuple[int, int]], begin: int, end: int
) -> list[CalmWindow]:
    """The windows recorded from `begin` up to before `end` that are calm, and so are those around them."""
    of: defaultdict[Pair, list[ScoreMessage]] = defaultdict(list)
    within: defaultdict[Pair, list[ScoreMessage]] = defaultdict(list)
    for at, score in scores:
        of[score.pair].append(score)
        if begin <= at < end:
            within[score.pair].append(score)
    margin, out = round(AROUND_S * NS), list[CalmWindow]()
    for pair, own in of.items():
        starts, ends = np.array([s.start for s in own]), np.array([s.end for s in own])
        bad = np.array([s.evidence >= CALM or s.doubtful or s.learning or s.weight != 1 for s in own])
        evidence = np.array([s.evidence for s in own])
        for s in within[pair]:
            low, high = s.start - margin, s.end + margin
            near = (ends > low) & (starts < high)
            if bad[near].any() or any(low < b and high > a for a, b in spans):
                continue
            out.append(CalmWindow(pair, s.start, s.end, float(evidence[near].max())))
    return out
