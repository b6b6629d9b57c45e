"""Where a body is, from places that are unsure along the line of sight."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.stream.publishers.camera.root_filter import RootFilter

_DT = 33_333_333
DOWN = np.array([0.0, -0.6, -0.8])  # from a camera above, looking down
ALONG, ACROSS = 0.4, 0.03


def _followed(path: np.ndarray, ray: np.ndarray, rise: float = 0.1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seen = path + rng.normal(0, ALONG, len(path))[:, None] * ray + rng.normal(0, ACROSS, path.shape)
    root = RootFilter(seen[0], ALONG, ACROSS, ray, 0, rise=rise)
    out = [root.place.copy()]
    for k in range(1, len(path)):
        root.step(seen[k], ALONG, ACROSS, ray, k * _DT)
        out.append(root.place.copy())
    return np.array(out)


def _walk(n: int = 240) -> np.ndarray:
    t = np.arange(n) / 30
    return np.stack([0.3 * t, np.full(n, 0.9), -5 - 0.9 * t], axis=1)


def test_who_walks_away_is_followed_without_a_lag_and_with_less_noise_than_is_measured() -> None:
    path = _walk()
    off = [(_followed(path, DOWN, seed=s) - path)[60:] for s in range(8)]
    away = np.concatenate([o @ DOWN for o in off])
    assert abs(away.mean()) < 0.03
    assert away.std() < ALONG / 4


def test_that_people_do_not_rise_tells_how_far_away_they_are() -> None:
    path = _walk()
    error = {
        rise: np.mean([np.linalg.norm(_followed(path, DOWN, rise, s) - path, axis=1)[60:].mean() for s in range(8)])
        for rise in (0.1, 1.0)
    }
    assert error[0.1] < 0.75 * error[1.0]


def test_a_single_place_far_off_hardly_counts() -> None:
    root = RootFilter(np.zeros(3), 0.1, 0.02, DOWN, 0)
    for k in range(1, 60):
        root.step(np.zeros(3), 0.1, 0.02, DOWN, k * _DT)
    likely = root.step(np.array([0.0, 0.0, -3.0]), 0.1, 0.02, DOWN, 60 * _DT)
    assert np.linalg.norm(root.place) < 0.3
    assert likely < root.step(root.place, 0.1, 0.02, DOWN, 61 * _DT)


@pytest.mark.parametrize("stamp", [0, -_DT])
def test_what_is_not_later_is_passed_over(stamp: int) -> None:
    root = RootFilter(np.zeros(3), 0.1, 0.02, DOWN, 0)
    assert root.step(np.ones(3), 0.1, 0.02, DOWN, stamp) == 0.0
    assert not root.place.any()
