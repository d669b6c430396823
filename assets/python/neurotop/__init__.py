"""The Python side of neurotop: record a running SNN benchmark for the dashboard."""

from .recorder import Recorder, RecorderError, RecorderWarning, Recording, __version__, record

__all__ = ["Recorder", "RecorderError", "RecorderWarning", "Recording", "__version__", "record"]
