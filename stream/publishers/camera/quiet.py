"""Keeps the lines off the screen that MediaPipe's C++ library writes there for every person it follows."""

from __future__ import annotations

import logging
import os
import re
import select
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO, cast

_STDERR = 2
# Informations and warnings in absl's own form, and two lines that come with them; errors (E, F) are not among them.
_NOISE = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:[\d.]+ +\d+ \S+:\d+\] "
    rb"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    rb"|INFO: Created TensorFlow Lite XNNPACK delegate for CPU\."
)
_PART_MS = 200  # a line that does not end is passed on after so long
_CHUNK = 1 << 16


@contextmanager
def calm_stderr() -> Generator[None]:
    """While this lasts, MediaPipe's informations and warnings are held back from what goes to file descriptor 2.

    No setting of the library does that. Python's own `sys.stderr`, and log handlers that write to it, go past the
    sieve and are not delayed. Everything is as before afterwards. What the library writes in the moment in which it
    ends the whole program may be lost.
    """
    try:
        there = os.dup(_STDERR)
    except OSError:  # closed: nothing is written, so nothing is to be held back
        yield
        return
    before = sys.stderr
    ours: TextIO | None = None
    try:
        if _writes_to(before, _STDERR):
            before.flush()
            ours = os.fdopen(os.dup(there), "w", buffering=1, encoding=before.encoding, errors="backslashreplace")
            _redirect(before, ours)
        with _sieve(there):
            yield
    finally:
        if ours is not None:
            _redirect(ours, before)
            ours.close()
        os.close(there)


@contextmanager
def _sieve(there: int) -> Generator[None]:
    """Puts a pipe in the place of file descriptor 2, and a thread behind it that writes what is no noise to `there`."""
    out, into = os.pipe()
    done = threading.Event()
    thread = threading.Thread(target=_pass_on, args=(out, there, done), name="stderr", daemon=True)
    thread.start()
    os.dup2(into, _STDERR)
    os.close(into)
    try:
        yield
    finally:
        os.dup2(there, _STDERR)
        done.set()
        thread.join()
        os.close(out)


def _pass_on(out: int, there: int, done: threading.Event) -> None:
    """Reads lines until everybody has closed the pipe, or it is empty and nothing more is to come."""
    poll = select.poll()
    poll.register(out, select.POLLIN | select.POLLHUP)
    rest = b""
    while True:
        ready = poll.poll(_PART_MS)
        data = os.read(out, _CHUNK) if ready else b""
        *lines, rest = (rest + data).split(b"\n")
        _write(there, b"".join(line + b"\n" for line in lines if not _NOISE.match(line)))
        if data:
            continue
        if not _NOISE.match(rest):
            _write(there, rest)
            rest = b""
        if done.is_set() or ready:
            return


def _write(there: int, data: bytes) -> None:
    """Writes all of it, or drops it where nobody reads any more."""
    while data:
        try:
            data = data[os.write(there, data) :]
        except OSError:
            return


def _writes_to(stream: TextIO | None, number: int) -> bool:
    """Whether a stream is that file descriptor's; not so under a test runner, which has its own."""
    try:
        return stream is not None and stream.fileno() == number
    except (OSError, ValueError):
        return False


def _redirect(old: TextIO, new: TextIO) -> None:
    """Gives `sys.stderr` and the log handlers on it another stream."""
    sys.stderr = new
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and cast("logging.StreamHandler[TextIO]", handler).stream is old:
            cast("logging.StreamHandler[TextIO]", handler).setStream(new)
