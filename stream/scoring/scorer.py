"""Scores batches of windows with ONNX Runtime, on the provider that was asked for and no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import ArtefactError, ProviderError, ScoreError
from dyadwatch.core.explanation.explainer import Explainer
from dyadwatch.core.extras import install_command
from dyadwatch.core.model_file.artefact import ArtefactInfo, read_info
from dyadwatch.core.model_file.onnx_runtime import OnnxSession, engine_errors, onnxruntime, outputs_of
from dyadwatch.stream.codes import Fault
from dyadwatch.stream.configuration.config import ScorerOptions
from dyadwatch.stream.items import WindowShape
from dyadwatch.stream.names import PROVIDERS
from dyadwatch.stream.scoring.model_signature import check_signature

# TF32 would cost every matrix product thirteen bits that the parity check was made with.
_EXACT = {"cuda": {"use_tf32": "0"}}
_MAX_SAID = 300  # characters of what the engine says; some of its errors hold whole graphs


@dataclass(frozen=True, slots=True)
class Score:
    """What the model says of one window.

    Arguments:
        score, relation, unusual: surprise, -log10 of the tail probability of normal windows.
        joint_pairs: contributions >= 0, shape (J, J), rows are the first person's joints.
        shift: metres, shape (J, J), mean distance minus that of the most similar normal window.
        timing: surprise, likewise; 0 of a model that does not judge it.
    """

    score: float
    relation: float
    unusual: float
    joint_pairs: NDArray[np.float32]
    shift: NDArray[np.float32]
    timing: float = 0.0

    @property
    def parts(self) -> tuple[float, ...]:
        """What rules look at, in the order of `core.decision.rules.COLUMN`."""
        return self.score, self.relation, self.unusual, self.timing


class Scorer:
    """A loaded model.

    Arguments:
        path: the .onnx artefact.
        options: the section `scorer` of the configuration.

    Attributes:
        explainer: says which limb makes a window odd; None where the model holds no support set.

    Raises:
        ArtefactError: the file is missing, damaged or not ours, or its graph is not what its description says.
        MissingExtraError: no ONNX Runtime is installed.
        ProviderError: the provider asked for does not run here.
    """

    def __init__(self, path: Path, options: ScorerOptions) -> None:
        self.path = path
        self.info: ArtefactInfo = read_info(path)
        self._max_batch = options.max_batch
        ort = onnxruntime()
        wanted = PROVIDERS[options.provider]
        if wanted not in ort.get_available_providers():
            raise ProviderError(
                f"scorer.provider is {options.provider!r}; this ONNX Runtime has only "
                f"{', '.join(ort.get_available_providers())}; first pip uninstall -y onnxruntime, then "
                f"{install_command('gpu')}"
            )
        session_options = ort.SessionOptions()
        session_options.intra_op_num_threads = options.threads
        session_options.inter_op_num_threads = 1
        session_options.log_severity_level = 3
        # Threads that spin between batches would take the cores that receive the next frames; those that sleep between
        # the operations of one batch cost a fifth of the throughput. Measured: 20 microseconds gain nearly all of that.
        session_options.add_session_config_entry("session.intra_op.spin_duration_us", "20")
        session_options.add_session_config_entry("session.force_spinning_stop", "1")
        self._engine_errors = engine_errors()
        try:
            self._session: OnnxSession = ort.InferenceSession(
                str(path), session_options, providers=[(wanted, _EXACT.get(options.provider, {}))]
            )
        except self._engine_errors as e:
            raise ArtefactError(f"{path}: ONNX Runtime {ort.__version__} cannot load it: {e}") from None
        self._run_options = ort.RunOptions()
        self._cancelled = False
        self.provider = self._session.get_providers()[0]
        if self.provider != wanted:
            raise ProviderError(
                f"scorer.provider is {options.provider!r}, but ONNX Runtime fell back to {self.provider}; "
                "run 'dyadwatch doctor' to see which libraries are missing"
            )
        check_signature(str(path), self.info, self._session.get_inputs(), self._session.get_outputs())
        self._outputs = outputs_of(self._session)
        self.explainer = Explainer.of_model(path.read_bytes(), self.info, f"model {path}")

    @property
    def shape(self) -> WindowShape:
        """The windows the model wants."""
        return WindowShape(self.info.skeleton, self.info.frames, self.info.fps, self.info.lead)

    def score(self, windows: Sequence[NDArray[np.float32]]) -> list[Score]:
        """Scores windows of shape (2, T, J, 3) in batches of at most `max_batch`.

        A window whose joint pairs hold something that is no number gets a score of NaN.

        Raises:
            ScoreError: the engine failed, its outputs are not as described, or `cancel` was called.
        """
        out: list[Score] = []
        for at in range(0, len(windows), self._max_batch):
            batch = np.stack(windows[at : at + self._max_batch])
            said = self._run(batch)
            score, pairs, shift = said["score"], said["joint_pairs"], said["shift"]
            timing = said.get("timing", np.zeros_like(score))
            usable = np.isfinite(pairs).all(axis=(1, 2)) & np.isfinite(shift).all(axis=(1, 2))
            score = np.where(usable, score, np.float32(np.nan))
            out += [
                Score(
                    _round(score[i]),
                    _round(said["relation"][i]),
                    _round(said["unusual"][i]),
                    pairs[i],
                    shift[i],
                    _round(timing[i]),
                )
                for i in range(len(batch))
            ]
        return out

    def cancel(self) -> None:
        """Ends the batch being scored, from any thread, and all further ones; for the end of the service.

        The engine looks between two operations of the graph, and between two rounds of a loop in it.
        """
        self._cancelled = True
        self._run_options.terminate = True

    def _run(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        if self._cancelled:
            raise ScoreError(Fault.SCORE_CANCELLED, f"{self.path}: scoring was cancelled")
        try:
            outputs = [np.asarray(o) for o in self._session.run(self._outputs, {"joints": batch}, self._run_options)]
        except self._engine_errors as e:
            if self._cancelled:
                raise ScoreError(Fault.SCORE_CANCELLED, f"{self.path}: scoring was cancelled") from None
            raise ScoreError(
                Fault.SCORE_FAILED, f"{self.path}: ONNX Runtime failed on {len(batch)} windows: {e!s:.{_MAX_SAID}}"
            ) from None
        joints = len(self.info.joints)
        said = dict(zip(self._outputs, outputs, strict=True))
        for name, output in said.items():
            expected = (len(batch), joints, joints) if name in ("joint_pairs", "shift") else (len(batch),)
            if output.shape != expected or output.dtype != np.float32:
                raise ScoreError(
                    Fault.SCORE_INVALID,
                    f"{self.path}: output {name!r} has shape {output.shape} of {output.dtype} for {len(batch)} "
                    f"windows; expected {expected} of float32",
                )
        return said


def _round(value: np.float32) -> float:
    return round(float(value), 4)
