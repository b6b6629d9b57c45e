"""`dyadwatch view`: people in 3D with the score of their pair, from a recording or a pose file."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from dyadwatch.core.data.clip_files import Clip
from dyadwatch.core.errors import ConfigError, MissingExtraError
from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.loading import configure, load_scorer, model_path
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.recordings.playback import is_recording
from dyadwatch.tools.files import NO_FLAGS, FileFlags, select_clips
from dyadwatch.tools.outputs import check_output
from dyadwatch.tools.viewing.page import page, serve
from dyadwatch.tools.viewing.recorded import clip_scene, part, recorded_scene
from dyadwatch.tools.viewing.scene import Scene

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from dyadwatch.tools.viewing.drawing import Drawing

_SIZE = (1280, 720)


def view(
    paths: list[Path],
    /,
    *,
    png: Path | None = None,
    mp4: Path | None = None,
    html: Path | None = None,
    at: float | None = None,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    until: str | None = None,
    source: str | None = None,
    pair: Annotated[tuple[str, str] | None, Parameter(negative=())] = None,
    clip: str = "0",
    model: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    fps: float = 25.0,
    port: int = 0,
    flags: FileFlags = NO_FLAGS,
) -> None:
    """Look at a recording (.mcap) or a pose file: two people in 3D and the score of their pair.

    Without --png, --mp4 or --html a page is served on this machine and opened in the browser: to turn, to
    play, to step. It loads nothing from anywhere.

    Parameters
    ----------
    paths
        Recordings, or folders that hold some; or pose files. Of a long recording the part around its peak is shown.
    png
        Write a picture of one moment.
    mp4
        Write a film.
    html
        Write the page into a file instead of serving it.
    at
        Seconds to the moment of the picture; by default the highest score.
    from_
        Where to begin: seconds from the beginning, or of recordings a time as info prints it,
        such as 2026-11-21T14:30:00+01:00 (Z for UTC).
    until
        Where to end, likewise.
    source
        Source or group of a recording to look at; by default the one with the highest score.
    pair
        Ids of the two to look at, A and B in pose files; by default those with the highest score.
    clip
        Which clip of pose files that hold several: its id, or its number from 0.
    model
        Model file to score with; shipped: the one that comes with dyadwatch. By default the scores that were
        recorded are shown.
    set_
        One configuration key for scoring, such as --set alarm.raise_at=2; may be repeated.
    fps
        Pictures a second.
    port
        Port of the page; 0 takes a free one.
    """
    if not 1 <= fps <= 120:
        raise ConfigError(f"--fps is {fps:g}; expected 1 to 120 pictures a second")
    _check_outputs(png, mp4, html, port)
    config = configure(None, (), model)
    if model is not None:
        model_path(config)
    console = Console(stderr=True)
    if any(is_recording(path) for path in paths):
        scene, notes = recorded_scene(
            paths, fps, config, set_, scored=model is not None, start=from_, end=until, source=source, pair=pair or ()
        )  # fmt: skip
    else:
        if source is not None:
            raise ConfigError(f"--source is {source!r}; expected it with recordings alone, pose files have no sources")
        config = set_option(config, *set_)
        detector = None if model is None else load_scorer(config)
        clips = select_clips(paths, flags=flags)
        k = _chosen(clips, clip)
        scene = clip_scene(part(clips[k], from_, until), fps, config, detector, pair or ())
        notes = [f"clip {k} of {len(clips)}; --clip shows another"] if len(clips) > 1 else []
    if scene.missing is not None:
        notes.append(scene.missing)
    for note in notes:
        console.print(escape(note), soft_wrap=True)
    if at is not None and not 0 <= at <= scene.seconds:
        raise ConfigError(f"--at is {at:g}; expected 0 to {scene.seconds:.1f} seconds")
    if png is not None:
        moment = scene.peak if at is None else at
        picture = _drawing(scene, moment).picture(moment)
        with _writing(png), written_atomically(png) as partial:
            picture.save(partial, "PNG")
        console.print(f"{escape(str(png))}: {moment:.1f} s of {scene.seconds:.1f} s", soft_wrap=True)
    if mp4 is not None:
        _film(scene, mp4, console)
    if html is not None:
        with _writing(html), written_atomically(html) as partial:
            partial.write_text(page(scene, at), "utf8")
        console.print(f"{escape(str(html))}: {scene.seconds:.1f} s", soft_wrap=True)
    if png is None and mp4 is None and html is None:
        _show(page(scene, at), port, console)


def _check_outputs(png: Path | None, mp4: Path | None, html: Path | None, port: int) -> None:
    """What is missing to write or to serve, told before a recording is read.

    Raises:
        ConfigError: naming the option and what is missing.
        MissingExtraError: Pillow is not installed.
    """
    for option, path in (("--png", png), ("--mp4", mp4), ("--html", html)):
        if path is not None:
            check_output(option, path)
    if png is not None or mp4 is not None:
        _drawing_module()
    if mp4 is not None:
        from dyadwatch.tools.viewing.film import choose_codec, find_ffmpeg

        choose_codec(find_ffmpeg())
    if png is None and mp4 is None and html is None and port:
        try:
            serve("", port, lambda server: None, forever=False)
        except OSError as e:
            raise _no_port(port, e) from None


def _chosen(clips: Sequence[Clip], name: str) -> int:
    """The number of the clip of an id, or of a number.

    Raises:
        ConfigError: there is none.
    """
    for k, clip in enumerate(clips):
        if clip.clip_id and clip.clip_id == name:
            return k
    if name.isdecimal() and int(name) < len(clips):
        return int(name)
    raise ConfigError(
        f"--clip is {name!r:.80}; expected the id of a clip, or 0 to {len(clips) - 1}, there are {len(clips)} clips"
    )


def _no_port(port: int, error: OSError) -> ConfigError:
    return ConfigError(f"--port is {port}; expected a free port ({error.strerror})")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Tells of a file that cannot be written as `write_film` does.

    Raises:
        ConfigError: naming the file and what the system says.
    """
    try:
        yield
    except OSError as e:
        raise ConfigError(f"{path} cannot be written; the system reports: {e.strerror or e}") from None


def _drawing_module() -> ModuleType:
    try:
        from dyadwatch.tools.viewing import drawing
    except ImportError:
        raise MissingExtraError("Pillow, which --png and --mp4 need,", "view") from None
    return drawing


def _drawing(scene: Scene, at: float | None = None) -> Drawing:
    return _drawing_module().Drawing(scene, _SIZE, at)


def _film(scene: Scene, path: Path, console: Console) -> None:
    drawing = _drawing(scene)
    from dyadwatch.tools.viewing.film import write_film

    moments = track(range(len(scene.joints)), "drawing", console=console, transient=True)
    count = write_film(path, (drawing.picture(k / scene.fps) for k in moments), scene.fps, _SIZE)
    console.print(f"{escape(str(path))}: {count} pictures, {scene.seconds:.1f} s", soft_wrap=True)


def _show(text: str, port: int, console: Console) -> None:
    def ready(server: ThreadingHTTPServer) -> None:
        url = f"http://127.0.0.1:{server.server_address[1]}/"
        display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if display and webbrowser.open(url):
            console.print(f"showing {url}; stop with Ctrl-C")
        else:
            console.print(
                f"there is no display; open {url} in a browser on this machine and stop with Ctrl-C, or give --png, "
                "--mp4 or --html", soft_wrap=True
            )  # fmt: skip

    try:
        serve(text, port, ready)
    except OSError as e:
        raise _no_port(port, e) from None
    except KeyboardInterrupt:
        pass
