"""Sends frames to a running detector until they end or the user stops, with progress and a summary."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import FrameType

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.publishers.live import LiveFrame
from dyadwatch.stream.publishers.publisher import PosePublisher, pace
from dyadwatch.tools.sending_flags import Target


@contextmanager
def stoppable() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set, so that a stop flushes and reports like any other end."""
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {s: signal.signal(s, on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def check_rate(rate: float) -> None:
    """Before anything that takes long.

    Raises:
        ConfigError: when nothing can be sent at such a rate.
    """
    if not rate >= 0:
        raise ConfigError(f"--rate is {rate:g}; expected 0 (as fast as possible) or a positive factor of real time")


def send(frames: Iterable[PoseFrame], total: int | None, target: Target, rate: float) -> dict[str, object]:
    """Publishes frames until they or the user's patience end; returns what there is to tell of it."""
    console = Console(stderr=True)
    first = last = None
    try:
        with (
            PosePublisher(target.address, wait_s=target.wait_s, keys=target.keys) as publisher,
            stoppable() as stop,
            _progress(console) as progress,
        ):
            task = progress.add_task("publishing", total=total)
            began = time.monotonic()
            for frame in pace(frames, rate, stop):
                publisher.send(frame)
                first = frame.stamp if first is None else first
                last = frame.stamp
                progress.advance(task)
            stopped = stop.is_set()
    except KeyboardInterrupt:  # while waiting for a detector; later on signals only set the event
        sys.exit(130)
    return {
        "sent": publisher.sent,
        "shed": publisher.shed,
        "first_stamp": first,
        "last_stamp": last,
        "seconds": round(time.monotonic() - began, 3),
        "stopped": stopped,
    }


def relay(live: Iterator[LiveFrame], target: Target, patience_s: float = 0.0) -> dict[str, object]:
    """Passes live frames on until they end; what the detector does not take within `patience_s` is shed, counted."""
    began = time.monotonic()
    try:
        with PosePublisher(target.address, wait_s=target.wait_s, patience_s=patience_s, keys=target.keys) as publisher:
            for frame, fps in live:
                publisher.send(frame, fps=fps)
    except KeyboardInterrupt:
        sys.exit(130)
    return {"sent": publisher.sent, "shed": publisher.shed, "seconds": round(time.monotonic() - began, 3)}


def _progress(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed} frames"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def report(summary: dict[str, object], json: bool) -> None:
    """Prints what was sent, for people, and as one JSON object where that is wanted."""
    if json:
        sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")
    shed = f", {summary['shed']} shed because the detector did not take them" if summary["shed"] else ""
    Console(stderr=True).print(
        f"{summary['source']}: {summary['sent']} frames sent in {summary['seconds']} s{shed}"
        + (" (stopped)" if summary["stopped"] else "")
    )
