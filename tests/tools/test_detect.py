"""What `dyadwatch detect` says of clips: those it cannot use, those it finds events in, those it never judges."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import Clip, ClipSet, read_clips, write_clips
from dyadwatch.core.decision.calibration_file import CalibratedRule
from dyadwatch.core.decision.rules import ScorePart, Thresholds
from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.model_file.artefact import file_sha256, read_info
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import KINECT25, UPPER11
from dyadwatch.loading import load_scorer, load_thresholds, model_path
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.configuration.config import Config, PairOptions
from dyadwatch.stream.health.unjudged import Accounts
from dyadwatch.stream.messages import IncidentMessage, ScoreMessage, StatusMessage, decode_json, encode_json
from dyadwatch.stream.pipeline import Pipeline
from dyadwatch.stream.publishers.clip_player import clip_frames, clip_intervals
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.header import as_recorded
from dyadwatch.tools.detect import check_clips, detect, run_clips
from dyadwatch.tools.detect_clips import Timeline
from dyadwatch.tools.files import select_clips


def test_clips_that_fit_pass() -> None:
    check_clips(list(anomaly_clips(seed=1, n_per_kind=1)), UPPER11)


def test_every_missing_joint_is_named() -> None:
    arms = Layout("custom", ("left_wrist", "right_wrist"))
    with pytest.raises(LayoutError, match="no joint for head, neck, pelvis"):
        check_clips([Clip(np.zeros((30, 2, 2, 3), np.float32), arms, 30.0)], UPPER11)


@pytest.mark.parametrize(("factor", "likely"), [(1000, "millimetres"), (100, "centimetres"), (3, "a wrong joint")])
def test_units_are_named(factor: float, likely: str) -> None:
    clip = anomaly_clips(seed=1, n_per_kind=1)[0]
    big = Clip(clip.joints * np.float32(factor), KINECT25, clip.fps, clip_id="c7")
    with pytest.raises(ClipError, match=rf"clip c7: a person spans .* m; expected at most 3.5 m \({likely}\?\)"):
        check_clips([big], UPPER11)


def test_clips_without_frames_or_sightings_are_left_to_the_detector() -> None:
    nothing = np.full((5, 2, 25, 3), np.nan, np.float32)
    check_clips([Clip(nothing[:0], KINECT25, 30.0), Clip(nothing, KINECT25, 30.0)], UPPER11)


def test_labels_that_no_clip_has_are_told_with_those_there_are(tmp_path: Path) -> None:
    write_clips(tmp_path, list(anomaly_clips(seed=1, n_per_kind=1))[:1])
    label = read_clips(tmp_path)[0].label
    with pytest.raises(ClipError, match=rf"^no clip has label 'hug'; there are labels '{label}'$"):
        select_clips([tmp_path], ("hug",))


def test_options_prevail_over_what_was_recorded_and_that_over_the_rest(tmp_path: Path) -> None:
    was = Config(pairs=PairOptions(enter_m=1.5, leave_m=2.5))
    text, sha = msgspec.json.encode(was).decode(), file_sha256(shipped_model())
    about = RecordingHeader(run="5", config=text, model="m 1", model_sha256=sha, raise_at="7.5", clear_at="5.5")

    def told(*options: str) -> tuple[float, float, float | None, float | None]:
        config = as_recorded(Config(), about, options, model_path)
        return config.pairs.enter_m, config.pairs.leave_m, config.alarm.raise_at, config.alarm.clear_at

    assert told() == (1.5, 2.5, 7.5, 5.5)
    assert told("pairs.enter_m=1", "alarm.raise_at=9") == (1.0, 2.5, 9.0, 5.5)
    (tmp_path / "other.onnx").write_bytes(b"another model")
    # The thresholds of one model say nothing of another's scores.
    assert told(f"scorer.model={tmp_path / 'other.onnx'}") == (1.5, 2.5, None, None)
    assert as_recorded(Config(), RecordingHeader(run="5"), ("pairs.enter_m=1",), model_path).pairs.enter_m == 1.0


def test_rules_that_were_recorded_prevail_over_those_of_the_calibration_file_even_where_there_were_none() -> None:
    rule = CalibratedRule(part=ScorePart.UNUSUAL, over_s=0.4, raise_at=2.5)
    known = {
        "run": "5",
        "config": msgspec.json.encode(Config()).decode(),
        "model": "m 1",
        "model_sha256": file_sha256(shipped_model()),
        "clear_at": "0.6",
    }
    ruled = RecordingHeader(raise_at="1.0", rules=msgspec.json.encode([rule]).decode(), **known)
    assert as_recorded(Config(), ruled, (), model_path).alarm.rules == (rule,)
    assert as_recorded(Config(), ruled, ("alarm.rules=[]",), model_path).alarm.rules == ()
    plain = as_recorded(Config(), RecordingHeader(raise_at="3.0", **known), (), model_path)
    assert plain.alarm.rules == ()
    assert load_thresholds(plain, shipped_model()) == Thresholds(3.0, 0.6)


# Low enough that the few seconds of a test hold several events.
INFO = read_info(shipped_model())
WINDOW_S, EVERY_S = INFO.frames / INFO.fps, Config().windows.hop / INFO.fps
SHORT = f"too short: a pair is judged once it was seen for {WINDOW_S:.3g} s, every {EVERY_S:.2g} s"
SENSITIVE = ("alarm.rules=[]", "alarm.raise_at=1.5", "alarm.clear_at=1", "alarm.hold_s=0.5")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips: one of each label, named by it, one without a name, one cut to half a second, one of people far apart."""
    folder = tmp_path_factory.mktemp("mixed") / "monday"
    clips = [replace(c, clip_id=f"[{c.label}] 1") for c in anomaly_clips(seed=3, n_per_kind=1)]
    apart = clips[0].joints + np.asarray([[[0, 0, 0]], [[9, 0, 0]]], np.float32)
    short = replace(clips[0], joints=clips[0].joints[:15], clip_id="[cut]")
    clips[2:2] = [short, replace(clips[0], joints=apart, clip_id="apart")]
    clips[0] = replace(clips[0], clip_id="", label="")
    write_clips(folder, clips)
    return folder


def test_lines_name_clip_label_and_seconds_within_it(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detect([mixed], set_=SENSITIVE)
    out, err = capsys.readouterr()
    lines = [line for line in out.splitlines() if " OPEN " in line or " CLOSE " in line]
    clips = read_clips(mixed)
    names = {f"{c.clip_id or 'clip 0'}" + (f" ({c.label})" if c.label else ""): len(c) / c.fps for c in clips}
    told = [
        re.match(r" *([\d.]+) s  (?:OPEN |CLOSE)  (.*?)  person (?:0 \+ person 1|1 \+ person 0)  ", line)
        for line in lines
    ]
    assert len(told) > 3
    for match in told:
        assert match
        assert 0 < float(match[1]) <= names[match[2]] + 1
    assert not re.search(r"\bc\d+-[01]\b", out)
    assert " of person 0 " in out
    n = len(clips)
    assert f"1 of {n} clips was not judged, such as [cut]: {SHORT}\n" in err
    far = "no two people come within 3 m of each other (pairs.enter_m); the nearest are"
    assert f"1 of {n} clips was not judged, such as apart: {far}" in err


def test_json_lines_are_the_messages_with_the_clip_beside(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Scores are left out of the sockets in this configuration; which clips were judged is known all the same.
    detect([mixed], set_=("sinks.scores=false", *SENSITIVE), json=True, scores=True)
    out, err = capsys.readouterr()
    assert "too short" in err
    clips, seen = read_clips(mixed), set[int]()
    for line in out.encode().splitlines():
        clip = json.loads(line)["clip"]
        message = decode_json(line)
        assert line.startswith(encode_json(message)[:-1] + b',"clip":{"index":')
        assert not isinstance(message, StatusMessage)
        who = message.people if isinstance(message, IncidentMessage) else message.pair
        start = next(p.start_ns for p in clip_intervals(clips) if p.ids == tuple(sorted(map(str, who))))
        at = message.end if isinstance(message, ScoreMessage) else message.stamp
        assert clip["at_s"] == pytest.approx((at - start) / 1e9, abs=1e-3)
        assert clip["start_s"] == pytest.approx((message.start - start) / 1e9, abs=1e-3)
        assert (clip["end_s"] is None) == (message.end is None)
        original = clips[clip["index"]]
        assert (clip["set"], clip["id"], clip["label"]) == ("monday", original.clip_id, original.label)
        seen.add(clip["index"])
    assert seen == set(range(len(clips))) - {2, 3}


def _alone(j: NDArray[np.float32]) -> NDArray[np.float32]:
    j[:, 1] = np.nan
    return j


def _in_turn(j: NDArray[np.float32]) -> NDArray[np.float32]:
    j[:50, 0], j[50:, 1] = np.nan, np.nan
    return j


def _hides(j: NDArray[np.float32]) -> NDArray[np.float32]:
    j[::2, 1, 3], j[1::4, 1, 3] = np.nan, np.nan
    return j


def _blinks(j: NDArray[np.float32]) -> NDArray[np.float32]:
    for k in range(24, len(j), 44):
        j[k : k + 20] = np.nan
    return j


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda j: j * np.nan, "nobody is seen in any frame"),
        (_alone, "never more than one person is seen at a time"),
        (_in_turn, "never more than one person is seen at a time"),
        (lambda j: j[:15], SHORT),
        (lambda j: j[: round(30 * (WINDOW_S - 0.3))],
         re.compile(re.escape(SHORT) + r"; a model trained with --window-s [\d.]+ could judge it")),
        (_hides, re.compile(r"\d+ windows left out, in which a joint is out of sight for more than 34% of the time "
                            r"\(windows\.max_hidden\), most head of person 1")),
        (lambda j: j + np.asarray([[[0, 0, 0]], [[7, 0, 0]]], np.float32),
         re.compile(r"no two people come within 3 m of each other \(pairs\.enter_m\); the nearest are \d\.\d m apart")),
        (_blinks, re.compile(r"two people are seen near each other for at most [\d.]+ s without a break of more "
                             rf"than 0\.5 s; a window needs {WINDOW_S:.3g} s, and one ends every {EVERY_S:.2g} s")),
    ],
)  # fmt: skip
def test_the_cause_for_which_a_clip_was_not_judged_is_named(
    change: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    says: str | re.Pattern[str],
) -> None:
    """Beside a clip that was judged, and after it, so that nothing of it may be put down to the other."""
    good = next(iter(anomaly_clips(seed=3, n_per_kind=1)))
    mine = replace(good, joints=change(good.joints.copy()), clip_id="mine")
    both = ClipSet((replace(good, clip_id="good"), mine), good.layout)
    _told(both, says)


def _told(both: ClipSet, says: str | re.Pattern[str]) -> None:
    config = Config()
    detector = load_scorer(config)
    pipeline, timeline = Pipeline(*detector, config), Timeline([both])
    accounts = Accounts(pipeline.counters)
    for messages, _ in run_clips(pipeline, clip_frames(list(both)), timeline, accounts):
        timeline.note(messages)
    (line,) = timeline.unjudged_lines(detector[0].shape, config, accounts)
    before = "1 of 2 clips was not judged, such as mine: "
    assert line.startswith(before)
    found = line.removeprefix(before)
    assert says.fullmatch(found) if isinstance(says, re.Pattern) else says == found


def test_slow_frames_are_the_cause() -> None:
    good = next(iter(anomaly_clips(seed=3, n_per_kind=1)))
    mine = replace(good, joints=np.repeat(good.joints[:1], 12, axis=0), fps=1.25, clip_id="mine")
    both = ClipSet((replace(good, clip_id="good"), mine), good.layout)
    _told(both, "frames come 0.8 s apart; a window needs them at most 0.5 s apart")


@pytest.mark.parametrize("frames", [29, 31, 33])
def test_a_clip_is_too_short_exactly_when_nothing_of_it_can_be_scored(frames: int) -> None:
    config = Config()
    scorer, thresholds = load_scorer(config)
    whole = next(iter(anomaly_clips(seed=3, n_per_kind=1)))
    clips = [replace(whole, joints=whole.joints[:frames], fps=15.0, clip_id=f"{k}") for k in range(6)]
    timeline = Timeline([ClipSet(tuple(clips), whole.layout)])
    messages = Pipeline(scorer, thresholds, config).run(clip_frames(clips))
    timeline.note(messages)
    scored = {str(m.pair[0])[1:-2] for m in messages if isinstance(m, ScoreMessage)}
    unjudged = timeline.unjudged(scorer.shape, config.windows.hop)
    assert unjudged.others == []
    assert set(unjudged.short) == {c.clip_id for c in clips} - scored
