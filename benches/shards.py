#!/usr/bin/env python3
"""Time a run that is counted in shards by several processes at once, against one process.

usage: shards.py [--command target/release/neurotop] [--megabytes 800] [--batches 64] [--rounds 7]
                 [--shards 1,2,4,16] [--parts 1,16,256,1000]

Writes a run of f4 traces into a temporary directory and reads it once, so that it is in the page
cache. Then in turns: counts it in one process with one thread, in one with a thread for each
core, and for each number of shards in a process for each shard, every one with one thread, all at
once, whose parts are merged. Prints medians: wall time and its ratio to one thread, the same of
the quickest round (on a busy machine the nearest to a quiet one), processor time (user and
system, of all processes), and how long merging took of it. The merged figures are compared with
those of one pass, byte for byte. Then it merges ever more parts of one run, and prints how long
that takes and how large a part is. Needs NumPy.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import numpy as np
from whole_process import ROOT, potentials, read_plainly, write


def write_run(run: Path, megabytes: int, batches: int) -> None:
    """A run of f4 traces in so many batches."""
    elements = megabytes * 10**6 // batches // 4
    post = potentials(elements, "<f4", np.random.default_rng(0))
    for number in range(batches):
        write(run, number, {"lif.post": post})
    # Of a run that is over, no figure depends on when it is counted.
    (run / "end.json").write_text("{}")


def start(command: str, run: Path, shard: int, shards: int, part: Path) -> subprocess.Popen:
    """A process that counts one shard with one thread."""
    words = [command, "summary", str(run), "--threads", "1", "--config", os.devnull]
    words += ["--shard", f"{shard}/{shards}", "--export", str(part)]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def in_shards(command: str, run: Path, shards: int, parts: Path) -> None:
    """Count in so many processes at once."""
    started = [start(command, run, n, shards, parts / f"{n}.json") for n in range(1, shards + 1)]
    if any(process.wait() for process in started):
        raise RuntimeError("a shard failed")


def merged(command: str, shards: int, parts: Path) -> bytes:
    """The figures of the parts."""
    files = [str(parts / f"{n}.json") for n in range(1, shards + 1)]
    words = [command, "merge", *files, "--format", "json", "--config", os.devnull]
    return subprocess.run(words, check=True, capture_output=True).stdout


def in_one_pass(command: str, run: Path, threads: int) -> bytes:
    """The figures of one process."""
    words = [command, "summary", str(run), "--format", "json", "--threads", str(threads)]
    return subprocess.run([*words, "--config", os.devnull], check=True, capture_output=True).stdout


def measured(work: Callable[..., Any], *what: Any) -> tuple[float, float, Any]:
    """Wall time and the processor time of the processes that were waited for, in seconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = work(*what)
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, result


def speed_up(arguments: argparse.Namespace, run: Path, parts: Path) -> None:
    """Print the times of one process and of each number of shards."""
    command, cores = arguments.command, os.cpu_count() or 1
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for _ in range(arguments.rounds):
        for threads in (1, cores):
            wall, processor, figures = measured(in_one_pass, command, run, threads)
            rows.setdefault(f"1, {threads} threads", []).append((wall, processor, 0.0))
        for shards in arguments.shards:
            wall, processor, _ = measured(in_shards, command, run, shards, parts)
            took, merge_processor, result = measured(merged, command, shards, parts)
            if result != figures:
                raise RuntimeError(f"{shards} shards give other figures than one pass")
            row = (wall + took, processor + merge_processor, took)
            rows.setdefault(f"{shards} shards", []).append(row)
    head = f"{'processes':>14} {'wall s':>8} {'ratio':>6} {'least s':>8} {'ratio':>6}"
    print(f"{head} {'processor s':>12} {'merging ms':>11}")
    one = [row[0] for row in rows["1, 1 threads"]]
    for name, row in rows.items():
        walls = [wall for wall, _, _ in row]
        wall, least = statistics.median(walls), min(walls)
        ratios = statistics.median(one) / wall, min(one) / least
        processor, took = (statistics.median(column) for column in list(zip(*row))[1:])
        times = f"{wall:8.3f} {ratios[0]:6.2f} {least:8.3f} {ratios[1]:6.2f}"
        print(f"{name:>14} {times} {processor:12.3f} {took * 1e3:11.1f}")


def many_parts(arguments: argparse.Namespace, directory: Path) -> None:
    """Print how long it takes to merge so many parts of a run of many batches and layers."""
    run, names = directory / "long", [f"layer{number}" for number in range(10)]
    post = potentials(1600, "<f4", np.random.default_rng(1))
    for number in range(arguments.long):
        write(run, number, {f"{name}.post": post for name in names})
    layers = [{"name": name, "neuron": "Leaky", "reset": "zero"} for name in names]
    manifest = {"format": "neurotop", "version": 1, "layers": layers}
    (run / "manifest.json").write_text(json.dumps(manifest))
    print(f"\n{arguments.long} batches of 10 layers")
    print(f"{'parts':>12} {'merging s':>10} {'KB a part':>10}")
    for shards in arguments.parts:
        parts = directory / f"parts-{shards}"
        parts.mkdir()
        for first in range(1, shards + 1, 8):
            numbers = range(first, min(first + 8, shards + 1))
            files = [(n, parts / f"{n}.json") for n in numbers]
            started = [start(arguments.command, run, n, shards, file) for n, file in files]
            if any(process.wait() for process in started):
                raise RuntimeError("a shard failed")
        times = [measured(merged, arguments.command, shards, parts)[0] for _ in range(3)]
        size = statistics.median(part.stat().st_size for part in parts.iterdir())
        print(f"{shards:12} {statistics.median(times):10.3f} {size / 1e3:10.1f}")


def numbers(text: str) -> list[int]:
    """Numbers with commas between them."""
    return [int(number) for number in text.split(",")]


def main() -> None:
    """Write the runs, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--command", default=str(ROOT / "target" / "release" / "neurotop"))
    parser.add_argument("--megabytes", type=int, default=800, help="bytes of the run, in millions")
    parser.add_argument("--batches", type=int, default=64, help="batches of the run")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of which the median is taken")
    parser.add_argument("--shards", type=numbers, default=[1, 2, 4, 16], help="numbers of shards")
    parser.add_argument("--parts", type=numbers, default=[1, 16, 256, 1000], help="parts to merge")
    parser.add_argument("--long", type=int, default=4000, help="batches of the run they are of")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}; a run of {arguments.megabytes} MB\n")
    with tempfile.TemporaryDirectory(prefix="neurotop-shards-") as temporary:
        directory = Path(temporary)
        run, parts = directory / "run", directory / "parts"
        parts.mkdir()
        write_run(run, arguments.megabytes, arguments.batches)
        read_plainly(sorted(run.iterdir()))
        speed_up(arguments, run, parts)
        many_parts(arguments, directory)


if __name__ == "__main__":
    main()
