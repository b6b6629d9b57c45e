"""Where an image is looked into."""

from __future__ import annotations

import numpy as np
import pytest

from dyadwatch.stream.publishers.camera.boxes import (
    Box,
    apart,
    around,
    cut,
    cut_off,
    goes_on,
    hide,
    same,
    square,
    steady,
    tiles,
)
from dyadwatch.stream.publishers.camera.estimate import SeenPose
from dyadwatch.stream.publishers.camera.scan import Scan


def _seen(x: float, y: float, size: float) -> SeenPose:
    image = np.random.default_rng(0).uniform(0, 1, (33, 2)) * (0.4 * size, size) + (x, y)
    return SeenPose(image, np.zeros((33, 3)), np.full(33, 0.9))


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (810, 1080), (640, 480), (100, 80)])
def test_parts_cover_the_image(width: int, height: int) -> None:
    covered: dict[int, np.ndarray] = {}
    for box in tiles(width, height):
        mask = covered.setdefault(box.width, np.zeros((height, width), bool))
        mask[max(box.y, 0) : box.y + box.height, max(box.x, 0) : box.x + box.width] = True
    assert all(mask.all() for mask in covered.values())
    assert len(covered) >= (4 if min(width, height) >= 480 else 1)


def test_pixels_beyond_the_image_are_black() -> None:
    image = np.full((50, 60, 3), 200, np.uint8)
    out = cut(image, Box(-10, 40, 30, 20))
    assert out.shape == (20, 30, 3)
    assert (out[:10, 10:] == 200).all()
    assert (out[10:] == 0).all()
    assert (out[:, :10] == 0).all()
    shown = hide(out, Box(-10, 40, 30, 20), Box(5, 40, 5, 5))
    assert (shown == 200).any(2).sum() == 25


def test_a_pose_that_leaves_its_part_inside_the_image_is_cut_off() -> None:
    box = Box(0, 0, 100, 100)
    person = np.array([[50.0, 20.0], [50.0, 130.0]])
    assert cut_off(person, box, 400, 400)
    assert not cut_off(person, box, 400, 100)


def test_who_is_the_same() -> None:
    a = _seen(100, 100, 200)
    assert same(a, a._replace(image=a.image + 8))
    assert not same(a, _seen(200, 100, 200))
    assert same(a, _seen(110, 120, 60)), "a fragment within a person is that person"
    assert apart(a, a) == 0


def test_a_pose_goes_on_unless_it_jumps_or_bursts() -> None:
    a = _seen(100, 100, 200)
    assert goes_on(a, a._replace(image=a.image + 20), 0.04)
    assert not goes_on(a, _seen(200, 100, 200), 0.4), "that is the neighbour"
    assert goes_on(a, a._replace(image=a.image + 30), 0.1)
    assert not goes_on(a, a._replace(image=a.image + 30), 0.02), "nobody is as quick as that"
    middle = a.image.mean(0)
    assert not goes_on(a, a._replace(image=middle + 1.8 * (a.image - middle)), 0.04)
    assert not goes_on(a, a._replace(image=middle + 0.5 * (a.image - middle)), 0.04)


def test_the_rectangle_around_a_person_is_as_narrow_as_they_are() -> None:
    box = around(_seen(500, 100, 300), 1280, 720)
    assert box.height > 1.5 * box.width
    assert box.x < 500 < 620 < box.x + box.width


def test_the_part_around_a_person_stays_while_they_are_well_within_it() -> None:
    at = steady(None, _seen(500, 200, 300), 1280, 720)
    assert at.width == at.height
    assert steady(at, _seen(520, 190, 310), 1280, 720) == at
    moved = steady(at, _seen(700, 200, 300), 1280, 720)
    assert moved.x > at.x
    nearer = steady(at, _seen(500, 100, 520), 1280, 720)
    assert nearer.height > at.height
    assert steady(nearer, _seen(500, 200, 150), 1280, 720).height < nearer.height


def test_a_part_does_not_reach_beyond_the_image_and_so_stays_for_people_at_its_edge() -> None:
    cut_in_half = _seen(1150, 400, 600)
    at = steady(None, cut_in_half, 1280, 720)
    assert (at.x + at.width, at.y + at.height) == (1280, 720)
    assert steady(at, cut_in_half, 1280, 720) == at


def test_where_nothing_changes_nobody_looks_again() -> None:
    still = np.full((480, 640, 3), 90, np.uint8)
    scan = Scan(640, 480)
    everything = scan.due(still, 0, [])
    assert list(everything) == tiles(640, 480)
    step = 33_000_000
    assert not [b for k in range(1, 90) for b in scan.due(still, k * step, [])]
    moved = still.copy()
    moved[100:300, 50:150] = 200
    later = [b for k in range(90, 120) for b in scan.due(moved, k * step, [])]
    assert later
    assert all(b.x < 150 and b.y < 300 for b in later)


def test_what_changes_where_someone_is_followed_is_no_news() -> None:
    still = np.full((480, 640, 3), 90, np.uint8)
    scan = Scan(640, 480)
    scan.due(still, 0, [])
    moved = still.copy()
    moved[100:300, 50:150] = 200
    assert not [b for k in range(1, 90) for b in scan.due(moved, k * 33_000_000, [Box(30, 80, 150, 260)])]


@pytest.mark.parametrize(("followed", "frames", "every_ms"), [([], 210, 33), ([Box(0, 0, 90, 90)], 600, 125)])
def test_no_image_waits_for_many_parts(followed: list[Box], frames: int, every_ms: int) -> None:
    scan, rng = Scan(1280, 720), np.random.default_rng(0)
    first = rng.integers(0, 255, (720, 1280, 3), dtype=np.uint8)
    scan.due(first, 0, [])
    looked: set[Box] = set()
    for k in range(1, frames):
        now = scan.due(np.roll(first, 7 * k), k * every_ms * 1_000_000, followed)
        assert len(now) <= 1
        looked.update(now)
    assert looked == set(tiles(1280, 720))


def test_where_no_more_can_be_followed_little_is_looked_for() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (240, 320, 3), dtype=np.uint8)
    looked = []
    for full in (False, True):
        scan = Scan(320, 240)
        scan.due(image, 0, [])
        rolled = (
            scan.due(np.roll(image, 7 * k), k * 33_000_000, [Box(0, 0, 50, 50)], full=full) for k in range(1, 180)
        )
        looked.append(sum(len(boxes) for boxes in rolled))
    assert 3 <= looked[1] < looked[0]


def test_a_square_keeps_the_middle() -> None:
    assert square(Box(10, 20, 40, 100)) == Box(-20, 20, 100, 100)
