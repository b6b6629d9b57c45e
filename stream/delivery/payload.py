"""An update as JSON, the same for webhooks, commands and MQTT: what to show, and the message itself."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.pictures import Pictures
from dyadwatch.stream.delivery.wording import Wording
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage


class Payload(Struct, frozen=True, kw_only=True):
    """What the other side gets.

    Arguments:
        key: the same however often the update is sent; who takes it twice leaves out the second.
        number: of the update of its incident, from 1.
        title, text: for people, in local time.
        message: the update; its keys are in docs/wire-protocol.md.
        incident: of a call, the incident that it is about; else null.
        picture: `data:image/png;base64,...`; left out where the target wants none, or there is none.
    """

    key: str
    number: int
    title: str
    text: str
    message: IncidentMessage | AttentionMessage
    incident: IncidentMessage | None
    picture: str | UnsetType = UNSET


_encode = msgspec.json.Encoder().encode


def payload(parcel: Parcel, wording: Wording, pictures: Pictures) -> bytes:
    """The JSON of an update; the same bytes at every try."""
    title, text = wording.of(parcel)
    about = parcel.about if isinstance(parcel.message, AttentionMessage) else None
    return _encode(
        Payload(
            key=parcel.key,
            number=parcel.number,
            title=title,
            text=text,
            message=parcel.message,
            incident=about,
            picture=pictures.data_uri(parcel) or UNSET,
        )
    )
