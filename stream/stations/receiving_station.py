"""The thread that receives: sockets to items, which wait in a queue for the one that scores."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Fault, OwnFault, PairEnd, Station
from dyadwatch.stream.health.source_watch import SourceView, SourceWatch
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.items import Item, WindowShape
from dyadwatch.stream.log_limit import LimitedLog
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.people_socket import PeopleSocket
from dyadwatch.stream.receiving.receiver import Receiver
from dyadwatch.stream.recordings.channels import EndReason
from dyadwatch.stream.scoring.item_queue import ItemQueue
from dyadwatch.stream.stations.station_context import StationContext
from dyadwatch.stream.stations.stopping import DRAIN_S, LONG_DRAIN_S
from dyadwatch.stream.wire import decode_pose

_log = logging.getLogger(__name__)
_POLL_MS = 50
_ASLEEP_NS = NS  # a turn that took longer was none of the sources' silence
_ON_THEIR_WAY_S = 2.0  # what publishers sent before the stop comes without a pause this long after it
_PAUSE_MS = 200
_VIEWS_PART = 20  # of the time of this thread, one in so many parts may go into views


class ReceivingStation:
    """Takes in what sources send; all but `views`, `viewed` and the queue belongs to its own thread.

    Arguments:
        shape: the windows the model wants.
        context: what it shares with the other stations.

    Attributes:
        queue: items for the thread that scores.
        ingest: the lines of all sources.
        watch: when each was last heard.
        views: of all sources as they stood last.
        viewed: the same, and the monotonic ns when they were made.

    Raises:
        ConfigError: when `wire.bind` or `sinks.people` cannot be bound.
    """

    def __init__(self, shape: WindowShape, context: StationContext) -> None:
        config = self._config = context.config
        counters = self._counters = context.counters
        losses = context.drops
        self._recorder = context.recorder
        self._failures = context.failures
        self._stopping = context.stopping
        self._times = context.times
        self._waits = config.scorer.overload == "wait"
        self.ingest = Ingest(shape, config, losses)
        self.watch = SourceWatch(self.ingest, config.liveness)
        self.views: tuple[SourceView, ...] = self.watch.views()
        self.viewed = (time.monotonic_ns(), self.views)
        self._turned = time.monotonic_ns()
        self._next_views = 0
        self._forgotten = LimitedLog(_log)
        known = self.ingest.lines.__contains__
        tap = self._recorder and self._recorder.received
        self._receiver = Receiver(
            context.sockets, config.wire, counters, known, decode_pose, tap, context.security, waits=self._waits
        )
        self.queue = ItemQueue(
            config.scorer.max_queue,
            lambda source: losses.add(source, Fault.SHED_OVERLOAD),
            self._receiver.came_by,
            waits=self._waits,
        )
        self._people = PeopleSocket(config.sinks.people) if config.sinks.people else None
        self._shown = [q for q in (self._people and self._people.queue, context.people) if q is not None]

    def run(self) -> None:
        """Receives until the stop. What fails costs one message, never the thread."""
        try:
            while not self._stopping.asked:
                try:
                    self._failures.begins(Station.RECEIVING)
                    self._turn()
                    self._failures.ends(Station.RECEIVING)
                except Exception as e:  # noqa: BLE001 - reported
                    self._failures.report(Station.RECEIVING, e)
            self._drain()
            self.queue.put(self.ingest.finish(PairEnd.SHUTDOWN))
            self._record_end(self.ingest.lines, EndReason.SHUTDOWN)
            self.views = self.watch.views()
        except Exception as e:  # noqa: BLE001 - reported
            self._failures.report(Station.RECEIVING, e)
        finally:
            self._receiver.close()
            self.queue.close()

    def close(self) -> None:
        """Lets go of what other processes listen at; after the thread has ended."""
        if self._people is not None:
            self._people.close()

    def waiting(self) -> dict[str, int]:
        """Messages that wait to be checked, and windows that wait to be scored; from any thread."""
        return {"messages": self._receiver.held, "windows": self.queue.windows}

    def _turn(self) -> None:
        self._receive_one(_POLL_MS)
        now = time.monotonic_ns()
        if now - self._turned > _ASLEEP_NS:
            self.watch.pause(now - self._turned)
        self._turned = now
        if now >= self._next_views:
            self._next_views = now + round(min(self._config.sinks.status_s, 1.0) * NS / 8)
            for source in self.watch.forgotten():
                self._counters.add(DETECTOR, OwnFault.SOURCE_FORGOTTEN)
                text = f"{source} is silent for long, and forgotten"
                self._forgotten.warning(DETECTOR, OwnFault.SOURCE_FORGOTTEN, text)
                self._forget(source)
            self.views = self.watch.views()
            self.viewed = (now, self.views)
            # Of hundreds of sources they take long: less often then, so that messages do not wait for them.
            self._next_views = max(self._next_views, now + _VIEWS_PART * (time.monotonic_ns() - now))

    def _forget(self, source: str) -> None:
        self._put(self.ingest.forget(source))
        self._record_end([source], EndReason.SOURCE_FORGOTTEN)

    def _record_end(self, sources: Collection[str], reason: EndReason) -> None:
        if self._recorder is not None:
            for source in sources:
                self._recorder.ended(source, reason)

    def _drain(self) -> None:
        """Takes in what was sent before the stop. Sources that go on sending must not keep it from ending."""
        began = time.monotonic()
        most = LONG_DRAIN_S if self._waits else DRAIN_S
        while (after := time.monotonic() - began) < most:
            if not self._receiver.waiting(_PAUSE_MS if self._waits and after < _ON_THEIR_WAY_S else 0):
                return
            self._receive_one(0)

    def _receive_one(self, timeout_ms: int) -> None:
        got = self._receiver.receive(timeout_ms)
        if got is None:
            return
        frame, arrived = got
        self._make_room(frame, arrived)
        due = self.watch.due(frame, arrived)
        checked = time.monotonic_ns() if self._times is not None else 0
        try:
            items = self.ingest.push(frame, due)
            if self._times is not None:
                self._times.followed(arrived, checked, self.ingest.tracked, time.monotonic_ns(), due, items)
        except Exception as e:  # noqa: BLE001 - reported by `failed`
            items = self.ingest.failed(frame.source, e)
        self._put(items)
        for people in self._shown:
            if people.wanted:
                people.offer(self.ingest.scene(frame.source))
        self.watch.beat(frame, arrived)

    def _put(self, items: list[Item]) -> None:
        """Hands over items; where that may wait for the scoring thread, it is no trouble of this one."""
        if self._waits:
            self._failures.ends(Station.RECEIVING)
        self.queue.put(items)
        self._turned = time.monotonic_ns() if self._waits and items else self._turned

    def _make_room(self, frame: PoseFrame, arrived: int) -> None:
        """A source that is new to a full house takes the place of one that is worth less, if there is any."""
        lines = self.ingest.lines
        if frame.source in lines or len(lines) < self._config.wire.max_sources:
            return
        gone = self.watch.replaceable(arrived)
        if gone is not None:
            self._counters.add(DETECTOR, OwnFault.SOURCE_REPLACED)
            self._forget(gone)
        else:
            self._counters.refuse(frame.source, Fault.TOO_MANY_SOURCES)
