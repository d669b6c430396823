"""Measured prices: the operations of one update, from a layer's own call."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any, Callable

import pytest
import snntorch as snn
import torch
from neurobench.metrics.workload.neuron_operations import neuron_ops_reset_operations
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode

import neurotop
import recount
from benchmarks import benchmark, summary
from conftest import ROOT, save_one_file
from networks import Stepwise, neuron
from neurotop import RecorderWarning
from neurotop.manifest import merge_manifests
from neurotop.prices import Measured, meter_on
from test_adapters import BATCH, frames, framework, jelly_node, left_behind
from test_counts import PRICES

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*has no price:neurotop.RecorderWarning", "ignore::FutureWarning"
)

LAPICQUE = "mul mul° reciprocal° mul mul div° rsub° mul add mul sub"
#: What one update of NeuroBench's neurons consists of.
TABLE = {
    ("Leaky", "subtract"): "mul add mul sub",
    ("Leaky", "zero"): "rsub mul mul add",
    ("Synaptic", "subtract"): "mul add mul add mul sub",
    ("Synaptic", "zero"): "mul add mul add mul sub mul sub",
    ("Lapicque", "subtract"): LAPICQUE,
    ("Lapicque", "zero"): LAPICQUE,
    ("Alpha", "subtract"): "mul add mul sub log° log° sub° div° add° add mul neg mul sub mul sub "
    "mul sub",
    ("Alpha", "zero"): "mul add mul sub log° log° sub° div° add° add mul mul sub mul sub mul sub",
}
SLSTM = "add add add add sigmoid sigmoid tanh sigmoid mul mul add tanh mul"
#: snnTorch's neurons for which NeuroBench has no price.
OTHERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "Leaky none": (lambda: neuron("Leaky", "none"), "mul add"),
    "Leaky at once": (
        lambda: neuron("Leaky", "subtract", reset_delay=False),
        "mul add mul sub mul div sub mul sub",
    ),
    "Synaptic none": (lambda: neuron("Synaptic", "none"), "mul add mul add"),
    "Lapicque none": (lambda: neuron("Lapicque", "none"), LAPICQUE.removesuffix(" mul sub")),
    "Alpha none": (
        lambda: neuron("Alpha", "none"),
        "mul add mul sub log° log° sub° div° add° add mul",
    ),
    "RLeaky subtract": (lambda: neuron("RLeaky"), "mul add mul add mul sub"),
    "RLeaky zero": (lambda: neuron("RLeaky", "zero"), "mul add mul add mul sub"),
    "RLeaky none": (lambda: neuron("RLeaky", "none"), "mul add mul add"),
    "RLeaky all to all": (
        lambda: snn.RLeaky(beta=0.9, linear_features=6, init_hidden=True),
        "mul add add mul sub",
    ),
    "SLSTM subtract": (lambda: neuron("SLSTM"), f"{SLSTM} mul sub"),
    "SLSTM zero": (lambda: neuron("SLSTM", "zero"), f"{SLSTM} mul mul sub sub"),
    "SLSTM none": (lambda: neuron("SLSTM", "none"), SLSTM),
}


def metered(layer: nn.Module, call: Callable[[], Any]) -> Measured:
    """What is measured in three calls of a layer of one step a call."""
    meter = meter_on(layer, None, None)
    try:
        for _ in range(3):
            call()
    finally:
        meter.remove()
    assert meter.measured is not None
    return meter.measured


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize(("kind", "reset"), PRICES)
def test_the_rule_gives_the_table_of_neurobench(kind: str, reset: str, gradients: bool) -> None:
    layer, data = neuron(kind, reset), torch.rand(4, 6)
    with torch.set_grad_enabled(gradients):
        measured = metered(layer, lambda: layer(data))
    assert measured.operations == tuple(TABLE[kind, reset].split()), measured.unpriced
    table = neuron_ops_reset_operations[kind][reset]
    expected = 17 if (kind, reset) == ("Alpha", "zero") else table  # which the rule does not give
    assert len(measured.operations) == expected


@pytest.mark.parametrize("case", OTHERS)
def test_the_other_neurons_of_snntorch(case: str) -> None:
    build, operations = OTHERS[case]
    layer, data = build(), torch.rand(4, 6)
    measured = metered(layer, lambda: layer(data))
    assert measured.operations == tuple(operations.split()), measured.unpriced


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic", "Lapicque"])
def test_a_state_that_is_passed_costs_the_same(kind: str) -> None:
    build = {
        "Leaky": lambda: snn.Leaky(beta=0.9),
        "Synaptic": lambda: snn.Synaptic(alpha=0.8, beta=0.9),
        "Lapicque": lambda: snn.Lapicque(beta=0.9),
    }
    layer, data, state = build[kind](), torch.rand(4, 6), []

    def call() -> None:
        state[:] = layer(data, *state)[1:]

    assert metered(layer, call).operations == tuple(TABLE[kind, "subtract"].split())


# --- Other frameworks ----------------------------------------------------------------------------


def priced(directory: Path, net: nn.Module, call: Callable[[Tensor], Any]) -> dict[str, Any]:
    """The manifest's only layer, after two batches."""
    with torch.no_grad(), neurotop.record(net, directory, strict=True) as rec:
        for seed in range(2):
            call(frames(seed))
            rec.batch(BATCH)
    (entry,) = recount.manifest(rec.directory)["layers"]
    return entry


def shaped(entry: dict[str, Any]) -> str:
    """The operations of each neuron, without those on parameters."""
    assert entry["priced_by"] == "measured", entry
    assert entry["ops_per_update"] == len(entry["operations"])
    return " ".join(name for name in entry["operations"] if "°" not in name)


HARD, SOFT = "mul rsub mul add", "mul sub"
JELLY_2 = {
    "IF hard": f"add {HARD}",
    "IF soft": f"add {SOFT}",
    "LIF hard": f"sub sub div add {HARD}",
    "LIF soft": f"sub sub div add {SOFT}",
    "LIF undecayed": f"sub div sub add {HARD}",
    "PLIF": f"sub sub mul add {HARD}",
}
#: Of 0.0.0.0.14, which computes otherwise in train mode than in eval mode: how many operations.
JELLY_0 = {
    "IF hard": (5, 5),
    "IF soft": (3, 3),
    "LIF hard": (7, 8),
    "LIF soft": (5, 5),
    "LIF undecayed": (6, 8),
    "PLIF": (7, 7),
}


@pytest.mark.parametrize("train", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("mode", ["s", "m"])
@pytest.mark.parametrize("kind", JELLY_2)
def test_spikingjelly(tmp_path: Path, kind: str, mode: str, train: bool) -> None:
    functional = framework("spikingjelly.activation_based.functional")
    net = nn.Sequential(jelly_node(kind)).train(train)
    functional.set_step_mode(net, mode)

    def call(data: Tensor) -> None:
        functional.reset_net(net)
        _ = net(data) if mode == "m" else [net(step) for step in data]

    entry = priced(tmp_path / "run", net, call)
    version = metadata.version("spikingjelly")
    if version.startswith("0."):
        assert len(shaped(entry).split()) == JELLY_0[kind][0 if train else 1], entry
    else:
        assert shaped(entry) == JELLY_2[kind]
    assert entry["operations"].count("sigmoid°") == (kind == "PLIF")
    assert entry["mode"] == ("train" if train else "eval")
    assert entry["versions"] == f"spikingjelly {version}, torch {torch.__version__}"


NORSE = {
    "LIFCell": "add sub add mul add mul add rsub mul mul add",
    "LIF": "add sub add mul add mul add rsub mul mul add",
    "LIFRecurrentCell": "add add sub add mul add mul add rsub mul mul add",
    "LIFBoxCell": "add sub mul add rsub mul mul add",
    "LICell": "add sub add mul add mul add",
}


@pytest.mark.parametrize("kind", NORSE)
def test_norse(tmp_path: Path, kind: str) -> None:
    norse = framework("norse.torch")
    layer = getattr(norse, kind)(*([8, 8] if "Recurrent" in kind else []))

    def call(data: Tensor) -> None:
        if kind == "LIF":
            layer(data)
            return
        state = None
        for step in data:
            _, state = layer(step, state)

    entry = priced(tmp_path / "run", nn.Sequential(layer), call)
    assert shaped(entry) == NORSE[kind]
    # As the steps of a call share what depends on parameters only, cells and modules agree.
    assert entry["operations"].count("mul°") == (1 if kind == "LIFBoxCell" else 2)


@pytest.mark.parametrize(
    ("kind", "operations"),
    [
        ("LIF", "mul mul add mul mul sub"),
        ("LIF synaptic", "add mul mul mul add mul mul sub"),
        ("IAF", "mul add mul mul sub"),
        ("ExpLeak", "mul add"),
        ("ALIF", "mul mul add mul sub mul mul add mul add"),
    ],
)
def test_sinabs(tmp_path: Path, kind: str, operations: str) -> None:
    layers = framework("sinabs.layers")
    layer = {
        "LIF": lambda: layers.LIF(tau_mem=10.0),
        "LIF synaptic": lambda: layers.LIF(tau_mem=10.0, tau_syn=5.0),
        "IAF": layers.IAF,
        "ExpLeak": lambda: layers.ExpLeak(tau_mem=10.0),
        "ALIF": lambda: layers.ALIF(tau_mem=10.0, tau_adapt=10.0),
    }[kind]()

    def call(data: Tensor) -> None:
        layer.reset_states()
        layer(data.transpose(0, 1))

    assert shaped(priced(tmp_path / "run", nn.Sequential(layer), call)) == operations


@pytest.mark.parametrize(
    ("kind", "operations"),
    [
        ("LIFNodes", "sub mul add add"),
        ("IFNodes", 2),
        ("CurrentLIFNodes", 7),
        ("AdaptiveLIFNodes", 5),
        ("DiehlAndCookNodes", 5),
    ],
)
def test_bindsnet(tmp_path: Path, kind: str, operations: str | int) -> None:
    network, nodes = framework("bindsnet.network"), framework("bindsnet.network.nodes")
    topology = framework("bindsnet.network.topology")
    net = network.Network(batch_size=BATCH, learning=False)
    net.add_layer(nodes.Input(n=8), name="X")
    net.add_layer(getattr(nodes, kind)(n=6), name="Y")
    connection = topology.Connection(net.layers["X"], net.layers["Y"], w=torch.rand(8, 6) * 12)
    net.add_connection(connection, "X", "Y")
    before = left_behind(net)

    def call(data: Tensor) -> None:
        net.reset_state_variables()
        net.run({"X": (data > 1).float()}, time=len(data))

    entry = priced(tmp_path / "run", net, call)
    assert left_behind(net) == before
    if isinstance(operations, int):
        assert len(shaped(entry).split()) == operations
    else:
        assert shaped(entry) == operations


def test_rockpool(tmp_path: Path) -> None:
    modules = framework("rockpool.nn.modules")
    net = modules.LIFTorch(shape=(8, 8), tau_mem=0.01, tau_syn=0.005, dt=0.001)

    def call(data: Tensor) -> None:
        net.reset_state()
        net(data.transpose(0, 1))

    assert len(shaped(priced(tmp_path / "run", net, call)).split()) == 14


# --- What has no price ---------------------------------------------------------------------------


class Summing(snn.Leaky):
    """An update with an operation that the rule does not know."""

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> Any:
        spikes = super().forward(input_, mem)
        self.mem = self.mem + self.mem.cumsum(0) * 0
        return spikes


@torch.library.custom_op("neurotop_tests::update", mutates_args=())
def fused_update(mem: Tensor, current: Tensor) -> Tensor:
    """All of an update as one operation, as a fused kernel is."""
    return mem * 0.9 + current


class Fused(snn.Leaky):
    """An update that is one kernel."""

    def forward(self, input_: Tensor, mem: Tensor | None = None) -> Any:
        spikes = super().forward(input_, mem)
        self.mem = fused_update(self.mem, input_)
        return spikes


@pytest.mark.parametrize(
    ("build", "at_once", "reason"),
    [
        (
            lambda: Summing(beta=0.9, init_hidden=True),
            False,
            "its update uses cumsum, whose operations are not known",
        ),
        (
            lambda: Fused(beta=0.9, init_hidden=True),
            False,
            "its update uses neurotop_tests::update, whose operations are not known",
        ),
        (
            lambda: snn.LeakyParallel(8, 6),
            True,
            "its state passes through a matrix product or a convolution",
        ),
        (
            lambda: snn.StateLeaky(beta=0.9, channels=8),
            True,
            "its state passes through a matrix product or a convolution",
        ),
    ],
    ids=["unknown", "fused", "matrix product", "convolution"],
)
def test_what_cannot_be_measured_says_why(
    tmp_path: Path, build: Callable[[], nn.Module], at_once: bool, reason: str
) -> None:
    net = nn.Sequential(build())

    def call(data: Tensor) -> None:
        if hasattr(net[0], "reset_mem") and not at_once:
            net[0].reset_mem()
        _ = net(data) if at_once else [net(step) for step in data]

    with pytest.warns(RecorderWarning) as told:
        entry = priced(tmp_path / "run", net, call)
    assert entry["unpriced"] == reason
    assert "ops_per_update" not in entry and "priced_by" not in entry
    (text,) = [str(one.message) for one in told if "no price" in str(one.message)]
    assert text.endswith(f"=OPERATIONS (they cannot be measured: {reason})")


# --- The manifest and the command ----------------------------------------------------------------


def small() -> Stepwise:
    """One layer with NeuroBench's price, one with a measured one."""
    return Stepwise(nn.Linear(8, 6), neuron("Leaky"), nn.Linear(6, 6), neuron("RLeaky"))


def record_small(directory: Path, net: Stepwise) -> Path:
    """Two batches of the small network."""
    with torch.no_grad(), neurotop.record(net, directory, strict=True) as rec:
        for seed in range(2):
            net.reset()
            for step in frames(seed):
                net(step)
            rec.batch(BATCH)
    return rec.directory


def test_the_manifest_has_the_price_and_the_warning_the_option(
    tmp_path: Path, neurotop_command: str
) -> None:
    with pytest.warns(RecorderWarning) as told:
        run = record_small(tmp_path / "run", small())
    leaky, recurrent = recount.manifest(run)["layers"]
    assert leaky == {"name": "layers.1", "neuron": "Leaky", "reset": "subtract", "shape": [6]}
    assert recurrent == {
        "name": "layers.3",
        "neuron": "RLeaky",
        "reset": "subtract",
        "shape": [6],
        "ops_per_update": 6,
        "priced_by": "measured",
        "operations": ["mul", "add", "mul", "add", "mul", "sub"],
        "versions": f"snntorch {metadata.version('snntorch')}, torch {torch.__version__}",
        "mode": "train",
    }
    (text,) = [str(one.message) for one in told if "no price" in str(one.message)]
    option = "--cost RLeaky:subtract=6"
    assert text.endswith(f"{option} (measured: mul add mul add mul sub)")

    updates = recount.updates(run)
    figures = {layer["name"]: layer for layer in summary(neurotop_command, run)["layers"]}
    assert figures["layers.1"]["ops_per_update"] == 4
    assert [layer["updates"] for layer in figures.values()] == [
        layer.effective for layer in updates.values()
    ]
    done = subprocess.run(
        [neurotop_command, "summary", str(run), *option.split(), "--format", "json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    total = json.loads(done.stdout)["total"]
    expected = 4 * updates["layers.1"].effective + 6 * updates["layers.3"].effective
    assert total["effective_ops_per_sample"] == expected / (2 * BATCH)


def test_a_benchmark_has_the_price_too(tmp_path: Path) -> None:
    net = small()
    before = left_behind(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecorderWarning)
        outcome = benchmark(net, neurotop.Recorder(tmp_path / "run", strict=True))
        plain = benchmark(copy.deepcopy(net), None)
    assert outcome.results.keys() == plain.results.keys()
    leaky, recurrent = recount.manifest(outcome.run)["layers"]
    assert "priced_by" not in leaky
    assert (recurrent["ops_per_update"], recurrent["priced_by"]) == (6, "measured")
    after = left_behind(net)
    assert {name: each[1:] for name, each in after.items()} == {
        name: each[1:] for name, each in before.items()
    }


def test_the_first_batch_of_multi_step_layers_is_priced(tmp_path: Path) -> None:
    functional = framework("spikingjelly.activation_based.functional")
    net = nn.Sequential(jelly_node("IF soft"))
    functional.set_step_mode(net, "m")
    with pytest.warns(RecorderWarning, match="IFNode:subtract=3 .measured: add mul sub"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
            net(frames(0))
            rec.batch(BATCH)
    (entry,) = recount.manifest(rec.directory)["layers"]
    assert entry["ops_per_update"] == 3


# --- Nothing changes -----------------------------------------------------------------------------


def gradients(net: nn.Module, data: Tensor, directory: Path | None) -> list[Tensor]:
    """Outputs, states and gradients of a network that is recorded, or is not."""
    net.reset()

    def run() -> Tensor:
        return torch.stack([net(step)[0] for step in data])

    if directory is None:
        output = run()
    else:
        with neurotop.record(net, directory, strict=True) as rec:
            output = run()
            rec.batch(BATCH)
    (output.sum() + sum(layer.mem.pow(2).sum() for layer in net.layers[1::2])).backward()
    states = [layer.mem.detach() for layer in net.layers[1::2]]
    return [output.detach(), *states, *(each.grad for each in net.parameters())]


@pytest.mark.filterwarnings("ignore:.*gradients on:neurotop.RecorderWarning")
def test_outputs_states_and_gradients_are_the_same(tmp_path: Path) -> None:
    net = small()
    plain, data = copy.deepcopy(net), frames(3)
    measured = gradients(net, data, tmp_path / "run")
    expected = gradients(plain, data, None)
    assert len(measured) == len(expected) == 3 + len([*net.parameters()])
    for one, other in zip(measured, expected):
        assert torch.equal(one, other)
    assert any(bool(each.any()) for each in expected[3:])


def test_an_interrupted_benchmark_leaves_no_mode_behind(tmp_path: Path) -> None:
    def raises(_gradient: Tensor) -> Tensor:
        raise KeyboardInterrupt

    net = Stepwise(nn.Linear(8, 6), neuron("RLeaky", spike_grad=raises))
    with pytest.raises(KeyboardInterrupt):
        benchmark(net, neurotop.Recorder(tmp_path / "run"))
    assert _get_current_dispatch_mode() is None


def test_inference_mode_and_nested_modules(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(8, 6), nn.ModuleDict({"lif": neuron("RLeaky")})))
    lif = net[0][1]["lif"]
    expected = []
    plain = copy.deepcopy(net)
    with torch.inference_mode():
        for step in frames(0):
            expected.append(plain[0][1]["lif"](plain[0][0](step)))
        with neurotop.record(net, tmp_path / "run", strict=True) as rec:
            outputs = [lif(net[0][0](step)) for step in frames(0)]
            rec.batch(BATCH)
    assert all(torch.equal(one, other) for one, other in zip(outputs, expected))
    (entry,) = recount.manifest(rec.directory)["layers"]
    assert (entry["name"], entry["ops_per_update"]) == ("0.1.lif", 6)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_layer_that_raises_leaves_no_mode_behind(
    tmp_path: Path, error: type[BaseException]
) -> None:
    def raises(_gradient: Tensor) -> Tensor:
        assert _get_current_dispatch_mode() is not None
        raise error

    net = Stepwise(nn.Linear(8, 6), neuron("RLeaky", spike_grad=raises))
    before = left_behind(net)
    with torch.no_grad(), pytest.raises(error):
        with neurotop.record(net, tmp_path / "run"):
            net(frames(0)[0])
    assert _get_current_dispatch_mode() is None
    assert left_behind(net) == before


def test_measuring_does_not_import_the_compiler() -> None:
    program = """
import sys
import torch
from neurotop.prices import meter_on

class Layer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.mem = torch.zeros(4)

    def forward(self, x):
        self.mem = self.mem * 0.9 + x
        return self.mem > 1

layer = Layer()
meter = meter_on(layer, None, None)
for _ in range(2):
    layer(torch.ones(4))
assert meter.measured.operations == ("mul", "add"), meter.measured
assert "torch._dynamo" not in sys.modules
"""
    path = {"PYTHONPATH": str(ROOT / "assets" / "python")}
    subprocess.run([sys.executable, "-c", program], env=path, check=True, timeout=120)


def test_a_rank_adds_the_price_that_another_has_not_measured() -> None:
    entry = {"name": "lif", "neuron": "RLeaky", "reset": "none"}
    price = {"ops_per_update": 4, "priced_by": "measured", "operations": ["mul", "add"] * 2}
    for one, other in [({}, price), (price, {"unpriced": "why"}), ({"unpriced": "why"}, price)]:
        manifests = [{"warnings": [], "layers": [{**entry, **each}]} for each in (one, other)]
        merged = merge_manifests(*manifests)
        assert merged["layers"] == [{**entry, **price}]


def test_ranks_that_measured_different_prices_have_none() -> None:
    entry = {"name": "lif", "neuron": "RLeaky", "reset": "none"}

    def manifest(operations: int, mode: str) -> dict[str, Any]:
        price = {"ops_per_update": operations, "priced_by": "measured", "mode": mode}
        return {"warnings": [], "layers": [{**entry, **price}]}

    one, other = manifest(4, "eval"), manifest(6, "train")
    merged = merge_manifests(one, other)
    unpriced = "the ranks measured different prices: 4 (eval) and 6 (train)"
    assert merged["layers"] == [{**entry, "unpriced": unpriced}]
    for more in (one, other):  # it stays so, whoever writes next
        assert merge_manifests(merged, more)["layers"] == merged["layers"]
    again = merge_manifests(one, manifest(5, "eval"), before=one)
    assert again["layers"] == manifest(5, "eval")["layers"], "a rank may measure again"


def test_memory_that_is_used_again_is_another_value() -> None:
    class Layer(nn.Module):
        """Each temporary is gone before the next one is made, often in its place."""

        def __init__(self) -> None:
            super().__init__()
            self.mem = torch.zeros(4, 6)

        def forward(self, x: Tensor) -> Tensor:
            for factor in (0.9, 0.8, 0.7):
                self.mem = self.mem * factor + torch.full((4, 6), factor)
            for _ in range(3):
                _ = (x * 2).exp().log()  # no part of the state
            return self.mem > x

    layer = Layer()
    assert metered(layer, lambda: layer(torch.rand(4, 6))).operations == ("mul", "add") * 3


def test_the_one_file_measures_too(tmp_path: Path, neurotop_command: str) -> None:
    save_one_file(neurotop_command, tmp_path)
    program = """
import warnings
import snntorch, torch
import neurotop_recorder as neurotop

warnings.simplefilter("always")
net = torch.nn.Sequential(snntorch.RLeaky(beta=0.9, all_to_all=False, init_hidden=True))
with warnings.catch_warnings(record=True) as told:
    with torch.no_grad(), neurotop.record(net, "run", strict=True) as rec:
        for _ in range(3):
            net(torch.ones(2, 4))
        rec.batch(2)
print([str(one.message).endswith("=6 (measured: mul add mul add mul sub)") for one in told])
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.stdout == "[True]\n", done.stderr
    (entry,) = recount.manifest(tmp_path / "run")["layers"]
    assert (entry["priced_by"], entry["ops_per_update"]) == ("measured", 6)


def test_a_state_that_is_changed_through_a_view_is_followed() -> None:
    class Layer(nn.Module):
        """Decays its potential through another view of it."""

        def __init__(self) -> None:
            super().__init__()
            self.mem = torch.zeros(4, 6)

        def forward(self, x: Tensor) -> Tensor:
            self.mem.view(-1).mul_(0.9)
            self.mem.add_(x)
            return self.mem > 1

    layer = Layer()
    assert metered(layer, lambda: layer(torch.rand(4, 6))).operations == ("mul", "add")


class Branching(nn.Module):
    """Does more in the calls that `more` names."""

    def __init__(self, more: set[int]) -> None:
        super().__init__()
        self.mem, self.more, self.call = torch.zeros(4, 6), more, 0

    def forward(self, x: Tensor) -> Tensor:
        self.call += 1
        self.mem = self.mem * 0.9 + x
        if self.call in self.more:
            self.mem = self.mem - 0.1
        return self.mem > 1


@pytest.mark.parametrize("more", [{2}, {3}, {5}, {9, 10}, {17}])
def test_an_update_with_a_branch_has_no_price(more: set[int]) -> None:
    layer = Branching(more)
    meter = meter_on(layer, None, None)
    for _ in range(20):
        layer(torch.rand(4, 6))
    assert meter.measured is not None
    assert (
        meter.measured.unpriced == "the operations of its update differ from one call to the next"
    )
    assert not meter.measured.operations
    assert "forward" not in vars(layer), "nothing stays on the layer"


def test_a_call_that_creates_the_state_may_cost_something_else() -> None:
    class Layer(nn.Module):
        """Begins at rest: its first update is cheaper."""

        def __init__(self) -> None:
            super().__init__()
            self.mem: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            rest = torch.zeros_like(x)
            self.mem = rest + x if self.mem is None else (self.mem - rest) * 0.9 + x
            return self.mem > 1

    layer = Layer()
    meter = meter_on(layer, None, None)
    priced = []
    for call in range(20):
        if call % 8 == 0:  # the ninth and the seventeenth call create it again
            layer.mem = None
        layer(torch.rand(4, 6))
        assert meter.measured is not None
        priced.append(meter.measured.operations)
    assert priced[0] == ("add",) and set(priced[1:]) == {("sub", "mul", "add")}


def test_a_price_that_turns_out_to_differ_is_taken_back_and_told(tmp_path: Path) -> None:
    class Turning(snn.RLeaky):
        def forward(self, *given: Any) -> Any:
            self.call = getattr(self, "call", 0) + 1
            output = super().forward(*given)
            if self.call >= 9:
                self.mem = self.mem - 0.1
            return output

    net = Stepwise(nn.Linear(8, 6), Turning(beta=0.9, all_to_all=False, init_hidden=True))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        for step in frames(0)[:4]:
            net(step)
        rec.batch(BATCH)
        (entry,) = recount.manifest(rec.directory)["layers"]
        assert entry["ops_per_update"] == 6
        with pytest.warns(RecorderWarning, match="'layers.1'.*differ from one call to the next"):
            for step in [*frames(0)[:4]] * 2:
                net(step)
            rec.batch(BATCH)
    (entry,) = recount.manifest(rec.directory)["layers"]
    assert entry["unpriced"] == "the operations of its update differ from one call to the next"
    assert not {"ops_per_update", "priced_by", "operations"} & {*entry}


@pytest.mark.parametrize("first", [0, 1])
def test_ranks_that_measure_something_else_have_no_price(first: int) -> None:
    head = {"name": "lif", "neuron": "RLeaky", "reset": "zero"}
    priced = [Measured((*"ab",), "", "torch", "eval"), Measured((*"abc",), "", "torch", "eval")]
    manifests = [
        {"layers": [{**head, **one.manifest_entry()}], "warnings": []}
        for one in (priced[first], priced[1 - first])
    ]
    (entry,) = merge_manifests(*manifests)["layers"]
    prices = " and ".join(
        f"{len(one.operations)} (eval)" for one in (priced[first], priced[1 - first])
    )
    differs = f"the ranks measured different prices: {prices}"
    assert entry == {**head, "unpriced": differs}
    again = merge_manifests({"layers": [entry], "warnings": []}, manifests[0])["layers"]
    assert again == [entry], "it stays so when a rank writes again"


@pytest.mark.parametrize("kind", ["Leaky", "Synaptic"])
def test_a_reset_without_delay_keeps_the_price_of_neurobench_and_is_told(
    tmp_path: Path, kind: str, neurotop_command: str
) -> None:
    net = Stepwise(nn.Linear(8, 6), neuron(kind, reset_delay=False))
    with pytest.warns(RecorderWarning, match="built with reset_delay=False") as told:
        outcome = benchmark(net, neurotop.Recorder(tmp_path / "run", strict=True))
    assert len([one for one in told if one.category is RecorderWarning]) == 1
    figures = summary(neurotop_command, outcome.run)["neurobench"]["NeuronOperations"]
    assert figures == outcome.results["NeuronOperations"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        benchmark(Stepwise(nn.Linear(8, 6), neuron(kind)), neurotop.Recorder(tmp_path / "plain"))
