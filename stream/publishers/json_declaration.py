"""What a sender of JSON lines declares of its frames, and what is wrong with a declaration that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Annotated, Any, cast, get_args

import msgspec
from msgspec import Meta, Struct

from dyadwatch.core.errors import LayoutError, WireError
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import find_layout, get_layout
from dyadwatch.stream.codes import Refusal, SenderReason
from dyadwatch.stream.publishers.checked import Axes, Units
from dyadwatch.stream.wire import TOPIC, topic_source

Name = Annotated[str, Meta(min_length=1, max_length=64)]
SLOWEST_FPS, FASTEST_FPS = 0.01, 10_000.0  # beyond it is another unit, and stamps that are numbered leave their range
_LONGEST = 64  # characters of a name that are looked at
_MOST_KEYS = 50


class Declaration(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a sender's frames mean; a line without `persons`, or the flags of the command.

    Arguments:
        source: name of the source.
        layout: a known layout; points given as a list are in its order.
        joints: names of the joints instead, in order.
        units, axes: as on the wire.
        fps: nominal rate.
        clock: name of the clock that stamps are read from; with `media` and fps, frames without a stamp are numbered.
    """

    source: Name | None = None
    layout: Name | None = None
    joints: list[Name] | None = None
    units: Units | None = None
    axes: Axes | None = None
    fps: Annotated[float, Meta(ge=SLOWEST_FPS, le=FASTEST_FPS)] | None = None
    clock: Name | None = None

    def over(self, other: Declaration) -> Declaration:
        """This one, and the other's values where this one has none."""
        given = {k: v for k in self.__struct_fields__ if (v := getattr(self, k)) is not None}
        if {"layout", "joints"} & set(given):
            given = {"layout": None, "joints": None} | given
        return msgspec.structs.replace(other, **given)

    def skeleton(self) -> Layout | None:
        """The layout it declares, if any.

        Raises:
            LayoutError: for an unknown layout, names that do not make one, or both keys.
        """
        if self.layout is not None and self.joints is not None:
            raise LayoutError("declaration has both 'layout' and 'joints'; expected one of them")
        if self.layout is not None:
            return get_layout(self.layout)
        if self.joints is not None:
            return find_layout(Layout.custom(self.joints).joints)
        return None


KEYS: tuple[str, ...] = Declaration.__struct_fields__
_CHOICES: dict[str, Sequence[str]] = {"units": get_args(Units), "axes": get_args(Axes)}
# What else a declaration may have been meant by.
_MEANT = frozenset({
    "up", "up_axis", "upaxis", "coordinates", "coordinate_system", "convention", "rate", "frame_rate", "framerate",
    "hz", "scale", "skeleton", "length_unit",
})  # fmt: skip
_VALUES = frozenset({
    *(axes.replace("-", between) for axes in get_args(Axes) for between in ("-", "_", "", " ")),
    "cm", "mm", "centimeters", "centimetres", "millimeters", "millimetres", "meters", "metres",
})  # fmt: skip
_SAYS = re.compile(rb"(?<![\w.])(?:units|axes|layout|fps)[\"']?\s*[:=]", re.IGNORECASE)  # parts of frames have `joints`
_decode = msgspec.json.Decoder(Declaration).decode


def read_declaration(line: bytes) -> Declaration:
    """The declaration in a line that is a JSON object.

    Raises:
        WireError: `bad_key`, naming key, value, what was expected and what was probably meant; `bad_json`, `layout` or
            `bad_topic`.
    """
    try:
        said = _decode(line)
    except msgspec.ValidationError as e:
        raise WireError(Refusal.BAD_KEY, f"declaration: {_fault(line) or e}; see `dyadwatch docs sources`") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:  # a key that is not UTF-8, for one
        raise WireError(SenderReason.BAD_JSON, f"declaration is not a JSON object: {e}") from None
    try:
        said.skeleton()
    except LayoutError as e:
        raise WireError(Refusal.LAYOUT, f"declaration: {e!s:.300}") from None
    if said.source is not None:
        topic_source(f"{TOPIC}{said.source}".encode())
    return said


def declares(line: bytes) -> bool:
    """Whether a line that is no frame was probably meant for a declaration.

    It has one of the keys of one, or nearly, or one that others use for the same, or a value of declarations alone.
    """
    try:
        content = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return b'"persons"' not in line and _SAYS.search(line) is not None
    return isinstance(content, dict) and _says(cast("dict[str, Any]", content))


def _says(content: dict[str, Any], deep: int = 2) -> bool:
    return any(
        key.lower() in _MEANT
        or _nearest(key, KEYS) is not None
        or (isinstance(value, str) and value.strip().lower() in _VALUES)
        or (isinstance(value, dict) and deep > 1 and _says(cast("dict[str, Any]", value), deep - 1))
        for key, value in list(content.items())[:_MOST_KEYS]
    )


def _fault(line: bytes) -> str:
    """The first key or value that is wrong; empty where this says no more than the decoder."""
    try:
        content: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError:  # such as a number that no float holds
        return ""
    for key, value in list(content.items())[:_MOST_KEYS]:
        if key not in KEYS:
            return f"key {key!r:.70} is unknown; expected {', '.join(KEYS)}{_meant(key, KEYS)}"
        if (choices := _CHOICES.get(key)) and value is not None and value not in choices:
            return f"{key} is {value!r:.70}; expected one of {', '.join(choices)}{_meant(str(value), choices)}"
    return ""


def _meant(word: str, known: Sequence[str]) -> str:
    found = _nearest(word, known)
    return f" (did you mean {found!r}?)" if found else ""


def _nearest(word: str, known: Sequence[str]) -> str | None:
    found = get_close_matches(word[:_LONGEST].strip().lower().replace("_", "-"), known, 1, 0.7)
    return found[0] if found else None
