"""Where the page finds what is kept, and how it asks for it and answers with it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar

import msgspec
from anyio import to_thread
from msgspec import Struct
from starlette.responses import Response

from dyadwatch.core.errors import MemoryFileError, UnknownIncidentError
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.page.guard import problem

T = TypeVar("T")
# Makes a film: of a recording, of one source in it and of two of its people, into a new file.
Film = Callable[[Path, str, tuple[str, str], Path], None]


class Places(Struct, frozen=True, kw_only=True):
    """Where the page finds what is kept; None for what is not.

    `publish_to` is the address that sources send to; `before_s` and `after_s` are shown of a clip; `film` makes films,
    where that can be done; `push` is whether devices are notified.
    """

    memory: Path | None
    recordings: Path | None
    scenes: bool
    publish_to: str
    before_s: float
    after_s: float
    secure: bool
    film: Film | None = None
    push: bool = False


def answer(value: object, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """A typed object as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


async def ask_store(path: Path | None, ask: Callable[[Store], T]) -> T:
    """What a question to the memory gives, asked on another thread.

    Raises:
        MemoryFileError: there is none, or it cannot be used.
    """
    if path is None:
        raise MemoryFileError("no memory is kept; start the detector with --memory FILE, or with `dyadwatch up`")

    def run() -> T:
        with Store(path) as store:
            return ask(store)

    return await to_thread.run_sync(run)


def memory_problem(error: MemoryFileError) -> Response:
    """What is wrong with the memory, as an answer."""
    unknown = isinstance(error, UnknownIncidentError)
    status = HTTPStatus.NOT_FOUND if unknown else HTTPStatus.SERVICE_UNAVAILABLE
    return problem(status, "unknown" if unknown else "memory", str(error))
