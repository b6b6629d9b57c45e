"""A detector with a memory, through real sockets: told, kept, acknowledged, continued."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs
from testing_sinks import Kept
from testing_waits import until

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import MemoryFileError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.configuration.config import (
    Config,
    IncidentOptions,
    LivenessOptions,
    MemoryOptions,
    SinkOptions,
    WireOptions,
)
from dyadwatch.stream.memory.kept import Action, ActionKind, Wanted
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service

WAIT_S = 30
Frames = Callable[..., list[PoseFrame]]


@contextmanager
def running(scorer: Scorer, config: Config) -> Iterator[tuple[Kept, str]]:
    """A detector in a thread; gives what it tells and where it listens."""
    address, kept = free_address(), Kept()
    bound = structs.replace(config, wire=WireOptions(bind=address), sinks=SinkOptions(bind="", status_s=0.05))
    service = Service(scorer, Thresholds(raise_at=1.4, clear_at=1.0), bound, {"kept": kept})
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield kept, address
    finally:
        service.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def publish(address: str, frames: Sequence[PoseFrame]) -> None:
    with PosePublisher(address, wait_s=WAIT_S) as publisher:
        for frame in frames:
            publisher.send(frame)


def test_what_is_told_is_kept_and_an_acknowledgement_reaches_the_running_detector(
    scorer: Scorer, encounter: Frames, tmp_path: Path
) -> None:
    path = tmp_path / "i.db"
    config = Config(memory=MemoryOptions(file=str(path)))
    wire, sinks = WireOptions(bind=free_address()), SinkOptions(bind="")
    another = structs.replace(config, wire=wire, sinks=sinks)
    with running(scorer, config) as (kept, address):
        publish(address, encounter(seconds=5.0))
        until(kept.incidents, "an incident")
        opened = kept.incidents()[0]
        with Store(path) as store:
            assert store.incident(opened.id).message.type in ("open", "update")
            store.act(Action(at=time.time_ns(), kind=ActionKind.ACKNOWLEDGE, incident=opened.id, who="ann"))
        until(lambda: "acknowledged" in kept.attention, "the acknowledgement")
        until(lambda: (s := kept.last_status("hall")) and s.incidents == (opened.id,), "the id in the status")
        own = kept.last_status("@detector")
        assert own is not None
        assert own.memory is not None
        assert own.memory.code == "on"
        hall = kept.last_status("hall")
        assert hall is not None
        assert hall.run == own.run != ""
        with pytest.raises(MemoryFileError, match=r"is written by another detector"):
            Service(scorer, Thresholds(2.0, 1.0), another)
    assert kept.attention[-1] == "cleared"
    with Store(path) as store:
        (one,) = [k for k in store.incidents() if k.message.pairs]
        assert (one.message.type, one.message.reason, one.acknowledged_by) == ("close", "shutdown", "ann")
        (ended,) = store.connection.execute("SELECT ended FROM runs").fetchone()
        assert ended is not None
        calls = store.connection.execute("SELECT count(*) FROM calls").fetchone()[0]
        assert calls == len(kept.attention)


def test_after_a_run_without_an_end_the_next_tells_what_it_left_open(
    scorer: Scorer, encounter: Frames, tmp_path: Path
) -> None:
    path = tmp_path / "i.db"
    config = Config(memory=MemoryOptions(file=str(path)))
    with running(scorer, config) as (kept, address):
        publish(address, encounter(seconds=5.0))
        until(kept.incidents, "an incident")
    opened = next(m for m in kept.incidents() if m.type == "open")
    with Store(path) as store, store.transaction() as connection:  # as a kill leaves it
        connection.execute(
            "UPDATE incidents SET open = 1, message = json_set(message, '$.type', 'open', '$.end', NULL)"
        )
    with running(scorer, config) as (again, _):
        until(lambda: again.incidents(), "the word of the earlier run")
    (told,) = again.incidents()
    assert (told.id, told.type, told.reason) == (opened.id, "close", "interrupted")
    with Store(path) as store:
        assert store.incidents(Wanted(open=True)) == []


def test_a_source_that_falls_silent_is_told_and_that_it_is_back(scorer: Scorer, encounter: Frames) -> None:
    config = Config(
        incidents=IncidentOptions(silent_s=0.4, back_s=0.3, missing_s=0.1),
        liveness=LivenessOptions(expected=["hall", "yard"]),
    )
    frames = encounter(seconds=30.0)
    with running(scorer, config) as (kept, address):
        until(lambda: len(kept.incidents("source_missing")) == 2, "both are missing")
        with PosePublisher(address, wait_s=WAIT_S) as publisher:

            def send(count: int) -> None:
                for _ in range(count):
                    publisher.send(frames.pop(0))
                    time.sleep(1 / 30)

            send(40)
            until(lambda: kept.incidents("source_silent"), "silence")
            send(40)
        until(lambda: any(m.reason == "back" for m in kept.incidents("source_silent")), "its return")
    closed = {m.source: str(m.reason) for m in kept.incidents("source_missing") if m.type == "close"}
    assert closed == {"hall": "back", "yard": "shutdown"}
    silent = kept.incidents("source_silent")
    assert (silent[0].type, silent[0].severity) == ("open", "alarm")
    assert silent[0].last_seen is not None
    assert 0 <= silent[0].stamp - silent[0].last_seen < 2_000_000_000
