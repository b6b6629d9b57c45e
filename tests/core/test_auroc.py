"""The area under the ROC curve, against counting pairs."""

import numpy as np
import pytest

from dyadwatch.core.scoring.auroc import auroc


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_share_of_pairs_in_the_right_order(seed):
    rng = np.random.default_rng(seed)
    normal, anomalous = rng.integers(0, 6, 17) / 2, rng.integers(2, 9, 11) / 2  # few values: many ties
    above = anomalous[:, None] > normal
    tied = anomalous[:, None] == normal
    assert auroc(normal, anomalous) == pytest.approx((above + 0.5 * tied).mean())
    assert auroc(anomalous, normal) == pytest.approx(1 - auroc(normal, anomalous))


def test_the_ends_of_the_scale() -> None:
    low, high = np.array([0.0, 1.0]), np.array([2.0, np.inf])
    assert auroc(low, high) == 1
    assert auroc(high, low) == 0
    assert auroc(np.ones(3), np.ones(4)) == 0.5


@pytest.mark.parametrize(("normal", "anomalous"), [(0, 3), (3, 0), (0, 0)])
def test_of_nothing_it_is_not_a_number(normal, anomalous):
    assert np.isnan(auroc(np.zeros(normal), np.ones(anomalous)))
