"""Tells MediaPipe how the pixels of a TFLite network are normalised: the metadata it insists on."""

# pyright: standard
# MediaPipe and flatbuffers have no types.
from __future__ import annotations

from dyadwatch.core.errors import MissingExtraError


def with_normalization(network: bytes, mean: float, deviation: float) -> bytes:
    """The same network with metadata that say (pixel - mean) / deviation.

    Arguments:
        network: a TFLite flatbuffer.
        mean, deviation: of pixel values, 0..255.

    Raises:
        MissingExtraError: when MediaPipe, which brings the schema, is not installed.
    """
    try:
        import flatbuffers
        from mediapipe.tasks.metadata import metadata_schema_py_generated as meta
        from mediapipe.tasks.metadata import schema_py_generated as tflite
    except ImportError:
        raise MissingExtraError("mediapipe", "camera") from None

    unit = meta.ProcessUnitT()
    unit.optionsType = meta.ProcessUnitOptions.NormalizationOptions
    unit.options = meta.NormalizationOptionsT()
    unit.options.mean, unit.options.std = [mean], [deviation]
    tensor = meta.TensorMetadataT()
    tensor.name = "image"
    tensor.content = meta.ContentT()
    tensor.content.contentPropertiesType = meta.ContentProperties.ImageProperties
    tensor.content.contentProperties = meta.ImagePropertiesT()
    tensor.content.contentProperties.colorSpace = meta.ColorSpaceType.RGB
    tensor.processUnits = [unit]
    graph = meta.SubGraphMetadataT()
    graph.inputTensorMetadata = [tensor]
    about = meta.ModelMetadataT()
    about.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(about.Pack(builder), b"M001")

    model = tflite.ModelT.InitFromObj(tflite.Model.GetRootAs(network, 0))
    buffer = tflite.BufferT()
    buffer.data = list(builder.Output())
    model.buffers.append(buffer)
    entry = tflite.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
