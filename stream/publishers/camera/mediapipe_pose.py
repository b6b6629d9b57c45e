"""MediaPipe as an estimator of several people: it finds them in parts of the image and follows each by themselves."""

# pyright: standard
# MediaPipe has no types.
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
from dyadwatch.core.skeletons.layout import Layout
from dyadwatch.core.skeletons.layouts import MEDIAPIPE33
from dyadwatch.core.units import NS
from dyadwatch.stream.publishers.camera.boxes import (
    Box,
    around,
    cut,
    cut_off,
    extent,
    goes_on,
    hide,
    same,
    square,
    steady,
)
from dyadwatch.stream.publishers.camera.estimate import Image, SeenPose
from dyadwatch.stream.publishers.camera.scan import Scan
from dyadwatch.stream.publishers.camera.silhouette import paint_over

_LOST_S = 0.4  # a follower that sees nobody for longer ends
_VAIN_S = 0.12  # and one that never saw anybody: what was found was nobody
_FIRST_S = 0.06  # as if so much time had passed: the pose that somebody is found in is rougher than later ones
_LARGER = 1.5  # times: who is found while no follower is free and is so much larger takes the place of the smallest
_FIND = 0.3  # confidence to find somebody at all; ghosts are sorted out later, by how they move and how long they last
_KEEP = 0.5
_FIRST_ROOM, _ROOM = 1.7, 2.2  # times what is seen of a person: more shows neighbours, less hides a quick arm
_BESIDE = 2.2  # times someone followed: those who are close to them are who it is about, and are looked for more often
_BESIDE_S = 0.5  # how often, beside whomever it is due; in a video, which nobody waits for, 10 times as often
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
        self._finder = self._searcher.submit(make, False).result()  # its threads are as polite as the one it is from
        self._search: Future[list[SeenPose]] | None = None
        self._followers: list[_Follower] = []
        self._keys = count(1)
        self._scan: Scan | None = None
        self._beside = 0  # when it was last searched beside someone

    @property
    def layout(self) -> Layout:
        """MediaPipe's own 33 joints."""
        return MEDIAPIPE33

    def people(self, image: Image, stamp: int) -> list[SeenPose]:
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
        """The parts to search now: of the whole image, or around someone followed, the larger the more often."""
        height, width = rgb.shape[:2]
        often = 1 if self._live else 10
        if self._scan is None or self._scan.size != (width, height):
            self._scan = Scan(width, height, often=often)
        full = len(self._followers) >= self._most and all(f.followed for f in self._followers)
        followed = [f for f in self._followers if f.follows]
        if followed and not full and stamp - self._beside >= _BESIDE_S / often * NS:
            self._beside = stamp
            chosen = max(followed, key=lambda f: extent(f.seen.image) ** 2 * (stamp - f.searched))
            chosen.searched = stamp
            return [square(around(chosen.seen, width, height, _BESIDE))]
        return self._scan.due(rgb, stamp, [around(f.seen, width, height) for f in self._followers], full=full)

    def _look_into(self, rgb: Image, boxes: Sequence[Box], followed: Sequence[SeenPose]) -> list[SeenPose]:
        """Whoever is seen in parts of an image, but for those who are followed."""
        height, width = rgb.shape[:2]
        found: list[SeenPose] = []
        for box in boxes:
            pixels = cut(rgb, box)
            if followed:
                pixels = pixels.copy()  # the cut may be a view of the image, which is looked at meanwhile
                paint_over(pixels, box, followed, MEDIAPIPE33)
            seen = _seen(self._finder.detect(self._image(pixels)), box, None)
            found += [s for s in seen if not cut_off(s.image, box, width, height)]
        return found

    def _welcome_all(self, found: Sequence[SeenPose], stamp: int) -> None:
        for seen in sorted(found, key=lambda s: extent(s.image), reverse=True):
            self._welcome(seen, stamp)

    def _welcome(self, found: SeenPose, stamp: int) -> None:
        """Someone new gets a follower, unless they are followed already, or there are too many who are as large."""
        size = extent(found.image)
        if size < _LEAST_PX or any(same(follower.seen, found) for follower in self._followers):
            return
        if len(self._followers) >= self._most:
            least = min(self._followers, key=lambda f: (f.followed, extent(f.seen.image)))
            if size < extent(least.seen.image) * (_LARGER if least.followed else 1.0):
                return
            self._end(least)
        video = self._spare.pop() if self._spare else _Video(self._make(True))
        self._followers.append(_Follower(next(self._keys), video, found, stamp))

    def _part(self, stamp: int) -> None:
        """Followers who have lost their person, or follow one whom an older one follows, end."""
        kept: list[_Follower] = []
        for follower in list(self._followers):
            doubled = follower.at == stamp and any(o.at == stamp and same(o.seen, follower.seen) for o in kept)
            if doubled or stamp - follower.at > (_LOST_S if follower.followed else _VAIN_S) * NS:
                self._end(follower)
            else:
                kept.append(follower)

    def _end(self, follower: _Follower) -> None:
        follower.video.forget(self._image)
        self._spare.append(follower.video)
        self._followers.remove(follower)


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
    """One person, looked for in a part of the image around where they were.

    `follows` says whether they were seen in the last image, `followed` whether they ever were.
    """

    def __init__(self, key: int, video: _Video, found: SeenPose, stamp: int) -> None:
        self.video = video
        self.seen = found._replace(key=key)
        self.at = self.searched = stamp - 1
        self._key = key
        self._box: Box | None = None
        self.follows = self.followed = False

    def look(self, rgb: Image, stamp: int, wrap: Callable[[Image], Any], others: Sequence[SeenPose]) -> None:
        """Looks into a part with room around the person, but hides the neighbours.

        Hidden is what is farther off, and everybody else who is followed, but for where they and this person overlap.
        """
        height, width = rgb.shape[:2]
        box = self._box = steady(self._box, self.seen, width, height)
        room = _ROOM if self.follows else _FIRST_ROOM
        pixels = hide(cut(rgb, box), box, around(self.seen, width, height, room))
        paint_over(pixels, box, others, MEDIAPIPE33, self.seen)
        self.follows = False
        after_s = (stamp - self.at) / NS if self.followed else _FIRST_S
        for seen in _seen(self.video.look(wrap(pixels), stamp), box, self._key):
            if goes_on(self.seen, seen, after_s):
                self.seen, self.at, self.follows, self.followed = seen, stamp, True, True
            else:  # the neighbour: the landmarker would stay with them
                self.video.forget(wrap)


def _step_back() -> None:
    """Lets other threads go first; elsewhere than on Linux this would hold for the whole program."""
    if sys.platform == "linux":
        os.nice(5)


def _seen(result: Any, box: Box, key: int | None) -> list[SeenPose]:
    """What a landmarker says of a part, in pixels of the whole image."""
    out: list[SeenPose] = []
    for marks, world in zip(result.pose_landmarks, result.pose_world_landmarks, strict=True):
        image = np.array([(m.x, m.y) for m in marks]) * (box.width, box.height) + (box.x, box.y)
        body = np.array([(w.x, w.y, w.z) for w in world])
        out.append(SeenPose(image, body, np.array([m.visibility for m in marks]), key))
    return out
