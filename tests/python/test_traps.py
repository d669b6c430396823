"""Every way in which a figure is other than it seems is told, and what can be counted is exact."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
import snntorch as snn
import torch
from neurobench.benchmarks import Benchmark
from neurobench.metrics.workload import NeuronOperations
from neurobench.models import SNNTorchModel
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler

import neurotop
import recount
from benchmarks import FORMS, Outcome, benchmark, loader, recorded, summary
from networks import (
    CalledInSomeBatches,
    MyLeaky,
    Nested,
    NeverCalled,
    ResetInside,
    SharedLayer,
    Stepwise,
    dense,
    neuron,
)
from neurotop import RecorderWarning


class Told(NamedTuple):
    """A recorded benchmark and what the user was told."""

    outcome: Outcome
    warnings: list[str]


def told(run: Callable[[], Outcome]) -> Told:
    """Run, and gather the recorder's warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outcome = run()
    return Told(outcome, [str(w.message) for w in caught if w.category is RecorderWarning])


def told_once(
    net: Any, directory: Path, form: str, words: str, data: DataLoader | None = None
) -> Outcome:
    """Record, and require exactly one warning, with these words, in the manifest too."""
    outcome, said = told(lambda: recorded(net, directory, form, data))
    assert [words in text for text in said] == [True], said
    assert recount.manifest(outcome.run)["warnings"] == said
    return outcome


def beside(layer: nn.Module) -> Stepwise:
    """A layer of 6 beside a priced Leaky of 6."""
    return Stepwise(nn.Linear(8, 6), neuron("Leaky"), nn.Linear(6, 6), layer)


UNPRICED = {
    "RLeaky": lambda: beside(neuron("RLeaky")),
    "SLSTM": lambda: beside(neuron("SLSTM")),
    "subclass": lambda: beside(MyLeaky(beta=0.9, init_hidden=True)),
    "reset-none": lambda: beside(neuron("Leaky", "none")),
    "ReLU": lambda: beside(nn.ReLU()),
    "never-called": NeverCalled,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", UNPRICED)
def test_where_neurobench_gives_up(
    tmp_path: Path, case: str, form: str, neurotop_command: str
) -> None:
    outcome, said = told(lambda: recorded(UNPRICED[case](), tmp_path, form))
    assert outcome.results["NeuronOperations"] == 0.0
    assert recount.end(outcome.run)["neurobench"]["NeuronOperations"] == 0.0
    assert any(re.search("NeuronOperations (fails and|then) reports 0.0", text) for text in said)
    assert any("NeuronOperations failed on a batch" in text for text in said)
    assert len(said) == 2
    assert recount.manifest(outcome.run)["warnings"] == said

    assert list(recount.updates(outcome.run).values()) == outcome.layers
    counted = summary(neurotop_command, outcome.run, code=3)
    causes = [p["cause"] for p in counted["problems"] if p["severity"] == "set_aside"]
    assert causes == ["differs_from_neurobench"]
    figures = [(layer["updates"], layer["dense_updates"]) for layer in counted["layers"]]
    assert figures == [tuple(layer) for layer in outcome.layers]
    assert counted["run"]["warnings"] == said


def test_every_batch_carries_a_layer_that_is_never_called(tmp_path: Path) -> None:
    run = told(lambda: recorded(NeverCalled(), tmp_path, "bits")).outcome.run
    assert "shape" not in recount.manifest(run)["layers"][1]
    shapes = [batch["spare.post"].shape for batch in recount.batches(run).values()]
    assert shapes == [(0, 4), (0, 4), (0, 2)]
    assert all(b["spare.post"].dtype == "float32" for b in recount.batches(run).values())


def test_an_error_in_one_batch_spoils_the_later_ones(tmp_path: Path) -> None:
    outcome, said = told(lambda: recorded(CalledInSomeBatches(), tmp_path, "trace"))
    assert "'extra' (Leaky) was not called in a whole batch" in said[0]
    assert "its later figures are wrong too" in said[1]
    assert len(said) == 2
    assert list(recount.updates(outcome.run).values()) == outcome.layers


def test_a_layer_that_is_first_called_later_gets_its_shape(tmp_path: Path) -> None:
    small_first = DataLoader(loader(samples=6).dataset, batch_sampler=[[0, 1], [2, 3, 4, 5]])
    net = CalledInSomeBatches()
    run = told(lambda: recorded(net, tmp_path, "trace", small_first)).outcome.run
    assert recount.manifest(run)["layers"][1]["shape"] == [6]
    assert recount.batches(run)[0]["extra.post"].shape == (0, 2)
    assert recount.batches(run)[1]["extra.post"].shape == (7, 4, 6)


def test_reset_mechanism_set_later(tmp_path: Path) -> None:
    net = dense("Leaky", "subtract")
    net.layers[1].reset_mechanism = "zero"
    outcome = told_once(net, tmp_path, "trace", "priced as reset 'zero'")
    layer = recount.manifest(outcome.run)["layers"][0]
    assert layer["reset"] == "zero", "NeuroBench's key, for parity"
    assert "performs 'subtract'" in recount.manifest(outcome.run)["warnings"][0]


def test_reset_mechanism_loaded(tmp_path: Path) -> None:
    net = beside(neuron("Leaky"))
    state = net.state_dict()
    state["layers.1.reset_mechanism_val"] = torch.tensor(1)
    net.load_state_dict(state)
    told_once(net, tmp_path, "trace", "its reset_mechanism_val says 'zero'")


def test_shared_layer_counts_twice_as_in_neurobench(tmp_path: Path) -> None:
    outcome = told_once(SharedLayer(), tmp_path, "bits", "under several parents (one.1, two.1)")
    counted = recount.updates(outcome.run)
    assert list(counted) == ["one.1", "two.1"]
    assert counted["one.1"] == counted["two.1"]


def test_two_benchmarks_alive_count_double(tmp_path: Path, neurotop_command: str) -> None:
    model = SNNTorchModel(dense())
    earlier = Benchmark(model, loader(), [], [], [[], [NeuronOperations]])
    outcome = told_once(model, tmp_path, "trace", "2 Benchmark objects are alive")
    del earlier
    counted = recount.updates(outcome.run)
    assert list(counted) == ["layers.1", "layers.3", "layers.1#2", "layers.3#2"]
    assert list(counted.values()) == outcome.layers
    neurobench = summary(neurotop_command, outcome.run)["neurobench"]
    assert neurobench["NeuronOperations"] == outcome.results["NeuronOperations"]


def test_a_deleted_benchmark_takes_the_hooks_along(tmp_path: Path, neurotop_command: str) -> None:
    model, recorder = SNNTorchModel(dense()), neurotop.Recorder(tmp_path / "run")
    metrics = [[], [NeuronOperations, recorder]]
    bench = Benchmark(model, loader(), [], [], metrics)
    bench = Benchmark(model, loader(), [], [], metrics)
    with pytest.warns(RecorderWarning, match="removed all hooks"), torch.no_grad():
        results = bench.run(quiet=True)
    assert results["NeuronOperations"]["Effective Neuron Ops"] == 0.0
    assert set(recount.updates(recorder.directory).values()) == {(0, 0)}
    counted = summary(neurotop_command, recorder.directory)
    assert counted["neurobench"]["NeuronOperations"] == results["NeuronOperations"]


def test_a_network_that_is_one_neuron(tmp_path: Path) -> None:
    recorder = neurotop.Recorder(tmp_path / "run")
    net = SNNTorchModel(neuron("Leaky", output=True))
    one_batch = loader(samples=4)  # at the second one NeuroBench itself stumbles over such a net
    bench = Benchmark(net, one_batch, [], [], [[], [NeuronOperations, recorder]])
    with pytest.warns(RecorderWarning, match="wrap it in torch.nn.Sequential"), torch.no_grad():
        results = bench.run(quiet=True)
    assert results["NeuronOperations"]["Effective Neuron Ops"] == 0.0
    assert recount.updates(recorder.directory) == {"Leaky": (0, 0)}


def test_parallel_layers_are_not_seen(tmp_path: Path) -> None:
    class Parallel(Stepwise):
        def __init__(self) -> None:
            super().__init__(nn.Linear(8, 6), neuron("Leaky"))
            self.parallel = snn.LeakyParallel(input_size=6, hidden_size=6)

        def forward(self, x: torch.Tensor) -> Any:
            return self.parallel(self.layers(x)[None])[0], None

    outcome = told_once(Parallel(), tmp_path, "trace", "computes all time steps at once")
    assert list(recount.updates(outcome.run)) == ["layers.1"]


@pytest.mark.parametrize("form", FORMS)
def test_state_carried_over(tmp_path: Path, form: str) -> None:
    outcome = told_once(Nested(), tmp_path, form, "began a batch with the potential of earlier")
    assert list(recount.updates(outcome.run).values()) == outcome.layers


def test_state_reset_inside_is_written_as_pairs(tmp_path: Path) -> None:
    outcome = told_once(ResetInside(), tmp_path, "trace", "did not begin each step")
    assert "layers.1.pre" in recount.batches(outcome.run)[0]
    from_post_alone = recount.batches(outcome.run)
    for batch in from_post_alone.values():
        del batch["layers.1.pre"]
    wrong = sum(
        recount._layer_updates(batch, "layers.1").effective for batch in from_post_alone.values()
    )
    assert wrong != outcome.layers[0].effective, "the network would be miscounted without .pre"


def test_gradients_left_on(tmp_path: Path) -> None:
    recorder = neurotop.Recorder(tmp_path / "run", strict=True)
    outcome, said = told(lambda: benchmark(dense(), recorder, grad=True))
    assert ["torch.no_grad()" in text for text in said] == [True]
    assert list(recount.updates(outcome.run).values()) == outcome.layers


@pytest.mark.parametrize("form", FORMS)
def test_subnormals_flushed(tmp_path: Path, form: str) -> None:
    class Fading(Stepwise):
        """Potentials that fade through the subnormal numbers, step by step."""

        def __init__(self) -> None:
            super().__init__(snn.Leaky(beta=0.5, init_hidden=True))

    data = loader(steps=9)
    data.dataset.tensors[0].mul_(2.0**-124)
    exact = recorded(Fading(), tmp_path / "exact", form, data)
    if not torch.set_flush_denormal(True):
        pytest.fail("this processor cannot flush subnormals: run the tests on another")
    try:
        outcome = told_once(Fading(), tmp_path, form, "flushes subnormal numbers", data)
    finally:
        torch.set_flush_denormal(False)
    assert list(recount.updates(outcome.run).values()) == outcome.layers
    assert outcome.layers != exact.layers, "flushing changes NeuroBench's figure"


def test_a_layer_called_with_two_shapes(tmp_path: Path) -> None:
    class TwoShapes(Stepwise):
        def __init__(self) -> None:
            super().__init__(nn.Linear(8, 6), neuron("Leaky"))
            self.lif = neuron("Leaky")

        def forward(self, x: torch.Tensor) -> Any:
            self.lif(x)
            return self.lif(self.layers(x)), None

    recorder = neurotop.Recorder(tmp_path / "run")
    bench = Benchmark(SNNTorchModel(TwoShapes()), loader(), [], [], [[], [recorder]])
    with (
        pytest.warns(RecorderWarning, match=r"called with shapes \(4, 8\) and \(4, 6\)"),
        torch.no_grad(),
    ):
        bench.run(quiet=True)
    assert list(recount.updates(recorder.directory)) == ["layers.1"]
    assert recount.updates(recorder.directory)["layers.1"].effective > 0


def test_many_activations_are_one_warning(tmp_path: Path) -> None:
    activations = [layer for _ in range(16) for layer in (nn.Linear(8, 8), nn.ReLU())]
    net = Stepwise(*activations, neuron("Leaky"))
    outcome, said = told(lambda: recorded(net, tmp_path, "bits"))
    assert ["16 activations do not spike" in text for text in said] == [True, False]
    assert outcome.layers[-1].dense == 7 * 10 * 8


def test_a_layer_of_another_framework_is_not_said_not_to_spike(tmp_path: Path) -> None:
    norse = pytest.importorskip("norse.torch")

    class Mixed(Stepwise):
        def __init__(self) -> None:
            super().__init__(nn.Linear(8, 6), neuron("Leaky"))
            self.cell = norse.LIFCell()

        def forward(self, x: torch.Tensor) -> Any:
            return self.cell(self.layers(x))[0], None

    model = SNNTorchModel(Mixed())
    model.add_activation_module(norse.LIFCell)
    recorder = neurotop.Recorder(tmp_path / "run")
    _, said = told(lambda: benchmark(model, recorder))
    assert any("'cell' (LIFCell) spikes" in text and "neurotop.record" in text for text in said)
    assert not any("not spike" in text for text in said)


def test_a_second_recording_in_one_process_warns_too(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # as Python does: each warning once for each line
        for run in ("one", "two"):
            recorder = neurotop.Recorder(tmp_path / run)
            bench = Benchmark(SNNTorchModel(Nested()), loader(), [], [], [[], [recorder]])
            with torch.no_grad():
                bench.run(quiet=True)
    said = [w for w in caught if w.category is RecorderWarning]
    assert ["earlier samples" in str(w.message) for w in said] == [True, True]
    assert not any("neurotop" in Path(w.filename).parts for w in said), "the line is not its own"


@pytest.mark.parametrize(("samples", "repeated"), [(9, 1), (10, 0)])
def test_samples_that_ranks_count_twice(tmp_path: Path, samples: int, repeated: int) -> None:
    dataset = loader(samples=samples).dataset
    sampler = DistributedSampler(dataset, num_replicas=2, rank=0, shuffle=False)
    data = DataLoader(dataset, batch_size=4, sampler=sampler)
    recorder = neurotop.Recorder(tmp_path / "run", rank=0, world_size=2)
    _, said = told(lambda: benchmark(dense(), recorder, data))
    assert [f"repeats {repeated} of 9 samples" in text for text in said] == [True] * repeated
