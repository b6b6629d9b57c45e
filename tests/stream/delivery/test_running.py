"""A detector that delivers: real sockets, a real broker, a real HTTP server, and the memory between."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError, DeliveryError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.configuration.config import Config, LivenessOptions, MemoryOptions, SinkOptions, WireOptions
from dyadwatch.stream.configuration.delivery_options import (
    DeliveryOptions,
    MqttOptions,
    PushOptions,
    Target,
    WebhookOptions,
)
from dyadwatch.stream.memory.kept import ActionKind
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.messages import Message, StatusMessage
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service

STATE = "dyadwatch/dyadwatch/sources/hall/state"
Frames = Callable[..., list[PoseFrame]]


class Statuses:
    """A sink that keeps the latest status of each source."""

    def __init__(self) -> None:
        self.of: dict[str, StatusMessage] = {}

    def emit(self, messages: Sequence[Message]) -> None:
        self.of |= {m.source: m for m in messages if isinstance(m, StatusMessage)}

    def close(self) -> None:
        """Nothing is held."""


@contextmanager
def running(scorer: Scorer, config: Config) -> Iterator[tuple[Statuses, str]]:
    """A detector in a thread; gives its statuses and where it listens."""
    address, statuses = free_address(), Statuses()
    bound = structs.replace(config, wire=WireOptions(bind=address), sinks=SinkOptions(bind="", status_s=0.1))
    service = Service(scorer, Thresholds(raise_at=1.4, clear_at=1.0), bound, {"statuses": statuses})
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield statuses, address
    finally:
        service.stop()
        thread.join(30)
        assert not thread.is_alive()
        assert service.left_behind == []


def test_an_alarm_is_delivered_acknowledged_by_a_button_and_a_dead_source_is_seen(
    scorer: Scorer, encounter: Frames, tmp_path: Path, broker: Any, listener: Any, server: Any, until: Any
) -> None:
    memory = tmp_path / "incidents.db"
    targets: dict[str, Target] = {
        "home": MqttOptions(port=broker.port),
        "hook": WebhookOptions(url=server.url, picture=True),
    }
    config = Config(
        memory=MemoryOptions(file=str(memory)),
        delivery=DeliveryOptions(to=targets, names={"hall": "Room hall"}),
        liveness=LivenessOptions(expected=["hall"]),
    )
    with running(scorer, config) as (statuses, address):
        with PosePublisher(address, wait_s=30) as publisher:
            for frame in encounter(seconds=5.0):
                publisher.send(frame)
            died = time.monotonic()
            until(lambda: listener.json(STATE).get("problem") == "ON", "the problem")
            opened = listener.json(STATE)["incidents"][0]
            device = listener.json("homeassistant/device/dyadwatch_dyadwatch_hall/config")
            assert device["dev"]["name"] == "Room hall"
            button = device["cmps"]["acknowledge"]
            listener.client.publish(button["command_topic"], button["payload_press"], qos=1)
            until(
                lambda: listener.json(STATE)["acknowledged"] or len(listener.json(STATE)["incidents"]) > 1, "the answer"
            )
        until(lambda: listener.json(STATE)["state"] == "silent", "the silence", 30)
        silence = time.monotonic() - died
        assert silence > 2.9  # and at most 3.5 on a machine that does nothing else
        until(lambda: (own := statuses.of.get("@detector")) and own.deliveries, "the state of the deliveries")
        assert {d.name for d in statuses.of["@detector"].deliveries} == {"home", "hook"}
        assert all(d.code != "failing" for d in statuses.of["@detector"].deliveries)
        with Store(memory) as store:
            actions = store.actions(incident=opened)
        assert [(a.kind, a.who) for a in actions] == [(ActionKind.ACKNOWLEDGE, "MQTT")]
    until(lambda: listener.retained["dyadwatch/dyadwatch/available"] == b"offline", "the end")
    heard = [m["key"] for m in listener.all_of("dyadwatch/dyadwatch/incidents")]
    taken = [key for key in server.took() if key in heard]
    assert heard == taken
    assert len(set(server.took())) == len(server.took())
    assert {f"{opened}-1", f"{opened}-2"} <= set(server.took())
    bodies = [json.loads(body) for _, body in server.taken]
    pictured = {body["key"] for body in bodies if body.get("picture", "").startswith("data:image/png;base64,")}
    assert f"{opened}-1" in pictured  # it opened, and the call about it
    assert {b["key"] for b in bodies if b["message"].get("what") == "call" and opened in b["message"]["incidents"]} & (
        pictured
    )
    assert all("picture" not in m for m in listener.all_of("dyadwatch/dyadwatch/incidents"))


def test_an_alarm_reaches_a_device_that_was_added_while_the_detector_runs(
    scorer: Scorer, encounter: Frames, tmp_path: Path, service: Any, until: Any
) -> None:
    target = PushOptions(contact="mailto:me@example.org", services=(f"localhost:{service.port}",))
    config = Config(
        memory=MemoryOptions(file=str(tmp_path / "incidents.db")),
        delivery=DeliveryOptions(to={"phones": target}, names={"hall": "Room hall"}),
    )
    agent = service.user_agent("push/a")
    with running(scorer, config) as (statuses, address):
        with DeviceFile(tmp_path / "push.db") as devices:
            devices.add(agent.device)
        with PosePublisher(address, wait_s=30) as publisher:
            for frame in encounter(seconds=5.0):
                publisher.send(frame)
        until(lambda: service.taken, "the call")
        until(lambda: (own := statuses.of.get("@detector")) and own.deliveries[0].delivered, "the state")
    messages = [agent.read(body) for _, body in service.taken]
    assert messages[0]["title"] == "Room hall: please look"
    assert messages[0]["loud"]
    with Store(tmp_path / "incidents.db") as store:
        assert store.incident(messages[0]["link"].removeprefix("/#/incident/")).message.source == "hall"
    assert len({m["key"] for m in messages}) == len(messages)


def test_a_detector_without_a_place_for_the_spool_says_so(scorer: Scorer, tmp_path: Path) -> None:
    def start(config: Config) -> None:
        bound = structs.replace(config, wire=WireOptions(bind=free_address()), sinks=SinkOptions(bind=""))
        Service(scorer, Thresholds(2.0, 1.0), bound)

    to: dict[str, Target] = {"hook": WebhookOptions(url="http://127.0.0.1:9/")}
    with pytest.raises(ConfigError) as caught:
        start(Config(delivery=DeliveryOptions(to=to)))
    assert str(caught.value) == (
        "delivery.file is empty, and no incidents are kept beside which it could lie; expected a file such as "
        "delivery.db, or memory.file"
    )
    (tmp_path / "text").write_text("no spool" * 100)
    with pytest.raises(DeliveryError, match="expected a spool of dyadwatch, or no file"):
        start(Config(delivery=DeliveryOptions(to=to, file=str(tmp_path / "text"))))
