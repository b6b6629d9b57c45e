"""Explanations of synthetic pairs in which one limb does what no normal pair shows."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import numpy as np
import pytest
from numpy.typing import NDArray

from dyadwatch.core.explanation.explainer import Explainer, How
from dyadwatch.core.features.pair_statistics import Statistics
from dyadwatch.core.model_file.artefact import read_info
from dyadwatch.core.model_file.onnx_graph import OnnxGraph
from dyadwatch.core.scoring.memory_bank import NearestNeighbour
from dyadwatch.core.skeletons.layouts import UPPER11
from dyadwatch.core.skeletons.limbs import Limb

FPS, FRAMES = 15.0, 15
INDEX = UPPER11.index
SHIPPED = Path(__file__).parents[2] / "exporters" / "models" / "simulated.onnx"
BODY = np.zeros((len(UPPER11), 3))
for _name, _place in {
    "head": (0, 1.65, 0), "neck": (0, 1.45, 0), "pelvis": (0, 0.95, 0),
    "left_shoulder": (0, 1.4, 0.2), "right_shoulder": (0, 1.4, -0.2), "left_elbow": (0.1, 1.15, 0.25),
    "right_elbow": (0.1, 1.15, -0.25), "left_wrist": (0.25, 1.0, 0.2), "right_wrist": (0.25, 1.0, -0.2),
    "left_hip": (0, 0.95, 0.1), "right_hip": (0, 0.95, -0.1),
}.items():  # fmt: skip
    BODY[INDEX[_name]] = _place


def pair(rng: np.random.Generator) -> NDArray[np.float32]:
    """Two people a metre apart who face each other and sway; (2, T, J, 3)."""
    time = np.arange(FRAMES)[:, None, None] / FPS
    out = np.empty((2, FRAMES, len(UPPER11), 3))
    for person, turn in enumerate((1, -1)):
        sway = 0.04 * np.sin(2 * time + rng.uniform(0, 6, (1, 1, 3)))
        arms = np.zeros((FRAMES, len(UPPER11), 3))
        for side in ("left", "right"):
            swing = 0.06 * np.sin(3 * time[:, 0] + rng.uniform(0, 6, 3))
            arms[:, INDEX[f"{side}_elbow"]] += 0.5 * swing
            arms[:, INDEX[f"{side}_wrist"]] += swing
        body = (BODY + arms) * (turn, 1, turn) + (rng.normal(0, 0.03) + (0, 1.0)[person], 0, 0)
        out[person] = body + sway
    return (out + rng.normal(0, 0.004, out.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    rng = np.random.default_rng(0)
    statistics = Statistics.of_layout(UPPER11, FPS)
    bank = NearestNeighbour.fit(statistics, statistics(np.stack([pair(rng) for _ in range(300)])))
    assert bank.axes is not None
    compared = bank.compared(bank.support)[:, :-1]
    return Explainer(statistics, UPPER11.joints, bank.scaling, bank.axes, compared)


@pytest.mark.parametrize("person", [0, 1])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_blow_is_of_the_hand_that_gave_it(explainer: Explainer, person: int, side: str) -> None:
    window = pair(np.random.default_rng(5))
    wrist, head = window[person, :, INDEX[f"{side}_wrist"]], window[1 - person, :, INDEX["head"]]
    reach = np.sin(np.linspace(0, np.pi, 6))[:, None].astype(np.float32)
    wrist[5:11] += 0.9 * reach * (head[5:11] - wrist[5:11])
    found = explainer(window)
    assert (found.person, found.limb, found.joint) == (person, Limb(f"{side}_arm"), f"{side}_wrist")
    assert found.share > 0.9
    assert found.how is How.FAST
    assert found.usual is not None
    assert found.speed_m_s > 2 > found.usual
    assert 0 < found.off_m < 1


def test_the_order_of_the_persons_does_not_matter(explainer: Explainer) -> None:
    window = pair(np.random.default_rng(6))
    window[0, :, INDEX["left_wrist"], 1] += 0.4  # held up
    forth, back = explainer(window), explainer(window[::-1].copy())
    assert (forth.person, back.person) == (0, 1)
    assert forth.limb is back.limb is Limb.LEFT_ARM
    assert (forth.how, forth.toward) == (back.how, back.toward)
    assert forth.distance_m == pytest.approx(back.distance_m, abs=0.02)


def test_the_head_is_named_where_it_is_the_head(explainer: Explainer) -> None:
    window = pair(np.random.default_rng(7))
    window[1, :, INDEX["head"], 2] += 0.2
    assert (explainer(window).person, explainer(window).limb) == (1, Limb.HEAD)


def test_it_is_made_of_what_a_model_file_holds() -> None:
    info, model = read_info(SHIPPED), SHIPPED.read_bytes()
    explainer = Explainer.of_model(model, info, "shipped")
    assert explainer is not None
    at = np.resize(np.arange(FRAMES), info.frames)
    assert explainer(pair(np.random.default_rng(1))[:, at]).joint in info.joints


def test_a_model_without_a_support_set_explains_nothing() -> None:
    graph = OnnxGraph(SHIPPED.read_bytes(), "shipped")
    alone = graph.part([], ["score"])  # as that of a hand-made model
    other = alone.replace(b"neighbours.compared", b"neighbours.somewhat")
    assert Explainer.of_model(other, read_info(SHIPPED), "hand-made") is None


def test_an_explanation_takes_less_than_50_ms_of_processor_time(explainer: Explainer) -> None:
    window = pair(np.random.default_rng(8))
    explainer(window)
    began = process_time()
    for _ in range(5):
        explainer(window)
    assert (process_time() - began) / 5 < 0.05
