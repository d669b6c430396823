"""The Python side of neurotop: record a running SNN benchmark for the dashboard."""

from .operations import NeuronOperations
from .recorder import Recorder, RecorderError, RecorderWarning, Recording, __version__, record

__all__ = [
    "NeuronOperations",
    "Recorder",
    "RecorderError",
    "RecorderWarning",
    "Recording",
    "__version__",
    "record",
]
