from __future__ import annotations

import logging
import time

import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.sockets.exposure import InsecureReminder, check_exposure, is_local

LOCAL = [
    "tcp://127.0.0.1:5570",
    "tcp://127.255.0.3:*",
    "tcp://[::1]:5570",
    "tcp://[::ffff:127.0.0.1]:5570",
    "udp://127.0.0.1:9000",
    "ipc:///tmp/in",
    "inproc://in",
]
OPEN = [
    "tcp://*:5570",
    "tcp://0.0.0.0:5570",
    "tcp://[::]:5570",
    "tcp://[::ffff:0.0.0.0]:5570",
    "tcp://[fe80::1%eth0]:5570",
    "tcp://192.168.1.4:5570",
    "tcp://128.0.0.1:5570",
    "tcp://eth0:5570",
    "tcp://host.lan:5570",
    "tcp://127.0.0.1.example.org:5570",
    "tcp://localhost.example.org:5570",
    "tcp://127.1:5570",  # means 127.0.0.1 to some resolvers and nothing to others
    "tcp://0x7f.0.0.1:5570",
    "tcp://2130706433:5570",
    "udp://0.0.0.0:9000",
    "udp://:9000",
    "ws://127.0.0.1:5570",
    "5570",
]


@pytest.mark.parametrize("address", LOCAL)
def test_what_only_this_machine_reaches_needs_no_keys(address: str) -> None:
    assert is_local(address)
    assert check_exposure([("wire.bind", address)], insecure=False, remedy="") == []


@pytest.mark.parametrize("address", OPEN)
def test_what_others_may_reach_is_refused_or_told(address: str) -> None:
    assert not is_local(address)
    named = [("wire.bind", "tcp://127.0.0.1:1"), ("sinks.bind", address)]
    with pytest.raises(ConfigError) as caught:
        check_exposure(named, insecure=False, remedy="or keys")
    assert str(caught.value) == (
        f"sinks.bind is {address!r}, which other machines can reach; expected a loopback address such as 127.0.0.1, "
        "or keys"
    )
    assert check_exposure(named, insecure=True, remedy="") == named[1:]


def test_a_socket_that_is_not_bound_is_not_open() -> None:
    assert check_exposure([("sinks.bind", "")], insecure=False, remedy="") == []


@pytest.mark.parametrize(
    ("found", "local"), [(["127.0.0.1", "::1"], True), (["127.0.0.1", "10.0.0.4"], False), ([], False)]
)
def test_localhost_is_what_it_resolves_to(monkeypatch: pytest.MonkeyPatch, found: list[str], local: bool) -> None:
    answers = [(2, 1, 6, "", (host, 0)) for host in found]
    monkeypatch.setattr("dyadwatch.stream.sockets.exposure.socket.getaddrinfo", lambda *_: answers)
    assert is_local("tcp://localhost:9000") is local


def test_open_addresses_are_told_at_once_and_again_until_the_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with InsecureReminder([("wire.bind", "tcp://*:1"), ("sinks.bind", "tcp://*:2")], every_s=0.02):
        deadline = time.monotonic() + 20
        while len(caplog.messages) < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
    told = len(caplog.messages)
    assert told >= 3
    assert set(caplog.messages) == {
        "open to anyone who can reach it, without keys: wire.bind tcp://*:1, sinks.bind tcp://*:2 "
        "(see `dyadwatch docs security`)"
    }
    time.sleep(0.1)
    assert len(caplog.messages) == told, "warns on after its end"


def test_where_nothing_is_open_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with InsecureReminder([], every_s=0.01):
        time.sleep(0.05)
    assert not caplog.messages


def test_the_minute_is_a_minute() -> None:
    assert InsecureReminder([("wire.bind", "tcp://*:1")])._every_s == 60.0
