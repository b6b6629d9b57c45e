"""Names that stations, sinks and tools share, beneath all of them."""

from __future__ import annotations

# Source name of what cannot be attributed to any source; '@' cannot occur in a real one.
DETECTOR = "@detector"

# `scorer.provider` of the configuration, and what ONNX Runtime calls it.
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
