"""Draws scenes with Pillow: people over a floor with a grid of metres, and the scores below."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dyadwatch.core.iso_time import moment
from dyadwatch.tools.viewing.camera import look_at
from dyadwatch.tools.viewing.scene import Scene, Span

_FINE = 2  # drawn so many times larger and made smaller: edges become smooth
_PAPER, _INK, _PALE, _LINE = (255, 255, 255), (31, 41, 55), (107, 114, 128), (226, 232, 240)
FIRST, SECOND, OTHERS = (37, 99, 235), (234, 88, 12), (176, 184, 196)
ALARM, CALM, _SHADOW, _FIELD = (220, 38, 38), (217, 119, 6), (223, 228, 235), (254, 226, 226)
_HEAD = ("head", "nose")
_HEAD_M, _BONE_M = 0.09, 0.045

Colour = tuple[int, int, int]


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class Drawing:
    """Draws one scene at any moment.

    Arguments:
        scene: what to draw.
        size: width and height of the pictures, pixels; both even.
        at: seconds to the only moment that will be drawn, which the people then fill; None for a film.
    """

    def __init__(self, scene: Scene, size: tuple[int, int] = (1280, 720), at: float | None = None) -> None:
        self._scene = scene
        self._w, self._h = size[0] * _FINE, size[1] * _FINE
        self._unit = self._h / 720  # all lengths of the design are of a picture 720 high
        split = round(self._h * 0.7)
        self._view = (0, round(64 * self._unit), self._w, split)
        aside = 30 if scene.levels is None else 110  # room for the names of the thresholds
        self._plot = (round(70 * self._unit), split + round(22 * self._unit),
                      self._w - round(aside * self._unit), self._h - round(44 * self._unit))  # fmt: skip
        self._camera = look_at(scene, self._view, at)
        joints = scene.layout.joints
        self._head = next((joints.index(j) for j in _HEAD if j in joints), None)
        self._ground = self._background()
        self._below = self._ground.crop((0, self._view[3], self._w, self._h))

    def picture(self, seconds: float) -> Image.Image:
        """The scene at a moment, RGB."""
        scene = self._scene
        at = min(max(round(seconds * scene.fps), 0), len(scene.joints) - 1)
        image = self._ground.copy()
        draw = ImageDraw.Draw(image)
        span = next((s for s in scene.spans if s.start <= seconds <= s.end), None)
        people = scene.joints[at]
        where, depth = self._camera.project(people)
        shadow, _ = self._camera.project(people * np.array([1, 0, 1]) + np.array([0, self._scene.floor, 0]))
        for i in range(len(people)):
            self._lines(draw, shadow[i], _SHADOW, max(4 * self._unit, 1))
        seen = [i for i in range(len(people)) if self._seen(depth[i])]
        # Whoever stands before the two who are looked at does not hide them.
        for i in sorted(seen, key=lambda i: (i < 2, -float(np.nanmean(depth[i])))):
            self._person(draw, i, where[i], depth[i])
        if span is not None:
            self._tie(draw, span, where)
        image.paste(self._below, (0, self._view[3]))  # over the feet of who is nearer than the two
        self._words(draw, seconds, span)
        self._cursor(draw, seconds)
        return image.reduce(_FINE)

    @staticmethod
    def _seen(depth: NDArray[np.float64]) -> bool:
        return not np.isnan(depth).all()

    def _colour(self, person: int) -> Colour:
        return (FIRST, SECOND)[person] if person < 2 else OTHERS

    def _person(
        self, draw: ImageDraw.ImageDraw, i: int, where: NDArray[np.float64], depth: NDArray[np.float64]
    ) -> None:
        colour = self._colour(i)
        middle = float(np.nanmean(depth))
        width = max(self._camera.pixels(_BONE_M, middle), 2 * _FINE)
        self._lines(draw, where, colour, width)
        for k, (x, y) in enumerate(where):
            if not np.isnan(x):
                r = self._camera.pixels(_HEAD_M, depth[k]) if k == self._head else width * 0.62
                draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)
        top = float(np.nanmin(where[:, 1])) - self._camera.pixels(_HEAD_M, middle) - 8 * self._unit
        name = self._scene.names[i][:24]
        draw.text((float(np.nanmean(where[:, 0])), top), name, colour, _font(round(20 * self._unit)), anchor="mb")

    def _lines(self, draw: ImageDraw.ImageDraw, where: NDArray[np.float64], colour: Colour, width: float) -> None:
        for a, b in self._scene.layout.bone_indices:
            if not np.isnan(where[[a, b]]).any():
                draw.line((*where[a], *where[b]), colour, round(width))

    def _tie(self, draw: ImageDraw.ImageDraw, span: Span, where: NDArray[np.float64]) -> None:
        """A dashed line between the joints that contribute most to an event."""
        joints = self._scene.layout.joints
        if span.joints is None or any(j not in joints for j in span.joints) or len(where) < 2:
            return
        ends = [where[self._scene.names.index(p), joints.index(j)] for p, j in zip(span.pair, span.joints, strict=True)]
        if np.isnan(ends).any():
            return
        steps = max(round(float(np.hypot(*(ends[1] - ends[0]))) / (7 * self._unit)), 1)
        dots = np.linspace(ends[0], ends[1], 2 * steps)
        for a, b in zip(dots[::2], dots[1::2], strict=True):
            draw.line((*a, *b), ALARM, round(3 * self._unit))

    def _words(self, draw: ImageDraw.ImageDraw, seconds: float, span: Span | None) -> None:
        u, scene = self._unit, self._scene
        left = 24 * u
        draw.text((left, 18 * u), scene.title[:80], _INK, _font(round(22 * u)))
        clock = f"{seconds:.1f} s"
        if scene.began is not None:
            clock += f"   {moment(scene.began + round(seconds * 1e9))}"
        draw.text((left, 46 * u), clock, _PALE, _font(round(18 * u)))
        curve = self._scene.curve
        if curve is None:
            return
        told = np.flatnonzero(curve.times <= seconds)
        score = f"{curve.values[told[-1]]:.1f}" if len(told) else "–"
        colour = ALARM if span is not None else _INK
        draw.text((self._w - left, 16 * u), score, colour, _font(round(44 * u)), anchor="rt")
        said = "event" if span is not None else "score"
        draw.text((self._w - left - 110 * u, 30 * u), said, colour, _font(round(20 * u)), anchor="rt")

    def _x(self, seconds: float) -> float:
        left, _, right, _ = self._plot
        return left + (right - left) * seconds / max(self._scene.seconds, 1e-6)

    def _y(self, score: float) -> float:
        _, top, _, bottom = self._plot
        return bottom - (bottom - top) * score / self._scene.top

    def _cursor(self, draw: ImageDraw.ImageDraw, seconds: float) -> None:
        x = self._x(seconds)
        draw.line((x, self._plot[1], x, self._plot[3]), _INK, round(2 * self._unit))
        curve = self._scene.curve
        if curve is not None and len(curve.times) and curve.times[0] <= seconds:
            y = self._y(float(curve.values[np.flatnonzero(curve.times <= seconds)[-1]]))
            r = 5 * self._unit
            draw.ellipse((x - r, y - r, x + r, y + r), fill=_INK)

    def _background(self) -> Image.Image:
        image = Image.new("RGB", (self._w, self._h), _PAPER)
        draw = ImageDraw.Draw(image)
        self._grid(draw)
        draw.rectangle((0, self._view[3], self._w, self._h), fill=_PAPER)
        draw.line((0, self._view[3], self._w, self._view[3]), _LINE, round(2 * self._unit))
        self._plot_ground(draw)
        return image

    def _grid(self, draw: ImageDraw.ImageDraw) -> None:
        """The floor, a line every metre, fading where nobody comes."""
        points = self._scene.places[:, :2][..., [0, 2]].reshape(-1, 2)
        points = points[~np.isnan(points[:, 0])]
        if not len(points):
            points = np.zeros((1, 2))
        low, high = np.floor(points.min(axis=0)) - 3, np.ceil(points.max(axis=0)) + 3
        if (high - low).max() > 60:
            return
        for axis in (0, 1):
            other = 1 - axis
            for v in np.arange(low[axis], high[axis] + 0.5):
                along = np.arange(low[other], high[other] + 0.01, 0.5)
                line = np.zeros((len(along), 3))
                line[:, [0, 2][axis]], line[:, [0, 2][other]], line[:, 1] = v, along, self._scene.floor
                where, _ = self._camera.project(line)
                for k in range(len(along) - 1):
                    if np.isnan(where[k : k + 2]).any():
                        continue
                    spot = np.array([v, along[k] + 0.25])[:: 1 if axis == 0 else -1]
                    away = np.maximum(np.maximum(low + 3 - spot, spot - high + 3), 0).max()
                    paper = min(away / 3, 1) ** 1.2
                    tone = tuple(round(p + (255 - p) * paper) for p in (203, 211, 222))
                    draw.line((*where[k], *where[k + 1]), tone, round(1.5 * self._unit))

    def _plot_ground(self, draw: ImageDraw.ImageDraw) -> None:
        u, scene = self._unit, self._scene
        left, top, right, bottom = self._plot
        small = _font(round(15 * u))
        if scene.missing is not None:
            draw.text((left, top - 4 * u), scene.missing, _PALE, small, anchor="ls")  # the cursor does not strike it
        for s in scene.spans:
            draw.rectangle((self._x(s.start), top, max(self._x(s.end), self._x(s.start) + 2 * u), bottom), fill=_FIELD)
        for v in _ticks(scene.seconds, 10):
            draw.line((self._x(v), bottom, self._x(v), bottom + 5 * u), _PALE, round(1.5 * u))
            draw.text((self._x(v), bottom + 8 * u), f"{v:g} s", _PALE, small, anchor="mt")
        draw.line((left, bottom, right, bottom), _PALE, round(1.5 * u))
        if scene.missing is not None:
            return
        for v in _ticks(self._scene.top, 5):
            draw.line((left, self._y(v), right, self._y(v)), _LINE, round(1.5 * u))
            draw.text((left - 8 * u, self._y(v)), f"{v:g}", _PALE, small, anchor="rm")
        draw.text((left - 52 * u, top - 4 * u), "score", _PALE, small, anchor="ls")
        for curve in scene.curves[::-1]:
            ours = curve is scene.curve
            points = [(self._x(t), self._y(v)) for t, v in zip(curve.times, curve.values, strict=True)]
            for a, b, gap in zip(points, points[1:], np.diff(curve.times), strict=False):
                if gap <= 1.0:
                    draw.line((*a, *b), _INK if ours else (203, 209, 218), round((3 if ours else 1.5) * u))
        if scene.levels is not None:
            self._levels(draw, scene.levels)

    def _levels(self, draw: ImageDraw.ImageDraw, levels: tuple[float, float]) -> None:
        """The thresholds, with their names beside the lines, never on them."""
        u = self._unit
        left, _, right, _ = self._plot
        lines = [self._y(level) for level in levels]
        apart = max(16 * u - (lines[1] - lines[0]), 0) / 2  # names of close thresholds keep off each other
        names = (lines[0] - apart, lines[1] + apart)
        for level, y, beside, word, colour in zip(levels, lines, names, ("raise", "clear"), (ALARM, CALM), strict=True):
            for x in np.arange(left, right, 14 * u):
                draw.line((x, y, min(x + 8 * u, right), y), colour, round(1.5 * u))
            draw.text((right + 8 * u, beside), f"{word} {level:.2f}", colour, _font(round(15 * u)), anchor="lm")


def _ticks(top: float, most: int) -> NDArray[np.float64]:
    """Round numbers from 0 up to `top`, at most so many."""
    step = next(s for s in (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 1e9) if top / s <= most)
    return np.arange(0, top, step)
