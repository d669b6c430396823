"""Measure what recording costs: NeuroBench with NeuronOperations alone against each form of it.

Runs NeuroBench's DVS-Gesture network (3 convolutions and a linear layer with Leaky layers of 4096,
2048, 1024 and 11 neurons; 100 time steps, batch size 16) on synthetic events. Every round runs each
variant once, in an order that turns from round to round, so that a machine that slows down slows
all of them. Printed are the medians of the rounds' own ratios, and the ratio of the fastest runs,
which a busy machine disturbs least; processor time it disturbs still less (--processor-time
--threads 1, which leaves out waiting for a disk). A last row is the time in which one batch of many
small steps is written (60,000 steps of 50 neurons). Needs neurobench, snntorch and torch:

    python benches/recorder_overhead.py --rounds 9
    python benches/recorder_overhead.py --rounds 9 --device cuda
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Callable

import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import NeuronOperations
from neurobench.models import SNNTorchModel
from torch.utils.data import DataLoader, TensorDataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "assets" / "python"))
import neurotop

FRAME = (2, 32, 32)
STEPS = 100
BATCH_SIZE = 16
TARGETS = {"bits": 1.02, "trace": 1.08, "pair": 1.20}
SMALL = (60_000, 50)


class GestureNetwork(torch.nn.Module):
    """The network of NeuroBench's DVS-Gesture example, with random weights."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for inputs, outputs in ((2, 16), (16, 32), (32, 64)):
            layers.append(torch.nn.Conv2d(inputs, outputs, kernel_size=5, padding="same"))
            layers += [torch.nn.MaxPool2d(2), snn.Leaky(beta=0.9, init_hidden=True)]
        layers += [torch.nn.Flatten(), torch.nn.Linear(1024, 11)]
        self.layers = torch.nn.Sequential(*layers, snn.Leaky(beta=0.9, init_hidden=True))

    def reset(self) -> None:
        """Start the next batch from resting potential."""
        for layer in self.layers:
            if isinstance(layer, snn.Leaky):
                layer.reset_mem()

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, None]:
        """One time step of frames, ``[B, 2, 32, 32]``, to spikes, ``[B, 11]``."""
        return self.layers(frames), None


def events(batches: int, device: str) -> DataLoader:
    """Synthetic event frames: float32, ``[batches * 16, 100, 2, 32, 32]``, 5 % of them 1."""
    generator = torch.Generator().manual_seed(0)
    shape = (batches * BATCH_SIZE, STEPS, *FRAME)
    spikes = (torch.rand(shape, generator=generator) < 0.05).float().to(device)
    labels = torch.zeros(len(spikes), device=device)
    return DataLoader(TensorDataset(spikes, labels), batch_size=BATCH_SIZE)


def seconds(
    net: GestureNetwork, loader: DataLoader, metrics: list[type], clock: Callable[[], float]
) -> float:
    """What one ``Benchmark.run()`` takes by a clock."""
    benchmark = Benchmark(SNNTorchModel(net), loader, [], [], [[], metrics])
    begun = clock()
    with torch.no_grad():
        benchmark.run(quiet=True)
    return clock() - begun


def one_round(
    net: GestureNetwork,
    loader: DataLoader,
    directory: Path,
    turn: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Seconds of each variant, run once each, beginning with another one each `turn`."""
    variants = ["none", "plain", *TARGETS]
    times = {}
    for variant in variants[turn % len(variants) :] + variants[: turn % len(variants)]:
        metrics = [] if variant == "none" else [NeuronOperations]
        run = directory / variant
        if variant in TARGETS:
            metrics.append(neurotop.Recorder(run, form=variant, strict=True))
        times[variant] = seconds(net, loader, metrics, clock)
        if run.exists():
            times[f"{variant} bytes"] = sum(f.stat().st_size for f in run.iterdir())
            shutil.rmtree(run)
    return times


def small_steps(directory: Path, form: str, device: str) -> float:
    """Seconds in which a batch of many small steps is written; the fastest of three."""
    times = []
    for number in range(3):
        net = torch.nn.Sequential(snn.Leaky(beta=0.9, init_hidden=True))
        steps = [torch.rand(1, SMALL[1], device=device) for _ in range(SMALL[0])]
        with neurotop.record(net, directory / f"small {form} {number}", form=form) as rec:
            net(steps[0].cpu())
            (hook,) = rec._hooks
            hook.layer.pre[:], hook.layer.post[:] = steps[:1] + steps[:-1], steps
            begun = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", neurotop.RecorderWarning)  # state carried over
                rec.batch(1)
        times.append(time.perf_counter() - begun)
    return min(times)


def main() -> None:
    """Print the ratios; with --check, fail if a form costs more than its target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2, help="torch's threads")
    parser.add_argument("--dir", type=Path, help="where to record (the disk that is measured)")
    parser.add_argument("--check", action="store_true", help="exit 1 if a target is missed")
    parser.add_argument("--device", default="cpu", help="where the network runs, such as cuda")
    parser.add_argument("--processor-time", action="store_true", help="for a busy machine")
    options = parser.parse_args()
    clock = time.process_time if options.processor_time else time.perf_counter
    torch.set_num_threads(options.threads)
    warnings.simplefilter("error", neurotop.RecorderWarning)
    net, loader = GestureNetwork().to(options.device), events(options.batches, options.device)
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        one_round(net, loader, Path(directory), 0)  # warms caches and the allocator up
        turns = range(options.rounds)
        rounds = [one_round(net, loader, Path(directory), turn, clock) for turn in turns]
        small = {form: small_steps(Path(directory), form, options.device) for form in TARGETS}
    missed = report(rounds)
    told = ", ".join(f"{form} {seconds:.3f} s" for form, seconds in small.items())
    print(f"a batch of {SMALL[0]:,} steps of {SMALL[1]} neurons: {told}")
    sys.exit(1 if missed and options.check else 0)


def report(rounds: list[dict[str, float]]) -> bool:
    """Print medians and quartiles; return whether a form costs more than its target."""
    plain = statistics.median(times["plain"] for times in rounds)
    print(f"NeuronOperations alone: {plain:.3f} s (median of {len(rounds)} rounds) = 1")
    missed = False
    for variant in ("none", *TARGETS):
        ratios = sorted(times[variant] / times["plain"] for times in rounds)
        median = statistics.median(ratios)
        low, high = ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4]
        fastest = min(t[variant] for t in rounds) / min(t["plain"] for t in rounds)
        line = f"{variant:>6}: {median:.3f} [quartiles {low:.3f} to {high:.3f}]"
        line += f", fastest {fastest:.3f}"
        if variant in TARGETS:
            size = rounds[0][f"{variant} bytes"] / 1e6
            line += f", target {TARGETS[variant]:.2f}, {size:.1f} MB written"
            missed |= median > TARGETS[variant]
        print(line)
    return missed


if __name__ == "__main__":
    main()
