"""What Prometheus reads, through real HTTP."""

from __future__ import annotations

import json
import re
import urllib.request
from importlib.resources import files
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import DeliveryLoss, DeliveryState, SourceState
from dyadwatch.stream.configuration.delivery_options import MetricsOptions
from dyadwatch.stream.delivery.metrics import Figures, MetricsSink
from dyadwatch.stream.messages import DeliveryNow, ScoreMessage


def read(port: int) -> dict[tuple[str, ...], float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_figures_are_those_of_the_messages(updates: Any) -> None:
    sink = MetricsSink(MetricsOptions(bind="127.0.0.1:0"), lambda: {"windows": 3, "zmq": 0})
    target = DeliveryNow(
        name="home", code=DeliveryState.FAILING, detail={}, text="", waiting=4, since=5_000_000_000, delivered=7,
        dropped={DeliveryLoss.REFUSED: 2},
    )  # fmt: skip
    score = ScoreMessage(
        source="hall", pair=(1, 2), start=0, end=1, score=1.0, relation=1.0, unusual=1.0, model="m", latency_ms=40.0
    )
    sink.emit([score, updates.status(dropped={"late": 5}), updates.status("@detector", deliveries=(target,))])
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
    figures = Figures(dict, lambda: now)
    figures.take([updates.status("hall"), updates.status("yard")])
    now = 10.0
    figures.take([updates.status("yard")])
    now = 16.0
    told = {sample.labels.get("source") for family in figures.collect() for sample in family.samples}
    assert told == {"yard"}


def test_a_port_that_is_taken_is_named(updates: Any) -> None:
    sink = MetricsSink(MetricsOptions(bind="127.0.0.1:0"), dict)
    with pytest.raises(ConfigError) as caught:
        MetricsSink(MetricsOptions(bind=f"127.0.0.1:{sink.port}"), dict)
    sink.close()
    assert str(caught.value) == (
        f"metrics.bind is 127.0.0.1:{sink.port}, which cannot be bound (Address already in use); expected a free port"
    )


def test_the_dashboard_asks_for_figures_that_there_are(updates: Any) -> None:
    board = json.loads(files("dyadwatch.stream.delivery").joinpath("grafana.json").read_text("utf8"))
    figures = Figures(dict)
    names = {f"{family.name}{'_total' * (family.type == 'counter')}" for family in figures.collect()}
    names |= {"dyadwatch_score_latency_seconds_bucket"}
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    wanted = {name for expression in asked for name in re.findall(r"dyadwatch_\w+", expression)}
    assert wanted
    assert wanted <= names
