"""One device that is notified: what its browser gave, whose it is, and how the last message went."""

from __future__ import annotations

import base64
import binascii
import hashlib

from msgspec import Struct

from dyadwatch.core.errors import ConfigError
from dyadwatch.stream.codes import Severity

_POINT, _SECRET = 65, 16  # bytes


class PushDevice(Struct, frozen=True, kw_only=True):
    """A subscription. Who has it can send to the device, so that it leaves the file for no page.

    Arguments:
        id: of the endpoint, see `device_id`.
        endpoint: address at the push service.
        p256dh, auth: key and secret that messages are encrypted with, Base64 for URLs.
        name: what its owner calls it.
        who, token: name of the token that it was added with, and when that was made, unix ns.
        until: unix ns at which that token ends; 0 for never.
        least: lowest severity that it is notified of.
        since: unix ns.
        succeeded, failed: unix ns at which the push service last took a message, and did not; 0 for never.
        error: why it did not, the last time.
    """

    id: str
    endpoint: str
    p256dh: str
    auth: str
    name: str
    who: str
    token: int
    until: int
    least: Severity
    since: int
    succeeded: int = 0
    failed: int = 0
    error: str = ""


def device_id(endpoint: str) -> str:
    """16 hex digits of the endpoint's SHA-256; a browser finds itself by it in a list without endpoints."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:16]


def from_base64url(text: str) -> bytes:
    """Bytes of Base64 for URLs, with its padding or without.

    Raises:
        ValueError: it is none.
    """
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except binascii.Error as e:
        raise ValueError(str(e)) from None


def to_base64url(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def check_keys(p256dh: str, auth: str) -> None:
    """Refuses keys by which nothing could be encrypted, but for points beside the curve: the first message shows those.

    Raises:
        ConfigError: naming the key and what was expected.
    """
    for name, text, size in (("p256dh", p256dh, _POINT), ("auth", auth, _SECRET)):
        try:
            data = from_base64url(text)
        except ValueError:
            data = b""
        if len(data) != size or (name == "p256dh" and data[0] != 4):
            raise ConfigError(f"keys.{name} is {text!r:.60}; expected {size} bytes in Base64 for URLs")
