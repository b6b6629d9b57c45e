"""What a detector delivers with, from its configuration."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from dyadwatch.core.errors import ConfigError, MemoryFileError, MissingExtraError
from dyadwatch.stream.configuration.config import Config
from dyadwatch.stream.configuration.delivery_check import host_and_port
from dyadwatch.stream.configuration.delivery_options import MetricsOptions
from dyadwatch.stream.configuration.output_options import FoxgloveOptions
from dyadwatch.stream.delivery.carrier import Surroundings
from dyadwatch.stream.delivery.carriers import EXTRA
from dyadwatch.stream.delivery.inside import Inside
from dyadwatch.stream.delivery.peak_poses import PeakPoses
from dyadwatch.stream.delivery.sink import DeliverySink
from dyadwatch.stream.delivery.spool import Spool
from dyadwatch.stream.delivery.spool_file import SpoolFile
from dyadwatch.stream.memory.kept import Action
from dyadwatch.stream.memory.memory_place import memory_file
from dyadwatch.stream.memory.store import Store
from dyadwatch.stream.people_socket import PeopleQueue
from dyadwatch.stream.push.push_place import device_file_path
from dyadwatch.stream.recordings.header import program
from dyadwatch.stream.sinks.sink_thread import Sink
from dyadwatch.stream.sockets.exposure import is_local_host

_log = logging.getLogger(__name__)
NAME = "delivery.db"


def spool_path(config: Config) -> Path:
    """The file of `delivery.file`, or the one beside the memory.

    Raises:
        ConfigError: neither is named.
    """
    if config.delivery.file:
        return Path(config.delivery.file)
    memory = memory_file(config)
    if memory is None:
        raise ConfigError(
            "delivery.file is empty, and no incidents are kept beside which it could lie; expected a file such as "
            "delivery.db, or memory.file"
        )
    return memory.with_name(NAME)


def open_delivery(
    config: Config, act: Callable[[Action], None], peaks: PeakPoses | None = None, *, kept: bool
) -> DeliverySink | None:
    """What delivers; None where nothing is to be delivered.

    Arguments:
        config: the whole configuration.
        act: takes what people do, where no memory does.
        peaks: the poses of events, for pictures of them.
        kept: whether incidents are kept.

    Raises:
        ConfigError: a secret cannot be read, or no file for the spool is named.
        DeliveryError: the spool, or the file of devices, cannot be used.
        MissingExtraError: a library is not installed.
    """
    if not config.delivery.to:
        return None
    memory = memory_file(config) if kept else None
    around = Surroundings(Acting(memory, act), config.liveness.forget_s, program(), device_file_path(config))
    spool = Spool(SpoolFile(spool_path(config)), config.delivery)
    try:
        return DeliverySink(config.delivery, spool, around, peaks)
    except BaseException:
        spool.close()
        raise


def open_metrics(options: MetricsOptions, inside: Inside) -> Sink:
    """What Prometheus reads.

    Arguments:
        options: the section `metrics` of the configuration, with an address.
        inside: what there is to know beside the messages.

    Raises:
        ConfigError: the address cannot be bound.
        MissingExtraError: the library is not installed.
    """
    try:
        from dyadwatch.stream.delivery.metrics import MetricsSink
    except ModuleNotFoundError as e:
        raise MissingExtraError.of(e, EXTRA) from None
    return MetricsSink(options, inside)


def open_foxglove(options: FoxgloveOptions, people: PeopleQueue) -> Sink:
    """What Foxglove connects to.

    Arguments:
        options: the section `foxglove` of the configuration, with an address.
        people: where the thread that receives puts who is where.

    Raises:
        ConfigError: the address cannot be bound, or other machines can reach it and that is not wished for.
        MissingExtraError: the library is not installed.
    """
    if not options.insecure and not is_local_host(host_and_port(options.bind)[0]):
        raise ConfigError(
            f"foxglove.bind is {options.bind!r}, which other machines can reach; expected a loopback address such as "
            "127.0.0.1:8765, or foxglove.insecure: true to let others see skeletons"
        )
    try:
        from dyadwatch.stream.delivery.foxglove_sink import FoxgloveSink
    except ModuleNotFoundError as e:
        raise MissingExtraError.of(e, "foxglove") from None
    return FoxgloveSink(options, people)


class Acting:
    """Takes what people do over a target: into the memory, from which a detector has it at once, as any other action.

    Arguments:
        memory: file of incidents; None where none are kept.
        act: takes it where the memory does not.
    """

    def __init__(self, memory: Path | None, act: Callable[[Action], None]) -> None:
        self._memory = memory
        self._act = act

    def __call__(self, action: Action) -> None:
        """From any thread."""
        if self._memory is not None:
            try:
                with Store(self._memory) as store:
                    store.act(action)
            except MemoryFileError as e:
                _log.warning("%s by %s is not kept: %s", action.kind, action.who, e)
            else:
                return
        self._act(action)
