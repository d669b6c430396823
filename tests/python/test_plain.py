"""Plain snnTorch, without NeuroBench: `neurotop.record`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snntorch as snn
import torch
from torch import nn
from torch.utils.data import DataLoader

import neurotop
import recount
from benchmarks import FORMS, loader, recorded, summary
from networks import (
    CalledInSomeBatches,
    Nested,
    NeverCalled,
    ResetInside,
    SharedLayer,
    UsedTwice,
    convolutional,
    dense,
)
from neurotop import RecorderError, RecorderWarning, encoding

NETWORKS = {"dense": dense, "used-twice": UsedTwice, "reset-inside": ResetInside}


def hooks(net: nn.Module) -> int:
    """Hooks on all modules of a network."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def run_batch(net: nn.Module, frames: torch.Tensor) -> None:
    """All time steps of one batch, ``[B, T, ...]``, from rest."""
    net.reset()
    for step in range(frames.shape[1]):
        net(frames[:, step])


def record_all(net: nn.Module, data: DataLoader, run: Path, **options: Any) -> Path:
    """Record every batch of a loader."""
    with neurotop.record(net, run, strict=True, **options) as rec:
        for frames, _ in data:
            run_batch(net, frames)
            rec.batch(len(frames))
    return rec.directory


@pytest.mark.filterwarnings("ignore::neurotop.RecorderWarning")
@pytest.mark.parametrize("grad", [True, False], ids=["grad", "no_grad"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("case", NETWORKS)
def test_the_batches_are_those_of_neurobench(
    tmp_path: Path, case: str, form: str, grad: bool, neurotop_command: str
) -> None:
    net, data = NETWORKS[case](), loader()
    outcome = recorded(net, tmp_path / "neurobench", form, data)
    if case == "reset-inside":
        net.step = 0
    with torch.set_grad_enabled(grad):
        run = record_all(net, data, tmp_path / "plain", form=form)
    assert recount.updates(run) == recount.updates(outcome.run)
    told = summary(neurotop_command, run)
    assert told["neurobench"]["NeuronOperations"] == outcome.results["NeuronOperations"]
    assert told["neurobench"]["MembraneUpdates"] == outcome.results["MembraneUpdates"]
    assert told["complete"] is True


def test_the_end_has_no_results_of_neurobench(tmp_path: Path) -> None:
    run = record_all(dense(), loader(), tmp_path / "run")
    assert recount.end(run) == {"samples": 10, "batches": 3}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("network", [dense, ResetInside, lambda: dense(dtype=torch.float16)])
def test_blocks_of_steps_are_written_as_steps_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: Any, form: str
) -> None:
    dtype = torch.float16 if network().layers[0].weight.dtype == torch.float16 else torch.float32
    written = []
    for size in (1, 700, 1 << 20):  # no blocks, some, one of all steps
        monkeypatch.setattr(encoding, "BLOCK_BYTES", size)
        torch.manual_seed(0)
        net, data = network(), loader(steps=37, dtype=dtype)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", RecorderWarning)
            run = record_all(net, data, tmp_path / str(size), form=form)
        written.append(recount.batches(run))
    for other in written[1:]:
        for number, members in written[0].items():
            assert members.keys() == other[number].keys()
            for name, array in members.items():
                np.testing.assert_array_equal(array, other[number][name])


def test_name_and_expected_counts(tmp_path: Path) -> None:
    options: dict[str, Any] = {"name": "my run", "expected_batches": 3, "expected_samples": 10}
    manifest = recount.manifest(record_all(dense(), loader(), tmp_path / "run", **options))
    assert manifest["run"] == "my run"
    assert (manifest["expected_batches"], manifest["expected_samples"]) == (3, 10)


def test_hooks_are_removed_on_leaving(tmp_path: Path) -> None:
    net = convolutional()
    with neurotop.record(net, tmp_path / "run"):
        assert hooks(net) == 2 * 3 + 2, "on each spiking layer, and on the network"
    assert hooks(net) == 0


def test_hooks_are_removed_after_an_exception(tmp_path: Path) -> None:
    net, (frames, _) = dense(), next(iter(loader()))
    with pytest.warns(RecorderWarning, match="stopped with ZeroDivisionError"):
        with pytest.raises(ZeroDivisionError):
            with neurotop.record(net, tmp_path / "run") as rec:
                run_batch(net, frames)
                rec.batch(len(frames))
                raise ZeroDivisionError("the user's own")
    assert hooks(net) == 0
    assert len(recount.batches(rec.directory)) == 1
    assert not (rec.directory / "end.json").exists(), "the run did not come to its end"
    assert "ZeroDivisionError" in recount.manifest(rec.directory)["warnings"][0]


def test_a_forward_that_raised_leaves_no_half_step(tmp_path: Path) -> None:
    net, (frames, _) = dense(), next(iter(loader()))
    with neurotop.record(net, tmp_path / "run", strict=True) as rec:
        run_batch(net, frames)
        with pytest.raises(TypeError):
            net.layers[1](frames[:, 0], None, "too many")
        rec.batch(len(frames))
    assert recount.updates(rec.directory)["layers.1"].dense == 7 * 4 * 13


def test_nothing_but_potentials_is_kept(tmp_path: Path) -> None:
    net, (frames, _) = dense(), next(iter(loader()))
    with neurotop.record(net, tmp_path / "run") as rec:
        run_batch(net, frames)
        layers = [hook.layer for hook in rec._hooks]
        assert all(len(layer.post) == 7 for layer in layers)
        assert not any(post.requires_grad for layer in layers for post in layer.post)
        rec.batch(len(frames))
        assert not any(layer.post or layer.pre for layer in layers)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (NeverCalled, "'spare'.*was not called"),
        (CalledInSomeBatches, "'extra'.*was not called"),
        (SharedLayer, "under several names"),
    ],
)
def test_traps_are_told(tmp_path: Path, network: Any, words: str) -> None:
    with pytest.warns(RecorderWarning, match=words):
        run = record_all(network(), loader(), tmp_path / "run")
    assert len(recount.manifest(run)["warnings"]) == 1


def test_state_carried_over_is_told(tmp_path: Path) -> None:
    net, data = Nested(), loader()
    with pytest.warns(RecorderWarning, match="potential of earlier samples"):
        with neurotop.record(net, tmp_path / "run") as rec:
            for frames, _ in data:
                net(frames[:, 0])
                rec.batch(len(frames))


def test_a_network_without_spiking_layers(tmp_path: Path) -> None:
    with pytest.raises(RecorderError, match="no spiking layer that neurotop knows"):
        neurotop.record(nn.Linear(2, 2), tmp_path / "run").__enter__()


def test_batch_without_steps_writes_nothing(tmp_path: Path) -> None:
    with pytest.warns(RecorderWarning, match="nothing written"):
        with neurotop.record(dense(), tmp_path / "run") as rec:
            rec.batch(4)
    assert recount.end(rec.directory)["batches"] == 0
    assert recount.batches(rec.directory) == {}


def test_steps_after_the_last_batch_are_told(tmp_path: Path) -> None:
    net, (frames, _) = dense(), next(iter(loader()))
    with pytest.warns(RecorderWarning, match="call it after each batch"):
        with neurotop.record(net, tmp_path / "run"):
            run_batch(net, frames)


@pytest.mark.parametrize("samples", [-1, 2.5, "4", True, None])
def test_samples_must_be_a_count(tmp_path: Path, samples: Any) -> None:
    with neurotop.record(dense(), tmp_path / "run") as rec:
        with pytest.raises(ValueError, match="number of samples"):
            rec.batch(samples)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "zip"},
        {"keep": 0},
        {"keep": True},
        {"rank": 0},
        {"world_size": 2},
        {"rank": 2, "world_size": 2},
        {"expected_batches": -1},
    ],
)
def test_impossible_options(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="|".join(options)):
        neurotop.record(dense(), tmp_path / "run", **options)


def test_not_a_module(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="torch.nn.Module"):
        neurotop.record("net", tmp_path / "run")  # type: ignore[arg-type]


def test_a_layer_of_varying_shape_is_counted_and_the_manifest_names_none(
    tmp_path: Path, neurotop_command: str
) -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), snn.Leaky(beta=0.9, init_hidden=True))
    with pytest.warns(RecorderWarning, match="other shapes in other batches"):
        with neurotop.record(net, tmp_path / "run", strict=True) as rec:
            for size in (8, 6, 8):
                net[1].reset_mem()
                for _ in range(3):
                    net(torch.rand(2, 1, size, size))
                rec.batch(2)
    assert "shape" not in recount.manifest(tmp_path / "run")["layers"][0]
    told = summary(neurotop_command, tmp_path / "run")
    counted = recount.updates(tmp_path / "run")["1"]
    assert told["complete"] is True
    assert (told["layers"][0]["updates"], told["layers"][0]["dense_updates"]) == tuple(counted)
