"""What normal looks like: a calm moment of the same source, the one most like the incident, stood as that one is."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.memory.kept import KeptIncident
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import IncidentMessage, ScoreMessage
from dyadwatch.stream.page.incident_clip import ClipUnavailableError
from dyadwatch.stream.page.normal_moment import NormalMoment, normal_moment
from dyadwatch.stream.page.queries import with_spans
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name
from dyadwatch.stream.wire import encode_pose

S = 1_000_000_000
START = 1_700_000_000 * S
WRIST, HIDDEN = UPPER11.index["left_wrist"], UPPER11.index["pelvis"]
Make = Callable[..., IncidentMessage]
# When the left wrist of somebody is raised, seconds: that one moment is calm; the last is the incident's.
RAISED = (20.0, 50.0)
TURN = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)
AWAY = np.array([4, 0, 6], np.float32)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame]
) -> Iterator[Path]:
    tmp_path = tmp_path_factory.mktemp("recordings")
    with recorded(tmp_path, person, frame):
        yield tmp_path


@contextmanager
def recorded(
    folder: Path,
    person: Callable[..., np.ndarray],
    frame: Callable[..., PoseFrame],
    hidden_s: tuple[float, float] = (0.0, 0.0),
) -> Iterator[None]:
    """40 s of cal and dee, who raises an arm at 20 s; then ann and bob, of whom ann raises hers at 50 s.

    Cal and dee stand elsewhere and are turned, and cal is seen first. The window at 15 s is shorter, as the first of a
    pair may be. In `hidden_s` the pelvis of ann, or dee, is hidden.
    """
    file = RecordingFile(folder / recording_name(1, 1, START), RecordingHeader(run="1"))
    for k in range(60 * 30):
        t = k / 30
        up = max(np.exp(-(((t - at) / 0.3) ** 2)) for at in RAISED)
        calm = t < 40
        first, second = person(0.0), person(1.0)
        first[WRIST, 1] += 0.8 * up
        if hidden_s[0] <= t < hidden_s[1]:
            first[HIDDEN] = np.nan
        if calm:
            first, second = second @ TURN + AWAY, first @ TURN + AWAY
        one = frame(k, [first, second], ids=["cal", "dee"] if calm else ["ann", "bob"], stamp=START + round(t * S))
        file.parts("pose.hall", encode_pose(one), one.stamp, one.stamp + S // 100, one.seq)
    for k in range(10, 600):
        t = k / 10
        at = START + round(t * S)
        # calm, but for the incident and a near miss at 8 s
        evidence = 2.0 if 49 < t < 52 else 0.8 if 7.5 < t < 8.5 else 0.1
        pair = ("cal", "dee") if t < 40 else ("ann", "bob")
        start = at - (S // 2 if t == 15 else S)
        score = ScoreMessage(
            source="hall", pair=pair, start=start, end=at, score=1.0, relation=0.0, unusual=1.0, evidence=evidence,
            model="m 1", latency_ms=1.0,
        )  # fmt: skip
        file.message(score, at + S // 50)
    file.flush()
    try:
        yield
    finally:
        file.close()


def about(incident: Make, start_s: float = 50.0, **changes: object) -> KeptIncident:
    began = START + round(start_s * S)
    message = incident(began=began, people=("ann", "bob"), **changes)
    pair = msgspec.structs.replace(message.pairs[0], pair=("ann", "bob"), peak_stamp=began + S // 2)
    return KeptIncident(message=msgspec.structs.replace(message, pairs=(pair,)), run="r", began=began, told=began)


def places(moment: NormalMoment) -> np.ndarray:
    raw = np.frombuffer(base64.b64decode(moment.places), "<f4")
    return raw.reshape(moment.frames, len(moment.ids), len(moment.joints), 3)


def test_the_calm_window_most_like_the_peak_is_found(folder: Path, incident: Make) -> None:
    moment = normal_moment(folder, about(incident), 0)
    assert moment.pair == moment.ids == ("dee", "cal"), "dee does what ann did"
    assert (moment.stamp - START) / S == pytest.approx(20.5, abs=0.05)
    assert moment.at == moment.stamp
    assert moment.apart_m == pytest.approx(0, abs=0.01)
    assert moment.evidence == 0.1
    assert moment.windows > 200
    assert moment.start_s == pytest.approx(-2.5, abs=0.05)
    assert moment.frames == 4 * 30 + 1, "the last is the peak"


@pytest.mark.parametrize("late_ms", [16, 17])
def test_a_peak_between_two_points_of_the_grid_is_compared_too(folder: Path, incident: Make, late_ms: int) -> None:
    moment = normal_moment(folder, about(incident, 50 + late_ms / 1000), 0)
    assert (moment.stamp - START) / S == pytest.approx(20.5 + late_ms / 1000, abs=0.11)
    assert moment.apart_m < 0.05


def test_it_stands_as_the_people_of_the_incident_do(folder: Path, incident: Make) -> None:
    moment = normal_moment(folder, about(incident), 0)
    joints = places(moment)
    peak = joints[round((-0.5 - moment.start_s) * 30)]
    middle = peak[:, UPPER11.index["neck"]]
    assert middle[:, 0] == pytest.approx([0.0, 1.0], abs=0.01)
    assert middle[:, 2] == pytest.approx([0.0, 0.0], abs=0.01)
    assert peak[0, WRIST, 1] - peak[1, WRIST, 1] == pytest.approx(0.8, abs=0.02)


def test_what_is_part_of_an_incident_is_not_normal(folder: Path, incident: Make) -> None:
    spans = ((START + 18 * S, START + 22 * S),)
    moment = normal_moment(folder, about(incident), 0, spans)
    assert not 17 < (moment.stamp - START) / S < 24.5
    assert moment.apart_m > 0.01


@pytest.mark.parametrize(("begin_s", "from_s"), [(50.0, 10), (43.6, 12)])
def test_windows_near_an_alarm_are_not_normal(folder: Path, incident: Make, begin_s: float, from_s: int) -> None:
    """Even where the alarm was in what is read at another time."""
    everything_else = ((START, START + 6 * S), (START + from_s * S, START + 45 * S))
    with pytest.raises(ClipUnavailableError, match=r"^no calm moment of two people is recorded in the day before it$"):
        normal_moment(folder, about(incident, begin_s), 0, everything_else)


def test_a_joint_that_was_hidden_for_a_while_is_no_obstacle(
    tmp_path: Path, incident: Make, person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame]
) -> None:
    with recorded(tmp_path, person, frame, (49.6, 50.4)):
        moment = normal_moment(tmp_path, about(incident), 0)
        assert (moment.stamp - START) / S == pytest.approx(20.5, abs=0.05)


def test_a_joint_that_is_never_seen_at_the_peak_is_said(
    tmp_path: Path, incident: Make, person: Callable[..., np.ndarray], frame: Callable[..., PoseFrame]
) -> None:
    with recorded(tmp_path, person, frame, (48.0, 52.0)), pytest.raises(ClipUnavailableError) as caught:
        normal_moment(tmp_path, about(incident), 0)
    assert caught.value.code == "unseen"
    assert str(caught.value) == "too little of the pair is seen at the peak to be compared"


def test_a_search_that_takes_too_long_is_given_up(
    folder: Path, incident: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dyadwatch.stream.page.calm_windows._SEARCH_S", 0.0)
    with pytest.raises(ClipUnavailableError) as caught:
        normal_moment(folder, about(incident), 0)
    assert caught.value.code == "gave_up"
    assert str(caught.value) == "no calm moment was found in 0 s; the rest of the day before it was not searched"


def test_what_there_is_nothing_of_is_said(folder: Path, incident: Make) -> None:
    for source, code in (("yard", "no_calm"), ("hall", "not_recorded")):
        of = about(incident, 50.0 if source == "yard" else 3000.0, source=source)
        with pytest.raises(ClipUnavailableError) as caught:
            normal_moment(folder, of, 0)
        assert caught.value.code == code
    with pytest.raises(ClipUnavailableError, match=r"^it is about the source itself, not about people$"):
        normal_moment(folder, KeptIncident(message=incident(pairs=()), run="r", began=1, told=1), 0)


def test_incidents_of_the_same_source_are_known_by_their_time(
    incident: Make, kept: MemoryWriter, page_config: msgspec.Struct
) -> None:
    with Store(kept.store.path) as store:
        found, spans = with_spans(store, "a1b2")
    message = found.incident.message
    assert spans == ((message.start, message.end),), "the one of the yard is none of them"


def test_one_search_or_file_is_made_at_a_time_and_what_was_found_is_kept(
    page_config: Config, serve: Callable[..., object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    lock = threading.Lock()

    def slow(folder: Path, of: object, *more: object) -> bytes:
        assert lock.acquire(blocking=False), "another is at it"
        made.append(type(of).__name__)
        time.sleep(0.1)
        lock.release()
        return b"x"

    monkeypatch.setattr("dyadwatch.stream.page.normal_moment.normal_moment", slow)
    monkeypatch.setattr("dyadwatch.stream.page.incident_export.export", slow)
    config = set_option(page_config, f"record.folder={tmp_path}")
    with serve(config) as page, page.client("viewer") as viewer, ThreadPoolExecutor() as pool:  # type: ignore[attr-defined]
        asked = ["normal", "export?format=mcap", "normal", "export?format=jsonl"]
        answers = list(pool.map(lambda what: viewer.get(f"/api/v1/incidents/a1b2c3/{what}"), asked))
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted(made) == ["IncidentRecord", "IncidentRecord", "KeptIncident"]


def test_the_page_answers_with_it(page_config: msgspec.Struct, serve: Callable[..., object]) -> None:
    with serve(page_config) as page, page.client("viewer") as viewer:  # type: ignore[attr-defined]
        answer = viewer.get("/api/v1/incidents/a1b2c3/normal")
        assert (answer.status_code, answer.json()["code"]) == (404, "no_recording")
