"""What people read of an update: calm, short, in local time. Nothing reads it back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.explanation.explainer import How
from dyadwatch.core.skeletons.pose import TrackId
from dyadwatch.core.units import NS
from dyadwatch.core.words import counted
from dyadwatch.stream.codes import AttentionKind, IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.delivery_options import TargetOptions
from dyadwatch.stream.delivery.parcel import Parcel, incidents_of
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage, IncidentPair, OddLimb
from dyadwatch.stream.names import DETECTOR
from dyadwatch.stream.texts import INCIDENT

_NUMBERS = ("nobody", "somebody", "two people", "three people", "four people", "five people", "six people")
# What carers call a joint.
_PLAIN = {"wrist": "hand", "ankle": "foot", "pelvis": "hips"}
_OVER = "it is over"
# Closes after which all is well; the others say why they are closes.
_WELL = (IncidentReason.CALM_AGAIN, IncidentReason.BACK, IncidentReason.END_OF_STREAM)


class Wording:
    """Makes titles and texts for one target.

    Arguments:
        target: its templates; empty ones stand for the default.
        names: source -> what people call the place.
    """

    def __init__(self, target: TargetOptions, names: Mapping[str, str]) -> None:
        self._target = target
        self._names = names

    def of(self, parcel: Parcel) -> tuple[str, str]:
        """Title and text."""
        fields = self._fields(parcel)
        title = self._target.title.format(**fields) if self._target.title else fields["title"]
        text = self._target.text.format(**fields) if self._target.text else fields["text"]
        return title, text

    def about(self, m: IncidentMessage, now: int) -> str:
        """An incident in one sentence, as at `now`, unix ns."""
        return self.of(Parcel(key="", number=0, at=now, message=m, about=m))[1]

    def place(self, source: str) -> str:
        """What people call the place of a source."""
        return self._names.get(source, source)

    def _fields(self, parcel: Parcel) -> dict[str, str]:
        m, about = parcel.message, parcel.about
        source = "" if m.source == DETECTOR else m.source
        place = self.place(source)
        fields = {
            "place": place,
            "source": source,
            "severity": str(m.severity),
            "what": "a test" if parcel.test else _what(m, about),
            "since": "" if about is None else _clock(_start(about, parcel.at), parcel.at),
            "until": "" if about is None or about.end is None else _clock(_end(about, parcel.at), parcel.at),
            "who": "" if about is None else who(about),
            "detail": "" if about is None else detail(about),
            "explanation": m.explanation,
            "id": " ".join(incidents_of(m)),
            "key": parcel.key,
        }
        head = f"{place}: " if place else ""
        fields["title"] = f"{head}{fields['what']}" + (" (critical)" if _is_grave(m) else "")
        fields["text"] = m.explanation if parcel.test else head + _text(m, about, fields)
        return fields


def who(about: IncidentMessage) -> str:
    """How many people an incident is about: `two people`."""
    count = len(about.people)
    return _NUMBERS[count] if count < len(_NUMBERS) else f"{count} people"


def detail(about: IncidentMessage) -> str:
    """What the leading pair does, in a few words: `right hand of 2 toward the head of 1`; empty for a source."""
    if not about.pairs:
        return ""
    pair = about.pairs[0]
    if pair.limb is not None:
        return _limb(pair.pair, pair.limb)
    if pair.rule.part is ScorePart.RELATION:
        return f"{pair.pair[0]} and {pair.pair[1]} do not answer each other's movements"
    if pair.rule.part is ScorePart.TIMING:
        return f"{pair.pair[0]} and {pair.pair[1]} are out of step"
    return _joints(pair)


def _limb(pair: tuple[TrackId, TrackId], limb: OddLimb) -> str:
    other = pair[1] if limb.person == pair[0] else pair[0]
    it = f"{_plain(limb.joint)} of {limb.person}"
    match limb.how:
        case How.FAST | How.NEAR:
            return f"{it} toward the {_plain(limb.toward)} of {other}"
        case How.FAR:
            return f"{it} far from the {_plain(limb.toward)} of {other}"
        case _:
            return f"{it} out of place"


def _joints(pair: IncidentPair) -> str:
    if not pair.joints:
        return f"{pair.pair[0]} and {pair.pair[1]}"
    part = pair.joints[0]
    return f"{_plain(part.first)} of {pair.pair[0]} and {_plain(part.second)} of {pair.pair[1]}"


def _plain(joint: str) -> str:
    return " ".join(_PLAIN.get(word, word) for word in joint.split("_"))


def _what(m: IncidentMessage | AttentionMessage, about: IncidentMessage | None) -> str:
    """The update itself, in a few words."""
    if isinstance(m, IncidentMessage):
        return _OVER if m.reason in _WELL else INCIDENT[m.reason]
    match m.what:
        case AttentionKind.CALL:
            return "please look"
        case AttentionKind.ESCALATED:
            return "please look, nobody has answered yet"
        case AttentionKind.DIGEST:
            return f"{counted(m.held_back, 'call')} held back"
        case AttentionKind.ACKNOWLEDGED:
            return f"{m.who or 'somebody'} takes care of it"
        case AttentionKind.SNOOZED:
            until = "" if m.until is None else f" until {_clock(m.until, m.at)}"
            return f"calls are held back{until}"
        case AttentionKind.CLEARED:
            return _OVER if about is None or about.type != "close" or about.reason in _WELL else INCIDENT[about.reason]


def _text(m: IncidentMessage | AttentionMessage, about: IncidentMessage | None, fields: Mapping[str, str]) -> str:
    if about is None:
        return f"{fields['what']}; {m.explanation}" if m.explanation else fields["what"]
    over = about.end is not None
    because = "" if not over or about.reason in _WELL else f"; {INCIDENT[about.reason]}"
    when = _when(about, fields)
    match about.about:
        case IncidentKind.INTERACTION:
            verb = "behaved" if over else "behave" + "s" * (fields["who"] == "somebody")
            words = f"{fields['who']} {verb} unusually {when}"
            return (f"{words}; {fields['detail']}" if fields["detail"] else words) + because
        case _ if over and not because:
            return f"watched again; it was not {when}"
        case IncidentKind.SOURCE_SILENT:
            return f"not watched {when}: nothing comes from this source{because}"
        case IncidentKind.SOURCE_MISSING:
            return f"not watched {when}: this source has never come{because}"
        case IncidentKind.SOURCE_BLIND:
            return f"not watched {when}: {about.explanation}{because}"


def _when(about: IncidentMessage, fields: Mapping[str, str]) -> str:
    """since 14:03; at 14:03 for 12 s; from 14:03 to 14:05."""
    if about.end is None:
        return f"since {fields['since']}"
    if fields["since"] == fields["until"]:
        return f"at {fields['since']} for {counted(max(round((about.end - about.start) / NS), 1), 'second')}"
    return f"from {fields['since']} to {fields['until']}"


def _is_grave(m: IncidentMessage | AttentionMessage) -> bool:
    over = m.type == "close" if isinstance(m, IncidentMessage) else m.what is AttentionKind.CLEARED
    return m.severity is Severity.CRITICAL and not over


def _start(about: IncidentMessage, at: int) -> int:
    """Unix ns; of a source with another clock the moment at which it was reported."""
    return about.start if about.clock == "unix" else at


def _end(about: IncidentMessage, at: int) -> int:
    return about.end if about.clock == "unix" and about.end is not None else at


def _clock(ns: int, now: int) -> str:
    """14:03, with the day where that is another."""
    moment, today = _local(ns), _local(now)
    return f"{moment:%H:%M}" if moment.date() == today.date() else f"{moment:%a %d %b %H:%M}"


def _local(ns: int) -> datetime:
    return datetime.fromtimestamp(ns / NS).astimezone()
