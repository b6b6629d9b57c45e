"""Whom to call, and when to leave people alone."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dyadwatch.stream.alarms.attention import TRANSITIONS, Attention, CallStep, Stand
from dyadwatch.stream.alarms.operator_sink import OperatorSink
from dyadwatch.stream.codes import SEVERITIES, AttentionKind, IncidentKind, IncidentReason, Severity
from dyadwatch.stream.configuration.config import AttentionOptions
from dyadwatch.stream.memory.kept import Action, ActionKind, Before, KeptIncident
from dyadwatch.stream.messages import AttentionMessage, IncidentMessage
from dyadwatch.stream.texts import ATTENTION

S = 1_000_000_000
NOTICE, ALARM, CRITICAL = SEVERITIES


def ns(seconds: float) -> int:
    return round((1_700_000_000 + seconds) * S)


def incident(id_: str, severity: Severity = ALARM, kind: Any = "open", source: str = "hall") -> IncidentMessage:
    return IncidentMessage(
        type=kind,
        id=id_,
        about=IncidentKind.INTERACTION,
        source=source,
        clock="unix",
        severity=severity,
        start=0,
        end=None,
        stamp=0,
        explanation=f"of {id_}",
        reason=IncidentReason.OPENED,
        text="",
    )


class Play:
    """Attention that is told of incidents at seconds, and looks at the clock every second between."""

    def __init__(self, **options: Any) -> None:
        self.desk = Attention(AttentionOptions(**{"escalate_min": 0.0, **options}))
        self.now = 0.0
        self.told: list[AttentionMessage] = []

    def at(self, seconds: float, *messages: IncidentMessage) -> list[tuple[str, str]]:
        told: list[AttentionMessage] = []
        while self.now < seconds:
            self.now = min(self.now + 1, seconds)
            told += self.desk.tick(ns(self.now))
        told += self.desk.take(messages, ns(seconds))
        self.told += told
        return [(str(m.what), "+".join(m.incidents)) for m in told]

    def acts(self, kind: ActionKind, id_: str = "", **more: Any) -> list[tuple[str, str]]:
        told = self.desk.acted(Action(at=ns(self.now), kind=kind, incident=id_, **more), ns(self.now))
        self.told += told
        return [(str(m.what), "+".join(m.incidents)) for m in told]


def test_every_stand_and_step_has_a_rule_and_every_kind_a_sentence() -> None:
    assert set(TRANSITIONS) == set(product(Stand, CallStep))
    assert set(ATTENTION) == set(AttentionKind)


def test_people_are_called_once_and_told_when_it_is_over() -> None:
    play = Play()
    assert play.at(1, incident("a")) == [("call", "a")]
    assert play.at(5, incident("a", kind="update")) == []
    assert play.at(9, incident("a", kind="close")) == [("cleared", "a")]
    assert play.told[0] == AttentionMessage(
        what=AttentionKind.CALL, source="hall", at=ns(1), severity=ALARM, incidents=("a",), text="somebody should look",
        explanation="of a",
    )  # fmt: skip


def test_what_becomes_graver_calls_again_though_it_was_acknowledged() -> None:
    play = Play()
    play.at(1, incident("a", NOTICE))
    assert play.acts(ActionKind.ACKNOWLEDGE, "a", who="ann") == [("acknowledged", "a")]
    assert play.told[-1].who == "ann"
    assert play.acts(ActionKind.ACKNOWLEDGE, "a", who="bob") == []
    assert play.at(2, incident("a", ALARM, "update")) == [("call", "a")]
    assert play.at(3, incident("a", ALARM, "update")) == []


def test_a_call_that_nobody_acknowledges_is_made_again_graver_up_to_critical() -> None:
    play = Play(escalate_min=5)
    play.at(0, incident("a", NOTICE))
    assert play.at(299) == []
    assert play.at(300) == [("escalated", "a")]
    assert play.at(900) == [("escalated", "a")]
    assert [m.severity for m in play.told] == [NOTICE, ALARM, CRITICAL]
    assert play.at(9000) == []
    assert play.at(9001, incident("a", ALARM, "update")) == []  # people were called with more already
    quiet = Play(escalate_min=5)
    quiet.at(0, incident("a", NOTICE))
    quiet.acts(ActionKind.ACKNOWLEDGE, "a")
    assert quiet.at(9000) == []
    over = Play(escalate_min=5)
    over.at(0, incident("a"))
    over.at(10, incident("a", kind="close"))
    assert over.at(9000) == []


def test_after_a_call_a_source_rests_and_what_lasts_is_called_about_afterwards() -> None:
    play = Play(cooldown_s=60)
    play.at(0, incident("a"))
    assert play.at(10, incident("b"), incident("c", NOTICE)) == []
    assert play.at(11, incident("far", source="yard"), incident("d", CRITICAL)) == [("call", "far"), ("call", "d")]
    assert play.at(20, incident("b", kind="close")) == []  # of what nobody was called about no end is told
    assert play.at(70) == []  # the call of d rests it for longer
    assert play.at(72) == [("call", "c")]


def test_beyond_the_cap_what_is_not_graver_is_held_back_and_told_together() -> None:
    play = Play(cooldown_s=0, most_calls=3, per_min=60, digest_min=10)
    for i in range(5):
        play.at(i, incident(f"n{i}", NOTICE))
        play.at(i + 0.5, incident(f"n{i}", NOTICE, "close"))
    assert [m.incidents[0] for m in play.told if m.what == "call"] == ["n0", "n1", "n2"]
    for i in range(5):
        assert play.at(10 + i, incident(f"a{i}", ALARM)) == ([("call", f"a{i}")] if i < 3 else [])
        play.at(10.5 + i, incident(f"a{i}", ALARM, "close"))
    assert play.at(20, incident("c", CRITICAL)) == [("call", "c")]
    assert play.at(602) == []
    assert play.at(603) == [("digest", "n3+n4+a3+a4")]
    digest = play.told[-1]
    assert (digest.held_back, digest.severity, digest.source) == (4, ALARM, "@detector")
    assert digest.explanation == "4 incidents held back"
    assert play.at(3000) == []
    assert play.at(3700, incident("n9", NOTICE)) == [("call", "n9")]  # the hour is over


def test_a_snoozed_incident_wakes_and_a_snoozed_source_holds_back_all_but_the_graver() -> None:
    play = Play(cooldown_s=0)
    play.at(0, incident("a"))
    assert play.acts(ActionKind.SNOOZE, "a", until=ns(100)) == [("snoozed", "a")]
    assert play.at(99, incident("a", ALARM, "update")) == []
    assert play.at(100) == [("call", "a")]
    assert play.acts(ActionKind.SNOOZE, source="yard", until=ns(1000)) == [("snoozed", "")]
    assert play.at(110, incident("b", ALARM, source="yard"), incident("c")) == [("call", "c")]
    assert play.at(120, incident("d", CRITICAL, source="yard")) == [("call", "d")]
    assert play.acts(ActionKind.SNOOZE, source="yard", until=0) == []
    assert play.at(121) == [("call", "b")]


def test_an_action_about_nothing_that_is_open_changes_nothing() -> None:
    assert Play().acts(ActionKind.ACKNOWLEDGE, "x") == []


STEPS = st.lists(
    st.tuples(st.floats(0, 100), st.sampled_from("abcdefgh"), st.sampled_from(SEVERITIES), st.booleans()), max_size=80
)


@given(STEPS)
def test_whatever_comes_nothing_graver_is_held_back_and_nothing_goes_untold(
    steps: list[tuple[float, str, Severity, bool]],
) -> None:
    play = Play(cooldown_s=30, most_calls=2, per_min=10, digest_min=3)
    now, n, open_ = 0.0, 0, dict[str, IncidentMessage]()
    opened: set[str] = set()
    for later, source, severity, closes in steps:
        now += later
        if source in open_ and closes:
            m = open_.pop(source)
            play.at(now, incident(m.id, m.severity, "close", source))
        elif source in open_ and severity.rank > open_[source].severity.rank:
            open_[source] = incident(open_[source].id, severity, "update", source)
            play.at(now, open_[source])
        elif source not in open_:
            n += 1
            open_[source] = incident(f"i{n}", severity, "open", source)
            opened.add(f"i{n}")
            before = [m for m in play.told if m.what == "call" and m.at > ns(now - 600)]
            told = play.at(now, open_[source])
            if not any(m.severity.rank >= severity.rank for m in before):
                assert ("call", f"i{n}") in told
    for source, m in open_.items():
        play.at(now, incident(m.id, m.severity, "close", source))
    play.at(now + 400)
    assert opened == {id_ for m in play.told if m.what in ("call", "digest") for id_ in m.incidents}


def test_the_sink_passes_on_what_people_did_even_a_little_before_the_incident() -> None:
    told: list[AttentionMessage] = []
    sink = OperatorSink(AttentionOptions(), told.extend, lambda: ns(0))
    sink.act(Action(at=ns(0), kind=ActionKind.ACKNOWLEDGE, incident="a", who="ann"))
    sink.idle()
    assert told == []
    sink.emit([incident("a")])
    sink.idle()
    assert [str(m.what) for m in told] == ["call", "acknowledged"]
    sink.close()


def call(seconds: float, severity: Severity = ALARM, what: str = "call", **more: Any) -> AttentionMessage:
    told = {"source": "hall", "incidents": ("x",), "text": "", "explanation": ""} | more
    return AttentionMessage(what=AttentionKind(what), at=ns(seconds), severity=severity, **told)


def test_cooldown_cap_and_snoozes_outlive_a_restart() -> None:
    play = Play(cooldown_s=60.0, most_calls=3)
    play.desk.restore(Before(calls=(call(-30), call(-3000, source="yard"), call(-10, what="cleared"))))
    assert play.at(1, incident("a")) == [], "hall was called about 31 s ago"
    assert play.at(2, incident("b", CRITICAL)) == [("call", "b")], "graver"
    assert play.at(3, incident("c", source="yard")) == [], "the third of the hour was the last"
    snoozed = call(-100, what="snoozed", incidents=(), source="lab", until=ns(50), severity=CRITICAL)
    play = Play()
    snooze = Action(at=ns(-100), kind=ActionKind.SNOOZE, source="lab", until=ns(50))
    play.desk.restore(Before(calls=(snoozed,), snoozes=(snooze,)))
    assert play.at(1, incident("d", CRITICAL, source="lab")) == []
    assert play.at(51) == [("call", "d")]
    play = Play()
    play.desk.restore(Before(calls=(snoozed,)))  # it was ended since
    assert play.at(1, incident("d", source="lab")) == [("call", "d")]


def test_who_was_acknowledged_before_a_restart_is_not_called_about_again_unless_graver() -> None:
    was = replace(incident("old"), people=(1, 2))
    kept = KeptIncident(message=was, run="r", began=0, told=ns(-5), acknowledged=ns(-60))
    play = Play(cooldown_s=0.0)
    play.desk.restore(Before(acknowledged=(kept,), until=ns(60)))
    assert play.at(1, replace(incident("new"), people=(2, 3))) == []
    assert play.at(2, replace(incident("new", CRITICAL, "update"), people=(2, 3))) == [("call", "new")]
    assert play.at(3, replace(incident("others"), people=(7, 8))) == [("call", "others")]
    assert play.at(4, replace(incident("yard", source="yard"), people=(1, 2))) == [("call", "yard")]
    assert play.at(61, replace(incident("late"), people=(1, 2))) == [("call", "late")]


def test_in_shadow_nobody_is_called() -> None:
    play = Play()
    shadowed = [replace(incident("a", s, k), shadow=True) for s, k in ((ALARM, "open"), (CRITICAL, "update"))]
    assert play.at(1, *shadowed, replace(incident("a", CRITICAL, "close"), shadow=True)) == []
    assert play.at(1000) == []
