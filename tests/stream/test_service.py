from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import msgpack
import numpy as np
import pytest
import zmq
from msgspec import structs
from numpy.typing import NDArray
from testing_waits import until

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.configuration.config import Config, LivenessOptions, ScorerOptions, SinkOptions, WireOptions
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage, StatusMessage, decode_json
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.scoring.scorer import Score, Scorer
from dyadwatch.stream.service import Service
from dyadwatch.stream.sinks.sinks import JsonLinesSink, Sink, Sinks
from dyadwatch.stream.wire import encode_pose

THRESHOLDS = Thresholds(6.0, 4.0)
WAIT_S = 30
Encounter = Callable[..., list[PoseFrame]]


class Running:
    """A service in a thread, a publisher connected to it and all that it told."""

    def __init__(self, scorer: Scorer, config: Config, sinks: dict[str, Sink] | None) -> None:
        self.service = Service(scorer, THRESHOLDS, config, sinks)
        self.failure: BaseException | None = None
        self.told: list[Message] = []
        self._config = config
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._listener = threading.Thread(target=self._listen)
        self._done = threading.Event()

    def start(self) -> None:
        self._thread.start()
        self._listener.start()
        until(self._listening.is_set, "the first status")
        self.publisher = self.connect()

    def connect(self) -> zmq.Socket[bytes]:
        """A publisher; an XPUB hears the subscription, so nothing is sent into the void."""
        socket = self._context.socket(zmq.XPUB)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(self._config.wire.bind)
        assert socket.poll(WAIT_S * 1000), "the service does not subscribe"
        socket.recv()
        return socket

    def send(self, frame: PoseFrame) -> None:
        self.publisher.send_multipart(encode_pose(frame))

    def stop(self) -> None:
        self.service.stop()
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()
        for thread in threading.enumerate():
            if thread.name in self.service.left_behind:
                thread.join(WAIT_S)
        time.sleep(0.1)
        self._done.set()
        self._listener.join(WAIT_S)
        self._context.destroy(linger=0)
        self.service._context.destroy(linger=0)  # left as it was where a thread was left behind

    def scores(self, source: str = "hall") -> list[ScoreMessage]:
        return [
            structs.replace(m, latency_ms=0.0)
            for m in list(self.told)
            if isinstance(m, ScoreMessage) and m.source == source
        ]

    def events(self, source: str = "hall") -> list[EventMessage]:
        return [m for m in list(self.told) if isinstance(m, EventMessage) and m.source == source]

    def status(self, source: str = "hall") -> StatusMessage | None:
        """The last one."""
        all_of = [m for m in list(self.told) if isinstance(m, StatusMessage) and m.source == source]
        return all_of[-1] if all_of else None

    def _run(self) -> None:
        try:
            self.service.run()
        except RuntimeError as e:
            self.failure = e

    def _listen(self) -> None:
        with self._context.socket(zmq.SUB) as socket:
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.connect(self._config.sinks.bind)
            while not self._done.is_set():
                if socket.poll(20):
                    topic, body = socket.recv_multipart()
                    message = decode_json(body)
                    assert topic.decode() == message.topic
                    self.told.append(message)
                    self._listening.set()


def said(status: StatusMessage) -> str:
    """Why it is blind, as a sentence; empty where it is not."""
    return "" if status.blind is None else status.blind.text


Start = Callable[..., AbstractContextManager[Running]]


def configured(**sections: Any) -> Config:
    into, out = free_address(), free_address()
    sinks = structs.replace(sections.pop("sinks", SinkOptions(status_s=0.05)), bind=out)
    return Config(wire=structs.replace(sections.pop("wire", WireOptions()), bind=into), sinks=sinks, **sections)


@pytest.fixture
def running(scorer: Scorer) -> Start:
    @contextmanager
    def start(
        config: Config | None = None, sinks: dict[str, Sink] | None = None, by: Scorer | None = None
    ) -> Iterator[Running]:
        one = Running(by or scorer, config or configured(), sinks)
        one.start()
        try:
            yield one
        finally:
            one.stop()

    return start


@pytest.fixture(scope="session")
def expected(scorer: Scorer, encounter: Encounter) -> tuple[list[ScoreMessage], list[EventMessage]]:
    """What the pipeline makes of the encounter, frame by frame."""
    pipeline = Pipeline(scorer, THRESHOLDS, Config())
    told = pipeline.run(encounter())
    scores = [structs.replace(m, latency_ms=0.0) for m in told if isinstance(m, ScoreMessage)]
    events = [m for m in told if isinstance(m, EventMessage)]
    assert {e.type for e in events} == {"open", "update", "close"}
    return scores, events


Expected = tuple[list[ScoreMessage], list[EventMessage]]


@pytest.mark.parametrize("speed", [8.0, 40.0, float("inf")])
def test_any_speed_gives_the_events_of_the_pipeline(
    running: Start, encounter: Encounter, expected: Expected, speed: float
) -> None:
    with running() as live:
        began, frames = time.monotonic(), encounter()
        for f in frames:
            due = began + (f.stamp - frames[0].stamp) / 1e9 / speed
            time.sleep(max(due - time.monotonic(), 0))
            live.send(f)
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
    assert live.scores() == expected[0]
    assert live.events() == expected[1]


def test_doubled_and_reordered_frames_change_nothing(running: Start, encounter: Encounter, expected: Expected) -> None:
    rng = random.Random(3)
    arrivals = [(f.seq / 30 + rng.random() * 0.14, f) for f in encounter() for _ in range(1 + (f.seq % 5 == 0))]
    with running() as live:
        for _, f in sorted(arrivals, key=lambda a: a[0]):
            live.send(f)
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
        until(lambda: (s := live.status()) and s.frames == 360, "the last frame")
        until(lambda: live.service.counters.of("hall").get("duplicate") == 72, "the last double")
    assert (live.scores(), live.events()) == expected
    assert live.service.counters.snapshot() == {"hall": {"duplicate": 72}}


def malformed(rng: random.Random, good: list[bytes]) -> list[bytes]:
    """A message that breaks the protocol, of a random kind; some in the name of the good source."""
    topic = rng.choice([b"pose.hall", b"pose.hall", b"pose.stranger"])
    head: dict[str, Any] = msgpack.unpackb(good[1]) | {"source": topic[5:].decode()}
    body = np.frombuffer(good[2], "<f4").copy()

    def values(at: int, value: float) -> bytes:
        body[at] = value
        return body.tobytes()

    def packed(**keys: Any) -> bytes:
        return cast(bytes, msgpack.packb(head | keys))

    kinds: list[Callable[[], list[bytes]]] = [
        lambda: [topic],
        lambda: [topic, packed()],
        lambda: [topic, packed(), good[2], b""],
        lambda: [rng.choice([b"", b"pose.", b"pose.a b", b"video.hall", b"pose." + b"x" * 65, b"\xff\x00"]), *good[1:]],
        lambda: [topic, rng.randbytes(rng.randrange(80)), good[2]],
        lambda: [topic, packed()[: rng.randrange(len(good[1]))], good[2]],
        lambda: [topic, packed(**{rng.choice(sorted(head)): rng.choice([None, -1, "x", 1.5, [], {}, b"y"])}), b"!"],
        lambda: [topic, packed(v=2), good[2]],
        lambda: [topic, packed(source="another"), good[2]],
        lambda: [topic, packed(layout="unheard-of"), good[2]],
        lambda: [topic, packed(joints=["head"]), good[2]],
        lambda: [topic, packed(shape=[33, 11, 4]), good[2]],
        lambda: [topic, packed(shape=[2, 257, 4]), good[2]],
        lambda: [topic, packed(shape=[2, 12, 4]), good[2]],
        lambda: [topic, packed(shape=[2, 11, 5]), good[2]],
        lambda: [topic, packed(ids=["ann"]), good[2]],
        lambda: [topic, packed(ids=["ann", "ann"]), good[2]],
        lambda: [topic, packed(), good[2][: rng.randrange(len(good[2]))]],
        lambda: [topic, packed(), values(rng.randrange(3), float("inf"))],
        lambda: [topic, packed(), values(3, 7.0)],
        lambda: [topic, packed(units="mm"), good[2]],
        lambda: [topic, packed(), (body.reshape(2, 11, 4) * [1000, 1000, 1000, 1]).astype("<f4").tobytes()],
        lambda: [topic, packed(), np.add(body.reshape(2, 11, 4), [9e3, 0, 0, 0]).astype("<f4").tobytes()],
    ]
    return rng.choice(kinds)()


def test_ten_thousand_malformed_messages_leave_a_good_source_whole(
    running: Start, encounter: Encounter, expected: Expected, caplog: pytest.LogCaptureFixture
) -> None:
    rng, frames, bad = random.Random(1), encounter(), 10_000
    caplog.set_level(logging.WARNING)
    with running() as live:
        vandal = live.connect()
        vandal.send_multipart([b"pose.hall", b"", bytes(1_100_000)])
        for i in range(bad - 1):
            vandal.send_multipart(malformed(rng, encode_pose(frames[i % len(frames)])))
            if i % (bad // len(frames)) == 0 and i // (bad // len(frames)) < len(frames):
                live.send(frames[i // (bad // len(frames))])
        counted = live.service.counters
        until(lambda: sum(sum(row.values()) for row in counted.snapshot().values()) >= bad, "the last refusal")
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
    assert (live.scores(), live.events()) == expected
    rows = counted.snapshot()
    assert rows.keys() == {"hall", DETECTOR}
    assert sum(sum(row.values()) for row in rows.values()) == bad
    reasons = Counter(rows["hall"]) + Counter(rows[DETECTOR])
    assert set(reasons) == {
        *("part_count", "bad_topic", "too_big", "bad_msgpack", "bad_key", "version", "source_mismatch", "layout"),
        *("too_many_people", "too_many_joints", "joint_count", "channels", "id_count", "duplicate_ids"),
        *("payload_length", "infinite", "confidence", "absurd_body", "absurd_place", "tiny_body"),
    }
    status = live.status()
    assert status is not None
    assert status.dropped == rows["hall"]
    # for the source, the one that never sent a good frame, and those without a name: for each reason a few lines at
    # once, and one at the end
    assert len(caplog.messages) <= 5 * (len(rows["hall"]) + len(rows[DETECTOR]) + 2)
    assert {m.split(":")[0] for m in caplog.messages} >= {"hall", "stranger", DETECTOR}


def test_a_message_far_too_long_costs_its_sender_the_connection_and_nobody_else(
    running: Start, encounter: Encounter, expected: Expected
) -> None:
    with running() as live:
        vandal, frames = live.connect(), encounter()
        vandal.send_multipart([b"pose.hall", b"", bytes(5 << 20)])
        for f in frames:
            live.send(f)
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
    assert (live.scores(), live.events()) == expected


def test_ports_are_free_after_stop_and_open_events_are_closed(running: Start, encounter: Encounter) -> None:
    config = configured()
    for _ in range(2):
        with running(config) as live:
            for f in encounter(seconds=5.0):
                live.send(f)
            until(live.events, "an event")
            until(lambda: len(live.scores()) >= 22, "the last score")
        assert [(e.type, e.reason) for e in live.events() if e.type != "update"] == [
            ("open", "enough_evidence"),
            ("close", "shutdown"),
        ]


def test_a_port_in_use_is_named(scorer: Scorer) -> None:
    config = configured()
    with zmq.Context() as context, context.socket(zmq.REP) as taken:
        taken.bind(config.sinks.bind)
        with pytest.raises(ConfigError) as refusal:
            Service(scorer, THRESHOLDS, config)
        assert str(refusal.value) == (
            f"sinks.bind is {config.sinks.bind!r}; expected an address this machine can bind "
            "(another program uses the port; stop it or choose another)"
        )
    Service(scorer, THRESHOLDS, config)._context.destroy(linger=0)  # and the failed one has let go of wire.bind


@contextmanager
def broken_stream(kind: str) -> Iterator[Any]:
    """A pipe whose reader has left, as in `dyadwatch run --json | head`; a full disk; a stream somebody closed."""
    if kind == "pipe":
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "wb", buffering=0) as stream:
            yield stream
    else:
        with Path("/dev/full").open("wb", buffering=0) as stream:
            if kind == "closed":
                stream.close()
            yield stream


@pytest.mark.parametrize("kind", ["pipe", "full", "closed"])
def test_a_broken_sink_is_left_out_and_the_rest_goes_on(
    running: Start, encounter: Encounter, expected: Expected, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with broken_stream(kind) as stream, running(sinks={"json": JsonLinesSink(stream)}) as live:
        for f in encounter():
            live.send(f)
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
        until(lambda: live.status(DETECTOR), "a status of the detector")
    assert (live.scores(), live.events()) == expected
    assert live.service.counters.of(DETECTOR) == {"sink_failed_json": 1}
    status = live.status(DETECTOR)
    assert status is not None
    assert status.dropped == {"sink_failed_json": 1}
    why = {
        "pipe": "[Errno 32] Broken pipe",
        "full": "[Errno 28] No space left on device",
        "closed": "the stream is closed",
    }
    assert f"sink json failed and is left out from now on, detecting goes on: {why[kind]}" in caplog.messages


def test_a_sink_that_breaks_at_the_end_is_counted() -> None:
    class Breaks:
        def emit(self, messages: Sequence[Message]) -> None:
            raise AssertionError(messages)

        def close(self) -> None:
            raise OSError("gone")

    counters = Counters()
    sinks = Sinks({"breaks": Breaks()}, counters, DETECTOR)
    sinks.emit([])
    sinks.close()
    assert counters.of(DETECTOR) == {"sink_failed_breaks": 1}


def test_status_tells_how_a_source_is_doing(running: Start, encounter: Encounter) -> None:
    with running(configured(liveness=LivenessOptions(silent_s=1.5))) as live:
        alone = live.status(DETECTOR)
        assert alone is not None
        assert (alone.state, said(alone)) == ("blind", "no source has sent anything yet")
        frames = encounter(seconds=2.0)  # 30 steps of the grid, of which the first window takes ten
        windows = (30 - 10) // Config().windows.hop

        def reaches(condition: Callable[[StatusMessage], bool]) -> StatusMessage:
            """The first status that fulfils it."""
            seen: list[StatusMessage] = []
            until(lambda: (s := live.status()) and condition(s) and not seen.append(s), "a status")
            return seen[0]

        for f in frames[:9]:
            live.send(f)
        filling = reaches(lambda s: s.frames == 9)
        assert (filling.state, said(filling)) == ("blind", "filling the first window")
        for f in [*frames[9:], frames[20]]:
            live.send(f)
        good = reaches(lambda s: s.frames == 60 and bool(s.dropped) and s.windows >= windows)
        assert (good.state, good.blind) == ("watching", None)
        assert (good.fps, good.people, good.pairs, good.open_events) == (30.0, 2, 1, 0)
        assert good.last_stamp == frames[-1].stamp
        assert (good.clock, good.model, good.provider) == ("unix", "tiny 1", "CPUExecutionProvider")
        assert good.clock_offset_ms is not None
        assert good.clock_offset_ms > 1e9  # the frames were stamped in 2023
        assert good.dropped == {"duplicate": 1}
        silent = reaches(lambda s: s.state == "silent")
        assert said(silent).startswith("source silent for ")
        assert silent.frames == 60
        statuses = [m.source for m in live.told if isinstance(m, StatusMessage)]
        assert DETECTOR not in statuses[statuses.index("hall") :]


def test_a_source_silent_for_long_is_forgotten(running: Start, encounter: Encounter) -> None:
    with running(configured(liveness=LivenessOptions(silent_s=0.2, forget_s=0.3))) as live:
        for f in encounter(seconds=5.0):
            live.send(f)
        until(lambda: [e for e in live.events() if e.reason == "source_forgotten"], "the end of the event")
        until(lambda: isinstance(live.told[-1], StatusMessage) and live.told[-1].source == DETECTOR, "its last status")


class Slow:
    """A scorer that takes its time, or fails."""

    def __init__(self, scorer: Scorer, seconds: float, fails_after: int = 10**9) -> None:
        self.info, self.shape, self.provider = scorer.info, scorer.shape, scorer.provider
        self.explainer = scorer.explainer
        self._scorer, self._seconds, self._left = scorer, seconds, fails_after

    def score(self, windows: list[NDArray[np.float32]]) -> list[Score]:
        time.sleep(self._seconds)
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("the engine broke")
        return self._scorer.score(windows)

    def mend(self) -> None:
        self._left = 10**9

    def cancel(self) -> None:
        """Comes back by itself."""


def test_overload_sheds_the_oldest_windows_and_says_so(
    running: Start, encounter: Encounter, scorer: Scorer, expected: Expected
) -> None:
    config = configured(scorer=ScorerOptions(max_queue=2, max_batch=1))
    with running(config, by=cast(Scorer, Slow(scorer, 0.05))) as live:
        for f in encounter():
            live.send(f)
        until(lambda: (s := live.status()) and said(s) == "overload: windows are shed", "the word overload")
        until(lambda: expected[0][-1] in live.scores(), "the newest score")
    scores = live.scores()
    assert [s for s in expected[0] if s in scores] == scores
    assert live.service.counters.of("hall") == {"shed_overload": len(expected[0]) - len(scores)}


def test_overload_that_waits_loses_nothing_not_even_at_a_stop(
    running: Start, encounter: Encounter, scorer: Scorer, expected: Expected
) -> None:
    config = configured(scorer=ScorerOptions(max_queue=2, max_batch=4, overload="wait"))
    with running(config, by=cast(Scorer, Slow(scorer, 0.1))) as live:
        for f in encounter():
            live.send(f)
        until(lambda: len(live.scores()) > 8, "the first scores")
        assert len(live.scores()) < len(expected[0]) / 2, "the stop comes long before the end"
    assert (live.scores(), live.events()[:-1]) == (expected[0], expected[1][:-1])
    assert live.service.counters.snapshot() == {}


@pytest.mark.parametrize("overload", ["shed", "wait"])
def test_a_broken_engine_makes_the_detector_blind_and_never_ends_it(
    running: Start, encounter: Encounter, scorer: Scorer, overload: Literal["shed", "wait"]
) -> None:
    config = configured(scorer=ScorerOptions(max_queue=4, max_batch=1, overload=overload))
    engine = Slow(scorer, 0, fails_after=3)
    with running(config, by=cast(Scorer, engine)) as live:
        for f in encounter(seconds=4.0):
            live.send(f)
        until(lambda: (s := live.status()) and said(s) == "scoring fails: RuntimeError: the engine broke", "the reason")
        assert live.service.counters.of("hall")["score_failed"] > 0
        assert live.service.counters.of(DETECTOR)["scoring_failed"] > 0
        engine.mend()
        frames = encounter()
        for f in frames[120:]:
            live.send(f)
        until(lambda: (s := live.status()) and "scoring fails" not in said(s), "an end of the trouble")
        until(lambda: live.scores() and live.scores()[-1].end > frames[300].stamp, "a new score")
    assert live.failure is None


class Endless:
    """A scorer that does not come back once it is told to hang."""

    def __init__(self, scorer: Scorer) -> None:
        self.info, self.shape, self.provider = scorer.info, scorer.shape, scorer.provider
        self.explainer = scorer.explainer
        self._scorer = scorer
        self.hangs, self.released = threading.Event(), threading.Event()

    def score(self, windows: list[NDArray[np.float32]]) -> list[Score]:
        if self.hangs.is_set():
            self.released.wait(WAIT_S)
        return self._scorer.score(windows)

    def cancel(self) -> None:
        """Has no effect on it."""


class Hangs:
    """A sink that takes nothing, as a pipe whose reader has stopped reading."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def emit(self, messages: Sequence[Message]) -> None:
        self.released.wait(WAIT_S)

    def close(self) -> None:
        """Holds nothing."""


def test_a_sink_that_hangs_holds_up_neither_scores_nor_the_stop(
    running: Start, encounter: Encounter, expected: Expected
) -> None:
    sink = Hangs()
    with running(sinks={"json": sink}) as live:
        for f in encounter():
            live.send(f)
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
        began = time.monotonic()
        live.service.stop()
        until(lambda: live.service.left_behind, "the end without the sink")
        took = time.monotonic() - began
        sink.released.set()
    assert took < 5
    assert live.service.left_behind == ["sink json"]
    assert (live.scores(), live.events()) == expected
    assert live.service.counters.of(DETECTOR) == {"sink_stuck_json": 1}


def test_a_model_that_never_returns_is_told_and_does_not_hold_up_the_stop(
    running: Start, encounter: Encounter, scorer: Scorer
) -> None:
    engine = Endless(scorer)
    with running(by=cast(Scorer, engine)) as live:
        engine.hangs.set()
        for f in encounter(seconds=3.0):
            live.send(f)
        until(lambda: (s := live.status()) and said(s).startswith("scoring has not come back for"), "a word")
        began = time.monotonic()
        live.service.stop()
        until(lambda: live.service.left_behind, "the end without the model")
        took = time.monotonic() - began
        engine.released.set()
    assert took < 5
    assert live.service.left_behind == ["score"]


def test_a_failure_on_a_frame_or_in_the_status_is_counted_and_ends_nothing(
    running: Start, encounter: Encounter, expected: Expected, caplog: pytest.LogCaptureFixture
) -> None:
    with running() as live:
        intake, board = live.service._receiving.ingest, live.service._board
        push, messages = intake.push, board.messages
        broken = {"yard"}

        def push_or_fail(frame: PoseFrame, arrived: int) -> list[Any]:
            if frame.source in broken and frame.seq == 9:
                raise IndexError("a fault of ours")
            return push(frame, arrived)

        def messages_or_fail(*handed: Any) -> list[StatusMessage]:
            if broken:
                raise RuntimeError("deque mutated during iteration")
            return messages(*handed)

        intake.push, board.messages = push_or_fail, cast(Any, messages_or_fail)
        for good, bad in zip(encounter(), encounter("yard"), strict=True):
            live.send(good)
            live.send(bad)
        until(lambda: live.service.counters.of(DETECTOR).get("status_failed"), "a status that failed")
        until(lambda: live.service.counters.of("yard"), "a frame that failed")
        broken.clear()
        until(lambda: len(live.scores()) >= len(expected[0]), "the last score")
        until(lambda: live.status("yard"), "a status of the other")
    assert (live.scores(), live.events()) == expected
    assert live.scores("yard") != []
    assert live.service.counters.of("yard") == {"station_failed": 1}
    assert "yard: station_failed: the detector failed on a frame" in caplog.text
