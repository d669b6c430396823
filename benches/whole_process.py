#!/usr/bin/env python3
"""Time the whole `neurotop summary` process against plain reading and against NumPy, as ratios.

usage: whole_process.py [--command target/release/neurotop] [--megabytes 400] [--rounds 5]

Writes runs of each form into a temporary directory, reads each once so that they are in the page cache,
and then measures in turns: reading the bytes into a 1 MiB buffer, counting with NumPy (`np.load`, the
quicker way that misses inf - inf and the exact one), and the command with one thread and with all. Prints
medians and ratios; every count is compared, so that nothing is quick by being wrong. Then a row for the
peak memory of 100 and of 100,000 small batches, and the batches a second of 20,000 and of 200,000. Needs
NumPy; PyTorch is measured where it is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
STEPS, SAMPLES = 100, 16
SMALL_BATCHES = 20_000


def potentials(elements: int, dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Potentials ``[T, B, N]`` of which about 60 % change at each step."""
    shape = (STEPS, SAMPLES, max(1, elements // (STEPS * SAMPLES)))
    changed = rng.random(shape, dtype=np.float32) < 0.6
    return (np.cumsum(changed, axis=0, dtype=np.float32) % 1024).astype(dtype)


def write(run: Path, number: int, members: dict[str, np.ndarray], deflate: bool = False) -> None:
    """One batch, and the manifest before the first."""
    run.mkdir(exist_ok=True)
    if number == 0:
        layers = [{"name": "lif", "neuron": "Leaky", "reset": "zero"}]
        manifest = {"format": "neurotop", "version": 1, "layers": layers}
        (run / "manifest.json").write_text(json.dumps(manifest))
    save = np.savez_compressed if deflate else np.savez
    save(run / f"batch-{number:06d}.npz", samples=np.int64(SAMPLES), **members)


def runs(directory: Path, megabytes: int) -> dict[str, Path]:
    """The runs to measure, by name; each has about the bytes asked for, the deflated one unpacked."""
    rng = np.random.default_rng(0)
    forms = {}
    for name, dtype in [("f4 trace", "<f4"), ("f8 trace", "<f8"), ("f2 trace", "<f2")]:
        batches = 8
        post = potentials(megabytes * 10**6 // batches // np.dtype(dtype).itemsize, dtype, rng)
        for number in range(batches):
            write(directory / name, number, {"lif.post": post})
        forms[name] = directory / name
    post = potentials(megabytes * 10**6 // 16 // 4, "<f4", rng)
    pre = np.concatenate([np.zeros_like(post[:1]), post[:-1]])
    bits = np.packbits(post[1:] != post[:-1])
    for number in range(8):
        write(directory / "f4 pairs", number, {"lif.post": post, "lif.pre": pre})
        write(directory / "deflated", number, {"lif.post": post}, deflate=True)
        write(directory / "bits", number, {"lif.changed": bits, "lif.shape": np.array(post.shape)})
    small = potentials(2000, "<f4", rng)[:, :1, :1]
    for number in range(SMALL_BATCHES):
        write(directory / "small", number, {"lif.post": small})
    return {**forms, **{name: directory / name for name in ("f4 pairs", "deflated", "bits", "small")}}


def read_plainly(files: list[Path]) -> int:
    """Bytes, read into one buffer of 1 MiB."""
    buffer, total = bytearray(1 << 20), 0
    for path in files:
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total += count
    return total


def count_with_numpy(files: list[Path], exact: bool) -> int:
    """Membrane updates, the way NeuroBench counts (exact) or the quicker one without NaN and infinity."""
    updates = 0
    for path in files:
        with np.load(path) as members:
            if "lif.changed" in members:
                shape = members["lif.shape"]
                updates += int(np.prod(shape[1:])) + int(np.unpackbits(members["lif.changed"]).sum())
                continue
            post = members["lif.post"]
            pre = members["lif.pre"][1:] if "lif.pre" in members else post[:-1]
            updates += post[0].size
            updates += int(np.count_nonzero(pre - post[1:] if exact else pre != post[1:]))
    return updates


def count_with_torch(files: list[Path]) -> int:
    """Membrane updates as NeuroBench counts them; the files are loaded with NumPy."""
    import torch

    updates = 0
    for path in files:
        with np.load(path) as members:
            post = torch.from_numpy(members["lif.post"])
            pre = torch.from_numpy(members["lif.pre"])[1:] if "lif.pre" in members else post[:-1]
            updates += post[0].numel() + int(torch.count_nonzero(pre - post[1:]))
    return updates


def count_with_neurotop(command: str, run: Path, *options: str) -> int:
    """Membrane updates, by the whole process."""
    arguments = [command, "summary", str(run), "--format", "json", *options]
    done = subprocess.run(arguments, capture_output=True, check=True)
    return json.loads(done.stdout)["total"]["updates"]


def measure(ways: dict[str, Callable[[], int]], rounds: int) -> dict[str, float]:
    """The median time of each way in seconds, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - begun)
    return {name: statistics.median(taken) for name, taken in times.items()}


def peak_memory(command: str, run: Path) -> int:
    """The most memory that counting a run takes, in KiB.

    A fresh interpreter starts the command: a process begins as a copy of the one that starts it, and this script
    is far larger.
    """
    script = (
        "import os, subprocess, sys\n"
        "process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)\n"
        "print(os.wait4(process.pid, 0)[2].ru_maxrss)"
    )
    arguments = [sys.executable, "-ISc", script, command, "summary", str(run), "--format", "json"]
    return int(subprocess.run(arguments, capture_output=True, check=True).stdout)


def many_batches(command: str, directory: Path, rounds: int) -> None:
    """Prints memory and pace for ever more batches of 8 KB, each the same."""
    run = directory / "many"
    small = potentials(2000, "<f4", np.random.default_rng(0))[:, :1, :1].repeat(20, axis=2)
    write(run, 0, {"lif.post": small})
    batch = (run / "batch-000000.npz").read_bytes()
    written = 1
    for batches in (100, 20_000, 100_000, 200_000):
        for number in range(written, batches):
            (run / f"batch-{number:06d}.npz").write_bytes(batch)
        written = batches
        took = measure({"all": lambda: count_with_neurotop(command, run)}, rounds)["all"]
        memory = peak_memory(command, run) / 1024
        pace = f"{batches / took:7.0f} a second, peak {memory:.1f} MiB"
        print(f"{batches:7} batches of {len(batch)} bytes: {pace}", flush=True)


def has_torch() -> bool:
    """Whether PyTorch can be measured."""
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--command", default=str(ROOT / "target" / "release" / "neurotop"))
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    row = "{:10} {:>9} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}"
    print(row.format("run", "MB", "1 thread", "read", "NumPy", "NumPy !=", "PyTorch", "threads", "batches"))
    print(row.format("", "", "GB/s", "ratio", "ratio", "ratio", "ratio", "ratio", "a second"))
    torch = has_torch()
    with tempfile.TemporaryDirectory() as directory:
        for name, run in runs(Path(directory), options.megabytes).items():
            files = sorted(run.glob("batch-*.npz"))
            counts = {
                "numpy": count_with_numpy(files, exact=True),
                "neurotop": count_with_neurotop(options.command, run),
            }
            assert len(set(counts.values())) == 1, f"{name}: {counts}"
            ways = {"torch": lambda: count_with_torch(files)} if torch and name != "bits" else {}
            took = measure(
                {
                    **ways,
                    "read": lambda: read_plainly(files),
                    "exact": lambda: count_with_numpy(files, exact=True),
                    "quick": lambda: count_with_numpy(files, exact=False),
                    "one": lambda: count_with_neurotop(options.command, run, "--threads", "1"),
                    "all": lambda: count_with_neurotop(options.command, run),
                },
                options.rounds,
            )
            size = sum(path.stat().st_size for path in files)
            one = took["one"]
            print(
                row.format(
                    name,
                    f"{size / 1e6:.0f}",
                    f"{size / one / 1e9:.2f}",
                    *(f"{took[way] / one:.2f}" for way in ("read", "exact", "quick")),
                    f"{took['torch'] / one:.2f}" if ways else "-",
                    f"{one / took['all']:.2f}",
                    f"{len(files) / took['all']:.0f}",
                ),
                flush=True,
            )
        many_batches(options.command, Path(directory), options.rounds)


if __name__ == "__main__":
    main()
