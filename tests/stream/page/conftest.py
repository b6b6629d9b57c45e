"""A page that is served for real, beside a memory with two incidents."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from testing_page import serving

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.stream.codes import IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.config import Config, MemoryOptions
from dyadwatch.stream.configuration.config_file import set_option
from dyadwatch.stream.memory.writer import MemoryWriter
from dyadwatch.stream.messages import EventRule, IncidentMessage, IncidentPair
from dyadwatch.stream.page.server import make_server, tokens_of
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.run import Run
from dyadwatch.stream.sockets.free_port import free_port

S = 1_000_000_000


def incident(id_: str = "a1b2c3", began: int = 0, **changes: Any) -> IncidentMessage:
    """An incident between 1 and 2 that began at `began`, unix ns, and closed three seconds later."""
    began = began or time.time_ns() - 60 * S
    pair = IncidentPair(
        pair=(1, 2),
        events=("e1",),
        open=False,
        start=began,
        end=began + 3 * S,
        peak_score=4.0,
        peak_stamp=began + S,
        relation=0.1,
        unusual=4.0,
        rule=EventRule(part=ScorePart.UNUSUAL, over_s=0.4, mean=3.0),
        evidence=0.5,
        apart_m=1.2,
        joints=(),
        limb=None,
        explanation="1's left wrist is 0.40 m closer to 2's head",
    )
    message = IncidentMessage(
        type="close",
        id=id_,
        about=IncidentKind.INTERACTION,
        source="hall",
        clock="unix",
        severity=Severity.ALARM,
        start=began,
        end=began + 3 * S,
        stamp=began + 3 * S,
        peak_score=4.0,
        peak_stamp=began + S,
        people=(1, 2),
        pairs=(pair,),
        events=1,
        explanation=pair.explanation,
        reason=IncidentReason.CALM_AGAIN,
        text="nothing more happened",
        model="m 1",
    )
    return msgspec.structs.replace(message, **changes)


@contextmanager
def served(config: Config) -> Iterator[uvicorn.Server]:
    """The page, on a thread, until the block ends."""
    server = make_server(config)
    with serving(server):
        yield server


class Page:
    """The address of a page, and ways in."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.url = f"http://{config.page.bind}"
        self.tokens = tokens_of(config)

    def client(self, role: Role | None = None, **more: Any) -> httpx.Client:
        """Somebody with a token of a role, or a stranger."""
        # to read all certificates of the world takes longer than most requests, of which none is encrypted
        client = httpx.Client(base_url=self.url, trust_env=False, verify=False, **more)
        if role is not None:
            client.headers["Authorization"] = f"Bearer {self.tokens.add(f'{role} {time.time_ns()}', role)}"
        return client


@pytest.fixture(name="incident", scope="session")
def incident_fixture() -> Callable[..., IncidentMessage]:
    return incident


@pytest.fixture
def page_config(tmp_path: Path) -> Config:
    options = (
        f"memory.file={tmp_path / 'incidents.db'}",
        f"page.bind=127.0.0.1:{free_port()}",
        f"sinks.bind=tcp://127.0.0.1:{free_port()}",
    )
    return set_option(Config(), *options)


@pytest.fixture
def kept(page_config: Config) -> Iterator[MemoryWriter]:
    """The memory as a detector writes it, with two incidents of today."""
    writer = MemoryWriter(Path(page_config.memory.file), MemoryOptions(), Run("r1", 1), "dyadwatch", "m 1")
    writer.keep([incident(), incident("d4e5f6", severity=Severity.NOTICE, source="yard")], time.time_ns())
    yield writer
    writer.close()


@pytest.fixture
def serve(kept: MemoryWriter) -> Callable[[Config], AbstractContextManager[Page]]:
    """Serves a page by a configuration."""

    @contextmanager
    def serving(config: Config) -> Iterator[Page]:
        with served(config):
            yield Page(config)

    return serving


@pytest.fixture
def page(page_config: Config, kept: MemoryWriter) -> Iterator[Page]:
    with served(page_config):
        yield Page(page_config)


@pytest.fixture
def pushing(page_config: Config, serve: Callable[[Config], AbstractContextManager[Page]]) -> Iterator[Page]:
    """A page on which devices can be added that are notified by push."""
    with serve(set_option(page_config, "delivery.to={phones: {kind: push, contact: 'mailto:me@example.org'}}")) as page:
        yield page
