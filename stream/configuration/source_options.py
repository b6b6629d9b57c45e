"""Options of what comes in: the wire, clocks, who is who, which pairs and windows there are, which sources belong."""

from __future__ import annotations

from typing import Annotated

from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.stream.configuration.option_types import (
    ADDRESS,
    Count,
    Fraction,
    NotNegative,
    Positive,
    Section,
    shaped,
)


class WireOptions(Section, frozen=True):
    """Where poses come in, and how much one message may hold. What exceeds a limit is refused, counted and logged."""

    bind: Annotated[str, shaped(ADDRESS, "an address like tcp://127.0.0.1:5570 or ipc:///path")] = (
        "tcp://127.0.0.1:5570"
    )
    """Address of the socket that publishers connect to. Loopback: only this machine can send."""
    max_people: Count = 32
    """People in one frame. Lower: crowded frames are refused whole; higher: one frame may cost more time."""
    max_joints: Count = 256
    """Joints of one person. Lower: sources with rich skeletons are refused; higher: larger messages are taken."""
    max_bytes: Count = 1 << 20
    """Bytes in one message. Lower: large frames are refused; higher: a faulty publisher can use more memory."""
    max_sources: Count = 256
    """Sources watched at a time. Lower: later ones are refused; higher: each takes some memory."""


class ClockOptions(Section, frozen=True):
    """How the stamps of the frames become the model's even grid of time."""

    max_gap_s: Positive = 0.5
    """Seconds without a frame, of a source or of a person, that are bridged by interpolation. Lower: windows start anew
    more often and fewer scores come; higher: longer stretches of movement are made up."""
    reorder_s: NotNegative = 0.15
    """Seconds that later frames wait for a missing one. Lower: frames that overtake each other are lost; higher: after
    each lost frame scores come later. A source that loses nothing waits for nothing."""
    max_jump_s: Positive = 10.0
    """Seconds between two stamps beyond which the clock stepped ahead; a step back is one from max_gap_s on. Lower: a
    paused source counts as a stepped clock; higher: a wrong stamp is believed more easily."""
    jump_frames: Count = 5
    """Frames in a row that must agree before a clock step is believed. Lower: stray stamps restart a source; higher:
    after a true step more frames are lost."""


class TrackOptions(Section, frozen=True):
    """Who is who from one frame to the next."""

    max_gap_s: Positive = 0.5
    """Seconds a person stays the same person while unseen. Lower: short occlusions end events; higher: who comes later
    to the same place may be taken for who left."""
    gate_m: Positive = 0.6
    """Metres from where a person was expected, for sources without ids. Lower: fast people lose their track; higher:
    people close to each other swap tracks."""
    max_speed_m_s: Positive = 12.0
    """Metres a second beyond which an id has moved to somebody else. Lower: runners are cut in two; higher: an id given
    to somebody else looks like violent movement."""
    min_confidence: Fraction = 0.2
    """Confidence, 0 to 1, below which a joint counts as unseen. Lower: guessed joints are scored; higher: more windows
    have too much hidden to be scored."""
    max_tracks: Count = 64
    """People of one source that are remembered at a time, those in view always among them. Lower: in a crowd somebody
    who was out of sight for a moment may come back as somebody else; higher: a source that gives new ids in every frame
    costs more time."""


class PairOptions(Section, frozen=True):
    """Which pairs of people are scored."""

    enter_m: Positive = 3.0
    """Metres between the hips below which two people become a pair. Lower: approaches are seen late; higher: more pairs
    are scored that have nothing to do with each other."""
    leave_m: Positive = 4.0
    """Metres beyond which they stop being one; more than enter_m. Lower: pairs flicker at the border; higher: people
    who parted are scored for longer."""
    max_pairs: Count = 15
    """Pairs of one source; the nearest are kept and the others counted. Lower: crowds are scored in part; higher: one
    crowded source can use up the time of all."""


class WindowOptions(Section, frozen=True):
    """How the windows that the model sees are cut."""

    hop: Count = 2
    """Steps of the model's grid (1/15 s with the shipped model) between two windows of a pair. Lower: events open
    sooner and more is computed; higher: the reverse."""
    max_hidden: Fraction = 0.34
    """Part of a person's frames in a window, 0 to 1, in which a joint may be unseen. Lower: fewer windows can be
    scored; higher: more of what is scored is interpolated."""


class SenseOptions(Section, frozen=True):
    """Bodies are judged before anything is scored.

    What no body can be makes a pair blind, what is doubtful opens no event.
    """

    ignore: list[Oddity] = []
    """Codes of findings that are not looked for, such as [nobody_upright] where people lie and nobody ever stands, or
    [odd_size] where small children are. See `dyadwatch docs check`. Left out: all are."""


class LivenessOptions(Section, frozen=True):
    """When a source counts as silent, by the receiver's clock."""

    silent_s: Positive = 5.0
    """Seconds without a message. Lower: short hiccups are reported as silence; higher: a dead source is noticed
    later."""
    behind_s: Positive = 1.0
    """Seconds by which data may come late, beyond the shortest way of the last minute, before the source counts as
    behind. Lower: short hiccups are reported; higher: scores may be older before that is reported."""
    forget_s: Positive = 3600.0
    """Seconds of silence after which a source is forgotten with its counts; one that sent fewer than thirty usable
    frames is after a minute. Lower: rare sources keep starting anew; higher: sources that are gone stay in the
    status."""
    expected: list[str] = []
    """Names of sources that must be there, such as [hall, yard]: one that has sent nothing since the detector started,
    such as a camera that did not come back after a restart, is reported in the status as silent. Left out: it is not
    missed."""


class MergeOptions(Section, frozen=True):
    """Sources that see the same place in one frame of coordinates can be merged.

    Who is seen by several of them is one person, and pairs are scored once. See `dyadwatch docs merge`.
    """

    groups: dict[str, list[str]] = {}
    """Groups of sources, each under a name that its events carry, such as {hall: [cam_a, cam_b]}. Empty: every source
    is watched by itself."""
    offset_s: dict[str, float] = {}
    """Seconds to add to the stamps of a source to bring them onto the clock of its group's first source, such as
    {cam_b: 0.35}. Needed only where the clocks differ. Lower: its people lag behind those of the others; higher: they
    run ahead."""
    tolerance_s: Positive = 0.1
    """Seconds by which the stamps of two sources, as they come side by side, may differ. Lower: sources on slower
    networks are kept apart; higher: people are merged with where they were a moment ago."""
    gate_m: Positive = 0.4
    """Metres, mean distance of the joints, up to which two sightings are one person. Lower: one person may be scored as
    two; higher: two people in a hug may become one."""
    wait_s: Positive = 0.25
    """Seconds of event time that the others wait for a source. Lower: a slow source contributes less; higher: scores
    come later while a source is behind."""
