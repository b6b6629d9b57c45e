"""The protocol on tiny data, and its alterations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dyadwatch.core.data.clip_files import ClipSet
from dyadwatch.core.errors import ClipError
from dyadwatch.core.evaluation.cache import ResultCache
from dyadwatch.core.evaluation.explanation import CHANCE, INTACT, PAIR, plan_explanation
from dyadwatch.core.evaluation.jobs import run_plans
from dyadwatch.core.evaluation.limb_edits import Alteration, altered
from dyadwatch.core.evaluation.perturbations import PairTest
from dyadwatch.core.evaluation.results_table import entries
from dyadwatch.core.evaluation.settings import MODEL, Settings
from dyadwatch.core.skeletons.limbs import Limb, limb_of

FAST = Settings(draws=1, bootstrap=20, pair_hop=5, fit_hop=3, window_s=1.0)


@pytest.mark.parametrize("what", list(Alteration))
def test_only_the_limb_is_altered(handovers: ClipSet, what: Alteration) -> None:
    test = PairTest(handovers.where(lambda c: c.label == "normal"), FAST)
    found = altered(test, what, 0)
    again = altered(test, what, 0)
    assert np.array_equal(found.windows, again.windows)
    assert found.limb == again.limb
    assert set(found.limb) == {Limb.LEFT_ARM, Limb.RIGHT_ARM}
    limbs = np.asarray([limb_of(j) for j in test.layout.joints])
    for before, after, person, limb in zip(test.intact, found.windows, found.person.tolist(), found.limb, strict=True):
        gap = np.linalg.norm(after - before, axis=-1)  # (2, T, J)
        assert gap[1 - person].max() == 0
        assert gap[person][:, limbs != limb].max() == 0
        assert gap[person][:, limbs == limb].max() > 0.005
        if what is Alteration.MOVED:
            wrist = test.layout.index[limb.replace("arm", "wrist")]
            assert gap[person][:, wrist] == pytest.approx(0.3, abs=1e-5)


def test_arms_are_needed(handovers: ClipSet) -> None:
    test = PairTest(handovers, FAST)
    test.layout = replace(test.layout, joints=tuple(j.replace("wrist", "paw") for j in test.layout.joints), bones=())
    with pytest.raises(ClipError, match=r"has no left_wrist, right_wrist; expected them to alter an arm"):
        altered(test, Alteration.MOVED, 0)


def test_the_explanation_beats_what_was_there_before(handovers: ClipSet) -> None:
    plan = plan_explanation(handovers, FAST)
    (done,) = run_plans([("", plan)], ResultCache(None), lambda status: None)
    found = {(str(e.row), e.measure): e.value for e in entries(done)}
    moved = str(Alteration.MOVED)
    assert found[CHANCE, moved] == pytest.approx(1 / 8)
    values = [found[method, moved] for method in (CHANCE, PAIR, MODEL)]
    assert None not in values
    assert values == sorted(v for v in values if v is not None)
    assert (found[MODEL, moved] or 0) > 0.8
    assert (found[MODEL, INTACT] or 0) < 0.4
