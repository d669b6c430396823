"""Networks that pass the potential themselves, ``spk, mem = lif(x, mem)``, are recorded exactly."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import snntorch as snn
import torch
from neurobench.models import SNNTorchModel
from torch import Tensor, nn

import neurotop
import recount
from benchmarks import FORMS, benchmark, summary
from neurotop import RecorderWarning
from recount import Updates

LAYERS = {
    "Leaky": lambda: snn.Leaky(beta=0.9),
    "Synaptic": lambda: snn.Synaptic(alpha=0.8, beta=0.9, reset_mechanism="zero"),
    "Lapicque": lambda: snn.Lapicque(beta=0.9),
    "Alpha": lambda: snn.Alpha(alpha=0.9, beta=0.8),
    "RLeaky": lambda: snn.RLeaky(beta=0.9, all_to_all=False),
    "SLSTM": lambda: snn.SLSTM(6, 6),
}


class Passing(nn.Module):
    """Passes all states around: what comes out of a call goes into the next one.

    `between` makes of the potential that a call returned the one that is passed to the next.
    """

    def __init__(
        self, kind: str = "Leaky", between: Callable[[Tensor], Tensor] = lambda mem: mem
    ) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(8, 6), LAYERS[kind]()
        self.between = between
        self.states: tuple[Any, ...] = ()
        self.seen: list[tuple[Tensor, Tensor]] = []

    def reset(self) -> None:
        initial = self.lif.reset_mem()
        self.states = initial if isinstance(initial, tuple) else (initial,)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        *others, before = self.states
        # Where no current comes, a potential of zero stays as it is.
        current = torch.relu(self.fc(x) - 0.2)
        spikes, *self.states = self.lif(current, *others, before)
        after = self.states[-1]
        self.seen.append((before.detach().clone(), after.detach().clone()))
        self.states[-1] = self.between(after)
        return spikes, after


def expected(batches: list[list[tuple[Tensor, Tensor]]]) -> Updates:
    """What is counted of the potentials before and after each step, by NumPy."""
    effective = dense = 0
    for steps in batches:
        before = np.stack([pair[0].numpy() for pair in steps[1:]])
        after = np.stack([pair[1].numpy() for pair in steps])
        effective += after[0].size + int(np.count_nonzero(before - after[1:]))
        dense += after.size
    return Updates(effective, dense)


def run(net: Passing, rec: neurotop.Recording, batches: int = 3) -> list[Any]:
    """Run a network from rest, a few batches of 7 steps, and return what it saw."""
    seen = []
    for _ in range(batches):
        net.reset()
        net.seen = []
        frames = torch.rand(4, 7, 8) * 2
        for step in range(7):
            net(frames[:, step])
        rec.batch(4)
        seen.append(net.seen)
    return seen


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", LAYERS)
def test_passed_states_are_recorded(tmp_path: Path, kind: str, form: str) -> None:
    net = Passing(kind)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        seen = run(net, rec)
    counted = recount.updates(rec.directory)
    assert counted == {"lif": expected(seen)}
    assert kind == "SLSTM" or counted["lif"].effective < counted["lif"].dense
    told = recount.manifest(rec.directory)["warnings"]
    assert all("no price" in text for text in told), told


@pytest.mark.parametrize(
    "between",
    [
        lambda mem: mem.detach(),
        lambda mem: mem.clone(),
        lambda mem: mem * 1,
    ],
    ids=["detached", "cloned", "computed"],
)
def test_the_same_values_are_the_same_potential(
    tmp_path: Path, between: Callable[[Tensor], Tensor]
) -> None:
    net = Passing(between=between)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        seen = run(net, rec)
    assert recount.updates(rec.directory) == {"lif": expected(seen)}
    assert "lif.pre" not in recount.batches(rec.directory)[1]
    assert recount.manifest(rec.directory)["warnings"] == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "between",
    [
        lambda mem: torch.where(mem > 0.4, mem, torch.zeros_like(mem)),
        lambda mem: mem.clamp_(min=0.3),
        lambda mem: torch.zeros(0),
    ],
    ids=["masked", "clamped in place", "fresh"],
)
def test_another_potential_is_what_counts(
    tmp_path: Path, between: Callable[[Tensor], Tensor], form: str
) -> None:
    net = Passing(between=between)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form) as rec:
        with pytest.warns(RecorderWarning, match="did not begin each step"):
            seen = run(net, rec)
    for steps in seen:  # snnTorch takes an empty potential for one at rest
        steps[:] = [(b if b.numel() else torch.zeros_like(a), a) for b, a in steps]
    assert recount.updates(rec.directory) == {"lif": expected(seen)}


def test_potentials_passed_by_name(tmp_path: Path) -> None:
    lif = snn.Leaky(beta=0.9)
    net = nn.Sequential(lif)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        mem = torch.zeros(4, 6)
        for step in range(5):
            _, mem = lif(torch.zeros(4, 6) if step == 3 else torch.rand(4, 6), mem=mem)
            mem = torch.zeros(4, 6) if step == 2 else mem
        rec.batch(4)
    # The fourth step begins with zeros that are passed, gets nothing and stays at zero.
    assert recount.updates(rec.directory)["0"] == Updates(4 * 24, 5 * 24)


@pytest.mark.parametrize("form", FORMS)
def test_neurobench_sees_the_same(tmp_path: Path, form: str, neurotop_command: str) -> None:
    recorder = neurotop.Recorder(tmp_path / "run", form=form, strict=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        outcome = benchmark(Passing(), recorder)
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert outcome.layers[0].effective < outcome.layers[0].dense
    told = summary(neurotop_command, outcome.run)
    assert told["neurobench"]["NeuronOperations"] == outcome.results["NeuronOperations"]
    assert told["complete"] is True and told["problems"] == []


class WholeSequences(nn.Module):
    """As snnTorch's tutorials and NeuroBench's eeg_mi: all steps in one forward, from rest."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.lif = nn.Linear(8, 6), snn.Leaky(beta=0.9)

    def forward(self, data: Tensor) -> Tensor:
        mem, spikes = self.lif.init_leaky(), []
        for step in range(data.shape[1]):
            spike, mem = self.lif(torch.relu(self.fc(data[:, step])), mem)
            spikes.append(spike)
        return torch.stack(spikes)


def test_a_custom_forward_of_neurobench(tmp_path: Path) -> None:
    recorder = neurotop.Recorder(tmp_path / "run", strict=True)
    model = SNNTorchModel(WholeSequences(), custom_forward=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        outcome = benchmark(model, recorder)
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert outcome.results["NeuronOperations"]["Effective Neuron Ops"] > 0


def test_a_potential_that_neurobench_does_not_see_is_told(tmp_path: Path) -> None:
    net = Passing(between=lambda mem: torch.where(mem > 0.4, mem, torch.zeros_like(mem)))
    with pytest.warns(RecorderWarning, match="passed another potential than it kept"):
        outcome = benchmark(net, neurotop.Recorder(tmp_path / "run", strict=True))
    assert list(recount.updates(outcome.run).values()) == outcome.layers, "NeuroBench's view"
    assert expected([net.seen[begin : begin + 7] for begin in (0, 7, 14)]) != outcome.layers[0]


def test_external_state_is_still_an_option(tmp_path: Path) -> None:
    net = Passing()
    with neurotop.record(net, tmp_path / "run", external_state=True, strict=True) as rec:
        seen = run(net, rec)
    assert recount.updates(rec.directory) == {"lif": expected(seen)}


def test_what_cannot_be_recorded_is_in_the_manifest_and_leaves_the_directory_free(
    tmp_path: Path, neurotop_command: str
) -> None:
    net = nn.Sequential(nn.Linear(8, 6), nn.ReLU())
    model = SNNTorchModel(net, custom_forward=True)
    with pytest.warns(RecorderWarning, match="no spiking layer.*The recording stops here"):
        refused = benchmark(model, neurotop.Recorder(tmp_path / "run"))
    assert recount.batches(refused.run) == {}
    assert not (refused.run / "end.json").exists()
    told = summary(neurotop_command, refused.run, code=3)
    assert any("no spiking layer" in text for text in told["run"]["warnings"])
    assert told["complete"] is False

    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)  # no other directory is taken
        outcome = benchmark(Passing(), neurotop.Recorder(tmp_path / "run", strict=True))
    assert outcome.run == refused.run
    assert "stopped" not in recount.manifest(outcome.run)
    assert len(recount.batches(outcome.run)) == 3


def test_a_strict_refusal_leaves_the_directory_free_too(tmp_path: Path) -> None:
    model = SNNTorchModel(nn.Sequential(nn.Linear(8, 6), nn.ReLU()), custom_forward=True)
    with pytest.raises(neurotop.RecorderError, match="no spiking layer"):
        benchmark(model, neurotop.Recorder(tmp_path / "run", strict=True))
    assert "no spiking layer" in recount.manifest(tmp_path / "run")["warnings"][-1]
    outcome = benchmark(Passing(), neurotop.Recorder(tmp_path / "run", strict=True))
    assert outcome.run == tmp_path / "run"
