"""The lines of NumPy in docs/format.md, executed as they stand there."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import recount
from benchmarks import summary

FORMAT = Path(__file__).resolve().parents[2] / "docs" / "format.md"


@pytest.fixture
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """The names that the lines define, in an empty directory."""
    monkeypatch.chdir(tmp_path)
    text = FORMAT.read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import json.*?)```", text, re.S)
    names: dict = {}
    exec(block, names)
    return names


def test_the_lines_write_a_run_that_is_counted(lines: dict, neurotop_command: str) -> None:
    lines["start"]("exp1", {"lif1": ("Leaky", "zero", [2, 3])})
    draw = np.random.default_rng(0)
    for number in range(3):
        trace = draw.integers(0, 2, (4, 5, 2, 3)).astype(np.float32)
        lines["dump"]("exp1", number, {"lif1": trace}, 5)
    told = summary(neurotop_command, Path("exp1"))
    updates, dense = recount.updates(Path("exp1"))["lif1"]
    assert (told["total"]["updates"], told["total"]["dense_updates"]) == (updates, dense)
    assert (told["run"]["samples"], told["run"]["name"], told["problems"]) == (15, "exp1", [])
    assert sorted(os.listdir("exp1")) == [*(f"batch-{n:06}.npz" for n in range(3)), "manifest.json"]


def test_each_run_has_an_id_of_its_own(lines: dict) -> None:
    ids = set()
    for run in ("one", "two"):
        lines["start"](run, {"lif1": ("Leaky", "zero", [2])})
        ids.add(json.loads(Path(run, "manifest.json").read_text(encoding="utf-8"))["id"])
    assert len(ids) == 2
