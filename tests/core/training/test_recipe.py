"""Training end to end on a handful of made-up people."""

import json
from dataclasses import asdict, replace
from itertools import count

import numpy as np
import pytest
import torch

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.data.windows import Windows, cut
from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import TrainingError
from dyadwatch.core.iadnet.score_module import Weights
from dyadwatch.core.scoring.auroc import auroc
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.mapping import JointMap
from dyadwatch.core.training import density, material, paper, recipe
from dyadwatch.core.training import train_classifier as critic
from dyadwatch.core.training.material import Material, Trained, arrange
from dyadwatch.core.training.options import Progress, TrainOptions
from dyadwatch.core.training.recipe import train
from dyadwatch.core.training.time_budget import Budget
from dyadwatch.core.training.training_data import Prepared, prepare
from dyadwatch.core.training.training_state import load_state, save_state, state_of
from dyadwatch.core.training.window_counts import MOST_BROKEN

SMALL = TrainOptions(window_s=0.8, hop=2, steps=40, batch=16, width=16, units=1, support=64)


def windows_of(clips: ClipSet) -> torch.Tensor:
    placed = JointMap.between(clips.layout, UPPER11).positions
    stack = [placed(c.joints[s : s + 12]).swapaxes(0, 1) for c in clips for s in range(0, len(c) - 12, 4)]
    return torch.from_numpy(np.stack(stack))


@pytest.fixture(scope="module", autouse=True)
def few_broken():
    """Parts that learn are judged on 20 broken pairs of each kind instead of 400, at each look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(material, "_BROKEN_PER_KIND", 20)
        yield


@pytest.fixture(scope="module")
def plain(few_clips) -> Trained:
    return train([few_clips], SMALL)


@pytest.fixture(scope="module")
def learnt(few_clips) -> tuple[Trained, list[Progress]]:
    steps: list[Progress] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(material, "ENOUGH_S", 10.0)
        patch.setattr(density, "_FLOW_FROM", 10)
        patch.setattr(density, "_STEPS", 100)
        patch.setattr(critic, "_STEPS", 100)
        return train([few_clips], replace(SMALL, least_trust=0.3), steps.append), steps


def test_little_data_leaves_the_learnt_parts_out(plain, few_clips):
    assert plain.scorer.encoder is None
    assert plain.report["weights"] == asdict(Weights())
    with torch.no_grad():
        _, relation, *_ = plain.scorer(windows_of(few_clips))
    assert (relation == 0).all()


@pytest.mark.parametrize("which", ["plain", "learnt"])
def test_scores_do_not_depend_on_who_is_first(which, request, few_clips):
    trained = request.getfixturevalue(which)
    scorer = (trained if which == "plain" else trained[0]).scorer
    windows = windows_of(few_clips)
    with torch.no_grad():
        forth, back = scorer(windows), scorer(windows.flip(1))
    for a, b in zip(forth, back, strict=True):
        torch.testing.assert_close(a, b.mT if b.ndim == 3 else b, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize("which", ["plain", "learnt"])
def test_strange_people_score_higher(which, request, few_clips):
    trained = request.getfixturevalue(which)
    scorer = (trained if which == "plain" else trained[0]).scorer
    windows = windows_of(few_clips)
    strange = windows.clone()
    strange[:, 1, :, UPPER11.index["right_wrist"]] = strange[:, 0, :, UPPER11.index["head"]]
    with torch.no_grad():
        normal, odd = scorer(windows), scorer(strange)
    assert auroc(normal[0].numpy(), odd[0].numpy()) > 0.95
    leading = odd[4].flatten(1).argmax(1) == UPPER11.index["head"] * 11 + UPPER11.index["right_wrist"]
    assert leading.float().mean() > 0.8
    assert (odd[5][:, UPPER11.index["head"], UPPER11.index["right_wrist"]] < -0.3).all()


@pytest.fixture(scope="module")
def crossed(few_clips) -> tuple[Prepared, list[tuple[set[int], set[int]]], dict[str, np.ndarray], Windows, list[str]]:
    """What was prepared; of each fold the units that were learnt from and those that were judged; what came out."""
    folds: list[tuple[set[int], set[int]]] = []
    stages: list[str] = []
    options = replace(SMALL, steps=10, folds=2)
    prepared = prepare([few_clips], options)

    def learnt_from(rest: Prepared, *told) -> Material:
        folds.append(({r.unit for r in rest.recordings}, set()))
        return arrange(rest, *told)

    def judged(recordings, *told) -> Windows:
        folds[-1][1].update(r.unit for r in recordings)
        return cut(recordings, *told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(density, "_STEPS", 3)
        patch.setattr(critic, "_STEPS", 3)
        whole = arrange(prepared, options, Budget())
        patch.setattr(recipe, "arrange", learnt_from)
        patch.setattr(recipe, "cut", judged)
        scores, windows = recipe.cross_fitted(whole, options, lambda p: stages.append(p.stage))
    return prepared, folds, scores, windows, stages


def test_no_window_is_judged_by_a_model_that_knew_its_unit(crossed):
    prepared, folds, *_ = crossed
    units = set(range(prepared.units))
    assert [known | judged for known, judged in folds] == [units] * 2
    assert [known & judged for known, judged in folds] == [set()] * 2
    assert sorted(u for _, judged in folds for u in judged) == sorted(units)


def test_all_windows_of_all_recordings_are_judged_once(crossed):
    prepared, _, scores, windows, stages = crossed
    whole = cut(prepared.recordings, SMALL.frames, SMALL.hop)
    order = np.lexsort((windows.start, windows.recording))
    for field in ("joints", "unit", "recording", "start"):
        np.testing.assert_array_equal(getattr(windows, field)[order], getattr(whole, field))
    assert set(scores) == set(ScorePart)
    assert {len(values) for values in scores.values()} == {len(whole)}
    assert {f"calibration {i} of 2: encoder" for i in (1, 2)} <= set(stages)


def test_a_clip_unlike_all_others_is_odd_to_who_did_not_know_it(few_clips, plain, monkeypatch):
    """The model itself has seen it, and finds it ordinary."""
    monkeypatch.setattr(density, "_STEPS", 3)
    monkeypatch.setattr(critic, "_STEPS", 3)
    odd = few_clips[4].joints.copy()
    odd[:, 1, :, 0] += 1.5
    clips = ClipSet(tuple(replace(c, joints=odd) if i == 4 else c for i, c in enumerate(few_clips)), UPPER11, "made")
    options = replace(SMALL, steps=3)
    material = arrange(prepare([clips], options), options, Budget())
    scores, windows = recipe.cross_fitted(material, options, lambda _: None)
    mine = windows.recording == 4
    assert np.median(scores["unusual"][mine]) > np.median(scores["unusual"][~mine]) + 1
    knowing = train([clips], replace(options, folds=0)).scorer
    with torch.no_grad():
        assert knowing(torch.from_numpy(windows.joints[mine]))[2].median() < 0.3


def test_what_the_levels_rest_on(few_clips, plain, learnt, monkeypatch):
    everything = len(cut(prepare([few_clips], SMALL).recordings, SMALL.frames, SMALL.hop))
    of_plain, of_learnt = (t.calibration["evidence"] for t in (plain, learnt[0]))
    assert (of_plain["method"], of_plain["windows"]) == ("every normal recording, without itself", everything)
    assert of_learnt["method"] == "normal recordings, each judged by a model of the other 1/2"
    assert (of_learnt["windows"], of_learnt["recordings"]) == (everything, 12)
    monkeypatch.setattr(material, "ENOUGH_S", 10.0)
    monkeypatch.setattr(density, "_STEPS", 3)
    monkeypatch.setattr(critic, "_STEPS", 3)
    evidence = train([few_clips], replace(SMALL, steps=3, folds=1)).calibration["evidence"]
    assert evidence["method"] == "normal recordings that were held back"
    assert 0 < evidence["windows"] < everything


def test_rules_are_of_the_parts_that_say_something(plain, learnt):
    of_plain, of_learnt = ({r["part"] for r in t.calibration["rules"]} for t in (plain, learnt[0]))
    assert (of_plain, of_learnt) == ({"unusual"}, {"relation", "unusual", "timing"})


def test_held_out_normal_windows_are_ordinary(plain):
    evidence = plain.calibration["evidence"]
    counts = np.asarray(plain.report["histograms"]["score"]["counts"])
    edges = np.asarray(plain.report["histograms"]["score"]["edges"])[:-1]
    assert counts.sum() == evidence["windows"]
    assert counts[edges >= 1].sum() / counts.sum() == pytest.approx(0.1, abs=0.05)
    assert plain.calibration["clear_at"] < plain.calibration["raise_at"]


def test_the_learnt_parts_are_watched_while_they_learn(learnt):
    trained, steps = learnt
    assert trained.scorer.encoder is not None
    assert [s.done for s in steps if s.stage == "encoder"] == [10, 20, 30, 40]
    last = next(s for s in steps if s.stage == "encoder" and s.done == 40)
    assert {"loss", "spread", "auroc"} <= last.values.keys()
    curve = trained.report["curve"]
    assert curve[-1]["step"] == 40
    assert curve[-1]["spread"] > 0
    assert set(trained.report["broken_pairs"]["relation"]) == set(curve[-1]["auroc"])


def test_a_budget_is_for_the_whole_run_and_schedules_end_annealed(few_clips, monkeypatch):
    monkeypatch.setattr(material, "ENOUGH_S", 10.0)
    monkeypatch.setattr(density, "_FLOW_FROM", 10)
    looks = count()
    budget = Budget(2.0, clock=lambda: 1.0 * next(looks))  # a second passes between two looks at the clock
    report = train([few_clips], replace(SMALL, steps=50_000), budget=budget).report
    told = report["time"]
    assert budget.used <= 120 * 1.2
    assert told["budget_minutes"] == 2
    assert list(told["seconds"]) == ["clips", "broken pairs", "critic", "encoder", "flow", "calibration", "report"]
    assert sum(told["seconds"].values()) == pytest.approx(budget.used, abs=2)
    assert told["seconds"]["encoder"] == max(told["seconds"].values())
    for schedule in budget.schedules.values():
        assert schedule.taken < schedule.steps
        assert schedule.last_rate == pytest.approx(2e-3 / 25 / 1e4, rel=1e-3)
    assert report["curve"][-1]["step"] == 50_000
    assert report["calibration"]["evidence"]["method"] == "normal recordings that were held back"


def test_a_budget_holds_by_the_clock_on_the_wall(few_clips, monkeypatch):
    monkeypatch.setattr(material, "ENOUGH_S", 10.0)
    report = train([few_clips], replace(SMALL, steps=10_000_000, max_minutes=0.05)).report
    assert report["time"]["schedules"]["encoder"]["taken"] < 10_000_000
    assert report["minutes"] < 0.05 * 1.2 + 0.4  # of hours; the rest is for a machine that is busy


def test_a_budget_of_the_published_recipe(few_clips):
    looks = count()
    budget = Budget(2.0, clock=lambda: 1.5 * next(looks))
    options = replace(SMALL, recipe="paper", epochs=5000, stop_on_collapse=False)
    report = train([few_clips], options, budget=budget).report
    schedule = budget.schedules["paper"]
    assert 20 < schedule.taken < 120
    assert schedule.last_rate == pytest.approx(1e-5)
    assert report["curve"][-1]["epoch"] == 5000
    assert budget.used <= 120 * 1.2


def test_windows_are_fewer_where_a_budget_has_no_room(few_clips, monkeypatch):
    monkeypatch.setattr(material, "_BROKEN_PER_KIND", MOST_BROKEN)
    slow = count()
    prepared = prepare([few_clips], SMALL)
    whole = arrange(prepared, SMALL, Budget())
    fewer = arrange(prepared, SMALL, Budget(1.0, clock=lambda: 4.0 * next(slow)))
    assert len(fewer.broken["partner"][0]) < len(whole.broken["partner"][0])
    assert len(fewer.broken["partner"][0]) >= 40
    assert 0 < fewer.rest_s <= 60


def test_the_report_is_plain_json(learnt):
    report = learnt[0].report
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["clips"] == 12
    assert report["labels"] == {"talk": 12}
    assert report["most_unusual_normal"][0]["clip"].startswith("clip")


def test_the_same_seed_gives_the_same_model(few_clips, plain):
    again = train([few_clips], SMALL)
    windows = windows_of(few_clips)
    with torch.no_grad():
        for a, b in zip(plain.scorer(windows), again.scorer(windows), strict=True):
            assert torch.equal(a, b)
    assert again.calibration == plain.calibration


@pytest.mark.parametrize("which", ["plain", "learnt"])
def test_a_state_comes_back_bit_for_bit(which, request, few_clips, tmp_path):
    trained = request.getfixturevalue(which)
    trained = trained if which == "plain" else trained[0]
    save_state(tmp_path / "m.state.npz", state_of(trained))
    back = load_state(tmp_path / "m.state.npz")
    assert (back.layout, back.joints, back.frames, back.fps) == ("upper11", UPPER11.joints, 12, 15.0)
    assert back.calibration == trained.calibration
    windows = windows_of(few_clips)
    with torch.no_grad():
        for a, b in zip(trained.scorer(windows), back.scorer(windows), strict=True):
            assert torch.equal(a, b)


def test_a_damaged_state_is_named(tmp_path, plain):
    path = tmp_path / "m.state.npz"
    save_state(path, state_of(plain))
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(TrainingError, match=r"m\.state\.npz is not a training state of dyadwatch, or is damaged: "):
        load_state(path)
    np.savez(path, pose=np.zeros(3))
    with pytest.raises(TrainingError, match=r"is not a training state of dyadwatch, or is damaged: .*document"):
        load_state(path)


def test_a_state_of_an_older_meaning_of_joints_is_refused(tmp_path, plain):
    path = tmp_path / "m.state.npz"
    save_state(path, state_of(plain))
    with np.load(path) as z:
        arrays = dict(z)
    document = json.loads(arrays["document"].tobytes())
    arrays["document"] = np.frombuffer(json.dumps(document | {"format": 2}).encode(), np.uint8)
    np.savez(path, **arrays)
    with pytest.raises(TrainingError, match=r"has format 2; this dyadwatch reads format 4: train it again$"):
        load_state(path)


def test_the_published_recipe_reports_its_collapse(few_clips, monkeypatch):
    monkeypatch.setattr(paper, "_WATCH_FROM", 1)
    monkeypatch.setattr(paper, "_LEAST_GAP", 1e9)
    with pytest.raises(TrainingError) as caught:
        train([few_clips], replace(SMALL, recipe="paper", epochs=5))
    text = str(caught.value)
    assert text.startswith("collapsed in epoch 3 of 5: broken pairs lie only ")
    assert text.endswith("such a model tells nothing apart, train with --recipe default")


def test_the_published_recipe_gives_a_model_too(few_clips):
    trained = train([few_clips], replace(SMALL, recipe="paper", epochs=2, stop_on_collapse=False))
    assert [e["epoch"] for e in trained.report["curve"]] == [0, 1, 2]
    windows = windows_of(few_clips)
    with torch.no_grad():
        score, relation, unusual, *_ = trained.scorer(windows)
    assert (relation == 0).all()
    assert (unusual == 0).all()  # it knows one number only
    assert score.max() > 0


@pytest.mark.parametrize(
    ("spreads", "gaps", "said"),
    [
        ([1.0] * 9, [2.0] * 9, ""),
        ([1.0] * 7 + [0.05, 0.05], [2.0] * 9, "the features' spread fell from 1 to 0.05"),
        ([1.0] * 9, [2.0] * 7 + [0.1, 0.1], "broken pairs lie only 0.1 nats above intact ones; expected 0.3 or more"),
        ([1.0] * 8 + [0.05], [2.0] * 9, ""),
        ([1.0, 0.05, 0.05], [0.0] * 3, ""),
    ],
)
def test_the_collapse_monitor(spreads, gaps, said):
    history = [paper.Epoch(i, 0.0, s, g, 0.5) for i, (s, g) in enumerate(zip(spreads, gaps, strict=True))]
    assert paper.collapsed(history) == said
