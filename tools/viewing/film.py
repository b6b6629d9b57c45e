"""Pictures into an .mp4 file, by the ffmpeg that comes with the extra `view`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.extras import install_command
from dyadwatch.core.files.atomic import written_atomically

_CODECS = ("libx264", "libopenh264", "mpeg4")  # the first that is there
_PRESETS = {"libx264": ("-preset", "veryfast")}  # a film as large as by default, for a third of the processor time


def find_ffmpeg() -> str:
    """Path of the program.

    Raises:
        ConfigError: there is none.
    """
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError):
        raise ConfigError(
            f"--mp4 needs ffmpeg, which was not found; install it with: {install_command('view')}; or set "
            "IMAGEIO_FFMPEG_EXE to name one"
        ) from None


def choose_codec(ffmpeg: str) -> str:
    """The best encoder that this ffmpeg has.

    Raises:
        ConfigError: it does not run, or has none that makes .mp4.
    """
    try:
        done = subprocess.run([ffmpeg, "-hide_banner", "-encoders"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as e:
        raise ConfigError(f"{ffmpeg} does not run ({e}); expected an ffmpeg, see IMAGEIO_FFMPEG_EXE") from None
    known = {line.split()[1] for line in done.stdout.splitlines() if len(line.split()) > 1}
    for codec in _CODECS:
        if codec in known:
            return codec
    raise ConfigError(f"{ffmpeg} has no encoder for .mp4; expected one of {', '.join(_CODECS)}")


def write_film(path: Path, pictures: Iterable[Image.Image], fps: float, size: tuple[int, int]) -> int:
    """Writes a film; returns the number of its pictures.

    Arguments:
        path: of the file, which is replaced once the film is whole.
        pictures: RGB, all of one size.
        fps: pictures a second.
        size: width and height, both even.

    Raises:
        ConfigError: there is no ffmpeg that can, or it fails; the message holds what it said.
    """
    ffmpeg = find_ffmpeg()
    codec = choose_codec(ffmpeg)
    try:
        with written_atomically(path) as partial:
            return _write(partial, pictures, fps, size, ffmpeg, codec)
    except _FilmError as e:
        raise ConfigError(f"{path} cannot be written; ffmpeg says: {e}") from None
    except OSError as e:
        raise ConfigError(f"{path} cannot be written; the system reports: {e.strerror or e}") from None


class _FilmError(Exception):
    """What ffmpeg says of a film that it cannot write."""


def _write(
    path: Path, pictures: Iterable[Image.Image], fps: float, size: tuple[int, int], ffmpeg: str, codec: str
) -> int:
    command = [
        ffmpeg, "-y", "-hide_banner", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24",
        "-s", f"{size[0]}x{size[1]}", "-r", f"{fps:g}", "-i", "-", "-an", "-c:v", codec, *_PRESETS.get(codec, ()),
        "-pix_fmt", "yuv420p", "-movflags", "+faststart", "-threads", "2", "-f", "mp4", str(path.absolute()),
    ]  # fmt: skip
    count = 0
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log) as process:
            assert process.stdin is not None, "a pipe was asked for"
            try:
                for picture in pictures:
                    process.stdin.write(picture.tobytes())
                    count += 1
                process.stdin.close()
            except BrokenPipeError:
                pass  # ffmpeg has ended; its own words say why
        if process.returncode != 0:
            log.seek(0)
            said = log.read().decode("utf8", "replace").strip().splitlines() or ["nothing"]
            raise _FilmError(f"{said[-1]:.300}")
    return count
