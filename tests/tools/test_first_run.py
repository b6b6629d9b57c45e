"""What the first minutes with a real detector tell: mistakes of publishers at once, sources that never come, and
messages that are what their JSON Schema says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jsonschema
import msgpack
import numpy as np
import pytest

from dyadwatch.core.units import NS
from dyadwatch.live_detector import free_address
from dyadwatch.stream.message_schema import Kind, message_schema
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.tools.schema import schema

WAIT_S = 30.0


class Told(NamedTuple):
    """What a run printed: objects on standard output, the log, and seconds from each mistake to its line."""

    objects: list[dict[str, Any]]
    log: str


def mistakes() -> Iterator[tuple[str, list[bytes]]]:
    """Frames of two people, each source with a mistake of its own: whole-number stamps in ms and in us, floats of the
    wrong byte order, and stamps as JavaScript's numbers."""
    joints = np.zeros((2, 17, 3), np.float32) + np.linspace(0, 1.7, 17, dtype=np.float32)[:, None]
    joints += np.asarray([0.1, 0.0, 0.3], np.float32)  # a place is not the same number on all axes
    joints[1] += 1.0
    now = time.time_ns()
    for name, unit, order, stamp_type in (
        ("ms", 1_000_000, "<f4", int),
        ("us", 1000, "<f4", int),
        ("big", 1, ">f4", int),
        ("js", 1, "<f4", float),
    ):
        for seq in range(6):
            header = {
                "v": 1, "source": name, "epoch": 1, "seq": seq, "stamp": stamp_type((now + seq * NS // 30) // unit),
                "shape": [2, 17, 3], "layout": "coco17",
            }  # fmt: skip
            packed = msgpack.packb(header)
            assert isinstance(packed, bytes)
            yield name, [b"pose." + name.encode(), packed, joints.astype(order).tobytes()]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A detector of the shipped model that expects a source that never comes, and another that does."""
    folder = tmp_path_factory.mktemp("run")
    into = free_address()
    options = [
        f"wire.bind={into}", "sinks.bind=", "sinks.status_s=0.2", "liveness.expected=[yard, hall]",
        "alarm.rules=[]", "alarm.raise_at=0.1", "alarm.clear_at=0.05", "alarm.min_duration_s=0", "alarm.hold_s=0.2",
    ]  # fmt: skip
    command = [sys.executable, "-m", "dyadwatch.tools.main", "run", "--json", "--model", "simulated"]
    command += [word for option in options for word in ("--set", option)]
    out, log = folder / "out", folder / "log"
    with (
        out.open("wb") as stdout,
        log.open("wb") as stderr,
        subprocess.Popen(command, stdout=stdout, stderr=stderr) as process,
    ):
        try:
            frames = make_scenario(seed=3, people=2, duration_s=20.0, room_m=3.0).frames(30.0, source="hall")
            with PosePublisher(into, wait_s=WAIT_S, epoch=1) as publisher:
                for _, parts in mistakes():
                    publisher.send_parts(parts)
                for frame in frames:
                    publisher.send(frame)
            until = time.monotonic() + WAIT_S
            while not (b'"kind":"event"' in out.read_bytes() and b'"source":"yard"' in out.read_bytes()):
                assert time.monotonic() < until, log.read_text("utf8")
                time.sleep(0.05)
        finally:
            process.terminate()
    return Told([json.loads(line) for line in out.read_text("utf8").splitlines()], log.read_text("utf8"))


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("ms", "wrong_unit: stamps are unix time, but not in nanoseconds; windows never fill: stamps look like milli"),
        ("us", "wrong_unit: stamps are unix time, but not in nanoseconds; windows never fill: stamps look like micro"),
        ("big", "payload is plausible read as big-endian floats; expected little-endian"),
        (
            "js",
            "in JavaScript a BigInt, for instance BigInt(Date.now()) * 1000000n); see `dyadwatch docs wire-protocol`",
        ),
    ],
)
def test_mistakes_of_a_publisher_are_in_the_log_with_what_to_do(told: Told, source: str, text: str) -> None:
    lines = [line for line in told.log.splitlines() if line.startswith(f"WARNING {source}: ")]
    assert any(text in line for line in lines), told.log


def test_a_source_that_is_expected_and_never_came_is_missed(told: Told) -> None:
    states = {o["source"]: o for o in told.objects if o["kind"] == "status"}
    assert states["yard"]["state"] == "silent"
    assert states["yard"]["blind"]["text"].startswith("expected (liveness.expected), but nothing has come from it in ")
    assert states["hall"]["frames"] > 0
    assert "@detector" in {o["source"] for o in told.objects}


def test_every_message_is_what_the_schema_says(told: Told) -> None:
    # Whether anything comes near to an event and is none depends on when the detector was ready.
    assert {o["kind"] for o in told.objects} | {"near_miss"} == set(get_args(Kind))
    assert any(o["kind"] == "event" and o["joints"] for o in told.objects)
    whole = jsonschema.Draft202012Validator(message_schema())
    one = {kind: jsonschema.Draft202012Validator(message_schema(kind)) for kind in get_args(Kind)}
    for message in told.objects:
        whole.validate(message)
    for message in [m for kind in one for m in [m for m in told.objects if m["kind"] == kind][:10]]:
        for kind, validator in one.items():
            assert validator.is_valid(message) == (message["kind"] == kind)
        for key in message:
            changed = {k: v for k, v in message.items() if k != key}
            assert not whole.is_valid(changed), f"{message['kind']} without {key}"
            assert not whole.is_valid(message | {key: {}}) or key == "dropped", f"{message['kind']} with another {key}"
        assert whole.is_valid(message | {"added_later": 1})


def test_the_schema_is_one_and_every_key_is_described() -> None:
    for kind in (None, *get_args(Kind)):
        made = message_schema(kind)
        jsonschema.Draft202012Validator.check_schema(made)
        parts = [*made.get("$defs", {}).values(), *([made] if kind else [])]
        for part in parts:
            assert part["description"]
            assert [k for k, v in part.get("properties", {}).items() if k != "kind" and not v.get("description")] == []


def test_the_command_prints_it_and_the_docs_have_it(capsys: pytest.CaptureFixture[str], repo_root: Path) -> None:
    schema("event")
    assert json.loads(capsys.readouterr().out) == message_schema("event")
    schema()
    out = capsys.readouterr().out
    assert out == (repo_root / "docs" / "messages.schema.json").read_text("utf8"), (
        "make it again: dyadwatch schema > docs/messages.schema.json"
    )
    assert json.loads(out) == message_schema()
