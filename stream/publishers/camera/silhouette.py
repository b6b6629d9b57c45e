"""About where in an image a person's body is, as told by their joints; to paint over who is followed already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.stream.publishers.camera.boxes import GREY, Box, extent
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose
from dyadwatch.stream.publishers.camera.opencv import opencv

_BARELY = 0.3  # joints less visible than this are left out
_TRUNK, _LIMB, _HEAD = 0.14, 0.09, 0.09  # of the size of a person: how thick they and their clothes are


def paint_over(
    pixels: Image, box: Box, people: Iterable[SeenPose], layout: Layout, own: SeenPose | None = None
) -> None:
    """Makes people grey limb by limb, so that whoever stands close to them is found, and not they again.

    Not the whole of what lies between their limbs: whoever embraces them is there.

    Arguments:
        pixels: of `box`; changed.
        box: part of the image.
        people: in the same image.
        layout: of their joints.
        own: someone who stays as they are, where they and the others overlap.
    """
    mask: NDArray[np.uint8] | None = None
    for seen in people:
        if not _meets(seen, box):
            continue
        mask = np.zeros(pixels.shape[:2], np.uint8) if mask is None else mask
        _draw(mask, box, seen, layout, 1)
    if mask is None:
        return
    if own is not None:
        _draw(mask, box, own, layout, 0)
    pixels[mask.view(bool)] = GREY


def _meets(seen: SeenPose, box: Box) -> bool:
    points = seen.image[seen.visibility >= _BARELY]
    if not len(points):
        return False
    margin = _TRUNK * extent(points)
    low, high = points.min(0) - margin, points.max(0) + margin
    return bool((high > box[:2]).all() and (low < np.add(box[:2], box[2:])).all())


def _draw(mask: NDArray[np.uint8], box: Box, seen: SeenPose, layout: Layout, value: int) -> None:
    cv2: Any = opencv()
    shown = seen.visibility >= _BARELY
    size = extent(seen.image[shown])
    at = np.rint(np.clip(seen.image - (box.x, box.y), -9999, 9999)).astype(int)
    trunk = [k for name in ("shoulder", "hip") for k in _both(layout, name) if shown[k]]
    if len(trunk) > 2:
        cv2.fillConvexPoly(mask, cv2.convexHull(at[trunk].astype(np.int32)), value)
    for a, b in layout.bone_indices:
        if shown[a] and shown[b]:
            wide = _TRUNK if a in trunk and b in trunk else _LIMB
            cv2.line(mask, at[a].tolist(), at[b].tolist(), value, max(2, int(wide * size)))
    nose = layout.index.get("nose")
    if nose is not None and shown[nose]:
        cv2.circle(mask, at[nose].tolist(), max(2, int(_HEAD * size)), value, -1)
        for shoulder in _both(layout, "shoulder"):
            if shown[shoulder]:
                cv2.line(mask, at[nose].tolist(), at[shoulder].tolist(), value, max(2, int(_LIMB * size)))


def _both(layout: Layout, part: str) -> list[int]:
    return [layout.index[name] for name in (f"left_{part}", f"right_{part}") if name in layout.index]
