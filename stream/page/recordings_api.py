"""What the page asks of the recordings about an incident: its clip, a normal moment to compare, files to take along."""

# What reads recordings takes a while to load, which a page that is to be there again at once has no use for: it is
# imported when it is first asked for.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dyadwatch.core.errors import MemoryFileError
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.page.guard import problem
from dyadwatch.stream.page.page_places import Places, T, ask_store, memory_problem
from dyadwatch.stream.page.queries import incident_details, with_spans

_MOST_MOMENTS = 30  # normal ones that are kept: to find one takes seconds
_MOST_READERS = 2  # at once; who wants a clip has one for himself
_MOST_DEAR = 1  # at once, of what takes seconds: a search, a file


class RecordingsApi:
    """The routes.

    Arguments:
        places: where memory and recordings are.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._readers = CapacityLimiter(_MOST_READERS)
        self._dear = asyncio.Semaphore(_MOST_DEAR)
        self._moments: dict[tuple[str, int], object] = {}

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        at = "/api/v1/incidents/{id}"
        return [
            Route(f"{at}/clip", self._clip),
            Route(f"{at}/normal", self._normal),
            Route(f"{at}/export", self._export),
        ]

    async def _found(self, request: Request, ask: Callable[[Store, str], T]) -> T | Response:
        """What the memory knows of the incident; or what is wrong."""
        try:
            return await ask_store(self._places.memory, lambda store: ask(store, request.path_params["id"]))
        except MemoryFileError as e:
            return memory_problem(e)

    async def _read(self, read: Callable[[Path], T]) -> T | Response:
        """What is read of the recordings, given their folder; or what is wrong."""
        from dyadwatch.stream.page.incident_clip import ClipUnavailableError

        folder = self._places.recordings
        if folder is None:
            return problem(HTTPStatus.NOT_FOUND, "no_recording", "nothing is recorded; set record.folder")
        try:
            return await to_thread.run_sync(read, folder, limiter=self._readers)
        except ClipUnavailableError as e:
            return problem(HTTPStatus.NOT_FOUND, e.code, str(e))

    async def _clip(self, request: Request) -> Response:
        from dyadwatch.stream.page.incident_clip import read_clip, span_of

        found = await self._found(request, incident_details)
        if isinstance(found, Response):
            return found
        first, last = span_of(found.incident.message, self._places.before_s, self._places.after_s)
        return _answer(
            await self._read(lambda folder: read_clip(folder, found.incident, found.clock_ahead, first, last))
        )

    async def _normal(self, request: Request) -> Response:
        from dyadwatch.stream.page.normal_moment import normal_moment

        asked = await self._found(request, with_spans)
        if isinstance(asked, Response):
            return asked
        found, spans = asked
        key = found.incident.message.id, found.incident.message.peak_stamp
        if key not in self._moments:
            async with self._dear:
                if key not in self._moments:  # nobody has found it meanwhile
                    made = await self._read(
                        lambda folder: normal_moment(folder, found.incident, found.clock_ahead, spans)
                    )
                    if isinstance(made, Response):
                        return made
                    self._moments[key] = made
                    if len(self._moments) > _MOST_MOMENTS:
                        self._moments.pop(next(iter(self._moments)))
        return _answer(self._moments[key])

    async def _export(self, request: Request) -> Response:
        from dyadwatch.stream.page.incident_clip import span_of
        from dyadwatch.stream.page.incident_export import ExportFormat, export, file_name

        try:
            wanted = ExportFormat(request.query_params.get("format", ""))
        except ValueError:
            given = request.query_params.get("format", "")
            text = f"format is {given!r:.40}; expected one of {', '.join(ExportFormat)}"
            return problem(HTTPStatus.BAD_REQUEST, "query", text)
        p = self._places
        found = await self._found(request, incident_details)
        if isinstance(found, Response):
            return found
        first, last = span_of(found.incident.message, p.before_s, p.after_s)
        async with self._dear:
            data = await self._read(lambda folder: export(folder, found, first, last, wanted, p.film))
        if isinstance(data, Response):
            return data
        told = {"Content-Disposition": f'attachment; filename="{file_name(found, wanted)}"'}
        return Response(data, media_type=wanted.media_type, headers=told)


def _answer(read: object) -> Response:
    """As JSON, unless it is what was wrong."""
    from dyadwatch.stream.page.incident_clip import encode_clip

    return read if isinstance(read, Response) else Response(encode_clip(read), media_type="application/json")
