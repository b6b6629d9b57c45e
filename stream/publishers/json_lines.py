"""Poses as JSON, one object a line: what docs/sources.md describes, read from one sender.

A line with the key `persons` is a frame; any other declares what the following frames of this sender mean.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated, Any, TypedDict, cast

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType
from numpy.typing import NDArray

from dyadwatch.core.errors import LayoutError, WireError
from dyadwatch.core.files.text_files import plain_utf8
from dyadwatch.core.skeletons.layout import Layout, normalise_joint_name
from dyadwatch.core.skeletons.layouts import find_layout
from dyadwatch.core.skeletons.pose import PoseFrame
from dyadwatch.core.units import NS
from dyadwatch.stream.codes import Refusal, SenderReason
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.publishers.checked import Axes, Units, checked_frame
from dyadwatch.stream.publishers.json_declaration import Declaration, Name, declares, read_declaration


class _Usual(TypedDict):
    units: Units
    axes: Axes


_LATEST = 2**63 - 1
_HINTS = {
    "`$.stamp`": " (whole nanoseconds: JavaScript's numbers hold them as a BigInt only, such as BigInt(ms) * 1000000n, "
    "written without quotes; or send 'time' in seconds)",
    "`$.time`": " (seconds: a time in milliseconds is 'time': ms / 1000)",
}
_USUAL: _Usual = {"units": "m", "axes": "y-up"}
_UNSEEN = [math.nan, math.nan, math.nan, 1.0]

_Point = list[float | None] | None
_normalise = lru_cache(maxsize=4096)(normalise_joint_name)


class _Person(Struct):
    joints: dict[Name, _Point] | list[_Point]
    id: Annotated[int, Meta(ge=-(2**63), le=_LATEST)] | Name | None = None


class _Line(Struct):
    """A frame; keys not named here are ignored, so that a sender may keep its own."""

    persons: list[_Person] | UnsetType = UNSET
    stamp: Annotated[int, Meta(ge=0, le=_LATEST)] | None = None
    time: Annotated[float, Meta(ge=0, lt=9.2e9)] | None = None
    units: Any = None
    axes: Any = None
    source: Any = None


_decode_line = msgspec.json.Decoder(_Line).decode


class JsonSender:
    """The lines of one sender become frames.

    Without a declared layout, the joints are all that its frames named so far.

    Arguments:
        declared: by flags; the sender's own declaration goes over it.
        limits: the largest counts that are taken.
        one_source: whether a second source name is refused; else it begins a second source.
    """

    def __init__(self, declared: Declaration, limits: WireOptions, *, one_source: bool = True) -> None:
        self.declared = declared
        self._limits = limits
        self._one_source = one_source
        self._fixed = declared.skeleton()
        self._layout = self._fixed
        self._source: str | None = None
        self._said_source: str | None = None  # by the first frame that has a key `source`
        self._refused = ""
        self._frames = 0
        self._last_arrival = 0
        self.unstamped = 0
        self.has_declared = False

    def read(self, line: bytes, arrived: int, source: str, seq: int) -> PoseFrame | None:
        """The frame in a line, or None where it is blank or a declaration.

        After a declaration that was refused, so are frames until a good one comes: nobody knows what they mean.

        Arguments:
            line: one JSON object.
            arrived: unix ns at which it came, the stamp of a frame that brings none.
            source, seq: name and number the frame gets.

        Raises:
            WireError: and nothing else, whatever the bytes; the sender is as it was before the line, unless it was
                meant for a declaration.
        """
        content = self._parsed(line)
        if content is None or isinstance(content.persons, UnsetType):
            return None
        if self._refused:
            raise WireError(
                SenderReason.UNDECLARED,
                f"frame is left out, for the sender's declaration was refused ({self._refused:.200}); expected a "
                "declaration that can be used, before frames",
            )
        self._check_said(content)
        return self._frame(content, content.persons, arrived, source, seq)

    def _check_said(self, line: _Line) -> None:
        """Refuses a frame that says itself what it means, and otherwise than was declared: frames declare nothing."""
        for key, value in (("units", line.units), ("axes", line.axes)):
            holds = cast("str", getattr(self.declared, key) or _USUAL[key])
            if isinstance(value, str) and value != holds:
                raise WireError(
                    SenderReason.UNDECLARED,
                    f"frame has {key} {value!r:.70}, and {holds!r} holds; expected it in a declaration, a line of "
                    "its own without persons, before frames",
                )
        if isinstance(line.source, str) and line.source != self._said_source:
            if self._said_source is not None:
                raise WireError(
                    SenderReason.SOURCE_CHANGED,
                    f"frame has source {line.source!r:.70}, and those before it {self._said_source!r:.70}; expected "
                    "one source a connection or UDP socket, declared in a line of its own without persons",
                )
            self._said_source = line.source

    def _parsed(self, line: bytes) -> _Line | None:
        """What a line holds; a declaration is taken note of."""
        try:
            line = plain_utf8(line)
        except ValueError as e:
            refused = WireError(SenderReason.BAD_JSON, f"line {e}")
            if declares(line.replace(b"\0", b"")):
                self._refused = str(refused)
            raise refused from None
        if not line.strip():
            return None
        try:
            content = _parse(line)
            if isinstance(content.persons, UnsetType):
                self._declare(read_declaration(line))
        except WireError as e:
            if declares(line):
                self._refused = str(e)
            raise
        return content

    def _frame(self, line: _Line, persons: list[_Person], arrived: int, source: str, seq: int) -> PoseFrame | None:
        if len(persons) > self._limits.max_people:  # before any work that grows with them
            raise WireError(
                Refusal.TOO_MANY_PEOPLE, f"line has {len(persons)} persons; expected at most {self._limits.max_people}"
            )
        layout = self._fixed or _grown(self._layout, persons, self._limits)
        if layout is None:  # nobody there, and nobody yet to say which joints there are
            return None
        values = _values(persons, layout)
        stamp, clock = self._stamp(line, arrived)
        frame = checked_frame(
            values,
            source=source,
            seq=seq,
            stamp=stamp,
            clock=clock,
            layout=layout,
            ids=_ids(persons),
            units=self.declared.units or _USUAL["units"],
            axes=self.declared.axes or _USUAL["axes"],
            limits=self._limits,
        )
        self._layout = layout
        self._frames += 1
        if line.stamp is None and line.time is None:
            self.unstamped += 1
            self._last_arrival = stamp
        return frame

    def _declare(self, said: Declaration) -> None:
        if said.source is not None and self._source is not None and said.source != self._source:
            if self._one_source or not self._frames:
                raise WireError(
                    SenderReason.SOURCE_CHANGED,
                    f"declaration: source is {said.source!r} and was {self._source!r} before; expected one source a "
                    "connection or UDP socket: open another for the second",
                )
            self._frames, self._layout, self._said_source = 0, None, None
        try:
            together = said.over(self.declared)
            if said.layout or said.joints:
                self._fixed = self._layout = together.skeleton()
        except LayoutError as e:
            raise WireError(Refusal.LAYOUT, f"declaration: {e!s:.300}") from None
        self._source = said.source or self._source
        self.declared, self._refused, self.has_declared = together, "", True

    def _stamp(self, line: _Line, arrived: int) -> tuple[int, str]:
        clock = self.declared.clock or "unix"
        if line.stamp is not None:
            return line.stamp, clock
        if line.time is not None:
            return round(line.time * NS), clock
        if clock == "media" and self.declared.fps:
            return min(round(self._frames * NS / self.declared.fps), _LATEST), clock
        # Lines that came in one piece have one time of arrival; a stamp that stands still would lose all but one.
        return max(arrived, self._last_arrival + 1000), "unix"


def _parse(line: bytes) -> _Line:
    try:
        return _decode_line(line)
    except msgspec.ValidationError as e:
        text = str(e)
        hint = next((h for where, h in _HINTS.items() if where in text), "")
        raise WireError(Refusal.BAD_KEY, f"line: {text}{hint}; see `dyadwatch docs sources`") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        nan = " (NaN is not JSON; send null for an unseen joint)" if b"NaN" in line else ""
        raise WireError(SenderReason.BAD_JSON, f"line is not a JSON object: {e}{nan}") from None


def _grown(layout: Layout | None, persons: list[_Person], limits: WireOptions) -> Layout | None:
    """The layout with the joints that are named here for the first time, at its end."""
    joints = dict.fromkeys(layout.joints if layout else ())
    known = len(joints)
    for person in persons:
        points = person.joints
        if isinstance(points, list):
            raise WireError(
                Refusal.LAYOUT,
                "line has points without names, and no layout is declared; expected names, or 'layout' or 'joints' "
                "in a first line or as a flag",
            )
        joints.update(dict.fromkeys(map(_normalise, points)))
        if len(joints) > limits.max_joints:
            before = f" with the {known} named before" if known else ""
            raise WireError(
                Refusal.TOO_MANY_JOINTS, f"line has {len(joints)} joints{before}; expected at most {limits.max_joints}"
            )
    if len(joints) == known and (layout is not None or not persons):
        return layout
    try:
        return find_layout(Layout.custom(joints).joints)
    except LayoutError as e:
        raise WireError(Refusal.LAYOUT, f"line: {e!s:.300}") from None


def _values(persons: list[_Person], layout: Layout) -> NDArray[np.float64]:
    """x y z confidence of every joint, shape (P, J, 4); NaN where a line has none."""
    values: list[list[list[float]]] = []
    for person in persons:
        points, rows = person.joints, [_UNSEEN] * len(layout)
        if isinstance(points, dict):
            named: set[int] = set()
            for name, point in points.items():
                joint = layout.index.get(_normalise(name))
                if joint is None:
                    raise WireError(
                        SenderReason.JOINT_NAME,
                        f"joint {name!r:.80} is none of those declared: {', '.join(layout.joints)[:300]}",
                    )
                if joint in named:
                    raise WireError(
                        Refusal.LAYOUT, f"line: a person names joints more than once: {layout.joints[joint]}"
                    )
                named.add(joint)
                rows[joint] = _row(point, name)
        else:
            if len(points) != len(layout):
                raise WireError(
                    Refusal.JOINT_COUNT, f"person has {len(points)} joints; layout {layout.name!r} has {len(layout)}"
                )
            rows = [_row(point, name) for point, name in zip(points, layout.joints, strict=True)]
        values.append(rows)
    return np.array(values, np.float64).reshape(len(persons), len(layout), 4)


def _row(point: _Point, name: str) -> list[float]:
    if point is None:
        return _UNSEEN
    if len(point) not in (3, 4):
        raise WireError(
            Refusal.CHANNELS,
            f"joint {name!r:.80} has {len(point)} numbers; expected 3 (x y z), 4 (and confidence) or null",
        )
    numbers = [math.nan if v is None else v for v in point]
    return numbers if len(numbers) == 4 else [*numbers, 1.0]


def _ids(persons: list[_Person]) -> list[int | str] | None:
    ids = [person.id for person in persons if person.id is not None]
    if not ids:
        return None
    if len(ids) != len(persons):
        raise WireError(
            Refusal.ID_COUNT, f"{len(ids)} of {len(persons)} persons have an id; expected all of them or none"
        )
    return ids
