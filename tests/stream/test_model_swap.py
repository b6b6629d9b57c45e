"""Another model takes over while a detector runs: between two batches, and without losing a window."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

import pytest
from msgspec import structs
from testing_sinks import Kept
from testing_waits import until

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.model_file.artefact import read_info, read_sealed, seal
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.configuration.config import (
    Config,
    MemoryOptions,
    RecordOptions,
    ScorerOptions,
    SinkOptions,
    WireOptions,
)
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.messages import EventMessage, Message, ScoreMessage
from dyadwatch.stream.pipeline import DropLog, Ingest, Pipeline, Scoring
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.reload import Judging
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service

WAIT_S = 60.0
LOW, HIGH = Thresholds(6.0, 4.0), Thresholds(500.0, 400.0)
Encounter = Callable[..., list[PoseFrame]]


def another(artefact: Path, out: Path, **changes: object) -> Scorer:
    """The same model by another name, or with other windows."""
    data = artefact.read_bytes()
    info = structs.replace(read_sealed(data, "tiny"), **{"name": "site", "version": "2", **changes})
    from dyadwatch.core.model_file.onnx_graph import OnnxGraph

    out.write_bytes(seal(OnnxGraph(data, "tiny").replaced({}), info))
    return Scorer(out, ScorerOptions(threads=1))


def test_an_open_event_goes_on_by_another_model_and_learning_ends(
    scorer: Scorer, tiny_artefact: Path, tmp_path: Path, encounter: Encounter
) -> None:
    other = another(tiny_artefact, tmp_path / "site.onnx")
    frames = encounter()
    told: dict[bool, list[Message]] = {}
    for learning in (False, True):
        losses = DropLog(Counters())
        intake = Ingest(scorer.shape, Config(), losses)
        judge = Scoring(scorer, LOW, Config(), losses, learning=learning)
        out = told.setdefault(learning, [])
        for i, frame in enumerate(frames):
            if i == 4 * 30:  # the event of the hit at 3 s is open
                judge.exchange(other, learning=False)
                judge.adopt(LOW, Config())
            out += judge.judge(intake.push(frame, 0))
    events = [(e.type, e.model) for e in told[False] if isinstance(e, EventMessage)]
    assert events[0] == ("open", "tiny 1")
    assert next(e for e in events if e[0] == "close") == ("close", "site 2"), "it went on"
    first = next(e for e in told[True] if isinstance(e, EventMessage))
    assert (first.type, first.model) == ("open", "site 2")
    assert first.start >= frames[4 * 30].stamp, "evidence of before counts for nothing"


def test_no_window_is_lost_while_a_stream_goes_on(
    scorer: Scorer, tiny_artefact: Path, tmp_path: Path, encounter: Encounter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    frames = encounter(seconds=9.0)
    expected = [m.end for m in Pipeline(scorer, HIGH, Config()).run(frames) if isinstance(m, ScoreMessage)]
    other = another(tiny_artefact, tmp_path / "site.onnx")
    config = Config(
        wire=WireOptions(bind=free_address()), sinks=SinkOptions(bind="", status_s=0.05),
        memory=MemoryOptions(file=str(tmp_path / "i.db")),
        record=RecordOptions(folder=str(tmp_path / "kept"), min_free_mb=0),
    )  # fmt: skip
    wanted = structs.replace(config, scorer=structs.replace(config.scorer, model=str(other.path)))
    kept = Kept()
    service = Service(
        scorer, HIGH, config, {"kept": kept}, learning=True, reread=lambda present: Judging(wanted, HIGH, scorer=other)
    )
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        with PosePublisher(config.wire.bind, wait_s=WAIT_S) as publisher:
            for i, frame in enumerate(frames):
                publisher.send(frame)
                if i == 100:
                    until(lambda: any(m.state == "learning" for m in kept.statuses), "the state")
                    service.reload("ann")
                if i > 100:  # the stream goes on for as long as the swap takes
                    time.sleep(0.002)
        until(lambda: len(kept.scores) >= len(expected), "all windows")
        until(lambda: any(m.model == "site 2" for m in kept.statuses), "the status")
    finally:
        service.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()
    scores = kept.scores
    assert [m.end for m in scores] == expected, "each window is told once, in order"
    by_model = [(model, len(list(some))) for model, some in groupby(scores, lambda m: (m.model, m.learning))]
    assert [model for model, _ in by_model] == [("tiny 1", True), ("site 2", False)]
    assert min(n for _, n in by_model) > 10
    assert {m.state for m in kept.statuses} >= {"learning", "watching"}
    assert not any(m.dropped for m in kept.statuses if m.source == "hall")
    assert "ann: from the next batch on model site 2 scores" in caplog.text
    with Store(tmp_path / "i.db") as store:
        (run,) = store.runs()
    assert [(c.who, [k.key for k in c.changes]) for c in run.changes] == [("ann", ["scorer.model"])]
    assert [r.about.model for r in Playback([tmp_path / "kept"]).recordings] == ["tiny 1", "site 2"]


def test_windows_of_another_shape_wait_for_a_restart(
    scorer: Scorer, tiny_artefact: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = another(tiny_artefact, tmp_path / "site.onnx", fps=30.0)
    config = Config(wire=WireOptions(bind=free_address()), sinks=SinkOptions(bind=""))
    kept = Kept()
    service = Service(scorer, LOW, config, {"kept": kept}, reread=lambda present: Judging(config, HIGH, scorer=other))
    thread = threading.Thread(target=service.run)
    thread.start()
    service.reload()
    until(lambda: "stays as it was" in caplog.text, "a line")
    service.stop()
    thread.join(WAIT_S)
    assert (
        f"SIGHUP: the configuration stays as it was: {other.path} takes windows of 10 frames of upper11 at 30 a second "
        "(lead 0); expected 10 frames of upper11 at 15 a second (lead 0), as the model that scores now: restart the "
        "detector for this one"
    ) in caplog.text
    assert read_info(scorer.path).fps == 15.0
    assert service._judging.thresholds == LOW
