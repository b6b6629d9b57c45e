"""Parts of an image to look into, and whether two poses are one person."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose

_SURE = 0.5  # joints less visible than this say little of where a person is
_ENOUGH = 5  # joints
GREY = 114  # of what is hidden from an estimator
_SMALL = 96  # pixels: no part need be smaller


class Box(NamedTuple):
    """A rectangle of whole pixels, which may reach beyond the image."""

    x: int
    y: int
    width: int
    height: int


def tiles(width: int, height: int, least: int = 240) -> list[Box]:
    """The whole image, then squares of its short side, of 0.7 and of half of that, large first, half overlapping.

    Arguments:
        width, height: of the image, pixels.
        least: no smaller squares than this. Smaller, and more of what is no person is taken for one.
    """
    whole = max(width, height)
    out = [Box((width - whole) // 2, (height - whole) // 2, whole, whole)]
    side = min(width, height)
    for part in (side, int(0.7 * side), side // 2):
        if part == whole or part < min(least, side):
            continue
        xs, ys = _starts(width, part), _starts(height, part)
        out += [Box(x, y, part, part) for y in ys for x in xs]
    return out


def _starts(length: int, side: int) -> list[int]:
    n = 1 if length <= side else 1 + int(np.ceil((length - side) / (side / 2)))
    return [round(v) for v in np.linspace(0, length - side, n)]


def around(seen: SeenPose, width: int, height: int, margin: float = 1.5) -> Box:
    """The rectangle around what is seen of a person, `margin` times as large as it reaches.

    It is as narrow as the person, so that whoever stands beside them is not looked at instead.

    Arguments:
        seen: where the person was last.
        width, height: of the image.
        margin: too small, and a raised arm leaves the rectangle; too large, and the neighbour is in it.
    """
    points = _in_sight(seen, width, height)
    low, high = points.min(0), points.max(0)
    reach = np.maximum(high - low, 0.4 * (high - low).max())
    size = np.maximum(margin * reach, 48).astype(int)
    x, y = np.rint((low + high) / 2 - size / 2).astype(int)
    return Box(int(x), int(y), int(size[0]), int(size[1]))


def square(box: Box) -> Box:
    """The square with the same middle and the longer side."""
    side = max(box.width, box.height)
    return Box(box.x + (box.width - side) // 2, box.y + (box.height - side) // 2, side, side)


def steady(box: Box | None, seen: SeenPose, width: int, height: int) -> Box:
    """A square part of the image with a person in its middle: the same as before for as long as that will do.

    A landmarker that smooths does so in the part it is shown: one that moved with every image would be smoothed away.

    Arguments:
        box: as before; None at first.
        seen: where the person was last.
        width, height: of the image.
    """
    points = _in_sight(seen, width, height)
    low, high = points.min(0), points.max(0)
    size = max(float((high - low).max()), 32.0)
    if box is not None:
        ends = np.array([box.x + box.width, box.y + box.height])
        free = np.concatenate([low - (box.x, box.y), ends - high])
        at_edge = np.concatenate([np.array(box[:2]) <= 0, ends >= (width, height)])
        side = max(box.width, box.height)
        if (at_edge | (free > 0.12 * size)).all() and (side < 2.6 * size or side < _SMALL) and side > 1.2 * size:
            return box
    x0, y0 = np.clip(np.floor((low + high) / 2 - 0.9 * size), 0, None).astype(int)
    x1, y1 = np.minimum(np.ceil((low + high) / 2 + 0.9 * size), (width, height)).astype(int)
    return Box(int(x0), int(y0), int(x1 - x0), int(y1 - y0))


def _in_sight(seen: SeenPose, width: int, height: int) -> NDArray[np.float64]:
    """The joints that are visible and in the image, or all where those are too few; shape (n, 2)."""
    inside = ((seen.image >= 0) & (seen.image < (width, height))).all(1)
    for chosen in (inside & (seen.visibility >= _SURE), inside):
        if chosen.sum() >= _ENOUGH:
            return seen.image[chosen]
    return seen.image


def cut(image: Image, box: Box) -> Image:
    """The pixels of a rectangle, black where it reaches beyond the image; shape (height, width, 3), contiguous."""
    height, width = image.shape[:2]
    x0, y0 = max(box.x, 0), max(box.y, 0)
    x1, y1 = min(box.x + box.width, width), min(box.y + box.height, height)
    if (x1 - x0, y1 - y0) == (box.width, box.height):
        return np.ascontiguousarray(image[y0:y1, x0:x1])
    out = np.zeros((box.height, box.width, 3), np.uint8)
    if x0 < x1 and y0 < y1:
        out[y0 - box.y : y1 - box.y, x0 - box.x : x1 - box.x] = image[y0:y1, x0:x1]
    return out


def hide(pixels: Image, box: Box, shown: Box) -> Image:
    """The pixels of `box`, grey where they are not in `shown`: black would be as an edge of the image."""
    out = np.full_like(pixels, GREY)
    x0, y0 = max(shown.x - box.x, 0), max(shown.y - box.y, 0)
    x1, y1 = x0 + shown.width, y0 + shown.height
    out[y0:y1, x0:x1] = pixels[y0:y1, x0:x1]
    return out


def cut_off(image: NDArray[np.float64], box: Box, width: int, height: int, slack: float = 0.08) -> bool:
    """Whether a pose found in a rectangle reaches out of it where the image goes on: half of it is then invented.

    Arguments:
        image: pixels of the whole image, shape (J, 2).
        box: where it was found.
        width, height: of the image.
        slack: how far out is still well, in sides of the rectangle.
    """
    edges = np.array([box.x, box.y, -box.x - box.width, -box.y - box.height], float)
    inner = np.array([box.x > 0, box.y > 0, box.x + box.width < width, box.y + box.height < height])
    reach = np.concatenate([image.min(0), -image.max(0)])
    return bool((inner & (reach < edges - slack * max(box.width, box.height))).any())


def apart(a: SeenPose, b: SeenPose) -> float:
    """How far two poses are apart: mean distance of the joints both see, in sizes of the larger."""
    both = np.minimum(a.visibility, b.visibility) >= _SURE
    chosen = both if both.sum() >= _ENOUGH else np.ones_like(both)
    size = max(extent(a.image[chosen]), extent(b.image[chosen]), 1.0)
    return float(np.linalg.norm(a.image[chosen] - b.image[chosen], axis=1).mean() / size)


def goes_on(before: SeenPose, now: SeenPose, after_s: float, growth: float = 1.6) -> bool:
    """Whether a pose is the same person a little later: near and about as large.

    Arguments:
        before, now: poses of two images.
        after_s: seconds between them. Joints may move by 0.1 sizes, which is error, and 3.5 sizes a second, never by
            more than 0.35: further, and a follower goes over to the neighbour.
        growth: of what both poses see, larger or smaller by this factor.
    """
    both = np.minimum(before.visibility, now.visibility) >= _SURE
    chosen = both if both.sum() >= _ENOUGH else np.ones_like(both)
    a, b = max(extent(before.image[chosen]), 1.0), max(extent(now.image[chosen]), 1.0)
    jump = min(0.1 + 3.5 * after_s, 0.35)
    near = np.linalg.norm(before.image[chosen] - now.image[chosen], axis=1).mean() < jump * min(a, b)
    return bool(near and 1 / growth < b / a < growth)


def same(a: SeenPose, b: SeenPose, near: float = 0.18) -> bool:
    """Whether two poses are one person: their joints are near each other, or one is a fragment within the other.

    Arguments:
        a, b: poses of one image.
        near: see `apart`. Too large, and people who hug are one.
    """
    if apart(a, b) < near:
        return True
    small, large = sorted((s.image[s.visibility >= _SURE] for s in (a, b)), key=extent)
    if len(small) == 0:
        return True
    inside = ((small >= large.min(0)) & (small <= large.max(0))).all(1).mean()
    return bool(inside > 0.75 and extent(small) < 0.55 * extent(large))


def extent(points: NDArray[np.float64]) -> float:
    """The longer side of the rectangle that points take, pixels; 0 where there are none."""
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0
