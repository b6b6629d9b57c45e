"""What the page asks about the configuration, and changes of it that an admin makes."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio import to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dyadwatch.core.errors import ConfigError, MemoryFileError
from dyadwatch.stream.config_difference import CONFIDENTIAL
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_edit import is_blank, with_settings, wrong_settings
from dyadwatch.stream.configuration.config_file import parse_config, with_values
from dyadwatch.stream.configuration.delivery_options import CommandOptions
from dyadwatch.stream.memory.kept import ChangedKey
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.page.configuration_now import (
    ConfigurationNow,
    Locked,
    latest_changes,
    read_configuration,
    text_of,
)
from dyadwatch.stream.page.guard import problem, token_of
from dyadwatch.stream.page.hub import Hub
from dyadwatch.stream.page.page_places import answer, memory_problem
from dyadwatch.stream.page.tokens import Role
from dyadwatch.stream.settings.exchange import (
    ConfigurationAccount,
    Exchange,
    SettingsRequest,
    StaleError,
    check_revision,
    write,
)

_ANSWERED_S = 60.0  # a model that is loaded and tried may take half a minute
_KEPT_S = 3.0
_LOOK_S = 0.05
_EXAMPLE = '{"settings": {"alarm.hold_s": 3}, "revision": "..."}'


class ChangeSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a change: all of it or nothing.

    `revision` is that of the file that was looked at; left out, nobody asks whether it is another by now.
    """

    settings: dict[str, Any]
    revision: str = ""


class SettingsChanged(Struct, frozen=True, kw_only=True):
    """What became of a change.

    Arguments:
        changes: what differs from before, those first that take effect at once; `waits` marks what waits for a restart.
        who: changed it.
        at: unix ns; 0 where nothing differs.
        kept: whether the memory has it.
        now: how it stands.
    """

    changes: tuple[ChangedKey, ...]
    who: str
    at: int
    kept: bool
    now: ConfigurationNow


class ConfigurationApi:
    """The routes. One change at a time.

    Arguments:
        config: that the page was started with.
        hub: knows whether the detector is there, and tells every page that something changed.
        check: raises a ConfigError where a page could not be started with a configuration.
        answered_s: seconds that the detector may take.
    """

    def __init__(
        self, config: Config, hub: Hub, check: Callable[[Config], None], answered_s: float = _ANSWERED_S
    ) -> None:
        self._config = config
        self._hub = hub
        self._check = check
        self._answered_s = answered_s
        self._memory = memory_file(config)
        self._exchange = Exchange.of(config)
        self._turn = anyio.Lock()

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        at = "/api/v1/configuration"
        return [Route(at, self._now, methods=["GET"]), Route(at, self._change, methods=["POST"])]

    async def _now(self, request: Request) -> Response:
        token = token_of(request)
        try:
            return answer(await to_thread.run_sync(self._read, token is not None and token.role is Role.ADMIN))
        except MemoryFileError as e:
            return memory_problem(e)

    async def _change(self, request: Request) -> Response:
        try:
            wanted = msgspec.json.decode(await request.body(), type=ChangeSettings)
        except msgspec.MsgspecError as e:
            return problem(HTTPStatus.BAD_REQUEST, "body", f"{e!s:.200}; expected {_EXAMPLE}")
        if not wanted.settings:
            return problem(HTTPStatus.BAD_REQUEST, "body", f"settings is empty; expected {_EXAMPLE}")
        token = token_of(request)
        who = "" if token is None else token.name
        async with self._turn:
            try:
                return await self._changed(wanted, who)
            except MemoryFileError as e:
                return memory_problem(e)
            except OSError as e:
                text = f"the detector cannot be asked ({e.strerror}); nothing was changed"
                return problem(HTTPStatus.SERVICE_UNAVAILABLE, "settings", text)

    async def _changed(self, wanted: ChangeSettings, who: str) -> Response:
        now = await to_thread.run_sync(self._read, True)
        if now.locked is not None or self._exchange is None:
            return problem(HTTPStatus.CONFLICT, "locked", f"{now.why}; nothing was changed")
        file = Path(now.file)
        text = await to_thread.run_sync(text_of, file)
        wrong = await to_thread.run_sync(self._wrong, text, file.name, wanted, now)
        if wrong:
            return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "settings", next(iter(wrong.values())), errors=wrong)
        try:
            check_revision(file, wanted.revision or now.revision)
        except StaleError as e:
            return problem(HTTPStatus.CONFLICT, "revision", str(e))
        made = with_settings(text, file.name, wanted.settings)
        asked = SettingsRequest(id=secrets.token_hex(8), who=who, file=now.file, revision=now.revision, text=made)
        account = await self._asked(self._exchange, asked)
        if account is None:
            said = f"the detector has not answered for {self._answered_s:g} s; what is wanted was withdrawn"
            return problem(HTTPStatus.GATEWAY_TIMEOUT, "detector", f"{said}; its log may say more")
        if account.refused:
            return problem(HTTPStatus.CONFLICT, "revision" if account.stale else "refused", account.refused)
        kept = await self._is_kept(account.at)
        done = SettingsChanged(
            changes=account.changes,
            who=who,
            at=account.at,
            kept=kept,
            now=await to_thread.run_sync(self._read, True),
        )
        self._hub.tell("acted", b"{}")
        return answer(done)

    def _read(self, all_of_it: bool) -> ConfigurationNow:
        account, locked = None, None
        if self._exchange is None:
            locked = Locked.NOT_KEPT
        else:
            account = self._exchange.read_account()
            if not self._hub.connected:
                locked = Locked.NOT_HEARD
            elif account is None:
                locked = Locked.NOT_KEPT
        return read_configuration(account, self._config, locked, self._memory, all_of_it)

    def _wrong(self, text: str, name: str, wanted: ChangeSettings, now: ConfigurationNow) -> dict[str, str]:
        """What is wrong, by key; the detector sees the rest."""
        fixed = {s.key: s.value for section in now.sections for s in section.settings if s.fixed}
        wrong = {
            key: f"{key} is set by the command line of the detector; expected a change there, with --set or its flag"
            for key in wanted.settings
            if key in fixed
        } or wrong_settings(text, name, wanted.settings)
        if wrong:
            return wrong
        config = parse_config(with_settings(text, name, wanted.settings), name)
        present = Config() if is_blank(text) else parse_config(text, name)
        for target, command in _programs(config).items():
            if _programs(present).get(target) != command:
                said = f"{CONFIDENTIAL}.{target} runs a program, {command[0]}; expected a change of that by hand"
                return {CONFIDENTIAL: f"{said}, in {name}: whoever steals a token must not run programs"}
        try:
            self._check(with_values(config, fixed))
        except ConfigError as e:
            return {e.key: str(e)}
        return {}

    async def _asked(self, exchange: Exchange, asked: SettingsRequest) -> ConfigurationAccount | None:
        """What the detector says of a request; None where it does not, and then it is withdrawn."""
        await to_thread.run_sync(write, exchange.request, asked)
        until = time.monotonic() + self._answered_s
        try:
            while time.monotonic() < until:
                account = await to_thread.run_sync(exchange.read_account)
                if account is not None and account.answers == asked.id:
                    return account
                await anyio.sleep(_LOOK_S)
            return None
        finally:
            exchange.request.unlink(missing_ok=True)

    async def _is_kept(self, at: int) -> bool:
        """Whether the memory has a change; the detector keeps it within a second."""
        until = time.monotonic() + _KEPT_S
        while at and time.monotonic() < until:
            found = await to_thread.run_sync(latest_changes, self._memory)
            if any(change.at == at for change in found):
                return True
            await anyio.sleep(_LOOK_S)
        return False


def _programs(config: Config) -> dict[str, Sequence[str]]:
    """The commands that a configuration has run, by target."""
    return {name: target.command for name, target in config.delivery.to.items() if isinstance(target, CommandOptions)}
