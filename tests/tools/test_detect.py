"""What `dyadwatch detect` says of clips that it cannot use."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from dyadwatch.core.artefact import file_sha256
from dyadwatch.core.clips import Clip, read_clips
from dyadwatch.core.errors import ClipError, LayoutError
from dyadwatch.core.layouts import KINECT25, UPPER11
from dyadwatch.core.skeleton import Layout
from dyadwatch.stream.config import Config, PairOptions
from dyadwatch.stream.publishers.simulator.samples import anomaly_clips
from dyadwatch.stream.recordings.about import as_recorded
from dyadwatch.stream.recordings.channels import About
from dyadwatch.tools.detect import check_clips
from dyadwatch.tools.detector import model_path, shipped_model
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
    from dyadwatch.core.clips import write_clips

    write_clips(tmp_path, list(anomaly_clips(seed=1, n_per_kind=1))[:1])
    label = read_clips(tmp_path)[0].label
    with pytest.raises(ClipError, match=rf"^no clip has label 'hug'; there are labels '{label}'$"):
        select_clips([tmp_path], ("hug",))


def test_options_prevail_over_what_was_recorded_and_that_over_the_rest(tmp_path: Path) -> None:
    was = Config(pairs=PairOptions(enter_m=1.5, leave_m=2.5))
    text, sha = msgspec.json.encode(was).decode(), file_sha256(shipped_model())
    about = About(run="5", config=text, model="m 1", model_sha256=sha, raise_at="7.5", clear_at="5.5")

    def told(*options: str) -> tuple[float, float, float | None, float | None]:
        config = as_recorded(Config(), about, options, model_path)
        return config.pairs.enter_m, config.pairs.leave_m, config.alarm.raise_at, config.alarm.clear_at

    assert told() == (1.5, 2.5, 7.5, 5.5)
    assert told("pairs.enter_m=1", "alarm.raise_at=9") == (1.0, 2.5, 9.0, 5.5)
    (tmp_path / "other.onnx").write_bytes(b"another model")
    # The thresholds of one model say nothing of another's scores.
    assert told(f"scorer.model={tmp_path / 'other.onnx'}") == (1.5, 2.5, None, None)
    assert as_recorded(Config(), About(run="5"), ("pairs.enter_m=1",), model_path).pairs.enter_m == 1.0
