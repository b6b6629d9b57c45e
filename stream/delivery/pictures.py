"""The picture that goes with an update to one target, where it is to have one."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from datetime import datetime

from dyadwatch.core.units import NS
from dyadwatch.stream.configuration.delivery_options import TargetOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.peak_poses import PeakPose
from dyadwatch.stream.delivery.wording import Wording

_log = logging.getLogger(__name__)
NAME, MIME = "dyadwatch.png", "image/png"


class Pictures:
    """Draws the pictures of one target; one that is asked for again is not drawn again.

    Arguments:
        target: its options.
        wording: of the target, which knows what people call a place.

    Raises:
        ModuleNotFoundError: the target is to have pictures, and Pillow is not installed.
    """

    def __init__(self, target: TargetOptions, wording: Wording) -> None:
        self._wording = wording
        self._draw: Callable[[PeakPose, str, str, str], bytes] | None = None
        self._last: tuple[str, bytes | None] = ("", None)
        if target.picture:
            from dyadwatch.stream.delivery.picture import draw_picture

            self._draw = draw_picture

    def of(self, parcel: Parcel) -> bytes | None:
        """The PNG of an update; None where there is none, or it cannot be drawn, which costs nobody the update."""
        if self._draw is None or parcel.pose is None:
            return None
        if self._last[0] != parcel.key:
            about = parcel.about
            title = self._wording.place(about.source) if about is not None else self._wording.of(parcel)[0]
            caption = about.explanation if about is not None else parcel.message.explanation
            unix = about is not None and about.clock == "unix"
            try:
                png = self._draw(parcel.pose, title, _when(parcel.pose.stamp) if unix else "", caption)
            except Exception:  # noqa: BLE001 - whatever it is, the words are what counts
                _log.exception("%s goes without its picture, which cannot be drawn", parcel.key)
                png = None
            self._last = parcel.key, png
        return self._last[1]

    def data_uri(self, parcel: Parcel) -> str | None:
        """The same as `data:image/png;base64,...`, for JSON."""
        png = self.of(parcel)
        return None if png is None else f"data:{MIME};base64,{base64.b64encode(png).decode()}"


def _when(stamp: int) -> str:
    return f"{datetime.fromtimestamp(stamp / NS).astimezone():%d %b %H:%M:%S}"
