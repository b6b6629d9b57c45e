"""Updates to people's phones and mailboxes through Apprise: ntfy, e-mail, Telegram, Slack and many others."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Any, cast

from apprise import Apprise, AppriseAsset, AppriseAttachment, NotifyFormat, NotifyType
from apprise.attachment.memory import AttachMemory
from apprise.plugins import NotifyBase

from dyadwatch.core.errors import ConfigError, UnreachableError
from dyadwatch.stream.codes import AttentionKind, Severity
from dyadwatch.stream.configuration.delivery_options import AppriseOptions
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.pictures import MIME, NAME, Pictures
from dyadwatch.stream.delivery.secret import read_secret
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.messages import AttentionMessage

_APPRISE_LOG = logging.getLogger("apprise")
_APPRISE_LOG.propagate = False  # what goes wrong is reported in the status
_log = logging.getLogger(__name__)
_MOST_SAID = 150  # characters
_PLAIN_S = 3600.0  # after a picture that was not taken


class AppriseCarrier:
    """Sends title and text of each update to one or more services, one after the other.

    A service that took an update does not get it again because another did not. One that fails on an update with a
    picture is asked at once to take the words alone, as words must not wait; where it does, it gets no picture for an
    hour. Some post words and picture one after the other, and Apprise does not say which of them failed: the words may
    thus come twice, once an hour at most. To tell it from a later try would be wrong: a service that was down for a
    moment would lose its pictures.

    Arguments:
        at: of the target in the configuration, for errors.
        options: of the target.
        wording: of the target.

    Raises:
        ConfigError: the addresses cannot be read, or one is none that Apprise knows.
    """

    def __init__(self, at: str, options: AppriseOptions, wording: Wording) -> None:
        self._wording = wording
        self._pictures = Pictures(options, wording)
        self._plain_until: dict[int, float] = {}  # monotonic seconds, of services that took no picture
        urls = options.url or read_secret(at, "url", options.url_file, options.url_env)
        asset = AppriseAsset(app_id="dyadwatch", app_desc="dyadwatch", app_url="")
        self._services: list[NotifyBase] = []
        instantiate = cast(Any, Apprise).instantiate
        for number, line in enumerate(urls.splitlines(), 1):
            url = line.strip()
            if not url or url.startswith("#"):
                continue
            service = instantiate(url, asset=asset)
            if isinstance(service, NotifyBase):
                self._services.append(service)
            else:
                raise ConfigError(
                    f"{at}: line {number} of the addresses is none that Apprise knows; expected one a line, such as "
                    "ntfys://ntfy.example.org/topic or mailto://user:password@example.org"
                )
        if not self._services:
            raise ConfigError(f"{at} has no address; expected one a line, such as ntfys://ntfy.example.org/topic")
        self._sent: tuple[str, set[int]] = ("", set())  # key, and which services have it

    def send(self, parcel: Parcel) -> None:
        """Returns once every service has taken it; see `Carrier`."""
        title, text = self._wording.of(parcel)
        key, sent = self._sent
        if key != parcel.key:
            sent = set[int]()
            self._sent = (parcel.key, sent)
        for number, service in enumerate(self._services):
            if number in sent:
                continue
            told = partial(
                service.notify, body=text, title=title, notify_type=_kind(parcel), body_format=NotifyFormat.TEXT
            )
            picture, said = self._picture(number, parcel), _Said()
            with said:
                taken = picture is not None and told(attach=picture)
            if not taken:
                why, said = said.words(), _Said()
                with said:
                    taken = told()
                if taken and picture is not None:  # it was the picture that it did not take
                    _log.warning("%s takes no picture%s; for an hour it gets none", service.service_name, why)
                    self._plain_until[number] = time.monotonic() + _PLAIN_S
            if not taken:
                raise UnreachableError(f"{service.service_name} did not take it{said.words()}")
            sent.add(number)

    def _picture(self, number: int, parcel: Parcel) -> AppriseAttachment | None:
        """What is to be attached for a service; None for nothing."""
        if not cast(Any, self._services[number]).attachment_support:
            return None
        if time.monotonic() < self._plain_until.get(number, 0.0):
            return None
        png = self._pictures.of(parcel)
        return None if png is None else AppriseAttachment(AttachMemory(content=png, name=NAME, mimetype=MIME))

    def close(self) -> None:
        """Nothing is held."""


class _Said(logging.Handler):
    """What Apprise logs on this thread meanwhile; it names no addresses, which hold passwords."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._lines: list[str] = []
        self._thread = threading.get_ident()

    def __enter__(self) -> None:
        _APPRISE_LOG.addHandler(self)

    def __exit__(self, *_: object) -> None:
        _APPRISE_LOG.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        if record.thread == self._thread:
            self._lines.append(record.getMessage())

    def words(self) -> str:
        """The latest of it, to be put behind a sentence."""
        said = " ".join(" ".join(self._lines).split())
        return f" ({said[-_MOST_SAID:]})" if said else ""


def _kind(parcel: Parcel) -> NotifyType:
    m = parcel.message
    over = m.what is AttentionKind.CLEARED if isinstance(m, AttentionMessage) else m.type == "close"
    if over:
        return NotifyType.SUCCESS
    return NotifyType.FAILURE if m.severity is Severity.CRITICAL else NotifyType.WARNING
