"""`dyadwatch notify`: what is delivered where, and one message as a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from dyadwatch.stream.codes import Severity
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.push.push_device import PushDevice


@pytest.fixture
def notify(ran: Callable[..., Any]) -> Callable[..., tuple[int, str]]:
    """`dyadwatch notify`: its exit status, and what it wrote."""

    def run(*words: str) -> tuple[int, str]:
        done = ran("notify", *words)
        return done.code, done.out + done.err

    return run


@pytest.fixture
def hook() -> Iterator[tuple[str, list[Any]]]:
    """An address that takes POSTs, and what it took."""
    taken: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook", taken
        server.shutdown()
        thread.join()


def test_targets_are_listed_and_one_is_tried(
    hook: tuple[str, list[Any]], tmp_path: Path, notify: Callable[..., tuple[int, str]]
) -> None:
    url, taken = hook
    config = tmp_path / "site.yaml"
    config.write_text(
        f"delivery:\n  file: {tmp_path}/delivery.db\n  to:\n"
        f"    nurse: {{kind: webhook, url: '{url}', send: calls, least: alarm, hours: ['21:00-07:00']}}\n"
        "    home: {kind: mqtt, sources: [hall]}\n"
    )
    code, told = notify("list", "--config", str(config))
    assert code == 0
    assert told.splitlines() == [
        f"nurse: webhook {url}, not signed; calls; from alarm on; in 21:00-07:00",
        "    nothing was delivered yet",
        "home: mqtt 127.0.0.1:1883, node dyadwatch, discovery device; incidents and calls; of hall",
        "    nothing was delivered yet",
    ]
    code, told = notify("test", "nurse", "--config", str(config))
    assert (code, told[:20]) == (0, "nurse: delivered in ")
    assert taken[0]["title"] == "a test"
    assert taken[0]["text"] == "a test of dyadwatch: nothing has happened"
    assert "picture" not in taken[0]
    config.write_text(config.read_text().replace("kind: webhook,", "kind: webhook, picture: true,"))
    code, told = notify("test", "nurse", "--config", str(config))
    assert (code, taken[1]["picture"][:33]) == (0, "data:image/png;base64,iVBORw0KGgo")
    code, told = notify("test", "cook", "--config", str(config))
    assert (code, told) == (2, "dyadwatch: there is no target 'cook'; expected one of: nurse, home\n")


def test_what_does_not_arrive_is_said_with_its_cause(notify: Callable[..., tuple[int, str]]) -> None:
    option = "delivery.to={page: {kind: command, command: [/nonexistent/page]}}"
    code, told = notify("test", "page", "--set", option)
    assert code == 1
    assert told == "page: not delivered: /nonexistent/page cannot be run (No such file or directory)\n"


def test_push_is_tried_on_every_device(notify: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    option = f"delivery.to={{phones: {{kind: push, contact: 'mailto:me@example.org', file: {tmp_path}/push.db}}}}"
    words = ("--set", f"delivery.file={tmp_path}/delivery.db", "--set", option)
    code, told = notify("list", *words)
    assert (code, told.splitlines()[0]) == (
        0, "phones: push, to devices of the page, by fcm.googleapis.com, updates.push.services.mozilla.com, "
        "*.push.apple.com, *.notify.windows.com; calls",
    )  # fmt: skip
    assert notify("test", "phones", *words) == (
        1, "phones: not delivered: no device is notified yet; add one on the page, under Incidents\n"
    )  # fmt: skip
    device = PushDevice(
        id="1", endpoint="https://127.0.0.1/x", p256dh="", auth="", name="phone", who="ann", token=1, until=0,
        least=Severity.NOTICE, since=1,
    )  # fmt: skip
    with DeviceFile(tmp_path / "push.db") as file:
        file.add(device)
    code, told = notify("test", "phones", *words)
    assert code == 1
    assert told.startswith("phones: not delivered: 1 of 1 devices: phone of ann: the endpoint is no address at fcm.")
