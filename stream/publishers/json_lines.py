"""Poses as JSON, one object a line: what docs/sources.md describes, read from one sender.

A line with the key `persons` is a frame; any other declares what the following frames of this sender mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError, WireError
from dyadwatch.core.layouts import find_layout, get_layout
from dyadwatch.core.pose import PoseFrame
from dyadwatch.core.skeleton import Layout, normalise_joint_name
from dyadwatch.stream.config import WireOptions
from dyadwatch.stream.publishers.checked import Axes, Units, checked_frame
from dyadwatch.stream.wire import TOPIC, topic_source

_NS = 1_000_000_000
_LATEST = 2**63 - 1
_UNSEEN = [math.nan, math.nan, math.nan, 1.0]

_Name = Annotated[str, Meta(min_length=1, max_length=64)]
_Point = list[float | None] | None
_T = TypeVar("_T")
_normalise = lru_cache(maxsize=4096)(normalise_joint_name)


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

    source: _Name | None = None
    layout: _Name | None = None
    joints: list[_Name] | None = None
    units: Units | None = None
    axes: Axes | None = None
    fps: Annotated[float, Meta(gt=0)] | None = None
    clock: _Name | None = None

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


class _Person(Struct):
    joints: dict[str, _Point] | list[_Point]
    id: Annotated[int, Meta(ge=-(2**63), le=_LATEST)] | _Name | None = None


class _Line(Struct):
    """A frame; keys not named here are ignored, so that a sender may keep its own."""

    persons: list[_Person] | UnsetType = UNSET
    stamp: Annotated[int, Meta(ge=0, le=_LATEST)] | None = None
    time: Annotated[float, Meta(ge=0, lt=9.2e9)] | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_declaration = msgspec.json.Decoder(Declaration).decode


class JsonSender:
    """The lines of one sender become frames.

    Arguments:
        declared: by flags; the sender's own declaration goes over it.
        limits: the largest counts that are taken.
    """

    def __init__(self, declared: Declaration, limits: WireOptions) -> None:
        self.declared = declared
        self._limits = limits
        self._layout = declared.skeleton()
        self._frames = 0
        self._last_arrival = 0
        self.unstamped = 0

    def read(self, line: bytes, arrived: int, source: str, seq: int) -> PoseFrame | None:
        """The frame in a line, or None where it is blank or a declaration.

        Arguments:
            line: one JSON object.
            arrived: unix ns at which it came, the stamp of a frame that brings none.
            source, seq: name and number the frame gets.

        Raises:
            WireError: and nothing else, whatever the bytes; the sender is as it was before the line.
        """
        if not line.strip():
            return None
        content = _parse(line, _decode_line)
        if isinstance(content.persons, UnsetType):
            self._declare(_parse(line, _decode_declaration))
            return None
        layout = self._layout or _layout_of(content.persons, self._limits)
        if layout is None:  # nobody there, and nobody yet to say which joints there are
            return None
        if len(content.persons) > self._limits.max_people:  # before any work that grows with them
            raise WireError(
                "too_many_people",
                f"line has {len(content.persons)} persons; expected at most {self._limits.max_people}",
            )
        values = _values(content.persons, layout)
        stamp, clock = self._stamp(content, arrived)
        frame = checked_frame(
            values,
            source=source,
            seq=seq,
            stamp=stamp,
            clock=clock,
            layout=layout,
            ids=_ids(content.persons),
            units=self.declared.units or "m",
            axes=self.declared.axes or "y-up",
            limits=self._limits,
        )
        self._layout = layout
        self._frames += 1
        if content.stamp is None and content.time is None:
            self.unstamped += 1
            self._last_arrival = stamp
        return frame

    def _declare(self, said: Declaration) -> None:
        if said.source is not None:
            topic_source(f"{TOPIC}{said.source}".encode())
        together = said.over(self.declared)
        try:
            layout = together.skeleton()
        except LayoutError as e:
            raise WireError("layout", f"declaration: {e!s:.300}") from None
        if said.layout or said.joints:
            self._layout = layout
        self.declared = together

    def _stamp(self, line: _Line, arrived: int) -> tuple[int, str]:
        clock = self.declared.clock or "unix"
        if line.stamp is not None:
            return line.stamp, clock
        if line.time is not None:
            return round(line.time * _NS), clock
        if clock == "media" and self.declared.fps:
            return round(self._frames * _NS / self.declared.fps), clock
        # Lines that came in one piece have one time of arrival; a stamp that stands still would lose all but one.
        return max(arrived, self._last_arrival + 1000), "unix"


def _parse(line: bytes, decode: Callable[[bytes], _T]) -> _T:
    try:
        return decode(line)
    except msgspec.ValidationError as e:
        raise WireError("bad_key", f"line: {e}; see docs/sources.md") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        nan = " (NaN is not JSON; send null for an unseen joint)" if b"NaN" in line else ""
        raise WireError("bad_json", f"line is not a JSON object: {e}{nan}") from None


def _layout_of(persons: list[_Person], limits: WireOptions) -> Layout | None:
    """The joints that the first person names."""
    if not persons:
        return None
    points = persons[0].joints
    if isinstance(points, list):
        raise WireError(
            "layout",
            "line has points without names, and no layout is declared; expected names, or 'layout' or 'joints' "
            "in a first line or as a flag",
        )
    if len(points) > limits.max_joints:
        raise WireError("too_many_joints", f"line has {len(points)} joints; expected at most {limits.max_joints}")
    try:
        return find_layout(Layout.custom(points).joints)
    except LayoutError as e:
        raise WireError("layout", f"line: {e!s:.300}") from None


def _values(persons: list[_Person], layout: Layout) -> NDArray[np.float64]:
    """x y z confidence of every joint, shape (P, J, 4); NaN where a line has none."""
    values: list[list[list[float]]] = []
    for person in persons:
        points, rows = person.joints, [_UNSEEN] * len(layout)
        if isinstance(points, dict):
            for name, point in points.items():
                joint = layout.index.get(_normalise(name))
                if joint is None:
                    raise WireError(
                        "joint_name",
                        f"joint {name!r:.80} is none of those declared or named first: "
                        f"{', '.join(layout.joints)[:300]}",
                    )
                rows[joint] = _row(point, name)
        else:
            if len(points) != len(layout):
                raise WireError(
                    "joint_count", f"person has {len(points)} joints; layout {layout.name!r} has {len(layout)}"
                )
            rows = [_row(point, name) for point, name in zip(points, layout.joints, strict=True)]
        values.append(rows)
    return np.array(values, np.float64).reshape(len(persons), len(layout), 4)


def _row(point: _Point, name: str) -> list[float]:
    if point is None:
        return _UNSEEN
    if len(point) not in (3, 4):
        raise WireError(
            "channels", f"joint {name!r:.80} has {len(point)} numbers; expected 3 (x y z), 4 (and confidence) or null"
        )
    numbers = [math.nan if v is None else v for v in point]
    return numbers if len(numbers) == 4 else [*numbers, 1.0]


def _ids(persons: list[_Person]) -> list[int | str] | None:
    ids = [person.id for person in persons if person.id is not None]
    if not ids:
        return None
    if len(ids) != len(persons):
        raise WireError("id_count", f"{len(ids)} of {len(persons)} persons have an id; expected all of them or none")
    return ids
