"""Run the tests' networks through the real NeuroBench, and their runs through the real command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.abstract import AccumulatedMetric
from neurobench.metrics.workload import MembraneUpdates, NeuronOperations
from neurobench.models import SNNTorchModel
from torch.utils.data import DataLoader, TensorDataset

import neurotop
from recount import Updates

FORMS = ("trace", "pair", "bits")


class LayerUpdates(AccumulatedMetric):
    """NeuroBench's own formula, kept apart by layer; it also stands where NeuroBench gives up."""

    def __init__(self) -> None:
        super().__init__(requires_hooks=True)
        self.reset()

    def reset(self) -> None:
        self.layers: list[list[int]] = []

    def __call__(self, model: Any, preds: Any, data: Any) -> str:
        hooks = [hook for hook in model.activation_hooks if hook.spiking]
        self.layers = self.layers or [[0, 0] for _ in hooks]
        for totals, hook in zip(self.layers, hooks):
            pre, post = hook.pre_fire_mem_potential, hook.post_fire_mem_potential
            if len(post) > 1:
                totals[0] += int(
                    torch.count_nonzero(torch.stack(pre[1:]) - torch.stack(post[1:])).item()
                )
            if post:
                totals[0] += post[0].numel()
                totals[1] += post[0].numel() * len(post)
        return self.compute()

    def compute(self) -> str:
        return json.dumps(self.layers)


class Outcome(NamedTuple):
    """One recorded benchmark: where, NeuroBench's results, and what it counted by layer."""

    run: Path
    results: dict[str, Any]
    layers: list[Updates]
    by_class: dict[str, int]


def loader(
    shape: tuple[int, ...] = (8,),
    samples: int = 10,
    steps: int = 7,
    batch_size: int = 4,
    dtype: torch.dtype = torch.float32,
) -> DataLoader:
    """Random samples, ``[samples, steps, *shape]``; the last batch is a smaller one."""
    data = (torch.rand(samples, steps, *shape) * 2).to(dtype)
    return DataLoader(TensorDataset(data, torch.zeros(samples)), batch_size=batch_size)


def benchmark(
    net: torch.nn.Module | SNNTorchModel,
    recorder: type | None,
    data: DataLoader | None = None,
    grad: bool = False,
) -> Outcome:
    """Run NeuroBench with its two metrics of neurons, the recorder between them."""
    metrics = [NeuronOperations, *([recorder] if recorder else []), MembraneUpdates, LayerUpdates]
    model = net if isinstance(net, SNNTorchModel) else SNNTorchModel(net)
    bench = Benchmark(model, data or loader(), [], [], [[], metrics])
    with torch.set_grad_enabled(grad):
        results = bench.run(quiet=True)
    counted = bench.workload_metric_manager.metrics
    return Outcome(
        Path(recorder.directory) if recorder else Path(),
        {name: results[name] for name in results if name != "LayerUpdates"},
        [Updates(*layer) for layer in json.loads(results["LayerUpdates"])],
        dict(counted["NeuronOperations"].macs),
    )


def summary(command: str, run: Path, code: int = 0) -> dict[str, Any]:
    """What the command counts: ``neurotop summary DIR --format json``, which exits with `code`."""
    arguments = [command, "summary", str(run), "--format", "json"]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def recorded(
    net: torch.nn.Module, directory: Path, form: str, data: DataLoader | None = None
) -> Outcome:
    """A benchmark recorded in one form; anything that would stop the recording is raised."""
    recorder = neurotop.Recorder(directory / form, form=form, strict=True)
    return benchmark(net, recorder, data)
