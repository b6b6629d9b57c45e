"""Sends updates to the push services of browsers (RFC 8030), encrypted for each device (RFC 8291) and signed (8292)."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable
from itertools import islice
from typing import Any, cast
from urllib.parse import urlsplit

import http_ece  # pyright: ignore[reportMissingTypeStubs]
import httpx
from cryptography.hazmat.primitives.asymmetric import ec

from dyadwatch.core.errors import ConfigError, DeliveryError, GoneError, RefusedError, UnreachableError
from dyadwatch.stream.configuration.delivery_options import PushOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.push_message import is_loud, push_body, topic
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.push.push_device import PushDevice, from_base64url
from dyadwatch.stream.push.push_services import service_of
from dyadwatch.stream.push.signing import SigningKey

_log = logging.getLogger(__name__)
_MOST_PIECES = 2  # of an answer's body, each as it arrives
_KEPT_S = 24 * 3600  # by the push service, for a device that is off
_GONE = (httpx.codes.NOT_FOUND, httpx.codes.GONE)  # the subscription is none any more
# Of 4xx those that may pass without another message; a push service answers 401 or 403 to a signature that it refuses.
_MAY_PASS = frozenset({401, 403, 405, 407, 408, 409, 421, 423, 425, 429})


class PushSender:
    """What the devices of one target share. From any thread.

    Arguments:
        options: of the target.
        wording: of the target.
        file: of the devices.
        clock: unix ns.

    Raises:
        DeliveryError: the file cannot be used.
    """

    def __init__(
        self, options: PushOptions, wording: Wording, file: DeviceFile, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.file = file
        self._options = options
        self._wording = wording
        self._clock = clock
        self._key = SigningKey(file)
        self._client = httpx.Client(timeout=options.timeout_s, follow_redirects=False)

    def send(self, parcel: Parcel, id_: str) -> None:
        """Returns once the push service of a device has taken an update; see `Carrier`.

        Raises:
            GoneError: the device was removed, or the push service does not know it any more; then it is removed here.
            RefusedError: it will never take this.
            UnreachableError: it may later.
        """
        device = self._device(id_)
        try:
            self._post(parcel, device)
        except GoneError:
            self._note(lambda: self.file.remove(device.id))
            raise
        except DeliveryError as e:
            why = str(e)
            self._note(lambda: self.file.failed(device.id, self._clock(), why))
            raise
        self._note(lambda: self.file.succeeded(device.id, self._clock()))

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _note(self, change: Callable[[], None]) -> None:
        """Keeps how it went; what arrived has arrived, whether that can be kept or not."""
        try:
            change()
        except DeliveryError as e:
            _log.warning("%s", e)

    def _device(self, id_: str) -> PushDevice:
        try:
            device = self.file.get(id_)
        except DeliveryError as e:
            raise UnreachableError(str(e)) from None
        if device is None:
            raise GoneError("it was removed")
        if device.until and device.until <= self._clock():
            raise GoneError("the token that it was added with has ended")
        return device

    def _post(self, parcel: Parcel, device: PushDevice) -> None:
        try:
            service = service_of(device.endpoint, self._options.services)
        except ConfigError as e:
            raise RefusedError(str(e)) from None
        headers = {
            "content-type": "application/octet-stream",
            "content-encoding": "aes128gcm",
            "ttl": str(_KEPT_S),
            "urgency": "high" if is_loud(parcel) else "normal",
            "topic": topic(parcel, device.auth),
            "authorization": self._key.authorization(service, self._options.contact),
        }
        body = _encrypted(push_body(parcel, self._wording), device)
        # Of the endpoint what stands behind the host alone, so that no reading of it leads elsewhere.
        url = service + urlsplit(device.endpoint)._replace(scheme="", netloc="", fragment="").geturl()
        try:
            status = self._status(url, body, headers)
        except httpx.InvalidURL as e:
            raise RefusedError(f"the endpoint is no address at {service} ({e})") from None
        except httpx.HTTPError as e:
            raise UnreachableError(f"{service} does not answer ({type(e).__name__}: {e})") from None
        if 200 <= status < 300:
            return
        answered = f"{service} answered {status} {httpx.codes.get_reason_phrase(status)}".rstrip()
        if status in _GONE:
            raise GoneError(answered)
        if 400 <= status < 500 and status not in _MAY_PASS:
            raise RefusedError(answered)
        raise UnreachableError(answered)

    def _status(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """What is answered. A body is nobody's business: a short one is read for the connection to be used again."""
        with self._client.stream("POST", url, content=body, headers=headers) as response:
            with contextlib.suppress(httpx.HTTPError):
                for _ in islice(response.iter_raw(), _MOST_PIECES):
                    pass
            return response.status_code


def _encrypted(body: bytes, device: PushDevice) -> bytes:
    """The body for one device, with a key of this message alone.

    Raises:
        RefusedError: nothing can be encrypted for its key.
    """
    try:
        return cast(Any, http_ece).encrypt(
            body,
            private_key=ec.generate_private_key(ec.SECP256R1()),
            dh=from_base64url(device.p256dh),
            auth_secret=from_base64url(device.auth),
            keyid=None,
            version="aes128gcm",
        )
    except ValueError as e:
        raise RefusedError(f"the key of the device is none ({e})") from None
