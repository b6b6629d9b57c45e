"""Push messages through a real HTTPS push service, which checks signatures, to devices that decrypt what they get."""

from __future__ import annotations

import base64
import contextlib
import json
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import http_ece
import pytest
from msgspec import structs
from py_vapid import Vapid02

from dyadwatch.core.errors import ConfigError, DeliveryError, UnreachableError
from dyadwatch.stream.codes import AttentionKind, DeliveryLoss, DeliveryState, Severity
from dyadwatch.stream.configuration.config_file import parse_config
from dyadwatch.stream.configuration.delivery_options import DeliveryOptions, PushOptions
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.push_carriers import EveryDeviceCarrier
from dyadwatch.stream.delivery.push_message import push_body
from dyadwatch.stream.delivery.sink import DeliverySink
from dyadwatch.stream.delivery.spool import Spool
from dyadwatch.stream.delivery.spool_file import SpoolFile
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.push.device_file import MOST_OF_ONE, DeviceFile
from dyadwatch.stream.push.push_services import service_of
from dyadwatch.stream.push.signing import SigningKey
from dyadwatch.stream.texts import text_of

CONTACT = "mailto:me@example.org"
DEFAULT = PushOptions(contact=CONTACT).services


@pytest.fixture
def devices(tmp_path: Path) -> Iterator[DeviceFile]:
    with DeviceFile(tmp_path / "push.db") as file:
        yield file


@pytest.fixture
def start(tmp_path: Path, service: Any) -> Iterator[Callable[..., DeliverySink]]:
    """A sink that pushes to the devices of `push.db` at the service of the tests, from `spool.db`."""
    made: list[DeliverySink] = []

    def begin(**more: Any) -> DeliverySink:
        more = {"services": (f"localhost:{service.port}",), **more}
        options = DeliveryOptions(to={"push": PushOptions(contact=CONTACT, **more)})
        around = Surroundings(lambda action: None, 3600.0, "dyadwatch 0", tmp_path / "push.db")
        made.append(DeliverySink(options, Spool(SpoolFile(tmp_path / "spool.db"), options), around))
        return made[-1]

    yield begin
    for one in made:
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed by the test
            one.close()


def subscribe(devices: DeviceFile, service: Any, path: str = "push/a", **more: Any) -> Any:
    agent = service.user_agent(path, **more)
    devices.add(agent.device)
    return agent


def taken_by(service: Any, agent: Any) -> list[Any]:
    """What a device was sent and took, decrypted."""
    of = [request for path, request in zip(service.paths, service.asked, strict=True) if path == agent.path]
    return [agent.read(body) for headers, body in of if (headers, body) in service.taken]


def account(sink: DeliverySink) -> Any:
    return sink.states()[0][2]


def test_a_call_reaches_the_device_encrypted_and_signed(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    agent = subscribe(devices, service)
    service.answers = [201]  # what push services answer
    sink = start()
    sink.emit([updates.incident()])  # not asked for: `send` is calls
    sink.emit([updates.call(severity=Severity.CRITICAL)])
    until(lambda: account(sink).delivered == 1, "the call")
    ((headers, body),) = service.taken
    assert b"hall" not in body
    assert (headers["content-encoding"], headers["ttl"], headers["urgency"]) == ("aes128gcm", "86400", "high")
    assert len(headers["topic"]) == 32
    assert "1405dc" not in headers["topic"]
    schema, _, parts = headers["authorization"].partition(" ")
    assert schema == "vapid"
    token, key = (part.split("=", 1)[1] for part in parts.split(","))
    assert key == SigningKey(devices).public
    assert Vapid02.verify(headers["authorization"])
    assert not Vapid02.verify(f"vapid t={token},k={SigningKey(DeviceFile(devices.path.with_name('x.db'))).public}")
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["aud"], claims["sub"]) == (f"https://localhost:{service.port}", CONTACT)
    assert 0 < claims["exp"] - time.time() <= 24 * 3600
    message = agent.read(body)
    assert message["text"].startswith("hall: two people behave unusually since ")
    assert message["title"] == "hall: please look (critical)"
    assert {k: message[k] for k in ("key", "number", "tag", "link", "loud")} == {
        "key": "1405dc-1", "number": 1, "tag": "1405dc", "link": "/#/incident/1405dc", "loud": True,
    }  # fmt: skip
    with pytest.raises(http_ece.ECEException, match="Decryption error"):
        service.user_agent("y").read(body)
    assert devices.all()[0].succeeded > 0


def test_how_it_goes_takes_the_place_of_the_call_quietly_by_the_same_topic(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    agent = subscribe(devices, service)
    other = subscribe(devices, service, "push/b")
    sink = start()
    sink.emit([updates.call(), updates.call(what=AttentionKind.ESCALATED)])
    sink.emit([updates.call(what=AttentionKind.CLEARED), updates.call("another")])
    until(lambda: account(sink).delivered == 8, "all, at both")
    for one in (agent, other):
        told = taken_by(service, one)
        assert [m["key"] for m in told] == ["1405dc-1", "1405dc-2", "1405dc-3", "another-1"]
        assert [m["tag"] for m in told] == ["1405dc"] * 3 + ["another"]
        assert [m["loud"] for m in told] == [True, True, False, True]
    topics = [
        [h["topic"] for p, (h, _) in zip(service.paths, service.asked, strict=True) if p == one.path]
        for one in (agent, other)
    ]
    assert all(of[0] == of[1] == of[2] != of[3] for of in topics)
    assert set(topics[0]).isdisjoint(topics[1]), "two devices are not known to hear of one incident"
    assert {h["urgency"] for h, _ in service.asked} == {"high", "normal"}


def test_every_message_is_of_one_size(updates: Any) -> None:
    options = PushOptions(contact=CONTACT)
    small = Parcel(key="a-1", number=1, at=updates.at, message=updates.call("a"), about=updates.incident("a"))
    large = structs.replace(small, key="a-22", number=22, about=updates.incident("a", source="a_hall_with_a_long_name"))
    assert len(push_body(small, Wording(options, {}))) == len(push_body(large, Wording(options, {}))) == 512
    long = PushOptions(contact=CONTACT, title="{place}" * 500, text="ü" * 5000)
    body = push_body(small, Wording(long, {}))
    assert len(body) % 512 == 0
    assert len(body) < 3000
    assert json.loads(body)["text"].endswith("ü…")


def test_a_service_that_fails_for_a_while_loses_and_doubles_nothing_and_holds_up_no_other(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    slow, good = subscribe(devices, service, "push/slow"), subscribe(devices, service, "push/good")
    service.of_path[slow.path] = 500
    sink = start()
    for i in range(4):
        sink.emit([updates.call(f"i{i}"), updates.call(f"i{i}", what=AttentionKind.CLEARED)])
    until(lambda: len(taken_by(service, good)) == 8, "what is for the other")
    until(lambda: account(sink).delivered == 8, "its account")
    found = sink.states()[0][1]
    assert found.code is DeliveryState.FAILING
    expected = f"https://localhost:{service.port} answered 500 Internal Server Error"
    assert {k: found.detail[k] for k in ("error", "failing", "receivers")} == {
        "error": expected, "failing": 1, "receivers": 2,
    }  # fmt: skip
    assert f" s: 1 of 2 devices: {expected}; 8 updates wait" in text_of(found)
    assert account(sink).waiting == 8
    of = {d.id: d for d in devices.all()}
    assert of[slow.device.id].error == expected
    assert of[slow.device.id].failed > 0 == of[slow.device.id].succeeded
    sink.close()
    sink = start()  # a detector that starts again knows what each device has
    del service.of_path[slow.path]
    until(lambda: account(sink).delivered == 16, "what waited")
    keys = [f"i{i}-{n}" for i in range(4) for n in (1, 2)]
    assert [m["key"] for m in taken_by(service, slow)] == [m["key"] for m in taken_by(service, good)] == keys
    assert sink.states()[0][1].code is DeliveryState.READY
    assert devices.all()[0].error == ""


def test_a_device_that_fails_takes_no_other_the_last_moment_of_a_stop(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyadwatch.stream.delivery.sink._LAST_S", 20.0)  # the machine may be busy
    slow, good = subscribe(devices, service, "push/slow"), subscribe(devices, service, "push/good")
    service.of_path[slow.path] = 500
    sink = start()
    sink.emit([updates.call("a")])
    until(lambda: len(taken_by(service, good)) == 1 and sink.states()[0][1].code is DeliveryState.FAILING, "a failure")
    sink.emit([updates.call(f"i{i}") for i in range(4)])
    sink.close()
    assert [m["key"] for m in taken_by(service, good)] == ["a-1", "i0-1", "i1-1", "i2-1", "i3-1"]


def test_while_the_devices_cannot_be_read_what_waits_is_counted(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    subscribe(devices, service)
    sink = start()
    sink.emit([updates.call("a")])
    until(lambda: account(sink).delivered == 1, "the first")
    service.always = 500
    sink.emit([updates.call("b")])
    until(lambda: service.paths.count("/push/a") > 1, "a failure")
    with contextlib.closing(sqlite3.connect(devices.path)) as db:
        db.execute("ALTER TABLE devices RENAME TO elsewhere")
    sink.idle()
    _, found, counted = sink.states()[0]
    assert (found.code, counted.delivered, counted.waiting) == (DeliveryState.FAILING, 1, 1)
    assert "push.db cannot be used (no such table: devices); expected a file of devices" in str(found.detail["error"])


def test_what_a_push_service_says_in_its_body_is_not_waited_for(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    subscribe(devices, service)
    service.promised = 100
    sink = start()
    sink.emit([updates.call()])
    until(lambda: service.asked and account(sink).waiting == 0, "the call")
    assert len(service.asked) == 1
    assert devices.all()[0].error == ""


@pytest.mark.parametrize("contact", [CONTACT, "https://example.org", "https://example.org/contact"])
def test_whatever_contact_the_configuration_takes_is_signed(devices: DeviceFile, contact: str) -> None:
    parse_config(f"delivery: {{file: x.db, to: {{a: {{kind: push, contact: '{contact}'}}}}}}", "site.yaml")
    signed = SigningKey(devices).authorization("https://x.org", contact)
    assert signed.startswith("vapid t=")
    assert Vapid02.verify(signed)


@pytest.mark.parametrize("status", [404, 410])
def test_a_device_that_its_push_service_does_not_know_any_more_is_removed(
    start: Any,
    service: Any,
    devices: DeviceFile,
    updates: Any,
    until: Any,
    status: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone, good = subscribe(devices, service, "push/gone"), subscribe(devices, service, "push/good")
    service.of_path[gone.path] = status
    sink = start()
    sink.emit([updates.call("a"), updates.call("b"), updates.call("c")])
    until(lambda: account(sink).dropped == {DeliveryLoss.GONE: 3}, "the end of what waited")
    assert [d.id for d in devices.all()] == [good.device.id]
    assert service.paths.count(gone.path) == 1, "it is asked once"
    assert f"answered {status}" in caplog.text
    assert not any(gone.path in r.getMessage() for r in caplog.records if r.name.startswith("dyadwatch"))
    until(lambda: account(sink).delivered == 3, "the other")
    sink.emit([updates.call("d")])
    until(lambda: account(sink).delivered == 4, "the next, for the one who is there")
    assert sink.states()[0][1].code is DeliveryState.READY


def test_a_message_that_is_refused_for_good_is_left_out_and_the_device_stays(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    subscribe(devices, service)
    service.answers = [400]
    sink = start()
    sink.emit([updates.call("a"), updates.call("b")])
    until(lambda: account(sink).delivered == 1, "the other one")
    assert account(sink).dropped == {DeliveryLoss.REFUSED: 1}
    assert len(devices.all()) == 1


def test_devices_come_and_go_while_the_detector_runs(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    sink = start()
    sink.emit([updates.call("before")])
    assert account(sink).waiting == 0
    agent = subscribe(devices, service)
    sink.emit([updates.call("a")])
    until(lambda: account(sink).delivered == 1, "the first")
    service.always = 500
    sink.emit([updates.call("b")])
    until(lambda: account(sink).waiting == 1 and devices.all()[0].failed, "a failure")
    devices.remove(agent.device.id)
    sink.idle()
    until(lambda: account(sink).dropped == {DeliveryLoss.GONE: 1}, "the end of what waited")
    sink.idle()
    assert sink.states()[0][1].code is DeliveryState.READY
    assert [m["key"] for m in taken_by(service, agent)] == ["a-1"]


def test_what_waits_for_a_device_that_was_removed_while_no_detector_ran_goes(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    agent = subscribe(devices, service)
    service.always = 500
    sink = start()
    sink.emit([updates.call("a"), updates.call("b")])
    until(lambda: service.asked, "a try")
    sink.close()
    devices.remove(agent.device.id)
    service.always = None
    sink = start()
    until(lambda: account(sink).dropped == {DeliveryLoss.GONE: 2}, "the end of what waited")
    assert service.taken == []


def test_a_device_whose_token_has_ended_is_told_nothing(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    ended = service.user_agent("push/ended").device
    devices.add(structs.replace(ended, until=time.time_ns()))
    subscribe(devices, service, "push/good")
    sink = start()
    sink.emit([updates.call()])
    until(lambda: account(sink).delivered == 1, "the other")
    assert service.paths == ["/push/good"]


def test_each_device_has_a_severity_of_its_own_within_that_of_the_target(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    all_of_it = subscribe(devices, service, "push/all")
    grave = subscribe(devices, service, "push/grave", least=Severity.CRITICAL)
    sink = start(least=Severity.ALARM, sources=("hall",), hours=("mon-sun 00:00-24:00",))
    for severity in Severity:
        sink.emit([updates.call(str(severity), severity=severity), updates.call("x", source="yard", severity=severity)])
    sink.emit([updates.call("critical", what=AttentionKind.CLEARED, severity=Severity.NOTICE)])
    until(lambda: account(sink).delivered == 5, "all")
    assert [m["key"] for m in taken_by(service, all_of_it)] == ["alarm-1", "critical-1", "critical-2"]
    assert [m["key"] for m in taken_by(service, grave)] == ["critical-1", "critical-2"], "and that it is over"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/fcm/send/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "https://169.254.169.254/latest/meta-data",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://user@fcm.googleapis.com/x",
        "https://fcm.googleapis.com.example.org/x",
        "https://evilpush.apple.com.example.org/x",
        "https://push.apple.com/x",
        "https://evil-push.apple.com/x",
        "https://example.org\\@fcm.googleapis.com/x",
        "https://example.org#@fcm.googleapis.com/x",
        "https://fcm.googleapis.com\n.example.org/x",
        "https://fcm.googleapis.com:99999/x",
        "https://[fe80::1%x.push.apple.com]/a",
        "https://evil.com%2f.push.apple.com/",
        "https://.push.apple.com/",
        "https://ｆcm.googleapis.com/x",
        "file:///etc/passwd",
        "",
        "https://fcm.googleapis.com/" + "x" * 3000,
    ],
)
def test_no_device_makes_the_detector_connect_to_another_host(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"the endpoint is no address at fcm\.googleapis\.com, updates") as caught:
        service_of(endpoint, DEFAULT)
    assert "passwd" not in str(caught.value)


def test_the_push_services_of_browsers_are_known() -> None:
    for endpoint, service in {
        "https://fcm.googleapis.com/fcm/send/x:y": "https://fcm.googleapis.com",
        "https://FCM.googleapis.com:443/x": "https://fcm.googleapis.com",
        "https://updates.push.services.mozilla.com/wpush/v2/x": "https://updates.push.services.mozilla.com",
        "https://web.push.apple.com/x": "https://web.push.apple.com",
        "https://wns2-par02p.notify.windows.com/w/?token=x": "https://wns2-par02p.notify.windows.com",
    }.items():
        assert service_of(endpoint, DEFAULT) == service


def test_the_usual_port_may_be_named() -> None:
    for services in (("Push.example.org:443",), ("*.example.org:443",)):
        assert service_of("https://push.example.org/x", services) == "https://push.example.org"
        with pytest.raises(ConfigError, match=r"lies at https://push\.example\.org:8443"):
            service_of("https://push.example.org:8443/x", services)


def test_what_no_request_can_be_made_to_is_refused_for_good(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    devices.add(structs.replace(service.user_agent("a").device, endpoint="https://999.1.1.1/x"))
    sink = start(services=("999.1.1.1",))
    sink.emit([updates.call()])
    until(lambda: account(sink).dropped == {DeliveryLoss.REFUSED: 1}, "the refusal")
    assert "the endpoint is no address at https://999.1.1.1 (" in devices.all()[0].error


def test_a_device_that_lies_elsewhere_by_now_is_not_asked(
    start: Any, service: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    subscribe(devices, service)
    sink = start(services=DEFAULT)  # the configuration has changed since it was added
    sink.emit([updates.call()])
    until(lambda: account(sink).dropped == {DeliveryLoss.REFUSED: 1}, "the refusal")
    assert service.asked == []


def test_a_redirect_leads_nowhere(
    start: Any, service: Any, server: Any, devices: DeviceFile, updates: Any, until: Any
) -> None:
    subscribe(devices, service)
    service.answers = [307]
    sink = start()
    sink.emit([updates.call()])
    until(lambda: account(sink).delivered == 1, "the second try")
    assert len(service.asked) == 2
    assert devices.all()[0].failed > 0


def test_the_file_is_for_its_owner_alone_and_keeps_its_key(tmp_path: Path, service: Any) -> None:
    path = tmp_path / "push.db"
    with DeviceFile(path) as file, DeviceFile(path) as second:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert SigningKey(file).public == SigningKey(second).public
        for i in range(MOST_OF_ONE):
            file.add(service.user_agent(f"a/{i}").device)
        first = file.all()[0]
        file.succeeded(first.id, 5)
        file.failed(first.id, 6, "why")
        again = service.user_agent("a/0", who="bea", least=Severity.ALARM).device
        second.add(structs.replace(again, name="tablet", token=2, until=3))
        now = structs.replace(again, name="tablet", token=2, until=3, since=first.since)
        assert file.get(again.id) == structs.replace(now, succeeded=5, failed=6, error="why"), "its past stays"
        second.add(structs.replace(again, who="ann"))
        with pytest.raises(
            ConfigError, match="20 devices of ann are notified and 20 in all; expected fewer than 20 and 100"
        ):
            file.add(service.user_agent("a/more").device)
        file.add(service.user_agent("b/1", who="bea").device)
        file.remove(first.id)
        with contextlib.closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE devices SET least = 'dire' WHERE who = 'bea'")
            db.commit()
        with pytest.raises(DeliveryError, match=r"push.db cannot be used \(Invalid enum value 'dire'.*expected a file"):
            second.all()
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o600 for p in tmp_path.iterdir())
    other = tmp_path / "spool.db"
    SpoolFile(other).close()
    with pytest.raises(DeliveryError, match=r"spool.db holds no devices of this version of dyadwatch; name another"):
        DeviceFile(other)
    (tmp_path / "text").write_text("no database at all, but long enough to be taken for one" * 30)
    with pytest.raises(
        DeliveryError, match=r"text cannot be used \(file is not a database\); expected a file of devices"
    ):
        DeviceFile(tmp_path / "text")


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("{kind: push}", "contact"),
        ("{kind: push, contact: me}", "expected an address such as mailto:me@example.org or https://example.org"),
        ("{kind: push, contact: 'mailto:a@b.org', picture: true}", "expected false: a push message has no room"),
        ("{kind: push, contact: 'mailto:a@b.org', services: ['https://x.org']}",
         "each a host such as push.example.org, without https://"),
        ("{kind: push, contact: 'mailto:a@b.org'}, b: {kind: push, contact: 'mailto:a@b.org'}",
         "expected one target of this kind; a is one"),
    ],
)  # fmt: skip
def test_what_the_configuration_may_say(target: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"delivery: {{file: x.db, to: {{a: {target}}}}}", "site.yaml")
    assert text in str(caught.value)


def test_every_device_is_tried_at_once(service: Any, devices: DeviceFile, updates: Any) -> None:
    good, bad = subscribe(devices, service, "push/good"), subscribe(devices, service, "push/bad")
    service.of_path[bad.path] = 500
    options = PushOptions(contact=CONTACT, services=(f"localhost:{service.port}",))
    carrier = EveryDeviceCarrier(options, Wording(options, {}), devices.path)
    parcel = Parcel(key="test-1", number=1, at=updates.at, message=updates.call(), test=True)
    with pytest.raises(UnreachableError) as caught:
        carrier.send(parcel)
    assert str(caught.value).startswith("1 of 2 devices: phone of ann: https://localhost:")
    del service.of_path[bad.path]
    carrier.send(parcel)
    carrier.close()
    assert [(m["tag"], m["text"]) for m in taken_by(service, good)] == [("test", updates.call().explanation)] * 2
    assert len(taken_by(service, bad)) == 1
