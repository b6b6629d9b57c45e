"""An annotated picture for setting a camera up: the only place where an image is shown or written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.stream.publishers.camera.estimate import Image
from dyadwatch.stream.publishers.camera.opencv import opencv
from dyadwatch.stream.publishers.camera.people import CameraPerson

_COLOURS = ((80, 220, 80), (60, 60, 240), (240, 140, 40), (40, 220, 240), (220, 60, 220), (220, 220, 60))
_STILL_S = 0.5  # how often a still picture is written again


def check_preview(where: str) -> str:
    """The kind of preview that is asked for: `window`, or the ending of a file.

    Raises:
        ConfigError: for a file of another kind, or one in a folder that is not there.
    """
    kind = "window" if where == "window" else Path(where).suffix.lower()
    if kind not in ("window", ".mp4", ".avi", ".png", ".jpg"):
        raise ConfigError(f"preview is {where!r:.80}; expected window, or a file .mp4, .avi, .png or .jpg")
    if kind != "window" and not Path(where).parent.is_dir():
        raise ConfigError(f"preview is {where!r:.80}, but there is no folder {Path(where).parent}; make it first")
    return kind


class Preview:
    """Shows or writes images with the people on them; a context manager.

    A file is there whole or not at all: the newest picture at any time, a video at the end.

    Arguments:
        where: `window`, or a file: .mp4 or .avi for a video, .png or .jpg for the newest picture.
        fps: of the video.
        layout: of the people.

    Raises:
        ConfigError: for a file of another kind.
    """

    def __init__(self, where: str, fps: float, layout: Layout) -> None:
        self._cv2 = opencv()
        self._where = where
        self._fps = fps
        self._layout = layout
        self._video: Any = None
        self._files = ExitStack()  # puts the video in its place
        self._window = False
        self._due = 0.0
        self._kind = check_preview(where)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, image: Image, people: Sequence[CameraPerson], note: str = "") -> None:
        """One image more.

        Raises:
            ConfigError: when it cannot be shown or written.
        """
        cv2 = self._cv2
        drawn = self._draw(image.copy(), people, note)
        try:
            if self._kind == "window":
                cv2.imshow("dyadwatch", drawn)
                self._window = True
                cv2.waitKey(1)
            elif self._kind in (".mp4", ".avi"):
                self._write(drawn)
            elif time.monotonic() >= self._due:
                self._due = time.monotonic() + _STILL_S
                _, encoded = cv2.imencode(self._kind, drawn)
                with written_atomically(Path(self._where)) as partial:
                    partial.write_bytes(encoded.tobytes())
        except OSError as e:
            raise self._unwritten(e) from None
        except cv2.error as e:
            raise ConfigError(f"preview {self._where} does not work here ({e.err or e})") from None

    def close(self) -> None:
        """Finishes the video or closes the window.

        Raises:
            ConfigError: when the video cannot be put in its place.
        """
        if self._video is not None:
            self._video.release()
        try:
            self._files.close()
        except OSError as e:
            raise self._unwritten(e) from None
        if self._window:  # an OpenCV without windows cannot even close them
            self._cv2.destroyAllWindows()

    def _write(self, drawn: Image) -> None:
        cv2 = self._cv2
        if self._video is None:
            code = cv2.VideoWriter_fourcc(*("mp4v" if self._kind == ".mp4" else "MJPG"))
            partial = self._files.enter_context(written_atomically(Path(self._where)))
            self._video = cv2.VideoWriter(str(partial), code, self._fps, (drawn.shape[1], drawn.shape[0]))
            if not self._video.isOpened():
                self._files.pop_all()  # nothing was written that could be put in a place
                raise self._unwritten(None)
        self._video.write(drawn)

    def _unwritten(self, error: OSError | None) -> ConfigError:
        why = f" ({error.strerror or error})" if error else ""
        return ConfigError(f"preview {self._where} cannot be written{why}; expected a file in a folder that exists")

    def _draw(self, image: Image, people: Sequence[CameraPerson], note: str) -> Image:
        cv2 = self._cv2
        for person in people:
            colour = _COLOURS[person.id % len(_COLOURS)]
            at = [(int(x), int(y)) for x, y in np.clip(person.seen.image, -9999, 9999)]
            for a, b in self._layout.bone_indices:
                if min(person.seen.visibility[a], person.seen.visibility[b]) >= 0.3:
                    cv2.line(image, at[a], at[b], colour, 2, cv2.LINE_AA)
            x, y, z = person.placed.root
            left, top = np.clip(person.seen.image, 0, None).min(0).astype(int)
            text = f"{person.id}: {x:.1f} {y:.1f} {z:.1f} m"
            cv2.putText(
                image, text, (int(left), max(int(top) - 6, 12)), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, 1, cv2.LINE_AA
            )
        if note:
            cv2.putText(image, note, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 255), 2, cv2.LINE_AA)
        return image
