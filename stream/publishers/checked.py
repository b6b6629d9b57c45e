"""Foreign poses become frames by the rules of the wire: one set of limits, units, axes and reasons for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import LAYOUTS
from dyadwatch.core.skeletons.pose import PoseFrame, TrackId
from dyadwatch.stream.configuration.config import WireOptions
from dyadwatch.stream.wire import TOPIC, VERSION, Header, decode_pose

Axes = Literal["y-up", "z-up", "y-down"]
Units = Literal["m", "cm", "mm"]

_encode_header = msgspec.msgpack.Encoder().encode
_LIMITS = WireOptions()


def checked_frame(
    values: NDArray[np.floating],
    *,
    source: str,
    seq: int,
    stamp: int,
    clock: str,
    layout: Layout,
    ids: Sequence[TrackId] | None,
    units: Units = "m",
    axes: Axes = "y-up",
    limits: WireOptions = _LIMITS,
) -> PoseFrame:
    """The frame a detector would read from these poses, in metres, Y up.

    Arguments:
        values: x y z or x y z confidence, shape (P, J, 3 or 4), in `units` and `axes`; NaN where unseen.
        source, seq, stamp, clock, layout, ids: of the frame; its epoch is 0, which leaves it to the publisher.
        limits: the largest counts that are taken.

    Raises:
        WireError: with the wire's own reasons, and nothing else, whatever the values.
    """
    known = LAYOUTS.get(layout.name)
    named = known is not None and known.joints == layout.joints
    header = Header(
        v=VERSION,
        source=source,
        epoch=0,
        seq=seq,
        stamp=stamp,
        clock=clock,
        shape=(values.shape[0], values.shape[1], values.shape[2]),
        ids=None if ids is None else list(ids),
        layout=layout.name if named else None,
        joints=None if named else list(layout.joints),
        axes=axes,
        units=units,
    )
    with np.errstate(over="ignore", invalid="ignore"):  # what float32 cannot hold becomes infinite and is refused
        payload = values.astype("<f4").tobytes()
    return decode_pose([f"{TOPIC}{source}".encode(), _encode_header(header), payload], limits)
