"""An update as a push message: what the service worker of the page shows, and how the push service is to treat it."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import msgspec
from msgspec import Struct

from dyadwatch.stream.codes import AttentionKind
from dyadwatch.stream.delivery.parcel import Parcel, asks_to_look, group_of, incidents_of
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.messages import AttentionMessage

_MOST_TITLE, _MOST_TEXT = 200, 1500  # bytes; a message of 4096 must be taken, with all around it
_STEP = 512  # bytes; sizes tell no more than which of a few steps it was
_TOPIC = 32  # characters that push services take

_encode = msgspec.json.Encoder().encode


class PushMessage(Struct, frozen=True, kw_only=True):
    """What the service worker gets.

    Arguments:
        key: the same however often it is sent.
        number: of the update of its incident, so that none takes the place of a later one.
        tag: of the incident; a message takes the place of the one before with the same.
        title, text: for people.
        link: from the root of the page.
        loud: whether it asks people to look; the others take the place of one without a sound.
        at: unix ms.
    """

    key: str
    number: int
    tag: str
    title: str
    text: str
    link: str
    loud: bool
    at: int


def push_body(parcel: Parcel, wording: Wording) -> bytes:
    """The JSON, filled up with blanks to one of a few sizes, so that its length tells nothing of what it says."""
    title, text = wording.of(parcel)
    message = PushMessage(
        key=parcel.key,
        number=parcel.number,
        tag=group_of(parcel.message) if not parcel.test else "test",
        title=_cut(title, _MOST_TITLE),
        text=_cut(text, _MOST_TEXT),
        link=_link(parcel),
        loud=is_loud(parcel),
        at=parcel.at // 1_000_000,
    )
    body = _encode(message)
    return body.ljust(-(-len(body) // _STEP) * _STEP)


def is_loud(parcel: Parcel) -> bool:
    """Whether people are to look at something new."""
    m = parcel.message
    return asks_to_look(m) or (isinstance(m, AttentionMessage) and m.what is AttentionKind.DIGEST)


def topic(parcel: Parcel, auth: str) -> str:
    """What stands for an incident before the push service: of the messages with the same it keeps the latest.

    It tells the push service which messages are about one incident, and of two devices not that it is the same one.
    """
    return hashlib.blake2b(
        group_of(parcel.message).encode(), key=auth.encode()[:64], digest_size=_TOPIC // 2
    ).hexdigest()


def _link(parcel: Parcel) -> str:
    ids = incidents_of(parcel.message)
    return f"/#/incident/{quote(ids[0], safe='')}" if len(ids) == 1 else "/#/incidents"


def _cut(text: str, most: int) -> str:
    """Of a template that was written for mails."""
    data = text.encode()
    return text if len(data) <= most else data[: most - 3].decode(errors="ignore") + "…"
