"""A picture of an incident: the two people as skeletons when most spoke for it, who is who, and the odd limb lit.

It is drawn of poses alone; no camera has part in it.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw

from dyadwatch.stream.delivery.peak_poses import PeakPose
from dyadwatch.stream.delivery.picture_text import font_of, readable, write
from dyadwatch.stream.delivery.picture_view import PictureView, Points

_SIZE = (960, 640)
_FINE = 2  # drawn so many times larger and made smaller: edges become smooth
_PAPER, _INK, _PALE = (255, 255, 255), (17, 24, 39), (75, 85, 99)
_PEOPLE = ((29, 78, 216), (180, 83, 9))  # blue and amber, told apart by the colour-blind and as greys
_LIT, _LIT_PALE = (220, 38, 38), (252, 205, 205)
_LINE, _SHADOW = (218, 223, 231), (200, 206, 216)
_BONE_M, _LIT_M, _HEAD_M = 0.055, 0.075, 0.105
_MARGIN, _TOP, _BOTTOM = 28, 84, 112  # pixels
_MOST_LINES = 60
_COLOURS = 128  # shades of six colours; few take a third of the time and of the bytes

Colour = tuple[int, int, int]


def draw_picture(pose: PeakPose, title: str, when: str, caption: str) -> bytes:
    """A PNG of 960 by 640 pixels.

    Arguments:
        pose: who is to be seen.
        title: first line, such as the place.
        when: beside it; may be empty.
        caption: below the people; may be empty.
    """
    image = Image.new("RGB", (_SIZE[0] * _FINE, _SIZE[1] * _FINE), _PAPER)
    _Sketch(image, pose).draw(title, when, caption)
    out = io.BytesIO()
    small = image.reduce(_FINE).quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(out, "PNG", compress_level=6)
    return out.getvalue()


class _Sketch:
    """One picture in the making."""

    def __init__(self, image: Image.Image, pose: PeakPose) -> None:
        self._draw = ImageDraw.Draw(image)
        self._w, self._h = image.size
        self._pose = pose
        self._top, self._bottom = _TOP * _FINE, self._h - _BOTTOM * _FINE
        self._view = PictureView(pose, (_MARGIN * _FINE, self._top, self._w - _MARGIN * _FINE, self._bottom))
        self._where = self._view(self._view.places)

    def draw(self, title: str, when: str, caption: str) -> None:
        self._floor()
        for person in (0, 1):
            shadow = self._view.places[person] * [1, 0, 1] + [0, self._pose.floor_m, 0]
            self._bones(self._view(shadow), _SHADOW, _BONE_M, self._pose.bones)
            if self._pose.stands >= 0:
                ends = self._view(np.stack([shadow[self._pose.stands], self._view.places[person, self._pose.stands]]))
                self._draw.line((*ends[0].tolist(), *ends[1].tolist()), _SHADOW, 4 * _FINE)
        self._path()
        order = np.argsort([self._view.nearness(person).mean() for person in self._view.places])
        for person in order.tolist():
            self._person(person)
        self._toward()
        for person in (0, 1):
            self._light(person)
        for person in (0, 1):
            self._name(person)
        self._words(title, when, caption)

    def _floor(self) -> None:
        """Squares of a metre, as far as the picture goes."""
        floor = self._pose.floor_m
        corners = [(x, y) for x in (0, self._w) for y in (self._top, self._h)]
        ends = np.array([self._view.floor_at(corner, floor) for corner in corners])
        middle = self._view.places[..., [0, 2]].reshape(-1, 2).mean(axis=0)
        low = np.floor(np.maximum(ends.min(axis=0), middle - _MOST_LINES / 2))
        high = np.ceil(np.minimum(ends.max(axis=0), middle + _MOST_LINES / 2))
        for axis in (0, 1):
            for v in range(int(low[axis]), int(high[axis]) + 1):
                line = np.full((2, 3), floor)
                line[:, [0, 2][axis]] = v
                line[:, [2, 0][axis]] = low[1 - axis], high[1 - axis]
                (x0, y0), (x1, y1) = self._view(line).tolist()
                self._draw.line((x0, y0, x1, y1), _LINE, 2 * _FINE)
        self._draw.rectangle((0, 0, self._w, self._top - 1), _PAPER)
        self._draw.rectangle((0, self._bottom, self._w, self._h), _PAPER)

    def _bones(self, where: Points, colour: Colour, metres: float, bones: tuple[tuple[int, int], ...]) -> None:
        width = max(round(metres * self._view.scale), 3)
        for a, b in bones:
            self._draw.line((*where[a].tolist(), *where[b].tolist()), colour, width)
        for joint in {joint for bone in bones for joint in bone}:
            self._dot(where[joint], colour, width / 2)

    def _dot(self, at: Points, colour: Colour, radius: float) -> None:
        x, y = at.tolist()
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)

    def _person(self, person: int) -> None:
        where, bones = self._where[person], self._pose.bones
        edge = _BONE_M + 5 * _FINE / self._view.scale  # white around who stands in front
        for colour, metres in ((_PAPER, edge), (_PEOPLE[person], _BONE_M)):
            self._bones(where, colour, metres, bones)
            if self._pose.head >= 0:
                self._dot(where[self._pose.head], colour, (_HEAD_M + (metres - _BONE_M) / 2) * self._view.scale)

    def _light(self, person: int) -> None:
        """The joints that explain the incident, and the bones between them."""
        lit, where = set(self._pose.lit[person]), self._where[person]
        bones = tuple(bone for bone in self._pose.bones if set(bone) <= lit)
        for colour, metres in ((_PAPER, _LIT_M + 5 * _FINE / self._view.scale), (_LIT, _LIT_M)):
            self._bones(where, colour, metres, bones)
            for joint in lit:
                size = _HEAD_M if joint == self._pose.head else _LIT_M * 0.75
                self._dot(where[joint], colour, (size + (metres - _LIT_M) / 2) * self._view.scale)

    def _path(self) -> None:
        """Where the odd limb came from, the older the paler."""
        path = self._view(self._view.path)[: self._pose.at + 1]
        for number in range(1, len(path)):
            a, b = path[number - 1], path[number]
            part = 0.35 + 0.65 * number / (len(path) - 1)
            tone = tuple(round(p + (c - p) * part) for p, c in zip(_LIT_PALE, _LIT, strict=True))
            width = max(round(_BONE_M * 0.5 * self._view.scale), 3)
            self._draw.line((*a.tolist(), *b.tolist()), tone, width)
            self._dot(b, (tone[0], tone[1], tone[2]), width / 2)

    def _toward(self) -> None:
        """Dashes from the odd limb to the joint of the other that it is odd towards, with a ring around that."""
        if self._pose.limb is None:
            return
        person, joint, toward = self._pose.limb
        a, b = self._where[person, joint], self._where[1 - person, toward]
        radius = (_HEAD_M + 0.05 if toward == self._pose.head else _LIT_M + 0.02) * self._view.scale
        away = float(np.hypot(*(b - a)))
        (x, y), width = b.tolist(), 4 * _FINE
        self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=_LIT, width=width)
        if away <= radius:
            return
        steps = max(round((away - radius) / (11 * _FINE)), 1)
        way = (b - a) * (1 - radius / away) / (2 * steps - 1)
        for step in range(0, 2 * steps, 2):
            self._draw.line((*(a + step * way).tolist(), *(a + (step + 1) * way).tolist()), _LIT, width)

    def _name(self, person: int) -> None:
        """A plate over the head with the id."""
        font, whole = font_of(30 * _FINE)
        text = readable(str(self._pose.ids[person]), whole)[:16] or "?"
        where = self._where[person]
        x = float(where[self._pose.head][0]) if self._pose.head >= 0 else float(where[:, 0].mean())
        y = float(where[:, 1].min()) - (_HEAD_M + 0.1) * self._view.scale
        other = self._where[1 - person]
        if self._pose.head >= 0 and abs(x - float(other[self._pose.head][0])) < 60 * _FINE:  # or one hides the other
            x += (-34 if x <= float(other[self._pose.head][0]) else 34) * _FINE
        half = max(font.getlength(text) / 2 + 10 * _FINE, 21 * _FINE)
        x = min(max(x, half + 4), self._w - half - 4)
        y = max(y, self._top - 8 * _FINE)
        box = (x - half, y - 21 * _FINE, x + half, y + 21 * _FINE)
        self._draw.rounded_rectangle(box, 12 * _FINE, _PEOPLE[person], _PAPER, 2 * _FINE)
        self._draw.text((x, y), text, _PAPER, font, anchor="mm")

    def _words(self, title: str, when: str, caption: str) -> None:
        left, width = _MARGIN * _FINE, self._w - 2 * _MARGIN * _FINE
        aside = font_of(24 * _FINE)[0].getlength(when) + 20 * _FINE if when else 0
        write(self._draw, (left, 18 * _FINE), title, 28 * _FINE, _INK, width - aside)
        if when:
            write(self._draw, (self._w - left, 21 * _FINE), when, 24 * _FINE, _PALE, width, "ra")
        if caption:
            write(self._draw, (left, self._bottom + 16 * _FINE), caption, 23 * _FINE, _INK, width)
