"""Tables for people and programs: what they hold, and what they leave out and say so."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from dyadwatch.core.data.clip_files import Clip, ClipSet
from dyadwatch.core.evaluation.cache import ResultCache
from dyadwatch.core.evaluation.figures import Figure, Result
from dyadwatch.core.evaluation.jobs import Done, Job, Plan, run_plans
from dyadwatch.core.evaluation.markdown import as_markdown
from dyadwatch.core.evaluation.perturbations import KINDS
from dyadwatch.core.evaluation.protocols import PROTOCOLS
from dyadwatch.core.evaluation.results_table import as_document
from dyadwatch.core.evaluation.row import Row, RowPart
from dyadwatch.core.evaluation.settings import Settings
from dyadwatch.core.evaluation.silent import speaking
from dyadwatch.core.evaluation.summary import HEADLINES, summary

PLAN = Plan("broken-pairs", "digest", [], {}, ("A note.",))


def found(method: str, rows: dict[Row, dict[str, float]], summary: dict[str, Any] | None = None, **where: Any) -> Done:
    trained = {"train": {}} if method.startswith("dyadwatch") else {}
    job = Job(
        method, where.get("category", ""), "test", 0, trained, "dyadwatch.core.scoring.auroc", lambda listen: Result([])
    )
    figures = [
        Figure(row, m, 0, v, 50 * (v - 0.01,) + 50 * (v + 0.01,))
        for row, values in rows.items()
        for m, v in values.items()
    ]
    return Done(job, figures, {} if summary is None else {"summary": summary}, 1.0, False)


def model(relation: float, hours: float = 2.0, recipe: str = "default", name: str = "dyadwatch") -> Done:
    rows = {Row(name, part): {"AUROC": relation if part is RowPart.RELATION else 0.9} for part in RowPart}
    return found(name, rows, {"hours": hours, "recipe": recipe})


def test_tables_for_people_and_programs(folded: ClipSet) -> None:
    short = Clip(folded[0].joints[:3], folded.layout, 15.0, "near", "short", "fold1")
    data = ClipSet((*folded, short), folded.layout, "folded")
    settings = Settings(bootstrap=20, methods=("nearest neighbour", "Mahalanobis"))
    plan = PROTOCOLS["one-class"](data, settings)
    results = run_plans([("", plan)], ResultCache(None), lambda status: None)[0]
    results.append(replace(results[0], figures=[], error="collapsed"))
    text = as_markdown(plan, results, ["About."])
    assert text.startswith("## one-class\n\nAbout.  \n")
    assert "| method | AUROC | 95 % | fold spread | lowest category |" in text  # one seed has no spread
    assert text.count("| nearest neighbour |") == 2
    assert "| method | far | middle | near |" in text
    assert "- nearest neighbour: 1 of 10, such as nearest neighbour, far, fold1, seed 0: collapsed" in text
    document = json.loads(json.dumps(as_document(plan, results, {"quick": True})))
    assert document["protocol"] == "one-class"
    assert document["facts"]["too short"] == ["short"]
    assert [e["row"] for e in document["table"]] == ["nearest neighbour", "Mahalanobis"]
    assert len(document["jobs"]) == 19
    assert document["jobs"][0]["figures"][0]["value"] is not None


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (
            model(0.5, hours=0.1),
            "there were fewer than ten minutes of pairs to learn it from, so the score is *unusual*",
        ),
        (model(0.5, recipe="paper"), "this recipe has one score"),
        (model(0.5), "none was learnt that told broken pairs of held-back recordings apart, or it was left out"),
    ],
)
def test_a_relation_that_was_not_learnt_is_no_row(done: Done, why: str) -> None:
    rows, notes = speaking([done])
    assert rows == [Row("dyadwatch")]
    assert len(notes) == 1
    assert notes[0].startswith(f"No *relation* of dyadwatch: {why}")


def test_a_relation_that_was_learnt_is_a_row() -> None:
    assert speaking([model(0.51)]) == ([Row("dyadwatch", part) for part in RowPart], [])
    assert speaking([model(0.5), model(0.6)])[1] == []


def test_variants_in_which_nothing_changed_are_named_once() -> None:
    same = found("dyadwatch, without flow", {Row("dyadwatch, without flow"): {"AUROC": 0.9}})
    other = found("dyadwatch, without DREM", {Row("dyadwatch, without DREM"): {"AUROC": 0.8}})
    rows, notes = speaking([model(0.5), same, other], joined=True)
    assert rows == [Row("dyadwatch"), Row("dyadwatch, without DREM")]
    assert notes == [
        "The same as dyadwatch in every figure, as what they change was not used: dyadwatch, without flow."
    ]


def test_many_kinds_are_rows_and_an_ablation_shows_the_headlines() -> None:
    kinds: dict[str, float] = dict.fromkeys((*KINDS, "mean of six", "held back, mean", "variations"), 0.7)
    done = found("dyadwatch", {Row("dyadwatch", part): kinds for part in RowPart})
    text = as_markdown(PLAN, [done], [], title="here: broken-pairs")
    assert "## here: broken-pairs\n\nA note.  \n" in text
    assert "| kind | dyadwatch | dyadwatch: relation | dyadwatch: unusual |" in text
    assert "| partner | 0.700 (0.690-0.710) | 0.700 (0.690-0.710) | 0.700 (0.690-0.710) |" in text
    ablation = as_markdown(PLAN, [done], [], ablation=True)
    assert "| variant | mean of six | partner | " in ablation
    assert "| dyadwatch | 0.700 | 0.700 | " in ablation
    assert "relation" not in ablation
    assert "tempo" not in ablation


def test_a_column_in_which_no_row_says_anything_is_left_out() -> None:
    done = [found(name, {Row(name): {"AUROC": 0.8}}) for name in ("a", "b")]
    bare = as_markdown(PLAN, done, [])
    assert "| method | AUROC | 95 % |\n|---|---|---|\n| a | 0.800 | 0.790-0.810 |" in bare
    two_seeds = as_markdown(PLAN, [*done, replace(done[0], job=replace(done[0].job, seed=1))], [])
    assert "| method | AUROC | 95 % | seed spread |" in two_seeds
    assert "| a | 0.800 | 0.790-0.810 | 0.000 |\n| b | 0.800 | 0.790-0.810 | - |" in two_seeds


def test_only_the_typical_support_set_is_told_by_category() -> None:
    done = [
        found("m", {Row("m"): {"1 clip, unseen": 0.6, "5 clips, unseen": v}}, category=c)
        for c, v in (("a", 0.7), ("b", 0.9))
    ]
    text = as_markdown(PLAN, done, [])
    assert "| m | 0.600 (0.590-0.610) | 0.800 (0.790-0.810) |" in text
    assert "By category, 5 clips, unseen:\n\n| method | a | b |\n|---|---|---|\n| m | 0.700 | 0.900 |" in text
    assert "By category, 1 clip" not in text


def test_the_summary_sets_each_figure_beside_the_best_other_method() -> None:
    def values(value: float) -> dict[str, float]:
        return {h.measure: value for h in HEADLINES if h.protocol == "broken-pairs"}

    pairs = [
        found("dyadwatch", {Row("dyadwatch"): values(0.97), Row("dyadwatch", RowPart.UNUSUAL): values(0.85)}),
        found("nearest neighbour", {Row("nearest neighbour"): values(0.83)}),
        found("extra trees on broken pairs", {Row("extra trees on broken pairs"): values(0.95)}),
        found("clip length", {Row("clip length"): {"variations": 0.99}}),
    ]
    few = [found("dyadwatch", {Row("dyadwatch"): {"5 clips, unseen": 0.9, "1 clip, unseen": 0.8}})]
    lines = summary([("handover", "broken-pairs", pairs), ("sbu", "few-shot", few)])
    rows = [line for line in lines if line.startswith("| ")][1:]
    assert len(rows) == 9
    assert rows[0] == (
        "| broken pairs, mean of six kinds | handover | 0.970 | 0.960-0.980 | 0.950 | 0.940-0.960 "
        "| extra trees on broken pairs |"
    )
    assert rows[7].startswith("| the authors' variations, *unusual* | handover | 0.850 |")
    assert rows[7].endswith("| extra trees on broken pairs |")
    assert rows[8] == "| few-shot, 5 clips, unseen category | sbu | 0.900 | 0.890-0.910 | - | - | - |"
    assert any("told by what knows nothing of partners: clip length 0.990" in line for line in lines)
