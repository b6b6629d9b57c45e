"""What is recorded is added up as it grows, once, over all runs."""

from __future__ import annotations

from pathlib import Path

from dyadwatch.stream.learning.heard import RecordedTime
from dyadwatch.stream.learning.learning_codes import Doing
from dyadwatch.stream.learning.progress import LearnerProgress, read_progress, write_progress
from dyadwatch.stream.messages import ScoreMessage
from dyadwatch.stream.recordings.channels import RecordingHeader
from dyadwatch.stream.recordings.mcap_file import RecordingFile
from dyadwatch.stream.recordings.recordings_folder import recording_name

S = 1_000_000_000
START = 1_700_000_000 * S


def tell(file: RecordingFile, first_s: float, last_s: float, source: str = "hall", *, doubtful: bool = False) -> None:
    """Scores of one pair, five a second."""
    for k in range(round(first_s * 5), round(last_s * 5)):
        at = START + k * S // 5
        score = ScoreMessage(
            source=source, pair=(1, 2), start=at - S, end=at, score=1.0, relation=0.0, unusual=1.0, doubtful=doubtful,
            model="m 1", latency_ms=1.0,
        )  # fmt: skip
        file.message(score, at)
    file.flush()


def test_it_grows_with_the_recording_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    nothing = RecordedTime(tmp_path)
    assert not nothing.look(START)
    assert nothing.heard == ()
    file = RecordingFile(tmp_path / recording_name(1, 1, START), RecordingHeader(run="1"))
    tell(file, 0, 30)
    time = RecordedTime(tmp_path)
    assert time.look(START + 31 * S)
    tell(file, 30, 60)
    tell(file, 60, 70, doubtful=True)
    tell(file, 60, 90, "yard")
    assert time.look(START + 100 * S)
    assert not time.look(START + 101 * S)
    hall, yard = time.heard
    assert (hall.source, hall.pairs, round(60 * hall.minutes)) == ("hall", 1, 61)
    assert (yard.source, yard.pairs, round(60 * yard.minutes)) == ("yard", 1, 31)
    write_progress(tmp_path, LearnerProgress(at=1, heard=time.heard, until=time.until))
    told = read_progress(tmp_path)
    assert (round(told.minutes, 2), told.alive, told.doing) == (1.53, False, Doing.LISTENING)
    again = RecordedTime(tmp_path, told.heard, told.until)
    tell(file, 100, 130)
    assert again.look(START + 200 * S)
    assert round(60 * again.heard[0].minutes) == 61 + 31
    file.close()


def test_what_nobody_can_read_is_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "learner.json").write_text("[]")
    assert read_progress(tmp_path) == LearnerProgress()
