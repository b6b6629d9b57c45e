"""The cause for which nothing of a source was scored, by what its frames were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Unscored
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.counters import Counters
from dyadwatch.stream.health.unjudged import Account, Accounts
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.texts import text_of
from dyadwatch.stream.windows.source_line import SourceLine

SHAPE = WindowShape(UPPER11, 30, 15.0)
HANDS = Layout("hands", ("left_wrist", "right_wrist"))


def _frame(k: int, people: int = 2, apart: float = 1.0) -> PoseFrame:
    joints = np.zeros((people, 11, 3), np.float32)
    joints[:, :, 1] = np.linspace(0.5, 1.7, 11)
    joints[:, :, 0] = apart * np.arange(people)[:, None]
    ids = tuple(range(people))
    return PoseFrame("hall", 1, k, k * NS // 30, "media", UPPER11, joints, np.ones((people, 11), np.float32), ids)


def _hands(k: int) -> PoseFrame:
    frame = _frame(k)
    return replace(frame, layout=HANDS, joints=frame.joints[:, :2], confidence=frame.confidence[:, :2])


def _of(frames: list[PoseFrame]) -> Account:
    counters = Counters()
    line, accounts = (
        SourceLine("hall", SHAPE, Config(), lambda reason: counters.add("hall", reason)),
        Accounts(counters),
    )
    for frame in frames:
        line.push(frame, 0)
        accounts.look("hall", line)
    line.finish(0)
    accounts.settle()
    return accounts.of("hall")


@pytest.mark.parametrize(
    ("frame", "n", "code", "says"),
    [
        (_hands, 40, Unscored.LAYOUT_UNFIT, "the joints do not fit the model: layout 'hands' cannot feed a "),
        (lambda k: _frame(k, 0), 40, Unscored.NOBODY, "nobody is seen in any frame"),
        (lambda k: _frame(k, 1), 40, Unscored.ONE_PERSON, "never more than one person is seen at a time"),
        (lambda k: _frame(k, 2, 4.25), 40, Unscored.APART,
         "no two people come within 3 m of each other (pairs.enter_m); the nearest are 4.2 m apart"),
        (lambda k: _frame(30 * k), 8, Unscored.SLOW, "frames come 1 s apart; a window needs them at most 0.5 s apart"),
        (_frame, 40, Unscored.INTERRUPTED, "two people are seen near each other for at most 1.3 s without a break of "),
    ],
)  # fmt: skip
def test_the_cause_follows_from_the_frames(
    frame: Callable[[int], PoseFrame], n: int, code: Unscored, says: str
) -> None:
    cause = _of([frame(k) for k in range(n)]).cause(SHAPE, Config())
    assert cause.code == code
    assert text_of(cause).startswith(says)


def test_frames_that_were_not_used_are_told_with_their_reasons() -> None:
    same = [replace(_frame(k), stamp=5) for k in range(9)]
    account = _of([replace(_frame(0), stamp=6), *same])
    assert (account.frames, account.used) == (10, 1)
    left_out = Account(frames=9, counts={"late": 3, "stamp_not_increasing": 6, "seq_gap": 2})
    says = "none of 9 frames could be used: stamp_not_increasing 6, late 3"
    assert text_of(left_out.cause(SHAPE, Config())) == says
    assert text_of(Account(frames=1).cause(SHAPE, Config())) == "none of 1 frame could be used: no reason was counted"
    assert text_of(Account().cause(SHAPE, Config())) == "no frame came"


def test_windows_that_the_model_failed_on_are_told() -> None:
    account = _of([_frame(k) for k in range(90)])
    account.counts = {"score_failed": 2, "score_not_finite": 1}
    assert text_of(account.cause(SHAPE, Config())) == "the model gave no usable score for 3 windows"
