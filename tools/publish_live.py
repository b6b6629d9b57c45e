"""`dyadwatch publish jsonl`: live protocols of others, passed on to a running detector."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.stream.publishers.checked import Axes, Units
from dyadwatch.stream.publishers.json_bridge import DEFAULT_SOURCE, JsonBridge
from dyadwatch.stream.publishers.json_lines import Declaration
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.publisher import DEFAULT_ADDRESS, PosePublisher
from dyadwatch.tools.sending import report, stoppable

_log = logging.getLogger("dyadwatch.publish")
_Flag = Parameter(negative=())


def relay(live: Iterator[LiveFrame], to: str, wait: float, patience_s: float = 0.0) -> dict[str, object]:
    """Passes live frames on until they end; what the detector does not take within `patience_s` is shed, counted."""
    began = time.monotonic()
    try:
        with PosePublisher(to, wait_s=wait, patience_s=patience_s) as publisher:
            for frame, fps in live:
                publisher.send(frame, fps=fps)
    except KeyboardInterrupt:
        sys.exit(130)
    return {"sent": publisher.sent, "shed": publisher.shed, "seconds": round(time.monotonic() - began, 3)}


def _tell(source: str, summary: dict[str, object], stop: threading.Event, refusals: Refusals, json: bool) -> None:
    refusals.flush()
    report({"source": source, **summary, "stopped": stop.is_set(), "refused": refusals.counts()}, json)


def jsonl(
    *,
    listen: Annotated[tuple[str, ...], Parameter(negative=(), allow_leading_hyphen=True)],
    to: str = DEFAULT_ADDRESS,
    source: str = DEFAULT_SOURCE,
    layout: str | None = None,
    joints: str | None = None,
    units: Units = "m",
    axes: Axes = "y-up",
    fps: float | None = None,
    clock: str | None = None,
    wait: float = 30.0,
    json: Annotated[bool, _Flag] = False,
) -> None:
    """Publish JSON lines that come over TCP, UDP or standard input.

    One object a line: {"stamp": ns, "persons": [{"id": "ann", "joints": {"head": [x, y, z], ...}}]}. A first line
    without "persons" may declare source, layout, units, axes, fps. See docs/sources.md. Press Ctrl-C to stop.

    Parameters
    ----------
    listen
        tcp://host:port, udp://host:port, or - for standard input; may be repeated.
    to
        Where the detector listens.
    source
        Name of the source, 1-64 characters of A-Z a-z 0-9 _ -, where the sender declares none.
    layout
        Known skeleton in whose order joints without names are.
    joints
        Names of the joints in order instead, with commas between.
    units
        What coordinates are measured in.
    axes
        Which way is up; right-handed.
    fps
        Nominal frames a second.
    clock
        Name of the clock of the stamps, unix by default; media, with --fps, numbers frames that bring no stamp.
    wait
        Seconds to wait for a detector to listen.
    json
        Print a summary as one JSON object on standard output.
    """
    names = None if joints is None else [j.strip() for j in joints.split(",")]
    declared = Declaration(source=source, layout=layout, joints=names, units=units, axes=axes, fps=fps, clock=clock)
    refusals = Refusals(_log)
    with stoppable() as stop, JsonBridge(listen, declared, refusals) as bridge:
        _log.info("listening for JSON lines on %s", ", ".join(bridge.addresses) or "standard input")
        # Whoever writes to standard input can wait; what comes over the network is worth less the older it gets.
        patience_s = 30.0 if set(listen) == {"-"} else 0.0
        summary = relay(bridge.frames(stop.is_set), to, wait, patience_s)
    _tell(source, summary, stop, refusals, json)
