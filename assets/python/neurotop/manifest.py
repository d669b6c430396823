"""The manifest of a run: who wrote it, and what several ranks say together."""

from __future__ import annotations

import functools
from importlib import metadata
from typing import Any

from .messages import RecorderError
from .version import __version__

FORMAT_VERSION = 1

#: What the manifest says about the price of a layer that was measured.
MEASURED_KEYS = ("ops_per_update", "priced_by", "operations", "versions", "mode", "unpriced")

#: Why a layer has no price whose calls do not all do the same.
DIFFERS = "the operations of its update differ from one call to the next"


def merge_manifests(existing: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Another rank's manifest, with this rank's layers and warnings added.

    Raises
    ------
    RecorderError
        The two ranks do not run the same model.
    """
    layers = {layer["name"]: dict(layer) for layer in existing["layers"]}
    for layer in map(dict, own["layers"]):
        other = layers.setdefault(layer["name"], dict(layer))
        if any(other[key] != layer[key] for key in ("neuron", "reset")):
            raise RecorderError(
                f"layer '{layer['name']}' is {layer['neuron']} with reset '{layer['reset']}' here "
                f"and {other['neuron']} with reset '{other['reset']}' in the manifest of another "
                "rank: all ranks must run the same model, or record to different directories"
            )
        _merge_prices(other, layer)
        for key, value in layer.items():
            other.setdefault(key, value)
    new = [text for text in own["warnings"] if text not in existing["warnings"]]
    return {**existing, "layers": list(layers.values()), "warnings": existing["warnings"] + new}


def _merge_prices(known: dict[str, Any], new: dict[str, Any]) -> None:
    """Keep of two ranks' prices the one that was measured, and none where they differ."""
    prices = {tuple(one["operations"]) for one in (known, new) if "operations" in one}
    differs = len(prices) > 1 or DIFFERS in (known.get("unpriced"), new.get("unpriced"))
    if differs or (prices and "operations" not in known):
        for key in MEASURED_KEYS:
            known.pop(key, None)
    if differs:
        known["unpriced"] = DIFFERS
        for key in MEASURED_KEYS:
            new.pop(key, None)
    elif prices:
        new.pop("unpriced", None)


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
