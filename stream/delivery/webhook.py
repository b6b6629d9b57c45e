"""Updates as signed HTTP POSTs, after the Standard Webhooks specification (www.standardwebhooks.com)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable

import httpx

from dyadwatch.core.errors import ConfigError, RefusedError, UnreachableError
from dyadwatch.stream.configuration.delivery_options import WebhookOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.payload import payload
from dyadwatch.stream.delivery.pictures import Pictures
from dyadwatch.stream.delivery.secret import read_secret
from dyadwatch.stream.delivery.wording import Wording

_PREFIX = "whsec_"  # of a secret in Base64
# Of 4xx those that may pass without another message: the address or the rights are put right, or it was too much.
_MAY_PASS = frozenset({401, 403, 404, 405, 407, 408, 409, 421, 423, 425, 429})


class WebhookCarrier:
    """POSTs each update to one address.

    Headers: `webhook-id` and `Idempotency-Key` (the key of the update), `webhook-timestamp` (unix seconds) and, where
    there is a secret, `webhook-signature`: `v1,` and the Base64 of HMAC-SHA256 over `id.timestamp.body`.

    Arguments:
        at: of the target in the configuration, for errors.
        options: of the target.
        wording: of the target.
        clock: unix seconds.

    Raises:
        ConfigError: the secret cannot be read.
    """

    def __init__(
        self, at: str, options: WebhookOptions, wording: Wording, clock: Callable[[], float] = time.time
    ) -> None:
        secret = read_secret(at, "secret", options.secret_file, options.secret_env)
        self._key = _key(at, secret)
        self._url = options.url
        self._wording = wording
        self._pictures = Pictures(options, wording)
        self._clock = clock
        self._client = httpx.Client(timeout=options.timeout_s, follow_redirects=False)

    def send(self, parcel: Parcel) -> None:
        """Returns once the server has answered 2xx; see `Carrier`."""
        body, stamp = payload(parcel, self._wording, self._pictures), str(int(self._clock()))
        headers = {
            "content-type": "application/json",
            "webhook-id": parcel.key,
            "idempotency-key": parcel.key,
            "webhook-timestamp": stamp,
        }
        if self._key:
            headers["webhook-signature"] = f"v1,{signature(self._key, parcel.key, stamp, body)}"
        try:
            status = self._client.post(self._url, content=body, headers=headers).status_code
        except httpx.HTTPError as e:
            raise UnreachableError(f"{_place(self._url)} does not answer ({type(e).__name__}: {e})") from None
        if 200 <= status < 300:
            return
        told = f"{_place(self._url)} answered {status} {httpx.codes.get_reason_phrase(status)}".rstrip()
        if 400 <= status < 500 and status not in _MAY_PASS:
            raise RefusedError(told)
        raise UnreachableError(told)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()


def signature(key: bytes, id_: str, stamp: str, body: bytes) -> str:
    """Base64 of HMAC-SHA256 over `id.timestamp.body`."""
    return base64.b64encode(hmac.digest(key, f"{id_}.{stamp}.".encode() + body, hashlib.sha256)).decode()


def _key(at: str, secret: str) -> bytes:
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        raise ConfigError(f"{at}: the secret after {_PREFIX} is no Base64; expected Base64, or plain text") from None


def _place(url: str) -> str:
    """Scheme, host and port alone: paths of webhooks are often secrets."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.netloc.decode()}" if not parts.userinfo else f"{parts.scheme}://{parts.host}"
