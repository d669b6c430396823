#!/usr/bin/env python3
"""Measure what neurotop takes from a benchmark that uses every core, as ratios of one run.

usage: beside.py [--command target/release/neurotop] [--processes N] [--seconds 10] [--rounds 3]
                 [--backlog 3000] [--dir DIR] [--only live|backlog] [--numpy]

The benchmark is a 2048-2048-1024-11 network of Leaky neurons, 50 steps, batches of 16: snnTorch's where torch and
snntorch can be imported, else the same arithmetic in NumPy. It runs in N processes (one for each core), which share
the cores' BLAS threads; `--processes 1` is one benchmark of several threads.

1. Live: each process writes what it has recorded, as packed bits and as float32 traces, and the dashboard watches in a
   pseudo-terminal. Printed is its processor time as a part of the benchmark's.
2. A backlog: another run, of thousands of batches, is there already, and is counted beside the benchmark, at low and at
   normal priority. Printed is how many steps fewer the benchmark does in a second while it is counted, against the
   windows before and after without neurotop. Linux shares a processor between sessions first (autogroup), so each is
   measured in the benchmark's session, in another one that a shell leads (as in another pane of tmux), and in one that
   neurotop leads itself (as under `ssh -t host neurotop`). A control, where nothing is started, says how far the
   figures can be trusted.

Needs NumPy; the ratios hold on an otherwise idle machine.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import multiprocessing
import os
import pty
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from pathlib import Path
from typing import Callable

ROOT = Path(__file__).resolve().parents[1]
INPUTS, LAYERS = 2048, (2048, 1024, 11)
STEPS, SAMPLES, BETA = 50, 16, 0.9
FORMS = ("bits", "trace")
PLACES = ("same session", "another session", "a session of its own")
COLUMNS, ROWS = 120, 40


# The benchmark: one batch after the other, in every process.

def numpy_network(seed: int, tick: Callable[[], None] = lambda: None) -> Callable[[], list]:
    """Does one batch when called, ticks at each step, and returns the potentials of each layer, ``[T, B, N]``."""
    import numpy as np

    rng = np.random.default_rng(seed)
    sizes = (INPUTS, *LAYERS)
    weights = [(rng.random((a, b), dtype=np.float32) - 0.45) / a**0.5 for a, b in zip(sizes, sizes[1:])]

    def batch() -> list:
        spikes_in = (rng.random((STEPS, SAMPLES, INPUTS), dtype=np.float32) < 0.3).astype(np.float32)
        kept = [np.empty((STEPS, SAMPLES, n), dtype=np.float32) for n in LAYERS]
        potentials = [np.zeros((SAMPLES, n), dtype=np.float32) for n in LAYERS]
        for step in range(STEPS):
            spikes = spikes_in[step]
            for at, weight in enumerate(weights):
                fired = potentials[at] > 1
                potentials[at] = np.where(fired, 0, BETA * potentials[at] + spikes @ weight).astype(np.float32)
                spikes = (potentials[at] > 1).astype(np.float32)
                kept[at][step] = potentials[at]
            tick()
        return kept

    return batch


def torch_network(seed: int, tick: Callable[[], None]) -> Callable[[], list]:
    """The same with snnTorch."""
    import snntorch
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    sizes = (INPUTS, *LAYERS)
    linear = [torch.nn.Linear(a, b) for a, b in zip(sizes, sizes[1:])]
    leaky = [snntorch.Leaky(beta=BETA, reset_mechanism="zero") for _ in LAYERS]

    def batch() -> list:
        kept = [[] for _ in LAYERS]
        with torch.no_grad():
            potentials = [layer.init_leaky() for layer in leaky]
            for spikes in (torch.rand(STEPS, SAMPLES, INPUTS) < 0.3).float():
                for at, (weight, layer) in enumerate(zip(linear, leaky)):
                    spikes, potentials[at] = layer(weight(spikes), potentials[at])
                    kept[at].append(potentials[at])
                tick()
            return [torch.stack(of).numpy() for of in kept]

    return batch


def has_torch() -> bool:
    try:
        import snntorch  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def members(potentials: list, form: str) -> dict:
    """The arrays of a batch, as docs/format.md has them."""
    import numpy as np

    arrays = {"samples": np.int64(SAMPLES)}
    for at, post in enumerate(potentials):
        if form == "trace":
            arrays[f"lif{at + 1}.post"] = post
        else:
            changed = np.not_equal(post[1:], post[:-1])
            arrays[f"lif{at + 1}.changed"] = np.packbits(changed)
            arrays[f"lif{at + 1}.shape"] = np.array(post.shape)
    return arrays


def write_manifest(run: Path) -> None:
    run.mkdir(parents=True)
    layers = [
        {"name": f"lif{at + 1}", "neuron": "Leaky", "reset": "zero", "shape": [n]} for at, n in enumerate(LAYERS)
    ]
    (run / "manifest.json").write_text(json.dumps({"format": "neurotop", "version": 1, "layers": layers}))


def write_batch(run: Path, name: str, arrays: dict) -> None:
    import numpy as np

    temporary = run / f".{name}.tmp.npz"
    np.savez(temporary, **arrays)
    temporary.rename(run / f"{name}.npz")


def work(rank: int, network: str, record: tuple[Path, str] | None, steps, stop) -> None:
    """One process of the benchmark: counts its steps until it is to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tick() -> None:
        steps[rank] += 1

    batch = {"torch": torch_network, "numpy": numpy_network}[network](rank, tick)
    number = 0
    while not stop.is_set():
        potentials = batch()
        if record:
            run, form = record
            write_batch(run, f"rank-{rank}.batch-{number:06d}", members(potentials, form))
        number += 1


class Benchmark:
    """The processes of a benchmark, from `with` on."""

    def __init__(self, options: argparse.Namespace, record: tuple[Path, str] | None = None) -> None:
        threads = max(1, cores() // options.processes)
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)
        spawn = multiprocessing.get_context("spawn")
        self.steps = spawn.Array("q", options.processes, lock=False)
        self.stop = spawn.Event()
        arguments = (options.network, record, self.steps, self.stop)
        self.processes = [
            spawn.Process(target=work, args=(rank, *arguments), daemon=True) for rank in range(options.processes)
        ]

    def __enter__(self) -> "Benchmark":
        for process in self.processes:
            process.start()
        while not all(self.steps):
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for process in self.processes:
            process.join()

    def processor_time(self) -> float:
        return sum(processor_time(process.pid) for process in self.processes)


def cores() -> int:
    return len(os.sched_getaffinity(0))


def processor_time(pid: int) -> float:
    """Seconds of user and system time that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bytes_read(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def child_of(parent: int) -> int:
    """The first child of a process, which is waited for."""
    while True:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                return int(stat.parent.name)
        time.sleep(0.01)


# neurotop: in a pseudo-terminal that is read to its end, in one of three sessions.

class Neurotop:
    """`neurotop watch` of a run in a pseudo-terminal."""

    def __init__(self, command: str, arguments: list[str], place: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        words = [command, *arguments]
        if place == "another session":
            # A shell that has something to do afterwards does not become what it starts.
            words = ["sh", "-c", '"$@"; exit $?', "sh", *words]

        def begin() -> None:
            if place != "same session":
                os.setsid()
                fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
        environment.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, env=environment, preexec_fn=begin
        )
        os.close(slave)
        self.pid = child_of(self.process.pid) if place == "another session" else self.process.pid
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:
            pass

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> None:
        if not self.has_ended():
            try:
                os.kill(self.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        self.process.wait(timeout=30)
        os.close(self.master)


# What is measured.

def live(options: argparse.Namespace, directory: Path) -> None:
    """The processor time of the dashboard beside the benchmark that it watches."""
    for form in FORMS:
        run = directory / f"live-{form}"
        write_manifest(run)
        with Benchmark(options, (run, form)) as benchmark:
            watch = ["watch", str(run), "--state", "none", "--config", "/dev/null"]
            neurotop = Neurotop(options.command, watch, "another session")
            time.sleep(2)
            before, own = benchmark.processor_time(), processor_time(neurotop.pid)
            written = len(list(run.glob("*.npz")))
            time.sleep(options.seconds * options.rounds)
            busy, used = benchmark.processor_time() - before, processor_time(neurotop.pid) - own
            written = len(list(run.glob("*.npz"))) - written
            neurotop.end()
        shutil.rmtree(run)
        print(
            f"live, {form}: the dashboard takes {used / busy:.2%} of the benchmark's processor time"
            f" ({written} batches, {busy / options.seconds / options.rounds:.2f} cores)",
            flush=True,
        )


def write_backlog(run: Path, batches: int) -> None:
    """As many batches as that, of which each differs from the others: one changed bit in the last layer."""
    import numpy as np

    write_manifest(run)
    arrays = members(numpy_network(0)(), "bits")
    last = f"lif{len(LAYERS)}.changed"
    for number in range(batches):
        arrays[last] = np.roll(arrays[last], 1)
        write_batch(run, f"batch-{number:06d}", arrays)


def rate(benchmark: Benchmark, seconds: float, goes_on: Callable[[], bool] = lambda: True) -> tuple[float, float]:
    """Steps a second over so many seconds, or for as long as something goes on; and the seconds that was."""
    before, start = sum(benchmark.steps), time.perf_counter()
    while time.perf_counter() < start + seconds and goes_on():
        time.sleep(0.05)
    took = time.perf_counter() - start
    return (sum(benchmark.steps) - before) / took, took


def backlog(options: argparse.Namespace, directory: Path) -> None:
    """How much slower the benchmark is while a backlog is counted beside it."""
    run = directory / "backlog"
    write_backlog(run, options.backlog)
    (run / "end.json").write_text(json.dumps({"batches": options.backlog}))
    cases = [(priority, place) for priority in options.priorities for place in PLACES] + [("control", "nothing")]
    lost: dict[tuple, list] = {case: [] for case in cases}
    with Benchmark(options) as benchmark:
        rate(benchmark, 2)
        before, _ = rate(benchmark, options.seconds)
        for _ in range(options.rounds):
            for case in cases:
                beside, *rest = beside_backlog(benchmark, options, run, case)
                after, _ = rate(benchmark, options.seconds)
                lost[case].append((1 - beside / ((before + after) / 2), *rest))
                before = after
    for (priority, place), rows in lost.items():
        slower, used, took, read = (statistics.median(of) for of in zip(*rows))
        spread = ", ".join(f"{row[0]:.1%}" for row in rows)
        print(
            f"backlog, {priority} priority, {place}: {slower:.1%} fewer steps a second ({spread}); neurotop had"
            f" {used:.1%} of the processors, and read {read:.0%} of {options.backlog} batches in {took:.1f} s",
            flush=True,
        )


def beside_backlog(benchmark: Benchmark, options: argparse.Namespace, run: Path, case: tuple) -> tuple:
    """The benchmark's rate while the backlog is counted, neurotop's part of the processors, how long that was, and the
    part of the backlog that it read."""
    priority, place = case
    if priority == "control":
        beside, took = rate(benchmark, options.seconds)
        return beside, 0.0, took, 0.0
    watch = ["watch", str(run), "--state", "none", "--config", "/dev/null", "--exit-when-finished"]
    if priority != "default":
        watch += ["--priority", priority]
    size = sum(file.stat().st_size for file in run.iterdir())
    neurotop = Neurotop(options.command, watch, place)
    used, read = 0.0, 0

    def goes_on() -> bool:
        nonlocal used, read
        try:
            used, read = processor_time(neurotop.pid), bytes_read(neurotop.pid)
        except OSError:
            return False
        return not neurotop.has_ended() and read < size

    beside, took = rate(benchmark, options.seconds, goes_on)
    # Leaving counts what is left as quickly as it can be, which is not measured.
    neurotop.end()
    return beside, used / took / cores(), took, min(1.0, read / size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", default=str(ROOT / "target/release/neurotop"))
    parser.add_argument("--processes", type=int, default=cores())
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backlog", type=int, default=3000)
    parser.add_argument("--dir", type=Path, help="write the runs there instead of into the temporary directory")
    parser.add_argument("--only", choices=["live", "backlog"])
    parser.add_argument("--priorities", nargs="+", default=["low", "normal"], help="of --priority, or default")
    parser.add_argument("--numpy", action="store_true", help="use NumPy even where snnTorch is installed")
    options = parser.parse_args()
    options.network = "torch" if has_torch() and not options.numpy else "numpy"
    print(f"{options.processes} processes on {cores()} cores, {options.network}")
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        if options.only != "backlog":
            live(options, Path(directory))
        if options.only != "live":
            backlog(options, Path(directory))


if __name__ == "__main__":
    sys.exit(main())
