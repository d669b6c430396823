"""Where a figure was once wrong and nothing said so: each is exact now, or is told."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import MembraneUpdates, NeuronOperations
from neurobench.models import SNNTorchModel, TorchModel
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

import neurotop
import recount
from benchmarks import FORMS, benchmark, loader, summary
from conftest import ROOT
from networks import Stepwise, dense, neuron
from neurotop import RecorderError, RecorderWarning
from recount import Updates
from test_plain import hooks, run_batch


class Sparse(Stepwise):
    """A layer of 6 that gets no current where the input is small: such potentials stay at zero."""

    def __init__(self, layer: nn.Module | None = None) -> None:
        super().__init__(nn.Linear(8, 6), nn.ReLU(), layer or neuron("Leaky"))

    @property
    def lif(self) -> nn.Module:
        return self.layers[2]


def counted(steps: list[tuple[Any, Any]]) -> Updates:
    """What is counted of one batch's potentials before and after each step."""
    after = np.stack([np.asarray(pair[1]) for pair in steps])
    later = [np.asarray(before) - np.asarray(end) for before, end in steps[1:]]
    changed = sum(int(np.count_nonzero(difference)) for difference in later)
    return Updates(after[0].size + changed, after.size)


def plus(one: Updates, other: Updates) -> Updates:
    """Both together."""
    return Updates(one.effective + other.effective, one.dense + other.dense)


# --- torch.compile -------------------------------------------------------------------------------

COMPILED = """
import json, sys, torch
sys.path[:0] = {paths!r}
import neurotop, recount
from networks import dense

torch.manual_seed(0)
net, frames = dense(), torch.rand(4, 7, 8)


def run(called):
    net.reset()
    for step in range(7):
        called(frames[:, step])


def record(called, name):
    with torch.no_grad(), neurotop.record(called, name, strict=True) as rec:
        for _ in range(2):
            run(called)
            rec.batch(4)
    return recount.updates(rec.directory), recount.manifest(rec.directory)["warnings"]


expected, _ = record(net, "eager")
early = "torch._dynamo" in sys.modules
{program}
print(json.dumps([recorded == expected, told, early]))
"""
WAYS = {
    "before": """
compiled = torch.compile(net, backend="eager")
with torch.no_grad():
    run(compiled)
recorded, told = record(compiled, "run")
assert recorded == expected
with torch.no_grad():
    run(compiled)  # compiled again, as before
net.compile(backend="eager")
with torch.no_grad():
    run(net)
recorded, told = record(net, "in place")
""",
    "after": """
from torch._dynamo.utils import counters
counters.clear()
with torch.no_grad(), neurotop.record(net, "run", strict=True) as rec:
    compiled = torch.compile(net, backend="eager")
    for _ in range(2):
        run(compiled)
        rec.batch(4)
graphs = counters["stats"]["unique_graphs"]
with torch.no_grad():
    run(compiled)
assert graphs <= 12, f"the hooks are compiled again and again: {graphs} graphs"
recorded, told = recount.updates(rec.directory), ["The network is compiled"]
""",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_network_is_recorded_whole(tmp_path: Path, way: str) -> None:
    paths = [str(ROOT / "assets" / "python"), str(ROOT / "tests" / "python")]
    program = COMPILED.format(paths=paths, program=WAYS[way])
    if way == "after":
        program = program.replace("early = ", "early = False and ")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    same, told, early = json.loads(done.stdout.splitlines()[-1])
    assert same
    assert ["The network is compiled" in text for text in told] == [True]
    assert not early, "a recording that needs no compiler does not import it"


def test_neurobench_on_a_compiled_network_is_not_recorded(tmp_path: Path) -> None:
    net = dense()
    net._compiled_call_impl = net._call_impl  # as net.compile() leaves it
    with pytest.warns(RecorderWarning, match="is compiled.*The recording stops here"):
        outcome = benchmark(net, neurotop.Recorder(tmp_path / "run"))
    assert recount.batches(outcome.run) == {}
    assert "is compiled" in recount.manifest(outcome.run)["warnings"][0]


# --- State changed in place ----------------------------------------------------------------------


def in_place(mem: Tensor) -> None:
    mem.clamp_(max=0.4)


def by_index(mem: Tensor) -> None:
    mem[0] = 0


def through_data(mem: Tensor) -> None:
    mem.data.mul_(0.5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("change", [in_place, by_index, through_data])
def test_state_changed_in_place_is_counted_as_it_was(
    tmp_path: Path, change: Callable[[Tensor], None], mode: Any, form: str
) -> None:
    net, expected = Sparse(), Updates(0, 0)
    with mode(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for _ in range(3):
            frames = torch.rand(4, 7, 8) * 2 - 1
            net.reset()
            steps = []
            for step in range(7):
                before = net.lif.mem.clone()
                net(frames[:, step])
                steps.append((before, net.lif.mem.clone()))
                change(net.lif.mem)
            rec.batch(4)
            expected = plus(expected, counted(steps))
    assert recount.updates(rec.directory) == {"layers.2": expected}
    assert expected.effective < expected.dense


@pytest.mark.parametrize("at", [3, 6], ids=["between steps", "after the last step"])
def test_a_first_change_in_place_in_a_later_batch_costs_that_batch(tmp_path: Path, at: int) -> None:
    net = Sparse()
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for number in range(4):
            net.reset()
            for step in range(7):
                net(torch.rand(4, 8))
                if number == 1 and step == at or number > 1:
                    net.lif.mem.clamp_(max=0.3)
            if number == 1:
                with pytest.warns(RecorderWarning, match="batch 2 is not recorded.*in place"):
                    rec.batch(4)
            else:
                rec.batch(4)
    assert recount.samples(rec.directory) == 12
    assert recount.end(rec.directory) == {"samples": 12, "batches": 3}
    assert "layers.2.pre" in recount.batches(rec.directory)[1], "copied from here on"


@pytest.mark.parametrize("first", [0, 1], ids=["from the first batch on", "later"])
def test_earlier_potentials_changed_after_the_loop(tmp_path: Path, first: int) -> None:
    net, expected = Sparse(), Updates(0, 0)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
        for number in range(4):
            net.reset()
            steps, kept = [], []
            for _ in range(7):
                before = net.lif.mem.clone()
                net(torch.rand(4, 8) * 2 - 1)
                steps.append((before, net.lif.mem.clone()))
                kept.append(net.lif.mem)
            if number >= first:
                for potential in kept[:-1]:
                    potential.zero_()
            if number == first == 1:
                with pytest.warns(RecorderWarning, match="batch 2 is not recorded.*in place"):
                    rec.batch(4)
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("error", RecorderWarning)
                rec.batch(4)
            expected = plus(expected, counted(steps))
    assert recount.updates(rec.directory) == {"layers.2": expected}
    assert recount.samples(rec.directory) == (12 if first else 16)


def test_what_the_backward_pass_computes_again_is_no_step(tmp_path: Path) -> None:
    class Explicit(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.one, self.two = nn.Linear(8, 6), snn.Leaky(beta=0.9), snn.Leaky(beta=0.8)

        def forward(self, x: Tensor, one: Tensor, two: Tensor) -> tuple[Tensor, ...]:
            spikes, one = self.one(self.fc(x), one)
            _, two = self.two(spikes, two)
            return one, two

    net = Explicit()
    for reentrant in (False, True):
        with neurotop.record(net, tmp_path / str(reentrant), strict=True) as rec:
            state = torch.zeros(4, 6, requires_grad=True), torch.zeros(4, 6, requires_grad=True)
            for _ in range(7):
                state = checkpoint(net, torch.rand(4, 8), *state, use_reentrant=reentrant)
            (state[0].sum() + state[1].sum()).backward()
            rec.batch(4)
        dense_updates = {name: each.dense for name, each in recount.updates(rec.directory).items()}
        assert dense_updates == {"one": 7 * 4 * 6, "two": 7 * 4 * 6}


def test_neurobench_and_a_change_in_place_is_told(tmp_path: Path) -> None:
    class Clamping(Sparse):
        def forward(self, x: Tensor) -> Any:
            out = super().forward(x)
            self.lif.mem.clamp_(max=0.3)
            return out

    with pytest.warns(RecorderWarning, match="'layers.2'.*is changed in place"):
        outcome = benchmark(Clamping(), neurotop.Recorder(tmp_path / "run"))
    assert list(recount.updates(outcome.run).values()) == outcome.layers, "what NeuroBench sees"


# --- NeuroBench ----------------------------------------------------------------------------------


def test_an_interrupted_benchmark_that_is_run_again(tmp_path: Path) -> None:
    net, data = dense(), loader()
    expected = recount.updates(benchmark(net, neurotop.Recorder(tmp_path / "whole"), data).run)
    recorder = neurotop.Recorder(tmp_path / "run", exist_ok=True)
    bench = Benchmark(SNNTorchModel(net), data, [], [], [[], [NeuronOperations, recorder]])

    class Interrupting(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise KeyboardInterrupt

    last, net.layers[3] = net.layers[3], Interrupting()
    with torch.no_grad(), pytest.raises(KeyboardInterrupt):
        bench.run(quiet=True)
    net.layers[3] = last
    with torch.no_grad(), pytest.warns(RecorderWarning, match="still hold steps of a run"):
        results = bench.run(quiet=True)
    assert recount.updates(recorder.directory) == expected
    per_sample = sum(4 * layer.effective for layer in expected.values()) / 10
    assert results["NeuronOperations"]["Effective Neuron Ops"] != per_sample, "NeuroBench's own"
    bench.model.close_hooks()
    assert hooks(net) == 0, "the recorder's own are gone"


def test_torch_model_around_a_snntorch_network(tmp_path: Path) -> None:
    class Sequences(Stepwise):
        def forward(self, data: Tensor) -> Tensor:
            self.reset()
            return torch.stack([self.layers(x) for x in data.transpose(0, 1)])

    def run(name: str, *added: type) -> tuple[Path, list[str]]:
        model, recorder = TorchModel(Sequences(nn.Linear(8, 6), neuron("Leaky"))), None
        for kind in added:
            model.add_activation_module(kind)
        recorder = neurotop.Recorder(tmp_path / name)
        with warnings.catch_warnings(record=True) as caught, torch.no_grad():
            warnings.simplefilter("always")
            Benchmark(model, loader(), [], [], [[], [MembraneUpdates, recorder]]).run(quiet=True)
        told = [str(w.message) for w in caught if w.category is RecorderWarning]
        return Path(recorder.directory), told

    directory, told = run("without")
    assert recount.updates(directory) == {"layers.1": (0, 0)}
    assert ["add_activation_module(snntorch.SpikingNeuron)" in text for text in told] == [True]
    directory, told = run("with", snn.SpikingNeuron)
    assert recount.updates(directory)["layers.1"].dense == 7 * 10 * 6
    assert told == []


# --- Samples and their updates -------------------------------------------------------------------


class TwoShapesSometimes(Stepwise):
    """A layer that is called with two shapes in the batches that `broken` names."""

    def __init__(self, broken: set[int]) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.extra, self.broken, self.batch = neuron("Leaky"), broken, -1

    def reset(self) -> None:
        super().reset()
        self.batch += 1

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        if self.batch in self.broken:
            self.extra(x)
        return self.extra(self.layers(x)), None


@pytest.mark.parametrize("form", FORMS)
def test_samples_do_not_count_without_their_updates(
    tmp_path: Path, form: str, neurotop_command: str
) -> None:
    net = TwoShapesSometimes({1})
    with pytest.warns(RecorderWarning, match="batch 2 is not recorded.*'extra'"), torch.no_grad():
        with neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
            for _ in range(4):
                run_batch(net, torch.rand(4, 7, 8))
                rec.batch(4)
    told = summary(neurotop_command, rec.directory)
    assert told["run"]["samples"] == 12
    dense_updates = {layer["name"]: layer["dense_updates"] for layer in told["layers"]}
    assert dense_updates == {"layers.1": 3 * 7 * 4 * 6, "extra": 3 * 7 * 4 * 6}


def test_a_layer_that_cannot_be_recorded_from_the_first_batch_on_is_left_out(
    tmp_path: Path,
) -> None:
    net = TwoShapesSometimes({0, 2})
    with pytest.warns(RecorderWarning, match="'extra'.*left out of the run"), torch.no_grad():
        with neurotop.record(net, tmp_path / "run", strict=True) as rec:
            for _ in range(4):
                run_batch(net, torch.rand(4, 7, 8))
                rec.batch(4)
    assert list(recount.updates(rec.directory)) == ["layers.1"]
    assert recount.samples(rec.directory) == 16


class FailsAt(Stepwise):
    """A network that raises in one of its calls, between its two layers."""

    def __init__(self, fails: int, error: type) -> None:
        super().__init__(nn.Linear(8, 6), neuron("Leaky"))
        self.last, self.fails, self.error, self.calls = neuron("Leaky"), fails, error, 0

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        self.calls += 1
        hidden = self.layers(x)
        if self.calls == self.fails:
            raise self.error
        return self.last(hidden), None


@pytest.mark.parametrize("ends", [True, False], ids=["batch() after it", "no batch() after it"])
@pytest.mark.parametrize("at", [4, 11], ids=["first batch", "second batch"])
@pytest.mark.parametrize(
    ("error", "told"), [(RuntimeError, "RuntimeError"), (KeyboardInterrupt, "an exception")]
)
def test_a_batch_in_which_the_network_raised_is_left_out(
    tmp_path: Path, error: type, told: str, at: int, ends: bool
) -> None:
    net, number = FailsAt(at, error), 1 + at // 8
    match = f"batch {number} is not recorded, since the network raised {told}"
    whole = 3 if ends else 2  # without a batch() the next one has steps of both
    with torch.no_grad(), pytest.warns(RecorderWarning, match=match):
        with neurotop.record(net, tmp_path / "run", strict=True) as rec:
            for _ in range(4):
                try:
                    run_batch(net, torch.rand(4, 7, 8))
                except error:
                    if ends:
                        rec.batch(4)
                    continue
                rec.batch(4)
    assert recount.samples(rec.directory) == whole * 4
    dense_updates = {each.dense for each in recount.updates(rec.directory).values()}
    assert dense_updates == {whole * 7 * 4 * 6}


def test_an_exception_that_is_handled_meanwhile_is_not_the_networks(tmp_path: Path) -> None:
    class Handles(Sparse):
        def forward(self, x: Tensor) -> tuple[Tensor, None]:
            try:
                raise KeyError("an optional part of the network")
            except KeyError:
                return super().forward(x)

    net = Handles()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error", RecorderWarning)
        with neurotop.record(net, tmp_path / "run") as rec:
            try:
                raise OSError("and the program is about another")
            except OSError:
                run_batch(net, torch.rand(4, 7, 8))
            rec.batch(4)
    assert recount.updates(rec.directory)["layers.2"].dense == 7 * 4 * 6


def test_samples_given_as_time_steps_are_told(tmp_path: Path) -> None:
    net = Sparse()
    with pytest.warns(RecorderWarning, match=r"number of time steps \(7\).*x.shape\[1\]"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
            frames = torch.rand(7, 4, 8)  # time first
            for frame in frames:
                net(frame)
            rec.batch(len(frames))


@pytest.mark.parametrize(("steps", "batch", "samples"), [(7, 4, 4), (4, 4, 4), (7, 4, 2)])
def test_other_numbers_of_samples_are_taken(
    tmp_path: Path, steps: int, batch: int, samples: int
) -> None:
    net = Sparse()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("error", RecorderWarning)
        with neurotop.record(net, tmp_path / "run") as rec:
            for _ in range(steps):
                net(torch.rand(batch, 8))
            rec.batch(samples)


@pytest.mark.parametrize("samples", [0, 3, 8])
def test_a_number_of_samples_that_does_not_fit_is_told(tmp_path: Path, samples: int) -> None:
    net = dense()
    with pytest.warns(RecorderWarning, match=rf"rec.batch\({samples}\) was given another number"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
            run_batch(net, torch.rand(4, 7, 8))
            rec.batch(samples)


def test_one_sample_that_looks_like_many_is_told(tmp_path: Path) -> None:
    net = dense()
    with pytest.warns(RecorderWarning, match=r"If it is that of samples, write rec.batch\(4\)"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run") as rec:
            run_batch(net, torch.rand(4, 7, 8))
            rec.batch(1)


def test_a_recording_without_a_batch_says_so(tmp_path: Path, neurotop_command: str) -> None:
    with pytest.warns(RecorderWarning, match="no batch: nothing was recorded"):
        with neurotop.record(dense(), tmp_path / "run") as rec:
            pass
    told = summary(neurotop_command, rec.directory, code=3)
    assert any("nothing was recorded" in text for text in told["run"]["warnings"])


def test_a_recording_of_layers_that_cannot_be_recorded_stops(tmp_path: Path) -> None:
    net = nn.Sequential(neuron("Leaky"))
    with neurotop.record(net, tmp_path / "run", strict=True) as rec:
        net(torch.rand(4, 8))
        net(torch.rand(4, 9))
        with pytest.raises(RecorderError, match="no spiking layer that can be recorded"):
            rec.batch(4)
    assert not (rec.directory / "end.json").exists()


# --- snnTorch's other layers ---------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_delta_leaky(tmp_path: Path, form: str) -> None:
    lif = snn.DeltaLeaky(beta=0.9, init_hidden=True)
    net, expected = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), lif), Updates(0, 0)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for _ in range(3):
            lif.reset_mem()
            steps = []
            for _ in range(7):
                before = torch.zeros(4, 6) if lif.mem is None else lif.mem
                net(torch.rand(4, 8) * 2 - 1)
                steps.append((before, lif.mem))
            rec.batch(4)
            expected = plus(expected, counted(steps))
    assert recount.updates(rec.directory) == {"2": expected}
    assert expected.effective < expected.dense


def test_delta_leaky_in_neurobench(tmp_path: Path) -> None:
    class Delta(Sparse):
        def __init__(self) -> None:
            super().__init__(snn.DeltaLeaky(beta=0.9, init_hidden=True))

        def forward(self, x: Tensor) -> Any:
            return self.layers(x)[0], None

    outcome = benchmark(Delta(), neurotop.Recorder(tmp_path / "run", strict=True))
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert outcome.layers[0].dense == 7 * 10 * 6, "no step is lost"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["LinearLeaky", "StateLeaky", "LeakyParallel"])
def test_layers_that_compute_all_steps_at_once(tmp_path: Path, kind: str, form: str) -> None:
    class Beside(Stepwise):
        """Such a layer beside a Leaky."""

        def __init__(self) -> None:
            super().__init__(nn.Linear(8, 6), neuron("Leaky"))
            self.other = {
                "LinearLeaky": lambda: snn.LinearLeaky(beta=0.9, in_features=6, out_features=5),
                "StateLeaky": lambda: snn.StateLeaky(beta=0.9, channels=6),
                "LeakyParallel": lambda: snn.LeakyParallel(input_size=6, hidden_size=5),
            }[kind]()

        def forward(self, data: Tensor) -> Any:
            return self.other(torch.stack([self.layers(x) for x in data.transpose(0, 1)]))

    net, potentials = Beside(), []
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form, strict=True) as rec:
        for _ in range(3):
            net.reset()
            seen = []
            with_rnn = net.other.rnn if kind == "LeakyParallel" else net.other
            handle = with_rnn.register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out))
            net(torch.rand(4, 7, 8))
            handle.remove()
            rec.batch(4)
            potentials.append(seen[0][0 if kind == "LeakyParallel" else 1].numpy())
    updates = recount.updates(rec.directory)
    assert updates["layers.1"].dense == 3 * 7 * 4 * 6
    expected = Updates(0, 0)
    for mem in potentials:
        expected = plus(expected, counted([(0, mem[0]), *zip(mem, mem[1:])]))
    assert updates["other"] == expected
    assert expected.dense == potentials[0].size * 3


def test_linear_leaky_in_neurobench_loses_no_batch(tmp_path: Path) -> None:
    class Linear(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = snn.LinearLeaky(beta=0.9, in_features=8, out_features=6)

        def forward(self, data: Tensor) -> Tensor:
            return self.layer(data.transpose(0, 1))[0]

    data = DataLoader(TensorDataset(torch.rand(8, 7, 8), torch.zeros(8)), batch_size=4)
    model = SNNTorchModel(Linear(), custom_forward=True)
    with pytest.warns(RecorderWarning, match="all time steps in one call"):
        outcome = benchmark(model, neurotop.Recorder(tmp_path / "run", strict=True), data)
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert outcome.layers[0].dense == 7 * 8 * 6


@pytest.mark.parametrize("form", FORMS)
def test_slstm_of_two_sizes_begins_each_step_at_zero(tmp_path: Path, form: str) -> None:
    layer = snn.SLSTM(8, 6, init_hidden=True)
    net, expected = nn.Sequential(layer), Updates(0, 0)
    with pytest.warns(RecorderWarning, match="input_size=8, hidden_size=6.*the same size"):
        with torch.no_grad(), neurotop.record(net, tmp_path / "run", form=form) as rec:
            for _ in range(2):
                layer.reset_mem()
                steps = []
                for _ in range(5):
                    net(torch.rand(4, 8))
                    steps.append((torch.zeros(4, 6), layer.mem))
                rec.batch(4)
                expected = plus(expected, counted(steps))
    assert recount.updates(rec.directory) == {"0": expected}
    trace = recount.batches(rec.directory)[0]
    assert form == "bits" or not trace["0.pre"][1:].any()


def test_slstm_of_two_sizes_is_told_of_neurobench_too(tmp_path: Path) -> None:
    net = Stepwise(nn.Linear(8, 7), snn.SLSTM(7, 6, init_hidden=True))
    with pytest.warns(RecorderWarning, match="input_size=7, hidden_size=6.*the same size"):
        benchmark(net, neurotop.Recorder(tmp_path / "run"))


def test_a_benchmark_without_spiking_layers_is_no_run(tmp_path: Path) -> None:
    net = Stepwise(nn.Linear(8, 6), nn.ReLU())
    with pytest.warns(RecorderWarning, match="no spiking layer that can be recorded"):
        outcome = benchmark(net, neurotop.Recorder(tmp_path / "run"))
    manifest = recount.manifest(outcome.run)
    assert manifest["stopped"] is True and manifest["layers"] == []
    assert any("no spiking layer" in text for text in manifest["warnings"])
    assert not (outcome.run / "end.json").exists(), "it does not pass for a run that is complete"
    again = benchmark(dense(), neurotop.Recorder(tmp_path / "run"))
    assert again.run == tmp_path / "run", "the corrected run takes the directory"
