"""What python-osc writes is read back; anything else is read or refused, and never hangs."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from dyadwatch.core.errors import WireError
from dyadwatch.stream.publishers.osc import OscMessage, read_osc


def built(address: str, *values: object) -> OscMessageBuilder:
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(cast(Any, value))
    return builder


def message(address: str, *values: object) -> bytes:
    return built(address, *values).build().dgram


def bundle(*contents: bytes) -> bytes:
    sized = b"".join(len(c).to_bytes(4, "big") + c for c in contents)
    return b"#bundle\0" + bytes(7) + b"\1" + sized


def test_messages_of_the_real_library_are_read() -> None:
    values = ("Hips", 1, 0.5, True, False, None, b"abc", 2**40, "", "four")
    assert read_osc(message("/VMC/Ext/Bone/Pos", *values)) == [OscMessage("/VMC/Ext/Bone/Pos", values)]
    assert read_osc(message("/a")) == [OscMessage("/a", ())]
    assert read_osc(b"/ab\0") == [OscMessage("/ab", ())], "without type tags"


def test_bundles_in_bundles_come_in_order() -> None:
    inner = OscBundleBuilder(IMMEDIATELY)
    inner.add_content(built("/b", 2).build())
    outer = OscBundleBuilder(1_700_000_000)
    outer.add_content(built("/a", 1).build())
    outer.add_content(inner.build())
    outer.add_content(built("/c", "x").build())
    assert [m.address for m in read_osc(outer.build().dgram)] == ["/a", "/b", "/c"]
    assert read_osc(bundle()) == []


def nested(depth: int) -> bytes:
    data = message("/a", 1)
    for _ in range(depth):
        data = bundle(data)
    return data


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "datagram begins with b''; expected '/' or '#bundle'"),
        (b"hello", "datagram begins with b'hello'"),
        (b"/no end", "a string has no end; expected a NUL"),
        (b"/a\0\0if\0\0", "type tags of '/a' are 'if'; expected them to begin with ','"),
        (b"/a\0\0,q\0\0", "type tag of '/a' is 'q'; expected one of ifdhtrmcsSbTFNI"),
        (b"/a\0\0,i\0\0\0", "datagram of 9 bytes is no OSC: unpack_from requires"),
        (b"/a\xff\0,i\0\0", "no OSC: 'utf-8' codec can't decode"),
        (b"/a\0\0,b\0\0\xff\xff\xff\xff", "blob has -1 bytes; expected at most the 0 left"),
        (b"#bundle\0" + bytes(8) + b"\xff\xff\xff\xfc" + bytes(4), "bundle element has -4 bytes; expected 1"),
        (b"#bundle\0" + bytes(8) + bytes(8), "bundle element has 0 bytes"),
        (bundle(message("/a", 1))[:-1], "bundle element has 12 bytes; expected 1 to the 11 left"),
        (nested(5), "bundles lie in more than 4 others; expected fewer"),
    ],
)  # fmt: skip
def test_what_is_no_osc_is_refused_by_name(data: bytes, words: str) -> None:
    with pytest.raises(WireError) as e:
        read_osc(data)
    assert e.value.reason == "bad_osc"
    assert words in str(e.value)


def test_four_bundles_deep_is_fine() -> None:
    assert read_osc(nested(4)) == [OscMessage("/a", (1,))]


GOOD = bundle(message("/VMC/Ext/Bone/Pos", "Hips", 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0), message("/VMC/Ext/T", 1.5))


@given(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=4), st.integers(0, len(GOOD)))
def test_changed_and_cut_datagrams_are_read_or_refused(at: int, patch: bytes, end: int) -> None:
    for data in (GOOD[:at] + patch + GOOD[at + len(patch) :], GOOD[:end], patch + GOOD):
        with suppress(WireError):
            read_osc(data)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for prefix in (b"", b"#bundle\0" + bytes(8), b"/a\0\0,"):
        with suppress(WireError):
            read_osc(prefix + data)
