"""MQTT against a real mosquitto: states, discovery, buttons, and a broker that goes and comes back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import AttentionKind, DeliveryState, IncidentKind, IncidentReason, Severity, SourceState
from dyadwatch.stream.configuration.delivery_options import MqttOptions
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.mqtt import MqttCarrier
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.memory.kept import ActionKind

STATE = "dyadwatch/dyadwatch/sources/hall/state"
DEVICE = "homeassistant/device/dyadwatch_dyadwatch_hall/config"
AVAILABLE = "dyadwatch/dyadwatch/available"
COMMAND = "dyadwatch/dyadwatch/sources/hall/command"


def test_a_source_is_announced_and_its_state_follows(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status()])
    until(lambda: STATE in listener.retained, "the state")
    assert listener.retained[AVAILABLE] == b"online"
    device = listener.json(DEVICE)
    assert device["dev"] == {
        "ids": ["dyadwatch_dyadwatch_hall"],
        "name": "hall",
        "mf": "dyadwatch",
        "mdl": "pose source",
        "sw": "dyadwatch 0",
    }
    assert device["availability"] == [{"topic": AVAILABLE}]
    assert {key: part["p"] for key, part in device["cmps"].items()} == {
        "problem": "binary_sensor",
        "people": "sensor",
        "state": "sensor",
        "score": "sensor",
        "last_incident": "sensor",
        "acknowledge": "button",
        "snooze": "button",
    }
    problem, state = device["cmps"]["problem"], listener.json(STATE)
    assert (problem["state_topic"], problem["expire_after"]) == (STATE, 60)
    assert problem["value_template"] == "{{ value_json.problem }}"
    # every template names a key of the state
    assert all(
        p["value_template"].split(".")[1].strip(" }") in state for p in device["cmps"].values() if "state_topic" in p
    )
    assert (state["problem"], state["state"], state["people"], state["score"]) == ("OFF", "watching", 2, None)

    sink.emit([updates.incident()])
    until(lambda: listener.json(STATE)["problem"] == "ON", "the problem", 1.0)
    state = listener.json(STATE)
    assert (state["severity"], state["incidents"]) == ("alarm", ["1405dc"])
    assert state["last_incident"].startswith("hall: two people behave unusually since ")
    assert state["last_incident"].endswith("; right hand of 2 toward the head of 1")
    sink.emit([updates.incident(kind="close")])
    until(lambda: listener.json(STATE)["problem"] == "OFF", "the end", 1.0)
    topics = [topic for topic, _ in listener.heard if topic.startswith("dyadwatch/dyadwatch/inc")]
    until(lambda: len(listener.all_of("dyadwatch/dyadwatch/incidents")) == 2, "the updates")
    assert topics is not None


def test_components_are_announced_one_by_one_for_older_versions(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port, discovery="components", commands=False, node="east"))
    sink.emit([updates.status()])
    problem = "homeassistant/binary_sensor/dyadwatch_east_hall/problem/config"
    until(lambda: "homeassistant/sensor/dyadwatch_east_hall/last_incident/config" in listener.retained, "the last one")
    part = listener.json(problem)
    assert part["state_topic"] == "dyadwatch/east/sources/hall/state"
    assert part["unique_id"] == "dyadwatch_east_hall_problem"
    assert "p" not in part
    assert part["dev"]["ids"] == ["dyadwatch_east_hall"]
    assert not [topic for topic in listener.retained if topic.startswith("homeassistant/button")]


def test_a_silent_source_is_shown_by_its_incident_before_its_status(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status()])
    until(lambda: STATE in listener.retained, "the state")
    silent = updates.incident(
        "s", about=IncidentKind.SOURCE_SILENT, severity=Severity.NOTICE, people=(), pairs=(),
        explanation="source silent for 3 s",
    )  # fmt: skip
    sink.emit([silent])
    until(lambda: listener.json(STATE)["state"] == "silent", "the silence", 0.5)
    assert listener.json(STATE)["problem"] == "ON"
    assert listener.json(STATE)["why"] == "source silent for 3 s"
    sink.emit([updates.incident("s", "close", about=IncidentKind.SOURCE_SILENT, reason=IncidentReason.BACK)])
    until(lambda: listener.json(STATE)["state"] == "watching", "the recovery", 0.5)


def test_buttons_acknowledge_what_is_open_and_snooze_the_source(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any, around: Any, caplog: pytest.LogCaptureFixture
) -> None:
    sink, done = deliver(home=MqttOptions(port=broker.port, snooze_min=10)), around[1]
    sink.emit([updates.status(), updates.incident("a"), updates.incident("b")])
    until(lambda: listener.json(STATE).get("problem") == "ON", "the problem")
    press = listener.json(DEVICE)["cmps"]["acknowledge"]
    listener.client.publish(press["command_topic"], press["payload_press"], qos=1)
    until(lambda: len(done) == 2, "two actions")
    assert [(a.kind, a.incident, a.who) for a in done] == [(ActionKind.ACKNOWLEDGE, id_, "MQTT") for id_ in "ab"]
    sink.emit([updates.call(id_, AttentionKind.ACKNOWLEDGED, who="MQTT") for id_ in "ab"])
    until(lambda: listener.json(STATE)["acknowledged"], "that it is seen to")

    for command in ("snooze", "snooze 90", "snooze 0", "snooze tomorrow", "acknowledge 3", "", "\x00" * 9000):
        listener.client.publish(COMMAND, command, qos=1)
    until(lambda: len(done) == 5, "three more")
    until(lambda: caplog.text.count("is not known") == 4, "the complaints")
    assert [(a.kind, a.source, round((a.until - a.at) / 60e9)) for a in done[2:4]] == [
        (ActionKind.SNOOZE, "hall", 10),
        (ActionKind.SNOOZE, "hall", 90),
    ]
    assert done[4].until == 0
    assert "the command b'snooze tomorrow' for hall is not known; expected acknowledge, snooze or snooze MINUTES" in (
        caplog.text
    )


def test_retained_commands_and_commands_where_there_are_to_be_none_do_nothing(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any, around: Any
) -> None:
    listener.client.publish(COMMAND, "acknowledge", qos=1, retain=True)
    until(lambda: COMMAND in listener.retained, "the command")
    sink = deliver(home=MqttOptions(port=broker.port))
    mute = deliver_second(around, broker.port)
    sink.emit([updates.status(), updates.incident()])
    mute.show([updates.status(), updates.incident()])
    until(lambda: "dyadwatch/mute/sources/hall/state" in listener.retained, "the state")
    listener.client.publish("dyadwatch/mute/sources/hall/command", "acknowledge", qos=1)
    time.sleep(0.3)
    mute.close()
    assert around[1] == []


def deliver_second(around: Any, port: int) -> MqttCarrier:
    options = MqttOptions(port=port, node="mute", commands=False)
    return MqttCarrier("delivery.to.mute", options, Wording(options, {}), around[0], lambda: None)


def test_a_broker_that_is_down_for_a_while_gets_all_updates_in_order_and_once_and_all_states(
    deliver: Any, broker: Any, listen: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    heard = listen(broker.port, "keeper")  # a client for whom the broker keeps what it misses
    sink.emit([updates.status(), updates.incident("i0"), updates.call("i0")])
    until(lambda: len(heard.took()) == 2, "the first updates")
    broker.stop()
    for i in range(1, 6):
        sink.emit([updates.status(), updates.incident(f"i{i}"), updates.call(f"i{i}")])
        time.sleep(0.3)
    ((_, found, account),) = sink.states()
    assert found.code is DeliveryState.FAILING
    assert f"the broker 127.0.0.1:{broker.port} is not connected (" in str(found.detail["error"])
    assert account.waiting == 10
    broker.start()
    until(lambda: sink.states()[0][1].code is DeliveryState.READY, "all updates")
    until(lambda: "i5-2" in heard.took(), "all updates")
    # The broker may have stopped before it knew that its client, or the detector that it, has the last one: that comes
    # again with its key. What came meanwhile comes once.
    expected = [f"i{i}-{n}" for i in range(6) for n in (1, 2)]
    assert list(dict.fromkeys(heard.took())) == expected
    assert heard.took()[-10:] == expected[-10:]
    assert sink.states()[0][2].delivered == 12
    afresh = listen(broker.port)
    until(lambda: afresh.json(STATE).get("problem") == "ON" and AVAILABLE in afresh.retained, "the states")
    assert afresh.retained[AVAILABLE] == b"online"
    assert DEVICE in afresh.retained


def test_home_assistant_is_told_all_again_when_it_is_born(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status()])
    until(lambda: STATE in listener.retained, "the state")
    listener.heard.clear()
    listener.client.publish("homeassistant/status", "online", qos=1)
    until(lambda: {DEVICE, STATE} <= {topic for topic, _ in list(listener.heard)}, "all again")


def test_the_last_will_says_offline_and_so_does_an_end(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status()])
    until(lambda: listener.retained.get(AVAILABLE) == b"online", "the beginning")
    sink.close()
    until(lambda: listener.retained.get(AVAILABLE) == b"offline", "the end")


def test_a_late_last_will_of_an_earlier_run_is_put_right(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    deliver(home=MqttOptions(port=broker.port))
    until(lambda: listener.retained.get(AVAILABLE) == b"online", "the beginning")
    listener.heard.clear()
    listener.client.publish(AVAILABLE, "offline", qos=1, retain=True)
    until(lambda: [body for topic, body in listener.heard if topic == AVAILABLE] == [b"offline", b"online"], "the word")


def test_a_source_that_is_forgotten_is_removed(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyadwatch.stream.delivery.source_states._GONE_S", 0.5)
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status("hall"), updates.status("yard")])
    until(lambda: STATE in listener.retained, "the state")

    def gone() -> bool:
        sink.emit([updates.status("yard")])
        sink.idle()
        return STATE not in listener.retained and DEVICE not in listener.retained

    until(gone, "the removal")
    assert "dyadwatch/dyadwatch/sources/yard/state" in listener.retained


def test_a_source_that_goes_while_the_broker_is_away_is_removed_once_it_is_back(
    deliver: Any, broker: Any, listen: Any, updates: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyadwatch.stream.delivery.source_states._GONE_S", 0.5)
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status("hall"), updates.status("yard")])
    before = listen(broker.port)
    until(lambda: {STATE, DEVICE} <= before.retained.keys(), "the state")
    broker.stop()
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        sink.emit([updates.status("yard")])
        sink.idle()
        time.sleep(0.05)
    broker.start()

    def gone() -> bool:
        sink.emit([updates.status("yard")])
        sink.idle()
        afresh = listen(broker.port)
        until(lambda: AVAILABLE in afresh.retained, "what the broker holds")
        return afresh.retained[AVAILABLE] == b"online" and not {STATE, DEVICE} & afresh.retained.keys()

    until(gone, "the removal")


def test_what_is_not_removed_because_the_connection_is_lost_again_is_removed_later(
    around: Any, broker: Any, updates: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = MqttOptions(port=broker.port)
    carrier = MqttCarrier("delivery.to.home", options, Wording(options, {}), around[0], lambda: None)
    until(lambda: carrier._up, "the connection")
    carrier.show([updates.status("attic")])
    carrier._to_remove = {"attic", "hall", "yard"}

    def lose(topic: str, *_: Any, **__: Any) -> None:
        carrier._up = "_hall" not in topic and carrier._up

    with monkeypatch.context() as m:
        m.setattr(carrier._client, "publish", lose)
        carrier._show_all()
    assert carrier._to_remove == {"yard"}, "the attic is there again, and the client sends the hall's removal"
    carrier._up = True
    carrier._show_all()
    assert carrier._to_remove == set()
    carrier.close()


def test_what_was_announced_otherwise_or_of_a_source_that_is_not_wanted_goes(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    first = deliver(home=MqttOptions(port=broker.port, discovery="components"))
    first.emit([updates.status("hall"), updates.status("yard")])
    components = "homeassistant/button/dyadwatch_dyadwatch_{}/snooze/config"
    until(lambda: {components.format("hall"), components.format("yard")} <= listener.retained.keys(), "both")
    first.close()
    second = deliver(home=MqttOptions(port=broker.port, sources=("hall",)))
    second.emit([updates.status("hall"), updates.status("yard")])
    until(lambda: DEVICE in listener.retained, "the device")
    until(lambda: {t for t in listener.retained if "dyadwatch_d" in t or "/sources/" in t} == {DEVICE, STATE}, "all")


def test_an_incident_in_shadow_is_no_problem(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status(shadow=True), updates.incident(shadow=True)])
    until(lambda: listener.json(STATE).get("incidents") == ["1405dc"], "the incident")
    state = listener.json(STATE)
    assert (state["problem"], state["severity"], state["shadow"]) == ("OFF", "none", True)
    assert state["last_incident"].startswith("hall: two people behave unusually since ")
    sink.emit([updates.status(), updates.incident(kind="update")])  # the trial is over, and the incident goes on
    until(lambda: listener.json(STATE)["problem"] == "ON", "the problem", 2.0)
    assert listener.json(STATE)["shadow"] is False


def test_sources_of_an_earlier_run_are_shown_as_silent_and_then_removed(
    around: Any, broker: Any, listener: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyadwatch.stream.delivery.mqtt._ABSENT_S", 0.3)
    listener.client.publish(STATE, json.dumps({"state": "watching"}), qos=1, retain=True)
    listener.client.publish(DEVICE, "{}", qos=1, retain=True)
    until(lambda: DEVICE in listener.retained, "the past")
    options = MqttOptions(port=broker.port)
    short = Surroundings(around[0].act, 1.5, "dyadwatch 0")
    carrier = MqttCarrier("delivery.to.home", options, Wording(options, {}), short, lambda: None)

    def ticked(holds: Any) -> Any:
        carrier.tick()
        return holds()

    until(lambda: ticked(lambda: listener.json(STATE).get("state") == "silent"), "the silence")
    assert listener.json(STATE)["why"] == "nothing has come from it since the detector started"
    until(lambda: ticked(lambda: STATE not in listener.retained and DEVICE not in listener.retained), "the removal")
    carrier.close()


def test_states_are_published_again_before_they_expire(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port, expire_s=1.5))

    def told() -> bool:
        sink.emit([updates.status()])
        sink.idle()
        return len(listener.all_of(STATE)) >= 3

    until(told, "three states")


def test_a_password_is_used_and_a_wrong_one_is_named_as_the_cause(
    tmp_path: Path, deliver: Any, make_broker: Any, updates: Any, until: Any
) -> None:
    broker = make_broker("carer", "right")
    secret = tmp_path / "secret"
    secret.write_text("wrong")
    sink = deliver(home=MqttOptions(port=broker.port, user="carer", password_file=str(secret)))
    sink.emit([updates.incident()])
    until(lambda: "ot authori" in str(sink.states()[0][1].detail.get("error")), "the refusal")
    sink.close()
    secret.write_text("right\n")
    sink = deliver(home=MqttOptions(port=broker.port, user="carer", password_file=str(secret)))
    until(lambda: sink.states()[0][2].delivered == 1, "what waited")


def test_a_certificate_that_cannot_be_used(around: Any, tmp_path: Path) -> None:
    options = MqttOptions(tls=True, ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError) as caught:
        MqttCarrier("delivery.to.home", options, Wording(options, {}), around[0], lambda: None)
    assert str(caught.value) == (
        f"delivery.to.home.ca_file is {tmp_path / 'none.pem'}, which cannot be used ([Errno 2] No such file or "
        "directory); expected a file of certificates"
    )


def test_a_target_of_some_sources_shows_no_other(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port, sources=("hall",)))
    until(lambda: listener.retained.get(AVAILABLE) == b"online", "the connection")
    sink.emit([updates.status("yard"), updates.incident(source="yard"), updates.status("hall")])
    until(lambda: STATE in listener.retained, "the state")
    assert [topic for topic in listener.retained if "yard" in topic] == []
    assert listener.all_of("dyadwatch/dyadwatch/incidents") == []


def test_numbers_alone_are_published_at_most_once_a_second(
    deliver: Any, broker: Any, listener: Any, updates: Any, until: Any
) -> None:
    sink = deliver(home=MqttOptions(port=broker.port))
    sink.emit([updates.status()])
    until(lambda: STATE in listener.retained, "the state")
    began = time.monotonic()
    while time.monotonic() - began < 2.5:
        sink.emit([updates.status(people=int(time.monotonic() * 1000))])
        sink.idle()
        time.sleep(0.01)
    assert 2 <= len(listener.all_of(STATE)) <= 5
    sink.emit([updates.status(state=SourceState.BLIND)])
    until(lambda: listener.json(STATE)["state"] == "blind", "the change", 0.5)
