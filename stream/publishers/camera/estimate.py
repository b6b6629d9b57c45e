"""What a pose estimator is to the camera publisher: an image in, people out."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.skeletons.layout import Layout

Image = NDArray[np.uint8]


class SeenPose(NamedTuple):
    """One person as an estimator sees them.

    Arguments:
        image: where the joints are in the image, pixels x y, shape (J, 2).
        world: the body in metres with any origin, x right, y down, z away from the camera, shape (J, 3).
        visibility: how sure the estimator is of each joint, 0..1, shape (J,).
        key: same number, same person, as far as the estimator follows people itself; None where it does not.
    """

    image: NDArray[np.float64]
    world: NDArray[np.float64]
    visibility: NDArray[np.float64]
    key: int | None = None


class Estimator(Protocol):
    """Finds all people of an image; the publisher gives them places, ids and filters.

    Arguments:
        layout: what the J axis of everyone it sees means.
    """

    @property
    def layout(self) -> Layout:
        """Of everyone it sees."""
        ...

    def people(self, image: Image, stamp: int) -> list[SeenPose]:
        """Everyone in the image, of shape (height, width, 3), BGR; stamps are nanoseconds and always grow."""
        ...

    def close(self) -> None:
        """Frees what the estimator holds."""
        ...


class Renewed:
    """An estimator that can begin anew, knowing nothing of what it saw.

    Arguments:
        make: makes one, at once and each time it begins anew.
    """

    def __init__(self, make: Callable[[], Estimator]) -> None:
        self._make = make
        self._now = make()

    @property
    def layout(self) -> Layout:
        """Of the one it is made of, which is always alike."""
        return self._now.layout

    def people(self, image: Image, stamp: int) -> list[SeenPose]:
        """See `Estimator`."""
        return self._now.people(image, stamp)

    def begin_anew(self) -> None:
        """What comes next is another time, or another place."""
        self._now.close()
        self._now = self._make()

    def close(self) -> None:
        """Frees what is held."""
        self._now.close()
