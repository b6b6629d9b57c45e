"""The browser that benchmarks of the page drive, where there is one."""

from __future__ import annotations

import shutil

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Where it is; None for nowhere."""
    return next(filter(None, map(shutil.which, _NAMES)), None)
