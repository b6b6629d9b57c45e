"""What an interaction is and how unusual it is: arrays in, arrays out; no socket, thread or wall clock."""

import os

# From 1.29 on ONNX Runtime reports its use to its maker, and keeps an identifier of the machine, unless it is told not
# to before it is loaded. Every other part of dyadwatch imports this one first.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
