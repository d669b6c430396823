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


#: How a layer begins to say that the ranks have measured different prices.
_RANKS_DIFFER = "the ranks measured different prices"


def merge_manifests(
    existing: dict[str, Any], own: dict[str, Any], before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Another rank's manifest, with this rank's layers and warnings added.

    `before` is what this rank has added already: a price that it has measured again replaces it.

    Raises
    ------
    RecorderError
        The two ranks do not run the same model.
    """
    layers = {layer["name"]: dict(layer) for layer in existing["layers"]}
    earlier = {layer["name"]: layer for layer in (before or {}).get("layers", [])}
    for layer in map(dict, own["layers"]):
        other = layers.setdefault(layer["name"], dict(layer))
        if any(other[key] != layer[key] for key in ("neuron", "reset")):
            raise RecorderError(
                f"layer '{layer['name']}' is {layer['neuron']} with reset '{layer['reset']}' here "
                f"and {other['neuron']} with reset '{other['reset']}' in the manifest of another "
                "rank: all ranks must run the same model, or record to different directories"
            )
        _merge_prices(other, layer, earlier.get(layer["name"], {}))
        for key, value in layer.items():
            other.setdefault(key, value)
    new = [text for text in own["warnings"] if text not in existing["warnings"]]
    return {**existing, "layers": list(layers.values()), "warnings": existing["warnings"] + new}


def _merge_prices(known: dict[str, Any], new: dict[str, Any], before: dict[str, Any]) -> None:
    """Keep of two ranks' prices the one that is there, and none where they differ.

    No rank knows the price of the whole run then.
    """
    if "ops_per_update" in before and before["ops_per_update"] == known.get("ops_per_update"):
        _forget_price(known)
    reason = _why_none(known, new)
    if reason:
        _forget_price(known)
        known["unpriced"] = reason
        _forget_price(new)
    elif "ops_per_update" in new or "ops_per_update" in known:
        known.pop("unpriced", None)
        new.pop("unpriced", None)


def _forget_price(layer: dict[str, Any]) -> None:
    for key in MEASURED_KEYS:
        layer.pop(key, None)


def _why_none(known: dict[str, Any], new: dict[str, Any]) -> str | None:
    """Why a layer cannot have a price, whatever the ranks measured."""
    for entry in (known, new):
        reason = str(entry.get("unpriced", ""))
        if reason.startswith((_RANKS_DIFFER, DIFFERS)):
            return reason
    prices = [entry.get("ops_per_update") for entry in (known, new)]
    if None in prices or prices[0] == prices[1]:
        return None
    both = " and ".join(
        f"{entry['ops_per_update']} ({entry.get('mode', 'cost=')})" for entry in (known, new)
    )
    return f"{_RANKS_DIFFER}: {both}"


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
