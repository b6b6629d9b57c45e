"""Protobuf messages, walked and written by hand: what an ONNX file needs, without a library for either.

A message is a row of fields, each a tag (number and kind), and a content; messages nest as contents of kind 2. What
is read comes from outside: anything that does not hold together ends in `ArtefactError`.
"""

from __future__ import annotations

from collections.abc import Iterator

from dyadwatch.core.errors import ArtefactError

_MAX_FIELDS = 4_000_000  # of one message; a graph has some thousands, a tensor whose numbers stand one by one, millions


def fields(data: bytes, what: str) -> Iterator[tuple[int, bytes, bytes]]:
    """Walks the top level of a message: field number, the field whole, its content; `what` names it in errors.

    Raises:
        ArtefactError: when the bytes are cut short or are no message.
    """
    at = found = 0
    while at < len(data):
        found += 1
        if found > _MAX_FIELDS:
            raise ArtefactError(f"{what} has a message of more than {_MAX_FIELDS} fields; export it again")
        start = at
        tag, at = varint(data, at, what)
        kind = tag & 7
        if kind == 0:
            content = at
            _, at = varint(data, at, what)
        elif kind == 2:
            length, content = varint(data, at, what)
            at = content + length
        elif kind in (1, 5):
            content = at
            at += 8 if kind == 1 else 4
        else:
            raise ArtefactError(f"{what} is damaged or not an ONNX file: byte {start} starts no field")
        if at > len(data):
            raise ArtefactError(f"{what} is cut short or damaged: it has {len(data)} bytes, but needs {at}")
        yield tag >> 3, data[start:at], data[content:at]


def varint(data: bytes, at: int, what: str) -> tuple[int, int]:
    """The number that starts at byte `at`, and where it ends.

    Raises:
        ArtefactError: when it does not end.
    """
    value = 0
    for i in range(10):
        if at + i >= len(data):
            raise ArtefactError(f"{what} is cut short or damaged: it ends within a number")
        byte = data[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return value, at + i + 1
    raise ArtefactError(f"{what} is damaged or not an ONNX file: byte {at} starts no number")


def number(value: int) -> bytes:
    """A number >= 0 as a varint."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(tag: int, content: bytes | int) -> bytes:
    """One field: a number >= 0, or bytes with their length before them."""
    if isinstance(content, int):
        return number(tag << 3) + number(content)
    return number(tag << 3 | 2) + number(len(content)) + content
