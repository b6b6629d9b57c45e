"""The program `dyadwatch`: mounts the verbs, each imported only when it is called."""

from __future__ import annotations

import logging
import sys
from importlib.metadata import version

from cyclopts import App

from dyadwatch.core.errors import DyadwatchError
from dyadwatch.tools.log_output import StderrHandler

app = App(
    name="dyadwatch",
    help="Watches how two people interact, live, from 3D pose alone.",
    version=lambda: version("dyadwatch"),
)
_VERBS = {
    "run": "Run the detector: poses in over ZeroMQ, scores and alarms out.",
    "up": "Run the detector with recorder, memory and page: all that people need.",
    "page": "Serve the page beside a detector that runs; make links and tokens for it.",
    "deploy": "Print a systemd unit or a compose file that runs it for good.",
    "publish": "Publish cameras, pose files, live protocols or simulated people to a running detector.",
    "detect": "Find events in pose files, offline, as fast as the machine goes.",
    "check": "Say what a source or a file looks like, and what to change about it.",
    "record": "Record what publishers send, without a model.",
    "replay": "Publish a recording again, as it came.",
    "recordings": "Look into recordings, cut, merge and export them.",
    "events": "List, show, export, acknowledge and judge the incidents that a detector kept.",
    "notify": "List the targets that incidents and calls are delivered to, and try one.",
    "view": "Look at a recording or pose file: a page to turn, a picture or a film.",
    "demo": "Show the whole thing at work on simulated people.",
    "keys": "Make and revoke the keys that let publishers and subscribers in.",
    "train": "Learn what is normal from clips and write a model.",
    "enrol": "Make a model of a new normal from 1 to 20 clips, without training.",
    "calibrate": "Find a site's own thresholds from its normal hours, within a budget of false events.",
    "what-if": "Decide a recorded day again with other thresholds.",
    "export": "Write a model file again from a training state, with a fresh parity check.",
    "evaluate": "Measure how well interactions are distinguished, with baselines in the same table.",
    "learn": "Learn a site while it is recorded: what is heard, proposed and used.",
    "models": "List and use versions of a site's model; fetch the pose model that cameras need.",
    "calibrate-camera": "Make a camera file: lens, place above the floor, scale.",
    "bench": "Measure what each station costs, throughput and latency.",
    "doctor": "Check what is installed and whether it truly runs.",
    "docs": "Print the documentation that comes with the program.",
    "config": "Look at a configuration, check it, and change keys of a file.",
    "schema": "Print the JSON Schema of the messages of the detector.",
    "completion": "Print a script that completes commands in bash, zsh or fish.",
}
_WITH_VERBS = ("publish", "recordings", "events", "notify", "keys", "models", "learn", "bench", "page", "config")
for _verb, _help in _VERBS.items():
    _module = _verb.replace("-", "_")
    _attribute = "app" if _verb in _WITH_VERBS else _module
    app.command(f"dyadwatch.tools.{_module}:{_attribute}", name=_verb, help=_help)


def main() -> None:
    """Runs the command line; an expected error is one sentence on standard error and exit code 2."""
    logging.basicConfig(format="%(levelname)s %(message)s", handlers=[StderrHandler()])
    logging.getLogger("dyadwatch").setLevel(logging.INFO)
    try:
        app(sys.argv[1:])
    except DyadwatchError as e:
        sys.stderr.write(f"dyadwatch: {e}\n")
        sys.exit(2)
    except BrokenPipeError:  # the reader of our output has left, as in `dyadwatch detect ... | head`
        sys.stderr.close()
        sys.exit(1)


if __name__ == "__main__":
    main()
