"""Open Sound Control 1.0 datagrams, read strictly.

Our own, because python-osc's reader never returns from a bundle with an element of negative size, 24 bytes that
anybody on the network may send.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dyadwatch.core.errors import WireError
from dyadwatch.stream.codes import SenderReason

_BUNDLE = b"#bundle\x00"
_DEEPEST = 4
_NUMBERS = {"i": ">i", "f": ">f", "d": ">d", "h": ">q", "t": ">Q", "r": ">I", "m": ">I", "c": ">I"}
_CONSTANTS = {"T": True, "F": False, "N": None, "I": None}

OscValue = float | int | str | bytes | bool | None


class OscMessage(NamedTuple):
    """An address such as `/VMC/Ext/T` and what it carries."""

    address: str
    values: tuple[OscValue, ...]


def read_osc(datagram: bytes) -> list[OscMessage]:
    """All messages of a datagram, those in bundles in order; time tags are not kept.

    Raises:
        WireError: `bad_osc`, and nothing else, whatever the bytes.
    """
    try:
        return _packet(datagram, 0)
    except (struct.error, UnicodeDecodeError) as e:
        raise WireError(SenderReason.BAD_OSC, f"datagram of {len(datagram)} bytes is no OSC: {e}") from None


def _packet(data: bytes, depth: int) -> list[OscMessage]:
    if not data.startswith(_BUNDLE):
        return [_message(data)]
    if depth == _DEEPEST:
        raise WireError(SenderReason.BAD_OSC, f"bundles lie in more than {_DEEPEST} others; expected fewer")
    out: list[OscMessage] = []
    at = len(_BUNDLE) + 8
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        at += 4
        if not 0 < size <= len(data) - at:
            raise WireError(
                SenderReason.BAD_OSC, f"bundle element has {size} bytes; expected 1 to the {len(data) - at} left"
            )
        out += _packet(data[at : at + size], depth + 1)
        at += size
    return out


def _message(data: bytes) -> OscMessage:
    if not data.startswith(b"/"):
        raise WireError(SenderReason.BAD_OSC, f"datagram begins with {data[:8]!r}; expected '/' or '#bundle'")
    address, at = _string(data, 0)
    if at >= len(data):  # old senders leave the type tags out where there is nothing to tag
        return OscMessage(address, ())
    tags, at = _string(data, at)
    if not tags.startswith(","):
        raise WireError(
            SenderReason.BAD_OSC, f"type tags of {address[:40]!r} are {tags[:20]!r}; expected them to begin with ','"
        )
    values: list[OscValue] = []
    for tag in tags[1:]:
        if tag in _NUMBERS:
            values += struct.unpack_from(_NUMBERS[tag], data, at)
            at += struct.calcsize(_NUMBERS[tag])
        elif tag in "sS":
            text, at = _string(data, at)
            values.append(text)
        elif tag == "b":
            (size,) = struct.unpack_from(">i", data, at)
            if not 0 <= size <= len(data) - at - 4:
                raise WireError(
                    SenderReason.BAD_OSC, f"blob has {size} bytes; expected at most the {len(data) - at - 4} left"
                )
            values.append(data[at + 4 : at + 4 + size])
            at += 4 + size + -size % 4
        elif tag in _CONSTANTS:
            values.append(_CONSTANTS[tag])
        else:
            raise WireError(
                SenderReason.BAD_OSC, f"type tag of {address[:40]!r} is {tag!r}; expected one of ifdhtrmcsSbTFNI"
            )
    return OscMessage(address, tuple(values))


def _string(data: bytes, at: int) -> tuple[str, int]:
    """The text up to its NUL, and where the next multiple of four begins."""
    end = data.find(b"\x00", at)
    if end < 0:
        raise WireError(SenderReason.BAD_OSC, "a string has no end; expected a NUL")
    return data[at:end].decode("utf8"), end + 4 - (end - at) % 4
