#!/usr/bin/env python3
"""Compare two builds of neurotop, in turns on one machine, as ratios of their medians: second to first.

usage: two_builds.py FIRST SECOND [--rounds 7]

Prints, for each, and as a ratio: the time of `summary` over 20,000 batches of 8 KB, over 150 batches of 2,000 layers,
and over 10,000 ranks with a `world_size`; its peak memory; the time from a batch's renaming into place until its line is
in the log of `watch`; the time until the first frame in a pseudo-terminal; and the processor time of a dashboard with
nothing to do. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import zipfile
from pathlib import Path
from typing import Callable

LATENCIES, IDLE = 60, 8.0
QUIET = {"XDG_CONFIG_HOME": "/nonexistent", "TERM": "xterm-256color"}


def npy(values: bytes, descr: str, shape: tuple[int, ...]) -> bytes:
    """An array as NumPy saves it."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust((10 + len(header) + 1 + 63) // 64 * 64 - 11) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def batch(path: Path, layers: dict[str, int], samples: int = 1) -> None:
    """A batch of packed bits: so many by layer, half of them set. Renamed into place."""
    hidden = path.with_name("." + path.name)
    with zipfile.ZipFile(hidden, "w") as archive:
        archive.writestr("samples.npy", npy(struct.pack("<q", samples), "<i8", ()))
        for name, elements in layers.items():
            bits = bytes([0b10101010]) * (elements // 8)
            archive.writestr(f"{name}.changed.npy", npy(bits, "|u1", (len(bits),)))
            archive.writestr(f"{name}.shape.npy", npy(struct.pack("<3q", elements // 8 + 1, 1, 8), "<i8", (3,)))
    hidden.rename(path)


def manifest(run: Path, layers: list[str], **more: object) -> None:
    run.mkdir(parents=True, exist_ok=True)
    entries = [{"name": name, "neuron": "Leaky", "reset": "zero"} for name in layers]
    document = {"format": "neurotop", "version": 1, "layers": entries, **more}
    (run / "manifest.json").write_text(json.dumps(document))


def write_runs(root: Path) -> dict[str, Path]:
    small, deep, ranks = root / "small", root / "deep", root / "ranks"
    manifest(small, ["lif"])
    batch(small / "batch-0.npz", {"lif": 64_000 - 8})
    whole = (small / "batch-0.npz").read_bytes()
    for number in range(1, 20_000):
        (small / f"batch-{number}.npz").write_bytes(whole)
    names = [f"stage{layer // 20}.block{layer % 20}.lif" for layer in range(2000)]
    manifest(deep, names)
    batch(deep / "batch-0.npz", {name: 64 for name in names})
    whole = (deep / "batch-0.npz").read_bytes()
    for number in range(1, 150):
        (deep / f"batch-{number}.npz").write_bytes(whole)
    manifest(ranks, ["lif"], world_size=10_000)
    batch(ranks / "rank-0.batch-0.npz", {"lif": 64})
    whole = (ranks / "rank-0.batch-0.npz").read_bytes()
    for rank in range(10_000):
        (ranks / f"rank-{rank}.batch-0.npz").write_bytes(whole)
        (ranks / f"rank-{rank}.end.json").write_text('{"batches": 1}')
    return {"20,000 batches of 8 KB": small, "150 batches of 2,000 layers": deep, "10,000 ranks": ranks}


def summary(command: str, run: Path) -> tuple[float, float]:
    """Seconds, and peak memory in MiB."""
    begun = time.perf_counter()
    process = subprocess.Popen([command, "summary", run, "--format", "json"], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **QUIET})
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"{command}: {run}: exit code {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def latency(command: str, root: Path) -> float:
    """The median of the seconds from a batch's renaming until the log says that it is counted."""
    run, log = Path(tempfile.mkdtemp(dir=root)), Path(tempfile.mkstemp(dir=root)[1])
    manifest(run, ["lif"])
    process = subprocess.Popen([command, "watch", run, "--state", "none", "--log", log], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, env={**os.environ, **QUIET})
    times = []
    try:
        with open(log) as lines:
            time.sleep(0.7)
            for number in range(LATENCIES):
                batch(run / f"batch-{number}.npz", {"lif": 8_000_000})
                begun, text = time.perf_counter(), ""
                while '"counted"' not in text and " counted" not in text:
                    text += lines.read()
                times.append(time.perf_counter() - begun)
                time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return statistics.median(times)


def dashboard(command: str, root: Path, seconds: float) -> tuple[float, float]:
    """Seconds until the first frame, and the processor's part of so many seconds with nothing to do."""
    run = Path(tempfile.mkdtemp(dir=root))
    manifest(run, ["lif"])
    begun = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(QUIET)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 40, 120, 0, 0))
        os.execv(command, [command, "watch", str(run), "--state", "none"])
    seen = b""
    while len(seen) < 500:
        seen += os.read(terminal, 65536)
    first = time.perf_counter() - begun

    def read_for(duration: float) -> None:
        until = time.perf_counter() + duration
        while (left := until - time.perf_counter()) > 0:
            if select.select([terminal], [], [], left)[0]:
                os.read(terminal, 65536)

    def processor() -> float:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    used = 0.0
    if seconds:
        read_for(2)
        before = processor()
        read_for(seconds)
        used = (processor() - before) / seconds
    os.write(terminal, b"q")
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass
    os.close(terminal)
    os.waitpid(pid, 0)
    return first, used


def report(what: str, unit: str, builds: list[str], rounds: int, measure: Callable[[str], float]) -> None:
    taken: dict[str, list[float]] = {build: [] for build in builds}
    for round_ in range(rounds + 1):
        for build in builds if round_ % 2 else builds[::-1]:
            value = measure(build)
            if round_:
                taken[build].append(value)
    first, second = (statistics.median(taken[build]) for build in builds)
    ratio = f"{second / first:.2f}" if first else "-"
    print(f"{what:58} {first:9.4f} {second:9.4f} {unit:4} {ratio:>6}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("builds", nargs=2)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    builds = [os.path.abspath(build) for build in arguments.builds]
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        print(f"{'':58} {'first':>9} {'second':>9} {'':4} {'ratio':>6}")
        for what, run in write_runs(root).items():
            report(what, "s", builds, arguments.rounds, lambda build: summary(build, run)[0])
            report(f"{what}: peak memory", "MiB", builds, 3, lambda build: summary(build, run)[1])
        report("renamed batch of 1 MB until it is counted", "s", builds, 3, lambda build: latency(build, root))
        report("first frame", "s", builds, 15, lambda build: dashboard(build, root, 0)[0])
        report("processors that an idle dashboard takes", "", builds, 3, lambda build: dashboard(build, root, IDLE)[1])


if __name__ == "__main__":
    main()
