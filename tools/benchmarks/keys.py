"""`dyadwatch bench keys`: what encryption costs between a publisher and the detector, with and without by turns."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from cyclopts import Parameter
from rich.console import Console

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.wire import encode_pose
from dyadwatch.tools.benchmarks.keyed_receiver import KeyedReceiver, receivers
from dyadwatch.tools.benchmarks.machine import describe_machine, spread
from dyadwatch.tools.benchmarks.verdict import table

PEOPLE = (2, 8)
_SIDES = ("without keys", "with keys")
_PACE_S = 0.002


def keys(
    *,
    rounds: int = 10,
    messages: int = 5000,
    paced: int = 500,
    json: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Measure what keys cost, from a message to a frame, over real sockets on this machine.

    Two receivers as the detector has them, one that asks for keys and one that does not, each in a process of its own,
    are sent pose messages of 2 and of 8 people with 25 joints by turns: without, with, with, without, ... Each round
    gives one ratio. CPU time is that of the receiver's whole process for messages sent as fast as they are taken;
    latency is from the sending to the frame, at 500 messages a second.

    Parameters
    ----------
    rounds
        How many ratios.
    messages
        How many are sent as fast as possible in a round.
    paced
        How many are sent one after the other in a round.
    json
        Print one JSON object instead.
    """
    for name, value in (("rounds", rounds), ("messages", messages), ("paced", paced)):
        if value < 1:
            raise ConfigError(f"--{name} is {value}; expected at least 1")
    progress = Console(stderr=True)
    report: dict[str, Any] = {"machine": describe_machine(), "rounds": rounds, "messages": messages, "people": {}}
    with tempfile.TemporaryDirectory(prefix="dyadwatch-keys-") as folder, receivers(Path(folder)) as made:
        for people in PEOPLE:
            frame = _frame(people)
            for one in made.values():  # what is met for the first time costs more
                _flood(one, frame, min(messages, 500))
            found: dict[str, list[dict[str, Any]]] = {side: [] for side in _SIDES}
            for n in range(rounds):
                progress.print(f"{people} people, round {n + 1} of {rounds}")
                for side in _SIDES if n % 2 == 0 else _SIDES[::-1]:
                    found[side].append(_flood(made[side], frame, messages) | _paced(made[side], frame, paced))
            report["people"][people] = _summed_up(found, sum(map(len, encode_pose(frame))))
    report["load_at_end"] = describe_machine()["load_1min"]
    if json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        sys.stdout.write("\n".join(_markdown(report)) + "\n")


def _frame(people: int) -> PoseFrame:
    """People who stand about, 25 joints each."""
    joints = np.random.default_rng(0).uniform(-0.8, 0.8, (people, len(KINECT25), 3)).astype(np.float32)
    confidence = np.ones(joints.shape[:2], np.float32)
    return PoseFrame("bench", 0, 0, 0, "unix", KINECT25, joints, confidence, tuple(range(people)))


def _flood(one: KeyedReceiver, frame: PoseFrame, count: int) -> dict[str, Any]:
    """As fast as they are taken: microseconds of CPU a message, and messages a second from the first to the last."""
    parts = [encode_pose(replace(frame, seq=i)) for i in range(count)]
    one.expect(count)
    for message in parts:
        one.socket.send_multipart(message)
    got = one.received()
    seconds = max((got.came[-1] - got.came[0]) / 1e9, 1e-9)
    return {"cpu_us": got.cpu_s / count * 1e6, "per_s": max(count - 1, 1) / seconds}


def _paced(one: KeyedReceiver, frame: PoseFrame, count: int) -> dict[str, Any]:
    """One after the other: milliseconds from before a message is sent to its frame."""
    parts = encode_pose(frame)
    one.expect(count)
    sent: list[int] = []
    for _ in range(count):
        sent.append(time.monotonic_ns())
        one.socket.send_multipart(parts)
        time.sleep(_PACE_S)
    return {"latency_ms": [(came - at) / 1e6 for at, came in zip(sent, one.received().came, strict=True)]}


def _summed_up(found: dict[str, list[dict[str, Any]]], size: int) -> dict[str, Any]:
    """Medians of each side, their spread over the rounds, and the ratios of each round, with keys to without."""
    out: dict[str, Any] = {"bytes": size, "sides": {}}
    for side, some in found.items():
        out["sides"][side] = {
            **{key: _range([r[key] for r in some]) for key in ("cpu_us", "per_s")},
            "latency_ms": spread([ms for r in some for ms in r["latency_ms"]]),
        }
    before, after = (found[side] for side in _SIDES)
    ratios = {k: [b[k] / a[k] for a, b in zip(before, after, strict=True)] for k in ("cpu_us", "per_s")}
    return out | {"ratio": {key: _range(values) for key, values in ratios.items()}}


def _range(values: Sequence[float]) -> dict[str, float]:
    return {"median": float(np.median(values)), "least": min(values), "most": max(values)}


def _markdown(report: dict[str, Any]) -> list[str]:
    m = report["machine"]
    out = [
        f"{m['processor']}, {m['cores']} cores, load {m['load_1min']} at the start and {report['load_at_end']} at the "
        f"end, Python {m['python']}; {report['rounds']} rounds of {report['messages']} messages, medians (least to "
        "most).",
        "",
    ]
    header = ("pose message", "", "CPU, us a message", "messages/s", "latency, ms p50", "p99")
    rows: list[Sequence[object]] = []
    for people, found in report["people"].items():
        what = f"{people} people, {found['bytes']} bytes"
        for side, r in found["sides"].items():
            latency = r["latency_ms"]
            rows.append(
                (what, side, _text(r["cpu_us"], 1), _text(r["per_s"], 0), f"{latency['p50']:.2f}", latency["p99"])
            )
        rows.append((what, "ratio", *(_text(found["ratio"][key], 2) for key in ("cpu_us", "per_s")), "", ""))
    return out + table(header, rows)


def _text(values: dict[str, float], digits: int) -> str:
    return f"{values['median']:.{digits}f} ({values['least']:.{digits}f}-{values['most']:.{digits}f})"
