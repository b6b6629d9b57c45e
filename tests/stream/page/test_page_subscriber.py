"""A Subscriber hears through a page what it hears from the detector itself, whatever becomes of either meanwhile."""

from __future__ import annotations

import contextlib
import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import zmq

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import ConfigError, DyadwatchError, ServerLostError
from dyadwatch.stream.codes import EventReason
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.messages import EventMessage, EventRule, IncidentMessage, Message, ScoreMessage, encode_json
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.subscriber import Subscriber

WAIT_S = 30.0
Serve = Callable[[Config], AbstractContextManager[Any]]


def score(source: str = "hall", end: int = 0) -> ScoreMessage:
    return ScoreMessage(
        source=source, pair=(1, "b"), start=0, end=end, score=1.0, relation=0.5, unusual=0.5, model="m 1",
        latency_ms=1.0,
    )  # fmt: skip


EVENT = EventMessage(
    type="open", id="e1", source="hall", pair=(1, 2), clock="unix", start=1, end=None, stamp=2, score=3.5, relation=0.0,
    unusual=3.5, peak_score=3.5, peak_stamp=1, threshold=2.5, evidence=1.4,
    rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=3.5), reason=EventReason.ENOUGH_EVIDENCE, text="", joints=(),
    explanation="", model="m 1",
)  # fmt: skip


class Detector:
    """Says the same messages over and over, numbered by `end` of a score, as a detector that runs."""

    def __init__(self, bind: str, *messages: Message) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(bind)
        self._messages = messages
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._say)
        self._thread.start()

    def _say(self) -> None:
        while not self._ended.wait(0.02):
            for message in self._messages:
                self._socket.send_multipart([message.topic.encode(), encode_json(message)])

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()
        self._context.term()


@pytest.fixture
def detector(page_config: Config, incident: Callable[..., IncidentMessage]) -> Iterator[Detector]:
    with contextlib.closing(Detector(page_config.sinks.bind, score(), score("yard"), EVENT, incident(began=5))) as one:
        yield one


def hear_out(subscriber: Subscriber) -> None:
    """Listens until an error, or until nothing comes any more."""
    while subscriber.receive(WAIT_S) is not None:
        pass


def hear(subscriber: Subscriber) -> None:
    with subscriber:
        hear_out(subscriber)


@contextlib.contextmanager
def settled(page: Any, **options: Any) -> Iterator[Subscriber]:
    """Somebody with a token who hears the page, which hears its detector: no quiet time is running out."""
    until = time.monotonic() + WAIT_S
    with page.client(Role.VIEWER) as viewer:
        while not viewer.get("/api/v1/health").json()["detector"]:
            assert time.monotonic() < until
            time.sleep(0.02)
    token = page.tokens.add("app", Role.VIEWER)
    with Subscriber(page.url, token=token, wait_s=WAIT_S, **options) as subscriber:
        assert subscriber.receive(WAIT_S) is not None
        yield subscriber


def first(subscriber: Subscriber, count: int) -> list[Message]:
    until = time.monotonic() + WAIT_S
    found: dict[tuple[type[Message], str], Message] = {}
    while len(found) < count:
        message = subscriber.receive(1.0)
        if message is not None:
            found[type(message), message.source] = message
        assert time.monotonic() < until, found
    return [found[key] for key in sorted(found, key=str)]


def test_the_same_typed_messages_come_as_from_the_detector(page: Any, detector: Detector) -> None:
    token = page.tokens.add("app", Role.VIEWER)
    with (
        Subscriber(page.url, token=token, wait_s=WAIT_S) as by_page,
        Subscriber(page.config.sinks.bind, wait_s=WAIT_S) as straight,
    ):
        assert first(by_page, 4) == first(straight, 4)


def test_only_the_wanted_kinds_and_sources_are_heard(page: Any, detector: Detector) -> None:
    token = page.tokens.add("app", Role.VIEWER)
    with Subscriber(page.url, token=token, kinds=("score", "event"), sources=("hall",), timeout_s=WAIT_S) as subscriber:
        heard = [next(subscriber) for _ in range(20)]
    assert {(type(m), m.source) for m in heard} == {(ScoreMessage, "hall"), (EventMessage, "hall")}


@pytest.mark.parametrize("wait_s", [WAIT_S, 0.0])
def test_a_token_that_is_not_known_is_refused(page: Any, wait_s: float) -> None:
    said = (
        rf"^the page at {page.url} refuses this token; expected one that `dyadwatch page add-token` printed and "
        r"`dyadwatch page tokens` still lists \(expected a token; "
    )
    with pytest.raises(DyadwatchError, match=said):
        hear(Subscriber(page.url, token="guess", wait_s=wait_s))


def test_a_token_that_is_taken_away_ends_it(page: Any, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dyadwatch.stream.page.api._STAYS_S", 0.1)
    with settled(page) as subscriber:
        page.tokens.remove("app")
        with pytest.raises(DyadwatchError, match=r"refuses this token"):
            hear_out(subscriber)


def test_a_page_that_is_lost_is_told_once_and_heard_again(
    page_config: Config, serve: Serve, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.ExitStack() as stack:
        with serve(page_config) as page:
            subscriber = stack.enter_context(settled(page, kinds=("score",)))
        with monkeypatch.context() as patch:
            patch.setattr("dyadwatch.stream.http_listener._QUIET_S", 0.6)
            with pytest.raises(
                ServerLostError,
                match=rf"^the page at {page.url} has not answered for 0\.6 s \(.*\); it is tried again$",
            ):
                hear_out(subscriber)
            assert subscriber.receive(1.5) is None, "told once"
        with serve(page_config):
            assert isinstance(subscriber.receive(WAIT_S), ScoreMessage)


def test_a_page_that_hangs_is_lost(page_config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes connections and answers nobody."""
    monkeypatch.setattr("dyadwatch.stream.http_listener._QUIET_S", 0.3)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ServerLostError, match=r"has not answered for 0\.3 s \(timed out\)"):
            hear(Subscriber(url, token="t"))
        with pytest.raises(
            DyadwatchError,
            match=rf"^no page answers at {url} after 0\.5 s \(timed out\); start one with: dyadwatch up$",
        ):
            Subscriber(url, token="t", wait_s=0.5).__enter__()


def test_a_detector_that_the_page_does_not_hear_is_told(
    page_config: Config, serve: Serve, incident: Callable[..., IncidentMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = rf"^the page at http://{page_config.page.bind} does not hear its detector; it goes on trying$"
    with serve(page_config) as page, contextlib.ExitStack() as stack:
        with contextlib.closing(Detector(page_config.sinks.bind, score())):
            subscriber = stack.enter_context(settled(page))
        with monkeypatch.context() as patch:
            patch.setattr("dyadwatch.stream.page.hub._HEARD_S", 0.5)
            with pytest.raises(ServerLostError, match=lost):
                hear_out(subscriber)
        with contextlib.closing(Detector(page_config.sinks.bind, score())):
            assert subscriber.receive(WAIT_S) is not None


def test_a_detector_that_is_down_from_the_beginning_is_told_and_waited_for(
    page_config: Config, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(page_config) as page:
        token = page.tokens.add("app", Role.VIEWER)
        with monkeypatch.context() as patch:
            patch.setattr("dyadwatch.stream.page.hub._HEARD_S", 0.3)
            for _ in range(2):  # the page found out only after the first had come
                with pytest.raises(ServerLostError, match=r"does not hear its detector; it goes on trying$"):
                    hear(Subscriber(page.url, token=token))
        none = rf"^the page at {page.url} hears no detector after 1 s; start one with: dyadwatch up$"
        with pytest.raises(DyadwatchError, match=none):
            Subscriber(page.url, token=token, wait_s=1.0).__enter__()
        subscriber = Subscriber(page.url, token=token, wait_s=WAIT_S)
        with contextlib.closing(Detector(page_config.sinks.bind, score())):
            for _ in range(2):
                with subscriber:
                    assert isinstance(subscriber.receive(WAIT_S), ScoreMessage)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_nobody_vouches_for_is_named_at_once(
    page_config: Config, serve: Serve, tmp_path: Path
) -> None:
    certificate, key = tmp_path / "page.pem", tmp_path / "page.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=page", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    with serve(set_option(page_config, f"page.certificate={certificate}", f"page.key={key}")):
        url = f"https://{page_config.page.bind}"
        said = (
            rf"^the page at {url} has a certificate that this machine does not trust \(self.signed certificate\); "
            r"expected certificate to be its PEM file, or that of who signed it$"
        )
        with pytest.raises(DyadwatchError, match=said):
            hear(Subscriber(url, token="guess"))
        with pytest.raises(DyadwatchError, match=r"refuses this token"):
            hear(Subscriber(url, token="guess", certificate=certificate))


def test_what_a_slow_program_misses_is_logged(
    page: Any, detector: Detector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("dyadwatch.stream.page.hub.MOST_OF_PROGRAM", 1)
    token = page.tokens.add("app", Role.VIEWER)
    caplog.set_level(logging.WARNING, "dyadwatch")
    with Subscriber(page.url, token=token, wait_s=WAIT_S) as subscriber:
        until = time.monotonic() + WAIT_S
        while "messages: this program reads too slowly" not in caplog.text:
            assert time.monotonic() < until
            subscriber.receive(0.1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"address": "http://"}, "address is 'http://'; expected the address of a page, such as http://127.0.0.1:8090"),
        ({"address": "http://a:b/"}, "address is 'http://a:b/'; expected the address of a page"),
        ({"address": "http://a/api"}, "address is 'http://a/api'; expected the address of a page"),
        ({"token": ""}, "token is empty; expected one that `dyadwatch page add-token NAME` prints"),
        ({"token": "a\nb"}, "token is no token; expected one that"),
        ({"keys": "a.key_secret"}, "keys are given with the address of a page; expected token, which a page asks for"),
        (
            {"certificate": "none.pem"},
            "address is 'http://127.0.0.1:8090' with a certificate; expected one with https://, such as https://",
        ),
        ({"address": "https://a", "certificate": "none.pem"}, "certificate is 'none.pem'; expected a PEM file"),
        (
            {"address": "tcp://127.0.0.1:5571"},
            "address is 'tcp://127.0.0.1:5571' with a token or certificate; expected",
        ),
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments: dict[str, Any], text: str) -> None:
    given = {"address": "http://127.0.0.1:8090", "token": "t", **arguments}
    with pytest.raises(ConfigError) as error:
        Subscriber(**given)
    assert str(error.value).startswith(text)


def test_a_stream_that_is_asked_for_what_there_is_not_says_so(page: Any) -> None:
    with page.client(Role.VIEWER) as viewer:
        for query, said in (
            ("kinds=poses", "kinds is 'poses'; expected some of score, event, near_miss, incident, attention, status"),
            ("colour=red", "'colour' is not a parameter; expected kinds"),
        ):
            answer = viewer.get(f"/api/v1/stream?{query}")
            assert (answer.status_code, answer.json()["code"]) == (400, "query")
            assert answer.json()["text"].startswith(said)
