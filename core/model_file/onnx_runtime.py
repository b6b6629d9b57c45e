"""ONNX Runtime as the rooms use it, found when it is asked for: this room imports no engine."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dyadwatch.core.errors import MissingExtraError
from dyadwatch.core.model_file.artefact import LATER, OUTPUTS


class Tensor(Protocol):
    """An input or output as ONNX Runtime describes it; a dimension is a number, or a name or None where it is free."""

    @property
    def name(self) -> str:
        """As the graph calls it."""
        ...

    @property
    def type(self) -> str:
        """Such as `tensor(float)`."""
        ...

    @property
    def shape(self) -> Sequence[int | str | None]:
        """Its dimensions."""
        ...


class OnnxSession(Protocol):
    """A loaded graph."""

    def get_inputs(self) -> Sequence[Tensor]:
        """What it takes."""
        ...

    def get_outputs(self) -> Sequence[Tensor]:
        """What it gives."""
        ...

    def get_providers(self) -> Sequence[str]:
        """What computes it, the first first."""
        ...

    def run(
        self, output_names: Sequence[str], input_feed: Mapping[str, NDArray[np.float32]], run_options: Any = None, /
    ) -> Sequence[NDArray[np.float32]]:
        """The outputs of that name."""
        ...


def outputs_of(session: OnnxSession) -> list[str]:
    """Those of `OUTPUTS` that the graph gives; older files lack some of `LATER`."""
    names = {output.name for output in session.get_outputs()}
    return [name for name in OUTPUTS if name in names or name not in LATER]


def onnxruntime(extra: str = "cpu") -> Any:
    """The engine's module.

    Arguments:
        extra: to name where it is not installed.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise MissingExtraError("onnxruntime", extra) from None


def engine_errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises for a graph, library or batch it cannot use; its errors have no base of their own.

    All that it defines, lest a new version's new error end the service; and what C++ exceptions become on their way.
    """
    state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, MemoryError, RuntimeError)
