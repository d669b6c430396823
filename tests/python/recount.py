"""An independent reader and counter of a run directory, in plain NumPy; shares no recorder code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


class Updates(NamedTuple):
    """Membrane updates of one layer over a whole run."""

    effective: int
    dense: int


def manifest(run: Path) -> dict[str, Any]:
    """The run's manifest."""
    return json.loads((run / "manifest.json").read_text(encoding="utf-8"))


def end(run: Path) -> dict[str, Any]:
    """The run's end."""
    return json.loads((run / "end.json").read_text(encoding="utf-8"))


def batches(run: Path) -> dict[int, dict[str, np.ndarray]]:
    """All members of all batches, of all ranks, by the batch's number; pickles are refused."""
    found: dict[int, dict[str, np.ndarray]] = {}
    paths = [*run.glob("batch-*.npz"), *run.glob("rank-*.batch-*.npz")]
    numbered = sorted((int(path.stem.rpartition("-")[2]), path) for path in paths)
    for number, path in numbered:
        with np.load(path, allow_pickle=False) as members:
            assert number not in found, "numbers are unique, whichever rank wrote them"
            found[number] = {name: members[name] for name in members.files}
    return found


def samples(run: Path) -> int:
    """Samples in all batches."""
    return sum(int(batch["samples"]) for batch in batches(run).values())


def updates(run: Path) -> dict[str, Updates]:
    """Effective and dense updates of each layer of the manifest."""
    total = {layer["name"]: Updates(0, 0) for layer in manifest(run)["layers"]}
    for batch in batches(run).values():
        for name, before in total.items():
            here = _layer_updates(batch, name)
            total[name] = Updates(before.effective + here.effective, before.dense + here.dense)
    return total


def _layer_updates(batch: dict[str, np.ndarray], name: str) -> Updates:
    if f"{name}.changed" in batch:
        shape = batch[f"{name}.shape"]
        first, dense = int(np.prod(shape[1:])), int(np.prod(shape))
        packed = batch[f"{name}.changed"]
        assert packed.size == -(-(dense - first) // 8), "as many bits as [T-1, B, ...] has elements"
        assert not np.unpackbits(packed)[dense - first :].any(), "the bits that fill up are 0"
        return Updates(first + int(np.unpackbits(packed).sum()), dense)
    post = batch[f"{name}.post"]
    assert post.dtype.kind == "f"
    if len(post) == 0:
        return Updates(0, 0)
    pre = batch.get(f"{name}.pre")
    before = post[:-1] if pre is None else pre[1:]
    with np.errstate(invalid="ignore", over="ignore"):
        changed = np.count_nonzero((before - post[1:]) != 0)
    return Updates(post[0].size + int(changed), post.size)
