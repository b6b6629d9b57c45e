"""OpenCV, imported only where a camera is used."""

from __future__ import annotations

from typing import Any

from dyadwatch.core.errors import MissingExtraError


def opencv() -> Any:
    """The module cv2.

    Raises:
        MissingExtraError: when OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise MissingExtraError("opencv-python", "camera") from None
    return cv2
