"""Looking at a configuration, checking it, and changing keys of a file."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from dyadwatch.core.errors import ConfigError
from dyadwatch.core.files import plain_yaml
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.config_edit import is_blank, with_options, with_settings
from dyadwatch.stream.configuration.config_file import load_config, parse_config, set_option
from dyadwatch.stream.configuration.config_template import default_text
from dyadwatch.tools.config import check, schema, set_keys, show

SITE = """\
# Hall and yard.
alarm:
  # calm people
  hold_s: 3   # seconds
incidents: {linger_s: 4}

liveness:
  expected: [hall]
"""


def test_keys_are_changed_in_their_places_and_all_else_stays() -> None:
    options = ("alarm.hold_s=4.5", "alarm.shadow=true", "incidents.near_m=0.5", "liveness.expected=[hall, yard]",
               "attention.cooldown_s=30", "zones={hall: []}")  # fmt: skip
    assert (
        with_options(SITE, "site.yaml", *options)
        == """\
# Hall and yard.
alarm:
  # calm people
  shadow: true
  hold_s: 4.5   # seconds
incidents: {near_m: 0.5, linger_s: 4}

liveness:
  expected: ["hall","yard"]
attention:
  cooldown_s: 30.0
zones: {"hall":[]}
"""
    )


@pytest.mark.parametrize("text", ["", SITE, default_text(), "alarm: {}\n", "alarm:\n    hold_s:   1", "\n# nothing\n"])
def test_what_was_set_is_what_is_read(text: str) -> None:
    options = (
        "alarm.rules=[{part: unusual, over_s: 0.4, raise_at: 2.5}]",
        "alarm.raise_at=",
        "scorer.model=a b.onnx",
        "schedules={'*': [{name: night, start: 22:00, end: 6:00, factor: 2}]}",
        "record.folder=kept",
    )
    before = Config() if is_blank(text) else parse_config(text, "x")
    made = with_options(text, "x", *options)
    assert parse_config(made, "x") == set_option(before, *options)
    assert with_options(made, "x", *options) == made
    for line in text.splitlines():
        assert line.partition("#")[2] in made


@pytest.mark.parametrize(
    ("text", "option", "said"),
    [
        (SITE, "alarm.hold=3", "option 'alarm.hold=3': alarm.hold is not a key; did you mean 'alarm.hold_s'?"),
        (SITE, "alarm.hold_s=-3", "option 'alarm.hold_s=-3': alarm.hold_s is -3; expected a number >= 0"),
        ("alarm: {hold: 3}", "alarm.hold_s=3", "site.yaml line 1: alarm.hold is not a key; did you mean "
         "'alarm.hold_s'?"),
        ("pairs: {enter_m: 3.5}", "pairs.leave_m=3.2", "site.yaml line 1: pairs.leave_m is 3.2; expected more than "
         "pairs.enter_m, which is 3.5"),
        ("zones:\n  hall:  # the mat\n    - {name: a, corners: [[0, 0], [1, 0], [1, 1]], factor: 2}\n", "zones={}",
         "site.yaml line 2: zones has remarks on its lines; change it there by hand"),
    ],
)  # fmt: skip
def test_what_would_not_be_sound_is_not_written(text: str, option: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        with_options(text, "site.yaml", option)
    assert str(raised.value) == said


def test_what_only_fits_together_is_set_together() -> None:
    made = with_options("", "site.yaml", "pairs.enter_m=5", "pairs.leave_m=6")
    assert parse_config(made, "site.yaml") == set_option(Config(), "pairs.enter_m=5", "pairs.leave_m=6")


def test_a_value_on_several_lines_is_put_on_one_and_remarks_around_it_stay() -> None:
    text = (
        "liveness:\n  expected:\n  - hall\n  - yard\n\n# of the mat\nzones:\n  hall:\n    - name: mat\n"
        "      corners: [[0, 0], [1, 0], [1, 1]]\n      factor: 2\n\n# the end\nalarm: {}\n"
    )
    made = with_settings(text, "site.yaml", {"liveness.expected": ["hall"], "zones": {}})
    assert made == 'liveness:\n  expected: ["hall"]\n\n# of the mat\nzones: {}\n\n# the end\nalarm: {}\n'


def test_set_says_what_takes_effect_when(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.yaml"
    set_keys(file, "alarm.hold_s=3", "wire.max_people=4")
    assert capsys.readouterr().out == (f"{file}: alarm.hold_s from 2.0 to 3.0; only after a restart: wire.max_people\n")
    assert load_config(file) == set_option(Config(), "alarm.hold_s=3", "wire.max_people=4")
    before = file.read_text()
    with pytest.raises(ConfigError, match=r"alarm\.hold_s is -1; expected a number >= 0"):
        set_keys(file, "alarm.update_s=2", "alarm.hold_s=-1")
    assert file.read_text() == before
    with pytest.raises(ConfigError, match=r"^no key is given; expected one at least, such as alarm\.hold_s=3$"):
        set_keys(file)


def test_check_and_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    check(file)
    said = capsys.readouterr().out
    assert said.startswith(
        f"{file} is sound: 3 keys unlike the default (alarm.hold_s, incidents.linger_s, liveness.expected); alarm by "
    )
    show(file, changed=True, set_=("sinks.scores=false",))
    assert capsys.readouterr().out == (
        "alarm.hold_s: 3.0  # at once (SIGHUP)\nincidents.linger_s: 4.0  # at once (SIGHUP)\n"
        'liveness.expected: ["hall"]  # at once (SIGHUP)\nsinks.scores: false  # after a restart\n'
    )
    show()
    assert capsys.readouterr().out == default_text()
    show(file)
    assert parse_config(capsys.readouterr().out, "shown") == load_config(file)
    file.write_text("alarm: {hold: 1}")
    with pytest.raises(ConfigError, match=r"alarm\.hold is not a key"):
        check(file)


def test_the_schema_takes_what_is_read_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    schema()
    made = jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out))
    made.validate(plain_yaml.parse(default_text()).value)
    made.validate(plain_yaml.parse(SITE).value)
    assert not made.is_valid({"alarm": {"hold": 3}})
    assert not made.is_valid({"alarm": {"hold_s": -3}})
