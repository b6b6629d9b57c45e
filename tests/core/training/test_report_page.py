"""The report as a page: what it says, that it is sound HTML, and that no name in the data can break it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from dyadwatch.core.iso_time import moment
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.training.report_page import report_page
from dyadwatch.core.training.report_words import PARTS, vouched

_VOID = {"meta"}
RULES = [
    {"part": "score", "over_s": 0.4, "raise_at": 2.75},
    {"part": "relation", "over_s": 1.6, "raise_at": 1.5},
]
EVIL = "</title><script>alert(1)</script>\"'&"


class Sound(HTMLParser):
    """Checks that tags nest, and keeps names, attributes and words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Sound:
    found = Sound()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def pose() -> list[list[list[float]]]:
    return [[[0.1 * j + p, 0.1 * j, -0.05 * j] for j in range(11)] for p in (0, 1)]


def made(**changes: Any) -> dict[str, Any]:
    """A report of everything."""
    kinds = {"partner": 0.91, "shifted 0.5 s": 0.85}
    odd = {
        "clip": EVIL, "label": "talk", "start_s": 1.0, "score": 2.2, "unusual": 2.1, "relation": 0.5, "moment_s": 1.4,
        "why": [{"first": "head", "second": "neck", "share": 0.4, "shift_m": -0.3}], "pose": pose(),
        "nearest": {"clip": "other", "moment_s": 7.25, "pose": pose()},
    }  # fmt: skip
    report = {
        "name": EVIL, "options": {"recipe": "default", "seed": 4, "fps": 15.0, "window_s": 2.0, "layout": EVIL},
        "layout": "upper11", "joints": list(UPPER11.joints), "clips": 12, "recordings": 12, "units": 12,
        "skipped_clips": 3, "skipped": {"without person 1": [EVIL, "b"], EVIL: ["c"]}, "hours": 0.25,
        "labels": {EVIL: 5, "talk": 7}, "held_out_windows": 30, "windows": 150, "support": 120, "minutes": 1.5,
        "histograms": {n: {"counts": [20, 0, 1], "edges": [0, 1, 2, 3]} for n in ("score", "relation", EVIL)},
        "most_unusual_normal": [odd],
        "weights": {"neighbours": 1.0, "flow": 0.7, "unusual": 0.9, "relation": 0.8, EVIL: 0.3},
        "broken_pairs": {"neighbours": kinds, "relation": kinds, "flow": kinds, EVIL: {EVIL: 0.6}},
        "broken_pairs_mean": {"neighbours": 0.88, "relation": 0.93, "flow": 0.9, EVIL: 0.6},
        "curve": [{"step": s, "loss": 0.7 - s / 100, "spread": 0.1, "auroc": {EVIL: 0.6, "partner": None}, EVIL: s}
                  for s in (5, 10)],
        "calibration": {"raise_at": 1.0, "clear_at": 0.6, "rules": RULES,
                        "evidence": {"hours": 0.6, "events_per_hour_95": 5.0, "method": EVIL}},
    }  # fmt: skip
    return report | changes


def words(**changes: Any) -> str:
    return re.sub(r"\s+", " ", " ".join(read(report_page(made(**changes))).words))


def test_names_from_the_data_stay_names() -> None:
    page = report_page(made())
    found = read(page)
    assert "script" not in found.tags
    assert found.tags.count("title") > 1  # those of circles and bars, and the page's
    assert sum(EVIL in w for w in found.words) > 8
    assert not [k for k, _ in found.attributes if k.startswith("on")]


def test_nothing_is_fetched() -> None:
    page = report_page(made())
    found = read(page)
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert not [v for k, v in found.attributes if k in ("src", "href", "xlink:href")]
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"https?:", page)


def test_a_direction_mark_in_a_name_cannot_turn_the_page_about() -> None:
    page = report_page(made(name="a\u202eb"))
    assert "<bdi>a\u202eb</bdi>" in page


def test_a_long_name_is_cut_and_whole_on_hover() -> None:
    page = report_page(made(name="x" * 200))
    assert f'<bdi title="{"x" * 200}">{"x" * 79}…</bdi>' in page


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "Trained on 12 clips, 15 minutes of pairs."),
        ({"simulated_minutes": 20.0}, "15 minutes of pairs, 20 minutes of it simulated."),
        ({}, "Relation tells pairs that belong together from broken ones with AUROC 0.93 and counts with weight 0.80."),
        ({}, "3 of 15 clips were left out."),
        (
            {},
            "An alarm is raised by score of 2.75 over 0.4 s or relation of 1.50 over 1.6 s, and cleared below 60% of "
            "that.",
        ),
        ({}, f"Fewer than 5.0 false alarms an hour (95 % sure), from 36 minutes of {EVIL}."),
        (
            {"calibration": {"rules": RULES, "evidence": {"hours": 0.1, "events_per_hour_95": 30.0}}},
            "How often normal behaviour raises an alarm is hardly known: from 6.0 minutes of normal recordings, all "
            "that can be said is fewer than 30 an hour (95 % sure). Calibrate on quiet hours of the site.",
        ),
        ({}, "A's head is 0.30 m closer to B's neck; rarer than 1 normal window in 200."),
        ({}, "Most similar: other at 7.25 s"),
        ({}, "are from the three most similar normal windows, on average"),
        ({"collapse": ""}, "The network did not collapse: it still tells windows apart."),
        ({"collapse": "it fell"}, "The network collapsed: it fell. The model was written all the same"),
        ({"collapse": "it fell", "stopped": True}, "Training stopped there and no model was written"),
    ],
)
def test_what_it_says(changes, text):
    assert text in words(**changes)


def test_how_rare_is_said_only_of_what_is_rare() -> None:
    odd = made()["most_unusual_normal"][0]
    said = words(most_unusual_normal=[odd | {"score": 0.4}])
    assert "A's head is 0.30 m closer to B's neck." in said
    assert "rarer than" not in said
    assert "rarer than 1 normal window in 10." in words(most_unusual_normal=[odd | {"score": 1.0}])


def test_a_network_left_out_says_how_much_there_was_and_is_needed() -> None:
    left_out = {
        "hours": 4 / 60, "weights": {"neighbours": 1.0, "flow": 0.0, "unusual": 1.0, "relation": 0.0},
        "broken_pairs": {"neighbours": {"partner": 0.7}, "relation": {}, "flow": {}},
        "broken_pairs_mean": {"neighbours": 0.7, "relation": None, "flow": None}, "curve": [],
    }  # fmt: skip
    said = words(**left_out)
    assert "Not learnt and left out: relation and flow; 4.0 minutes of pairs from 12 clips or sessions were too" in said
    assert "This part was left out of the model: it is 0 everywhere." in said
    said = words(**left_out, needed={"minutes": 10.0, "units": 10})
    assert "there were 4.0 minutes of pairs from 12 clips or sessions, 10 minutes and 10 clips are needed." in said
    assert "While it learnt" not in said


def test_no_name_of_a_part_holds_a_comma_and_none_is_blamed_on_another() -> None:
    weights = {"neighbours": 1.0, "whitened": 0.0, "flow": 0.0, "encoder": 0.0, "critic": 0.4, "relation": 0.0}
    weights["timing"] = 0.0  # is not learnt: it asks the critic
    said = words(weights=weights, broken_pairs={}, broken_pairs_mean={"neighbours": 0.7})
    assert "Not learnt and left out: flow, encoder and relation; " in said
    assert "Other weights: critic 0.4; 0 for whitened neighbours, flow, encoder, relation and timing." in said
    assert not [title for title, _ in PARTS.values() if "," in title]


def test_clips_of_recordings_are_told_by_the_time_of_day() -> None:
    odd = made()["most_unusual_normal"][0] | {"clip": "hall-1-4-1700000000933", "moment_s": 4.6}
    said = words(most_unusual_normal=[odd])
    assert f"hall-1-4-1700000000933 at 4.60 s ({moment(1_700_000_005_533 * 10**6)})" in said
    assert "Most similar: other at 7.25 s" in said
    assert "7.25 s (" not in said


@pytest.mark.parametrize(
    ("weight", "options", "text"),
    [
        (0.0, {}, "Relation was left out: it tells pairs that belong together from broken ones with AUROC 0.62 (0.5 is "
                  "guessing), 0.80 is needed."),
        (0.3, {"least_trust": 0.3}, "Relation counts with weight 0.30 only because least_trust asks for it: it tells"),
    ],
)  # fmt: skip
def test_a_part_that_learnt_little(weight, options, text):
    assert text in words(
        weights={"relation": weight}, broken_pairs_mean={"relation": 0.62}, options=options, needed={"auroc": 0.8}
    )


def test_a_stopped_run_shows_its_curves_and_no_scores_of_a_model_there_is_not() -> None:
    curve = [{"epoch": e, "nll": 9.0 - e if e else None, "spread": 0.02 / (e + 1), "gap": 0.1, "auroc": 0.5}
             for e in range(8)]  # fmt: skip
    said = words(collapse="flat", stopped=True, curve=curve, monitor={"spread": 0.002, "gap": 0.3})
    assert said.count("collapsed below") == 2
    assert "negative log-likelihood, nats" in said
    assert "An alarm is raised" not in said
    assert "Scores of normal windows" not in said
    assert "The most unusual" not in said


@pytest.mark.parametrize(
    ("part", "marks"), [("score", ["raised 2.75 over 0.4 s"]), ("relation", ["raised 1.5 over 1.6 s"])]
)
def test_levels_are_drawn_on_the_part_they_are_of(part, marks):
    chart = re.search(rf'aria-label="{part} of 30 normal windows".*?</svg>', report_page(made()), re.DOTALL)
    assert chart
    assert re.findall(r"raised [^<]*", chart[0]) == marks


@pytest.mark.parametrize(
    ("evidence", "text"),
    [
        ({"certified": True, "events_per_hour_95": 5.3}, "at most 5.3 false alarms an hour (95 % sure)"),
        (
            {"certified": False, "events_per_hour_95": 90.0},
            "nothing: 12 minutes are too few for 6 false alarms an hour, which takes 30 minutes without one",
        ),
    ],
)
def test_what_a_calibration_vouches_for(evidence, text):
    assert vouched({"hours": 0.2, "budget_per_hour": 6.0, "hours_needed": 0.5} | evidence) == text


def test_a_part_nobody_told_the_page_of_is_shown_by_its_name() -> None:
    page = words(weights={"extra_trees": 0.4}, broken_pairs={"extra_trees": {"odd kind": 0.7}},
                 broken_pairs_mean={"extra_trees": 0.71})  # fmt: skip
    assert "Extra trees tells pairs that belong together" in page
    assert "odd kind 0.700" in page


@pytest.mark.parametrize("report", [{}, {"name": "m", "curve": [1, 2], "weights": None}])
def test_a_report_of_nearly_nothing_is_a_page(report):
    assert "Training report" in " ".join(read(report_page(report)).words)


def test_a_pose_of_another_layout_is_no_picture() -> None:
    odd = made()["most_unusual_normal"][0] | {"pose": [[[0.0, 0.0, 0.0]] * 3] * 2}
    odd["nearest"] = odd["nearest"] | {"pose": odd["pose"]}
    assert "No picture: the pose does not fit the layout." in words(most_unusual_normal=[odd])


def test_both_people_are_drawn_bone_by_bone_in_every_view() -> None:
    page = report_page(made())
    assert page.count('class="bone p0"') == page.count('class="bone p1"') == 4 * len(UPPER11.bones)
    assert page.count('class="link"') == 4
