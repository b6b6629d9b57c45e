"""What the page asks of the recordings about an incident: its clip, a normal moment to compare, files to take along."""

# What reads recordings takes a while to load, which a page that is to be there again at once has no use for: it is
# imported when it is first asked for.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from http import HTTPStatus
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dyadwatch.core.errors import MemoryFileError
from dyadwatch.stream.page.guard import problem
from dyadwatch.stream.page.page_places import Places, T, ask_store, memory_problem
from dyadwatch.stream.page.queries import IncidentRecord, Spans, with_spans

_MOST_MOMENTS = 30  # normal ones that are kept: to find one takes seconds
_Reads = Callable[[Path, IncidentRecord, Spans], T]


class RecordingsApi:
    """The routes.

    Arguments:
        places: where memory and recordings are.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._filming = asyncio.Lock()
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

    async def _from_recordings(self, request: Request, read: _Reads[object]) -> Response:
        """What is read of the recordings about an incident, given their folder, the incident and its neighbours."""
        from dyadwatch.stream.page.incident_clip import encode_clip

        asked = await self._read(request, read)
        return asked if isinstance(asked, Response) else Response(encode_clip(asked), media_type="application/json")

    async def _read(self, request: Request, read: _Reads[T]) -> T | Response:
        """Likewise, as it is; or what is wrong."""
        from dyadwatch.stream.page.incident_clip import ClipUnavailableError

        folder = self._places.recordings
        try:
            found, spans = await ask_store(
                self._places.memory, lambda store: with_spans(store, request.path_params["id"])
            )
        except MemoryFileError as e:
            return memory_problem(e)
        if folder is None:
            return problem(HTTPStatus.NOT_FOUND, "no_recording", "nothing is recorded; set record.folder")
        try:
            return await to_thread.run_sync(read, folder, found, spans)
        except ClipUnavailableError as e:
            return problem(HTTPStatus.NOT_FOUND, e.code, str(e))

    async def _clip(self, request: Request) -> Response:
        def read(folder: Path, found: IncidentRecord, spans: Spans) -> object:
            from dyadwatch.stream.page.incident_clip import read_clip, span_of

            first, last = span_of(found.incident.message, self._places.before_s, self._places.after_s)
            return read_clip(folder, found.incident, found.clock_ahead, first, last)

        return await self._from_recordings(request, read)

    async def _normal(self, request: Request) -> Response:
        def read(folder: Path, found: IncidentRecord, spans: Spans) -> object:
            from dyadwatch.stream.page.normal_moment import normal_moment

            key = found.incident.message.id, found.incident.message.peak_stamp
            moment = self._moments.get(key)
            if moment is None:
                moment = self._moments[key] = normal_moment(folder, found.incident, found.clock_ahead, spans)
                if len(self._moments) > _MOST_MOMENTS:
                    self._moments.pop(next(iter(self._moments)), None)
            return moment

        return await self._from_recordings(request, read)

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

        def read(folder: Path, found: IncidentRecord, spans: Spans) -> tuple[str, bytes]:
            first, last = span_of(found.incident.message, p.before_s, p.after_s)
            return file_name(found, wanted), export(folder, found, first, last, wanted, p.film)

        async with self._filming if wanted is ExportFormat.MP4 else nullcontext():  # one film at a time: it is dear
            made = await self._read(request, read)
        if isinstance(made, Response):
            return made
        name, data = made
        return Response(
            data, media_type=wanted.media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'}
        )
