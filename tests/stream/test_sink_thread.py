from __future__ import annotations

import threading
from collections.abc import Sequence

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.stream.codes import EventReason
from dyadwatch.stream.messages import EventMessage, EventRule, Message, ScoreMessage
from dyadwatch.stream.sinks.sink_thread import SinkThread

WAIT_S = 20


def score(end: int) -> Message:
    return ScoreMessage(
        source="hall", pair=(1, 2), start=0, end=end, score=0.0, relation=0.0, unusual=0.0, model="m", latency_ms=0.0
    )


def event(stamp: int) -> Message:
    return EventMessage(
        type="update",
        id="a",
        source="hall",
        pair=(1, 2),
        clock="unix",
        start=0,
        end=None,
        stamp=stamp,
        score=3.0,
        relation=0.0,
        unusual=3.0,
        peak_score=3.0,
        peak_stamp=0,
        threshold=2.5,
        evidence=1.2,
        rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=3.0),
        reason=EventReason.STILL_GOING_ON,
        text="still going on",
        joints=(),
        explanation="",
        model="m",
    )


def number(message: Message) -> int:
    return message.stamp if isinstance(message, EventMessage) else getattr(message, "end", -1)


class Held:
    """A sink that takes its first messages and no more until it is let go; it may break then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.taken: list[int] = []
        self.closed = 0
        self.holds, self.may_go = threading.Event(), threading.Event()
        self._error = error

    def emit(self, messages: Sequence[Message]) -> None:
        self.taken += map(number, messages)
        self.holds.set()
        assert self.may_go.wait(WAIT_S)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        self.closed += 1


def test_what_does_not_fit_is_scores_first_then_events_the_oldest_first_and_the_order_stays() -> None:
    sink, lost, failed = Held(), list[tuple[str, int]](), list[Exception]()
    thread = SinkThread("json", sink, lambda _, e: failed.append(e), lambda *what: lost.append(what), most=4)
    thread.put([score(0)])
    assert sink.holds.wait(WAIT_S)
    thread.put([score(1), event(2), score(3), event(4), score(5), event(6)])
    thread.put([event(7), event(8)])
    sink.may_go.set()
    thread.end()
    assert thread.join(WAIT_S)
    assert sink.taken == [0, 4, 6, 7, 8]
    assert lost == [("json", 2), ("json", 2)]
    assert (sink.closed, failed) == (1, [])


def test_a_sink_that_breaks_is_closed_reported_once_and_gets_nothing_more() -> None:
    error, failed = RuntimeError("gone"), list[tuple[str, Exception]]()
    sink = Held(error)
    thread = SinkThread("table", sink, lambda *what: failed.append(what), lambda *_: None)
    thread.put([score(0)])
    assert sink.holds.wait(WAIT_S)
    thread.put([score(1)])
    sink.may_go.set()
    assert thread.join(WAIT_S)
    thread.put([score(2)])
    assert (sink.taken, sink.closed, failed) == ([0], 1, [("table", error)])


def test_a_sink_that_never_returns_is_not_waited_for() -> None:
    sink = Held()
    thread = SinkThread("zmq", sink, lambda *_: None, lambda *_: None)
    thread.put([score(0)])
    assert sink.holds.wait(WAIT_S)
    thread.end()
    assert not thread.join(0.05)
    sink.may_go.set()
    assert thread.join(WAIT_S)


class Choosy(Held):
    """Takes events alone, and does something now and then."""

    takes = (EventMessage,)
    idle_s = 0.05

    def __init__(self) -> None:
        super().__init__()
        self.idled = threading.Semaphore(0)
        self.may_go.set()

    def idle(self) -> None:
        self.idled.release()


def test_a_sink_is_handed_the_kinds_it_takes_and_woken_now_and_then() -> None:
    sink = Choosy()
    thread = SinkThread("memory", sink, lambda *_: None, lambda *_: None, most=2)
    thread.put([score(0), event(1), score(2), score(3), event(4)])
    assert all(sink.idled.acquire(timeout=WAIT_S) for _ in range(3))
    thread.end()
    assert thread.join(WAIT_S)
    assert sink.taken == [1, 4]


def test_messages_may_have_to_wait_for_something_else_first() -> None:
    order: list[str] = []
    sink = Held()
    sink.may_go.set()
    thread = SinkThread(
        "zmq", sink, lambda *_: None, lambda *_: None, before=lambda m: order.append(f"{len(m)} of {sink.taken}")
    )
    thread.put([event(1)])
    thread.end()
    assert thread.join(WAIT_S)
    assert (order, sink.taken) == (["1 of []"], [1])
