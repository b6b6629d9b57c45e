"""Which events are one incident, who leads it, how grave it is, when it ends."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.stream.alarms.incident import Incident, IncidentState, PairIds
from dyadwatch.stream.alarms.incident_tracker import TRANSITIONS, IncidentStep, IncidentTracker, Publish
from dyadwatch.stream.codes import EventReason, IncidentReason, PairEnd, Severity
from dyadwatch.stream.configuration.config import IncidentOptions
from dyadwatch.stream.items import Moment, Pair, PairEnded, Window
from dyadwatch.stream.messages import EventMessage, EventRule, IncidentMessage

S = 1_000_000_000
T0 = 1_700_000_000
Told = list[IncidentMessage]


def event(
    kind: Literal["open", "update", "close"], pair: PairIds, start: float, at: float, **more: Any
) -> EventMessage:
    """A change in an event of a pair; seconds after T0. Its evidence is a third above enough by default."""
    score = more.pop("score", 3.5)
    peak = more.pop("peak", score)
    return EventMessage(
        type=kind,
        id=f"{pair[0]}-{pair[1]}@{start:g}",
        source="hall",
        pair=pair,
        clock="unix",
        start=ns(start),
        end=ns(at) if kind == "close" else None,
        stamp=ns(at),
        score=score,
        relation=0.0,
        unusual=score,
        peak_score=peak,
        peak_stamp=ns(at),
        threshold=2.5,
        evidence=1 + (peak - 2.5) / 3,
        rule=EventRule(part=ScorePart.SCORE, over_s=0.0, mean=peak),
        reason=EventReason.CALM_AGAIN,
        text="",
        joints=(),
        explanation=f"{pair[0]} and {pair[1]}",
        model="m 1",
        **more,
    )


def ns(seconds: float) -> int:
    return round((T0 + seconds) * S)


class Play:
    """A desk that is told of events as the judge does, and all that it tells."""

    def __init__(self, **options: Any) -> None:
        self.desk = IncidentTracker(IncidentOptions(**options))
        self.told: Told = []
        self._begun: dict[PairIds, float] = {}

    def window(
        self, pair: PairIds, at: float, events: Sequence[EventMessage] = (), place: float = 0.0, apart: float = 1.0
    ) -> Told:
        joints = np.zeros((2, 4, 3, 3), np.float32)
        joints[0, ..., 0], joints[1, ..., 0] = place, place + apart
        end = ns(at)
        return self._keep(
            self.desk.scored(Window("hall", Pair(pair, (0, 1)), end - 2 * S, end, joints, "unix", 0), events)
        )

    def opens(self, pair: PairIds, at: float, **more: Any) -> Told:
        where = {key: more.pop(key) for key in ("place", "apart") if key in more}
        self._begun[pair] = at
        return self.window(pair, at, [event("open", pair, at, at, **more)], **where)

    def goes_on(self, pair: PairIds, at: float, **more: Any) -> Told:
        return self.window(pair, at, [event("update", pair, self._begun[pair], at, **more)])

    def closes(self, pair: PairIds, at: float, **more: Any) -> Told:
        return self.window(pair, at, [event("close", pair, self._begun.pop(pair), at, **more)])

    def ends(self, pair: PairIds, at: float, reason: PairEnd) -> Told:
        told = [event("close", pair, self._begun.pop(pair), at)] if pair in self._begun else []
        return self._keep(self.desk.ended(PairEnded("hall", Pair(pair, (0, 1)), ns(at), "unix", reason), told))

    def moment(self, at: float, ended: PairEnd | None = None) -> Told:
        return self._keep(self.desk.moment(Moment("hall", ns(at), ended)))

    def _keep(self, told: Told) -> Told:
        self.told += told
        return told


def kinds(told: Told) -> list[tuple[str, str]]:
    return [(m.type, str(m.reason)) for m in told]


def test_every_state_and_step_has_a_rule() -> None:
    assert set(TRANSITIONS) == set(product({IncidentState.OPEN, IncidentState.LINGERING}, IncidentStep))
    assert {publish for _, publish in TRANSITIONS.values()} == set(Publish)
    assert all((after is IncidentState.CLOSED) == (publish is Publish.CLOSE) for after, publish in TRANSITIONS.values())


def test_one_event_is_one_incident_with_its_times_and_its_words() -> None:
    play = Play()
    (opened,) = play.opens((1, 2), 10)
    assert (opened.type, opened.reason, opened.text) == ("open", "opened", "it began")
    assert (opened.people, opened.pairs[0].pair, opened.explanation) == ((1, 2), (1, 2), "1 and 2")
    assert (opened.start, opened.end, opened.stamp) == (ns(10), None, ns(10))
    assert play.closes((1, 2), 12) == []
    assert play.moment(14) == []
    (closed,) = play.moment(15.1)
    assert (closed.type, closed.reason, closed.id) == ("close", "calm_again", opened.id)
    assert (closed.start, closed.end, closed.stamp) == (ns(10), ns(12), ns(15.1))
    assert closed.pairs[0].events == ("1-2@10",)
    assert play.desk.open == ()


def test_its_id_is_made_of_its_first_event() -> None:
    one, two, other = Play(), Play(linger_s=9), Play()
    assert one.opens((1, 2), 10)[0].id == two.opens((1, 2), 10, score=9.0)[0].id != other.opens((1, 2), 11)[0].id


def test_pairs_that_share_people_are_one_incident_and_the_ones_with_more_evidence_lead() -> None:
    play = Play()
    play.opens((1, 2), 10)
    (joined,) = play.opens((2, 3), 10.4, peak=9.0, score=9.0)
    assert (joined.type, joined.reason) == ("update", "severity_rose")
    (joined,) = play.opens((3, 4), 10.6)
    assert (joined.reason, joined.events) == ("pair_joined", 3)
    play.goes_on((2, 3), 12.0, score=9.0)
    (late,) = play.opens((1, 4), 12.2)
    assert late.pairs[0].pair == (2, 3)
    assert late.people[:2] == (2, 3)
    assert set(late.people) == {1, 2, 3, 4}
    assert late.explanation == "2 and 3"


def test_of_pairs_with_like_evidence_the_one_that_stands_nearest_leads() -> None:
    """Somebody falls: all pairs of that person score alike."""
    play = Play()
    for pair, apart in (((2, 3), 3.0), ((1, 2), 0.8), ((2, 4), 2.0)):
        play.opens(pair, 10, apart=apart, score=9.0)
    assert [p.pair for p in play.told[-1].pairs] == [(1, 2), (2, 4), (2, 3)]


def test_pairs_that_stand_together_are_one_incident_though_they_share_nobody() -> None:
    near, far = Play(near_m=1.0), Play(near_m=1.0)
    for play, place in ((near, 1.9), (far, 2.2)):
        play.opens((1, 2), 10, place=0.0, apart=1.0)
        play.opens((3, 4), 11, place=place, apart=1.0)
    assert (len(near.desk.open), len(far.desk.open)) == (1, 2)


def test_an_event_between_two_incidents_makes_them_one_the_elder() -> None:
    play = Play()
    (first,) = play.opens((1, 2), 10)
    (second,) = play.opens((3, 4), 11, place=9.0, score=9.0)
    merged, goes_on = play.opens((2, 3), 12)
    assert (merged.id, merged.type, merged.reason, merged.merged_into) == (second.id, "close", "merged", first.id)
    assert (goes_on.id, goes_on.type, goes_on.reason) == (first.id, "update", "absorbed")
    assert goes_on.severity == second.severity == Severity.CRITICAL
    assert (goes_on.events, set(goes_on.people)) == (3, {1, 2, 3, 4})
    assert play.desk.open == (first.id,)
    play.closes((3, 4), 13)
    play.closes((1, 2), 13)
    play.closes((2, 3), 13)
    (closed,) = play.moment(17)
    assert {e for p in closed.pairs for e in p.events} == {"1-2@10", "3-4@11", "2-3@12"}


def test_an_event_that_comes_again_within_the_linger_continues_the_incident() -> None:
    play = Play(linger_s=3.0)
    (first,) = play.opens((1, 2), 10)
    play.closes((1, 2), 12)
    (again,) = play.opens((1, 2), 14.9)
    assert (again.id, again.type, again.reason) == (first.id, "update", "resumed")
    assert again.pairs[0].end is None
    play.closes((1, 2), 16)
    closed, new = play.opens((1, 2), 19.1)
    assert (closed.id, closed.type) == (first.id, "close")
    assert (new.type, new.id != first.id) == ("open", True)
    assert closed.pairs[0].events == ("1-2@10", "1-2@14.9")


@pytest.mark.parametrize(
    ("score", "seconds", "severity"),
    [
        (2.6, 1.0, Severity.NOTICE),
        (3.5, 1.0, Severity.ALARM),
        (2.6, 3.0, Severity.ALARM),
        (5.5, 1.0, Severity.CRITICAL),
        (2.6, 20.0, Severity.CRITICAL),
    ],
)
def test_severity_comes_of_the_peak_and_of_how_long_it_lasts(score: float, seconds: float, severity: Severity) -> None:
    play = Play()
    play.opens((1, 2), 10, score=2.6)
    play.goes_on((1, 2), 10 + seconds, score=score)
    play.closes((1, 2), 10 + seconds, score=2.0, peak=score)
    told = play.moment(40)
    assert told[-1].severity is severity
    ranks = [m.severity.rank for m in play.told]
    assert ranks == sorted(ranks)


def test_an_open_incident_is_told_again_when_it_is_due() -> None:
    play = Play(update_s=5.0)
    play.opens((1, 2), 10, score=9.0)
    told = [play.goes_on((1, 2), 10 + t, score=9.0) for t in range(1, 11)]
    assert [i for i, t in enumerate(told, 1) if t] == [5, 10]
    assert kinds(told[4]) == [("update", "still_going_on")]


@pytest.mark.parametrize("reason", [PairEnd.SOURCE_FORGOTTEN, PairEnd.END_OF_STREAM, PairEnd.SHUTDOWN])
def test_with_its_source_an_incident_ends_at_once(reason: PairEnd) -> None:
    play = Play()
    play.opens((1, 2), 10)
    assert play.ends((1, 2), 11, reason) == []
    (closed,) = play.moment(11, reason)
    assert (closed.type, closed.reason, closed.end) == ("close", reason, ns(11))


def test_a_pair_that_ends_for_a_merge_leaves_no_linger() -> None:
    play = Play()
    play.opens((1, 2), 10)
    assert kinds(play.ends((1, 2), 11, PairEnd.MERGED)) == [("close", "merge_changed")]


def test_time_that_steps_back_closes_what_lingers() -> None:
    play = Play()
    play.opens((1, 2), 1000)
    play.ends((1, 2), 1001, PairEnd.CLOCK_STEP)
    assert play.moment(1000.5) == []  # a window that was late is no step
    assert kinds(play.moment(20)) == [("close", "clock_step")]


def test_what_is_kept_of_an_incident_is_bounded() -> None:
    """Ids that change from event to event, for hours."""
    play = Play(linger_s=60)
    for i in range(300):
        play.opens((0, i + 1), 10 + i)
        play.closes((0, i + 1), 10.5 + i)
    last = play.told[-1]
    assert len(play.desk.open) == 1
    assert len(last.pairs) <= 16
    assert last.events == 300


def test_no_event_of_a_pair_is_open_twice_in_its_record() -> None:
    incident = Incident(event("open", (1, 2), 1, 1), IncidentOptions())
    for _ in range(2):
        incident.note(event("open", (1, 2), 1, 1))
    assert (incident.events, incident.open_events, len(incident.pairs[1, 2].events)) == (1, 1, 1)


PAIRS = [(a, b) for a in range(1, 7) for b in range(a + 1, 7)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(PAIRS),
        st.sampled_from(["toggle", "toggle", "update", "end", "moment"]),
        st.floats(0.0, 4.0),
        st.floats(2.6, 9.0),
        st.floats(0.0, 6.0),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from([0.0, 1.0, 3.0]))
def test_whatever_happens_no_event_is_lost_nobody_is_in_two_incidents_and_all_ends(
    steps: list[tuple[PairIds, str, float, float, float]], linger_s: float
) -> None:
    play = Play(linger_s=linger_s, near_m=0.5)
    at, events, begun = 10.0, set[str](), dict[PairIds, str]()
    for pair, what, later, score, place in steps:
        at += later
        if what == "moment":
            play.moment(at)
        elif what == "toggle" and pair not in begun:
            begun[pair] = f"{pair[0]}-{pair[1]}@{at:g}"
            events.add(begun[pair])
            play.opens(pair, at, score=score, place=place)
        elif what == "toggle":
            play.closes(pair, at, score=score)
            del begun[pair]
        elif what == "update" and pair in begun:
            play.goes_on(pair, at, score=score)
        elif what == "end":
            play.ends(pair, at, PairEnd.LOST)
            begun.pop(pair, None)
        latest = {m.id: m for m in play.told}
        now_open = [m for m in latest.values() if m.type != "close"]
        assert {m.id for m in now_open} == set(play.desk.open)
        people = [person for m in now_open for person in m.people]
        assert len(people) == len(set(people))
        # An event that is open is in exactly one open incident.
        holding = [e for m in now_open for p in m.pairs if p.open for e in p.events[-1:]]
        assert set(begun.values()) <= set(holding)
    for pair in list(begun):
        play.ends(pair, at, PairEnd.END_OF_STREAM)
    play.moment(at, PairEnd.END_OF_STREAM)
    assert play.desk.open == ()
    by_id: dict[str, Told] = {}
    for m in play.told:
        by_id.setdefault(m.id, []).append(m)
    for told in by_id.values():
        assert [m.type for m in told] == ["open", *["update"] * (len(told) - 2), "close"]
        assert [m.severity.rank for m in told] == sorted(m.severity.rank for m in told)
    final = [told[-1] for told in by_id.values()]
    kept = [e for m in final if m.reason is not IncidentReason.MERGED for p in m.pairs for e in p.events]
    assert sorted(kept) == sorted(events)
    assert sum(m.events for m in final if m.reason is not IncidentReason.MERGED) == len(events)


def test_it_takes_a_small_part_of_the_time_of_a_frame() -> None:
    """Fifteen pairs, all in one incident, each with a window every 0.2 s: a frame at 30 a second has 2.5 of them."""
    import time

    play = Play()
    pairs = PAIRS
    for pair in pairs:
        play.opens(pair, 10)
    began, frames = time.process_time(), 0
    for i in range(1, 101):
        for pair in pairs:
            (play.goes_on if i % 5 == 0 else play.window)(pair, 10 + i / 5)
        frames += 6
    assert (time.process_time() - began) / frames < 0.002  # ten times what is measured on a quiet machine
