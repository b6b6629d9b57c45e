"""LSL: outlets of markers become people; one outlet of all of them, or one a person."""

# pyright: reportMissingTypeStubs=false
from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType, TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from dyadwatch.core.errors import ConfigError, LayoutError, MissingExtraError, WireError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.marker_map import MarkerMap
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Refusal, SenderReason
from dyadwatch.stream.health.clock_offset import ClockOffset
from dyadwatch.stream.publishers.checked import Axes, Units, checked_frame
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.lsl_channels import Channel, LslPlan, plan_channels
from dyadwatch.stream.publishers.performers import Performers, check_timing
from dyadwatch.stream.publishers.publisher import check_source

_log = logging.getLogger(__name__)
_LOOK_S = 0.1
_PULL_S = 0.2
_AGAIN_S = 5.0  # until the next try where an outlet is there but of no use
_WAITING = 8192  # samples between the threads
_STRINGS = 3  # liblsl's cf_string


@dataclass(frozen=True)
class LslOptions:
    """What the streams hold.

    Arguments:
        source: name of the source they become.
        markers: which markers make which joint; None tries the sets in common use.
        layout: channels are this skeleton's joints in order, without regard to their labels.
        units: None takes what the stream says, metres where it says nothing.
        axes: which way is up.
        fps, delay_s: of the merged frames, where each person has an outlet; see `Performers`.
        tell_s: seconds without a stream after which those that there are get listed.
    """

    source: str = "lsl"
    markers: MarkerMap | None = None
    layout: Layout | None = None
    units: Units | None = None
    axes: Axes = "y-up"
    fps: float = 30.0
    delay_s: float = 0.1
    tell_s: float = 10.0


class _Sample(NamedTuple):
    who: int
    plan: LslPlan
    clock: str
    fps: float | None
    values: list[float]
    stamp: float
    arrived: int


class LslListener:
    """Finds outlets by name and listens to them, as a context manager; a lost one is looked for again.

    One outlet: each sample is a frame, its LSL time the stamp, untouched. Several: each holds one person, and they
    are merged into frames on this machine's clock.

    Arguments:
        streams: names of the outlets.
        options: what they hold.
        refusals: counts every sample that cannot be used.

    Raises:
        ConfigError: for doubled names, a bad source, or numbers out of range.
    """

    def __init__(self, streams: Sequence[str], options: LslOptions, refusals: Refusals) -> None:
        if not streams or len(set(streams)) != len(streams):
            raise ConfigError(f"streams are {', '.join(streams) or 'none'}; expected each name once")
        check_source(options.source)
        check_timing(options.fps, options.delay_s)
        self._streams = tuple(streams)
        self._options = options
        self._source = options.source
        self._refusals = refusals
        self._samples: queue.Queue[_Sample] = queue.Queue(_WAITING)
        self._stop = threading.Event()
        self._threads: ThreadPoolExecutor | None = None
        self._readers: list[Future[None]] = []
        self._seq = 0
        self._people: Performers | None = None
        self._clock = ClockOffset()

    def __enter__(self) -> Self:
        """Begins to look for the streams.

        Raises:
            MissingExtraError: where pylsl or its liblsl is not there.
        """
        lsl = _pylsl()
        self._threads = ThreadPoolExecutor(len(self._streams), thread_name_prefix="lsl")
        self._readers = [self._threads.submit(self._read, lsl, who, name) for who, name in enumerate(self._streams)]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._threads is not None:
            self._threads.shutdown()

    def clocks(self) -> dict[str, ClockOffset]:
        """The clock of each stream, beside this machine's."""
        return {self._streams[0]: self._clock} if self._people is None else self._people.clocks()

    def frames(self, stopped: Callable[[], bool]) -> Iterator[LiveFrame]:
        """Frames as samples come, until asked to stop."""
        look_s = 0.1 if len(self._streams) == 1 else min(0.25 / self._options.fps, 0.1)
        while not stopped():
            for reader in self._readers:
                if reader.done():
                    reader.result()
            try:
                sample = self._samples.get(timeout=look_s)
            except queue.Empty:
                sample = None
            if sample is not None:
                live = self._take(sample)
                if live is not None:
                    yield live
            if self._people is not None:
                yield from self._people.due(time.time_ns())

    def _take(self, sample: _Sample) -> LiveFrame | None:
        alone = len(self._streams) == 1
        stamp = sample.stamp * NS
        try:
            if not 0 <= stamp < 2**63:
                raise WireError(SenderReason.BAD_STAMP, f"LSL time is {sample.stamp:g} s; expected 0 or more")
            frame = checked_frame(
                sample.plan.values(np.asarray(sample.values, np.float64)),
                source=self._source,
                seq=self._seq,
                stamp=round(stamp),
                clock=sample.clock,
                layout=sample.plan.markers.layout,
                ids=sample.plan.markers.ids,
                units=self._options.units or sample.plan.units or "m",
                axes=self._options.axes,
            )
            if alone:
                self._clock.add(frame.stamp, sample.arrived)
                self._seq += 1
                return LiveFrame(frame, sample.fps)
            if self._people is None:
                self._people = Performers(
                    self._source,
                    self._streams,
                    frame.layout,
                    fps=self._options.fps,
                    delay_s=self._options.delay_s,
                    refusals=self._refusals,
                )
            joints = self._people.layout.joints
            if frame.layout.joints != joints or frame.people != 1:
                raise WireError(
                    SenderReason.LAYOUT_DIFFERS,
                    f"it has {frame.people} people of {', '.join(frame.layout.joints)[:200]}; expected one person with "
                    f"the joints of the stream that came first, {', '.join(joints)[:200]}",
                )
        except WireError as e:
            self._refusals.add(self._source, e.reason, f"stream {self._streams[sample.who]!r}: {e}")
            return None
        self._people.add(sample.who, frame, sample.arrived)
        return None

    def _read(self, lsl: Any, who: int, name: str) -> None:
        """Finds a stream and passes its samples on, again and again; runs on a thread of its own."""
        while not self._stop.is_set():
            found = self._find(lsl, name)
            if not found:
                return
            if len(found) > 1:
                text = f"{len(found)} outlets are called {name!r}; that of host {found[0].hostname()} is listened to"
                self._refusals.add(self._source, SenderReason.MANY_STREAMS, text)
            inlet = lsl.StreamInlet(found[0], max_buflen=10, recover=False)
            try:
                self._listen(inlet, who, name)
            except (lsl.util.LostError, lsl.util.TimeoutError, lsl.util.InternalError):
                self._refusals.add(
                    self._source, SenderReason.STREAM_LOST, f"outlet {name!r} is gone; it is looked for again"
                )
            except LayoutError as e:
                self._refusals.add(self._source, Refusal.LAYOUT, f"stream {name!r}: {e}")
                self._stop.wait(_AGAIN_S)
            finally:
                inlet.close_stream()

    def _find(self, lsl: Any, name: str) -> list[Any]:
        """The outlets of that name, looked for until there is one; none when asked to stop."""
        # One that looks on by itself: liblsl's single looks take five seconds where 0.5 were asked for.
        resolver, everything = lsl.ContinuousResolver("name", name), None
        told = time.monotonic()
        while not self._stop.wait(_LOOK_S):
            found = resolver.results()
            if found:
                return found
            if time.monotonic() - told > self._options.tell_s / 2 and everything is None:
                everything = lsl.ContinuousResolver()
            if everything is not None and time.monotonic() - told > self._options.tell_s:
                there = ", ".join(sorted({f"{s.name()!r}" for s in everything.results()}))
                text = f"no stream {name!r} is to be found; there are {there[:300] or 'none at all'}"
                self._refusals.add(self._source, SenderReason.NO_STREAM, text)
                told, everything = time.monotonic(), None
        return []

    def _listen(self, inlet: Any, who: int, name: str) -> None:
        info = inlet.info(timeout=5.0)
        if info.channel_format() == _STRINGS:
            raise LayoutError("its samples are text; expected numbers")
        try:
            channels = list(_channels(info))
        except UnicodeDecodeError:
            raise LayoutError("its description is not UTF-8; expected labels in it") from None
        options = self._options
        plan = plan_channels(
            channels, info.channel_count(), wanted=options.markers, layout=options.layout, units=options.units
        )
        rate = info.nominal_srate()
        clock = f"lsl {info.hostname()}"[:64]
        inlet.open_stream(timeout=5.0)
        people = ", ".join(plan.markers.ids)
        _log.info("listening to LSL stream %r of host %s: %s", name, info.hostname(), people)
        while not self._stop.is_set():
            values, stamp = inlet.pull_sample(timeout=_PULL_S)
            if values is None or stamp is None:
                continue
            sample = _Sample(who, plan, clock, rate if 1 <= rate <= 1000 else None, values, stamp, time.time_ns())
            try:
                self._samples.put_nowait(sample)
            except queue.Full:
                self._refusals.add(self._source, SenderReason.SHED, "samples come faster than they can be passed on")


def _pylsl() -> ModuleType:
    try:
        import pylsl
        import pylsl.util  # pyright: ignore[reportUnusedImport] - not imported by pylsl itself
    except (ImportError, RuntimeError):  # the latter where liblsl itself is missing
        raise MissingExtraError("pylsl", "lsl") from None
    return pylsl


def _channels(info: Any) -> Iterator[Channel]:
    element = info.desc().child("channels").child("channel")
    while not element.empty():
        yield Channel(*(element.child_value(key) for key in Channel._fields))
        element = element.next_sibling("channel")
