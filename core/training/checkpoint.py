"""Where the training of an encoder stands, kept in a file, so that a stopped run goes on instead of starting over."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from dyadwatch.core.files.atomic import written_atomically
from dyadwatch.core.files.npz import read_npz
from dyadwatch.core.training.options import TrainOptions
from dyadwatch.core.training.training_data import CleanRecording

_FORMAT = 1


def identity(recordings: Sequence[CleanRecording], options: TrainOptions) -> str:
    """What a run depends on: another one's checkpoint is not gone on from."""
    told = {k: v for k, v in asdict(options).items() if k != "max_minutes"}
    digest = hashlib.sha256(json.dumps([_FORMAT, torch.__version__, told], sort_keys=True).encode())
    for recording in recordings:
        digest.update(f"{recording.unit} {recording.joints.shape}".encode())
        digest.update(np.ascontiguousarray(recording.joints).tobytes())
    return digest.hexdigest()


@dataclass
class EncoderProgress:
    """Everything that changes from step to step.

    Arguments:
        network, optimiser, rates: as they train; the optimiser has one group of parameters and keeps Adam's moments.
        rng, generator: sources of randomness.
        step: steps taken.
        metadata: plain values that go with it, such as the losses so far.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    rates: torch.optim.lr_scheduler.LRScheduler
    rng: np.random.Generator
    generator: torch.Generator
    step: int = 0
    metadata: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds a `EncoderProgress`; no pickle.

    Arguments:
        path: of the file.
        run: what the run depends on, see `identity`.
    """

    path: Path
    run: str

    def save(self, standing: EncoderProgress) -> None:
        """Writes where training stands; a file that was there is replaced whole.

        Raises:
            OSError: when it cannot be written.
        """
        group = standing.optimiser.param_groups[0]
        document = {
            "run": self.run,
            "step": standing.step,
            "metadata": standing.metadata,
            "rng": standing.rng.bit_generator.state,
            "lr": group["lr"],
            "betas": group["betas"],
        }
        arrays: dict[str, NDArray[Any]] = {"document": np.frombuffer(json.dumps(document).encode(), np.uint8)}
        arrays["generator"] = standing.generator.get_state().numpy()
        arrays |= {f"network.{k}": v.numpy() for k, v in standing.network.state_dict().items()}
        for i, parameter in enumerate(group["params"]):
            arrays |= {f"moment.{i}.{k}": v.numpy() for k, v in standing.optimiser.state[parameter].items()}
        content = io.BytesIO()
        np.savez(content, **arrays)  # pyright: ignore[reportArgumentType]
        with written_atomically(self.path) as partial:
            partial.write_bytes(content.getvalue())

    def restore(self, standing: EncoderProgress) -> bool:
        """Brings `standing` to where the file stands; False, and nothing changed, where there is none that fits.

        A damaged file, or that of another run, is no file: training begins anew.
        """
        found = self._read()
        if found is None:
            return False
        document, arrays = found
        # the run's identity fits, so the sizes do
        standing.network.load_state_dict({
            k.removeprefix("network."): torch.from_numpy(v) for k, v in arrays.items() if k.startswith("network.")
        })  # fmt: skip
        group = standing.optimiser.param_groups[0]
        for i, parameter in enumerate(group["params"]):
            prefix = f"moment.{i}."
            standing.optimiser.state[parameter] = {
                k.removeprefix(prefix): torch.from_numpy(v) for k, v in arrays.items() if k.startswith(prefix)
            }
        group["lr"], group["betas"] = document["lr"], tuple(document["betas"])
        standing.rates.last_epoch = document["step"]
        standing.rng.bit_generator.state = document["rng"]
        standing.generator.set_state(torch.from_numpy(arrays["generator"]))
        standing.step, standing.metadata = document["step"], document["metadata"]
        return True

    def used_s(self) -> float:
        """Seconds that the run in the file had used; 0 where there is none that fits."""
        found = self._read()
        return 0.0 if found is None else float(found[0]["metadata"].get("used_s", 0.0))

    def _read(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
        """Document and arrays of the file; None where it is not one of this run."""
        try:
            arrays = read_npz(self.path)
            document = json.loads(arrays["document"].tobytes())
            fits = document["run"] == self.run
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (document, arrays) if fits else None

    def remove(self) -> None:
        """Takes the file away: the run has ended."""
        self.path.unlink(missing_ok=True)
