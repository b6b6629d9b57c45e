"""The end of an HTTP connection at which a page's stream of messages is heard: made again whenever it breaks."""

from __future__ import annotations

import contextlib
import http.client
import json
import logging
import queue
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
        self._waiting: queue.Queue[bytes | DyadwatchError] = queue.Queue(most_waiting)
        self._stop = threading.Event()
        self._connected = threading.Event()
        self._refused: DyadwatchError | None = None
        self._thread: threading.Thread | None = None
        self._connection: http.client.HTTPConnection | None = None

    def open(self, wait_s: float) -> None:
        """Begins to listen, and waits for the page for so long.

        Raises:
            DyadwatchError: the page refuses the token, or does not answer in time.
        """
        self._stop.clear()
        self._connected.clear()
        self._refused = None
        self._thread = threading.Thread(target=self._run, name="page stream", daemon=True)
        self._thread.start()
        if wait_s > 0 and not self._connected.wait(wait_s):
            self.close()
            raise DyadwatchError(f"no page answers at {self._url} after {wait_s:g} s; start one with: dyadwatch up")
        if self._refused is not None:
            self.close()
            raise self._refused

    def receive(self, until: float | None) -> bytes | None:
        """The next message as JSON; None where none came up to `until` (monotonic seconds).

        Raises:
            ServerLostError: the page, or the detector behind it, is not heard any more; it is tried again.
            DyadwatchError: the page refuses the token; or this is not open.
        """
        if self._thread is None:
            raise DyadwatchError("a Subscriber listens only inside its 'with' block")
        while True:
            left = _TURN_S if until is None else min(max(until - time.monotonic(), 0.0), _TURN_S)
            try:
                got = self._waiting.get(timeout=left) if left else self._waiting.get_nowait()
            except queue.Empty:
                if self._refused is not None:
                    raise self._refused from None
                if until is not None and time.monotonic() >= until:
                    return None
                continue
            if isinstance(got, DyadwatchError):
                raise got
            return got

    def close(self) -> None:
        """Ends the connection."""
        self._stop.set()
        thread, self._thread = self._thread, None
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(2)
        if thread is not None:
            thread.join(_QUIET_S)
        while not self._waiting.empty():
            self._waiting.get_nowait()

    def _run(self) -> None:
        heard, told, wait = time.monotonic(), False, _FIRST_S
        while not self._stop.is_set():
            why = "it ended the stream"
            try:
                for name, data in self._events():
                    heard, told, wait = time.monotonic(), False, _FIRST_S
                    self._take(name, data)
            except _RefusedError as e:
                self._refused = DyadwatchError(str(e))
                self._connected.set()
                return
            except (OSError, http.client.HTTPException, ValueError) as e:
                why = str(e) or type(e).__name__
            if not told and time.monotonic() - heard > _QUIET_S:
                told = True
                text = f"the page at {self._url} has not answered for {_QUIET_S:g} s ({why}); it is tried again"
                self._put(ServerLostError(text))
            self._stop.wait(wait)
            wait = min(2 * wait, _LONGEST_S)

    def _events(self) -> Iterator[tuple[str, bytes]]:
        """Names and data of one connection, to its end.

        Raises:
            _RefusedError: it makes no sense to try again.
            OSError, HTTPException, ValueError: it does.
        """
        connection = self._connection = self._connect()
        try:
            connection.request("GET", self._path, headers=self._headers)
            answer = connection.getresponse()
            if answer.status != HTTPStatus.OK:
                raise self._refusal(answer)
            self._connected.set()
            name, data = "", b""
            while not self._stop.is_set() and (line := answer.readline(_LARGEST + 1)):
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

    def _take(self, name: str, data: bytes) -> None:
        if name == "message":
            self._put(data)
        elif name == "lost":
            _log.warning("%s left out %s messages: this program reads too slowly", self._url, data.decode())
        elif name == "detector" and data == b"false":
            self._put(
                ServerLostError(f"the page at {self._url} does not hear its detector any more; it goes on trying")
            )

    def _put(self, what: bytes | DyadwatchError) -> None:
        while not self._stop.is_set():
            try:
                self._waiting.put(what, timeout=_TURN_S)
            except queue.Full:
                continue
            return


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
