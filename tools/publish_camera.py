"""`dyadwatch publish camera`: the people before a camera or in a video, in metres, to a running detector."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.camera_file import assumed_camera, read_camera
from dyadwatch.stream.publishers.camera.estimate import Estimator, Renewed
from dyadwatch.stream.publishers.camera.landmark_lines import LandmarkLines
from dyadwatch.stream.publishers.camera.live_camera import LiveCamera
from dyadwatch.stream.publishers.camera.mediapipe_pose import MediaPipeEstimator
from dyadwatch.stream.publishers.camera.pose_model import find_model
from dyadwatch.stream.publishers.camera.preview import Preview, check_preview
from dyadwatch.stream.publishers.camera.quiet import calm_stderr
from dyadwatch.stream.publishers.camera.video import Picture, Video, played_again
from dyadwatch.stream.publishers.camera.watch import Watcher
from dyadwatch.stream.publishers.live import LiveFrame, Refusals
from dyadwatch.stream.publishers.publisher import check_source
from dyadwatch.tools.sending import check_rate, relay, report, send, stoppable
from dyadwatch.tools.sending_flags import AS_USUAL, SendingFlags

_log = logging.getLogger("dyadwatch.publish")
_ANY_SIZE = 640, 480  # pixels, of images that are not there yet


def camera(
    *,
    device: int | None = None,
    video: Path | None = None,
    rtsp: str | None = None,
    camera: Path | None = None,
    fov: float = 70.0,
    pose_model: str = "lite",
    most: int = 8,
    landmarks: Path | None = None,
    layout: str = "mediapipe33",
    preview: str | None = None,
    rate: float = 1.0,
    loop: Annotated[bool, Parameter(negative=())] = False,
    source: str = "camera",
    sending: SendingFlags = AS_USUAL,
) -> None:
    """Publish the people before a camera, in a stream or in a video, in metres.

    No image leaves this program, nor is one stored, but by --preview. Needs the extra camera and a pose model:
    dyadwatch models fetch. See `dyadwatch docs camera`. Press Ctrl-C to stop.

    Parameters
    ----------
    device
        Number of a local camera.
    video
        Video file instead.
    rtsp
        Address of a network stream instead, such as rtsp://host/stream.
    camera
        Camera file that `dyadwatch calibrate-camera` made. Without one the field of view is only assumed.
    fov
        Horizontal field of view to assume then, degrees.
    pose_model
        Pose model: lite, full or heavy.
    most
        People followed at a time, 1 to 32. Each costs time.
    landmarks
        What another estimator saw in the video, as JSON lines, instead of looking for people.
    layout
        Skeleton of those landmarks.
    preview
        window, or a file (.mp4, .avi, .png, .jpg) for annotated pictures, to set a camera up.
    rate
        Times real time at which a video is published; 0: as fast as it goes.
    loop
        Begin again after the end of a video, a second later on its own timeline, with new ids, until stopped.
    source
        Name of the source, 1-64 characters of A-Z a-z 0-9 _ -.
    """
    check_source(source)
    check_rate(rate)
    target = sending.target()
    if preview is not None:
        check_preview(preview)
    if sum(given is not None for given in (device, video, rtsp)) != 1:
        raise ConfigError("expected exactly one of --device, --video and --rtsp")
    if landmarks is not None and video is None:
        raise ConfigError("--landmarks goes with --video: its lines are the images of a file")
    if loop and video is None:
        raise ConfigError("--loop goes with --video: a camera has no end")
    if not 1 <= most <= 32:
        raise ConfigError(f"--most is {most}; expected 1 to 32")
    file = assumed_camera(*_ANY_SIZE, fov) if camera is None else read_camera(camera)
    refusals = Refusals(_log)

    def watcher(estimator: Estimator, clock: str) -> Watcher:
        return Watcher(estimator, source, clock, refusals, file=None if camera is None else file, fov_deg=fov)

    def estimator() -> Estimator:
        if landmarks is not None:
            return LandmarkLines(landmarks, layout)
        return MediaPipeEstimator(find_model(pose_model), most=most, live=video is None)

    extra: dict[str, object] = {}
    if video is not None:
        with (
            Video(video) as film,
            calm_stderr(),
            closing(Renewed(estimator)) as watching,
            _preview(preview, film.fps, watching) as shown,
        ):
            watch = watcher(watching, "media")
            watch.check_size(*film.size)

            def begin_anew() -> None:
                watching.begin_anew()
                watch.begin_anew()

            pictures = played_again(film, begin_anew) if loop else film.pictures()
            frames = (frame for frame, _ in _watched(pictures, watch, shown, film.fps))
            total = None if loop else film.count
            summary = send(frames, total, target, rate)
    else:
        live = LiveCamera(device if device is not None else str(rtsp), source, refusals)
        with calm_stderr():
            live.check()
        with (
            stoppable() as stop,
            calm_stderr(),
            closing(estimator()) as watching,
            _preview(preview, 15.0, watching) as shown,
        ):
            watch = watcher(watching, "unix")
            frames = _watched(live.pictures(stop.is_set), watch, shown, None)
            summary = {**relay(frames, target), "stopped": stop.is_set()}
        extra = {"images_skipped": live.skipped, "reconnected": live.reconnected}
    refusals.flush()
    status = {"assumed_field_of_view": file.intrinsics.assumed, "not_people": watch.counts()}
    report({"source": source, **summary, **extra, **status, "refused": refusals.counts()}, sending.json)


def _watched(
    pictures: Iterator[Picture], watcher: Watcher, preview: Preview | None, fps: float | None
) -> Iterator[LiveFrame]:
    for picture in pictures:
        frame, people = watcher.look(picture)
        if preview is not None:
            preview.show(picture.image, people)
        yield LiveFrame(frame, fps)


def _preview(where: str | None, fps: float, estimator: Estimator) -> AbstractContextManager[Preview | None]:
    return nullcontext() if where is None else Preview(where, fps, estimator.layout)
