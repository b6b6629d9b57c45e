"""Figures for Prometheus, made of what the detector publishes, on an address of this machine alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import DeliveryState, SourceState
from dyadwatch.stream.configuration.delivery_check import host_and_port
from dyadwatch.stream.configuration.delivery_options import MetricsOptions
from dyadwatch.stream.delivery.inside import Inside
from dyadwatch.stream.messages import (
    AttentionMessage,
    DeliveryNow,
    EventMessage,
    IncidentMessage,
    Message,
    ScoreMessage,
    StatusMessage,
)
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.stage_times import BOUNDS_S, HistogramState

_LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_GONE_S = 15.0  # a source that statuses leave out for so long is left out here
_SOURCE = ("source",)


_GAUGES: tuple[tuple[str, str, Callable[[StatusMessage], float]], ...] = (
    ("source_fps", "Frames a second by the source's own stamps.", lambda m: m.fps),
    ("source_people", "People in the last frame.", lambda m: m.people),
    ("source_pairs", "Pairs near enough to be scored.", lambda m: m.pairs),
    ("source_open_events", "Events that are open.", lambda m: m.open_events),
    ("source_open_incidents", "Incidents that are open.", lambda m: len(m.incidents)),
    ("source_age_seconds", "How late its frames or scores come.", lambda m: (m.age_ms or 0.0) / 1000),
)


class MetricsSink:
    """Serves `/metrics`; counts on the sink's thread, and answers on threads of its own.

    Arguments:
        options: the section `metrics` of the configuration.
        inside: what there is to know beside the messages.

    Attributes:
        port: that it listens on.

    Raises:
        ConfigError: the address cannot be bound.
    """

    takes = (ScoreMessage, EventMessage, IncidentMessage, AttentionMessage, StatusMessage)

    def __init__(self, options: MetricsOptions, inside: Inside) -> None:
        registry = CollectorRegistry()
        self._latency = Histogram(
            "dyadwatch_score_latency_seconds",
            "From receiving the frame that completed a window to its score.",
            buckets=_LATENCY_S,
            registry=registry,
        )
        self._figures = Figures(inside)
        registry.register(self._figures)
        ProcessCollector(registry=registry)
        host, port = host_and_port(options.bind)
        try:
            self._server, self._thread = start_http_server(port, host, registry)
        except OSError as e:
            raise ConfigError(
                f"metrics.bind is {options.bind}, which cannot be bound ({e.strerror}); expected a free port"
            ) from None
        self.port = self._server.server_port

    def emit(self, messages: Sequence[Message]) -> None:
        """Counts messages."""
        for m in messages:
            if isinstance(m, ScoreMessage):
                self._latency.observe(m.latency_ms / 1000)
        self._figures.take(messages)

    def close(self) -> None:
        """Frees the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(1.0)


class Figures(Collector):
    """Everything but the latency; made anew for each reader of the latest statuses.

    Arguments:
        inside: what there is to know beside the messages.
        clock: monotonic seconds.
    """

    def __init__(self, inside: Inside, clock: Callable[[], float] = time.monotonic) -> None:
        self._inside = inside
        self._clock = clock
        self._lock = threading.Lock()
        self._statuses: dict[str, tuple[StatusMessage, float]] = {}
        self._opened: Counter[tuple[str, str]] = Counter()  # (source, about)
        self._events: Counter[str] = Counter()
        self._calls: Counter[tuple[str, str]] = Counter()  # (what, severity)

    def take(self, messages: Sequence[Message]) -> None:
        """Takes messages."""
        with self._lock:
            for m in messages:
                match m:
                    case StatusMessage():
                        self._statuses[m.source] = (m, self._clock())
                    case IncidentMessage() if m.type == "open":
                        self._opened[m.source, m.about] += 1
                    case EventMessage() if m.type == "open":
                        self._events[m.source] += 1
                    case AttentionMessage():
                        self._calls[m.what, m.severity] += 1
                    case _:
                        pass

    def describe(self) -> list[Metric]:
        """Nothing, so that registering does not collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All figures."""
        with self._lock:
            now = self._clock()
            self._statuses = {name: told for name, told in self._statuses.items() if now - told[1] < _GONE_S}
            statuses = [m for m, _ in self._statuses.values()]
            opened, events, calls = dict(self._opened), dict(self._events), dict(self._calls)
        sources = [m for m in statuses if m.source != DETECTOR]
        own = next((m for m in statuses if m.source == DETECTOR), None)
        yield from _of_sources(sources)
        yield _dropped(statuses)
        yield _counter("incidents", "Incidents that opened.", ("source", "about"), opened)
        yield _counter("events", "Events of pairs that opened.", _SOURCE, {(s,): n for s, n in events.items()})
        yield _counter("calls", "What people were told, and how grave.", ("what", "severity"), calls)
        yield from _of_inside(self._inside)
        if own is not None:
            yield from _kept(own)
        yield from _of_deliveries(own.deliveries if own is not None else ())


def _of_sources(sources: Sequence[StatusMessage]) -> Iterator[Metric]:
    states = {(m.source, str(state)): float(m.state is state) for m in sources for state in SourceState}
    yield _gauge("source_state", "1 for the state that a source is in.", ("source", "state"), states)
    for name, text, value in _GAUGES:
        yield _gauge(name, text, _SOURCE, {(m.source,): value(m) for m in sources})
    yield _counter("frames", "Frames taken.", _SOURCE, {(m.source,): m.frames for m in sources})
    yield _counter("windows", "Windows scored.", _SOURCE, {(m.source,): m.windows for m in sources})


def _of_inside(inside: Inside) -> Iterator[Metric]:
    text = "Messages that wait to be checked, windows that wait to be scored, messages for each sink."
    yield _gauge("queue_waiting", text, ("queue",), {(name,): count for name, count in inside.waiting().items()})
    working = {(name,): float(works) for name, works in inside.working().items()}
    yield _gauge("sink_working", "0 for a sink that failed and is left out.", ("sink",), working)
    times = inside.times
    text = "Of a frame: receive, track, window, and queue where it completed windows; of a batch: score and judge."
    yield _histogram("stage_seconds", text, "stage", {} if times is None else times.stages())
    text = "From handing over the oldest message of a batch until the sink has taken it."
    yield _histogram("tell_seconds", text, "sink", {} if times is None else times.sinks())


def _kept(own: StatusMessage) -> Iterator[Metric]:
    for name, text, now in (
        ("recording_on", "Whether what comes is recorded; left out where it is not to be.", own.recording),
        ("memory_on", "Whether incidents are kept; left out where they are not to be.", own.memory),
    ):
        yield _gauge(name, text, (), {} if now is None else {(): float(now.code == "on")})


def _dropped(statuses: Sequence[StatusMessage]) -> Metric:
    dropped = {(m.source, reason): count for m in statuses for reason, count in m.dropped.items()}
    return _counter("dropped", "What was not used, by reason.", ("source", "reason"), dropped)


def _of_deliveries(deliveries: Sequence[DeliveryNow]) -> Iterator[Metric]:
    target = ("target",)
    failing = {(d.name,): float(d.code is DeliveryState.FAILING) for d in deliveries}
    yield _gauge("delivery_failing", "1 while the last try failed.", target, failing)
    yield _gauge("delivery_waiting", "Updates that wait.", target, {(d.name,): d.waiting for d in deliveries})
    since = {(d.name,): (d.since or 0) / 1e9 for d in deliveries if d.since}
    yield _gauge("delivery_oldest_timestamp_seconds", "When the oldest that waits was taken.", target, since)
    yield _counter("delivered", "Updates delivered.", target, {(d.name,): d.delivered for d in deliveries})
    lost = {(d.name, str(why)): count for d in deliveries for why, count in d.dropped.items()}
    yield _counter("undelivered", "Updates that were left out, and why.", ("target", "reason"), lost)


def _gauge(name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = GaugeMetricFamily(f"dyadwatch_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _counter(name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]) -> Metric:
    family = CounterMetricFamily(f"dyadwatch_{name}", text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _histogram(name: str, text: str, label: str, values: Mapping[str, HistogramState]) -> Metric:
    family = HistogramMetricFamily(f"dyadwatch_{name}", text, labels=(label,))
    for key, state in values.items():
        upto = list(accumulate(state.counts))
        buckets = [*zip(map(str, BOUNDS_S), upto[:-1], strict=True), ("+Inf", upto[-1])]
        family.add_metric((key,), buckets, state.sum_s)
    return family
