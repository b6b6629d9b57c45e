"""What Prometheus reads, through real HTTP."""

from __future__ import annotations

import json
import re
import threading
import urllib.request
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from testing_sinks import Kept

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.codes import DeliveryLoss, DeliveryState, MemoryState, SourceState
from dyadwatch.stream.configuration.config import Config, SinkOptions, WireOptions
from dyadwatch.stream.configuration.delivery_options import MetricsOptions
from dyadwatch.stream.delivery.inside import Inside
from dyadwatch.stream.delivery.metrics import Figures, MetricsSink
from dyadwatch.stream.delivery.start import open_metrics
from dyadwatch.stream.items import Moment, Pair, Window
from dyadwatch.stream.messages import DeliveryNow, MemoryNow, ScoreMessage
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.sinks.sink_thread import Sink
from dyadwatch.stream.stage_times import BOUNDS_S, PathStage, StageTimes
from dyadwatch.stream.stations import outputs

NOTHING = Inside(dict, dict)


def read(port: int) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_those_of_the_messages(updates: Any) -> None:
    inside = Inside(lambda: {"windows": 3, "zmq": 0}, lambda: {"zmq": True, "json": False}, StageTimes())
    sink = MetricsSink(MetricsOptions(bind="127.0.0.1:0"), inside)
    target = DeliveryNow(
        name="home", code=DeliveryState.FAILING, detail={}, text="", waiting=4, since=5_000_000_000, delivered=7,
        dropped={DeliveryLoss.REFUSED: 2},
    )  # fmt: skip
    kept = MemoryNow(code=MemoryState.FAILS, detail={}, text="")
    score = ScoreMessage(
        source="hall", pair=(1, 2), start=0, end=1, score=1.0, relation=1.0, unusual=1.0, model="m", latency_ms=40.0
    )
    sink.emit(
        [score, updates.status(dropped={"late": 5}), updates.status("@detector", deliveries=(target,), memory=kept)]
    )
    sink.emit([updates.incident(), updates.incident(kind="update"), updates.call(), updates.status(frames=12)])
    found = read(sink.port)
    sink.close()
    assert found["dyadwatch_frames_total", "hall"] == 12
    assert found["dyadwatch_source_state", "hall", "watching"] == 1
    assert {found["dyadwatch_source_state", "hall", str(state)] for state in SourceState} == {0, 1}
    assert ("dyadwatch_dropped_total", "late", "hall") not in found  # the latest status says nothing of it
    assert found["dyadwatch_incidents_total", "interaction", "hall"] == 1
    assert found["dyadwatch_calls_total", "alarm", "call"] == 1
    assert found["dyadwatch_queue_waiting", "windows"] == 3
    assert (found["dyadwatch_sink_working", "zmq"], found["dyadwatch_sink_working", "json"]) == (1, 0)
    assert found["dyadwatch_memory_on",] == 0
    assert ("dyadwatch_recording_on",) not in found  # nothing is to be recorded
    assert found["dyadwatch_delivery_failing", "home"] == 1
    assert found["dyadwatch_delivery_waiting", "home"] == 4
    assert found["dyadwatch_delivery_oldest_timestamp_seconds", "home"] == 5
    assert found["dyadwatch_delivered_total", "home"] == 7
    assert found["dyadwatch_undelivered_total", "refused", "home"] == 2
    assert found["dyadwatch_score_latency_seconds_count",] == 1
    assert found["dyadwatch_score_latency_seconds_bucket", "0.05"] == 1
    assert found["dyadwatch_score_latency_seconds_bucket", "0.03"] == 0
    assert found["process_resident_memory_bytes",] > 1e6
    assert ("dyadwatch_source_fps", "@detector") not in found


def test_a_source_that_is_gone_is_left_out(updates: Any) -> None:
    now = 0.0
    figures = Figures(NOTHING, lambda: now)
    figures.take([updates.status("hall"), updates.status("yard")])
    now = 10.0
    figures.take([updates.status("yard")])
    now = 16.0
    told = {sample.labels.get("source") for family in figures.collect() for sample in family.samples}
    assert told == {"yard"}


def test_a_port_that_is_taken_is_named(updates: Any) -> None:
    sink = MetricsSink(MetricsOptions(bind="127.0.0.1:0"), NOTHING)
    with pytest.raises(ConfigError) as caught:
        MetricsSink(MetricsOptions(bind=f"127.0.0.1:{sink.port}"), NOTHING)
    sink.close()
    assert str(caught.value) == (
        f"metrics.bind is 127.0.0.1:{sink.port}, which cannot be bound (Address already in use); expected a free port"
    )


def test_the_dashboard_asks_for_figures_that_there_are(updates: Any) -> None:
    board = json.loads(files("dyadwatch.stream.delivery").joinpath("grafana.json").read_text("utf8"))
    figures, ends = Figures(NOTHING), {"counter": ["_total"], "histogram": ["_bucket", "_sum"]}
    figures.take([updates.status("@detector")])
    names = {f"{family.name}{end}" for family in figures.collect() for end in ends.get(family.type, [""])}
    names |= {"dyadwatch_score_latency_seconds_bucket"}
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    wanted = {name for expression in asked for name in re.findall(r"dyadwatch_\w+", expression)}
    assert wanted
    assert wanted <= names


def test_stages_are_counted_where_their_time_lies() -> None:
    times, ms = StageTimes(), 1_000_000
    window = Window("hall", Pair((1, 2), (1, 2)), 0, 1, np.zeros((2, 1, 1, 3), np.float32), "unix", 4 * ms)
    times.followed(5 * ms, 6 * ms, 8 * ms, 12 * ms, 4 * ms, [window, window, Moment("hall", 1)])
    times.followed(20 * ms, 21 * ms, 22 * ms, 23 * ms, 20 * ms, [Moment("hall", 2)])
    times.judged([window], 20 * ms, 60 * ms, 61 * ms)
    times.judged([window], 99 * ms, 99 * ms, 99 * ms)  # of the same frame: the first has told how long it waited
    times.judged([Moment("hall", 3)], 99 * ms, 99 * ms, 99 * ms)  # nothing was scored
    times.emitted("zmq", 30 * ms)
    sums = {name: (sum(state.counts), round(state.sum_s * 1000)) for name, state in times.stages().items()}
    assert sums == {
        "receive": (2, 2), "track": (2, 3), "window": (2, 5), "queue": (1, 8), "score": (2, 40), "judge": (2, 1)
    }  # fmt: skip
    assert times.stages()["queue"].counts[BOUNDS_S.index(0.01)] == 1
    sink = MetricsSink(MetricsOptions(bind="127.0.0.1:0"), Inside(dict, dict, times))
    found = read(sink.port)
    sink.close()
    assert found["dyadwatch_stage_seconds_count", "queue"] == 1
    assert found["dyadwatch_stage_seconds_sum", "score"] == pytest.approx(0.04)
    assert [found["dyadwatch_stage_seconds_bucket", upto, "score"] for upto in ("0.025", "0.05")] == [1, 2]
    assert found["dyadwatch_stage_seconds_bucket", "+Inf", "track"] == 2
    assert found["dyadwatch_tell_seconds_sum", "zmq"] == pytest.approx(0.03)


def test_what_is_above_all_bounds_is_in_the_last_bucket_alone() -> None:
    times = StageTimes()
    times.emitted("slow", 10**12)
    counts = times.sinks()["slow"].counts
    assert (counts[-1], sum(counts[:-1]), len(counts)) == (1, 0, len(BOUNDS_S) + 1)


def test_a_running_detector_counts_every_stage_and_sink(
    scorer: Scorer,
    encounter: Callable[..., list[PoseFrame]],
    free_port: Callable[[], int],
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, port = free_address(), free_port()
    early: list[dict[tuple[str, ...], float]] = []

    def read_at_once(*arguments: Any) -> Sink:
        sink = open_metrics(*arguments)
        early.append(read(port))
        return sink

    monkeypatch.setattr(outputs, "open_metrics", read_at_once)
    config = Config(
        wire=WireOptions(bind=address), sinks=SinkOptions(bind=""), metrics=MetricsOptions(bind=f"127.0.0.1:{port}")
    )
    service = Service(scorer, Thresholds(raise_at=1.4, clear_at=1.0), config, {"kept": Kept()})
    assert early[0]["dyadwatch_queue_waiting", "windows"] == 0, "read before all sinks are there"
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        with PosePublisher(address, wait_s=30) as publisher:
            for frame in encounter(seconds=4.0):
                publisher.send(frame)
        until(lambda: read(port).get(("dyadwatch_stage_seconds_count", "track")) == 120, "all frames")
        until(lambda: read(port)["dyadwatch_stage_seconds_count", "queue"] > 5, "windows")
        found = read(port)
    finally:
        service.stop()
        thread.join(30)
    counted = {key[1] for key, value in found.items() if key[0] == "dyadwatch_stage_seconds_count" and value}
    assert counted == set(PathStage)
    assert {key[1] for key in found if key[0] == "dyadwatch_tell_seconds_count"} >= {"kept", "operator"}
    assert {key[1] for key in found if key[0] == "dyadwatch_queue_waiting"} >= {"messages", "windows", "kept"}
    assert found["dyadwatch_sink_working", "kept"] == 1
    assert found["dyadwatch_stage_seconds_sum", "queue"] > 0


def test_what_was_judged_is_published_though_its_times_cannot_be_counted(
    scorer: Scorer,
    encounter: Callable[..., list[PoseFrame]],
    free_port: Callable[[], int],
    until: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("queued")

    monkeypatch.setattr(StageTimes, "judged", broken)
    address, kept = free_address(), Kept()
    metrics = MetricsOptions(bind=f"127.0.0.1:{free_port()}")
    config = Config(wire=WireOptions(bind=address), sinks=SinkOptions(bind=""), metrics=metrics)
    service = Service(scorer, Thresholds(raise_at=1.4, clear_at=1.0), config, {"kept": kept})
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        with PosePublisher(address, wait_s=30) as publisher:
            for frame in encounter(seconds=4.0):
                publisher.send(frame)
        until(lambda: any(isinstance(m, ScoreMessage) for m in list(kept.all)), "scores")
    finally:
        service.stop()
        thread.join(30)
    counts = [counts for source, counts in service.counters.snapshot().items() if source in ("hall", "@detector")]
    assert not {"score_failed", "scoring_failed"} & {reason for of_source in counts for reason in of_source}
    assert "how long a batch took is not counted: KeyError: 'queued'" in caplog.text
