"""What no body can be is not scored, and said; what is doubtful opens no event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.decision.rules import Thresholds
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.core.skeletons.layouts import KINECT25
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Blindness
from dyadwatch.stream.configuration.config import Config, MergeOptions, SenseOptions
from dyadwatch.stream.health.source_watch import SourceWatch
from dyadwatch.stream.health.status_board import StatusBoard
from dyadwatch.stream.messages import ScoreMessage, StatusMessage
from dyadwatch.stream.pipeline import Pipeline, events_of
from dyadwatch.stream.publishers.simulator.faults import apply_faults, parse_faults
from dyadwatch.stream.publishers.simulator.scenario import Act, make_scenario
from dyadwatch.stream.scoring.scorer import Scorer
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.windows.source_line import SourceLine

Frames = NDArray[np.float32]
START = 1_700_000_000 * NS
RAISES = Thresholds(raise_at=0.5, clear_at=0.4)  # of the tiny model: whoever moves


@pytest.fixture(scope="module")
def meeting() -> Frames:
    """Two simulated people who shake hands: 6 s at 30 fps, kinect25."""
    return make_scenario(3, 2, 12.0, script=[Act("handshake", (1, 2), 0.5)]).joints()[:180]


def sent(people: Iterable[Frames], source: str = "hall", ids: tuple[int, ...] | None = (1, 2)) -> Iterator[PoseFrame]:
    for k, joints in enumerate(people):
        joints = joints.astype(np.float32)
        seen = np.ones(joints.shape[:2], np.float32)
        of = ids if ids is None else ids[: len(joints)]
        yield PoseFrame(source, 1, k, START + round(k * NS / 30), "unix", KINECT25, joints, seen, of)


class Ran:
    """A stream that went through the detector, and the status at its end."""

    def __init__(self, scorer: Scorer, frames: Iterable[PoseFrame], config: Config | None = None) -> None:
        config = config or Config()
        self.pipeline = Pipeline(scorer, RAISES, config)
        watch = SourceWatch(self.pipeline.intake, config.liveness)
        self.messages = []
        for frame in frames:
            self.messages += self.pipeline.push(frame)
            watch.beat(frame, frame.stamp)
        board = StatusBoard(self.pipeline.counters, config.liveness, "tiny 1", "cpu")
        now = {s.source: s for s in board.messages(watch.views(), self.pipeline.judge.judged)}
        # The receiver's clock has nothing to do with stamps of long ago: of the status only what is odd is looked at.
        self.status: dict[str, StatusMessage] = now

    def line(self, source: str = "hall") -> SourceLine:
        return self.pipeline.intake.lines[source]

    @property
    def scores(self) -> list[ScoreMessage]:
        return [m for m in self.messages if isinstance(m, ScoreMessage)]

    @property
    def opened(self) -> int:
        return sum(e.type == "open" for e in events_of(self.messages))

    @property
    def dropped(self) -> dict[str, int]:
        return self.pipeline.counters.of("hall")


def turned(a: Frames) -> Frames:
    return np.stack([a[..., 0], -a[..., 2], a[..., 1]], axis=-1)


def without_place(a: Frames) -> Frames:
    return (a - (a[:, [KINECT25.index["left_hip"]]] + a[:, [KINECT25.index["right_hip"]]]) / 2).astype(np.float32)


def still(a: Frames) -> Frames:
    return a[:1].repeat(len(a), axis=0)


WRONG: dict[Oddity, Callable[[Frames], Frames]] = {
    Oddity.JOINTS_MISNAMED: lambda a: np.roll(a, 5, axis=2),
    Oddity.ABSURD_SIZE: lambda a: a * np.float32(0.3),
    Oddity.UPSIDE_DOWN: lambda a: a * np.array([1, -1, -1], np.float32),
    Oddity.FROZEN: lambda a: a[np.minimum(np.arange(len(a)), 40)],
    Oddity.ONE_BODY_TWICE: lambda a: np.stack([a[:, 0], a[:, 0] + np.float32(0.03)], axis=1),
    Oddity.ONE_PLACE: lambda a: np.stack([without_place(f) for f in a]),
    Oddity.FLAT: lambda a: a * np.array([1, 1, 0], np.float32),
}
LEFT = [KINECT25.index[j] for j in KINECT25.joints if j.startswith("left_")]
RIGHT = [KINECT25.index[KINECT25.joints[k].replace("left_", "right_")] for k in LEFT]


def flipped(a: Frames) -> Frames:
    """Left and right exchanged in every seventh frame."""
    out = a.copy()
    for k in range(0, len(a), 7):
        out[k][:, LEFT], out[k][:, RIGHT] = a[k][:, RIGHT], a[k][:, LEFT]
    return out


def nailed(a: Frames) -> Iterator[Frames]:
    """The second with an origin between the hips, beside the first."""
    yield np.stack([without_place(f[1:])[0] for f in a]) + a[90, 0, 0] + np.float32(0.7)


DOUBTFUL: dict[Oddity, Callable[[Frames], Frames]] = {
    Oddity.SIDES_FLIP: flipped,
    Oddity.JITTER: lambda a: a + np.random.default_rng(0).normal(0, 0.04, a.shape).astype(np.float32),
    Oddity.ODD_WIDTH: lambda a: a * np.array([2, 1, 2], np.float32),
    Oddity.NAILED: lambda a: np.concatenate(
        [a[:, :1], np.stack([without_place(f) for f in a[:, 1:]]) + a[90, 0, 0] + 0.7], axis=1
    ),
}


@pytest.mark.parametrize("code", WRONG)
def test_what_no_body_can_be_is_not_scored(code: Oddity, meeting: Frames, scorer: Scorer) -> None:
    ran = Ran(scorer, sent(WRONG[code](meeting)))
    line = ran.line()
    assert line.blind is not None
    assert line.blind.code is Blindness(code)
    assert ran.dropped[code] > 10
    last = START + (2 if code is Oddity.FROZEN else 1) * 1.4 * NS  # windows of the tiny model last 2/3 s
    assert all(m.end <= last for m in ran.scores), "nothing is scored once that is known"
    status = ran.status["hall"]
    assert code in status.warnings
    assert [(odd.code, odd.blinding, odd.text) for odd in status.odd if odd.blinding] == [
        (code, True, text_of(line.blind))
    ]


@pytest.mark.parametrize("code", DOUBTFUL)
def test_how_people_are_seen_makes_scores_doubtful(code: Oddity, meeting: Frames, scorer: Scorer) -> None:
    ran = Ran(scorer, sent(DOUBTFUL[code](meeting)))
    later = [m for m in ran.scores if m.end > START + 1.5 * NS]
    assert len(later) > 15
    assert all(m.doubtful for m in later)
    assert (code in ran.status["hall"].warnings, ran.dropped) == (True, {})


def test_a_mirrored_source_is_said_and_raises_as_ever(meeting: Frames, scorer: Scorer) -> None:
    ran = Ran(scorer, sent(meeting * np.array([1, 1, -1], np.float32)))
    assert ran.opened > 0
    assert not any(m.doubtful for m in ran.scores)
    assert ran.status["hall"].warnings == (Oddity.MIRRORED,)
    assert [odd.blinding for odd in ran.status["hall"].odd] == [False]


@pytest.mark.parametrize("ids", [(1, 2), None], ids=["ids", "no ids"])
def test_people_are_scored(ids: tuple[int, ...] | None, meeting: Frames, scorer: Scorer) -> None:
    ran = Ran(scorer, sent(meeting, ids=ids))
    assert len(ran.scores) > 15
    assert ran.dropped == {}
    assert (ran.status["hall"].warnings, ran.status["hall"].odd) == ((), ())
    assert ran.opened > 0


@pytest.mark.parametrize("change", [turned, lambda a: a * np.float32(0.45)], ids=["turned", "small"])
def test_what_is_doubtful_is_scored_and_opens_nothing(
    change: Callable[[Frames], Frames], meeting: Frames, scorer: Scorer
) -> None:
    standing = meeting[np.arange(180) % 30 // 2 + 60]  # nobody walks, which would be more than a doubt
    code = Oddity.NOBODY_UPRIGHT if change is turned else Oddity.ODD_SIZE
    assert Ran(scorer, sent(standing)).opened > 0
    ran = Ran(scorer, sent(change(standing)))
    assert len(ran.scores) > 15
    assert max(m.score for m in ran.scores) > RAISES.raise_at
    assert ran.opened == 0
    assert ran.status["hall"].warnings == (code,)
    assert [odd.blinding for odd in ran.status["hall"].odd] == [False]
    ignored = Ran(scorer, sent(change(standing)), Config(sense=SenseOptions(ignore=[code])))
    assert ignored.opened > 0
    assert ignored.status["hall"].warnings == ()


@pytest.mark.parametrize(
    "faults",
    [
        "drop=0.05,double=0.02,late=0.02,reorder=0.02,jitter_ms=4,occlude=0.3,vanish=0.1,id_switch=0.1",
        "no_ids=true,occlude=0.5,vanish=0.2",
        "id_new=0.3,occlude=0.6,occlude_s=1.0",
    ],
)
def test_a_faulty_sensor_is_no_odd_body(faults: str, scorer: Scorer) -> None:
    people = make_scenario(3, 4, 30.0, 2).frames(source="hall", start_ns=START)
    ran = Ran(scorer, apply_faults(people, parse_faults(faults), 3))
    assert len(ran.scores) > 50
    assert {code for code in ran.dropped if code in set(Oddity)} == set()
    assert ran.status["hall"].odd == ()


def test_one_wrong_source_leaves_others_alone(meeting: Frames, scorer: Scorer) -> None:
    wrong = list(sent(WRONG[Oddity.UPSIDE_DOWN](meeting), "yard"))
    ran = Ran(scorer, [f for two in zip(sent(meeting), wrong, strict=True) for f in two])
    assert {m.source for m in ran.scores if m.end > START + 2 * NS} == {"hall"}
    assert ran.status["yard"].warnings == ("upside_down",)
    assert ran.status["hall"].warnings == ()


def test_who_is_right_beside_who_is_wrong_is_scored(meeting: Frames, scorer: Scorer) -> None:
    three = np.concatenate([meeting, meeting[:, :1] * np.array([1, -1, -1], np.float32)], axis=1)
    ran = Ran(scorer, sent(three, ids=(1, 2, 3)))
    assert ran.line().blind is None
    assert {m.pair for m in ran.scores if m.end > START + 2 * NS} == {(1, 2)}
    assert ran.status["hall"].warnings == ("upside_down",)


def test_a_wrong_source_of_a_group_adds_nobody(meeting: Frames, scorer: Scorer) -> None:
    config = Config(merge=MergeOptions(groups={"room": ["a", "b"]}))
    wrong = list(sent(WRONG[Oddity.UPSIDE_DOWN](meeting), "b"))
    ran = Ran(scorer, [f for two in zip(sent(meeting, "a"), wrong, strict=True) for f in two], config)
    later = [m for m in ran.scores if m.end > START + 3 * NS]
    assert {m.source for m in later} == {"room"}
    assert ran.line("room").scene.people == 2
    blind = ran.line("b").blind
    assert blind is not None
    assert blind.code is Blindness.UPSIDE_DOWN
    assert ran.pipeline.counters.of("b")["upside_down"] > 100


def test_the_log_says_what_to_change(meeting: Frames, scorer: Scorer, caplog: pytest.LogCaptureFixture) -> None:
    Ran(scorer, sent(WRONG[Oddity.UPSIDE_DOWN](meeting)))
    Ran(scorer, sent(turned(meeting[60:80])))
    for said in (
        "hall: upside_down: windows of people whose feet are above the head are not scored: the feet of ",
        'hall: nobody_upright: nobody stands, or was seen to stand: z-up sent as y-up? Declare it: "axes": "z-up" in ',
    ):
        assert said in caplog.text
