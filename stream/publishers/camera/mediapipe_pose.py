"""MediaPipe as an estimator of several people: it finds them in parts of the image and follows each by themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.core.layouts import MEDIAPIPE33
from dyadwatch.core.skeleton import Layout
from dyadwatch.stream.publishers.camera.boxes import Box, around, cut, cut_off, goes_on, hide, paint_over, same, steady
from dyadwatch.stream.publishers.camera.estimate import Image, Seen
from dyadwatch.stream.publishers.camera.scan import Scan

_NS = 1_000_000_000
_LOST_S = 0.4  # a follower that sees nobody for longer ends
_FIND = 0.3  # confidence to find somebody at all; ghosts are sorted out later, by how they move and how long they last
_KEEP = 0.5
_FIRST_ROOM, _ROOM = 1.7, 2.2  # times what is seen of a person: more shows neighbours, less hides a quick arm
_LEAST_PX = 40.0  # smaller people say too little of where they are
_BLACK = np.zeros((64, 64, 3), np.uint8)


class MediaPipeEstimator:
    """Everyone in an image, by MediaPipe's pose landmarker.

    Finding and following are apart, because the landmarker by itself finds at most two people of many, and swaps them:
    parts of the image are looked into in turn, and whoever is found there is followed from image to image, in a
    rectangle around where they were, by a smoothing landmarker of their own.

    Arguments:
        model: a `.task` bundle that `models.py` has verified.
        most: people followed at a time. Each costs one inference an image.
        threads: people followed at a time. Searching goes on beside that, and steps back for it.
        live: images come whether they are waited for or not: a search that takes longer is not waited for. Without it
            the same images give the same people, whatever the machine does.

    Raises:
        MissingExtraError: when MediaPipe is not installed.
    """

    def __init__(self, model: Path, *, most: int = 8, threads: int = 2, live: bool = False) -> None:
        try:
            from mediapipe import Image as MpImage
            from mediapipe import ImageFormat
            from mediapipe.tasks.python import BaseOptions, vision
        except ImportError:
            raise MissingExtraError("mediapipe", "camera") from None

        bundle = model.read_bytes()

        def make(follow: bool) -> Any:
            confidence = _KEEP if follow else _FIND
            return vision.PoseLandmarker.create_from_options(
                vision.PoseLandmarkerOptions(
                    base_options=BaseOptions(model_asset_buffer=bundle),
                    running_mode=vision.RunningMode.VIDEO if follow else vision.RunningMode.IMAGE,
                    num_poses=1 if follow else 2,
                    min_pose_detection_confidence=_FIND,
                    min_pose_presence_confidence=confidence,
                    min_tracking_confidence=confidence,
                )
            )

        self._image = lambda pixels: MpImage(image_format=ImageFormat.SRGB, data=pixels)
        self._make = make
        self._most = most
        self._live = live
        self._spare = [_Video(make(True)) for _ in range(2)]  # making one takes longer than an image lasts
        self._pool = ThreadPoolExecutor(threads)
        self._searcher = ThreadPoolExecutor(1, initializer=_step_back)
        self._finder = self._searcher.submit(
            make, False
        ).result()  # its own threads are as polite as the one it is from
        self._search: Future[list[Seen]] | None = None
        self._followers: list[_Follower] = []
        self._keys = count(1)
        self._scan: Scan | None = None

    @property
    def layout(self) -> Layout:
        """MediaPipe's own 33 joints."""
        return MEDIAPIPE33

    def people(self, image: Image, stamp: int) -> list[Seen]:
        """Everyone found and followed; the first image is searched whole, later ones a part now and then.

        What is found in a part is followed from the next image but one on: the search goes on beside the following.
        """
        rgb = np.ascontiguousarray(image[..., ::-1])
        first = self._scan is None
        self._follow(rgb, stamp)
        if self._search is not None and (not self._live or self._search.done()):
            self._welcome_all(self._search.result(), stamp)
            self._search = None
        if self._search is None and (due := self._due(rgb, stamp)):
            self._search = self._searcher.submit(
                self._look_into, rgb, due, [f.seen for f in self._followers if f.follows]
            )
            if first:
                self._welcome_all(self._search.result(), stamp)
                self._search = None
                self._follow(rgb, stamp)
        return [f.seen for f in self._followers if f.at == stamp]

    def close(self) -> None:
        """Ends all landmarkers; MediaPipe hangs at exit when they are left to the garbage collector."""
        self._searcher.shutdown()
        self._pool.shutdown()
        videos = [*self._spare, *(f.video for f in self._followers)]
        for landmarker in [self._finder, *(v.landmarker for v in videos)]:
            landmarker.close()
        self._spare, self._followers = [], []

    def _follow(self, rgb: Image, stamp: int) -> None:
        sure = [(f, f.seen) for f in self._followers if f.follows]  # the others may be of one person, or of nobody
        looks = [
            self._pool.submit(f.look, rgb, stamp, self._image, [seen for other, seen in sure if other is not f])
            for f in self._followers
        ]
        for look in looks:
            look.result()
        self._part(stamp)

    def _due(self, rgb: Image, stamp: int) -> Sequence[Box]:
        """The parts to search now."""
        height, width = rgb.shape[:2]
        if self._scan is None or self._scan.size != (width, height):
            self._scan = Scan(width, height)
        return self._scan.due(rgb, stamp, [around(f.seen, width, height) for f in self._followers])

    def _look_into(self, rgb: Image, boxes: Sequence[Box], followed: Sequence[Seen]) -> list[Seen]:
        """Whoever is seen in parts of an image, but for those who are followed."""
        height, width = rgb.shape[:2]
        found: list[Seen] = []
        for box in boxes:
            pixels = cut(rgb, box)
            if followed:
                pixels = pixels.copy()  # the cut may be a view of the image, which is looked at meanwhile
                paint_over(pixels, box, followed)
            seen = _seen(self._finder.detect(self._image(pixels)), box, None)
            found += [s for s in seen if not cut_off(s.image, box, width, height)]
        return found

    def _welcome_all(self, found: Sequence[Seen], stamp: int) -> None:
        for seen in sorted(found, key=lambda s: -float(np.ptp(s.image, axis=0).max())):
            self._welcome(seen, stamp)

    def _welcome(self, found: Seen, stamp: int) -> None:
        """Someone new gets a follower, unless they are followed already or there are too many."""
        if len(self._followers) >= self._most or np.ptp(found.image, axis=0).max() < _LEAST_PX:
            return
        if any(same(follower.seen, found) for follower in self._followers):
            return
        video = self._spare.pop() if self._spare else _Video(self._make(True))
        self._followers.append(_Follower(next(self._keys), video, found, stamp))

    def _part(self, stamp: int) -> None:
        """Followers who have lost their person, or follow one whom an older one follows, end."""
        kept: list[_Follower] = []
        for follower in self._followers:
            doubled = follower.at == stamp and any(o.at == stamp and same(o.seen, follower.seen) for o in kept)
            if doubled or stamp - follower.at > _LOST_S * _NS:
                follower.video.forget(self._image)
                self._spare.append(follower.video)
            else:
                kept.append(follower)
        self._followers = kept


class _Video:
    """A landmarker that remembers, and smooths; its clock must never stand still."""

    def __init__(self, landmarker: Any) -> None:
        self.landmarker = landmarker
        self._ms = 0

    def look(self, pixels: Any, stamp: int) -> Any:
        self._ms = max(stamp // 1_000_000, self._ms + 1)
        return self.landmarker.detect_for_video(pixels, self._ms)

    def forget(self, wrap: Callable[[Image], Any]) -> None:
        """In a black image it sees nobody, and so forgets whom it followed."""
        self.look(wrap(_BLACK), 0)


class _Follower:
    """One person, looked for in a part of the image around where they were."""

    def __init__(self, key: int, video: _Video, found: Seen, stamp: int) -> None:
        self.video = video
        self.seen = found._replace(key=key)
        self.at = stamp - 1
        self._key = key
        self._box: Box | None = None
        self.follows = False

    def look(self, rgb: Image, stamp: int, wrap: Callable[[Image], Any], others: Sequence[Seen]) -> None:
        """Looks into a part with room around the person, but hides the neighbours: what is farther off and, while
        nobody is followed yet, everybody else who is."""
        height, width = rgb.shape[:2]
        box = self._box = steady(self._box, self.seen, width, height)
        room = _ROOM if self.follows else _FIRST_ROOM
        pixels = hide(cut(rgb, box), box, around(self.seen, width, height, room))
        if not self.follows:
            paint_over(pixels, box, others)
        self.follows = False
        for seen in _seen(self.video.look(wrap(pixels), stamp), box, self._key):
            if goes_on(self.seen, seen):
                self.seen, self.at, self.follows = seen, stamp, True
            else:  # the neighbour: the landmarker would stay with them
                self.video.forget(wrap)


def _step_back() -> None:
    """Lets other threads go first; elsewhere than on Linux this would hold for the whole program."""
    if sys.platform == "linux":
        os.nice(5)


def _seen(result: Any, box: Box, key: int | None) -> list[Seen]:
    """What a landmarker says of a part, in pixels of the whole image."""
    out: list[Seen] = []
    for marks, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True):
        image = np.array([(m.x, m.y) for m in marks]) * (box.width, box.height) + (box.x, box.y)
        body = np.array([(w.x, w.y, w.z) for w in world])
        out.append(Seen(image, body, np.array([m.visibility for m in marks]), key))
    return out
