"""Hostile messages are of all kinds, the same each time, and decoding them raises nothing but the wire's own error."""

from __future__ import annotations

import itertools

import pytest

from dyadwatch.core.errors import WireError
from dyadwatch.stream.codes import Refusal
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import decode_pose
from dyadwatch.tools.benchmarks import decoding
from dyadwatch.tools.benchmarks.decoding import decode_some
from dyadwatch.tools.benchmarks.hostile import BIG, BIG_KINDS, SMALL_KINDS, big_messages, small_messages, varied


def reason_of(parts: list[bytes]) -> str:
    try:
        decode_pose(parts, WireOptions())
    except WireError as e:
        return e.reason
    return "accepted"


def test_all_kinds_come_and_they_are_refused_for_most_reasons_that_there_are() -> None:
    messages = small_messages(0, 2000)
    assert {name for name, _ in messages} == set(SMALL_KINDS)
    reasons = {reason_of(parts) for _, parts in messages}
    assert reasons >= {
        "accepted", "part_count", "bad_topic", "bad_msgpack", "bad_key", "version", "source_mismatch", "layout",
        "too_many_people", "too_many_joints", "joint_count", "channels", "id_count", "payload_length", "infinite",
        "absurd_body", "absurd_place", "tiny_body",
    }  # fmt: skip


def test_big_ones_are_big() -> None:
    messages = big_messages(0, 2)
    assert [name for name, _ in messages] == [name for name in BIG_KINDS for _ in range(2)]
    assert all(BIG // 4 < sum(map(len, parts)) <= BIG + 8192 for _, parts in messages)
    assert {reason_of(parts) for name, parts in messages if name == "too big"} == {"too_big"}


def test_a_seed_gives_the_same_messages_and_variations_differ_by_a_byte() -> None:
    pool = small_messages(1, 300)
    assert pool == small_messages(1, 300) != small_messages(2, 300)
    rounds = list(itertools.islice(varied(pool, 1), 900))
    assert rounds[:300] == pool
    for (_, parts), (_, before) in zip(rounds[300:600], pool, strict=True):
        pairs = zip(b"".join(parts), b"".join(before), strict=True)
        assert sum(a != b for a, b in pairs) <= 1
    assert rounds[300:600] != pool
    assert rounds[600:] != rounds[300:600]


def test_decoding_counts_every_message_by_its_reason() -> None:
    out = decode_some(20_000, 60.0, seed=3)
    assert out.messages == out.reasons.total() == 20_000
    assert out.failed == 0, out.errors
    assert out.reasons["accepted"] > 500


def test_what_is_not_the_wires_own_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(parts: list[bytes], limits: WireOptions) -> None:
        if len(parts) != 3:
            raise KeyError("part")
        raise WireError(Refusal.LAYOUT, "unknown")

    monkeypatch.setattr(decoding, "decode_pose", broken)
    out = decode_some(2000, 60.0, seed=0)
    assert out.failed > 100
    assert out.errors[0].startswith("parts: KeyError: 'part' for [")
    assert len(out.errors) == 5
