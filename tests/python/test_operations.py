"""`neurotop.NeuronOperations`: NeuroBench's two figures, for any framework."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import NeuronOperations
from neurobench.models import SNNTorchModel, TorchModel
from torch import Tensor, nn
from torch.utils.data import DataLoader

import neurotop
import recount
from benchmarks import loader
from networks import ResetInside, SharedLayer, Stepwise, UsedTwice, convolutional, dense, neuron
from neurotop import RecorderError, RecorderWarning
from test_adapters import frames, framework, jelly_node, left_behind
from test_counts import PRICES, digits

OWN = "NeurotopNeuronOperations"
NETWORKS: dict[str, Any] = {
    **{
        f"{kind}-{reset}": lambda k=kind, r=reset: (dense(k, r), loader()) for kind, reset in PRICES
    },
    "convolutional": lambda: (convolutional(), digits()),
    "used twice": lambda: (UsedTwice(), loader()),
    "shared": lambda: (SharedLayer(), loader()),
    "reset inside": lambda: (ResetInside(), loader()),
    "one step": lambda: (dense(), loader(steps=1)),
    "bfloat16": lambda: (dense(dtype=torch.bfloat16), loader(dtype=torch.bfloat16)),
}


def run(model: Any, data: DataLoader, *metrics: type) -> dict[str, Any]:
    """A benchmark's results."""
    with torch.no_grad():
        return dict(Benchmark(model, data, [], [], [[], [*metrics]]).run(quiet=True))


@pytest.mark.parametrize("case", NETWORKS)
def test_the_figures_are_those_of_neurobench(case: str) -> None:
    net, data = NETWORKS[case]()
    results = run(SNNTorchModel(net), data, NeuronOperations, neurotop.NeuronOperations())
    assert results[OWN] == results["NeuronOperations"]
    assert results[OWN]["Effective Neuron Ops"] > 0


def test_a_second_run_begins_anew() -> None:
    net, data = dense(), loader()
    metrics = [NeuronOperations, neurotop.NeuronOperations()]
    bench = Benchmark(SNNTorchModel(net), data, [], [], [[], metrics])
    with torch.no_grad():
        first, second = dict(bench.run(quiet=True)), dict(bench.run(quiet=True))
    assert first[OWN] == second[OWN] == first["NeuronOperations"]


def test_where_neurobench_gives_up() -> None:
    net = Stepwise(nn.Linear(8, 6), nn.ReLU(), neuron("Leaky"), nn.Linear(6, 6), neuron("RLeaky"))
    with pytest.warns(
        RecorderWarning, match=r"'layers.4' \(RLeaky\) has no price.*RLeaky:subtract': 6}\), as"
    ):
        left_out = run(SNNTorchModel(net), loader(), NeuronOperations, neurotop.NeuronOperations())
    assert left_out["NeuronOperations"] == 0.0
    assert left_out[OWN]["Neuron Dense Ops"] == 4 * 7 * 6
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        metric = neurotop.NeuronOperations({"RLeaky:subtract": 6})
        priced = run(SNNTorchModel(net), loader(), metric)
    assert priced[OWN]["Neuron Dense Ops"] == (4 + 6) * 7 * 6


@pytest.mark.parametrize("mode", ["s", "m"])
def test_other_frameworks(tmp_path: Path, mode: str) -> None:
    functional = framework("spikingjelly.activation_based.functional")

    class Mixed(nn.Module):
        """A node of SpikingJelly before a layer of snnTorch."""

        def __init__(self) -> None:
            super().__init__()
            self.jelly, self.leaky = jelly_node("LIF hard"), neuron("Leaky")

        def forward(self, data: Tensor) -> Tensor:
            self.jelly.reset()
            self.leaky.reset_mem()
            steps = data.transpose(0, 1)
            spikes = self.jelly(steps) if mode == "m" else [self.jelly(step) for step in steps]
            return torch.stack([self.leaky(step) for step in spikes])

    net = Mixed()
    functional.set_step_mode(net.jelly, mode)
    model = TorchModel(net)
    model.add_activation_module(type(net.leaky))
    batches = [(frames(seed).transpose(0, 1), torch.zeros(4)) for seed in range(3)]
    data = DataLoader(
        [(x, y) for frames_, labels in batches for x, y in zip(frames_, labels)], batch_size=4
    )
    before = left_behind(net)
    results = run(model, data, neurotop.NeuronOperations({"LIFNode:zero": 8}))
    assert left_behind(net)["jelly"] == before["jelly"]

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", RecorderWarning)
        with neurotop.record(net, tmp_path / "run", strict=True) as rec:
            for frames_, _ in batches:
                net(frames_)
                rec.batch(4)
    counted = recount.updates(rec.directory)
    effective = 8 * counted["jelly"].effective + 4 * counted["leaky"].effective
    dense_updates = 8 * counted["jelly"].dense + 4 * counted["leaky"].dense
    assert results[OWN] == {
        "Effective Neuron Ops": effective / 12,
        "Neuron Dense Ops": dense_updates / 12,
    }
    assert counted["jelly"].effective < counted["jelly"].dense


def test_an_interrupted_benchmark_that_is_run_again() -> None:
    net, data = dense(), loader()
    expected = run(SNNTorchModel(net), data, neurotop.NeuronOperations())[OWN]

    class Interrupting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyboardInterrupt

    metrics = [NeuronOperations, neurotop.NeuronOperations()]
    bench = Benchmark(SNNTorchModel(net), data, [], [], [[], metrics])
    last, net.layers[3] = net.layers[3], Interrupting()
    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        bench.run(quiet=True)
    net.layers[3] = last
    with torch.no_grad(), pytest.warns(RecorderWarning, match="still hold steps of a run"):
        results = bench.run(quiet=True)
    assert results[OWN] == expected != results["NeuronOperations"]


def test_layers_that_neurobench_does_not_hook_are_told() -> None:
    class Sequences(Stepwise):
        def forward(self, data: Tensor) -> Tensor:
            self.reset()
            return torch.stack([self.layers(x) for x in data.transpose(0, 1)])

    model = TorchModel(Sequences(nn.Linear(8, 6), neuron("Leaky")))
    with pytest.warns(RecorderWarning, match="'layers.1' .* is not counted.*SpikingNeuron"):
        assert run(model, loader(), neurotop.NeuronOperations())[OWN]["Neuron Dense Ops"] == 0


def test_networks_whose_hooks_do_not_see_the_steps_are_refused(tmp_path: Path) -> None:
    compiled, split = dense(), nn.DataParallel(dense())
    compiled._compiled_call_impl = compiled._call_impl  # as net.compile() leaves it
    split.device_ids = [0, 1]
    for net, why in ((compiled, "torch.compile"), (split, "DataParallel runs copies")):
        with pytest.raises(RecorderError, match=why):
            run(SNNTorchModel(net), loader(), neurotop.NeuronOperations())
        with pytest.raises(RecorderError, match=why):
            run(SNNTorchModel(net), loader(), neurotop.Recorder(tmp_path / "run", strict=True))
    with pytest.raises(RecorderError, match="DataParallel runs copies"):
        neurotop.record(split, tmp_path / "run").__enter__()


class TwoShapesOnce(Stepwise):
    """A layer that is called with two shapes in one batch."""

    def __init__(self, broken: int) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.extra, self.broken, self.batch = neuron("Leaky"), broken, 0

    def reset(self) -> None:
        super().reset()
        self.batch += 1

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        spikes = self.layers(x)
        if self.batch == self.broken:
            self.extra(spikes[:, :3])
            self.extra.reset_mem()
        return self.extra(spikes), None


def test_a_batch_that_cannot_be_counted_is_left_out_as_a_whole() -> None:
    with pytest.warns(RecorderWarning, match="batch 2 is not counted, since layer 'extra'"):
        figures = run(SNNTorchModel(TwoShapesOnce(2)), loader(), neurotop.NeuronOperations())[OWN]
    assert figures["Neuron Dense Ops"] == 7 * (6 + 6) * 4, "per sample of the other batches"


@pytest.mark.parametrize("cost", [-1, 1.5, "8", None, True, float("nan"), float("inf")])
def test_what_is_no_cost(cost: Any) -> None:
    with pytest.raises(ValueError, match="NEURON:RESET"):
        neurotop.NeuronOperations({"LIFNode:zero": cost})


@pytest.mark.parametrize("costs", [{"Leaky": 4}, {":zero": 1}, {"Leaky:": 1}, {3: 1}])
def test_impossible_costs(costs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="NEURON:RESET"):
        neurotop.NeuronOperations(costs)
