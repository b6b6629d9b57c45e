"""What a source may send costs no more than its share, whatever it sends: by processor time, on one machine at once."""

from __future__ import annotations

import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import msgspec
import numpy as np
import pytest
import zmq

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import WireError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import Config, WireOptions
from dyadwatch.stream.health import running_minimum
from dyadwatch.stream.items import Pair, Window
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.simulator.scenario import make_scenario
from dyadwatch.stream.scoring.item_queue import ItemQueue
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.wire import decode_pose, encode_pose

START = 1_795_900_000 * NS


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """What is refused is logged, which costs as well; that is bounded elsewhere."""
    caplog.set_level(logging.CRITICAL)


def spent(work: Callable[[], object]) -> float:
    """Processor time of this thread: the least of three, since others use the machine too."""
    times: list[float] = []
    for _ in range(3):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return min(times)


# Every key of a header, with a value of about a megabyte that its decoder might go through bit by bit.
MEGABYTE = 1_000_000
LONG = {
    "ids": ["a"] * (MEGABYTE // 2),
    "ids, numbers": list(range(MEGABYTE // 5)),
    "joints": ["a"] * (MEGABYTE // 2),
    "joints, long": ["x" * 64] * (MEGABYTE // 66),
    "warnings": ["a"] * (MEGABYTE // 2),
    "shape": [1] * MEGABYTE,
    "layout": "x" * MEGABYTE,
    "clock": "x" * MEGABYTE,
    "source": "x" * MEGABYTE,
    "later": [[]] * MEGABYTE,
    "later, deep": {"a": [{"b": [0]}] * (MEGABYTE // 6)},
}


@pytest.mark.parametrize("key", LONG)
def test_a_megabyte_of_header_costs_twenty_milliseconds_at_most(key: str) -> None:
    good = {"v": 1, "source": "x", "epoch": 1, "seq": 0, "stamp": 1, "shape": [2, 11, 3], "layout": "upper11"}
    head = msgspec.msgpack.encode(good | {key.partition(",")[0]: LONG[key]})
    assert MEGABYTE / 2 < len(head) < 1 << 20

    def decode() -> None:
        with pytest.raises(WireError):
            decode_pose([b"pose.x", head, b""], WireOptions())

    assert spent(decode) <= 0.002 + 20e-9 * len(head)


def people(count: int) -> list[PoseFrame]:
    """Half a minute of so many people at 30 frames a second."""
    return list(make_scenario(seed=1, people=count, duration_s=30).frames(30, source="s", start_ns=START))


def strange(name: str, frames: list[PoseFrame]) -> list[PoseFrame]:
    rng = random.Random(0)
    base = frames[0].stamp
    stamps: dict[str, Callable[[int, PoseFrame], PoseFrame]] = {
        "microseconds": lambda i, f: replace(f, stamp=f.stamp // 1000),
        "milliseconds": lambda i, f: replace(f, stamp=f.stamp // 10**6),
        "seconds": lambda i, f: replace(f, stamp=f.stamp // NS),
        "constant": lambda i, f: replace(f, stamp=base),
        "nought": lambda i, f: replace(f, stamp=0),
        "one step ahead": lambda i, f: replace(f, stamp=f.stamp + (3600 * NS if i > 75 else 0)),
        "every second jumps": lambda i, f: replace(f, stamp=f.stamp + 20 * NS * (i % 2)),
        "jumps every two seconds": lambda i, f: replace(f, stamp=f.stamp + 20 * NS * (i // 60 % 2)),
        "the last stamp there is": lambda i, f: replace(f, stamp=f.stamp - frames[-1].stamp + 2**63 - 1),
        "at random": lambda i, f: replace(f, stamp=rng.getrandbits(63)),
        "numbers constant": lambda i, f: replace(f, seq=5),
        "numbers backwards": lambda i, f: replace(f, seq=10**6 - f.seq),
        "numbers at random": lambda i, f: replace(f, seq=rng.getrandbits(63)),
        "numbers far ahead": lambda i, f: replace(f, seq=f.seq if i != 75 else 2**63 - 1),
        "epochs at random": lambda i, f: replace(f, epoch=rng.getrandbits(63)),
        "new ids": lambda i, f: replace(f, ids=tuple(range(f.people * i, f.people * (i + 1)))),
        "new ids within a microsecond": lambda i, f: replace(
            f, ids=tuple(range(f.people * i, f.people * (i + 1))), stamp=base + i
        ),
        "frames of other people in turn": lambda i, f: replace(f, ids=tuple(range(100 * (i % 16), 100 * (i % 16) + 4))),
    }
    change = stamps[name]
    return [change(i, f) for i, f in enumerate(frames)]


STRANGE = (
    "microseconds", "milliseconds", "seconds", "constant", "nought", "one step ahead", "every second jumps",
    "jumps every two seconds", "the last stamp there is", "at random", "numbers constant", "numbers backwards",
    "numbers at random", "numbers far ahead", "epochs at random", "new ids", "new ids within a microsecond",
    "frames of other people in turn",
)  # fmt: skip


@pytest.fixture(scope="module")
def clean() -> list[PoseFrame]:
    return people(4)[:150]


def cost(frames: list[PoseFrame], scorer: Scorer) -> tuple[float, int]:
    """Processor seconds from frames to windows, and how many windows there were."""
    windows = 0

    def work() -> None:
        nonlocal windows
        intake = Pipeline(scorer, Thresholds(6.0, 4.0), Config()).intake
        windows = sum(isinstance(i, Window) for f in frames for i in intake.push(f, 0))

    return spent(work), windows


@pytest.mark.parametrize("name", STRANGE)
def test_strange_times_numbers_and_ids_cost_what_good_ones_do(
    scorer: Scorer, clean: list[PoseFrame], name: str
) -> None:
    usual, usual_windows = cost(clean, scorer)
    odd, odd_windows = cost(strange(name, clean), scorer)
    assert odd <= 4 * usual
    assert odd_windows <= 1.5 * usual_windows


@pytest.mark.slow
def test_crowds_of_strangers_cost_in_proportion_to_their_number(scorer: Scorer) -> None:
    rng = np.random.default_rng(0)
    body = people(2)[0]

    def crowd(count: int) -> Iterator[PoseFrame]:
        places = np.stack([np.arange(count) % 8 * 0.6, np.zeros(count), np.arange(count) // 8 * 0.6], axis=1)
        joints = body.joints[:1] + places[:, None].astype(np.float32)
        for i in range(60):
            ids = tuple(int(x) for x in rng.integers(0, 2**60, count))
            yield replace(
                body, joints=joints, confidence=np.repeat(body.confidence[:1], count, axis=0), ids=ids, seq=i,
                stamp=START + i * NS // 30,
            )  # fmt: skip

    few, many = (cost(list(crowd(n)), scorer)[0] / n for n in (8, 32))
    assert many <= 3 * few


@pytest.mark.parametrize("served", [0.25, 0.5, 0.9])
def test_sources_that_send_alike_are_served_alike(served: float) -> None:
    names = [f"s{i}" for i in range(65)]
    got: Counter[str] = Counter()
    queue = ItemQueue(512, lambda source: None)
    budget = 0.0
    for t in range(200):
        for name in names:
            queue.put([Window(name, Pair((1, 2), (1, 2)), t, t, np.zeros(0, np.float32), "unix", 0)])
        budget += len(names) * served
        while budget >= 32:
            budget -= 32
            for w in queue.take(32, 0) or []:
                got[w.source] += t > 50
    assert min(got[name] for name in names) >= 0.8 * max(got.values())


@pytest.mark.slow
def test_threads_that_take_turns_all_the_time_read_nothing_half_changed(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_minimum, "_PART_NS", 1_000_000)  # what changes every five seconds changes every frame
    with zmq.Context() as context, context.socket(zmq.REP) as socket:
        socket.bind("tcp://127.0.0.1:0")
        address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
    config = Config()
    config = msgspec.structs.replace(
        config,
        wire=msgspec.structs.replace(config.wire, bind=address),
        sinks=msgspec.structs.replace(config.sinks, bind="", status_s=0.001),
    )
    service = Service(scorer, Thresholds(6.0, 4.0), config, {})
    failure: list[BaseException] = []

    def run() -> None:
        try:
            service.run()
        except Exception as e:  # noqa: BLE001  looked at below
            failure.append(e)

    before = sys.getswitchinterval()
    thread = threading.Thread(target=run)
    frames = [encode_pose(replace(f, source=f"s{i}")) for f in people(2)[:120] for i in range(8)]
    try:
        sys.setswitchinterval(1e-6)
        thread.start()
        with zmq.Context() as context, context.socket(zmq.XPUB) as socket:
            socket.connect(address)
            assert socket.poll(10_000), "the service does not subscribe"
            until = time.monotonic() + 5
            for parts in frames:
                if time.monotonic() > until or not thread.is_alive():
                    break
                socket.send_multipart(parts)
                time.sleep(0.002)
            alive = thread.is_alive()
            socket.setsockopt(zmq.LINGER, 0)
    finally:
        sys.setswitchinterval(before)
        service.stop()
        thread.join(20)
    assert not failure
    assert alive
    assert not [reason for reason in service.counters.of(DETECTOR) if reason.endswith("_failed")]
