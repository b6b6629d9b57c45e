"""Real LSL outlets on this machine, through a real publisher, to the detector's end."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.errors import ConfigError, MissingExtraError
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.live import Refusals
from dyadwatch.stream.publishers.lsl import LslListener, LslOptions
from dyadwatch.stream.scoring.scorer import Scorer

pylsl = pytest.importorskip("pylsl", reason="pylsl is not installed")

CONFIG = """
[ports]
IPv6 = disable
[multicast]
ResolveScope = machine
AddressesOverride = {127.0.0.1}
ListenAddress = 127.0.0.1
[lab]
KnownPeers = {127.0.0.1}
[log]
level = -2
"""
_number = itertools.count()


@pytest.fixture(scope="module", autouse=True)
def loopback_only() -> None:
    """Nothing leaves this machine; liblsl reads this once, before its first use."""
    pylsl.set_config_content(CONFIG)


@pytest.fixture
def name() -> str:
    """Of a stream that no other test, or other run at the same time, has."""
    return f"test-{os.getpid()}-{next(_number)}"


def outlet(name: str, people: Sequence[str], *, unit: str = "", rate: float = 30.0, labelled: bool = True) -> Any:
    """Of upper11 for each person."""
    channels = [(person, joint, axis) for person in people for joint in UPPER11.joints for axis in "XYZ"]
    info = pylsl.StreamInfo(name, "MoCap", len(channels), rate, "double64", f"uid {name}")
    described = info.desc().append_child("channels")
    for person, joint, axis in channels if labelled else ():
        channel = described.append_child("channel")
        keys = {"label": f"{person}{joint}_{axis.lower()}", "marker": f"{person}{joint}", "type": f"Position{axis}"}
        for key, value in ({**keys, "unit": unit} if unit else keys).items():
            channel.append_child_value(key, value)
    return pylsl.StreamOutlet(info)


@pytest.fixture
def listen(detector: Any) -> Iterator[Callable[..., tuple[LslListener, Refusals]]]:
    with ExitStack() as stack:

        def open_listener(*streams: str, **options: Any) -> tuple[LslListener, Refusals]:
            refusals = Refusals(logging.getLogger("dyadwatch.test"))
            listener = stack.enter_context(LslListener(streams, LslOptions(**options), refusals))
            detector.hear(listener.frames)
            return listener, refusals

        yield open_listener
        detector.close()


def push(out: Any, joints: np.ndarray, stamp: float) -> None:
    out.push_sample(joints.reshape(-1).astype(float).tolist(), stamp)


def test_two_people_of_one_outlet_keep_their_stamps(
    listen: Any, detector: Any, name: str, person: Callable[..., np.ndarray]
) -> None:
    out = outlet(name, ["Ann:", "Bob:"], unit="millimeters")
    listener, refusals = listen(name, source="lab", axes="z-up")
    assert out.wait_for_consumers(8)
    for k in range(20):
        people = np.stack([person(0), person(1)])[..., [0, 2, 1]] * [1000, -1000, 1000]
        if k == 7:
            people[0, 3] = 0
        push(out, people, 500 + k / 30)
    frames = detector.take(20)
    assert [f.seq for f in frames] == list(range(20))
    assert [f.stamp for f in frames] == [round((500 + k / 30) * NS) for k in range(20)]
    host = pylsl.resolve_byprop("name", name, timeout=5)[0].hostname()
    assert {(f.source, f.clock, f.ids, f.layout.name) for f in frames} == {
        ("lab", f"lsl {host}", ("Ann", "Bob"), "upper11")
    }
    assert np.allclose(frames[3].joints, np.stack([person(0), person(1)]), atol=1e-6)
    assert np.isnan(frames[7].joints[0, 3]).all()
    assert refusals.counts() == {}
    clock = listener.clocks()[name]
    assert clock.offset is not None
    assert abs(clock.offset - (time.time_ns() - 500 * NS)) < 30 * NS


def test_two_outlets_are_the_people_of_one_source(
    listen: Any, detector: Any, name: str, person: Callable[..., np.ndarray], scorer: Scorer
) -> None:
    names = [f"{name}-a", f"{name}-b"]
    outs = [outlet(n, [""]) for n in names]
    _, refusals = listen(*names, fps=25.0)
    assert all(out.wait_for_consumers(8) for out in outs)
    began = time.monotonic()
    while (t := time.monotonic() - began) < 15 and sum(f.people == 2 for f in detector.frames) < 40:
        for k, out in enumerate(outs):
            push(out, person(k), 1000 * k + t)
        time.sleep(0.02)
    both = [f for f in detector.frames if f.people == 2]
    assert len(both) >= 40
    assert {(f.source, f.clock, f.ids) for f in both} == {("lsl", "unix", tuple(names))}
    assert abs(both[-1].stamp - time.time_ns()) < 2 * NS
    assert np.allclose(both[-1].joints, np.stack([person(0), person(1)]), atol=1e-6)
    assert refusals.counts() == {}
    pipeline = Pipeline(scorer, Thresholds(6.0, 4.0), Config())
    messages = pipeline.run(detector.frames)
    assert sum(isinstance(m, ScoreMessage) for m in messages) >= 2


def test_stamps_that_jump_come_to_the_detector_as_they_are(
    listen: Any, detector: Any, name: str, person: Callable[..., np.ndarray], scorer: Scorer
) -> None:
    out = outlet(name, [""])
    listen(name)
    assert out.wait_for_consumers(8)
    jumps = {30: 15.0, 31: -12.0, 60: 18.0}  # single samples; from 80 on the clock is another
    stamps = [500 + k / 30 + jumps.get(k, 0.0) + (20.0 if k >= 80 else 0.0) for k in range(120)]
    for stamp in stamps:
        push(out, person(0), stamp)
    frames: list[PoseFrame] = detector.take(120)
    assert [f.stamp for f in frames] == [round(s * NS) for s in stamps]
    pipeline = Pipeline(scorer, Thresholds(6.0, 4.0), Config())
    for f in frames:
        pipeline.push(f)
    dropped = pipeline.counters.of("lsl")
    assert dropped == {"stamp_jump_ahead": 2 + 5, "stamp_jump_back": 1}


def test_a_lost_outlet_is_looked_for_again(
    listen: Any, detector: Any, name: str, person: Callable[..., np.ndarray]
) -> None:
    out = outlet(name, [""])
    _, refusals = listen(name)
    assert out.wait_for_consumers(8)
    push(out, person(0), 1.0)
    assert len(detector.take(1)) == 1
    del out
    deadline = time.monotonic() + 8
    while not refusals.counts() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert refusals.counts() == {"lsl": {"stream_lost": 1}}
    out = outlet(name, [""])
    assert out.wait_for_consumers(8)
    push(out, person(0), 2.0)
    assert [(f.seq, f.stamp) for f in detector.take(2)] == [(0, NS), (1, 2 * NS)]


def test_numbers_without_labels_by_a_layout_and_bad_samples_are_counted(
    listen: Any, detector: Any, name: str, person: Callable[..., np.ndarray]
) -> None:
    out = outlet(name, ["", ""], labelled=False)
    _, refusals = listen(name, layout=UPPER11, units="cm")
    assert out.wait_for_consumers(8)
    people = np.stack([person(0), person(1)])
    for values, stamp in ((people, 1.0), (people * 10, 2.0), (people + np.inf, 3.0), (people, -4.0), (people, 5.0)):
        push(out, values * 100, stamp)
    frames = detector.take(2)
    assert [(f.seq, f.stamp, f.ids) for f in frames] == [(0, NS, ("1", "2")), (1, 5 * NS, ("1", "2"))]
    assert np.allclose(frames[0].joints, people, atol=1e-6)
    assert refusals.counts() == {"lsl": {"absurd_body": 1, "infinite": 1, "bad_stamp": 1}}


def test_what_an_outlet_lacks_and_an_absent_one_are_told(
    listen: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    out = outlet(name, [""], labelled=False)
    _, refusals = listen(name, f"{name}-absent", tell_s=0.6)
    deadline = time.monotonic() + 8
    while len(refusals.counts().get("lsl", {})) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert set(refusals.counts()["lsl"]) == {"layout", "no_stream"}
    assert f"lsl: layout: stream '{name}': no channels of the stream are a marker's x, y and z" in caplog.text
    assert f"no stream '{name}-absent' is to be found; there are " in caplog.text
    assert f"'{name}'" in caplog.text.partition("there are ")[2]
    del out


def test_mistakes_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = Refusals(logging.getLogger("dyadwatch.test"))
    with pytest.raises(ConfigError, match="streams are a, a; expected each name once"):
        LslListener(["a", "a"], LslOptions(), refusals)
    with pytest.raises(ConfigError, match="source is 'a b'; expected 1-64 characters"):
        LslListener(["a"], LslOptions(source="a b"), refusals)
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with (
        pytest.raises(
            MissingExtraError, match=r"pylsl is not installed; install it with: pip install 'pylsl>=1.18.2', or in"
        ),
        LslListener(["a"], LslOptions(), refusals),
    ):
        pass
