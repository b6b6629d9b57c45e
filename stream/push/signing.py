"""The key by which push services know the detector (VAPID, RFC 8292)."""

from __future__ import annotations

import time
from typing import Any, cast

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02  # pyright: ignore[reportMissingTypeStubs]

from dyadwatch.stream.push.device_file import DeviceFile
from dyadwatch.stream.push.push_device import to_base64url

_LASTS_S = 12 * 3600  # of a signature; push services take a day at most


class SigningKey:
    """Signs requests to push services.

    Arguments:
        file: that keeps the key; the first to ask makes it.

    Raises:
        DeliveryError: the file cannot be used.
    """

    def __init__(self, file: DeviceFile) -> None:
        self._vapid = cast(Any, Vapid02).from_pem(file.private_key(_made).encode())
        # The configuration has checked the contact; the library takes addresses with a path for none.
        self._vapid.conf = {"no-strict": True}

    @property
    def public(self) -> str:
        """The uncompressed point, Base64 for URLs: what a browser subscribes with (`applicationServerKey`)."""
        return to_base64url(self._vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))

    def authorization(self, service: str, contact: str) -> str:
        """Value of the header `Authorization`.

        Arguments:
            service: origin of the push service.
            contact: where its makers reach who runs this, `mailto:` or `https:`.
        """
        claims = {"aud": service, "sub": contact, "exp": int(time.time()) + _LASTS_S}
        return self._vapid.sign(claims)["Authorization"]


def _made() -> str:
    vapid = cast(Any, Vapid02)()
    vapid.generate_keys()
    return vapid.private_pem().decode()
