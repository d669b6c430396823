"""The manifest of a run: who wrote it, and what several ranks say together."""

from __future__ import annotations

import functools
from importlib import metadata
from typing import Any

from .messages import RecorderError
from .version import __version__

FORMAT_VERSION = 1


def merge_manifests(existing: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Another rank's manifest, with this rank's layers and warnings added.

    Raises
    ------
    RecorderError
        The two ranks do not run the same model.
    """
    layers = {layer["name"]: dict(layer) for layer in existing["layers"]}
    for layer in own["layers"]:
        other = layers.setdefault(layer["name"], dict(layer))
        if any(other[key] != layer[key] for key in ("neuron", "reset")):
            raise RecorderError(
                f"layer '{layer['name']}' is {layer['neuron']} with reset '{layer['reset']}' here "
                f"and {other['neuron']} with reset '{other['reset']}' in the manifest of another "
                "rank: all ranks must run the same model, or record to different directories"
            )
        for key, value in layer.items():
            other.setdefault(key, value)
        if "priced_by" in other:
            other.pop("unpriced", None)
    new = [text for text in own["warnings"] if text not in existing["warnings"]]
    return {**existing, "layers": list(layers.values()), "warnings": existing["warnings"] + new}


@functools.cache
def producer() -> str:
    """The versions of the recorder, NeuroBench, snnTorch and torch."""
    versions = [f"neurotop {__version__}"]
    for package in ("neurobench", "snntorch", "torch"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(versions)
