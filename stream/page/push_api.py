"""What the page asks about the devices that are notified by push, and how browsers add and remove themselves."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import msgspec
from anyio import to_thread
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dyadwatch.core.errors import ConfigError, DeliveryError, MissingExtraError
from dyadwatch.stream.codes import Severity
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.page.guard import problem, token_of
from dyadwatch.stream.page.page_places import answer
from dyadwatch.stream.page.tokens import Role, Token, Tokens
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.push.push_device import PushDevice, check_keys, device_id
from dyadwatch.stream.push.push_place import device_file_path, push_target
from dyadwatch.stream.push.push_services import service_of

_log = logging.getLogger(__name__)
_MOST_NAME = 64  # characters
_LOOK_S = 5.0  # between two looks for devices whose token was removed


class SubscriptionKeys(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What messages to a device are encrypted with, as its browser gives it."""

    p256dh: str
    auth: str


class AddDevice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of adding a device, or of changing what it is notified of: what its browser subscribed with, and a name."""

    endpoint: str
    keys: SubscriptionKeys
    name: str
    least: Severity = Severity.NOTICE


class NotifiedDevice(Struct, frozen=True, kw_only=True):
    """A device as the page lists it: nothing by which anybody could send to it. `own`: of the token that asks."""

    id: str
    name: str
    who: str
    own: bool
    least: Severity
    since: int
    succeeded: int
    failed: int
    error: str


class PushNow(Struct, frozen=True, kw_only=True):
    """The key that browsers subscribe with, the target's name and `least`, and devices: own ones, for an admin all."""

    key: str
    target: str
    least: Severity
    devices: list[NotifiedDevice]


class PushApi:
    """The routes.

    Arguments:
        config: of the detector.
        tokens: whose devices are notified.

    Raises:
        ConfigError: there is no place for the file of devices.
    """

    def __init__(self, config: Config, tokens: Tokens) -> None:
        self._target = push_target(config)
        self._path = device_file_path(config)
        self._tokens = tokens.path

    @property
    def routes(self) -> list[Route]:
        """All of them."""
        at = "/api/v1/push"
        return [
            Route(at, self._now),
            Route(f"{at}/devices", self._add, methods=["POST"]),
            Route(f"{at}/devices/{{id}}/remove", self._remove, methods=["POST"]),
        ]

    async def run(self) -> None:
        """Removes devices whose token was removed, until cancelled."""
        while self._path is not None:
            try:
                await to_thread.run_sync(forget_devices, self._path, self._tokens)
            except (DeliveryError, ConfigError, OSError) as e:
                _log.warning("%s", e)
            await asyncio.sleep(_LOOK_S)

    async def _now(self, request: Request) -> Response:
        return await self._answered(request, lambda file, token: None)

    async def _add(self, request: Request) -> Response:
        try:
            given = msgspec.json.decode(await request.body(), type=AddDevice)
        except msgspec.MsgspecError as e:
            return problem(HTTPStatus.BAD_REQUEST, "body", f"{e!s:.200}")
        return await self._answered(request, lambda file, token: file.add(self._device(given, token)))

    async def _remove(self, request: Request) -> Response:
        id_ = request.path_params["id"]

        def remove(file: DeviceFile, token: Token) -> None:
            device = file.get(id_)
            if device is not None and not _is_own(device, token) and token.role is not Role.ADMIN:
                device = None  # who may not see it does not learn that it is there
            if device is not None:
                file.remove(device.id)

        return await self._answered(request, remove)

    def _device(self, given: AddDevice, token: Token) -> PushDevice:
        assert self._target is not None, "asked before"
        service_of(given.endpoint, self._target[1].services)
        check_keys(given.keys.p256dh, given.keys.auth)
        name = given.name.strip()
        if not (0 < len(name) <= _MOST_NAME and name.isprintable()):
            raise ConfigError(f"name is {given.name!r:.80}; expected 1 to {_MOST_NAME} printable characters")
        return PushDevice(
            id=device_id(given.endpoint),
            endpoint=given.endpoint,
            p256dh=given.keys.p256dh,
            auth=given.keys.auth,
            name=name,
            who=token.name,
            token=token.made,
            until=token.until,
            least=given.least,
            since=time.time_ns(),
        )

    async def _answered(self, request: Request, act: Callable[[DeviceFile, Token], None]) -> Response:
        token, target, path = token_of(request), self._target, self._path
        assert token is not None, "the guard lets nobody else in"
        if target is None or path is None:
            text = "nobody is notified by push; expected a target of kind push in delivery.to of the configuration"
            return problem(HTTPStatus.CONFLICT, "off", text)

        def run() -> PushNow:
            key_of = _signing()
            with DeviceFile(path) as file:
                act(file, token)
                return PushNow(
                    key=key_of(file), target=target[0], least=target[1].least, devices=_listed(file.all(), token)
                )

        try:
            return answer(await to_thread.run_sync(run))
        except ConfigError as e:
            return problem(HTTPStatus.BAD_REQUEST, "device", str(e))
        except (DeliveryError, MissingExtraError) as e:
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, "devices", str(e))


def forget_devices(path: Path, tokens: Path) -> None:
    """Removes the devices of tokens that were removed, or have ended. From any thread.

    Arguments:
        path: the file of devices.
        tokens: the file of tokens. Where one of the two is not there, nobody is removed: it may be back in a moment.

    Raises:
        ConfigError: the tokens cannot be read; nobody is removed.
        DeliveryError: the devices cannot be.
    """
    if not (path.exists() and tokens.exists()):
        return
    with DeviceFile(path) as file:
        devices = file.all()  # before the tokens: who adds one has a token by then
        there = {(token.name, token.made) for token in Tokens(tokens).all()}
        gone = [device.id for device in devices if (device.who, device.token) not in there]
        if gone:
            file.remove(*gone)


def _listed(devices: list[PushDevice], token: Token) -> list[NotifiedDevice]:
    return [
        NotifiedDevice(
            id=d.id, name=d.name, who=d.who, own=_is_own(d, token), least=d.least, since=d.since,
            succeeded=d.succeeded, failed=d.failed, error=d.error,
        )
        for d in devices
        if _is_own(d, token) or token.role is Role.ADMIN
    ]  # fmt: skip


def _is_own(device: PushDevice, token: Token) -> bool:
    return (device.who, device.token) == (token.name, token.made)


def _signing() -> Callable[[DeviceFile], str]:
    """Gives the key that browsers subscribe with.

    Raises:
        MissingExtraError: a library is not installed.
    """
    try:
        from dyadwatch.stream.push.signing import SigningKey
    except ModuleNotFoundError as e:
        raise MissingExtraError.of(e, "notify") from None
    return lambda file: SigningKey(file).public
