from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from dyadwatch.core.decision.calibration_file import CalibratedRule
from dyadwatch.core.decision.rules import ScorePart
from dyadwatch.core.errors import ConfigError
from dyadwatch.core.sense.sense_codes import Oddity
from dyadwatch.stream.configuration.config import AlarmOptions, Config, PairOptions, ScorerOptions
from dyadwatch.stream.configuration.config_file import load_config, parse_config, set_option
from dyadwatch.stream.configuration.config_keys import KEYS, expectation
from dyadwatch.stream.configuration.delivery_options import MqttOptions


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "config.yaml")
    return str(caught.value)


def test_a_file_may_leave_out_what_it_does_not_change(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("alarm:\n  hold_s: 4\n  raise_at: 3.5\n")
    assert load_config(path) == Config(alarm=AlarmOptions(hold_s=4.0, raise_at=3.5))


TABLE = [
    ("alarm:\n  # long\n  hold_s: -3\n", "config.yaml line 3: alarm.hold_s is -3; expected a number >= 0"),
    ("alarm:\n  raise_at: 0\n", "config.yaml line 2: alarm.raise_at is 0; expected a number > 0 or null"),
    (
        "sense:\n  ignore: [tall]\n",
        f"config.yaml line 2: sense.ignore[0] is tall; expected one of {', '.join(Oddity)}",
    ),
    ("alarm:\n  hold_s: soon\n", "config.yaml line 2: alarm.hold_s is soon; expected a number >= 0"),
    (
        "alarm:\n  hold_s: '3'\n",
        "config.yaml line 2: alarm.hold_s is '3'; expected a number >= 0, written without quotes",
    ),
    # what YAML 1.1 takes for numbers and truth
    ("alarm:\n  hold_s: 1:30\n", "config.yaml line 2: alarm.hold_s is 1:30; expected a number >= 0"),
    ("alarm:\n  hold_s: 1_000\n", "config.yaml line 2: alarm.hold_s is 1_000; expected a number >= 0"),
    ("sinks:\n  scores: yes\n", "config.yaml line 2: sinks.scores is yes; expected true or false"),
    ("sinks:\n  scores: off\n", "config.yaml line 2: sinks.scores is off; expected true or false"),
    # what stands for something else
    (
        "wire: &a {}\npairs: *a\n",
        "config.yaml line 1: anchors and aliases (& and *) are not read; write the value out in both places",
    ),
    ("wire:\n  <<: {bind: x}\n", "config.yaml line 2: wire.<< is not a key"),
    (
        "merge:\n  groups:\n    <<: {hall: [a, b]}\n",
        "config.yaml line 3: merge keys (<<) are not read; write the keys out in every place",
    ),
    (
        "merge:\n  groups:\n    hall: [a, b]\n    hall: [c, d]\n",
        "config.yaml line 4: hall is given twice, first at line 3",
    ),
    ("wire: {max_people: !!float 3}", "config.yaml line 1: wire.max_people is 3; expected a whole number >= 1"),
    ("alarm:\n  hold_s: .inf\n", "config.yaml line 2: alarm.hold_s is .inf; expected a finite number"),
    ("alarm:\n  hold_s: .nan\n", "config.yaml line 2: alarm.hold_s is .nan; expected a number >= 0"),
    ("alarm:\n  hold_s:\n", "config.yaml line 2: alarm.hold_s is empty; expected a number >= 0"),
    ("alarm:\n  hold_s:\n    [1]\n", "config.yaml line 3: alarm.hold_s is a list; expected a number >= 0"),
    ("wire:\n  max_people: 2.5\n", "config.yaml line 2: wire.max_people is 2.5; expected a whole number >= 1"),
    ("wire:\n  max_people: true\n", "config.yaml line 2: wire.max_people is true; expected a whole number >= 1"),
    (
        "windows:\n  max_hidden: 40\n",
        "config.yaml line 2: windows.max_hidden is 40; expected a number from 0 to 1",
    ),
    ("sinks: {scores: 1}\n", "config.yaml line 1: sinks.scores is 1; expected true or false"),
    ("scorer: {model: 7}\n", "config.yaml line 1: scorer.model is 7; expected text"),
    (
        "scorer:\n  provider: gpu\n",
        "config.yaml line 2: scorer.provider is gpu; expected one of cpu, cuda, tensorrt",
    ),
    (
        "pairs:\n  enter_m: 3\n  leave_m: 3\n",
        "config.yaml line 3: pairs.leave_m is 3; expected more than pairs.enter_m, which is 3",
    ),
    (
        "pairs:\n  enter_m: 6\n",
        "config.yaml line 2: pairs.leave_m is 4.0 by default; expected more than pairs.enter_m, which is 6",
    ),
    (
        "alarm:\n  raise_at: 3\n  clear_at: 3.5\n",
        "config.yaml line 3: alarm.clear_at is 3.5; expected at most alarm.raise_at, which is 3",
    ),
    (
        "wire:\n  bind: 127.0.0.1:5570\n",
        "config.yaml line 2: wire.bind is 127.0.0.1:5570; expected an address like tcp://127.0.0.1:5570 or ipc:///path",
    ),
    (
        "wire:\n  bind: ''\n",
        "config.yaml line 2: wire.bind is ''; expected an address like tcp://127.0.0.1:5570 or ipc:///path",
    ),
    (
        "sinks:\n  bind: tcp://127.0.0.1:99999\n",
        "config.yaml line 2: sinks.bind is tcp://127.0.0.1:99999; expected an address like tcp://127.0.0.1:5571 "
        "or ipc:///path, or '' for no socket",
    ),
    (
        "sinks:\n  bind: tcp://127.0.0.1:5570\n",
        "config.yaml line 2: sinks.bind is tcp://127.0.0.1:5570; expected another address than wire.bind",
    ),
    (
        "page:\n  bind: 127.0.0.1:10080\n",
        "config.yaml line 2: page.bind is 127.0.0.1:10080; expected another port, for browsers refuse to open 10080",
    ),
    ("alarm:\n  hold: 3\n", "config.yaml line 2: alarm.hold is not a key; did you mean 'alarm.hold_s'?"),
    ("\nalarms:\n  hold_s: 3\n", "config.yaml line 2: alarms is not a key; did you mean 'alarm'?"),
    ("hold_s: 3\n", "config.yaml line 1: hold_s is not a key; did you mean 'alarm.hold_s'?"),
    (
        "max_gap_s: 3\n",
        "config.yaml line 1: max_gap_s is not a key; did you mean 'clock.max_gap_s' or 'tracks.max_gap_s'?",
    ),
    ("alarm:\n  colour: red\n", "config.yaml line 2: alarm.colour is not a key"),
    ("1: 2\n", "config.yaml line 1: 1 is not a key"),
    ("[a]: 2\n", "config.yaml line 1: a list is not a key"),
    (
        "alarm:\n  hold_s: 3\n\n  hold_s: 4\n",
        "config.yaml line 4: alarm.hold_s is given twice, first at config.yaml line 2",
    ),
    (
        "alarm:\n  hold_s: 3\nwire: {}\nalarm: {}\n",
        "config.yaml line 4: alarm is given twice, first at config.yaml line 1",
    ),
    (
        "wire:\nalarm:\n  hold_s: 3\n",
        "config.yaml line 1: wire is empty; expected a mapping of keys; delete the line for the defaults",
    ),
    ("wire: 5570\n", "config.yaml line 1: wire is 5570; expected a mapping of keys"),
    ("wire: [1]\n", "config.yaml line 1: wire is a list; expected a mapping of keys"),
    ("- wire\n", "config.yaml line 1: the file is a list; expected a mapping of keys"),
    ("", "config.yaml is empty; expected sections such as 'wire:'"),
    ("# nothing\n", "config.yaml is empty; expected sections such as 'wire:'"),
    (
        "alarm:\n\thold_s: 3\n",
        "config.yaml line 2: is not valid YAML: found character '\\t' that cannot start any token",
    ),
    (
        "alarm: {}\n---\nwire: {}\n",
        "config.yaml line 2: is not valid YAML: but found another document",
    ),
    (
        "scorer: {model: !!python/name:os.system x}\n",
        "config.yaml line 1: has the tag tag:yaml.org,2002:python/name:os.system; expected values without a tag",
    ),
]


@pytest.mark.parametrize(("text", "expected"), TABLE, ids=[error[:50] for _, error in TABLE])
def test_errors_name_line_key_value_and_expectation(text: str, expected: str) -> None:
    assert error_of(text) == expected


@pytest.mark.parametrize(
    "text", ["a: \x00", "[" * 20_000, "- " * 20_000, "? " * 20_000, "&a [*a]", "wire: &a {bind: *a}", "a: " * 300_000]
)
def test_hostile_files_raise_nothing_but_the_config_error(text: str) -> None:
    assert error_of(text).startswith("config.yaml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    with pytest.raises(ConfigError, match=re.escape(f"{missing} cannot be read (No such file or directory)")):
        load_config(missing)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"alarm: {calibration: \xe9}")
    with pytest.raises(ConfigError, match=re.escape(f"{latin} is not UTF-8 text; expected a YAML file")):
        load_config(latin)


@pytest.mark.parametrize(
    "address", ["tcp://*:5570", "tcp://127.0.0.1:*", "tcp://[::1]:5570", "tcp://host-1.lan:80", "ipc:///tmp/a"]
)
def test_addresses_that_zeromq_can_bind_are_taken(address: str) -> None:
    assert parse_config(f"wire: {{bind: '{address}'}}", "config.yaml").wire.bind == address


def test_options_override_in_order_and_are_checked_together() -> None:
    config = set_option(Config(), "alarm.hold_s=3", "pairs.enter_m=6", "pairs.leave_m = 7", "alarm.hold_s=4")
    assert config == Config(alarm=AlarmOptions(hold_s=4.0), pairs=PairOptions(enter_m=6.0, leave_m=7.0))
    assert set_option(Config(), "scorer.model=2024") == Config(scorer=ScorerOptions(model="2024"))
    assert set_option(config, "scorer.model=", "alarm.raise_at=null", "sinks.scores=false").sinks.scores is False


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("alarm.hold_s=-3", "option 'alarm.hold_s=-3': alarm.hold_s is -3; expected a number >= 0"),
        ("alarm.hold_s=", "option 'alarm.hold_s=': alarm.hold_s is empty; expected a number >= 0"),
        ("alarm.hold=3", "option 'alarm.hold=3': alarm.hold is not a key; did you mean 'alarm.hold_s'?"),
        ("hold_s=3", "option 'hold_s=3': hold_s is not a key; did you mean 'alarm.hold_s'?"),
        ("alarm.hold_s", "option 'alarm.hold_s' sets nothing; expected section.key=value, such as alarm.hold_s=3"),
        ("alarm={}", "option 'alarm={}' sets nothing; expected section.key=value, such as alarm.hold_s=3"),
        (
            "alarm.hold_s=[",
            "option 'alarm.hold_s=[': the value is not valid YAML: expected the node content, but found '<stream end>'",
        ),
        (
            "pairs.enter_m=9",
            "option 'pairs.enter_m=9': pairs.leave_m is 4.0; expected more than pairs.enter_m, which is 9",
        ),
    ],
)
def test_errors_of_options(option: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_option(Config(), option)
    assert str(caught.value) == expected


def test_every_key_has_words_for_what_it_takes() -> None:
    assert {key.partition(".")[0] for key in KEYS} == {field.name for field in msgspec.structs.fields(Config)}
    for key, kind in KEYS.items():
        assert expectation(kind), key


@pytest.mark.parametrize(
    ("section", "error"),
    [
        (
            "merge:\n  groups: [hall]",
            "site.yaml line 2: merge.groups is a list; expected a mapping of names, each to a list, each text",
        ),
        (
            "merge:\n  groups:\n    hall: cam_a",
            "site.yaml line 3: merge.groups.hall is cam_a; expected a list, each text",
        ),
        (
            "merge:\n  groups: {hall: [cam_a]}",
            "site.yaml line 2: merge.groups is a mapping; expected two or more different sources in 'hall'",
        ),
        (
            "merge:\n  groups: {hall: [a, b], yard: [b, c]}",
            "site.yaml line 2: merge.groups is a mapping; expected each source once; 'b' is in 'hall' too",
        ),
        (
            "merge:\n  groups: {a: [a, b]}",
            "site.yaml line 2: merge.groups is a mapping; expected names of groups that no source has, unlike 'a'",
        ),
        (
            "merge:\n  groups: {hall: [a, 'b c']}",
            "site.yaml line 2: merge.groups is a mapping; expected names of 1 to 64 characters A-Z a-z 0-9 _ -, "
            "unlike 'b c'",
        ),
        (
            "merge:\n  groups: {hall: [a, b]}\n  offset_s: {c: 1}",
            "site.yaml line 3: merge.offset_s is a mapping; expected sources of merge.groups, unlike 'c'",
        ),
        (
            "merge:\n  groups: {hall: [a, b]}\n  offset_s: {b: .inf}",
            "site.yaml line 3: merge.offset_s is a mapping; expected a finite number for 'b'",
        ),
        (
            "merge:\n  groups: {hall: [a, b]}\nwire:\n  max_sources: 2",
            "site.yaml line 2: merge.groups is a mapping; expected at most wire.max_sources, which is 2, groups and "
            "sources in all",
        ),
    ],
)
def test_groups_are_checked(tmp_path: Path, section: str, error: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(section)
    with pytest.raises(ConfigError) as e:
        load_config(path)
    assert str(e.value) == f"{tmp_path}/{error}"


def test_groups_can_be_set_for_one_run() -> None:
    config = set_option(Config(), "merge.groups={hall: [a, b]}", "merge.offset_s={b: -0.5}")
    assert (config.merge.groups, config.merge.offset_s) == ({"hall": ["a", "b"]}, {"b": -0.5})


RULE = "{part: unusual, over_s: 0.4, raise_at: 2.5}"
OF_A_RULE = (
    "a mapping of part (one of score, relation, unusual, timing), over_s (a number from 0 to 60), "
    "raise_at (a number > 0 <= 1000)"
)


def test_rules_can_be_set_for_one_run_and_in_a_file() -> None:
    rules = (CalibratedRule(part=ScorePart.UNUSUAL, over_s=0.4, raise_at=2.5),)
    assert Config().alarm.rules is None
    assert set_option(Config(), f"alarm.rules=[{RULE}]").alarm.rules == rules
    assert parse_config(f"alarm:\n  rules: [{RULE}]\n", "config.yaml").alarm.rules == rules
    assert parse_config(f"alarm:\n  rules:\n    - {RULE}\n    - {RULE}\n", "config.yaml").alarm.rules == rules * 2
    assert set_option(Config(), "alarm.rules=[]").alarm.rules == ()
    assert set_option(set_option(Config(), f"alarm.rules=[{RULE}]"), "alarm.rules=null").alarm.rules is None
    assert set_option(set_option(Config(), f"alarm.rules=[{RULE}]"), "alarm.hold_s=3").alarm.rules == rules


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("3", f"alarm.rules is 3; expected a list, each {OF_A_RULE} or null"),
        ("[3]", f"alarm.rules[0] is 3; expected {OF_A_RULE}"),
        (
            "[{part: odd, over_s: 0.4, raise_at: 2.5}]",
            "alarm.rules[0].part is odd; expected one of score, relation, unusual, timing",
        ),
        (
            f"[{RULE}, {{part: score, over_s: 90, raise_at: 2.5}}]",
            "alarm.rules[1].over_s is 90; expected a number from 0 to 60",
        ),
        (
            "[{part: score, over_s: 1, raise_at: 0}]",
            "alarm.rules[0].raise_at is 0; expected a number > 0 <= 1000",
        ),
        (
            "[{part: score, over_s: 1, raise_at: .inf}]",
            "alarm.rules[0].raise_at is inf; expected a number > 0 <= 1000",
        ),
        (
            "[{part: score, raise_at: 2}]",
            f'alarm.rules[0] is {{"part":"score","raise_at":2}}; expected {OF_A_RULE}',
        ),
        (
            "[{part: score, over_s: 0, raise_at: 2, hold_s: 1}]",
            f'alarm.rules[0] is {{"part":"score","over_s":0,"raise_at":2,"hold_s":1}}; expected {OF_A_RULE}',
        ),
    ],
)
def test_a_wrong_rule_is_named_with_its_value(written: str, error: str) -> None:
    with pytest.raises(ConfigError) as caught:
        set_option(Config(), f"alarm.rules={written}")
    assert str(caught.value) == f"option 'alarm.rules={written}': {error}"
    assert error_of(f"alarm:\n  rules: {written}\n") == f"config.yaml line 2: {error}"


@pytest.mark.parametrize(
    ("target", "error"),
    [
        ("3", "line 3: delivery.to.a is 3; expected a mapping of keys, kind among them"),
        (
            "{host: x}",
            "line 3: delivery.to.a has no kind; expected kind: one of apprise, command, mqtt, push, webhook",
        ),
        ("{kind: fax}", "line 3: delivery.to.a.kind is fax; expected one of apprise, command, mqtt, push, webhook"),
        (
            "\n      kind: mqtt\n      port: 99999",
            "line 5: delivery.to.a.port is 99999; expected a whole number from 1 to 65535",
        ),
        (
            "\n      kind: mqtt\n      prot: 1883",
            "line 5: delivery.to.a.prot is not a key of kind mqtt; did you mean 'port'?",
        ),
        ("{kind: webhook}", "line 3: delivery.to.a has no url; expected url: text"),
        ("{kind: webhook, url: x}", "line 3: delivery.to.a.url is x; expected an address like https://host/path"),
        (
            "{kind: webhook, url: 'http://x', secret_file: a, secret_env: b}",
            "line 3: delivery.to.a.secret_env is b; expected only one of secret_file, secret_env",
        ),
        ("{kind: apprise}", "line 3: delivery.to.a.url is '' by default; expected one of url, url_file, url_env"),
        (
            "{kind: command, command: []}",
            "line 3: delivery.to.a.command is a list; expected a program and its arguments, such as "
            "[/usr/local/bin/page, --loud]",
        ),
        (
            "{kind: mqtt, hours: [7-9]}",
            "line 3: delivery.to.a.hours is a list; expected hours such as 21:00-07:00, sat,sun 00:00-24:00 or mon-fri "
            "08:00-18:30, unlike '7-9'",
        ),
        (
            "{kind: mqtt, least: grave}",
            "line 3: delivery.to.a.least is grave; expected one of notice, alarm, critical",
        ),
        (
            "{kind: mqtt, title: '{people}'}",
            "line 3: delivery.to.a.title is '{people}'; expected text with no other fields than {place}, {source}, "
            "{severity}, {what}, {since}, {until}, {who}, {detail}, {explanation}, {id}, {key}, {title}, {text}",
        ),
        (
            "{kind: mqtt, password_file: p}",
            "line 3: delivery.to.a.user is '' by default; expected a name, since a password is given",
        ),
        (
            "{kind: mqtt, ca_file: p}",
            "line 3: delivery.to.a.tls is False by default; expected true, since ca_file is given",
        ),
        ("{kind: mqtt, node: a/b}", "line 3: delivery.to.a.node is a/b; expected 1 to 64 characters A-Z a-z 0-9 _ -"),
    ],
)
def test_errors_of_targets_name_line_key_value_and_expectation(target: str, error: str) -> None:
    assert error_of(f"delivery:\n  to:\n    a: {target}\n") == f"config.yaml {error}"


def test_errors_of_the_rest_of_deliveries() -> None:
    assert error_of("delivery:\n  to:\n    a b: {kind: mqtt}\n") == (
        "config.yaml line 3: delivery.to is a mapping; expected names of 1 to 64 characters A-Z a-z 0-9 _ -, "
        "unlike 'a b'"
    )
    assert error_of("delivery:\n  to: [a]\n") == (
        "config.yaml line 2: delivery.to is a list; expected a mapping of names, each to a mapping of keys"
    )
    assert error_of("metrics:\n  bind: 0.0.0.0:9108\n") == (
        "config.yaml line 2: metrics.bind is 0.0.0.0:9108; expected an address of this machine alone, like "
        "127.0.0.1:9108, or '' for none"
    )
    with pytest.raises(ConfigError) as caught:
        set_option(Config(), "delivery.to={a: {kind: mqtt, hours: [7-9]}}")
    assert str(caught.value).startswith("option 'delivery.to={a: {kind: mqtt, hours: [7-9]}}': delivery.to.a.hours is ")
    config = set_option(Config(), "delivery.to={a: {kind: mqtt, host: broker}}", "delivery.most_waiting=5")
    assert config.delivery.to["a"] == MqttOptions(host="broker")
    assert set_option(config, "alarm.hold_s=3").delivery == config.delivery
