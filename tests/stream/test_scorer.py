from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.model_file.artefact import read_info, seal
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.stream.configuration.config import ScorerOptions
from dyadwatch.stream.scoring.scorer import Score, Scorer


def windows(count: int) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    return [np.asarray(rng.normal(size=(2, 10, 11, 3)), np.float32) for _ in range(count)]


def same(one: Score, other: Score) -> bool:
    numbers = [s.parts for s in (one, other)]
    arrays = [(one.joint_pairs, other.joint_pairs), (one.shift, other.shift)]
    return numbers[0] == numbers[1] and all(np.array_equal(a, b) for a, b in arrays)


def test_it_says_what_windows_it_wants(scorer: Scorer) -> None:
    assert (scorer.shape.layout, scorer.shape.frames, scorer.shape.fps) == (UPPER11, 10, 15.0)
    assert scorer.provider == "CPUExecutionProvider"


def test_scores_are_those_of_the_graph(scorer: Scorer) -> None:
    (window,) = windows(1)
    (score,) = scorer.score([window])
    distance = np.linalg.norm(window[0][:, :, None] - window[1][:, None], axis=-1).min(axis=0)
    unusual = np.linalg.norm(np.diff(window, axis=1), axis=-1).max() * 15
    np.testing.assert_allclose(score.shift, distance - 1, atol=1e-6)
    np.testing.assert_allclose(score.joint_pairs, np.maximum(1 - distance, 0), atol=1e-6)
    assert score.unusual == pytest.approx(unusual, abs=1e-4)
    assert score.relation == pytest.approx(3 * max(1 - distance.min(), 0), abs=1e-4)
    assert score.timing == pytest.approx(unusual / 2, abs=1e-4)
    assert score.score == pytest.approx(score.relation + score.unusual, abs=3e-4)
    assert score.parts == (score.score, score.relation, score.unusual, score.timing)


def test_a_model_that_does_not_judge_timing_says_nothing_of_it(tiny_artefact: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(tiny_artefact)
    kept = [output for output in model.graph.output if output.name != "timing"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    path = tmp_path / "older.onnx"
    path.write_bytes(seal(model.SerializeToString(), read_info(tiny_artefact)))
    some = windows(3)
    older, newer = (Scorer(p, ScorerOptions(threads=1)).score(some) for p in (path, tiny_artefact))
    assert [s.timing for s in older] == [0.0] * 3
    assert [same(a, replace(b, timing=0.0)) for a, b in zip(older, newer, strict=True)] == [True] * 3


@pytest.mark.parametrize("max_batch", [1, 2, 7, 32])
def test_how_windows_are_batched_changes_nothing(scorer: Scorer, tiny_artefact: Path, max_batch: int) -> None:
    some = windows(15)
    alone = [scorer.score([w])[0] for w in some]
    together = Scorer(tiny_artefact, ScorerOptions(threads=1, max_batch=max_batch)).score(some)
    assert [same(a, b) for a, b in zip(alone, together, strict=True)] == [True] * 15
    assert scorer.score([]) == []


def test_swapping_the_persons_transposes_the_joint_pairs(scorer: Scorer) -> None:
    (window,) = windows(1)
    one, other = scorer.score([window, window[::-1].copy()])
    assert one.parts == other.parts
    np.testing.assert_array_equal(one.joint_pairs, other.joint_pairs.T)
    np.testing.assert_array_equal(one.shift, other.shift.T)
