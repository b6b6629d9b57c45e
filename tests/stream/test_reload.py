"""A configuration that is changed while the detector runs: applied whole or not at all, told, and kept."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import structs
from testing_sinks import Kept
from testing_waits import until

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.live_detector import free_address
from dyadwatch.stream.config_difference import difference, is_live
from dyadwatch.stream.configuration.config import (
    AlarmOptions,
    Config,
    IncidentOptions,
    LivenessOptions,
    MemoryOptions,
    RecordOptions,
    SinkOptions,
    WireOptions,
)
from dyadwatch.stream.configuration.config_check import KEYS
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.drop_log import DropLog
from dyadwatch.stream.ingest import Ingest
from dyadwatch.stream.judging.scoring import Scoring
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.messages import EventMessage, IncidentMessage, Message, StatusMessage
from dyadwatch.stream.publishers.publisher import PosePublisher
from dyadwatch.stream.recordings.header import recorded_config
from dyadwatch.stream.recordings.playback import Playback
from dyadwatch.stream.reload import Judging
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.service import Service

WAIT_S = 90.0
Encounter = Callable[..., list[PoseFrame]]


def test_what_takes_effect_at_once_and_what_waits() -> None:
    options = ("alarm.hold_s=3", "liveness.expected=[yard]", "wire.max_people=8", "sinks.scores=false",
               "zones={hall: [{name: mat, corners: [[0, 0], [1, 0], [1, 1]], ignore: true}]}")  # fmt: skip
    wanted = set_option(Config(), *options)
    found = difference(Config(), wanted)
    assert [c.key for c in found.live] == ["alarm.hold_s", "zones", "liveness.expected"]
    assert (found.live[0].before, found.live[0].after) == (2.0, 3.0)
    assert found.restart == ("wire.max_people", "sinks.scores")
    assert found.config == set_option(Config(), options[0], options[1], options[4])
    assert str(found).startswith('alarm.hold_s from 2.0 to 3.0; zones from {} to {"hall":[{"name":"mat","ignore":true,')
    assert str(found).endswith(
        'liveness.expected from [] to ["yard"]; only after a restart: wire.max_people, sinks.scores'
    )
    assert str(difference(wanted, wanted)) == "nothing changed"


def test_every_key_is_one_or_the_other() -> None:
    live = {key.partition(".")[0] for key in KEYS if is_live(key)}
    assert live == {"alarm", "zones", "schedules", "incidents", "attention", "liveness", "learning", "scorer"}
    assert not is_live("learning.folder")


def test_levels_change_between_two_windows_and_open_events_go_on(scorer: Scorer, encounter: Encounter) -> None:
    losses = DropLog(Counters())
    intake = Ingest(scorer.shape, Config(), losses)
    judge = Scoring(scorer, Thresholds(6.0, 4.0), Config(), losses)
    frames = encounter()
    told: list[Message] = []
    for i, frame in enumerate(frames):
        if i == 4 * 30:  # the event of the hit at 3 s is open
            judge.adopt(Thresholds(50.0, 4.0), set_option(Config(), "alarm.hold_s=0.5", "incidents.linger_s=0"))
        told += judge.judge(intake.push(frame, 0))
    events = [(e.type, round((e.stamp - frames[0].stamp) / 1e9, 1)) for e in told if isinstance(e, EventMessage)]
    assert events[0][0] == "open"
    assert events[-1][0] == "close"
    assert 4.0 < events[-1][1] < 5.5, "the hold is shorter now, and the second hit is below the level"
    assert sum(kind == "open" for kind, _ in events) == 1
    closed = [m for m in told if isinstance(m, IncidentMessage) and m.type == "close"]
    assert len(closed) == 1


@contextmanager
def running(scorer: Scorer, config: Config, reread: Callable[[Scorer], Judging]) -> Iterator[tuple[Service, Kept, str]]:
    """A detector in a thread: itself, what it tells, and where it listens."""
    kept = Kept()
    service = Service(scorer, Thresholds(50.0, 40.0), config, {"kept": kept}, reread=reread)
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        yield service, kept, config.wire.bind
    finally:
        service.stop()
        thread.join(WAIT_S)
        assert not thread.is_alive()


def test_a_running_detector_takes_it_up_whole_or_not_at_all(
    scorer: Scorer, encounter: Encounter, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    path, folder = tmp_path / "i.db", tmp_path / "kept"
    config = Config(
        wire=WireOptions(bind=free_address()), sinks=SinkOptions(bind="", status_s=0.05),
        memory=MemoryOptions(file=str(path)), record=RecordOptions(folder=str(folder), min_free_mb=0),
        liveness=LivenessOptions(expected=["yard"]), incidents=IncidentOptions(missing_s=0.0),
    )  # fmt: skip
    answers: list[Judging | ConfigError] = [
        ConfigError("site.yaml line 3: alarm.hold_s is -1; expected a number >= 0"),
        Judging(
            structs.replace(
                config,
                alarm=AlarmOptions(hold_s=1.0, shadow=True),
                liveness=LivenessOptions(),
                wire=structs.replace(config.wire, max_people=4),
            ),
            Thresholds(6.0, 4.0),
        ),
    ]

    def reread(present: Scorer) -> Judging:
        answer = answers.pop(0)
        if isinstance(answer, ConfigError):
            raise answer
        return answer

    def said(text: str) -> bool:
        return any(text in r.message for r in caplog.records)

    with running(scorer, config, reread) as (service, kept, address):
        until(lambda: [m for m in kept.all if isinstance(m, IncidentMessage)], "the source that never came")
        until(lambda: list(folder.glob("*.mcap*")), "a recording by the configuration of before")
        service.reload()
        until(lambda: not service._wants_reload and len(answers) == 1, "the first look")
        until(lambda: said("SIGHUP: the configuration stays as it was: site.yaml line 3: alarm.hold_s is -1"), "a line")
        service.reload("ann")
        until(lambda: said("ann: configuration read again: alarm.hold_s from 2.0 to 1.0"), "the second")
        assert said(
            'liveness.expected from ["yard"] to []; only after a restart: wire.max_people; alarm by score of 6.00'
        )
        until(lambda: not service._scoring.adopting, "the scoring thread")
        with PosePublisher(address, wait_s=WAIT_S) as publisher:
            for frame in encounter(seconds=5.0):
                publisher.send(frame)
        until(lambda: [m for m in kept.all if isinstance(m, EventMessage)], "an event by the new levels")
        until(lambda: [s for s in kept.all if isinstance(s, StatusMessage) and s.shadow], "the status")
    incidents = [m for m in kept.all if isinstance(m, IncidentMessage)]
    missed = [(m.type, m.source) for m in incidents if m.about == "source_missing"]
    assert missed == [("open", "yard"), ("close", "yard")], "it is expected no more"
    assert all(m.shadow for m in incidents if m.pairs)
    with Store(path) as store:
        (run,) = store.runs()
    ((change),) = run.changes
    assert (change.who, [(c.key, c.waits) for c in change.changes]) == (
        "ann",
        [("alarm.hold_s", False), ("alarm.shadow", False), ("liveness.expected", False), ("wire.max_people", True)],
    )
    first, second = Playback([folder]).recordings
    was, now = recorded_config(first.about), recorded_config(second.about)
    assert was is not None
    assert now is not None
    assert (was.alarm.hold_s, now.alarm.hold_s) == (2.0, 1.0)
    assert (first.about.raise_at, second.about.raise_at) == ("50.0", "6.0")
    assert now.wire.max_people == 32, "waits for a restart"


def test_a_detector_that_cannot_read_again_says_so(scorer: Scorer, caplog: pytest.LogCaptureFixture) -> None:
    config = Config(wire=WireOptions(bind=free_address()), sinks=SinkOptions(bind=""))
    service = Service(scorer, Thresholds(50.0, 40.0), config)
    thread = threading.Thread(target=service.run)
    thread.start()
    service.reload()
    until(lambda: "SIGHUP: this detector was not started from a configuration" in caplog.text, "a line")
    service.stop()
    thread.join(WAIT_S)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="there is no SIGHUP")
def test_sighup_reads_the_file_again(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("alarm:\n  hold_s: 2\n")
    binds = ("--set", f"wire.bind={free_address()}", "--set", "sinks.bind=", "--set", "sinks.status_s=0.2")
    command = [sys.executable, "-m", "dyadwatch.tools.main", "run", "--json", "--model", "simulated"]
    out, log = tmp_path / "out", tmp_path / "log"
    with out.open("wb") as stdout, log.open("wb") as stderr:
        process = subprocess.Popen(
            [*command, "--config", str(file), *binds], cwd=tmp_path, stdout=stdout, stderr=stderr
        )
    try:
        until(lambda: b"listening on" in log.read_bytes() or process.poll() is not None, "the start")
        file.write_text("alarm:\n  hold_s: 3\n  shadow: true\nzones: {}\nwire:\n  max_people: 3\n")
        os.kill(process.pid, signal.SIGHUP)
        until(lambda: b"read again" in log.read_bytes(), "the first line")
        file.write_text("alarm:\n  hold: 3\n")
        os.kill(process.pid, signal.SIGHUP)
        until(lambda: b"stays as it was" in log.read_bytes(), "the second line")
    finally:
        process.terminate()
        assert process.wait(WAIT_S) == 0
    text = log.read_text("utf8")
    assert (
        "INFO SIGHUP: configuration read again: alarm.hold_s from 2.0 to 3.0; alarm.shadow from false to true; only "
        "after a restart: wire.max_people\n"
    ) in text
    assert (
        f"ERROR SIGHUP: the configuration stays as it was: {file} line 2: alarm.hold is not a key; did you mean "
        "'alarm.hold_s'?\n"
    ) in text
    assert [json.loads(line)["kind"] for line in out.read_text().splitlines()][:1] == ["status"]
