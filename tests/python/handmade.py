"""Run directories written by hand, with NumPy alone, and the command beside them."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 90.0  # seconds that anything may take on a busy machine


def manifest(run: Path, layers: list[str], name: str | None = None, **more: Any) -> None:
    """Begin a run of Leaky layers with two neurons each."""
    run.mkdir(parents=True, exist_ok=True)
    more |= {"run": name} if name is not None else {}
    leaky = {"neuron": "Leaky", "reset": "zero", "shape": [2]}
    entries = [{"name": layer, **leaky} for layer in layers]
    text = json.dumps({"format": "neurotop", "version": 1, "layers": entries, **more})
    (run / "manifest.json").write_text(text, encoding="utf-8")


def batch(run: Path, number: int, layers: list[str], samples: int = 3) -> None:
    """Write a batch of three steps, drawn from its number."""
    draw = np.random.default_rng(number)
    members = {f"{name}.post": draw.integers(0, 2, (3, samples, 2)) * 0.5 for name in layers}
    temporary = run / f".batch-{number}.npz"
    np.savez(temporary, samples=samples, **members)
    os.rename(temporary, run / f"batch-{number:06}.npz")


def whole(run: Path, batches: int, layers: list[str], **more: Any) -> Path:
    """A run that is over."""
    manifest(run, layers, expected_batches=batches, **more)
    for number in range(batches):
        batch(run, number, layers)
    return run


def watch(command: str, run: Path, *options: str) -> subprocess.Popen[str]:
    """`neurotop watch` without a terminal."""
    words = [command, "watch", str(run), *options]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def summary(command: str, run: Path, *options: str) -> dict[str, Any]:
    """The figures of a run, counted once."""
    words = [command, "summary", str(run), "--format", "json", *options]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def free_port() -> int:
    """A port that no other program takes before its server does: systems choose higher ones."""
    for _ in range(100):
        port = random.randrange(10_000, 20_000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass
    raise OSError("no port is free")


def until(what: Callable[[], Any]) -> Any:
    """Wait until something is there, and return it."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)
    return found
