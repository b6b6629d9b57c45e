"""The model file: sealed ONNX, read, rewritten and calibrated again without the onnx package."""
