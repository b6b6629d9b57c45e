"""`dyadwatch notify`: where incidents and calls are delivered, and whether they arrive there."""

from __future__ import annotations

import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from msgspec import structs
from rich.console import Console
from rich.markup import escape

from dyadwatch.core.errors import ConfigError, DeliveryError
from dyadwatch.core.iso_time import moment
from dyadwatch.core.words import counted
from dyadwatch.loading import configure
from dyadwatch.stream.codes import AttentionKind, DeliveryLoss, Severity
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.delivery_options import (
    AppriseOptions,
    CommandOptions,
    MqttOptions,
    PushOptions,
    Target,
    WebhookOptions,
)
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.carriers import make_carrier
from dyadwatch.stream.delivery.parcel import Parcel
from dyadwatch.stream.delivery.spool_file import SpoolFile
from dyadwatch.stream.delivery.start import spool_path
from dyadwatch.stream.messages import AttentionMessage
from dyadwatch.stream.push.push_place import device_file_path
from dyadwatch.stream.recordings.header import program
from dyadwatch.tools.sample_pose import sample_pose

app = App(name="notify", help="List the targets that incidents and calls are delivered to, and try one.")
_Config = Annotated[Path | None, Parameter(help="Configuration file of the detector.")]
_Set = Annotated[tuple[str, ...], Parameter(name="--set", negative=(), help="One configuration key, as for run.")]


@app.command(name="list")
def list_(*, config: _Config = None, set_: _Set = ()) -> None:
    """Say what is delivered where, and what waits."""
    settings = configure(config, set_, None)
    console = Console(highlight=False)
    if not settings.delivery.to:
        console.print("nothing is delivered; name targets in delivery.to of the configuration")
        return
    for name, target in settings.delivery.to.items():
        console.print(f"{name}: {escape(_about(target))}", soft_wrap=True)
        console.print(f"    {escape(_waits(settings, name))}", style="dim", soft_wrap=True)


@app.command(name="test")
def try_(name: str, /, *, config: _Config = None, set_: _Set = ()) -> None:
    """Deliver one message to a target now, and say whether it arrived.

    It goes past the spool, the filters and a running detector, says that it is a test, and is about no source. A
    picture of simulated people goes with it, where the target has pictures.

    Parameters
    ----------
    name
        Of the target, in delivery.to of the configuration.
    """
    settings = configure(config, set_, None)
    target = settings.delivery.to.get(name)
    if target is None:
        known = ", ".join(settings.delivery.to) or "none; name targets in delivery.to of the configuration"
        raise ConfigError(f"there is no target {name!r:.80}; expected one of: {known}")
    now = time.time_ns()
    message = AttentionMessage(
        what=AttentionKind.DIGEST, source="@detector", at=now, severity=Severity.NOTICE, held_back=0,
        text="a test", explanation="a test of dyadwatch: nothing has happened",
    )  # fmt: skip
    parcel = Parcel(key=f"test-{now // 1_000_000}", number=1, at=now, message=message, test=True)
    if target.picture:
        parcel = structs.replace(parcel, pose=sample_pose())
    around = Surroundings(
        lambda action: None, settings.liveness.forget_s, program(), device_file_path(settings), announce=False
    )
    carrier = make_carrier(name, target, settings.delivery.names, around, lambda: None)
    began = time.monotonic()
    try:
        carrier.send(parcel)
    except DeliveryError as e:
        sys.stderr.write(f"{name}: not delivered: {e}\n")
        sys.exit(1)
    finally:
        carrier.close()
    sys.stderr.write(f"{name}: delivered in {time.monotonic() - began:.1f} s\n")


@app.command
def dashboard() -> None:
    """Print the Grafana dashboard, a JSON file to import."""
    sys.stdout.write(files("dyadwatch.stream.delivery").joinpath("grafana.json").read_text("utf8"))


def _about(target: Target) -> str:
    """Kind, where to, and what of it; no secret."""
    match target:
        case MqttOptions():
            where = f"mqtt {target.host}:{target.port}, node {target.node}, discovery {target.discovery}"
        case WebhookOptions():
            signed = "signed" if target.secret_file or target.secret_env else "not signed"
            where = f"webhook {target.url}, {signed}"
        case AppriseOptions():
            named = "an address of the configuration" if target.url else target.url_file or f"${target.url_env}"
            where = f"apprise, by {named}"
        case CommandOptions():
            where = f"command {' '.join(target.command)}"
        case PushOptions():
            where = f"push, to devices of the page, by {', '.join(target.services)}"
    words = [where, {"both": "incidents and calls"}.get(target.send, target.send)]
    if target.picture:
        words.append("with a picture")
    if target.sources:
        words.append(f"of {', '.join(target.sources)}")
    if target.least is not Severity.NOTICE:
        words.append(f"from {target.least} on")
    if target.hours:
        words.append(f"in {'; '.join(target.hours)}")
    return "; ".join(words)


def _waits(settings: Config, name: str) -> str:
    path = spool_path(settings)
    if not path.exists():
        return "nothing was delivered yet"
    with SpoolFile(path, write=False) as spool:
        (waiting, since), totals = spool.waiting(name), spool.totals(name)
    words = [f"{totals['delivered']} delivered"]
    words.append(
        f"{counted(waiting, 'update')} wait{'s' * (waiting == 1)}" + (f" since {moment(since)}" if since else "")
    )
    words += [f"{totals[loss]} left out ({loss})" for loss in DeliveryLoss if totals[loss]]
    return ", ".join(words)
