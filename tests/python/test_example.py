"""The example script runs as it is, and its record has the figures that it printed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import summary
from conftest import ROOT


def test_the_example(tmp_path: Path, neurotop_command: str) -> None:
    script = ROOT / "assets" / "examples" / "digits_benchmark.py"
    run = tmp_path / "digits"
    arguments = ["--epochs", "0", "--pause", "0", "--form", "bits", "--dir", str(run)]
    done = subprocess.run(
        [sys.executable, str(script), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "assets" / "python")},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"neurotop watch {run}" in done.stdout
    printed = dict(line.split(": ", 1) for line in done.stdout.splitlines() if ": " in line)
    told = summary(neurotop_command, run)
    assert told["neurobench"]["NeuronOperations"] == ast.literal_eval(printed["NeuronOperations"])
    assert told["neurobench"]["MembraneUpdates"] == float(printed["MembraneUpdates"])
    assert told["complete"] is True
