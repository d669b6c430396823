"""Layers that are given as arrays: `rec.add`."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import neurotop
import recount
from benchmarks import FORMS, summary
from conftest import ROOT
from networks import Stepwise, neuron
from neurotop import RecorderWarning
from recount import Updates

pytestmark = pytest.mark.filterwarnings("ignore:.*has no price:neurotop.RecorderWarning")


def sparse(*shape: int, dtype: Any = np.float32, seed: int = 0) -> np.ndarray:
    """Potentials of which some stay as they are from one step to the next."""
    return (np.random.default_rng(seed).integers(0, 3, shape) * 0.5).astype(dtype)


def expected(post: np.ndarray, pre: np.ndarray | None = None) -> Updates:
    """What is counted of potentials ``[T, B, ...]``."""
    before = post[:-1] if pre is None else pre[1:]
    changed = int(np.count_nonzero(before.astype(float) - post[1:].astype(float)))
    return Updates(post[0].size + changed, post.size)


class OnlyDlpack:
    """An array that is no more than the DLPack protocol."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape = array, array.shape

    def __dlpack__(self, **options: Any) -> Any:
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.array.__dlpack_device__()


def one_by_one(array: np.ndarray) -> Iterator[np.ndarray]:
    """The steps through one buffer, which each of them overwrites."""
    buffer = np.empty_like(array[0])
    for step in array:
        buffer[...] = step
        yield buffer


KINDS = {
    "NumPy": lambda array: array,
    "torch": torch.tensor,
    "gradients": lambda array: torch.tensor(array, requires_grad=True),
    "DLPack": OnlyDlpack,
    "generator": one_by_one,
    "sparse": lambda array: torch.tensor(array).to_sparse(),
    "list of sparse": lambda array: [torch.tensor(step).to_sparse() for step in array],
    "conjugate": lambda array: torch.complex(torch.tensor(array), -torch.tensor(array)).conj().imag,
    "float8": lambda array: torch.tensor(array).to(torch.float8_e5m2),  # it holds them all
    "list of tensors": lambda array: [torch.tensor(step) for step in array],
    "Fortran order": np.asfortranarray,
    "cut": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_arrays_of_all_kinds(tmp_path: Path, kind: str, form: str, neurotop_command: str) -> None:
    total = Updates(0, 0)
    with neurotop.record(None, tmp_path / "run", form=form, strict=True) as rec:
        for batch in range(3):
            post = sparse(11, 4, 3, seed=batch)
            rec.add("lif", KINDS[kind](post), neuron="Leaky", reset="zero")
            rec.batch(4)
            here = expected(post)
            total = Updates(total.effective + here.effective, total.dense + here.dense)
    assert recount.updates(rec.directory) == {"lif": total}
    assert recount.manifest(rec.directory)["warnings"] == []
    told = summary(neurotop_command, rec.directory)
    assert told["total"]["updates"] == total.effective and told["total"]["effective_ops"] > 0
    assert told["complete"] is True and told["problems"] == []


def test_what_is_given_may_change_afterwards(tmp_path: Path) -> None:
    post = sparse(5, 4, 3)
    with neurotop.record(None, tmp_path / "run") as rec:
        rec.add("lif", post)
        before = expected(post)
        post[...] = 0
        rec.batch(4)
    assert recount.updates(rec.directory) == {"lif": before}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i1", "u2", "i8"])
def test_types_are_kept(tmp_path: Path, dtype: str, form: str) -> None:
    post = (sparse(9, 2, 5) * 2).astype(dtype)
    with neurotop.record(None, tmp_path / "run", form=form, strict=True) as rec:
        rec.add("lif", post)
        rec.batch(2)
    if form == "bits":
        (batch,) = recount.batches(rec.directory).values()
        changed = int(np.unpackbits(batch["lif.changed"]).sum())
        assert Updates(post[0].size + changed, post.size) == expected(post)
    else:
        (batch,) = recount.batches(rec.directory).values()
        assert batch["lif.post"].dtype.newbyteorder("=") == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(batch["lif.post"], post)
        assert ("lif.pre" in batch) == (form == "pair")


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    post = torch.tensor(sparse(5, 2, 3)).bfloat16()
    with neurotop.record(None, tmp_path / "run", strict=True) as rec:
        rec.add("lif", post)
        rec.batch(2)
    assert recount.updates(rec.directory) == {"lif": expected(post.float().numpy())}


@pytest.mark.parametrize("form", FORMS)
def test_potentials_before_each_step(tmp_path: Path, form: str) -> None:
    post, pre = sparse(9, 4, 3), sparse(9, 4, 3, seed=1)
    with neurotop.record(None, tmp_path / "run", form=form, strict=True) as rec:
        rec.add("another", post, pre)
        rec.add("same", post, np.concatenate([pre[:1], post[:-1]]))
        rec.batch(4)
    counted = recount.updates(rec.directory)
    assert counted == {"another": expected(post, pre), "same": expected(post)}
    assert counted["another"] != counted["same"]
    members = set(recount.batches(rec.directory)[0])
    assert ("another.pre" in members, "same.pre" in members) == {
        "trace": (True, False),
        "pair": (True, True),
        "bits": (False, False),
    }[form]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("before", "after"), [("f8", "f4"), ("f4", "f8"), ("f4", "f2"), ("i8", "i4"), ("u1", "i1")]
)
def test_potentials_before_and_after_of_two_types(
    tmp_path: Path, before: str, after: str, form: str
) -> None:
    post = np.ones((5, 4, 3), after)
    pre = np.full(
        (5, 4, 3), {"f8": 1 + 1e-9, "f4": 1 + 1e-5, "i8": 1 + 2**32, "u1": 255}[before], before
    )
    with neurotop.record(None, tmp_path / "run", form=form, strict=True) as rec:
        rec.add("lif", post, pre)
        rec.batch(4)
    (batch,) = recount.batches(rec.directory).values()
    if form == "bits":
        changed = int(np.unpackbits(batch["lif.changed"]).sum())
    else:
        changed = np.count_nonzero(batch["lif.post"][1:] != batch["lif.pre"][1:])
    assert changed == 4 * 4 * 3, "no difference is lost to the smaller type"


def test_special_values(tmp_path: Path) -> None:
    post = np.zeros((3, 1, 4), np.float32)
    post[:, 0, 0], post[:, 0, 1], post[1:, 0, 2] = np.nan, np.inf, 1e-45
    for form in FORMS:
        with neurotop.record(None, tmp_path / form, form=form, strict=True) as rec:
            rec.add("lif", post)
            rec.batch(1)
        # NaN and inf - inf count; the smallest number counts once, when it comes.
        assert recount.updates(rec.directory) == {"lif": Updates(4 + 2 + 2 + 1, 12)}


def test_a_step_without_an_axis_is_one_sample(tmp_path: Path, neurotop_command: str) -> None:
    with neurotop.record(None, tmp_path / "run", strict=True) as rec:
        rec.add("lif", np.array([0.0, 0.5, 0.5, 0.2]))
        rec.batch(1)
    assert recount.updates(rec.directory) == {"lif": Updates(3, 4)}
    assert summary(neurotop_command, rec.directory)["run"]["samples"] == 1


def test_beside_a_network_with_hooks(tmp_path: Path) -> None:
    """As sparch's RadLIF: the potential is a local variable, and the forward hands it out."""

    class RadLif(nn.Module):
        def forward(self, currents: Tensor) -> tuple[Tensor, Tensor]:
            ut = st = torch.zeros_like(currents[0])
            spikes, potentials = [], []
            for current in currents:
                ut = 0.9 * (ut - st) + 0.1 * torch.relu(current)
                st = (ut > 0.3).float()
                spikes.append(st)
                potentials.append(ut)
            return torch.stack(spikes), torch.stack(potentials)

    net, rad, total = Stepwise(nn.Linear(8, 6), neuron("Leaky")), RadLif(), Updates(0, 0)
    with torch.no_grad(), neurotop.record(net, tmp_path / "run", strict=True) as rec:
        for _ in range(3):
            net.reset()
            spikes = torch.stack([net(frame)[0] for frame in torch.rand(7, 4, 8)])
            _, potentials = rad(spikes)
            rec.add("rad", potentials, neuron="RadLIF", reset="subtract")
            rec.batch(4)
            here = expected(potentials.numpy())
            total = Updates(total.effective + here.effective, total.dense + here.dense)
    counted = recount.updates(rec.directory)
    assert counted["rad"] == total and total.effective < total.dense
    assert counted["layers.1"].dense == 3 * 7 * 4 * 6


def test_cost_and_price(tmp_path: Path, neurotop_command: str) -> None:
    post = sparse(5, 4, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecorderWarning)
        with neurotop.record(None, tmp_path / "run") as rec:
            rec.add("rad", post, neuron="RadLIF", reset="subtract", cost=7)
            rec.batch(4)
    layer = {"name": "rad", "neuron": "RadLIF", "reset": "subtract", "ops_per_update": 7}
    assert recount.manifest(rec.directory)["layers"] == [{**layer, "shape": [3]}]
    told = summary(neurotop_command, rec.directory)
    assert told["total"]["effective_ops"] == 7 * expected(post).effective
    assert told["problems"] == []


def test_a_layer_without_a_price_is_told(tmp_path: Path) -> None:
    with pytest.warns(RecorderWarning, match="--cost RadLIF:subtract=OPERATIONS, or cost="):
        with neurotop.record(None, tmp_path / "run") as rec:
            rec.add("rad", sparse(5, 4, 3), neuron="RadLIF", reset="subtract")
            rec.batch(4)


def test_a_batch_without_the_layer_is_told(tmp_path: Path) -> None:
    with pytest.warns(RecorderWarning, match="'two' was not given to rec.add"):
        with neurotop.record(None, tmp_path / "run", strict=True) as rec:
            for batch in range(2):
                rec.add("one", sparse(5, 4, 3))
                if batch == 0:
                    rec.add("two", sparse(5, 4, 3))
                rec.batch(4)
    assert recount.updates(rec.directory)["two"].dense == 5 * 4 * 3


def test_what_cannot_be_given(tmp_path: Path) -> None:
    net = nn.Sequential(neuron("Leaky"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecorderWarning)
        with neurotop.record(net, tmp_path / "run") as rec:
            rec.add("twice", sparse(3, 2, 2))
            for words, arguments in {
                "was added already": ("twice", sparse(3, 2, 2)),
                "different shapes": ("lif", sparse(3, 2, 2), sparse(4, 2, 2)),
                "give both in one type": ("lif", sparse(3, 2, 2, dtype="i4"), sparse(3, 2, 2)),
                "no type holds both": ("lif", *(sparse(3, 2, 2, dtype=t) for t in ("i8", "u8"))),
                "shapes or types": ("lif", [np.zeros(3), np.zeros(4)]),
                "no potentials": ("lif", np.zeros((3, 2, 2), bool)),
                "complex128 are no": ("lif", np.zeros((3, 2, 2), complex)),
                "no time axis": ("lif", np.float32(1)),
                "has this name": ("0", sparse(3, 2, 2)),
                "give a name": ("", sparse(3, 2, 2)),
                "NoneType is no array, and no list": ("lif", None),
            }.items():
                with pytest.raises(ValueError, match=words):
                    rec.add(*arguments)
            for cost in (-1, 2_000_000_000):
                with pytest.raises(ValueError, match="whole number of operations"):
                    rec.add("lif", sparse(3, 2, 2), cost=cost)


def test_a_layer_that_comes_after_the_first_batch_is_left_out(
    tmp_path: Path, neurotop_command: str
) -> None:
    with pytest.warns(RecorderWarning, match=r"'two'.*left out.*rec.add\('two', \[\]\)"):
        with neurotop.record(None, tmp_path / "run") as rec:
            for batch in range(3):
                rec.add("one", sparse(5, 4, 3), neuron="Leaky", reset="zero")
                rec.add("none yet", sparse(5, 4, 3) if batch else [], neuron="Leaky", reset="zero")
                if batch:
                    rec.add("two", sparse(5, 4, 3), neuron="Leaky", reset="zero")
                rec.batch(4)
    told = summary(neurotop_command, rec.directory)
    assert told["run"]["samples"] == 12 and told["complete"] is True
    dense_updates = {layer["name"]: layer["dense_updates"] for layer in told["layers"]}
    assert dense_updates == {"one": 3 * 60, "none yet": 2 * 60}


@pytest.mark.parametrize("change", [{"neuron": "Alpha"}, {"reset": "subtract"}, {"cost": 6}])
def test_a_layer_keeps_its_price(tmp_path: Path, change: dict[str, Any]) -> None:
    layer: dict[str, Any] = {"neuron": "LIF", "reset": "zero", "cost": 4}
    with neurotop.record(None, tmp_path / "run", strict=True) as rec:
        rec.add("lif", sparse(3, 2, 2), **layer)
        rec.batch(2)
        with pytest.raises(ValueError, match="were others in a batch before"):
            rec.add("lif", sparse(3, 2, 2), **{**layer, **change})
        rec.add("lif", sparse(3, 2, 2), **layer)
        rec.batch(2)
    (entry,) = recount.manifest(rec.directory)["layers"]
    assert entry == {"name": "lif", "neuron": "LIF", "reset": "zero", "ops_per_update": 4} | {
        "shape": [2]
    }


def test_a_generator_that_fails_leaves_no_half_layer(tmp_path: Path) -> None:
    def fails() -> Iterator[np.ndarray]:
        yield from sparse(3, 2, 2)
        raise OSError("cannot be read")

    with neurotop.record(None, tmp_path / "run", strict=True) as rec:
        with pytest.raises(OSError, match="cannot be read"):
            rec.add("lif", fails())
        rec.add("lif", sparse(5, 2, 2))
        rec.batch(2)
    assert recount.updates(rec.directory)["lif"] == expected(sparse(5, 2, 2))


def test_steps_that_no_batch_wrote_are_told(tmp_path: Path) -> None:
    with pytest.warns(RecorderWarning, match="after the last rec.batch"):
        with neurotop.record(None, tmp_path / "run") as rec:
            rec.add("lif", sparse(3, 2, 2))


def test_without_torch(tmp_path: Path) -> None:
    program = f"""
import sys
for name in ("torch", "snntorch", "neurobench"):
    sys.modules[name] = None
    del sys.modules[name]
sys.path.insert(0, {str(ROOT / "assets" / "python")!r})
import numpy, neurotop
with neurotop.record(None, "run", form="bits", strict=True) as rec:
    rec.add("lif", numpy.arange(24.0).reshape(4, 2, 3), neuron="Leaky", reset="zero")
    rec.batch(2)
print([name for name in ("torch", "snntorch") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
    assert recount.updates(tmp_path / "run") == {"lif": Updates(24, 24)}


IN_NUMPY = """
import sys, jax, numpy as np
keys = jax.random.split(jax.random.PRNGKey(0), 5)
weights = np.asarray(jax.random.normal(keys[0], (20, 10)) / 4)
effective = dense = 0
for key in keys[1:]:
    frames = np.asarray(jax.random.bernoulli(key, 0.1, (30, 8, 20)), np.float32)
    steps, potential = [], np.zeros((8, 10), np.float32)
    for current in np.maximum(frames @ weights, 0):
        spikes = (potential > 1).astype(np.float32)
        potential = np.float32(0.9) * potential + current - spikes
        steps.append(potential)
    post = np.stack(steps)
    effective += post[0].size + int(np.count_nonzero(post[:-1] - post[1:]))
    dense += post.size
print(effective, dense)
"""


def test_the_example_of_jax(tmp_path: Path, neurotop_command: str) -> None:
    # JAX has threads, which the tests that fork must not have.
    if "jax" not in os.environ.get("NEUROTOP_FRAMEWORKS", "").split():
        if importlib.util.find_spec("jax") is None:
            pytest.skip("JAX is not installed")
    run, environment = (
        tmp_path / "run",
        {**os.environ, "PYTHONPATH": str(ROOT / "assets" / "python")},
    )
    printed = []
    for words in ([str(ROOT / "examples" / "jax_scan.py"), str(run)], ["-c", IN_NUMPY]):
        done = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    effective, dense = map(int, printed[1].split())
    counted = recount.updates(run)["lif"]
    assert counted.dense == dense and counted.effective < dense
    assert abs(counted.effective - effective) <= 2, "rounding differs in a few sums"
    told = summary(neurotop_command, run)
    assert told["total"]["updates"] == counted.effective
    assert told["total"]["effective_ops"] == 4 * counted.effective
    assert told["problems"] == []
