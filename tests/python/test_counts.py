"""Recorded in any form, a run has NeuroBench's own figures: by NumPy, and by the built command."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import NeuronOperations
from neurobench.models import SNNTorchModel
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import neurotop
import recount
from benchmarks import FORMS, Outcome, benchmark, loader, recorded, summary
from networks import (
    ResetInside,
    SameChildName,
    SharedLayer,
    Stepwise,
    UsedTwice,
    convolutional,
    dense,
    neuron,
)
from neurotop import RecorderWarning

NEURONS = ("Leaky", "Synaptic", "Lapicque", "Alpha")
PRICES = {
    ("Leaky", "subtract"): 4,
    ("Leaky", "zero"): 4,
    ("Synaptic", "subtract"): 6,
    ("Synaptic", "zero"): 8,
    ("Lapicque", "subtract"): 11,
    ("Lapicque", "zero"): 11,
    ("Alpha", "subtract"): 18,
    ("Alpha", "zero"): 24,
}


def digits() -> DataLoader:
    """20 images of scikit-learn's digits, shown for 5 steps: ``[20, 5, 1, 8, 8]``."""
    images = torch.tensor(load_digits().images[:20] / 8, dtype=torch.float32)
    frames = images[:, None, None].repeat(1, 5, 1, 1, 1)
    return DataLoader(TensorDataset(frames, torch.zeros(20)), batch_size=8)


def network_cases() -> dict[str, Callable[[], tuple[nn.Module, DataLoader]]]:
    """What is benchmarked: a name, and how to make the network and its data."""

    def floats(dtype: torch.dtype) -> Callable[[], tuple[nn.Module, DataLoader]]:
        return lambda: (dense(dtype=dtype), loader(dtype=dtype))

    def priced(kind: str, reset: str) -> Callable[[], tuple[nn.Module, DataLoader]]:
        return lambda: (dense(kind, reset), loader())

    return {
        **{f"{kind}-{reset}": priced(kind, reset) for kind, reset in PRICES},
        "convolutional-digits": lambda: (convolutional(), digits()),
        "same-child-name": lambda: (SameChildName(), loader()),
        "used-twice": lambda: (UsedTwice(), loader()),
        "shared-layer": lambda: (SharedLayer(), loader()),
        "reset-inside": lambda: (ResetInside(), loader()),
        "one-step": lambda: (dense(), loader(steps=1)),
        "nine-steps": lambda: (dense(), loader(steps=9)),
        "float64": floats(torch.float64),
        "float16": floats(torch.float16),
        "bfloat16": floats(torch.bfloat16),
        "special": lambda: (Stepwise(neuron("Leaky")), special_values()),
    }


def special_values() -> DataLoader:
    """Inputs that make potentials stay, overflow to infinity, become NaN, or differ by little."""
    data = torch.zeros(2, 6, 5)
    data[0, 2, 0] = torch.nan
    data[0, 1, 1] = torch.inf
    data[0, 2:, 2] = 3e38
    data[1, 1, 3] = 1e-44
    data[1, 3, 4] = -torch.inf
    return DataLoader(TensorDataset(data, torch.zeros(2)), batch_size=2)


@pytest.fixture(scope="module", params=list(network_cases()))
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """One network's benchmark, recorded in every form."""
    directory = tmp_path_factory.mktemp("runs")
    torch.manual_seed(0)
    net, data = network_cases()[request.param]()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecorderWarning)  # test_traps.py looks at these
        return {form: recorded(net, directory, form, data) for form in FORMS}


@pytest.mark.parametrize("form", FORMS)
def test_recount_agrees_with_neurobench(outcomes: dict[str, Outcome], form: str) -> None:
    run, results, layers, by_class = outcomes[form]
    counted = recount.updates(run)
    assert list(counted.values()) == layers
    assert sum(layer.effective for layer in layers) > 0

    prices = {
        layer["name"]: PRICES[layer["neuron"], layer["reset"]]
        for layer in recount.manifest(run)["layers"]
    }
    samples = recount.samples(run)
    effective = sum(counted[name].effective * price for name, price in prices.items())
    dense_ops = sum(counted[name].dense * price for name, price in prices.items())
    assert results["NeuronOperations"] == {
        "Effective Neuron Ops": effective / samples,
        "Neuron Dense Ops": dense_ops / samples,
    }
    updates = sum(layer.effective for layer in counted.values())
    assert results["MembraneUpdates"] == updates / samples
    assert recount.end(run)["neurobench"]["NeuronOperations"] == results["NeuronOperations"]
    assert recount.end(run)["neurobench"]["MembraneUpdates"] == results["MembraneUpdates"]


@pytest.mark.parametrize("form", FORMS)
def test_command_agrees_with_neurobench(
    outcomes: dict[str, Outcome], form: str, neurotop_command: str
) -> None:
    run, results, layers, by_class = outcomes[form]
    told = summary(neurotop_command, run)
    assert told["neurobench"]["NeuronOperations"] == results["NeuronOperations"]
    assert told["neurobench"]["MembraneUpdates"] == results["MembraneUpdates"]
    total = told["total"]
    assert total["effective_ops_per_sample"] == results["NeuronOperations"]["Effective Neuron Ops"]
    assert total["dense_ops_per_sample"] == results["NeuronOperations"]["Neuron Dense Ops"]
    assert {kind: neuron["effective_ops"] for kind, neuron in told["neurons"].items()} == by_class
    counted = [(layer["updates"], layer["dense_updates"]) for layer in told["layers"]]
    assert counted == [tuple(layer) for layer in layers]
    assert told["run"]["status"] == "finished" and told["complete"] is True
    assert told["run"]["samples"] == recount.samples(run)
    # Of some networks the recorder warns; no file is at fault.
    assert {problem["cause"] for problem in told["problems"]} <= {"unpriced", "producer_warns"}


def test_every_form_has_the_same_counts(outcomes: dict[str, Outcome]) -> None:
    counts = {form: recount.updates(outcome.run) for form, outcome in outcomes.items()}
    assert counts["trace"] == counts["pair"] == counts["bits"]


def test_results_are_those_without_the_recorder(tmp_path: Path) -> None:
    net, data = dense(), loader()
    without = benchmark(net, None, data)
    for form in FORMS:
        outcome = recorded(net, tmp_path, form, data)
        assert outcome.results == without.results
        assert list(outcome.results) == list(without.results), "nothing added, same order"


def test_verbose_results_are_those_without_the_recorder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net, data = dense(), loader()
    printed = []
    for metrics in ([NeuronOperations], [NeuronOperations, neurotop.Recorder(tmp_path / "run")]):
        bench = Benchmark(SNNTorchModel(net), data, [], [], [[], metrics])
        with torch.no_grad():
            bench.run(verbose=True)
        printed.append([line for line in capsys.readouterr().out.splitlines() if "{" in line])
    assert len(printed[0]) == 3
    assert printed[0] == printed[1]


def test_forms_write_what_they_say(tmp_path: Path) -> None:
    net, data = dense(), loader()
    members = {
        form: set(recount.batches(recorded(net, tmp_path, form, data).run)[0]) for form in FORMS
    }
    layers = ("layers.1", "layers.3")
    assert members["trace"] == {"samples", *(f"{name}.post" for name in layers)}
    assert members["pair"] == members["trace"] | {f"{name}.pre" for name in layers}
    bits = {f"{name}.{part}" for name in layers for part in ("changed", "shape")}
    assert members["bits"] == {"samples", *bits}


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        (torch.float16, np.float16),
        (torch.bfloat16, np.float32),
        (torch.float32, np.float32),
        (torch.float64, np.float64),
    ],
)
def test_potentials_keep_their_precision(tmp_path: Path, dtype: torch.dtype, stored: type) -> None:
    run = recorded(dense(dtype=dtype), tmp_path, "trace", loader(dtype=dtype)).run
    first = recount.batches(run)[0]["layers.1.post"]
    assert first.dtype == stored
    assert first.shape == (7, 4, 13)


def test_manifest_describes_the_run(tmp_path: Path) -> None:
    run = recorded(convolutional(), tmp_path, "trace", digits()).run
    manifest = recount.manifest(run)
    assert manifest["format"] == "neurotop" and manifest["version"] == 1
    assert manifest["run"] == "trace"
    assert "neurobench 2.3.0" in manifest["producer"]
    assert manifest["expected_samples"] == 20 and manifest["expected_batches"] == 3
    assert manifest["warnings"] == []
    assert manifest["layers"] == [
        {"name": "layers.1", "neuron": "Leaky", "reset": "zero", "shape": [4, 8, 8]},
        {"name": "layers.4", "neuron": "Leaky", "reset": "subtract", "shape": [6, 4, 4]},
        {"name": "layers.7", "neuron": "Synaptic", "reset": "zero", "shape": [10]},
    ]


def test_same_child_names_stay_apart(tmp_path: Path) -> None:
    counted = recount.updates(recorded(SameChildName(), tmp_path, "trace").run)
    assert list(counted) == ["left.lif", "right.lif"]
    assert counted["left.lif"] != counted["right.lif"]
