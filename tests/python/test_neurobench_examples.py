"""NeuroBench's example networks, with their shapes and random weights, recorded as they are run.

The networks are those of NeuroBench's ``examples``: DVS-Gesture, GSC, NeHAR, eeg_mi, and the two of
primate_reaching. Each is benchmarked as its script does it: with the same kind of model, with
gradients on, and without an option of the recorder.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import ActivationSparsity, MembraneUpdates, NeuronOperations
from neurobench.models import SNNTorchModel, TorchModel
from snntorch import surrogate, utils
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import neurotop
import recount
from benchmarks import FORMS, LayerUpdates, summary
from neurotop import RecorderWarning
from recount import Updates


class DvsGesture(nn.Module):
    """``dvs_gesture/snn.py``: frames of 2 by 32 by 32, one a call."""

    def __init__(self) -> None:
        super().__init__()
        grad = surrogate.atan()
        self.conv1, self.pool1 = nn.Conv2d(2, 16, 5, padding="same"), nn.MaxPool2d(2)
        self.lif1 = snn.Leaky(beta=0.99999, threshold=3.511, spike_grad=grad, init_hidden=True)
        self.conv2, self.pool2 = nn.Conv2d(16, 32, 5, padding="same"), nn.MaxPool2d(2)
        self.lif2 = snn.Leaky(beta=0.729, threshold=3.494, spike_grad=grad, init_hidden=True)
        self.conv3, self.pool3 = nn.Conv2d(32, 64, 5, padding="same"), nn.MaxPool2d(2)
        self.lif3 = snn.Leaky(beta=0.936, threshold=1.599, spike_grad=grad, init_hidden=True)
        self.linear1, self.dropout_4 = nn.Linear(64 * 4 * 4, 11), nn.Dropout(0.5956)
        self.lif4 = snn.Leaky(
            beta=0.835, threshold=0.364, spike_grad=grad, init_hidden=True, output=True
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = self.lif1(self.pool1(self.conv1(x)))
        y = self.lif2(self.pool2(self.conv2(y)))
        y = self.lif3(self.pool3(self.conv3(y)))
        return self.lif4(self.dropout_4(self.linear1(y.flatten(1))))


def gsc() -> nn.Sequential:
    """``gsc/SNN.py``: 20 channels, four layers, no class of its own."""
    grad = surrogate.fast_sigmoid()
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in ((20, 256), (256, 256), (256, 256)):
        layers += [
            nn.Linear(inputs, outputs),
            snn.Leaky(beta=0.9, spike_grad=grad, init_hidden=True),
        ]
    last = snn.Leaky(beta=0.9, spike_grad=grad, init_hidden=True, output=True)
    return nn.Sequential(*layers, nn.Linear(256, 35), last)


class NeHar(nn.Module):
    """``nehar/SCNN.py``: 40 steps of 6 channels, all in one call."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.max1 = nn.Conv1d(6, 200, 2, padding=4), nn.MaxPool1d(2)
        self.leaky1 = snn.Leaky(beta=0.4, init_hidden=True, threshold=0.002)
        self.conv2, self.max2 = nn.Conv1d(200, 256, kernel_size=1), nn.MaxPool1d(2)
        self.leaky2 = snn.Leaky(beta=0.3, init_hidden=True, threshold=0.001)
        self.flatten, self.linear = nn.Flatten(), nn.Linear(512, 7)
        self.leaky3 = snn.Leaky(beta=0.5, output=True, init_hidden=True, threshold=0.001)
        self.num_steps = 40

    def forward(self, data: Tensor) -> Tensor:
        for layer in (self.leaky1, self.leaky2, self.leaky3):
            layer.init_leaky()
        utils.reset(self)
        spikes = []
        for step in range(self.num_steps):
            x = data[:, step, :]
            x = self.leaky1(self.max1(self.conv1(x.reshape(x.shape[0], x.shape[1], 1))))
            x = self.leaky2(self.max2(self.conv2(x)))
            spikes.append(self.leaky3(self.linear(self.flatten(x)))[0])
        return torch.stack(spikes)


class EegMi(nn.Module):
    """``eeg_mi/model.py``: passes the potentials itself, all steps in one call."""

    def __init__(self) -> None:
        super().__init__()
        grad = surrogate.fast_sigmoid(slope=25)
        self.fc1, self.lif1 = nn.Linear(62, 256), snn.Leaky(beta=0.9, spike_grad=grad)
        self.fc2, self.lif2 = nn.Linear(256, 128), snn.Leaky(beta=0.9, spike_grad=grad)
        self.fc3, self.lif3 = nn.Linear(128, 2), snn.Leaky(beta=0.9, spike_grad=grad)

    def forward(self, data: Tensor) -> Tensor:
        mem1, mem2, mem3 = self.lif1.init_leaky(), self.lif2.init_leaky(), self.lif3.init_leaky()
        spikes = []
        for step in range(data.shape[1]):
            spk1, mem1 = self.lif1(self.fc1(data[:, step, :]), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk3, mem3 = self.lif3(self.fc3(spk2), mem3)
            spikes.append(spk3)
        return torch.stack(spikes, dim=1)


class Snn2(nn.Module):
    """``primate_reaching/SNN2.py``: a batch is one long series of one sample, without its axis."""

    def __init__(self, input_size: int = 96) -> None:
        super().__init__()
        grad = surrogate.fast_sigmoid(slope=20)
        self.fc1, self.fc_out = nn.Linear(input_size, 50, bias=False), nn.Linear(50, 2, bias=False)
        options: dict[str, Any] = {"beta": 0.96, "spike_grad": grad, "threshold": 1}
        self.lif1 = snn.Leaky(**options, reset_mechanism="zero")
        self.lif_out = snn.Leaky(**options, reset_mechanism="none")
        self.dropout = nn.Dropout(0.3)
        self.mem1 = self.mem2 = None

    def reset(self) -> None:
        self.mem1, self.mem2 = self.lif1.init_leaky(), self.lif_out.init_leaky()

    def single_forward(self, x: Tensor) -> Tensor:
        spk1, self.mem1 = self.lif1(self.dropout(self.fc1(x.squeeze())), self.mem1)
        _, self.mem2 = self.lif_out(self.fc_out(spk1), self.mem2)
        return self.mem2.clone()

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.single_forward(x[sample, ...]) for sample in range(x.shape[0])])


class Snn3(nn.Module):
    """``primate_reaching/SNN_3.py``: 7 steps for each sample, from rest."""

    def __init__(self, input_dim: int = 96) -> None:
        super().__init__()
        self.num_steps, self.window, self.step_size = 7, 50, 7
        self.fc1, self.fc2, self.fc3 = nn.Linear(input_dim, 32), nn.Linear(32, 48), nn.Linear(48, 2)
        self.dropout, self.norm_layer = nn.Dropout(0.5), nn.LayerNorm([7, input_dim])
        options: dict[str, Any] = {
            "beta": 0.5,
            "spike_grad": surrogate.atan(alpha=2),
            "threshold": 0.5,
            "init_hidden": True,
        }
        self.lif1, self.lif2 = snn.Leaky(**options), snn.Leaky(**options)
        self.lif3 = snn.Leaky(**options, reset_mechanism="none")
        self.v_x, self.v_y = nn.Parameter(torch.randn(1)), nn.Parameter(torch.randn(1))
        self.register_buffer("data_buffer", torch.zeros(1, input_dim), persistent=False)

    def single_forward(self, x: Tensor) -> Tensor:
        x = self.norm_layer(x)
        for layer in (self.lif1, self.lif2, self.lif3):
            layer.reset_hidden()
        for step in range(self.num_steps):
            spk1 = self.lif1(self.dropout(self.fc1(x[step, :])))
            self.lif3(self.fc3(self.lif2(self.fc2(spk1))))
        return self.lif3.mem.clone()

    def forward(self, x: Tensor) -> Tensor:
        predictions = []
        for sample in x:
            self.data_buffer = torch.cat((self.data_buffer, sample), dim=0)[-self.window :]
            summed = torch.zeros((7, x.shape[-1]))
            for i in range(7):
                summed[i] = self.data_buffer[7 * i : 7 * i + 7].sum(dim=0)
            prediction = self.single_forward(summed)
            predictions.append(torch.stack((self.v_x * prediction[0], self.v_y * prediction[1]), 0))
        return torch.stack(predictions).squeeze(dim=1)


class Example(NamedTuple):
    """How a script of the examples builds its model, and what it calls it with."""

    net: nn.Module
    model: Any
    batches: DataLoader
    steps: int | None
    neurons: list[int]


def batches_of(samples: int, size: int, *shape: int, rate: float = 0.3) -> DataLoader:
    """Random spikes, ``[samples, *shape]``."""
    data = (torch.rand(samples, *shape) < rate).float()
    return DataLoader(TensorDataset(data, torch.zeros(samples)), batch_size=size)


def activation_module(net: nn.Module) -> TorchModel:
    """As the two scripts of primate_reaching do."""
    model = TorchModel(net)
    model.add_activation_module(snn.SpikingNeuron)
    return model


def example(name: str) -> Example:
    """The network, its model and its data; the time axis of some is shorter than the script's."""
    torch.manual_seed(0)
    if name == "dvs_gesture":
        net: nn.Module = DvsGesture()
        neurons = [16 * 16 * 16, 32 * 8 * 8, 64 * 4 * 4, 11]
        return Example(net, SNNTorchModel(net), batches_of(6, 4, 12, 2, 32, 32), 12, neurons)
    if name == "gsc":
        net = gsc()
        return Example(net, SNNTorchModel(net), batches_of(12, 5, 25, 20), 25, [256, 256, 256, 35])
    if name == "nehar":
        net = NeHar()
        model = SNNTorchModel(net, custom_forward=True)
        return Example(net, model, batches_of(12, 5, 40, 6), 40, [200 * 4, 256 * 2, 7])
    if name == "eeg_mi":
        net = EegMi()
        model = SNNTorchModel(net, custom_forward=True)
        return Example(net, model, batches_of(10, 4, 30, 62), 30, [256, 128, 2])
    if name == "SNN2":
        net = Snn2()
        net.reset()
        return Example(net, activation_module(net), batches_of(60, 60, 1, 96), None, [50, 2])
    net = Snn3()
    return Example(net, activation_module(net), batches_of(9, 9, 1, 96), None, [32, 48, 2])


EXAMPLES = ("dvs_gesture", "gsc", "nehar", "eeg_mi", "SNN2", "SNN3")
PRIMATE = ("SNN2", "SNN3")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The warnings are looked at in the manifest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecorderWarning)
        yield


def run(name: str, recorder: type | None = None) -> tuple[Example, Any, list[Updates]]:
    """An example's benchmark: its results, and NeuroBench's updates of each layer."""
    found = example(name)
    recorders = [recorder] if recorder else []
    metrics = [ActivationSparsity, NeuronOperations, *recorders, MembraneUpdates, LayerUpdates]
    bench = Benchmark(found.model, found.batches, [], [], [[], metrics])
    results = dict(bench.run(quiet=True))
    layers = bench.workload_metric_manager.metrics["LayerUpdates"].layers
    return found, results, [Updates(*each) for each in layers]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_of_neurobench(
    tmp_path: Path, name: str, form: str, neurotop_command: str
) -> None:
    recorder = neurotop.Recorder(tmp_path / "run", form=form)
    found, results, own = run(name, recorder)
    entries = recount.manifest(recorder.directory)["layers"]
    assert [*recount.updates(recorder.directory).values()] == own
    gives_up = name in PRIMATE  # NeuroBench has no price for reset none
    told = summary(neurotop_command, recorder.directory, code=3 if gives_up else 0)
    assert [layer["updates"] for layer in told["layers"]] == [each.effective for each in own]
    costs_figures = [p["cause"] for p in told["problems"] if p["severity"] == "set_aside"]
    assert costs_figures == ["differs_from_neurobench"] * gives_up
    assert told["complete"] is True, "every batch is counted"
    assert told["neurobench"]["MembraneUpdates"] == results["MembraneUpdates"]
    if gives_up:
        assert results["NeuronOperations"] == 0.0
        assert [entry.get("operations") for entry in entries[:-1]] == [None] * (len(entries) - 1)
        assert (entries[-1]["reset"], entries[-1]["operations"]) == ("none", ["mul", "add"])
    else:
        assert told["neurobench"]["NeuronOperations"] == results["NeuronOperations"]
        assert results["NeuronOperations"]["Effective Neuron Ops"] > 0
        assert [int(np.prod(entry["shape"])) for entry in entries] == found.neurons
        assert [int(each.dense) for each in own] == [
            count * found.steps * len(found.batches.dataset) for count in found.neurons
        ]
        assert all("ops_per_update" not in entry for entry in entries)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_recorder_changes_no_figure_of_an_example(tmp_path: Path, name: str) -> None:
    _, plain, _ = run(name)
    _, recorded, _ = run(name, neurotop.Recorder(tmp_path / "run"))
    assert recorded == plain


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_without_a_metric(tmp_path: Path, name: str) -> None:
    _, _, own = run(name)
    net, model, batches, *_ = example(name)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for data, _ in batches:
            model(data)
            rec.batch(len(data))
    assert [*recount.updates(rec.directory).values()] == own
