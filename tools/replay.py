"""`dyadwatch replay`: publishes a recording again."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from threading import Event
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.core.errors import ConfigError, RecordingError
from dyadwatch.core.words import counted
from dyadwatch.stream.publishers.publisher import PosePublisher, check_source
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.recordings.resend import Rewriter, paced
from dyadwatch.tools.sending import report, stoppable
from dyadwatch.tools.sending_flags import AS_USUAL, SendingFlags

_Flag = Parameter(negative=())


def replay(
    paths: list[Path],
    /,
    *,
    speed: str = "1",
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    until: str | None = None,
    source: str | None = None,
    as_: Annotated[str | None, Parameter(name="--as")] = None,
    loop: Annotated[bool, _Flag] = False,
    rebase: Annotated[bool, _Flag] = False,
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish recordings again, each message as it came and when it came: same bytes, stamps and numbers.

    A detector takes the same run of a source only once: to replay into one that has seen it, use --rebase or --as.

    Parameters
    ----------
    paths
        Recordings (.mcap), or folders that hold some.
    speed
        Times real time, such as 0.1 or 20; max: without waiting. A detector that cannot score so fast sheds windows and
        says so, unless it was started with scorer.overload=wait.
    from_
        Where to begin: seconds from the beginning, or a time as info prints it, such as
        2026-11-21T14:30:00+01:00 (Z for UTC).
    until
        Where to end, likewise.
    source
        Only this source.
    as_
        Publish under this name; for recordings of one source, or with --source.
    loop
        Begin again after the end, until stopped; every round is a new run of its sources.
    rebase
        Shift all stamps by the same time, so that the recording seems to happen now, as new runs of its sources.
    """
    factor = _speed(speed)
    if as_ is not None:
        check_source(as_)
    target = sending.target()
    playback = Playback(paths, from_, until)
    playback.expect_sources([] if source is None else [source])
    if as_ is not None and source is None:
        _expect_one_source(playback)
    rewriter = Rewriter(as_, new_runs=loop or rebase)
    rounds = 0
    began = time.monotonic()
    with PosePublisher(target.address, wait_s=target.wait_s, keys=target.keys) as publisher, stoppable() as stop:
        while not stop.is_set() and (loop or not rounds):
            before = publisher.sent
            rewriter.begin(time.time_ns() - max(playback.first, playback.start) if rebase else 0)
            _round(playback, publisher, rewriter, source, factor, stop)
            rounds += 1
            if publisher.sent == before:
                break
        stopped = stop.is_set()
    sent = publisher.sent
    if not sent and not stopped:
        raise RecordingError(f"nothing to replay: {'no message of ' + source if source else 'no message'} in that time")
    for note in playback.notes:
        sys.stderr.write(f"{note}\n")
    seconds = round(time.monotonic() - began, 3)
    summary = {
        "source": as_ or source or "all sources",
        "sent": sent,
        "shed": publisher.shed,
        "left_out": rewriter.left_out,
        "refused": rewriter.refused,
    }
    if rewriter.refused:
        were = counted(rewriter.refused, "message")
        sys.stderr.write(f"left out: {were} that broke the protocol, and are not sent again\n")
    report(
        {**summary, "rounds": rounds, "recorded_s": playback.seconds, "seconds": seconds, "stopped": stopped},
        sending.json,
    )


def _round(
    playback: Playback, publisher: PosePublisher, rewriter: Rewriter, source: str | None, speed: float, stop: Event
) -> None:
    for received in paced(playback, speed, stop):
        if source is None or received.source in (source, None):
            parts = rewriter.parts(received)
            if parts:
                publisher.send_parts(parts)


def _speed(text: str) -> float:
    if text == "max":
        return float("inf")
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise ConfigError(f"--speed is {text!r}; expected a positive factor of real time, or max")
    return speed


def _expect_one_source(playback: Playback) -> None:
    sources = sorted({r.source for r in playback.received() if r.source is not None})
    if len(sources) != 1:
        raise ConfigError(f"--as names one source, but the recording holds {sources!r:.200}; choose one with --source")
