"""The end of an HTTP connection at which a page's stream of messages is heard: made again whenever it breaks."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from dyadwatch.core.errors import ConfigError, DyadwatchError, ServerLostError

_log = logging.getLogger(__name__)
_STREAM = "/api/v1/stream"
_QUIET_S = 6.0  # without a sign of life for so long the page is lost; it gives one every two seconds
_FIRST_S, _LONGEST_S = 0.2, 3.0  # between two tries, doubled each time
_LARGEST = 1 << 20  # bytes of a line
_TURN_S = 0.1
_FINAL = {
    HTTPStatus.UNAUTHORIZED: "refuses this token; expected one that `dyadwatch page add-token` printed and `dyadwatch "
    "page tokens` still lists",
    HTTPStatus.FORBIDDEN: "refuses this token",
    HTTPStatus.BAD_REQUEST: "does not understand the request; install the same dyadwatch on both machines",
    HTTPStatus.NOT_FOUND: "is no page of a dyadwatch of this version",
    HTTPStatus.MISDIRECTED_REQUEST: "does not go by that name; expected 127.0.0.1 or localhost",
}


class HttpListener:
    """Server-sent events of a page, read on a thread of its own.

    A program that reads too slowly holds up its own connection; the page then drops the oldest, which is logged.

    Arguments:
        url: of the page, such as http://127.0.0.1:8090.
        token: that the page knows.
        kinds: which messages to receive.
        certificate: PEM file of whom to trust for https beside those this machine trusts; None for nobody.
        most_waiting: messages that wait to be received; 0 is no limit.

    Raises:
        ConfigError: naming the argument, its value and what was expected.
    """

    def __init__(self, url: str, token: str, kinds: Iterable[str], certificate: Path | None, most_waiting: int) -> None:
        self._url = url.rstrip("/")
        self._host, self._port, self._secure = _place(url)
        if not (token.isascii() and token.isprintable() and token and " " not in token):
            shown = "empty" if not token else "no token"
            raise ConfigError(f"token is {shown}; expected one that `dyadwatch page add-token NAME` prints")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        self._path = f"{_STREAM}?kinds={','.join(kinds)}"
        if certificate is not None and not self._secure:
            raise ConfigError(
                f"address is {url!r:.120} with a certificate; expected one with https://, such as https://{self._host}"
            )
        self._tls = _tls(certificate) if self._secure else None
        self._most_waiting = most_waiting
        self._heard: _Heard | None = None  # while this is open

    def open(self, wait_s: float) -> None:
        """Begins to listen, and waits for a page that hears its detector for so long.

        Raises:
            DyadwatchError: the page refuses the token, does not answer in time, or hears no detector.
        """
        heard = self._heard = _Heard(self._most_waiting, waits=wait_s > 0)
        heard.thread = threading.Thread(target=self._run, args=(heard,), name="page stream", daemon=True)
        heard.thread.start()
        if wait_s > 0 and not heard.connected.wait(wait_s):
            lacks = (
                f"the page at {self._url} hears no detector" if heard.answered else f"no page answers at {self._url}"
            )
            why = f" ({heard.why})" if heard.why and not heard.answered else ""
            self.close()
            raise DyadwatchError(f"{lacks} after {wait_s:g} s{why}; start one with: dyadwatch up")
        if heard.refused is not None:
            self.close()
            raise heard.refused

    def receive(self, until: float | None) -> bytes | None:
        """The next message as JSON; None where none came up to `until` (monotonic seconds).

        Raises:
            ServerLostError: the page, or the detector behind it, is not heard any more; it is tried again.
            DyadwatchError: the page refuses the token; or this is not open.
        """
        heard = self._heard
        if heard is None:
            raise DyadwatchError("a Subscriber listens only inside its 'with' block")
        while True:
            left = _TURN_S if until is None else min(max(until - time.monotonic(), 0.0), _TURN_S)
            try:
                got = heard.waiting.get(timeout=left) if left else heard.waiting.get_nowait()
            except queue.Empty:
                if heard.refused is not None:
                    raise heard.refused from None
                if until is not None and time.monotonic() >= until:
                    return None
                continue
            if isinstance(got, DyadwatchError):
                raise got
            return got

    def close(self) -> None:
        """Ends the connection."""
        heard, self._heard = self._heard, None
        if heard is None:
            return
        heard.stop.set()
        connection = heard.connection
        sock = None if connection is None else connection.sock  # the thread may close it meanwhile
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        if heard.thread is not None:
            heard.thread.join(_QUIET_S)

    def _run(self, heard: _Heard) -> None:
        at, told, wait = time.monotonic(), False, _FIRST_S
        while not heard.stop.is_set():
            try:
                for name, data in self._events(heard):
                    at, told, wait = time.monotonic(), False, _FIRST_S
                    self._take(heard, name, data)
                why = "it ended the stream"
            except (_RefusedError, ssl.SSLCertVerificationError) as e:
                heard.refused = DyadwatchError(str(e) if isinstance(e, _RefusedError) else self._untrusted(e))
                heard.connected.set()
                return
            except (OSError, http.client.HTTPException, ValueError) as e:
                why = str(e) or type(e).__name__
            heard.why, heard.answered = why, False
            if not told and time.monotonic() - at > _QUIET_S:
                told = True
                text = f"the page at {self._url} has not answered for {_QUIET_S:g} s ({why}); it is tried again"
                heard.put(ServerLostError(text))
            heard.stop.wait(wait)
            wait = min(2 * wait, _LONGEST_S)

    def _untrusted(self, error: ssl.SSLCertVerificationError) -> str:
        return (
            f"the page at {self._url} has a certificate that this machine does not trust "
            f"({error.verify_message or error}); expected certificate to be its PEM file, or that of who signed it"
        )

    def _events(self, heard: _Heard) -> Iterator[tuple[str, bytes]]:
        """Names and data of one connection, to its end.

        Raises:
            _RefusedError: it makes no sense to try again.
            OSError, HTTPException, ValueError: it does.
        """
        connection = heard.connection = self._connect()
        try:
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise self._refusal(answer)
            heard.answered = True
            name, data = "", b""
            while not heard.stop.is_set() and (line := answer.readline(_LARGEST + 1)):
                if len(line) > _LARGEST:
                    raise ValueError(f"a line of more than {_LARGEST} bytes")
                key, _, value = line.rstrip(b"\r\n").partition(b": ")
                if key == b"event":
                    name = value.decode()
                elif key == b"data":
                    data = value
                elif not key and name:
                    yield name, data
                    name = ""
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_QUIET_S, context=self._tls)
        return http.client.HTTPConnection(self._host, self._port, timeout=_QUIET_S)

    def _refusal(self, answer: http.client.HTTPResponse) -> Exception:
        body = answer.read(_LARGEST)
        try:
            said = str(json.loads(body)["text"])
        except (ValueError, KeyError, TypeError):
            said = answer.reason
        if answer.status in _FINAL:
            return _RefusedError(f"the page at {self._url} {_FINAL[HTTPStatus(answer.status)]} ({said})")
        return OSError(f"{answer.status} {said}")

    def _take(self, heard: _Heard, name: str, data: bytes) -> None:
        if name == "message":
            heard.put(data)
        elif name == "lost":
            _log.warning("%s left out %s messages: this program reads too slowly", self._url, data.decode())
        elif name == "detector" and heard.turns(data == b"true"):
            heard.put(ServerLostError(f"the page at {self._url} does not hear its detector; it goes on trying"))


class _Heard:
    """What the thread of one `with` block tells its program; the next block has another.

    Arguments:
        most_waiting: as of an HttpListener.
        waits: whether the block is entered only once a detector is heard.

    Attributes:
        connected: the detector is heard, or the page will not have us.
        detector: whether the page hears it; None as long as it does not say.
        answered: whether there is a connection.
        why: there is none.
    """

    def __init__(self, most_waiting: int, *, waits: bool) -> None:
        self.waiting: queue.Queue[bytes | DyadwatchError] = queue.Queue(most_waiting)
        self.stop = threading.Event()
        self.connected = threading.Event()
        self.thread: threading.Thread | None = None
        self.connection: http.client.HTTPConnection | None = None
        self.refused: DyadwatchError | None = None
        self.detector: bool | None = None
        self.answered = False
        self.why = ""
        self._waits = waits

    def put(self, what: bytes | DyadwatchError) -> None:
        """Has it wait to be received."""
        while not self.stop.is_set():
            try:
                self.waiting.put(what, timeout=_TURN_S)
            except queue.Full:
                continue
            return

    def turns(self, detector: bool) -> bool:
        """Takes up whether the page hears its detector; returns whether the program is to be told that it does not."""
        before, self.detector = self.detector, detector
        if detector:
            self.connected.set()
        return not detector and before is not False and (self.connected.is_set() or not self._waits)


class _RefusedError(Exception):
    """The page will not have us, however often we ask."""


def _place(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether it is TLS."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    if parts is None or not host or parts.path not in ("", "/") or parts.query or parts.username is not None:
        raise ConfigError(f"address is {url!r:.120}; expected the address of a page, such as http://127.0.0.1:8090")
    secure = parts.scheme == "https"
    return host, port or (443 if secure else 80), secure


def _tls(certificate: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if certificate is not None:
        try:
            context.load_verify_locations(certificate)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(f"certificate is {str(certificate)!r}; expected a PEM file ({e})") from None
    return context
