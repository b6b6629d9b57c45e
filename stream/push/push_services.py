"""Which push services messages are sent to: those of the browsers' makers, or what the configuration names.

A browser chooses the address that its messages go to. Without a list, anybody who may subscribe could have the server
connect to whatever it reaches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from dyadwatch.core.errors import ConfigError

MOST_ENDPOINT = 2048  # characters
_HOST = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


def service_of(endpoint: str, services: Sequence[str]) -> str:
    """Origin of the push service that an endpoint lies at, such as `https://fcm.googleapis.com`; it names no device.

    Arguments:
        endpoint: as the browser gives it.
        services: host names, `*.` in front for all below one, `:port` behind for another port than 443.

    Raises:
        ConfigError: it is no address of one of them over https.
    """
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    plain = len(endpoint) <= MOST_ENDPOINT and endpoint.isascii() and endpoint.isprintable() and "\\" not in endpoint
    place = host if port in (None, 443) else f"{host}:{port}"
    named = _HOST.fullmatch(host) is not None and "@" not in parts.netloc and _listed(place, services)
    if parts.scheme != "https" or not plain or not named:
        raise ConfigError(
            f"the endpoint is no address at {', '.join(services)} over https but lies at {parts.scheme}://{place:.80}; "
            "expected one as a browser gives it, or its push service among services of the target"
        )
    return f"https://{place}"


def _listed(place: str, services: Sequence[str]) -> bool:
    names = [s.lower().removesuffix(":443") for s in services]
    return any(place.endswith(s[1:]) if s.startswith("*.") else place == s for s in names)
