"""Other frameworks than snnTorch: each count is compared with potentials obtained another way.

A framework that is not installed is left out; NEUROTOP_FRAMEWORKS says which must be there.
"""

from __future__ import annotations

import copy
import importlib
import os
import pickle
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import neurotop
import recount
from benchmarks import FORMS, summary
from networks import neuron
from neurotop import RecorderError, RecorderWarning
from neurotop.adapters import replace_method
from recount import Updates

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*has no price:neurotop.RecorderWarning", "ignore::FutureWarning"
)
REQUIRED = os.environ.get("NEUROTOP_FRAMEWORKS", "").split()
STEPS, BATCH = 9, 4


def framework(name: str) -> Any:
    """A module of a framework; the test is left out where it is not installed."""
    if name.startswith("rockpool"):  # importing it would install samna from another index
        sys.modules.setdefault("samna", types.ModuleType("samna"))
    if name.partition(".")[0] in REQUIRED:
        return importlib.import_module(name)
    return pytest.importorskip(name)


def frames(seed: int, *shape: int) -> Tensor:
    """Input of one batch, time first; where nothing comes, a potential of zero stays."""
    draw = np.random.default_rng(seed)
    spikes = draw.random((STEPS, BATCH, *(shape or (8,)))) < 0.3
    return torch.tensor(spikes * draw.random(spikes.shape) * 3, dtype=torch.float32)


def counted(potentials: list[Any]) -> Updates:
    """What is counted of batches of potentials, each ``[T, B, ...]``."""
    effective = dense = 0
    for batch in potentials:
        post = np.asarray(batch)
        effective += post[0].size + int(np.count_nonzero(post[:-1] - post[1:]))
        dense += post.size
    return Updates(effective, dense)


def left_behind(net: nn.Module) -> dict[str, list[Any]]:
    """What a recording could leave on each module: hooks, wraps, memories, switches."""
    return {
        name: [
            [*module._forward_hooks.values(), *module._forward_pre_hooks.values()],
            {key: id(value) for key, value in vars(module).items() if callable(value)},
            sorted(getattr(module, "_memories", ())),
            [getattr(module, key, None) for key in ("store_v_seq", "record_states", "_record")],
        ]
        for name, module in net.named_modules()
    }


def framework_reset(layer: Any) -> None:
    """Begin from rest, whatever the framework."""
    layer.reset() if hasattr(layer, "reset") else layer.reset_states()


class Recorded:
    """One recorded network: counts, outputs, and how it was left."""

    def __init__(
        self,
        directory: Path,
        net: nn.Module,
        run: Callable[[nn.Module, Tensor], Any],
        inputs: list[Tensor],
        form: str = "trace",
        plain: nn.Module | None = None,
    ) -> None:
        plain, before = plain or copy.deepcopy(net), left_behind(net)
        with torch.no_grad():
            expected = [run(plain, data) for data in inputs]
            with neurotop.record(net, directory, form=form, strict=True) as rec:
                outputs = []
                for data in inputs:
                    outputs.append(run(net, data))
                    rec.batch(BATCH)
        self.directory = rec.directory
        assert left_behind(net) == before
        for module, other in zip(net.modules(), plain.modules()):
            assert vars(module).keys() == vars(other).keys()
        for one, other in zip(outputs, expected):
            torch.testing.assert_close(one, other, rtol=0, atol=0)
        states = zip(net.state_dict().items(), plain.state_dict().items())
        assert all(key == other and torch.equal(a, b) for (key, a), (other, b) in states)

    def check(self, command: str, expected: dict[str, Updates]) -> None:
        """The counts, by NumPy and by the command."""
        assert recount.updates(self.directory) == expected
        told = summary(command, self.directory)
        assert [(each["name"], each["updates"]) for each in told["layers"]] == [
            (name, updates.effective) for name, updates in expected.items()
        ]
        assert told["complete"] is True
        for updates in expected.values():
            assert 0 < updates.effective <= updates.dense


# --- SpikingJelly --------------------------------------------------------------------------------


def jelly_node(kind: str) -> nn.Module:
    """A node of SpikingJelly."""
    nodes = framework("spikingjelly.activation_based.neuron")
    return {
        "LIF hard": lambda: nodes.LIFNode(tau=2.0, v_threshold=0.7),
        "LIF soft": lambda: nodes.LIFNode(tau=2.0, v_threshold=0.7, v_reset=None),
        "LIF to 0.2": lambda: nodes.LIFNode(tau=2.0, v_threshold=0.7, v_reset=0.2),
        "LIF undecayed": lambda: nodes.LIFNode(tau=2.0, decay_input=False),
        "IF hard": lambda: nodes.IFNode(v_threshold=0.7),
        "IF soft": lambda: nodes.IFNode(v_threshold=0.7, v_reset=None),
        "PLIF": lambda: nodes.ParametricLIFNode(init_tau=2.0, v_threshold=0.7),
    }[kind]()


JELLY = ("LIF hard", "LIF soft", "LIF to 0.2", "LIF undecayed", "IF hard", "IF soft", "PLIF")


class Jelly(nn.Module):
    """Two nodes, the second behind a layer that mixes."""

    def __init__(self, kind: str, conv: bool) -> None:
        super().__init__()
        layer = framework("spikingjelly.activation_based.layer")
        torch.manual_seed(0)
        self.first = jelly_node(kind)
        self.mix = layer.Conv2d(2, 3, 3, bias=False) if conv else layer.Linear(8, 6, bias=False)
        self.second = jelly_node(kind)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.mix(self.first(x)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("kind", JELLY)
def test_spikingjelly(
    tmp_path: Path, kind: str, mode: str, train: bool, form: str, neurotop_command: str
) -> None:
    functional = framework("spikingjelly.activation_based.functional")
    net = Jelly(kind, conv=kind == "IF hard").train(train)
    functional.set_step_mode(net, mode)
    inputs = [frames(seed, *((2, 6, 6) if kind == "IF hard" else ())) for seed in range(3)]

    def run(net: nn.Module, data: Tensor) -> Tensor:
        functional.reset_net(net)
        return net(data) if mode == "m" else torch.stack([net(step) for step in data])

    recorded = Recorded(tmp_path / "run", net, run, inputs, form)
    single = copy.deepcopy(net)  # one step at a time, by hand
    functional.set_step_mode(single, "s")
    potentials: dict[str, list[np.ndarray]] = {"first": [], "second": []}
    for data in inputs:
        functional.reset_net(single)
        steps: dict[str, list[np.ndarray]] = {"first": [], "second": []}
        with torch.no_grad():
            for step in data:
                single(step)
                steps["first"].append(single.first.v.numpy().copy())
                steps["second"].append(single.second.v.numpy().copy())
        for name, each in steps.items():
            potentials[name].append(np.stack(each))
    expected = {name: counted(batches) for name, batches in potentials.items()}
    recorded.check(neurotop_command, expected)
    entries = {entry["name"]: entry for entry in recount.manifest(recorded.directory)["layers"]}
    reset = "subtract" if "soft" in kind else "zero"
    assert (entries["first"]["neuron"], entries["first"]["reset"]) == (
        type(net.first).__name__,
        reset,
    )
    told = recount.manifest(recorded.directory)["warnings"]
    assert all("has no price" in text for text in told), told
    if kind != "LIF to 0.2":
        assert expected["first"].effective < expected["first"].dense


def test_spikingjelly_carries_state_over(tmp_path: Path) -> None:
    functional = framework("spikingjelly.activation_based.functional")
    net = Jelly("LIF soft", conv=False)
    functional.reset_net(net)
    with pytest.warns(RecorderWarning, match="earlier samples.*functional.reset_net"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
            for seed in range(2):
                for step in frames(seed):
                    net(step)
                rec.batch(BATCH)


def test_spikingjelly_reset_within_a_batch_begins_at_its_v_reset(tmp_path: Path) -> None:
    functional = framework("spikingjelly.activation_based.functional")
    net = nn.Sequential(jelly_node("LIF to 0.2"))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        functional.reset_net(net)
        net(torch.ones(4, 6))
        functional.reset_net(net)
        net(torch.full((4, 6), 0.2 * 0))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RecorderWarning)
            rec.batch(4)
    pre = recount.batches(rec.directory)[0]["0.pre"]
    assert np.all(pre[1] == np.float32(0.2))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["NonSpikingIFNode", "NonSpikingLIFNode", "SimpleIFNode"])
def test_spikingjelly_nodes_that_keep_no_sequence(tmp_path: Path, kind: str, form: str) -> None:
    nodes = framework("spikingjelly.activation_based.neuron")
    functional = framework("spikingjelly.activation_based.functional")
    if not hasattr(nodes, kind):
        pytest.skip(f"this SpikingJelly has no {kind}")
    net = nn.Sequential(getattr(nodes, kind)())
    functional.set_step_mode(net, "m")
    inputs = [frames(seed) for seed in range(3)]

    def run(net: nn.Module, data: Tensor) -> Tensor:
        functional.reset_net(net)
        out = net(data)
        return out if isinstance(out, Tensor) else torch.stack(out)

    recorded = Recorded(tmp_path / "run", net, run, inputs, form)
    potentials = []
    for data in inputs:
        v, steps = torch.zeros(data.shape[1:]), []
        for x in data:
            v = v + (x - v) / 2.0 if kind == "NonSpikingLIFNode" else v + x
            if kind == "SimpleIFNode":
                v = torch.where(v >= 1.0, torch.zeros_like(v), v)
            steps.append(v.numpy())
        potentials.append(np.stack(steps))
    assert recount.updates(recorded.directory) == {"0": counted(potentials)}
    (entry,) = recount.manifest(recorded.directory)["layers"]
    assert entry["reset"] == ("zero" if kind == "SimpleIFNode" else "none")
    assert len(entry["operations"]) == {"NonSpikingIFNode": 1, "NonSpikingLIFNode": 3}.get(kind, 5)


def test_spikingjelly_neurons_without_a_potential_are_told(tmp_path: Path) -> None:
    nodes = framework("spikingjelly.activation_based.neuron")
    if not hasattr(nodes, "PSN"):
        pytest.skip("this SpikingJelly has no PSN")
    net = nn.Sequential(nodes.PSN(T=7), nodes.IFNode(step_mode="m"))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(torch.rand(7, 4, 6))
        with pytest.warns(RecorderWarning, match=r"layer '0' \(PSN\) is a neuron.*not recorded"):
            rec.batch(4)


# --- Norse ---------------------------------------------------------------------------------------

NORSE = (
    *("LIFCell", "LIFBoxCell", "LICell", "IAFCell", "LIF", "LI", "LIFRecurrent"),
    *("LIFRefracCell", "LIFAdExRefracCell"),
)


class NorseNet(nn.Module):
    """One module of Norse: cells step by step, others all steps at once."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        norse = framework("norse.torch")
        torch.manual_seed(0)
        sizes = (8, 6) if "Recurrent" in kind else ()
        self.module = getattr(norse, kind)(*sizes)
        self.by_step = kind.endswith("Cell")

    def forward(self, data: Tensor) -> Tensor:
        if not self.by_step:
            return self.module(data)[0]
        state, outputs = None, []
        for step in data:
            out, state = self.module(step, state)
            outputs.append(out)
        return torch.stack(outputs)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", NORSE)
def test_norse(tmp_path: Path, kind: str, form: str, neurotop_command: str) -> None:
    net = NorseNet(kind)
    inputs = [frames(seed) * 8 for seed in range(3)]
    recorded = Recorded(tmp_path / "run", net, lambda net, data: net(data), inputs, form)
    potentials = []
    for data in inputs:  # a step at a time, and the states that come out
        state, steps = None, []
        for step in data:
            with torch.no_grad():
                one = step if net.by_step else step[None]
                _, state = net.module(one, state)
            inner = getattr(state, "lif", getattr(state, "lif_adex", state))
            steps.append(inner.v.detach().numpy())
        potentials.append(np.stack(steps))
    expected = {"module": counted(potentials)}
    recorded.check(neurotop_command, expected)
    (entry,) = recount.manifest(recorded.directory)["layers"]
    assert entry["neuron"] == kind
    assert entry["reset"] == ("none" if kind in ("LI", "LICell") else "zero")


# --- Sinabs --------------------------------------------------------------------------------------

SINABS = ("LIF", "LIF with synapse", "LIF bounded", "IAF", "ALIF", "ExpLeak", "LIFRecurrent")


def sinabs_layer(kind: str) -> nn.Module:
    """A layer of Sinabs."""
    sl, activation = framework("sinabs.layers"), framework("sinabs.activation")
    torch.manual_seed(0)
    return {
        "LIF": lambda: sl.LIF(tau_mem=5.0),
        "LIF with synapse": lambda: sl.LIF(tau_mem=5.0, tau_syn=3.0),
        "LIF bounded": lambda: sl.LIF(
            tau_mem=5.0, min_v_mem=-0.1, reset_fn=activation.MembraneReset()
        ),
        "IAF": lambda: sl.IAF(),
        "ALIF": lambda: sl.ALIF(tau_mem=5.0, tau_adapt=5.0),
        "ExpLeak": lambda: sl.ExpLeak(tau_mem=5.0),
        "LIFRecurrent": lambda: sl.LIFRecurrent(
            tau_mem=5.0, rec_connect=nn.Linear(8, 8, bias=False)
        ),
    }[kind]()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", SINABS)
def test_sinabs(tmp_path: Path, kind: str, form: str, neurotop_command: str) -> None:
    net = nn.Sequential(sinabs_layer(kind))
    inputs = [frames(seed) - (kind == "LIF bounded") * frames(seed + 9) for seed in range(3)]

    def run(net: nn.Module, data: Tensor) -> Tensor:
        net[0].reset_states()
        return net(data.transpose(0, 1))

    # Sinabs cannot copy a recurrent layer; another one has the same weights.
    plain = nn.Sequential(sinabs_layer(kind))
    recorded = Recorded(tmp_path / "run", net, run, inputs, form, plain)
    potentials = []
    for data in inputs:
        if kind == "LIFRecurrent":  # a step's recurrent input is lost between two calls
            potentials.append(_recurrent(net[0], data))
            continue
        net[0].reset_states()
        steps = []
        with torch.no_grad():
            for step in data:  # each call one step
                net(step[:, None])
                steps.append(net[0].v_mem.numpy().copy())
        potentials.append(np.stack(steps))
    expected = {"0": counted(potentials)}
    recorded.check(neurotop_command, expected)
    assert recount.batches(recorded.directory)[0].keys() != {"samples"}
    (entry,) = recount.manifest(recorded.directory)["layers"]
    assert entry["shape"] == [8], "the batch axis is the second"
    resets = {"LIF bounded": "zero", "ExpLeak": "none"}
    assert entry["reset"] == resets.get(kind, "subtract")
    assert kind != "IAF" or expected["0"].effective < expected["0"].dense


def _recurrent(layer: nn.Module, data: Tensor) -> np.ndarray:
    """Sinabs' recurrent LIF, in NumPy."""
    alpha = np.exp(np.float32(-1) / np.float32(5))
    weight = layer.rec_connect.weight.detach()
    potential, spikes, steps = torch.zeros(BATCH, 8), torch.zeros(BATCH, 8), []
    for step in data:
        current = step + spikes @ weight.T
        potential = torch.tensor(alpha) * potential + (1 - torch.tensor(alpha)) * current
        spikes = torch.where(potential >= 1, torch.floor(potential), torch.zeros(()))
        potential = potential - spikes
        steps.append(potential.numpy())
    return np.stack(steps)


def test_sinabs_in_two_calls_of_one_batch(tmp_path: Path) -> None:
    net = nn.Sequential(sinabs_layer("LIF bounded"))
    whole, data = copy.deepcopy(net), frames(0).transpose(0, 1)
    counts = []
    for model, parts in ((net, (data[:, :4], data[:, 4:])), (whole, (data,))):
        path = tmp_path / str(len(parts))
        with torch.no_grad(), neurotop.record(model, path, strict=True) as rec:
            for part in parts:
                model(part)
            rec.batch(BATCH)
        counts.append(recount.updates(rec.directory))
        assert "0.pre" not in recount.batches(rec.directory)[0]
    assert counts[0] == counts[1]


# --- BindsNET ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["LIFNodes", "IFNodes", "DiehlAndCookNodes"])
def test_bindsnet(tmp_path: Path, kind: str, form: str, neurotop_command: str) -> None:
    network, nodes = framework("bindsnet.network"), framework("bindsnet.network.nodes")
    topology = framework("bindsnet.network.topology")
    monitors = framework("bindsnet.network.monitors")
    torch.manual_seed(0)
    net = network.Network(batch_size=BATCH, learning=False)
    net.add_layer(nodes.Input(n=8), name="X")
    net.add_layer(getattr(nodes, kind)(n=6), name="Y")
    weights = torch.rand(8, 6) * 12
    net.add_connection(topology.Connection(net.layers["X"], net.layers["Y"], w=weights), "X", "Y")
    monitor = monitors.Monitor(net.layers["Y"], ["v"], time=STEPS)
    net.add_monitor(monitor, name="Y")
    before, potentials = left_behind(net), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for seed in range(3):
            net.reset_state_variables()
            net.run({"X": (frames(seed) > 1).float()}, time=STEPS)
            potentials.append(monitor.get("v").numpy().copy())
            rec.batch(BATCH)
    assert left_behind(net) == before
    (counts,) = recount.updates(rec.directory).values()
    assert counts == counted(potentials)
    (entry,) = recount.manifest(rec.directory)["layers"]
    assert (entry["neuron"], entry["reset"], entry["shape"]) == (kind, "zero", [6])


# --- Rockpool ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_rockpool(tmp_path: Path, form: str, neurotop_command: str) -> None:
    modules = framework("rockpool.nn.modules")
    torch.manual_seed(0)
    net = modules.LIFTorch(shape=(8, 8), tau_mem=0.01, tau_syn=0.005, dt=0.001)
    net(frames(0).transpose(0, 1), record=True)  # Rockpool remembers that it was to record
    before, potentials = left_behind(net), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for seed in range(3):
            net.reset_state()
            _, _, own = net(frames(seed).transpose(0, 1), record=True)
            potentials.append(own["vmem"].transpose(0, 1).detach().numpy().copy())
            rec.batch(BATCH)
    assert left_behind(net) == before
    (counts,) = recount.updates(rec.directory).values()
    assert counts == counted(potentials)


# --- Calls that no hook sees, and several within one ---------------------------------------------


def if_in_numpy(batches: list[list[Tensor]]) -> Updates:
    """What is counted of SpikingJelly's IFNode, with its reset to zero, from rest."""
    potentials = []
    for inputs in batches:
        v, steps = np.zeros(inputs[0].shape, np.float32), []
        for x in inputs:
            v = v + x.numpy()
            v = np.where(v >= 1, np.float32(0), v)
            steps.append(v)
        potentials.append(np.stack(steps))
    return counted(potentials)


def iaf_in_numpy(batches: list[list[Tensor]]) -> Updates:
    """What is counted of Sinabs' IAF, which subtracts the threshold for each spike, from rest."""
    potentials = []
    for inputs in batches:
        v, steps = np.zeros(inputs[0].shape, np.float32), []
        for x in inputs:
            v = v + x.numpy()
            v = v - np.where(v >= 1, np.floor(v), np.float32(0))
            steps.append(v)
        potentials.append(np.stack(steps))
    return counted(potentials)


def jelly_replaced(node: Any, data: Tensor) -> None:
    kept = node.forward
    node.forward = lambda xs: torch.stack([kept(x) for x in xs])
    node(data)
    node.forward = kept


def jelly_both(node: Any, data: Tensor) -> None:
    for step, x in enumerate(data):
        node.forward(x) if step % 2 else node(x)


def jelly_methods(node: Any, data: Tensor) -> None:
    node.multi_step_forward(data[:4])
    for x in data[4:]:
        node.single_step_forward(x)


def jelly_sequences(node: Any, data: Tensor) -> None:
    node.step_mode, kept = "m", node.forward
    node.forward = lambda xs: torch.cat([kept(xs[:4]), kept(xs[4:])])
    node(data)
    node.step_mode, node.forward = "s", kept


JELLY_CALLS = (jelly_replaced, jelly_both, jelly_methods, jelly_sequences)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", JELLY_CALLS)
def test_steps_of_spikingjelly_wherever_they_are_called(
    tmp_path: Path, call: Any, form: str
) -> None:
    nodes = framework("spikingjelly.activation_based.neuron")
    net, batches = nn.Sequential(nodes.IFNode()), [list(frames(seed)) for seed in range(3)]
    before = left_behind(net)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for batch in batches:
            net[0].reset()
            call(net[0], torch.stack(batch))
            rec.batch(BATCH)
    net[0].__dict__.pop("forward", None)
    assert left_behind(net) == before
    expected = if_in_numpy(batches)
    assert recount.updates(rec.directory) == {"0": expected}
    assert expected.effective < expected.dense


def test_a_subclass_of_a_spikingjelly_node_that_loops(tmp_path: Path) -> None:
    nodes = framework("spikingjelly.activation_based.neuron")

    class Looping(nodes.IFNode):
        def forward(self, xs: Tensor) -> Tensor:
            return torch.stack([super(Looping, self).forward(x) for x in xs])

    net, batches = nn.Sequential(Looping()), [list(frames(seed)) for seed in range(3)]
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        for batch in batches:
            net[0].reset()
            net(torch.stack(batch))
            rec.batch(BATCH)
    assert recount.updates(rec.directory) == {"0": if_in_numpy(batches)}


def test_two_sequences_in_one_method_of_spikingjelly_are_told(tmp_path: Path) -> None:
    nodes = framework("spikingjelly.activation_based.neuron")

    class Halves(nodes.IFNode):  # type: ignore[misc,name-defined]
        def multi_step_forward(self, xs: Tensor) -> Tensor:
            half = super().multi_step_forward
            return torch.cat([half(xs[:3]), half(xs[3:])])

    net = nn.Sequential(Halves(step_mode="m"))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(frames(0))
        with pytest.warns(RecorderWarning, match="'0' .Halves. has a forward of its own"):
            rec.batch(BATCH)


def test_an_own_update_of_a_spikingjelly_node_is_told(tmp_path: Path) -> None:
    nodes = framework("spikingjelly.activation_based.neuron")

    class Own(nodes.IFNode):
        def forward(self, xs: Tensor) -> Tensor:
            for x in xs:
                self.v = self.v + x
            return self.v

    net = nn.Sequential(Own())
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(frames(0))
        with pytest.warns(RecorderWarning, match="'0' .Own. has a forward of its own"):
            rec.batch(BATCH)
    assert recount.updates(rec.directory)["0"].dense == BATCH * 8


def sinabs_replaced(layer: Any, data: Tensor) -> None:
    kept = layer.forward
    layer.forward = lambda xs: torch.cat([kept(xs[:, :4]), kept(xs[:, 4:])], 1)
    layer(data)
    layer.forward = kept


def sinabs_both(layer: Any, data: Tensor) -> None:
    layer.forward(data[:, :4])
    layer(data[:, 4:])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("call", [sinabs_replaced, sinabs_both])
def test_steps_of_sinabs_wherever_they_are_called(tmp_path: Path, call: Any, form: str) -> None:
    layer = framework("sinabs.layers").IAF()
    net, batches = nn.Sequential(layer), [list(frames(seed)) for seed in range(3)]
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for batch in batches:
            layer.reset_states()
            call(layer, torch.stack(batch, 1))
            rec.batch(BATCH)
    assert recount.updates(rec.directory) == {"0": iaf_in_numpy(batches)}


def test_sinabs_is_reset_between_two_calls_within_one(tmp_path: Path) -> None:
    layer = framework("sinabs.layers").IAF(min_v_mem=-1.0)  # so that it keeps another tensor
    kept = layer.forward

    def forward(xs: Tensor) -> None:
        kept(xs[:, :4])
        layer.reset_states()
        kept(xs[:, 4:] * 0)

    layer.forward = forward
    net, data = nn.Sequential(layer), frames(0)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(data.transpose(0, 1))
        with pytest.warns(RecorderWarning, match="did not begin each step"):
            rec.batch(BATCH)
    first = iaf_in_numpy([list(data[:4])])
    # From rest and without input nothing changes any more.
    assert recount.updates(rec.directory) == {"0": Updates(first.effective, STEPS * BATCH * 8)}


def test_calls_within_a_replaced_forward_of_sinabs_expleak_are_told(tmp_path: Path) -> None:
    layer = framework("sinabs.layers").ExpLeak(tau_mem=5.0)
    kept = layer.forward
    layer.forward = lambda xs: torch.cat([kept(xs[:, :4]), kept(xs[:, 4:])], 1)
    net = nn.Sequential(layer)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(frames(0).transpose(0, 1))
        with pytest.warns(RecorderWarning, match="'0' .ExpLeak. has a forward of its own"):
            rec.batch(BATCH)


def test_a_replaced_forward_of_sinabs_expleak_with_one_call_is_exact(tmp_path: Path) -> None:
    layer = framework("sinabs.layers").ExpLeak(tau_mem=5.0)
    kept = layer.forward
    layer.forward = lambda xs: kept(2 * xs)
    potentials: list[Any] = []
    with torch.no_grad(), neurotop.record(layer, tmp_path / "run", strict=True) as rec:
        layer.record_states = True
        layer(frames(0).transpose(0, 1))
        potentials.append(layer.recordings["v_mem"].transpose(0, 1).numpy().copy())
        with warnings.catch_warnings():
            warnings.filterwarnings("error", ".*forward of its own", RecorderWarning)
            rec.batch(BATCH)
    (counts,) = recount.updates(rec.directory).values()
    assert counts == counted(potentials)


@pytest.mark.parametrize("name", ["SpikingJelly", "Sinabs"])
def test_copies_of_a_recorded_layer_have_their_own_state(tmp_path: Path, name: str) -> None:
    net = nn.Sequential(jelly_node("LIF hard") if name == "SpikingJelly" else sinabs_layer("LIF"))
    layer = net[0]
    x = frames(0).transpose(0, 1) if name == "Sinabs" else frames(0)
    if name == "SpikingJelly":
        layer.step_mode = "m"
    potential = "v_mem" if name == "Sinabs" else "v"

    def outputs() -> list[Tensor]:
        """Of the layer, of replicas and copies of it, and the state of the layer afterwards."""
        framework_reset(layer)
        first = layer(x).clone()
        copies = [layer._replicate_for_data_parallel(), pickle.loads(pickle.dumps(layer))]
        for own in ("_buffers", "_memories", "_parameters"):
            if own in vars(layer):
                setattr(copies[0], own, dict(vars(layer)[own]))
        return [first, *(copy(x).clone() for copy in copies), getattr(layer, potential).clone()]

    with torch.no_grad():
        alone = outputs()
        with neurotop.record(net, tmp_path / "run") as rec:
            recorded = outputs()
            rec.batch(BATCH)
    assert all(map(torch.equal, alone, recorded))
    assert recount.updates(rec.directory)["0"].dense == STEPS * BATCH * 8


class Doubling:
    """Has a method that can be wrapped."""

    def double(self, x: int) -> int:
        return 2 * x


class Inheriting(Doubling):
    """Has the same one."""


@pytest.mark.parametrize("kind", [Doubling, Inheriting])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_method_is_wrapped_for_one_layer_and_brought_back_in_any_order(
    kind: type[Doubling], order: tuple[int, int]
) -> None:
    layer, other, seen, own = kind(), kind(), [], vars(kind).get("double")

    def wrap(number: int) -> Callable[[], None]:
        def wrapped(method: Callable[[int], int]) -> Callable[[int], int]:
            def double(x: int) -> int:
                seen.append(number)
                return method(x)

            return double

        return replace_method(layer, "double", wrapped)

    restores = [wrap(number) for number in range(2)]
    shared = copy.copy(layer)
    assert [layer.double(1), shared.double(2), other.double(3), seen] == [2, 4, 6, [1, 0]]
    restores[order[0]]()
    assert [layer.double(1), seen] == [2, [1, 0, order[1]]]
    restores[order[1]]()
    assert [layer.double(1), len(seen)] == [2, 3]
    assert vars(kind).get("double") is own and not vars(layer)


def test_what_the_program_sets_while_it_is_recorded_stays(tmp_path: Path) -> None:
    nodes, layers = framework("spikingjelly.activation_based.neuron"), framework("sinabs.layers")
    net = nn.Sequential(nodes.IFNode(), layers.IAF())
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        kept = net[0].single_step_forward, net[1].forward
        net[0].single_step_forward = own = lambda x: kept[0](x)
        net[1].forward = other = lambda xs: kept[1](xs)
        for x in frames(0):
            net[0](x)
        net[1](frames(0).transpose(0, 1))
        rec.batch(BATCH)
    assert net[0].single_step_forward is own and net[1].forward is other
    dense = {name: each.dense for name, each in recount.updates(rec.directory).items()}
    assert dense == dict.fromkeys("01", STEPS * BATCH * 8)
    with torch.no_grad():  # the recording is over, and takes no more
        net[0](frames(0)[0])
    assert not any(hook.layer.post for hook in rec._hooks)


# --- What all have in common ---------------------------------------------------------------------


def frameworks() -> dict[str, Callable[[], tuple[nn.Module, Callable[[], Any]]]]:
    """A layer of each framework, and a call of it that fails half-way."""

    def jelly() -> tuple[nn.Module, Callable[[], Any]]:
        net = nn.Sequential(jelly_node("LIF hard"))
        net[0].step_mode = "m"
        return net, lambda: net("no tensor")

    def norse() -> tuple[nn.Module, Callable[[], Any]]:
        net = NorseNet("LIFCell")
        return net, lambda: net.module(torch.ones(4, 8), "no state")

    def sinabs() -> tuple[nn.Module, Callable[[], Any]]:
        net = nn.Sequential(sinabs_layer("ExpLeak"), sinabs_layer("LIF"))
        return net, lambda: net(torch.ones(3))

    return {"SpikingJelly": jelly, "Norse": norse, "Sinabs": sinabs}


@pytest.mark.parametrize("name", ["SpikingJelly", "Norse", "Sinabs"])
def test_nothing_stays_on_the_network_after_an_exception(tmp_path: Path, name: str) -> None:
    net, failing = frameworks()[name]()
    before = left_behind(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecorderWarning)
        with pytest.raises(Exception) as caught:
            with neurotop.record(net, tmp_path / "run"):
                failing()
    assert not isinstance(caught.value, RecorderError)
    assert left_behind(net) == before


def test_layers_of_several_frameworks_in_one_network(tmp_path: Path, neurotop_command: str) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.jelly, self.snntorch = jelly_node("LIF soft"), neuron("Leaky")
            self.norse, self.sinabs = NorseNet("LIFCell").module, sinabs_layer("LIF")

        def forward(self, data: Tensor) -> Tensor:
            self.jelly.reset()
            self.sinabs.reset_states()
            self.snntorch.reset_mem()
            state, outputs = None, []
            for step in data:
                spikes, state = self.norse(self.snntorch(self.jelly(step)) * 9, state)
                outputs.append(spikes)
            return self.sinabs(torch.stack(outputs, 1))

    inputs = [frames(seed) for seed in range(2)]
    recorded = Recorded(tmp_path / "run", Mixed(), lambda net, data: net(data), inputs)
    entries = recount.manifest(recorded.directory)["layers"]
    assert [(entry["name"], entry["neuron"]) for entry in entries] == [
        ("jelly", "LIFNode"),
        ("snntorch", "Leaky"),
        ("norse", "LIFCell"),
        ("sinabs", "LIF"),
    ]
    dense = {name: each.dense for name, each in recount.updates(recorded.directory).items()}
    assert dense == dict.fromkeys(dense, 2 * STEPS * BATCH * 8)
    told = summary(neurotop_command, recorded.directory)
    assert told["layers"][1]["effective_ops"] > 0 and told["complete"] is True


@pytest.fixture
def one_sample(tmp_path: Path) -> Iterator[Path]:
    net = NorseNet("LIFCell")
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        net(frames(0)[:, 0] * 8)  # [T, 8]
        rec.batch(1)
    yield rec.directory


def test_potentials_without_a_batch_axis_are_one_sample(
    one_sample: Path, neurotop_command: str
) -> None:
    (entry,) = recount.manifest(one_sample)["layers"]
    assert entry["shape"] == [8]
    assert recount.batches(one_sample)[0]["module.post"].shape == (STEPS, 1, 8)
    assert "module.pre" not in recount.batches(one_sample)[0]
    # Without a price of its own; no file is at fault.
    told = summary(neurotop_command, one_sample)["problems"]
    assert {problem["cause"] for problem in told} <= {"unpriced", "producer_warns"}
