"""Models whose graph does something else than they say: made with the onnx package, tried in real processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from dyadwatch.core.errors import ArtefactError, CalibrationError, ScoreError
from dyadwatch.core.model_file.artefact import read_info, seal
from dyadwatch.loading import load_scorer
from dyadwatch.model_files import shipped_model
from dyadwatch.stream.configuration.config import AlarmOptions, Config, ScorerOptions
from dyadwatch.stream.scoring.model_check import check_model, trial, trial_windows
from dyadwatch.stream.scoring.scorer import Scorer

Change = Callable[[Any], None]
OPTIONS = ScorerOptions(threads=1, max_batch=8, trial_s=60)


def after(graph: Any, output: str, *steps: tuple[str, list[str], dict[str, Any]], **consts: Any) -> None:
    """Puts further operations between what makes an output, `_` among their inputs, and the output itself."""
    for node in graph.node:
        node.output[:] = [f"{output}_before" if o == output else o for o in node.output]
        node.input[:] = [f"{output}_before" if i == output else i for i in node.input]
    last = f"{output}_before"
    for i, (op, inputs, attributes) in enumerate(steps):
        result = output if i == len(steps) - 1 else f"{output}_{i}"
        graph.node.append(helper.make_node(op, [last if x == "_" else x for x in inputs], [result], **attributes))
        last = result
    graph.initializer.extend(numpy_helper.from_array(np.asarray(v), name) for name, v in consts.items())


def fixed_batch(graph: Any) -> None:
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def hidden_fixed_batch(graph: Any) -> None:
    """A shape that only the data give, so that nothing but scoring shows it."""
    graph.node.extend(
        [
            helper.make_node("ReduceMax", ["joints"], ["farthest"], keepdims=0),
            helper.make_node("Mul", ["farthest", "nought"], ["nought_again"]),
            helper.make_node("Add", ["nought_again", "ones"], ["ones_again"]),
            helper.make_node("Cast", ["ones_again"], ["one_window"], to=TensorProto.INT64),
        ]
    )
    after(graph, "relation", ("Reshape", ["_", "one_window"], {}), nought=np.float32(0), ones=np.array([1], np.float32))


def score_column(graph: Any) -> None:
    after(graph, "score", ("Unsqueeze", ["_", "at_one"], {}), at_one=np.array([1], np.int64))
    graph.output[0].type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, ["B", 1]))


def twice_as_many(graph: Any) -> None:
    after(graph, "score", ("Concat", ["_", "_"], {"axis": 0}))


def doubles(graph: Any) -> None:
    after(graph, "score", ("Cast", ["_"], {"to": TensorProto.DOUBLE}))
    graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


def no_shift(graph: Any) -> None:
    del graph.output[5]


def second_input(graph: Any) -> None:
    graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["B"]))


def other_joints(graph: Any) -> None:
    graph.input[0].type.tensor_type.shape.dim[3].dim_value = 12


def not_finite(graph: Any) -> None:
    after(graph, "score", ("Div", ["_", "nothing"], {}), nothing=np.float32(0))


def mixes_batch(graph: Any) -> None:
    after(graph, "score", ("Sub", ["_", "mean"], {}))
    graph.node.insert(len(graph.node) - 1, helper.make_node("ReduceMean", ["score_before"], ["mean"], keepdims=1))


def four_gigabytes(graph: Any) -> None:
    after(
        graph,
        "score",
        ("Expand", ["_", "wide"], {}),
        ("ReduceMax", ["_", "copies"], {"keepdims": 0}),
        wide=np.array([2_000_000_000, 1], np.int64),
        copies=np.array([0], np.int64),
    )


def endless(graph: Any) -> None:
    """A Loop that goes on until it has counted to 2^63."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("Add", ["sum_in", "sum_in"], ["sum_out"]),
        ],
        "round",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_in", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_in", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_out", TensorProto.BOOL, []),
            helper.make_tensor_value_info("sum_out", TensorProto.FLOAT, None),
        ],
    )
    after(
        graph, "score", ("Loop", ["rounds", "go", "_"], {"body": body}), rounds=np.int64(2**63 - 1), go=np.bool_(True)
    )


@pytest.fixture
def broken(tiny_artefact: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny model with a changed graph or description."""

    def make(change: Change | None = None, **described: Any) -> Path:
        model = onnx.load(tiny_artefact)
        if change is not None:
            change(model.graph)
        info = msgspec.structs.replace(read_info(tiny_artefact), **described)
        path = tmp_path / "broken.onnx"
        path.write_bytes(seal(model.SerializeToString(), info))
        return path

    return make


@pytest.mark.parametrize(
    ("change", "described", "said"),
    [
        (fixed_batch, {}, "input 'joints', for windows of 10 frames has the fixed batch size 1; expected a free one"),
        (score_column, {}, "output 'score' has shape ['B', 1]; its description says [batch]; export it again"),
        (doubles, {}, "output 'score' is tensor(double); expected tensor(float)"),
        (no_shift, {}, "no output 'shift'; expected score, relation, unusual, timing, joint_pairs, shift; export"),
        (second_input, {}, "the graph has the inputs joints, mask; expected one, 'joints'; export it again"),
        (other_joints, {}, "has shape ['B', 2, 10, 12, 3]; its description says [batch, 2, 10, 11, 3]"),
        (None, {"frames": 12}, "12 frames has shape ['B', 2, 10, 11, 3]; its description says [batch, 2, 12, 11, 3]"),
        (None, {"layout": "custom", "joints": ("head", "neck")}, "its description says [batch, 2, 10, 2, 3]"),
    ],
)  # fmt: skip
def test_a_graph_that_is_not_what_its_description_says_is_not_loaded(
    broken: Callable[..., Path], change: Change | None, described: dict[str, Any], said: str
) -> None:
    path = broken(change, **described)
    with pytest.raises(ArtefactError) as caught:
        Scorer(path, OPTIONS)
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (hidden_fixed_batch, "ONNX Runtime failed on 8 windows: "),
        (twice_as_many, "output 'score' has shape (2,) of float32 for 1 windows; expected (1,) of float32"),
        (not_finite, "9 of 9 scores of people who stand are no finite numbers, such as inf"),
        (mixes_batch, "expected the same whatever else is in a batch"),
    ],
)
def test_what_only_scoring_shows_is_found_by_the_trial(broken: Callable[..., Path], change: Change, said: str) -> None:
    path = broken(change)
    with pytest.raises((ArtefactError, ScoreError)) as caught:
        trial(path, OPTIONS)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_the_trial_in_its_own_process_says_the_same(broken: Callable[..., Path]) -> None:
    path = broken(hidden_fixed_batch)
    with pytest.raises(ArtefactError, match=r"broken\.onnx: ONNX Runtime failed on 8 windows: .*Reshape"):
        check_model(path, OPTIONS)


def test_a_sound_model_passes(tiny_artefact: Path) -> None:
    check_model(tiny_artefact, OPTIONS)


def test_a_graph_that_never_ends_is_refused(broken: Callable[..., Path]) -> None:
    path = broken(endless)
    with pytest.raises(ArtefactError, match=r"the trial did not end within 2 s \(scorer\.trial_s\).*scorer\.max_batch"):
        check_model(path, msgspec.structs.replace(OPTIONS, trial_s=2.0))


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is limited on Linux only")
def test_a_graph_that_takes_all_memory_is_refused(broken: Callable[..., Path]) -> None:
    path = broken(four_gigabytes)
    with pytest.raises(ArtefactError) as caught:
        check_model(path, msgspec.structs.replace(OPTIONS, max_batch=1, trial_mb=512))
    assert str(path) in str(caught.value)
    assert "(scorer.trial_mb allows 512 MB)" in str(caught.value)


def test_the_detector_tries_what_is_not_shipped(broken: Callable[..., Path]) -> None:
    model = broken(hidden_fixed_batch)
    alarm = AlarmOptions(raise_at=2.0, clear_at=1.0)
    config = Config(scorer=msgspec.structs.replace(OPTIONS, model=str(model)), alarm=alarm)
    with pytest.raises(ArtefactError, match="ONNX Runtime failed on 8 windows"):
        load_scorer(config)
    # What takes no time is looked at before: a trial may last half a minute.
    with pytest.raises(CalibrationError, match=r"no such calibration file; expected one beside the model, or alarm\."):
        load_scorer(msgspec.structs.replace(config, alarm=AlarmOptions()))
    never = msgspec.structs.replace(OPTIONS, model=str(shipped_model()), trial_s=0.001)
    scorer, _ = load_scorer(Config(scorer=never))
    assert scorer.info.name == read_info(shipped_model()).name


def test_an_error_of_the_engine_is_one_that_can_be_counted(broken: Callable[..., Path]) -> None:
    scorer = Scorer(broken(hidden_fixed_batch), OPTIONS)
    windows = trial_windows(scorer.shape, 3)
    with pytest.raises(ScoreError, match="ONNX Runtime failed on 3 windows") as caught:
        scorer.score(windows)
    assert caught.value.reason == "score_failed"
    assert len(scorer.score(windows[:1])) == 1


def test_outputs_of_other_shapes_are_one_too(broken: Callable[..., Path]) -> None:
    scorer = Scorer(broken(twice_as_many), OPTIONS)
    with pytest.raises(ScoreError, match=r"'score' has shape \(2,\)") as caught:
        scorer.score(trial_windows(scorer.shape, 1))
    assert caught.value.reason == "score_invalid"


def test_joint_pairs_that_are_no_numbers_make_no_score(broken: Callable[..., Path]) -> None:
    def nan_shift(graph: Any) -> None:
        after(graph, "shift", ("Mul", ["_", "no_number"], {}), no_number=np.float32(np.nan))

    scorer = Scorer(broken(nan_shift), OPTIONS)
    (score,) = scorer.score(trial_windows(scorer.shape, 1))
    assert np.isnan(score.score)


def test_scoring_is_stopped_from_another_thread(broken: Callable[..., Path]) -> None:
    scorer = Scorer(broken(endless), OPTIONS)
    reasons: list[str] = []

    def score() -> None:
        try:
            scorer.score(trial_windows(scorer.shape, 1))
        except ScoreError as e:
            reasons.append(e.reason)

    thread = threading.Thread(target=score, daemon=True)
    thread.start()
    time.sleep(0.05)
    assert thread.is_alive()
    scorer.cancel()
    thread.join(5)
    assert not thread.is_alive()
    with pytest.raises(ScoreError, match="scoring was cancelled"):
        scorer.score(trial_windows(scorer.shape, 1))
    assert reasons == ["score_cancelled"]


def test_trial_windows_are_two_people_who_stand(scorer: Scorer) -> None:
    windows = trial_windows(scorer.shape, 3)
    assert [w.shape for w in windows] == [(2, 10, 11, 3)] * 3
    assert all(np.abs(np.diff(w, axis=1)).max() < 0.02 for w in windows)
