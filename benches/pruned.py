#!/usr/bin/env python3
"""Measure a run of very many batches that are deleted as they are counted.

usage: pruned.py [--command target/release/neurotop] [--batches 1000000] [--ahead 4000] [--within DIR]

Writes batches of packed bits of one small layer, at most so many ahead of what is deleted, while
`neurotop watch DIR --state FILE --prune` counts and deletes them. Prints the batches a second from
the first that is written to the last that is deleted, the peak memory of the process (VmHWM), and
the size of the state file. Then starts it again twice from that state, without a batch in the
directory, and prints how long it takes until the first line of progress, and until the first frame
of the dashboard that has the count. Needs Linux, and nothing but Python.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pty
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import zipfile
from fcntl import ioctl
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STEPS, SAMPLES, NEURONS = 10, 4, 64


def npy(descr: str, shape: tuple[int, ...], data: bytes) -> bytes:
    """An array in NumPy's format, version 1.0."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def batch() -> bytes:
    """A batch in which every second element changes."""
    bits = bytes([0b01010101]) * ((STEPS - 1) * SAMPLES * NEURONS // 8)
    members = {
        "samples": npy("<i8", (), struct.pack("<q", SAMPLES)),
        "lif.shape": npy("<i8", (3,), struct.pack("<3q", STEPS, SAMPLES, NEURONS)),
        "lif.changed": npy("|u1", (len(bits),), bits),
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return archive.getvalue()


def write_manifest(run: Path) -> None:
    """A run without an end, so that it is watched until it is told to leave."""
    layer = {"name": "lif", "neuron": "Leaky", "reset": "zero", "shape": [NEURONS]}
    manifest = {"format": "neurotop", "version": 1, "run": "pruned", "id": "pruned", "layers": [layer]}
    run.mkdir()
    (run / "manifest.json").write_text(json.dumps(manifest))


def peak(process: subprocess.Popen) -> int:
    """The most memory that a process ever had, in KiB."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise RuntimeError(f"the process has ended: {process.poll()}")


def write_and_wait(run: Path, batches: int, ahead: int, process: subprocess.Popen) -> None:
    """Write all batches, and wait until all are deleted."""
    content = batch()
    path = [f"{run}/batch-{number:07}.npz" for number in range(batches)]
    temporary, oldest = f"{run}/.batch.npz", 0
    for number in range(batches):
        while number - oldest >= ahead:
            oldest = skip_deleted(path, oldest, number, process)
        with open(temporary, "wb") as file:
            file.write(content)
        os.rename(temporary, path[number])
    while oldest < batches:
        oldest = skip_deleted(path, oldest, batches, process)


def skip_deleted(path: list[str], oldest: int, end: int, process: subprocess.Popen) -> int:
    """The number of the oldest batch that is still there; waits a little where that is the one before, too."""
    before = oldest
    while oldest < end and not os.path.exists(path[oldest]):
        oldest += 1
    if oldest == before:
        if process.poll() is not None:
            raise RuntimeError("neurotop has ended")
        time.sleep(0.01)
    return oldest


def leave(process: subprocess.Popen) -> None:
    """Have it write what it has, and end."""
    process.send_signal(signal.SIGINT)
    process.wait(60)


def first_line(words: list[str]) -> tuple[float, int, str]:
    """Seconds until the first line of progress, and the peak memory then."""
    started = time.perf_counter()
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    took, memory = time.perf_counter() - started, peak(process)
    leave(process)
    return took, memory, line.strip()


def first_frame(words: list[str], count: str) -> float:
    """Seconds until a frame has the count."""
    controller, terminal = pty.openpty()
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    started = time.perf_counter()
    process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal, env=environment)
    shown = b""
    # The frames are on the other screen of the terminal.
    while count.encode() not in shown.partition(b"\x1b[?1049h")[2]:
        if not select.select([controller], [], [], 60)[0]:
            raise RuntimeError(f"no frame has {count}: {shown[-2000:]!r}")
        shown += os.read(controller, 1 << 16)
    took = time.perf_counter() - started
    process.kill()
    process.wait()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(ROOT / "target/release/neurotop"))
    parser.add_argument("--batches", type=int, default=1_000_000)
    parser.add_argument("--ahead", type=int, default=4_000)
    parser.add_argument("--within", help="a directory, such as one that is in memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.within) as place:
        run, state = Path(place) / "run", Path(place) / "run.state"
        write_manifest(run)
        words = [options.command, "watch", str(run), "--state", str(state), "--prune", "--config", os.devnull]
        with open(Path(place) / "lines", "wb") as lines:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=lines, stderr=lines)
            started = time.perf_counter()
            write_and_wait(run, options.batches, options.ahead, process)
            took, most = time.perf_counter() - started, peak(process)
            leave(process)
        print(f"{options.batches:,} batches, {options.batches / took:,.0f} a second")
        print(f"peak memory {most / 1024:.1f} MiB, state file {state.stat().st_size / 2**20:.2f} MiB")
        seconds, memory, line = first_line(words)
        print(f"resumed: first line after {seconds:.3f} s, peak memory {memory / 1024:.1f} MiB: {line}")
        print(f"resumed: first frame after {first_frame(words, f'{options.batches:,}'):.3f} s")


if __name__ == "__main__":
    main()
