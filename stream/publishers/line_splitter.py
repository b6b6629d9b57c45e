"""Bytes in pieces of any size become lines of a bounded length."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_JOINED = re.compile(rb"\}\s*\x1e?\s*\{")
# Possessive, so that quotes without an end cost one look and not one look each.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[{}]', re.DOTALL)


def objects_in(line: bytes) -> Iterator[bytes]:
    """The JSON objects of a line, where several were sent without a newline between them; else the line itself."""
    if not _JOINED.search(line):
        yield line.removeprefix(b"\x1e")
        return
    begin = depth = 0
    for token in _TOKENS.finditer(line):
        if token[0] == b"{":
            depth += 1
        elif token[0] == b"}":
            depth -= 1
            if depth == 0:
                yield line[begin : token.end()].lstrip(b" \t\r\x1e")
                begin = token.end()
    if line[begin:].strip():
        yield line[begin:]


class LineSplitter:
    """Cuts a stream of bytes at its newlines and never holds more than one longest line and one piece.

    Arguments:
        longest: bytes of the longest line that is kept; of a longer one nothing is, the next one is whole again.
        too_long: called once for every line that was longer.
    """

    def __init__(self, longest: int, too_long: Callable[[], None]) -> None:
        self._longest = longest
        self._too_long = too_long
        self._rest = bytearray()
        self._looked_at = 0
        self._skips = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that a piece completes, without their newlines."""
        self._rest += piece
        while (end := self._rest.find(b"\n", self._looked_at)) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            self._looked_at = 0
            if self._skips:
                self._skips = False
            elif len(line) > self._longest:
                self._too_long()
            else:
                yield line
        if self._skips or len(self._rest) > self._longest:
            if not self._skips:
                self._too_long()
            self._skips = True
            self._rest.clear()
        self._looked_at = len(self._rest)

    def finish(self) -> Iterator[bytes]:
        """What stands after the last newline, if anything."""
        if self._rest and not self._skips:
            yield bytes(self._rest)
        self._rest.clear()
        self._looked_at, self._skips = 0, False
