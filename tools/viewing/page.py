"""A scene as one HTML page that needs nothing else, and a server for it on this machine alone."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files

import msgspec

from dyadwatch.core.skeletons.landmarks import has_soles, head_of
from dyadwatch.tools.viewing.camera import look_at, reach
from dyadwatch.tools.viewing.scene import Scene

_BOX = (0, 0, 1280, 500)  # how far away the camera stands; the page fits what it sees into its window
# Of the detector's page, in this order: its 3D scene, and what that is made of.
_MODULES = ("dom.js", "view3d.js")
_IMPORT = re.compile(r"^import .*$|^export ", re.MULTILINE)


def page(scene: Scene, at: float | None = None) -> str:
    """The page; it loads nothing from anywhere.

    Arguments:
        scene: what it shows.
        at: seconds at which it stands still; None begins to play.
    """
    camera = look_at(scene, _BOX)
    joints = scene.layout.joints
    curves = sorted(scene.curves, key=lambda c: c is not scene.curve)
    data = {
        "title": scene.title,
        "fps": scene.fps,
        "shape": scene.joints.shape[:3],
        "names": scene.names,
        "joints": base64.b64encode(scene.joints.astype("<f4").tobytes()).decode(),
        "bones": scene.layout.bone_indices,
        "head": head_of(joints),
        "curves": [{"times": c.times.tolist(), "values": c.values.tolist()} for c in curves],
        "spans": [
            {
                "pair": s.pair,
                "start": s.start,
                "end": s.end,
                "joints": [joints.index(j) if j in joints else -1 for j in s.joints] if s.joints else None,
            }
            for s in scene.spans
        ],
        "levels": scene.levels,
        "missing": scene.missing,
        "began": None if scene.began is None else scene.began // 1_000_000,
        "top": scene.top,
        "floor": scene.floor,
        "soles": has_soles(joints),
        "target": camera.target.tolist(),
        "azimuth": float(camera.azimuth),
        "distance": float(camera.distance),
        "reach": reach(scene, camera),
        "at": at or 0.0,
    }
    # A name from the wire must not end the script.
    text = msgspec.json.encode(data).decode().replace("<", "\\u003c")
    template = files("dyadwatch.tools.viewing").joinpath("page.html").read_text("utf8")
    return template.replace("/*MODULES*/", _modules()).replace("/*SCENE*/null", text)


def _modules() -> str:
    """The modules as one script, for a page that is one file."""
    static = files("dyadwatch.stream.page").joinpath("static")
    return "".join(_IMPORT.sub("", static.joinpath(name).read_text("utf8")) for name in _MODULES)


def serve(text: str, port: int, ready: Callable[[ThreadingHTTPServer], None], *, forever: bool = True) -> None:
    """Serves the page on 127.0.0.1 until the server is shut down.

    Arguments:
        text: the page.
        port: 0 takes a free one.
        ready: called with the server once it listens.
        forever: False only finds out whether the port can be had.

    Raises:
        OSError: the port is taken.
    """
    body = text.encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            # Names other than ours come from pages elsewhere that had a name resolved to this machine.
            host = self.headers.get("Host", "").partition(":")[0]
            if self.path != "/" or host not in ("127.0.0.1", "localhost"):
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        ready(server)
        if forever:
            server.serve_forever(poll_interval=0.1)
