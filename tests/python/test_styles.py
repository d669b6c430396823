"""Networks as people write them, outside the plainest style, are recorded as they compute."""

from __future__ import annotations

import copy
import functools
import os
import pickle
import threading
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
import torch.nn.modules.module as register
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import NeuronOperations
from neurobench.models import SNNTorchModel
from torch import Tensor, nn
from torch.nn.utils import parametrize

import neurotop
import recount
from benchmarks import FORMS, benchmark, loader, summary
from networks import Stepwise, dense, neuron
from neurotop import RecorderError, RecorderWarning, forwards
from recount import Updates
from test_adapters import framework
from test_plain import hooks, run_batch
from test_silent import Sparse, counted, plus

Steps = list[tuple[Any, Any]]


def current(batch: int = 4, features: int = 8) -> Tensor:
    """Input of which about half is zero, so that some neurons get nothing."""
    return torch.relu(torch.rand(batch, features) * 2 - 1)


def total(batches: list[Steps]) -> Updates:
    """What is counted of the potentials before and after each step of all batches."""
    expected = Updates(0, 0)
    for steps in batches:
        expected = plus(expected, counted(steps))
    return expected


def dense_updates(run: Path) -> dict[str, int]:
    """The dense updates of each layer."""
    return {name: updates.dense for name, updates in recount.updates(run).items()}


# --- Subclasses, and calls that no hook sees -----------------------------------------------------


class Sequence(snn.Leaky):
    """All time steps in one call, ``[T, B, ...]``."""

    def __init__(self) -> None:
        super().__init__(beta=0.9, init_hidden=True)
        self.steps: Steps = []

    def forward(self, inputs: Tensor) -> Tensor:
        spikes, self.steps = [], []
        for x in inputs:
            before = self.mem if self.mem.shape == x.shape else torch.zeros_like(x)
            spikes.append(super().forward(x))
            self.steps.append((before, self.mem))
        return torch.stack(spikes)


@pytest.mark.parametrize("form", FORMS)
def test_a_subclass_that_computes_all_steps_in_one_call(tmp_path: Path, form: str) -> None:
    net, batches = nn.Sequential(Sequence()), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form) as rec:
        for batch in (4, 4, 2):
            net[0].reset_mem()
            net(torch.stack([current(batch) for _ in range(7)]))
            rec.batch(batch)
            batches.append(net[0].steps)
    assert recount.updates(rec.directory) == {"0": total(batches)}
    (entry,) = recount.manifest(rec.directory)["layers"]
    assert entry["operations"] == ["mul", "add", "mul", "sub"], "the price of one step"


class Renamed(snn.Leaky):
    """Takes its potential under another name."""

    def forward(self, x: Tensor, state: Tensor | None = None) -> Any:
        return super().forward(x, state)


class PassedOn(snn.Leaky):
    """Says nothing of its arguments."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return super().forward(*inputs, **named)


class Clamped(snn.Leaky):
    """Changes its potential after the step."""

    def forward(self, x: Tensor, mem: Tensor | None = None) -> Any:
        spikes, _ = super().forward(x, mem)
        self.mem = self.mem.clamp(max=0.5)
        return spikes, self.mem


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", [Renamed, PassedOn, Clamped])
def test_a_subclass_that_is_passed_another_potential(tmp_path: Path, kind: Any, form: str) -> None:
    lif, batches = kind(beta=0.9), []
    net = nn.Sequential(lif)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form) as rec:
        for _ in range(3):
            mem, steps = torch.zeros(4, 8), []
            for step in range(7):
                mem = torch.zeros(4, 8) if step == 4 else mem
                _, after = lif(current() if step != 4 else torch.zeros(4, 8), mem)
                steps.append((mem, after))
                mem = after
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RecorderWarning)
                rec.batch(4)
            batches.append(steps)
    assert recount.updates(rec.directory) == {"0": total(batches)}


@pytest.mark.parametrize("direct", [{"lif", "out"}, {"lif"}], ids=["both", "one"])
def test_a_forward_that_is_called_directly(tmp_path: Path, direct: set[str]) -> None:
    class Direct(Stepwise):
        def __init__(self) -> None:
            super().__init__()
            self.lif, self.out = neuron("Leaky"), neuron("Leaky", "zero")

        def forward(self, x: Tensor) -> Tensor:
            for name in ("lif", "out"):
                layer = getattr(self, name)
                x = layer.forward(x) if name in direct else layer(x)
            return x

    runs, own = {}, snn.Leaky.forward
    for name in ("plain", "direct"):
        torch.manual_seed(0)
        net = Direct()
        with torch.no_grad(), neurotop.record(net, tmp_path / name, strict=True) as rec:
            for _ in range(2):
                net.reset()
                for _ in range(7):
                    net(current()) if name == "direct" else net.out(net.lif(current()))
                rec.batch(4)
        runs[name] = recount.updates(rec.directory)
    assert runs["direct"] == runs["plain"]
    assert runs["direct"]["lif"].dense == 2 * 7 * 4 * 8
    assert snn.Leaky.forward is own and not forwards._followers, "nothing stays on the class"


def test_a_layer_that_raises_leaves_no_half_call(tmp_path: Path) -> None:
    net = nn.Sequential(Sequence())
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        with pytest.raises(TypeError):
            net[0].forward(3)
        with pytest.raises(TypeError):
            net[0](3)
        net[0].reset_mem()
        net[0].forward(torch.stack([current() for _ in range(5)]))
        rec.batch(4)
    assert recount.updates(rec.directory) == {"0": counted(net[0].steps)}


def test_a_call_that_was_interrupted_hides_no_later_one(tmp_path: Path) -> None:
    class Interrupting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lif, self.interrupts = neuron("Leaky", state_quant=self.quant), True

        def quant(self, mem: Tensor) -> Tensor:
            if self.interrupts:
                raise KeyboardInterrupt
            return mem

        def forward(self, x: Tensor) -> Tensor:
            return self.lif(x) if self.interrupts else self.lif.forward(x)

    net = Interrupting()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        with pytest.raises(KeyboardInterrupt):
            net(current())
        with pytest.warns(RecorderWarning, match="batch 1 is not recorded"):
            rec.batch(4)
        net.interrupts = False
        for _ in range(5):
            net(current())
        rec.batch(4)
    assert dense_updates(rec.directory) == {"lif": 5 * 4 * 8}


def test_a_subclass_of_leaky_parallel(tmp_path: Path) -> None:
    class Parallel(snn.LeakyParallel):
        pass

    net = nn.Sequential(Parallel(input_size=8, hidden_size=6), nn.Identity())
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(torch.stack([current() for _ in range(7)]))
        with pytest.warns(RecorderWarning, match="matrix product"):
            rec.batch(4)
    assert dense_updates(rec.directory) == {"0": 7 * 4 * 6}


class SeveralSteps(nn.Module):
    """A network whose layer computes all time steps in one call."""

    def __init__(self) -> None:
        super().__init__()
        self.lif = Sequence()

    def forward(self, data: Tensor) -> Tensor:
        self.lif.reset_mem()
        return self.lif(data.transpose(0, 1))


def test_neurobench_sees_one_step_of_a_subclass_that_computes_several(tmp_path: Path) -> None:
    model = SNNTorchModel(SeveralSteps(), custom_forward=True)
    with pytest.warns(RecorderWarning, match="'lif'.*computes several time steps in one call"):
        outcome = benchmark(model, neurotop.Recorder(tmp_path / "run"))
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    (entry,) = recount.manifest(outcome.run)["layers"]
    assert "ops_per_update" not in entry, "what was measured is the price of seven steps"


def test_the_metric_gives_no_price_of_several_steps() -> None:
    model = SNNTorchModel(SeveralSteps(), custom_forward=True)
    bench = Benchmark(model, loader(), [], [], [[], [neurotop.NeuronOperations()]])
    with torch.no_grad(), pytest.warns(RecorderWarning) as told:
        bench.run(quiet=True)
    texts = [str(each.message) for each in told]
    assert any("'lif' computes several time steps" in text for text in texts)
    assert any("{'Sequence:subtract': OPERATIONS}" in text for text in texts)
    assert not forwards._followers


# --- A forward that was replaced, and hooks that call it -----------------------------------------


def leaky_in_numpy(batches: list[list[Tensor]]) -> Updates:
    """What is counted of snnTorch's Leaky with beta 0.9 and reset by subtraction, from rest."""
    counts = []
    for inputs in batches:
        mem, steps = np.zeros(inputs[0].shape, np.float32), []
        for x in inputs:
            before, reset = mem, (mem > 1).astype(np.float32)
            mem = np.float32(0.9) * mem + x.numpy() - reset
            steps.append((before, mem))
        counts.append(steps)
    return total(counts)


def loops_over_kept(lif: Any) -> Any:
    kept = lif.forward
    return lambda xs: torch.stack([kept(x) for x in xs])


def loops_over_class(lif: Any) -> Any:
    def forward(self: Any, xs: Tensor) -> Tensor:
        return torch.stack([snn.Leaky.forward(self, x) for x in xs])

    return types.MethodType(forward, lif)


def unrolled(lif: Any) -> Any:
    step = functools.partial(lif.forward)
    return lambda xs: torch.stack([step(xs[0]), step(xs[1]), step(xs[2]), step(xs[3])])


def looks_like_the_kept(lif: Any) -> Any:
    return functools.wraps(lif.forward)(loops_over_kept(lif))


def calls_itself_unreplaced(lif: Any) -> Any:
    def forward(xs: Tensor) -> Tensor:
        del lif.forward
        spikes = [lif(x) for x in xs]
        lif.forward = forward
        return torch.stack(spikes)

    return forward


REPLACED = (
    *(loops_over_kept, loops_over_class, unrolled, looks_like_the_kept),
    calls_itself_unreplaced,
)


def record_sequences(
    net: nn.Module, run: Path, after: Any = None, steps: int = 4, form: str = "trace"
) -> tuple[Path, Updates]:
    """Record three batches, each one call of the net's first layer; what is to be counted."""
    batches = []
    with torch.no_grad(), neurotop.record(net, run, form=form) as rec:
        if after is not None:
            after()
        for _ in range(3):
            net[0].reset_mem()
            batches.append([current() for _ in range(steps)])
            net(torch.stack(batches[-1]))
            rec.batch(4)
    assert not register._global_buffer_registration_hooks
    return rec.directory, leaky_in_numpy(batches)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("replace", REPLACED)
def test_a_replaced_forward_that_loops_over_the_steps(
    tmp_path: Path, replace: Any, when: str, form: str
) -> None:
    net = nn.Sequential(neuron("Leaky"))

    def patch() -> None:
        net[0].forward = replace(net[0])

    if when == "before":
        patch()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        after = patch if when == "meanwhile" else None
        run, expected = record_sequences(net, tmp_path / "run", after, form=form)
    assert recount.updates(run) == {"0": expected}
    assert "forward" in vars(net[0]), "it stays replaced"
    assert expected.effective < expected.dense


def test_a_forward_that_was_replaced_in_the_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = snn.Leaky.forward
    looped = lambda self, xs: torch.stack([kept(self, x) for x in xs])  # noqa: E731
    monkeypatch.setattr(snn.Leaky, "forward", looped)
    run, expected = record_sequences(nn.Sequential(neuron("Leaky")), tmp_path / "run")
    assert recount.updates(run) == {"0": expected}
    assert snn.Leaky.forward is looped


def test_a_forward_that_is_replaced_in_the_class_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, inputs = nn.Sequential(neuron("Leaky")), [current() for _ in range(4)]
    monkeypatch.setattr(snn.Leaky, "forward", snn.Leaky.forward)  # it is put back at the end
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        kept = snn.Leaky.forward
        looped = lambda self, xs: torch.stack([kept(self, x) for x in xs])  # noqa: E731
        snn.Leaky.forward = looped
        net(torch.stack(inputs))
        rec.batch(4)
    assert snn.Leaky.forward is looped
    assert recount.updates(rec.directory) == {"0": leaky_in_numpy([inputs])}


def test_a_replaced_forward_that_passes_the_potential(tmp_path: Path) -> None:
    lif = snn.Leaky(beta=0.9)
    kept, batches = lif.forward, []

    def forward(xs: Tensor) -> Tensor:
        mem, steps = torch.zeros(4, 8), []
        for number, x in enumerate(xs):
            before = mem * (number != 2)
            _, mem = kept(x * (number != 2), before)
            steps.append((before, mem))
        batches.append(steps)
        return mem

    lif.forward = forward
    net = nn.Sequential(lif)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for _ in range(2):
            net(torch.stack([current() for _ in range(5)]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RecorderWarning)
                rec.batch(4)
    assert recount.updates(rec.directory) == {"0": total(batches)}


def assigns(self: Any, xs: Tensor) -> Tensor:
    """Leaky's update, in a loop."""
    spikes = []
    for x in xs:
        if self.mem.shape != x.shape:
            self.mem = torch.zeros_like(x)
        self.reset = self.mem_reset(self.mem)
        self.mem = 0.9 * self.mem + x
        self.mem = self.mem - self.reset
        spikes.append(self.fire(self.mem))
    return torch.stack(spikes)


def assigns_in_a_method(self: Any, xs: Tensor) -> Tensor:
    """The same, a call for each step."""

    def step(x: Tensor) -> Tensor:
        return assigns(self, x[None])[0]

    return torch.stack([step(xs[0]), *map(step, xs[1:])])


def computes_locally(self: Any, xs: Tensor) -> Tensor:
    """The same, with a local variable."""
    mem, spikes = self.mem if self.mem.shape == xs[0].shape else torch.zeros_like(xs[0]), []
    for x in xs:
        mem = 0.9 * mem + x - (mem > 1).float()
        spikes.append((mem > 1).float())
    self.mem = mem
    return spikes[-1]


class Assigning(snn.Leaky):
    """A subclass with an update of its own."""

    forward = assigns


class Local(snn.Leaky):
    """A subclass with an update of its own, whose potential only shows at the end."""

    forward = computes_locally


def with_forward(forward: Any) -> nn.Module:
    lif = neuron("Leaky")
    lif.forward = types.MethodType(forward, lif)
    return lif


@pytest.mark.parametrize(
    "layer",
    [
        lambda: with_forward(assigns),
        lambda: with_forward(assigns_in_a_method),
        lambda: Assigning(beta=0.9, init_hidden=True),
    ],
    ids=["replaced", "with a method", "subclass"],
)
def test_an_own_update_in_a_loop_is_counted_by_rounds(tmp_path: Path, layer: Any) -> None:
    net = nn.Sequential(layer())
    with pytest.warns(RecorderWarning, match="'0'.*in a loop: each round is recorded"):
        run, expected = record_sequences(net, tmp_path / "run")
    assert recount.updates(run) == {"0": expected}


class Setting(snn.Leaky):
    """A subclass that assigns its potential in a method, several times in each step."""

    def put(self, mem: Tensor) -> None:
        self.mem = mem

    def forward(self, x: Tensor) -> Tensor:
        if self.mem.shape != x.shape:
            self.put(torch.zeros_like(x))
        reset = self.mem_reset(self.mem)
        self.put(0.9 * self.mem + x)
        self.put(mem=self.mem - reset)
        return self.fire(self.mem)


def test_a_step_that_sets_its_potential_by_a_method_is_one(tmp_path: Path) -> None:
    net, inputs = nn.Sequential(Setting(beta=0.9, init_hidden=True)), [current() for _ in range(5)]
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for x in inputs:
            net(x)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RecorderWarning)
            warnings.filterwarnings("ignore", ".*price.*", RecorderWarning)
            rec.batch(4)
    assert recount.updates(rec.directory) == {"0": leaky_in_numpy([inputs])}


@pytest.mark.parametrize(
    "layer",
    [lambda: with_forward(computes_locally), lambda: Local(beta=0.9, init_hidden=True)],
    ids=["replaced", "subclass"],
)
@pytest.mark.parametrize("given", [torch.stack, list], ids=["tensor", "list"])
def test_steps_in_a_local_variable_are_told(tmp_path: Path, layer: Any, given: Any) -> None:
    net = nn.Sequential(layer())
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(given([current() for _ in range(4)]))
        with pytest.warns(RecorderWarning, match="'0'.*seems to compute several time steps"):
            rec.batch(4)
    assert dense_updates(rec.directory) == {"0": 4 * 8}


class Property(snn.Leaky):
    """Keeps its potential under another name."""

    mem = property(
        lambda self: self.__dict__["own"], lambda self, mem: self.__dict__.update(own=mem)
    )
    forward = assigns

    def _init_mem(self) -> None:
        self.mem = torch.zeros(0)


def test_a_potential_that_is_a_property_is_counted_or_told(tmp_path: Path) -> None:
    with pytest.warns(RecorderWarning, match="'0'.*seems to compute several time steps"):
        record_sequences(nn.Sequential(Property(beta=0.9, init_hidden=True)), tmp_path / "run")
    net = nn.Sequential(Property(beta=0.9, init_hidden=True))
    inputs = [current() for _ in range(5)]
    with torch.no_grad(), neurotop.record(net, tmp_path / "step by step") as rec:
        for x in inputs:
            net(x[None])
        with pytest.warns(RecorderWarning, match="no price"):
            rec.batch(4)
    assert recount.updates(rec.directory) == {"0": leaky_in_numpy([inputs])}


def test_a_replaced_forward_of_one_step_that_is_not_snntorchs_is_told(tmp_path: Path) -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        self.mem = (self.mem if len(self.mem) else 0) * 0.9 + x
        return (self.mem > 1).float()

    net = nn.Sequential(with_forward(forward))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for _ in range(5):
            net(current())
        with pytest.warns(
            RecorderWarning, match="forward of layer '0'.*was replaced.*price of Leak"
        ):
            rec.batch(4)
    assert dense_updates(rec.directory) == {"0": 5 * 4 * 8}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("kind", ["pre", "post"])
def test_a_hook_that_calls_the_layer_again(tmp_path: Path, kind: str, when: str) -> None:
    lif = neuron("Leaky")
    net, batches = nn.Sequential(lif), []

    def register() -> None:
        if kind == "pre":
            lif.register_forward_pre_hook(lambda module, inputs: (module.forward(*inputs), None)[1])
        else:
            lif.register_forward_hook(lambda module, inputs, _: module.forward(*inputs))

    if when == "before":
        register()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        if when == "meanwhile":
            register()
        for _ in range(3):
            lif.reset_mem()
            batches.append([current() for _ in range(4)])
            for x in batches[-1]:
                net(x)
            rec.batch(4)
    expected = leaky_in_numpy([[x for x in batch for _ in range(2)] for batch in batches])
    assert recount.updates(rec.directory) == {"0": expected}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("kind", ["pre", "post"])
def test_a_hook_that_changes_the_potential(tmp_path: Path, kind: str, when: str) -> None:
    lif = neuron("Leaky")
    net, batches = nn.Sequential(lif), []

    def change(module: Any, *_: Any) -> None:
        module.mem = torch.where(module.mem < 0.5, 0.0, module.mem)

    def register() -> None:
        if kind == "pre":
            lif.register_forward_pre_hook(change)
        else:
            lif.register_forward_hook(change)

    if when == "before":
        register()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        if when == "meanwhile":
            register()
        for _ in range(3):
            lif.reset_mem()
            mem, steps = np.zeros((4, 8), np.float32), []
            for x in [current() for _ in range(5)]:
                net(x)
                mem = np.where(mem < 0.5, np.float32(0), mem)
                before, mem = mem, np.float32(0.9) * mem + x.numpy() - (mem > 1)
                steps.append((before, mem))
            batches.append(steps)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RecorderWarning)
                rec.batch(4)
    assert recount.updates(rec.directory) == {"0": total(batches)}


class Yielding(snn.Leaky):
    """Computes its steps while its spikes are taken."""

    def forward(self, xs: Tensor) -> Any:
        for x in xs:
            yield super().forward(x)


class YieldingOwn(snn.Leaky):
    """The same, with an update of its own."""

    def forward(self, xs: Tensor) -> Any:
        for x in xs:
            self.mem = self.mem * 0.9 + x if len(self.mem) else x
            yield self.mem > 1


def test_a_forward_that_is_a_generator(tmp_path: Path) -> None:
    net, batches = nn.ModuleList([Yielding(beta=0.9, init_hidden=True), YieldingOwn(beta=0.9)]), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for _ in range(2):
            net[0].reset_mem()
            batches.append([current() for _ in range(4)])
            for layer in net:
                list(layer(torch.stack(batches[-1])))
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                rec.batch(4)
            told = " ".join(str(each.message) for each in caught)
            assert ("'1' (YieldingOwn) is left out" in told) == (len(batches) == 1)
    assert recount.updates(rec.directory) == {"0": leaky_in_numpy(batches)}
    assert "returns a generator" in " ".join(recount.manifest(rec.directory)["warnings"])


def test_an_exception_that_leaves_half_a_step_costs_that_batch(tmp_path: Path) -> None:
    calls = []

    def quant(mem: Tensor) -> Tensor:
        calls.append(0)
        if len(calls) == 7:
            raise ValueError("when the potential is computed, and the step is not over")
        return mem

    class Goes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lif = neuron("Leaky", state_quant=quant)

        def forward(self, x: Tensor) -> None:
            try:
                self.lif(x)
            except ValueError:
                pass

    net = Goes()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        with pytest.warns(RecorderWarning, match="batch 1 is not recorded.*raised ValueError"):
            for _ in range(3):
                net.lif.reset_mem()
                for _ in range(5):
                    net(current())
                rec.batch(4)
    assert recount.samples(rec.directory) == 8
    assert dense_updates(rec.directory) == {"lif": 2 * 5 * 4 * 8}


def test_two_threads_in_one_layer_are_told(tmp_path: Path) -> None:
    both = threading.Barrier(2)

    def quant(mem: Tensor) -> Tensor:
        if both.n_waiting or threading.current_thread() is not threading.main_thread():
            both.wait(60)
        return mem

    net = nn.ModuleList([snn.Leaky(beta=0.9, state_quant=quant), neuron("Leaky")])
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        threads = [
            threading.Thread(target=net[0], args=(current(), torch.zeros(4, 8))) for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        net[1](current())
        with pytest.warns(RecorderWarning, match="'0'.*left out.*two threads"):
            rec.batch(4)
    assert dense_updates(rec.directory) == {"1": 4 * 8}


def test_potentials_without_numbers_are_told(tmp_path: Path) -> None:
    net = nn.ModuleList([neuron("Leaky").to("meta"), neuron("Leaky")])
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for _ in range(3):
            net[0](torch.rand(4, 8, device="meta"))
            net[1](current())
        with pytest.warns(RecorderWarning, match="'0'.*left out.*device 'meta'"):
            rec.batch(4)
    assert dense_updates(rec.directory) == {"1": 3 * 4 * 8}


@pytest.mark.parametrize("way", ["functional_call", "parametrized"])
def test_parameters_from_elsewhere(tmp_path: Path, way: str) -> None:
    lif = snn.Leaky(beta=0.5, learn_beta=True, init_hidden=True)
    net, batches = nn.Sequential(lif), []
    own = {"0.beta": torch.tensor(0.9)}
    if way == "parametrized":
        lif.beta.data.fill_(0.9)
        parametrize.register_parametrization(lif, "beta", nn.Identity())
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for _ in range(3):
            lif.reset_mem()
            batches.append([current() for _ in range(5)])
            for x in batches[-1]:
                net(x) if way == "parametrized" else torch.func.functional_call(net, own, (x,))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", ".*has no price")
                rec.batch(4)
    assert recount.updates(rec.directory) == {"0": leaky_in_numpy(batches)}


class Replacing(nn.Module):
    """A network whose layer has another forward, or a hook, that NeuroBench sees as one step."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.lif = neuron("Leaky") if way != "local" else with_forward(computes_locally)
        self.way = way
        if way == "kept":
            self.lif.forward = loops_over_kept(self.lif)
        elif way == "hook":
            self.lif.register_forward_hook(lambda module, inputs, _: module.forward(*inputs))

    def forward(self, data: Tensor) -> Tensor:
        self.lif.reset_mem()
        steps = data.transpose(0, 1)
        return torch.stack([self.lif(x) for x in steps]) if self.way == "hook" else self.lif(steps)


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("kept", "computes several time steps in one call"),
        ("hook", "computes several time steps in one call"),
        ("local", "seems to compute several time steps"),
    ],
)
def test_neurobench_sees_too_few_steps_of_a_replaced_forward(
    tmp_path: Path, way: str, told: str
) -> None:
    model = SNNTorchModel(Replacing(way), custom_forward=True)
    with pytest.warns(RecorderWarning, match=f"'lif'.*{told}"):
        outcome = benchmark(model, neurotop.Recorder(tmp_path / "run"))
    assert list(recount.updates(outcome.run).values()) == outcome.layers, "what NeuroBench sees"
    assert not register._global_buffer_registration_hooks and not forwards._followers


@pytest.mark.parametrize(("way", "told"), [("kept", "computes"), ("local", "seems to compute")])
def test_the_metric_tells_of_a_replaced_forward(way: str, told: str) -> None:
    model = SNNTorchModel(Replacing(way), custom_forward=True)
    bench = Benchmark(model, loader(), [], [], [[], [neurotop.NeuronOperations()]])
    with torch.no_grad(), pytest.warns(RecorderWarning, match=f"'lif' {told} several time steps"):
        bench.run(quiet=True)
    assert not register._global_buffer_registration_hooks and not forwards._followers


# --- Layers that torch does not list, and that come and go ---------------------------------------


class Listed(Stepwise):
    """Layers in plain containers, and another network that is never called."""

    def __init__(self, kind: str) -> None:
        super().__init__(neuron("Leaky"))
        one, two = neuron("Leaky"), neuron("Leaky", "zero")
        self.plain: Any = {
            "list": [one, two],
            "dict": {"0": one, "1": two},
            "nested": [(one,), {"x": two}],
            "only": [one, two],
        }[kind]
        self.each = [one, two]
        self.teacher = [dense()]
        if kind == "only":
            self.layers = nn.Identity()

    def reset(self) -> None:
        super().reset()
        for layer in self.each:
            layer.reset_mem()

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        x = self.layers(x)
        for layer in self.each:
            x = layer(x)
        return x, None


@pytest.mark.parametrize("kind", ["list", "dict", "nested", "only"])
def test_layers_in_plain_containers(tmp_path: Path, kind: str) -> None:
    net = Listed(kind)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        run_batch(net, torch.rand(4, 7, 8))
        with pytest.warns(RecorderWarning, match="in a plain list.*ModuleList"):
            rec.batch(4)
        with pytest.warns(RecorderWarning, match="'teacher.0.layers.1'.*left out of the run"):
            net.teacher[0](torch.rand(4, 8))
            run_batch(net, torch.rand(4, 7, 8))
            rec.batch(4)
    assert hooks(net.teacher[0]) == 0
    names = {"nested": ("plain.0.0", "plain.1.x")}.get(kind, ("plain.0", "plain.1"))
    names = (*names, *(() if kind == "only" else ("layers.0",)))
    expected = {name: 2 * 7 * 4 * 8 for name in names}  # and none of what is not called at first
    assert dense_updates(rec.directory) == expected


def test_neurobench_does_not_find_layers_in_plain_containers(tmp_path: Path) -> None:
    with pytest.warns(RecorderWarning) as told:
        outcome = benchmark(Listed("list"), neurotop.Recorder(tmp_path / "run"))
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    about = [str(each.message) for each in told if "plain list" in str(each.message)]
    assert [text.split("'")[1] for text in about] == ["plain.0", "plain.1"]


class Lazy(Stepwise):
    """Builds its second layer in a call."""

    def __init__(self, when: int) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.later, self.when, self.calls = None, when, 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers(x)
        if self.calls == self.when:
            self.later = neuron("Leaky")
        self.calls += 1
        return x if self.later is None else self.later(x)


def record_three(net: nn.Module, run: Path, **options: Any) -> Path:
    """Three batches of seven steps."""
    with torch.no_grad(), neurotop.record(net, run, **options) as rec:
        for _ in range(3):
            run_batch(net, torch.rand(4, 7, 8))
            rec.batch(4)
    return rec.directory


def test_a_layer_that_is_built_in_the_first_call(tmp_path: Path, neurotop_command: str) -> None:
    with pytest.warns(RecorderWarning, match="batch 1 is not recorded.*'later'.*came into"):
        run = record_three(Lazy(0), tmp_path / "run")
    assert dense_updates(run) == {"layers.1": 2 * 7 * 4 * 6, "later": 2 * 7 * 4 * 6}
    assert summary(neurotop_command, run)["run"]["samples"] == 8


def test_a_layer_that_is_built_after_the_first_batch_is_left_out(
    tmp_path: Path, neurotop_command: str
) -> None:
    net = Lazy(7)
    with pytest.warns(RecorderWarning, match="'later'.*after the first batch: it is left out"):
        run = record_three(net, tmp_path / "run")
    assert dense_updates(run) == {"layers.1": 3 * 7 * 4 * 6}
    assert hooks(net) == 0
    assert summary(neurotop_command, run)["complete"] is True


def test_a_layer_that_is_replaced(tmp_path: Path) -> None:
    class Replacing(Lazy):
        def forward(self, x: Tensor) -> Tensor:
            if self.calls == 7:
                self.layers[1] = neuron("Leaky")
            return super().forward(x)

    with pytest.warns(RecorderWarning, match="batch 2 is not recorded.*'layers.1'"):
        run = record_three(Replacing(-1), tmp_path / "run")
    assert dense_updates(run) == {"layers.1": 2 * 7 * 4 * 6}


def test_neurons_that_neurotop_does_not_know_are_told(tmp_path: Path) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.v = torch.zeros(())

        def forward(self, x: Tensor) -> Tensor:
            self.v = x + (0.9 * self.v if self.v.shape == x.shape else 0)
            return (self.v > 1).float()

    class Keeps(Sparse):
        """Passes the potentials around, and so keeps them: that is told of no layer."""

        def forward(self, x: Tensor) -> Any:
            out = super().forward(x)
            self.mem = self.lif.mem
            return out

    net = Stepwise(Keeps(), nn.Identity())
    net.own = Own()
    with pytest.warns(RecorderWarning) as told:
        with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
            for _ in range(2):
                for _ in range(7):
                    net.own(net.layers[0](current())[0])
                rec.batch(4)
    about = [str(each.message) for each in told if "earlier samples" not in str(each.message)]
    assert len(about) == 1 and "layer 'own' (Own) keeps 'v'" in about[0], about
    outcome_told = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        benchmark(Stepwise(nn.Linear(8, 6), neuron("Leaky"), Own()), neurotop.Recorder(tmp_path))
        outcome_told = [str(each.message) for each in caught]
    assert any("layer 'layers.2' (Own) keeps 'v'" in text for text in outcome_told)


def test_a_layer_that_is_compiled_by_torch_jit_is_told(tmp_path: Path) -> None:
    part = torch.jit.trace(nn.Sequential(neuron("Leaky")), torch.rand(4, 8), check_trace=False)
    net = nn.Sequential(part, neuron("Leaky"))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net[1](net[0](current()))
        with pytest.warns(RecorderWarning, match="layer '0.0'.*is a neuron.*not recorded"):
            rec.batch(4)


# --- Copies --------------------------------------------------------------------------------------


def jelly() -> nn.Module:
    return framework("spikingjelly.activation_based.neuron").IFNode()


def norse() -> nn.Module:
    return framework("norse.torch").LIFBoxCell()


@pytest.mark.parametrize("layer", [lambda: neuron("Leaky"), jelly, norse, Sequence])
def test_a_copy_of_the_network_is_not_recorded(tmp_path: Path, layer: Any) -> None:
    net, inputs = nn.Sequential(layer()), torch.stack([current() for _ in range(7)])

    def run(net: nn.Module) -> list[Any]:
        if isinstance(net[0], Sequence):
            return [net(inputs)]
        return [net(x) for x in inputs]

    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        run(net)
        other = copy.deepcopy(net)
        one = run(other)
        rec.batch(4)
    assert dense_updates(rec.directory) == {"0": 7 * 4 * 8}
    with torch.no_grad():
        two = run(copy.deepcopy(other))
    assert len(one) == len(two), "the copies work when the recording is over, too"
    assert other[0] is not net[0]


class Whole(nn.Module):
    """A network that can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.lif = snn.Leaky(beta=0.9, init_hidden=True, surrogate_disable=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.lif(x)


def test_a_network_is_pickled_while_it_is_recorded(tmp_path: Path) -> None:
    net = Whole()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        net(current())
        pickled = pickle.dumps(net)
        assert b"neurotop" not in pickled, "it is read where neurotop is not installed"
        other = pickle.loads(pickled)
        other(current())
        rec.batch(4)
    assert dense_updates(rec.directory) == {"lif": 4 * 8}


# --- Potentials ----------------------------------------------------------------------------------


class InPlace(snn.Leaky):
    """Computes its potential in place, where torch does not count it."""

    def forward(self, x: Tensor) -> Tensor:
        if self.mem.shape != x.shape:
            self.mem = torch.zeros_like(x)
        self.mem.data.mul_(0.9).add_(x)
        return (self.mem > 1).float()


@pytest.mark.parametrize("form", FORMS)
def test_a_potential_computed_in_place(tmp_path: Path, form: str) -> None:
    net, batches = nn.Sequential(InPlace(beta=0.9, init_hidden=True)), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form) as rec:
        for _ in range(3):
            net[0].reset_mem()
            steps = []
            for _ in range(7):
                before = net[0].mem.clone()
                net(current())
                steps.append((before, net[0].mem.clone()))
            rec.batch(4)
            batches.append(steps)
    assert recount.updates(rec.directory) == {"0": total(batches)}
    assert total(batches).effective < total(batches).dense


def test_potentials_within_vmap(tmp_path: Path) -> None:
    lif = snn.Leaky(beta=0.9, surrogate_disable=True)
    net, batches = nn.Sequential(lif), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        for _ in range(2):
            mem, steps = torch.zeros(4, 8), []
            for _ in range(7):
                before = mem
                _, mem = torch.func.vmap(lif, in_dims=(1, 0))(current(8, 4), mem)
                steps.append((before, mem))
            rec.batch(4)
            batches.append(steps)
    lif.mem = torch.zeros(0)  # snnTorch keeps all layers, and resets them in other tests
    assert recount.updates(rec.directory) == {"0": total(batches)}


@pytest.mark.parametrize("samples", [1, 4])
def test_a_potential_that_is_a_single_number(tmp_path: Path, samples: int) -> None:
    class Mean(snn.Leaky):
        def forward(self, x: Tensor) -> Tensor:
            self.mem = x.mean()
            return x

    net = nn.Sequential(Mean(beta=0.9, init_hidden=True), neuron("Leaky"))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        net(current(samples))
        with pytest.warns(RecorderWarning) as told:
            rec.batch(samples)
    texts = " ".join(str(each.message) for each in told)
    assert ("'0' (Mean) is left out" in texts) == (samples > 1)
    assert dense_updates(rec.directory) == {"1": samples * 8, **({"0": 1} if samples == 1 else {})}


class Several(snn.Leaky):
    """Keeps what is no tensor under the name of the potential."""

    def forward(self, x: Tensor) -> Tensor:
        self.mem = [x, x]
        return x


def test_a_potential_that_is_no_tensor_is_told_and_does_no_harm(tmp_path: Path) -> None:
    net = Stepwise(nn.Linear(8, 6), neuron("Leaky"), nn.Identity())
    net.layers[2] = Several(beta=0.9, init_hidden=True)
    net.reset = lambda: net.layers[1].reset_mem()
    del net.layers[2]._buffers["mem"]
    with pytest.warns(RecorderWarning, match="'layers.2'.*keeps no membrane potential"):
        run = record_three(net, tmp_path / "run")
    assert dense_updates(run) == {"layers.1": 3 * 7 * 4 * 6}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        recorder = neurotop.Recorder(tmp_path / "neurobench")
        bench = Benchmark(SNNTorchModel(net), loader(), [], [], [[], [recorder]])
        with torch.no_grad():
            bench.run(quiet=True)
    assert any("'layers.2'" in text for text in recount.manifest(recorder.directory)["warnings"])


@pytest.mark.parametrize("form", FORMS)
def test_one_layer_for_potentials_of_several_shapes(
    tmp_path: Path, form: str, neurotop_command: str
) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(8, 6), nn.Linear(6, 5)
            self.lif, self.steps = snn.Leaky(beta=0.9), {6: [], 5: []}

        def forward(self, data: Tensor) -> None:
            first, second = torch.zeros(len(data), 6), torch.zeros(len(data), 5)
            for x in data.transpose(0, 1):
                before = first, second
                spikes, first = self.lif(torch.relu(self.one(x) - 0.3), first)
                _, second = self.lif(torch.relu(self.two(spikes) - 0.2), second)
                self.steps[6][-1].append((before[0], first))
                self.steps[5][-1].append((before[1], second))

    net = Shared()
    with pytest.warns(RecorderWarning, match="'lif' is passed potentials of 2 shapes.*'lif#2'"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form) as rec:
            for batch in (4, 4, 2):
                net.steps[6].append([])
                net.steps[5].append([])
                net(torch.rand(batch, 7, 8))
                rec.batch(batch)
    expected = {"lif": total(net.steps[6]), "lif#2": total(net.steps[5])}
    assert recount.updates(rec.directory) == expected
    assert form != "trace" or "lif.pre" not in recount.batches(rec.directory)[0]
    told = summary(neurotop_command, rec.directory)
    assert [(each["name"], each["ops_per_update"]) for each in told["layers"]] == [
        ("lif", 4),
        ("lif#2", 4),
    ]


# --- The recording itself ------------------------------------------------------------------------


def test_a_recording_is_used_once_and_within_its_block(tmp_path: Path) -> None:
    net = dense()
    rec = neurotop.record(net, tmp_path / "run")
    with pytest.raises(RecorderError, match="before the recording has begun.*as rec"):
        rec.batch(4)
    with pytest.raises(RecorderError, match="before the recording has begun"):
        rec.add("lif", torch.rand(3, 4, 5))
    with torch.no_grad(), rec:
        with pytest.raises(RecorderError, match="begun already"):
            rec.__enter__()
        run_batch(net, torch.rand(4, 7, 8))
        rec.batch(4)
    with pytest.raises(RecorderError, match="begun already"):
        rec.__enter__()
    with pytest.raises(RecorderError, match="after the block"):
        rec.batch(4)
    with pytest.raises(RecorderError, match="after the block"):
        rec.add("lif", torch.rand(3, 4, 5))
    assert recount.end(tmp_path / "run") == {"samples": 4, "batches": 1}
    assert hooks(net) == 0


def test_the_program_goes_to_another_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    net = dense()
    with torch.no_grad(), neurotop.record(net, "run", strict=True) as rec:
        os.chdir("other")
        run_batch(net, torch.rand(4, 7, 8))
        rec.batch(4)
    assert recount.end(tmp_path / "run") == {"samples": 4, "batches": 1}
    assert rec.directory == tmp_path / "run"


@pytest.mark.parametrize("make", [lambda url: neurotop.record(dense(), url), neurotop.Recorder])
def test_a_url_is_no_directory(make: Any) -> None:
    with pytest.raises(ValueError, match="writes to a directory of the file system"):
        make("s3://bucket/runs/exp1")


NAMES = ("/lif", "a//b", ".hidden", "a/.b", "..", "a/", "../x", "a/../b", "a/b", "lif.0")


@pytest.mark.parametrize("name", NAMES)
def test_names_are_read_back(tmp_path: Path, name: str, neurotop_command: str) -> None:
    net = nn.Module()
    with torch.no_grad(), neurotop.record(None, tmp_path / "added", strict=True) as rec:
        rec.add(name, torch.rand(5, 4, 3), cost=1)
        rec.batch(4)
    told = summary(neurotop_command, rec.directory)
    assert [layer["dense_updates"] for layer in told["layers"]] == [5 * 4 * 3]
    if "." in name:
        return
    net.add_module(name, neuron("Leaky"))
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        net.get_submodule(name)(current())
        rec.batch(4)
    told = summary(neurotop_command, rec.directory)
    assert [layer["dense_updates"] for layer in told["layers"]] == [4 * 8]


def test_the_length_of_a_pair_is_no_number_of_samples(tmp_path: Path) -> None:
    net = dense()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        batch = (torch.rand(4, 7, 8), torch.zeros(4))
        run_batch(net, batch[0])
        rec.batch(len(batch))
        run_batch(net, batch[0])
        with pytest.warns(RecorderWarning, match=r"rec.batch\(2\) was called in each batch"):
            rec.batch(len(batch))


def test_samples_that_do_not_fit_alike_are_told(tmp_path: Path) -> None:
    net = dense()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        run_batch(net, torch.rand(8, 7, 8))
        rec.batch(4)
        run_batch(net, torch.rand(4, 7, 8))
        with pytest.warns(RecorderWarning, match="do not fit alike: 4 for 8, 4 for 4"):
            rec.batch(4)


@pytest.mark.parametrize("when", [0, 1], ids=["first batch", "second batch"])
@pytest.mark.parametrize("inside", [True, False], ids=["in forward", "in the loop"])
def test_steps_of_a_batch_that_was_given_up_are_told(
    tmp_path: Path, inside: bool, when: int
) -> None:
    class Failing(Stepwise):
        fails = -1

        def forward(self, x: Tensor) -> Tensor:
            self.fails -= 1
            hidden = self.layers[1](self.layers[0](x))
            if self.fails == 0:
                raise ValueError
            return self.layers[3](self.layers[2](hidden))

    net = Failing(nn.Linear(8, 6), neuron("Leaky"), nn.Linear(6, 5), neuron("Leaky"))
    with torch.no_grad(), pytest.warns(RecorderWarning, match="seems to hold steps of another"):
        with neurotop.record(net, tmp_path / "run") as rec:
            for number in range(4):
                net.reset()
                net.fails = 4 if inside and number == when else -1
                try:
                    for step in range(7):
                        net.forward(torch.rand(4, 8))
                        if not inside and number == when and step == 3:
                            raise ValueError
                except ValueError:
                    continue
                rec.batch(4)


def test_a_wrapper_that_hides_the_reset_is_told(tmp_path: Path) -> None:
    net = nn.DataParallel(Stepwise(nn.Linear(8, 6), neuron("Leaky")))
    with pytest.warns(RecorderWarning, match=r"DataParallel around it has none.*\(net.module\)"):
        benchmark(net, neurotop.Recorder(tmp_path / "run"))


@pytest.mark.parametrize("strict", [False, True])
def test_an_error_of_the_recorder_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strict: bool
) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError("a fault of the recorder")

    monkeypatch.setattr("neurotop.benchmark.neurobench_layers", fails)
    recorder = neurotop.Recorder(tmp_path / "run", strict=strict)
    if strict:
        with pytest.raises(RecorderError, match="ZeroDivisionError: a fault of the recorder"):
            benchmark(dense(), recorder)
        return
    with pytest.warns(RecorderWarning, match="ZeroDivisionError.*The recording stops here"):
        outcome = benchmark(dense(), recorder)
    assert outcome.results["NeuronOperations"]["Effective Neuron Ops"] > 0
    assert recount.manifest(outcome.run)["stopped"] is True


def test_a_benchmark_goes_on_in_copies(tmp_path: Path) -> None:
    class Copying(Stepwise):
        def forward(self, x: Tensor) -> tuple[Tensor, None]:
            copy.deepcopy(self.layers)(x)
            return super().forward(x)

    net = Copying(nn.Linear(8, 6), neuron("Leaky", "none"))
    recorder = neurotop.Recorder(tmp_path / "run")
    bench = Benchmark(SNNTorchModel(net), loader(), [], [], [[], [NeuronOperations, recorder]])
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bench.run(quiet=True)
    assert recount.samples(recorder.directory) == 10
