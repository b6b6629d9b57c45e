"""Words in pictures, in a font of the system or the small one that comes with Pillow."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from PIL import ImageDraw, ImageFont

_FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")
_LINES = 3
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@lru_cache(maxsize=16)
def font_of(pixels: int) -> tuple[Font, bool]:
    """A font of a size, and whether it is one of the system, which knows more than ASCII."""
    for name in _FONTS:
        try:
            return ImageFont.truetype(name, pixels), True
        except OSError:
            continue
    return ImageFont.load_default(pixels), False


def readable(text: str, whole: bool) -> str:
    """A text as a font can show it: where that knows no more than ASCII, letters without their marks."""
    flat = "".join(c for c in " ".join(text.split()) if c.isprintable())
    if whole:
        return flat
    return unicodedata.normalize("NFKD", flat).encode("ascii", "ignore").decode().strip()


def write(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    pixels: int,
    colour: tuple[int, int, int],
    width: float,
    anchor: str = "la",
) -> float:
    """Writes a text in at most three lines, cut where it is longer; returns its height.

    Arguments:
        at: where, pixels.
        pixels: size of the font.
        width: pixels that a line may have.
        anchor: as Pillow has it, of each line.
    """
    font, whole = font_of(pixels)
    lines = _lines(readable(text, whole), font, width)
    for number, line in enumerate(lines):
        draw.text((at[0], at[1] + number * pixels * 1.3), line, colour, font, anchor=anchor)
    return len(lines) * pixels * 1.3


def _lines(text: str, font: Font, width: float) -> list[str]:
    lines, line = list[str](), ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            lines.append(line)
            longer = word
        line = longer
    lines.append(line)
    return [_cut(line, font, width, more=i == _LINES - 1 < len(lines) - 1) for i, line in enumerate(lines[:_LINES])]


def _cut(line: str, font: Font, width: float, *, more: bool) -> str:
    """A line as far as it fits, with dots where something of it, or after it, is left out."""
    whole = line
    while line and font.getlength(line + "…" * (more or line != whole)) > width:
        line = line[:-1]
    return line.rstrip(" ,;") + "…" if more or line != whole else line
