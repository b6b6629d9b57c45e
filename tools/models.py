"""`dyadwatch models`: the pose model that cameras need."""

from __future__ import annotations

from cyclopts import App
from rich.console import Console
from rich.markup import escape

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.publishers.camera.pose_model import MODELS, fetch_model, find_model

app = App(name="models", help="Fetch the pose model that cameras need.")


@app.command
def fetch(name: str = "lite", /, *, bundle: str | None = None) -> None:
    """Get a pose model, verify it, and keep it in the user's data folder (or in DYADWATCH_MODELS).

    Parameters
    ----------
    name
        lite, full or heavy: slower and more exact in this order.
    bundle
        A file or URL of the .task bundle, a file of the npm package @mediapipe/pose, or npm, which has npm get that
        package; by default Google's address.
    """
    path = fetch_model(name, bundle)
    Console(stderr=True).print(f"{escape(str(path))}: {path.stat().st_size / 1e6:.1f} MB, verified")


@app.command(name="list")
def list_() -> None:
    """Say which pose models are there and whether they are what they should be."""
    for name in MODELS:
        try:
            text = str(find_model(name))
        except ConfigError as e:
            text = str(e)
        Console().print(f"{name}: {escape(text)}", soft_wrap=True)
