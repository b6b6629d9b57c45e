"""`dyadwatch notify`: what is delivered where, and one message as a test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest


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
