"""Who is followed is painted over, and who embraces them is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.stream.publishers.camera.boxes import Box
from dyadwatch.stream.publishers.camera.estimate import SeenPose
from dyadwatch.stream.publishers.camera.silhouette import paint_over

BOX = Box(100, 50, 300, 400)


def _standing(body: NDArray[np.float64], x: float) -> SeenPose:
    """Someone 350 pixels tall with the feet at (x, 430)."""
    return SeenPose(body[:, :2] * (200, -200) + (x, 430), body, np.full(33, 0.9))


def test_the_body_is_grey_and_what_is_between_the_limbs_is_not(body: NDArray[np.float64]) -> None:
    body[MEDIAPIPE33.index["left_wrist"]] += (0.5, 0.5, 0)
    body[[MEDIAPIPE33.index[f"left_{part}"] for part in ("index", "pinky", "thumb")]] += (0.5, 0.5, 0)
    person = _standing(body, 220)
    pixels = np.zeros((400, 300, 3), np.uint8)
    paint_over(pixels, BOX, [person, _standing(body, 340)._replace(visibility=np.zeros(33))], MEDIAPIPE33)
    x, y = np.rint(person.image - BOX[:2]).astype(int).T
    assert (pixels[y, x] == 114).all()
    assert not pixels[300, 220:].any(), "below the stretched arm, right of the legs"


def test_who_is_looked_for_stays_where_both_are(body: NDArray[np.float64]) -> None:
    own, other = _standing(body, 240), _standing(body, 270)
    pixels = np.zeros((400, 300, 3), np.uint8)
    paint_over(pixels, BOX, [other], MEDIAPIPE33, own)
    x, y = np.rint(own.image - BOX[:2]).astype(int).T
    assert not pixels[y, x].any()
    assert (pixels == 114).all(2).sum() > 1000


def test_who_is_elsewhere_changes_nothing(body: NDArray[np.float64]) -> None:
    pixels = np.zeros((400, 300, 3), np.uint8)
    paint_over(pixels, BOX, [_standing(body, 700)], MEDIAPIPE33, _standing(body, 220))
    assert not pixels.any()
