"""Each protocol on tiny data: what it trains on, what it tests, what it finds."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import ClipError, DyadwatchError
from dyadwatch.core.evaluation import clip_model, few_shot, pair_material
from dyadwatch.core.evaluation.ablation import variants_of
from dyadwatch.core.evaluation.baselines import BASELINES, nearest_neighbour
from dyadwatch.core.evaluation.cache import ResultCache
from dyadwatch.core.evaluation.few_shot import Enrol, Known, Shot, support_sets
from dyadwatch.core.evaluation.jobs import Done, Plan, run_plans
from dyadwatch.core.evaluation.perturbations import HELD_BACK, KINDS, SIX, Kind
from dyadwatch.core.evaluation.protocols import PROTOCOLS, able
from dyadwatch.core.evaluation.results_table import Entry, entries
from dyadwatch.core.evaluation.row import Row
from dyadwatch.core.evaluation.scored_clips import ScoredClips
from dyadwatch.core.evaluation.settings import PEACEFUL, Settings
from dyadwatch.core.scoring.nearest import Metric, Support
from dyadwatch.core.training.options import PARTS, TrainOptions, silent

FAST = Settings(seeds=1, draws=2, shot_draws=2, bootstrap=20, pair_hop=15, fit_hop=15, trees=10, tree_windows=500)


def done(plan: Plan) -> list[Done]:
    return run_plans([("", plan)], ResultCache(None), lambda status: None)[0]


def table(plan: Plan) -> dict[tuple[str, str], Entry]:
    return {(str(e.row), e.measure): e for e in entries(done(plan))}


def test_one_class_takes_every_category_on_every_fold(folded: ClipSet) -> None:
    settings = replace(FAST, methods=("nearest neighbour", "nearest neighbour, each person alone"))
    plan = PROTOCOLS["one-class"](folded, settings)
    assert {(j.category, j.fold) for j in plan.jobs} == {
        (c, f) for c in ("near", "middle", "far") for f in ("fold1", "fold2", "fold3")
    }
    found = table(plan)
    seen, alone = found["nearest neighbour", "AUROC"], found["nearest neighbour, each person alone", "AUROC"]
    assert seen.value is not None
    assert alone.value is not None
    assert seen.value > 0.95 > alone.value
    assert set(seen.by_category) == {"near", "middle", "far"}
    assert seen.value == pytest.approx(np.mean(list(seen.by_fold.values())), abs=1e-4)
    assert seen.fold_spread == pytest.approx(np.std(list(seen.by_fold.values())), abs=2e-4)
    assert seen.low is not None
    assert seen.high is not None
    assert seen.low <= seen.value <= seen.high
    assert seen.count == 9


def test_no_test_clip_reaches_a_fit(folded: ClipSet) -> None:
    fitted: list[NDArray] = []

    def spy(statistics, normal):
        fitted.append(normal)
        return lambda values: np.zeros(len(values))

    settings = replace(FAST, baselines={"spy": spy}, methods=("spy",), clip_score="whole")
    plan = PROTOCOLS["one-class"](folded, settings)
    done(plan)
    judged = ScoredClips.prepare(folded, FAST, "whole")
    for job, normal in zip(plan.jobs, fitted, strict=True):
        clips = [int(np.flatnonzero((judged.values == row).all(axis=1))[0]) for row in normal]
        assert len(clips) == 8
        assert {folded[i].label for i in clips} == {job.category}
        assert job.fold not in {folded[i].split for i in clips}


def test_the_model_trains_on_what_the_baselines_are_fitted_to(folded: ClipSet, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[tuple[ClipSet, TrainOptions]] = []

    def fit(clips, options, listen, name):
        trained.append((clips, options))
        return (lambda windows: {Row(name): np.arange(float(len(windows)))}), {"weights": {}}

    monkeypatch.setattr(clip_model, "fit_model", fit)
    settings = replace(FAST, seeds=2, methods=("dyadwatch",), folds=("fold2",), train={"steps": 7})
    plan = PROTOCOLS["one-class"](folded, settings)
    result = done(plan)
    assert [(j.job.seed, o.seed, o.steps) for j, (_, o) in zip(result, trained, strict=True)] == [
        (s, s, 7) for s in (0, 1) for _ in range(3)
    ]
    for job, (clips, _) in zip(plan.jobs, trained, strict=True):
        assert {c.label for c in clips} == {job.category}
        assert {c.split for c in clips} == {"fold1", "fold3"}
        assert all(len(c) >= 30 for c in clips)


def test_the_real_model_finds_the_category(folded: ClipSet) -> None:
    plan = PROTOCOLS["one-class"](folded, replace(FAST, methods=("dyadwatch",), folds=("fold1",), categories=("far",)))
    found = table(plan)
    value = found["dyadwatch: unusual", "AUROC"].value
    assert value is not None
    assert value > 0.9
    assert {row for row, _ in found} == {"dyadwatch", "dyadwatch: relation", "dyadwatch: unusual"}


def test_peaceful_against_violent(folded: ClipSet) -> None:
    names = {"near": "approaching", "middle": "hugging", "far": "kicking"}
    clips = [replace(c, label=names[c.label]) for c in folded]
    clips += [replace(clips[0], label=label, split=s) for label in PEACEFUL for s in ("fold1", "fold2")]
    data = ClipSet(tuple(clips), folded.layout, "sbu")
    plan = PROTOCOLS["peaceful-violent"](data, replace(FAST, methods=("nearest neighbour",)))
    assert {j.category for j in plan.jobs} == {"peaceful"}
    value = table(plan)["nearest neighbour", "AUROC"].value
    assert value is not None
    assert value > 0.9
    with pytest.raises(ClipError, match="expected approaching, departing, shaking_hands, hugging, exchanging_object"):
        PROTOCOLS["peaceful-violent"](folded, FAST)


def test_broken_pairs_are_seen_where_they_can_be(handovers: ClipSet) -> None:
    methods = ("nearest neighbour", "nearest neighbour, each person alone", "clip length", "path curvature",
               "extra trees on broken pairs")  # fmt: skip
    plan = PROTOCOLS["broken-pairs"](handovers, replace(FAST, methods=methods))
    assert plan.facts["training clips"] == 8
    assert plan.facts["test clips"] == 6
    found = table(plan)
    pair, alone, trees = (methods[i] for i in (0, 1, 4))
    assert {m for r, m in found if r == pair} == {*KINDS, "mean of six", "held back, mean", "variations"}
    assert (found[pair, "0.3 m farther"].value or 0) > 0.9
    rigid = [found[alone, k].value for k in ("0.3 m farther", "moved 0.2 m", "turned 45 degrees")]
    np.testing.assert_allclose(np.asarray(rigid, float), 0.5, atol=0.02)  # nobody sees it from one person
    six = [found[trees, k].value for k in SIX]
    assert found[trees, "mean of six"].value == pytest.approx(np.mean(np.asarray(six, float)), abs=2e-4)
    held = [found[trees, k].value for k in HELD_BACK]
    assert found[trees, "held back, mean"].value == pytest.approx(np.mean(np.asarray(held, float)), abs=2e-4)
    assert found["clip length", "variations"].value == 0
    assert ("clip length", "partner") not in found
    assert found[pair, "partner"].draw_spread is not None


def test_shifted_windows_meet_the_same_windows_intact(handovers: ClipSet, monkeypatch: pytest.MonkeyPatch) -> None:
    material = pair_material.PairMaterial(handovers, FAST)
    seen: dict[str, tuple[NDArray, NDArray]] = {}

    def spy(row, kind, normal, anomalous, samples, draw=0):
        seen[kind] = normal.clip, normal.scores
        np.testing.assert_array_equal(normal.clip, anomalous.clip)
        return pair_material.Figure(row, kind, draw, 0.5, (0.5,))

    monkeypatch.setattr(pair_material, "figure", spy)
    monkeypatch.setattr(pair_material, "variations", lambda *_: [])
    number = {w.tobytes(): float(i) for i, w in enumerate(material.test.intact)}
    pair_material.measure(material, lambda ws: {Row("m"): np.asarray([number.get(w.tobytes(), -1.0) for w in ws])})
    assert seen["shifted 2 s"][1].tolist() == material.test.broken(Kind.SHIFTED_2_S, 1).of.tolist()
    assert len(seen["arms delayed 0.4 s"][1]) < len(seen["partner"][1])


def test_broken_pairs_test_on_other_clips_than_they_train_on(handovers: ClipSet) -> None:
    material = pair_material.PairMaterial(handovers, FAST)
    assert {c.clip_id for c in material.train} == {f"clip{i}" for i in range(8)}
    assert {c.clip_id for c in material.test.clips} == {f"clip{i}" for i in range(8, 14)}
    assert material.variations is not None
    assert {c.label for c in material.variations.clips} == {"odd"}


def test_broken_pairs_ask_for_a_test_split(folded: ClipSet) -> None:
    with pytest.raises(ClipError, match="folded: clips are split into folds; broken-pairs expects a train and a test"):
        PROTOCOLS["broken-pairs"](folded, FAST)


def test_trees_and_model_run_through_broken_pairs(handovers: ClipSet) -> None:
    settings = replace(FAST, draws=1, methods=("dyadwatch",), train={"steps": 2, "batch": 4, "width": 8})
    found = table(PROTOCOLS["broken-pairs"](handovers, settings))
    assert {row for row, _ in found} == {"dyadwatch", "dyadwatch: relation", "dyadwatch: unusual"}
    assert all(e.value is not None for e in found.values())


def test_support_sets_grow_and_are_the_same_for_every_method() -> None:
    candidates = np.arange(40, 60)
    small, large = (support_sets(candidates, n, 3, "hug") for n in (1, 5))
    assert [len(s) for s in large] == [5, 5, 5]
    assert all(set(a) <= set(b) <= set(candidates) for a, b in zip(small, large, strict=True))
    assert len({tuple(s) for s in large}) == 3
    assert len(support_sets(candidates[:3], 20, 1, "hug")[0]) == 3


def test_few_shot_knows_the_other_categories_only_and_never_the_test(folded: ClipSet) -> None:
    known_labels: list[set[str]] = []

    def method(known: Known) -> Enrol:
        known_labels.append({c.label for c in known.clips})
        assert {c.split for c in known.clips} == {"fold1", "fold3"}
        return few_shot.support_only(nearest_neighbour)(known)

    settings = replace(FAST, folds=("fold2",), categories=("near",))
    plan = few_shot.plan_few_shot(folded, settings, {"spy": Shot(method)})
    (result,) = done(plan)
    assert known_labels == [{"middle", "far"}, {"near", "middle", "far"}]
    assert {f.measure for f in result.figures} == {
        f"{n} {'clip' if n == 1 else 'clips'}, {how}" for n in (1, 5, 20) for how in ("unseen", "seen")
    }
    assert {f.draw for f in result.figures} == {0, 1}
    assert all(f.value is not None and f.value > 0.8 for f in result.figures)


def test_shipped_few_shot_methods_run(folded: ClipSet) -> None:
    found = table(PROTOCOLS["few-shot"](folded, replace(FAST, folds=("fold2",))))
    assert {row for row, _ in found} == {
        "nearest neighbour", "nearest neighbour, scaled by known categories", "dyadwatch"
    }  # fmt: skip
    assert (found["dyadwatch", "5 clips, unseen"].value or 0) > 0.8


def test_enrolling_compares_as_the_verb_does(folded: ClipSet) -> None:
    judged = ScoredClips.prepare(folded, FAST, "windows")
    known = Known(folded, judged.windows[:40], judged.statistics, TrainOptions(), silent)
    support, asked = judged.windows[40:46], judged.windows[46:60]
    metric = Metric.fit(judged.statistics, judged.statistics(known.windows)).moved(judged.statistics(support), 2)
    expected = metric.distances(judged.statistics(asked), Support.of_windows(metric, support)).plain
    np.testing.assert_array_equal(few_shot.SHOT_METHODS["dyadwatch"].method(known)(support, 2)(asked), expected)


@pytest.mark.parametrize("method", few_shot.SHOT_METHODS)
def test_few_shot_takes_the_categories_that_are_wanted(folded: ClipSet, method: str) -> None:
    plan = few_shot.plan_few_shot(folded, replace(FAST, categories=("near",), methods=(method,)))
    assert {j.category for j in plan.jobs} == {"near"}
    with pytest.raises(ClipError, match="no category kick; there are far, middle, near"):
        few_shot.plan_few_shot(folded, replace(FAST, categories=("kick",), methods=(method,)))


@pytest.mark.parametrize(
    ("protocol", "method", "there_are"),
    [
        (
            "one-class",
            "magic",
            "nearest neighbour; Mahalanobis; PCA residual; nearest neighbour, each person alone; dyadwatch",
        ),
        ("few-shot", "Mahalanobis", "nearest neighbour; nearest neighbour, scaled by known categories; dyadwatch"),
        (
            "broken-pairs",
            "magic",
            "nearest neighbour; .*; clip length; path curvature; extra trees on broken pairs; dyadwatch",
        ),
    ],
)
def test_a_method_that_there_is_not_is_told(
    folded: ClipSet, handovers: ClipSet, protocol: str, method: str, there_are: str
) -> None:
    clips = handovers if protocol == "broken-pairs" else folded
    with pytest.raises(ClipError, match=f"^{protocol} has no method {method}; there are {there_are}$"):
        PROTOCOLS[protocol](clips, replace(FAST, methods=("nearest neighbour", method)))


def test_a_category_that_no_other_fold_has_gives_no_figures(folded: ClipSet) -> None:
    rare = folded.where(lambda c: c.label != "far" or c.split == "fold1")
    settings = replace(FAST, folds=("fold1",), categories=("far",), methods=("nearest neighbour", "dyadwatch"))
    assert [d.figures for d in done(PROTOCOLS["one-class"](rare, settings))] == [[], []]


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1000.0])
def test_frames_that_cannot_be_are_refused(value: float) -> None:
    with pytest.raises(DyadwatchError, match=f"evaluation option fps = {value}: expected 1 to 240 frames per second"):
        Settings(fps=value)
    with pytest.raises(
        DyadwatchError, match=f"option window_s = {value}: expected 8 to 240 frames, 0.53 to 16 s at 15 fps"
    ):
        Settings(window_s=value)


def test_what_a_data_set_can_do(folded: ClipSet, handovers: ClipSet) -> None:
    assert able(folded) == ["one-class", "few-shot"]
    assert able(handovers) == ["broken-pairs", "events", "explanation"]
    assert able(folded.where(lambda c: c.label == "near")) == []
    assert able(folded.where(lambda c: c.split == "fold1")) == []
    names: dict[str, str] = dict(zip(("near", "middle", "far"), PEACEFUL[:3], strict=True))
    clips = [replace(c, label=names[c.label]) for c in folded]
    clips += [replace(clips[0], label=n, split=s) for n in (*PEACEFUL[3:], "kicking") for s in ("fold1", "fold2")]
    sbu = able(ClipSet(tuple(clips), folded.layout, "sbu"))
    assert sbu == ["one-class", "peaceful-violent", "few-shot", "events"]


@pytest.mark.parametrize(
    ("clips", "settings", "message"),
    [
        (("near",), FAST, r"clips have the labels \['near'\]; expected two or more categories"),
        (("near", "far"), replace(FAST, categories=("kick",)), "no category kick; there are far, near"),
    ],
)
def test_labels_that_do_not_serve_are_told(
    folded: ClipSet, clips: tuple[str, ...], settings: Settings, message: str
) -> None:
    with pytest.raises(ClipError, match=message):
        PROTOCOLS["one-class"](folded.where(lambda c: c.label in clips), settings)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("protocol", ["one-class", "peaceful-violent", "broken-pairs"])
def test_variants_are_options_of_training(protocol: str, quick: bool) -> None:
    variants = variants_of(protocol, quick=quick)
    options = [TrainOptions(**{"steps": 7, **v}) for v in variants.values()]
    assert len({json.dumps(o.__dict__, sort_keys=True) for o in options}) == len(variants)
    assert not set(variants) & set(BASELINES)
    assert {o.steps for o in options} == {7}
    changed = {(o.position, o.relations, o.sharing, o.without) for o in options}
    assert changed >= {
        ("unsynchronised", True, True, ()),
        ("sinusoidal", True, True, ()),
        ("synchronised", False, True, ()),
        ("synchronised", True, False, ()),
        ("synchronised", True, True, ("encoder", "flow")),
    }


def test_every_part_of_the_recipe_is_left_out_once() -> None:
    left_out = {v["without"] for v in variants_of("broken-pairs").values() if "without" in v}
    assert {part for parts in left_out if len(parts) < 3 for part in parts} == set(PARTS)
    assert PARTS in left_out


def test_a_variant_is_a_row(handovers: ClipSet) -> None:
    variants = {
        k: {**v, "steps": 2, "batch": 4, "width": 8} for k, v in variants_of("broken-pairs").items() if "DREM" in k
    }
    settings = replace(FAST, draws=1, methods=tuple(variants), variants=variants, pair_hop=60)
    assert {row.partition(":")[0] for row, _ in table(PROTOCOLS["broken-pairs"](handovers, settings))} == set(variants)
