"""Two skeletons at one moment, from above and from the side, as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.training.markup import Markup, join, tag
from dyadwatch.core.training.svg import line, svg, text

_WIDTH, _GAP, _TITLE = 340.0, 10.0, 16.0
_HEADS = ("head", "nose")
_SMALLEST_M = 1.2  # a picture shows at least so much, else two people in an embrace look like giants
_LARGEST_M = 12.0  # what is farther apart is drawn at the edge
_SIDE_BY_SIDE_M = 1.7  # farther apart and poses stand one below the other
_TALLEST = 130.0  # pixels; less where poses stand one below the other
# Views: their name, and which axis runs to the right and which down, with its sign. Y is up; from above Z comes down.
_VIEWS = (("above", 0, 2, 1), ("side", 0, 1, -1))


def pair_pictures(
    label: str,
    poses: Sequence[tuple[str, Sequence[Sequence[Sequence[float]]]]],
    layout: Layout,
    touching: tuple[str, str] | None = None,
) -> Markup:
    """Poses side by side, each seen from above and, below that, from the side; all on one scale.

    Arguments:
        label: what is seen, in words.
        poses: title and joints of each, shape (2, J, 3), metres, Y up.
        layout: its joints and bones; without bones only joints are drawn.
        touching: a joint of the first and of the second person to join by a dashed line.
    """
    stack = np.clip(np.asarray([p for _, p in poses], np.float64), -_LARGEST_M / 2, _LARGEST_M / 2)
    if stack.shape[1:] != (2, len(layout), 3) or not np.isfinite(stack).all():
        return tag("p", "No picture: the pose does not fit the layout.", class_="quiet")
    low, high = stack.min(axis=(0, 1, 2)), stack.max(axis=(0, 1, 2))
    columns = len(poses) if high[0] - low[0] < _SIDE_BY_SIDE_M else 1
    wide = (_WIDTH - _GAP * (columns - 1)) / columns
    scale = (wide - 16) / max(_SMALLEST_M, float(high[0] - low[0]))  # pixels a metre
    tallest = _TALLEST if columns > 1 else 0.7 * _TALLEST
    scale = min(scale, tallest / max(float((high - low)[1:].max()), 0.3))
    parts: list[Markup] = []
    top = 0.0
    for row in range(0, len(poses), columns):
        titles = [poses[row + k][0] for k in range(columns)]
        parts += [text(k * (wide + _GAP) + wide / 2, top + 11, said, class_="quiet") for k, said in enumerate(titles)]
        top += _TITLE
        for view, across, down, sign in _VIEWS:
            tall = max(float(high[down] - low[down]) * scale + 22, 44)
            for k in range(columns):
                left = k * (wide + _GAP)
                shown = stack[row + k] - 0.5 * (low + high)
                u, v = left + wide / 2 + scale * shown[..., across], top + tall / 2 + sign * scale * shown[..., down]
                parts.append(_panel(left, top, wide, tall, view))
                parts.append(_people(u, v, layout, touching))
            top += tall + 6
    parts += [line(8, top + 5, 8 + scale * 0.5, top + 5, "axis"), text(14 + scale * 0.5, top + 9, "0.5 m", "start")]
    return svg(label, _WIDTH, round(top + 14), *parts)


def _panel(left: float, top: float, wide: float, tall: float, view: str) -> Markup:
    box = tag("rect", x=round(left, 1), y=round(top, 1), width=round(wide, 1), height=round(tall, 1), rx=6,
              class_="panel")  # fmt: skip
    return join(box, text(left + 6, top + tall - 6, view, "start", "quiet small"))


def _people(
    u: NDArray[np.floating], v: NDArray[np.floating], layout: Layout, touching: tuple[str, str] | None
) -> Markup:
    """Both persons at pixels u, v of shape (2, J)."""
    parts: list[Markup] = []
    for person in (0, 1):
        x, y = u[person].tolist(), v[person].tolist()
        for a, b in layout.bone_indices:
            parts.append(line(x[a], y[a], x[b], y[b], f"bone p{person}"))
        for j, joint in enumerate(layout.joints):
            size = 5.0 if joint == _head(layout) else 1.6
            parts.append(_joint(x[j], y[j], size, f"joint p{person}", f"{'AB'[person]}: {joint}"))
    if touching and all(j in layout.index for j in touching):
        i, j = (layout.index[t] for t in touching)
        (x1, y1), (x2, y2) = (float(u[0, i]), float(v[0, i])), (float(u[1, j]), float(v[1, j]))
        parts.append(line(x1, y1, x2, y2, "link"))
        parts += [_joint(x, y, 4.0, "ring", said) for x, y, said in ((x1, y1, touching[0]), (x2, y2, touching[1]))]
    return join(*parts)


def _head(layout: Layout) -> str | None:
    return next((h for h in _HEADS if h in layout.index), None)


def _joint(x: float, y: float, r: float, class_: str, said: str) -> Markup:
    return tag("circle", tag("title", said), cx=round(x, 1), cy=round(y, 1), r=r, class_=class_)
