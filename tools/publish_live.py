"""`dyadwatch publish jsonl`, `lsl` and `vmc`: live protocols of others, passed on to a running detector."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from cyclopts import Parameter

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import get_layout
from dyadwatch.core.skeletons.marker_map import read_marker_map
from dyadwatch.core.skeletons.marker_sets import MARKER_SETS
from dyadwatch.stream.health.clock_offset import ClockOffset
from dyadwatch.stream.publishers.checked import Axes, Units
from dyadwatch.stream.publishers.json_bridge import DEFAULT_SOURCE, JsonBridge
from dyadwatch.stream.publishers.json_declaration import Declaration
from dyadwatch.stream.publishers.live import ClockReport, LiveFrame, Refusals
from dyadwatch.stream.publishers.lsl import LslListener, LslOptions
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.stream.publishers.vmc import PerformerOptions, Place, VmcListener
from dyadwatch.stream.publishers.vmc_avatar import read_bind_pose
from dyadwatch.stream.sockets.exposure import InsecureReminder, Named, check_exposure
from dyadwatch.tools.sending import relay, report, stoppable
from dyadwatch.tools.sending_flags import AS_USUAL, SendingFlags

_log = logging.getLogger("dyadwatch.publish")
_Flag = Parameter(negative=())
_T = TypeVar("_T")


def _tell(source: str, summary: dict[str, object], stop: threading.Event, refusals: Refusals, json: bool) -> None:
    refusals.flush()
    report({"source": source, **summary, "stopped": stop.is_set(), "refused": refusals.counts()}, json)


def jsonl(
    *,
    listen: Annotated[tuple[str, ...], Parameter(negative=(), allow_leading_hyphen=True)],
    source: str = DEFAULT_SOURCE,
    layout: str | None = None,
    joints: str | None = None,
    units: Units = "m",
    axes: Axes = "y-up",
    fps: float | None = None,
    clock: str | None = None,
    insecure: Annotated[bool, _Flag] = False,
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish JSON lines that come over TCP, UDP or standard input.

    One object a line: {"stamp": ns, "persons": [{"id": "ann", "joints": {"head": [x, y, z], ...}}]}. A first line
    without "persons" may declare source, layout, units, axes, fps. See `dyadwatch docs sources`. Press Ctrl-C to stop.

    Parameters
    ----------
    listen
        tcp://host:port, udp://host:port, or - for standard input; may be repeated.
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
    insecure
        Listen where other machines can reach it; this protocol knows no keys, so everybody there can send.
    """
    check_source(source)
    target = sending.target()
    names = None if joints is None else [j.strip() for j in joints.split(",")]
    declared = Declaration(source=source, layout=layout, joints=names, units=units, axes=axes, fps=fps, clock=clock)
    refusals = Refusals(_log)
    made = JsonBridge(listen, declared, refusals)
    exposed = _exposed([("--listen", where) for where in listen if where != "-"], insecure)
    with stoppable() as stop, made as bridge, InsecureReminder(exposed):
        _log.info("listening for JSON lines on %s", ", ".join(bridge.addresses) or "standard input")
        # Whoever writes to standard input can wait; what comes over the network is worth less the older it gets.
        patience_s = 30.0 if set(listen) == {"-"} else 0.0
        summary = relay(bridge.frames(stop.is_set), target, patience_s)
    _tell(source, summary, stop, refusals, sending.json)


def lsl(
    *,
    stream: Annotated[tuple[str, ...], _Flag],
    map_: Annotated[str | None, Parameter(name="--map")] = None,
    layout: str | None = None,
    units: Units | None = None,
    axes: Axes = "y-up",
    fps: float = 30.0,
    delay: float = 0.1,
    source: str = "lsl",
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish markers of Lab Streaming Layer outlets, one of all people or one a person.

    Frames of one outlet keep its LSL time. Needs the extra lsl. See `dyadwatch docs sources`. Press Ctrl-C to stop.

    Parameters
    ----------
    stream
        Name of an outlet; may be repeated, each then holds one person.
    map_
        Which markers make which joint: a YAML file, or the name of a built-in set.
    layout
        Known skeleton that the channels are in order, whatever their labels.
    units
        What coordinates are measured in; by default what the outlet declares, else metres.
    axes
        Which way is up; right-handed.
    fps
        Frames a second of the source that several outlets become.
    delay
        Seconds such a frame waits for all outlets.
    source
        Name of the source, 1-64 characters of A-Z a-z 0-9 _ -.
    """
    check_source(source)
    target = sending.target()
    options = LslOptions(
        source=source,
        markers=None if map_ is None else MARKER_SETS.get(map_) or read_marker_map(map_),
        layout=None if layout is None else get_layout(layout),
        units=units,
        axes=axes,
        fps=fps,
        delay_s=delay,
    )
    refusals = Refusals(_log)
    with stoppable() as stop, LslListener(stream, options, refusals) as listener:
        _log.info("looking for LSL streams %s", ", ".join(map(repr, stream)))
        frames = _with_clocks(listener.frames(stop.is_set), listener.clocks)
        summary = relay(frames, target)
    _tell(source, {**summary, "clocks": _told(listener.clocks())}, stop, refusals, sending.json)


def vmc(
    *,
    performer: Annotated[tuple[int, ...], _Flag] = (39539, 39540),
    name: Annotated[tuple[str, ...], _Flag] = (),
    scale: Annotated[tuple[float, ...], _Flag] = (),
    place: Annotated[tuple[str, ...], _Flag] = (),
    bind: Annotated[tuple[Path, ...], _Flag] = (),
    host: str = "127.0.0.1",
    fps: float = 30.0,
    delay: float = 0.1,
    source: str = "vmc",
    insecure: Annotated[bool, _Flag] = False,
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish VMC performers, each on a port of their own, as the people of one source.

    What follows --performer's order is given once for all of them or once for each. See `dyadwatch docs sources`. Press
    Ctrl-C to stop.

    Parameters
    ----------
    performer
        UDP port of a performer; may be repeated.
    name
        Id of each performer; by default the port.
    scale
        Height of each person divided by that of the avatar; instead of what a sender of VMC 2.1 gives.
    place
        Where each performer's origin lies in the common room: x,z,degrees; metres, degrees to the left.
    bind
        Bind pose of each avatar (YAML), for senders that tell rotations only.
    host
        Address of this machine that performers send to; 0.0.0.0 is all of them, and needs --insecure.
    fps
        Frames a second of the source they become.
    delay
        Seconds a frame waits for both; two frames of the slower performer and its jitter.
    source
        Name of the source, 1-64 characters of A-Z a-z 0-9 _ -.
    insecure
        Listen where other machines can reach it; this protocol knows no keys, so everybody there can send.
    """
    check_source(source)
    target = sending.target()
    performers = _performers(performer, name, scale, place, bind)
    refusals = Refusals(_log)
    shown = f"[{host}]" if ":" in host else host
    exposed = _exposed([("--host", f"udp://{shown}:{port}") for port in performer], insecure)
    with (
        stoppable() as stop,
        VmcListener(performers, refusals, source=source, fps=fps, delay_s=delay, host=host) as listener,
        InsecureReminder(exposed),
    ):
        _log.info("listening for VMC on %s, UDP %s", host, ", ".join(map(str, listener.ports)))
        frames = _with_clocks(listener.frames(stop.is_set), listener.people.clocks)
        summary = relay(frames, target)
    _tell(source, {**summary, "clocks": _told(listener.people.clocks())}, stop, refusals, sending.json)


def _exposed(addresses: Iterable[Named], insecure: bool) -> list[Named]:
    remedy = "or --insecure to let everybody send who reaches it: this protocol knows no keys"
    return check_exposure(addresses, insecure=insecure, remedy=remedy)


def _with_clocks(frames: Iterable[LiveFrame], clocks: Callable[[], Mapping[str, ClockOffset]]) -> Iterator[LiveFrame]:
    """The frames, while the clocks that they were stamped by are logged."""
    report = ClockReport(_log)
    for live in frames:
        yield live
        report.look(clocks())


def _told(clocks: dict[str, ClockOffset]) -> dict[str, dict[str, float | int | None]]:
    """How far each clock lies behind this machine's, how much slower it runs, and how often it was set."""
    return {
        name: {
            "offset_s": None if clock.offset is None else round(clock.offset / 1e9, 4),
            "skew_ppm": round(clock.skew_ppm, 1),
            "steps": clock.steps,
        }
        for name, clock in clocks.items()
    }


def _performers(
    ports: Sequence[int], names: Sequence[str], scales: Sequence[float], places: Sequence[str], binds: Sequence[Path]
) -> list[PerformerOptions]:
    n = len(ports)
    if names and len(names) != n:
        raise ConfigError(f"--name is given {len(names)} times for {n} performers; expected once for each")
    if not all(0 < s < 100 for s in scales):
        raise ConfigError(f"--scale is {', '.join(map('{:g}'.format, scales))}; expected more than 0 and less than 100")
    return [
        PerformerOptions(*each)
        for each in zip(
            ports,
            names or [str(p) for p in ports],
            _each(scales, n, "--scale", None),
            _each([_place(p) for p in places], n, "--place", Place()),
            _each([read_bind_pose(b) for b in binds], n, "--bind", None),
            strict=True,
        )
    ]


def _each(values: Sequence[_T], n: int, flag: str, default: _T) -> Sequence[_T]:
    """n values, of none, one for all, or one for each."""
    if len(values) not in (0, 1, n):
        raise ConfigError(f"{flag} is given {len(values)} times for {n} performers; expected once for all or for each")
    return values if len(values) == n else [*values, default][:1] * n


def _place(text: str) -> Place:
    try:
        numbers = [float(v) for v in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"--place is {text!r:.80}; expected x,z,degrees such as 1.5,0,90")
    return Place(*numbers)
