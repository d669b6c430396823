"""Record the membrane potentials of a running SNN benchmark for the neurotop dashboard.

NeuroBench, one line::

    metric_list = [static_metrics, [NeuronOperations, neurotop.Recorder("runs/exp1")]]

Plain snnTorch::

    with neurotop.record(net, "runs/exp1") as rec:
        for x, _ in loader:
            net(x)
            rec.batch(len(x))

Then run ``neurotop watch runs/exp1`` in another terminal. This file works alone: importing it needs
only NumPy; it imports torch, snnTorch and NeuroBench when a recording begins.

The file follows the path of a batch: the layers and what their hooks saw (`_Layer`), warnings
about what NeuroBench will make of them (`_layer_traps`, `_network_traps`), the arrays of a form
(`_encode`), the ``.npz`` file (`_write_npz`), the run directory (`_RunDirectory`), one run from
its first batch to its end (`_Run`), and the two entry points (`Recording`, `Recorder`).
"""

from __future__ import annotations

import functools
import inspect
import io
import json
import os
import re
import shutil
import sys
import time
import uuid
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["Recorder", "RecorderError", "RecorderWarning", "Recording", "__version__", "record"]
__version__ = "0.1.0"

FORMS = ("trace", "pair", "bits")
FORMAT_VERSION = 1
COUNTED_FILE = ".neurotop-counted.json"

#: The pairs (neuron, reset mechanism) for which NeuroBench 2.3.0's NeuronOperations has a price.
PRICED = frozenset(
    (neuron, reset)
    for neuron in ("Leaky", "Synaptic", "Lapicque", "Alpha")
    for reset in ("subtract", "zero")
)

#: The reset mechanism that each of snnTorch's state functions performs.
STATE_FUNCTION_RESETS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}

_RUN_FILES = re.compile(
    r"manifest\.json|(rank-\d+\.)?(end\.json|batch-\d+(\.npz)?)|\.neurotop-.*"
)
_RANK_DIRECTORIES = re.compile(r"rank-\d+")
_TEMPORARY_FILES = re.compile(
    r"\.(manifest\.json|(rank-\d+\.)?(end\.json|batch-\d+\.npz)|\.neurotop-.*)(\.\d+)?\.tmp"
)


class RecorderWarning(UserWarning):
    """Something about the network or the recording that the user should know."""


class RecorderError(RuntimeError):
    """The recording is impossible; the message says why and what to do."""


@dataclass(frozen=True)
class _Options:
    """The user's options, checked when they are given rather than when the benchmark runs."""

    directory: Path
    form: str = "trace"
    name: str | None = None
    keep: int | None = None
    exist_ok: bool = False
    strict: bool = False
    external_state: bool = False
    rank: int | None = None
    world_size: int | None = None
    expected_batches: int | None = None
    expected_samples: int | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form={self.form!r}: choose one of {', '.join(FORMS)}")
        if self.keep is not None and not (_is_count(self.keep) and self.keep >= 1):
            raise ValueError(f"keep={self.keep!r}: give the number of batches to keep, 1 or more")
        if (self.rank is None) != (self.world_size is None):
            raise ValueError("give rank= and world_size= together, or neither")
        if self.rank is not None and not (
            _is_count(self.rank) and _is_count(self.world_size) and self.rank < self.world_size
        ):
            raise ValueError(
                f"rank={self.rank!r}, world_size={self.world_size!r}: "
                "ranks go from 0 to world_size - 1"
            )
        for option in ("expected_batches", "expected_samples"):
            value = getattr(self, option)
            if value is not None and not _is_count(value):
                raise ValueError(f"{option}={value!r}: give a whole number, 0 or more")


def _is_count(value: object) -> bool:
    """Whether `value` is a whole number, 0 or more (NumPy's integers count, booleans do not)."""
    is_integer = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return is_integer and int(value) >= 0  # type: ignore[call-overload]


# --- The layers and what their hooks saw ---------------------------------------------------------


@dataclass
class _Layer:
    """One layer in one batch.

    Attributes
    ----------
    name : str
        The module's qualified name in the network, made unique.
    module : torch.nn.Module
        The spiking layer.
    pre, post : list of torch.Tensor, each ``[B, ...]``
        Membrane potential before and after each call. ``pre[0]`` belongs to the previous batch (or
        has shape ``(0,)``) and is never counted.
    called : bool
        Whether the layer was called in this batch, with or without a membrane potential.
    hooked : bool
        Whether the layer has a hook.
    """

    name: str
    module: torch.nn.Module
    pre: list[torch.Tensor] = field(default_factory=list)
    post: list[torch.Tensor] = field(default_factory=list)
    called: bool = False
    hooked: bool = True

    @property
    def neuron(self) -> str:
        """Class name, NeuroBench's price key: a subclass of Leaky is not a Leaky."""
        return type(self.module).__name__

    @property
    def reset(self) -> str:
        """Reset mechanism as NeuroBench reads it: the string, not ``reset_mechanism_val``."""
        return str(getattr(self.module, "_reset_mechanism", "none"))

    def dtype(self) -> torch.dtype:
        """The smallest dtype that holds all steps (their precision may differ)."""
        import torch

        dtypes = {potential.dtype for potential in self.post + self.pre[1:]}
        return functools.reduce(torch.promote_types, dtypes)

    def pre_is_previous_post(self) -> bool:
        """Whether each step started from the very tensor with which the previous step ended."""
        return all(pre is post for pre, post in zip(self.pre[1:], self.post))

    def defect(self) -> str | None:
        """Why the steps cannot be one ``[T, B, ...]`` array of floats, or None."""
        import torch

        shape = self.post[0].shape
        others = [tuple(post.shape) for post in self.post if post.shape != shape]
        if others:
            return f"it was called with shapes {tuple(shape)} and {others[0]} in one batch"
        if len(self.pre) != len(self.post):
            return f"its hooks saw {len(self.pre)} steps begin and {len(self.post)} end"
        if any(pre.shape != shape for pre in self.pre[1:]):
            return "its potential changed shape between two steps"
        if self.dtype() not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            return f"its potential is {self.dtype()}, not a float of 16, 32 or 64 bits"
        return None


class _MembraneHook:
    """Collects one layer's membrane potential around each call, as NeuroBench's hooks do.

    Only detached potentials are kept: no inputs, no outputs, no autograd graph.
    """

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        self.layer = _Layer(name, module)
        self._before: torch.Tensor | None = None
        self._last: torch.Tensor | None = None
        self._handles = [
            module.register_forward_pre_hook(self._enter),
            module.register_forward_hook(self._leave),
        ]

    def _enter(self, module: torch.nn.Module, _inputs: Any) -> None:
        self._before = getattr(module, "mem", None)

    def _leave(self, module: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        # Both potentials are stored here, so an exception in forward() leaves no half step.
        self.layer.called = True
        after = getattr(module, "mem", None)
        if self._before is None or after is None:
            return
        post = self.layer.post
        # Detaching makes a new object, so reuse the previous step's object to keep its identity.
        is_previous = bool(post) and self._before is self._last
        self.layer.pre.append(post[-1] if is_previous else self._before.detach())
        post.append(after.detach())
        self._last = after

    def reset(self) -> None:
        """Forget the batch's potentials."""
        self.layer.pre.clear()
        self.layer.post.clear()
        self.layer.called = False

    def remove(self) -> None:
        """Remove the hooks from the layer."""
        for handle in self._handles:
            handle.remove()


def _is_spiking(module: object) -> bool:
    """Whether `module` is one of snnTorch's spiking layers."""
    import snntorch

    return isinstance(module, snntorch.SpikingNeuron)


def _qualified_names(net: torch.nn.Module) -> dict[int, list[str]]:
    """All qualified names of each module, by its ``id``; a shared module has several."""
    names: dict[int, list[str]] = {}
    for name, module in net.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(name or type(module).__name__)
    return names


def _neurobench_layers(net: torch.nn.Module, hooks: Iterable[Any]) -> list[_Layer]:
    """The spiking layers as NeuroBench's own hooks saw them, then those without a hook.

    A layer with two hooks is listed twice, because NeuroBench counts it twice.
    """
    names = _qualified_names(net)
    seen: dict[int, int] = {}
    layers = []
    for hook in hooks:
        if not hook.spiking:
            continue
        nth = seen.get(id(hook.layer), 0)
        seen[id(hook.layer)] = nth + 1
        own = names.get(id(hook.layer), [str(hook.name)])
        name = own[nth] if nth < len(own) else f"{own[-1]}#{nth + 1}"
        pre, post = hook.pre_fire_mem_potential, hook.post_fire_mem_potential
        layers.append(_Layer(name, hook.layer, pre, post, called=bool(hook.activation_inputs)))
    unhooked = [m for m in net.modules() if _is_spiking(m) and id(m) not in seen]
    return layers + [_Layer(names[id(m)][0], m, hooked=False) for m in unhooked]


# --- Warnings about NeuroBench's figures ---------------------------------------------------------

#: A warning: a key, for which it is given once, and the text for the user.
_Trap = tuple[tuple[str, str], str]


def _layer_traps(layer: _Layer) -> Iterator[_Trap]:
    """Warnings about one layer in one batch whose figures are not what they seem."""
    label = f"layer '{layer.name}' ({layer.neuron})"
    if (layer.neuron, layer.reset) not in PRICED:
        yield (
            ("unpriced", layer.name),
            f"{label} with reset '{layer.reset}' has no price in NeuroBench: NeuronOperations "
            "fails and reports 0.0 for the whole model. neurotop counts the layer's updates, "
            "leaves it out of the operations and keeps the other layers.",
        )
    yield from _reset_traps(layer, label)
    if not layer.hooked:
        yield (
            ("unhooked", layer.name),
            f"{label} is not hooked by NeuroBench, so neither NeuroBench nor neurotop counts it. "
            + _why_unhooked(layer),
        )
    elif not layer.called:
        yield (
            ("uncalled", layer.name),
            f"{label} was not called in a whole batch: NeuroBench's NeuronOperations fails and "
            "reports 0.0. Remove the layer or call it; neurotop counts the other layers.",
        )
    elif not layer.post:
        yield (
            ("stateless", layer.name),
            f"{label} keeps no membrane potential ('mem') to record: NeuroBench's "
            "NeuronOperations fails and reports 0.0; neurotop counts the other layers.",
        )
    elif layer.defect() is not None:
        yield (
            ("defect", layer.name),
            f"{label} cannot be recorded in a batch: {layer.defect()}. NeuroBench reports 0.0 "
            "there; neurotop counts the other layers.",
        )
    else:
        yield from _state_traps(layer, label)


def _reset_traps(layer: _Layer, label: str) -> Iterator[_Trap]:
    """Warn if the price key disagrees with what the layer does.

    The key is a string that the property's setter and ``load_state_dict`` do not update.
    """
    import snntorch

    key = layer.reset
    value = getattr(layer.module, "reset_mechanism_val", None)
    buffer = list(snntorch.SpikingNeuron.reset_dict)[int(value)] if value is not None else key
    function = getattr(getattr(layer.module, "state_function", None), "__name__", "")
    does = STATE_FUNCTION_RESETS.get(function, key)
    if not key == buffer == does:
        yield (
            ("reset", layer.name),
            f"{label} is priced as reset '{key}', but its reset_mechanism_val says '{buffer}' and "
            f"its state function performs '{does}' (the reset mechanism was changed after the "
            "layer was built). Build the layer with the reset_mechanism= that you want.",
        )


def _why_unhooked(layer: _Layer) -> str:
    """What the user can do about a spiking layer without a hook."""
    if layer.name == layer.neuron:
        return "The network is itself one neuron: wrap it in torch.nn.Sequential(...)."
    return (
        "Another Benchmark on this model was deleted, which removed all hooks, or the layer was "
        "added after the Benchmark was made. Make one Benchmark, after the network is complete, "
        "and keep it."
    )


def _state_traps(layer: _Layer, label: str) -> Iterator[_Trap]:
    """Warn if state outlives its batch or is reset within it, or if autograd graphs are kept."""
    first, post = layer.pre[0], layer.post[0]
    own_state = getattr(layer.module, "init_hidden", False)
    if own_state and first.shape == post.shape and bool(first.detach().any()):
        yield (
            ("carried", layer.name),
            f"{label} began a batch with the potential of earlier samples. snntorch's "
            "utils.reset(net) resets only the network's direct children: give the network a "
            "reset() method that resets every layer.",
        )
    if not layer.pre_is_previous_post():
        yield (
            ("reset-inside", layer.name),
            f"{label} did not begin each step with the potential at the end of the previous "
            "step (forward() resets or replaces the state). The potential before each step is "
            "recorded too, so the count stays exact.",
        )
    if post.requires_grad:
        yield (
            ("grad", ""),
            "The benchmark runs with gradients on, so NeuroBench's hooks keep the whole autograd "
            "graph of every batch in memory. Run the benchmark inside torch.no_grad().",
        )


def _network_traps(net: torch.nn.Module, hooks: Iterable[Any]) -> Iterator[_Trap]:
    """Warnings about NeuroBench's hooks that make figures differ from what they seem.

    Parameters
    ----------
    net : torch.nn.Module
        The network under the NeuroBench model.
    hooks : iterable of neurobench.hooks.neuron.NeuronHook
        The model's activation hooks.
    """
    names = _qualified_names(net)
    hooked: dict[int, int] = {}
    for hook in hooks:
        hooked[id(hook.layer)] = hooked.get(id(hook.layer), 0) + 1
        if not hook.spiking:
            name = names.get(id(hook.layer), [str(hook.name)])[0]
            yield (
                ("activation", name),
                f"activation '{name}' ({type(hook.layer).__name__}) does not spike: NeuroBench's "
                "NeuronOperations fails and reports 0.0 for the whole model. It is not recorded; "
                "neurotop counts the spiking layers.",
            )
    for module in net.modules():
        own = names[id(module)]
        if type(module).__name__ in ("LeakyParallel", "LeakyKernel"):
            yield (
                ("parallel", own[0]),
                f"layer '{own[0]}' ({type(module).__name__}) computes all time steps at once and "
                "is no snntorch.SpikingNeuron: NeuroBench does not count it; it is not recorded.",
            )
        yield from _double_count_traps(own, hooked.get(id(module), 0))


def _double_count_traps(names: list[str], hooks: int) -> Iterator[_Trap]:
    """Warn if NeuroBench counts every step of a layer more than once."""
    if hooks > len(names):
        yield (
            ("benchmarks", ""),
            f"{hooks // len(names)} Benchmark objects are alive on this model, so NeuroBench hooks "
            "and counts every layer that many times, and the recorded figures agree with it. "
            "Delete the earlier Benchmark before you make the next.",
        )
    elif hooks > 1:
        yield (
            ("shared", names[0]),
            f"layer '{names[0]}' is one module under several parents ({', '.join(names)}): "
            "NeuroBench hooks it once for each parent and counts every call that many times, and "
            "the recorded figures agree with it.",
        )


def _plain_traps(net: torch.nn.Module) -> Iterator[_Trap]:
    """Warnings about the network for users of plain snnTorch, before it runs."""
    names = _qualified_names(net)
    for module in net.modules():
        own = names[id(module)]
        if len(own) > 1 and _is_spiking(module):
            yield (
                ("shared", own[0]),
                f"layer '{own[0]}' is one module under several names ({', '.join(own)}): it is "
                "recorded once, under the first name. NeuroBench would hook it once for each "
                "parent and count it that many times.",
            )


def _check_state_is_visible(layers: Iterable[_Layer]) -> None:
    """Refuse layers whose membrane potential the hooks may not see.

    Raises
    ------
    RecorderError
        A layer was built without ``init_hidden=True``.
    """
    for layer in layers:
        if hasattr(layer.module, "mem") and not getattr(layer.module, "init_hidden", True):
            raise RecorderError(
                f"layer '{layer.name}' ({layer.neuron}) was built without init_hidden=True: the "
                "network passes its membrane potential around, and the hooks may read another "
                "value from the layer. Build the layer with "
                f"snntorch.{layer.neuron}(..., init_hidden=True) and call it with its input only; "
                "or give external_state=True to record what NeuroBench's hooks see."
            )


# --- The arrays of a form ------------------------------------------------------------------------


@dataclass
class _Member:
    """One array of a batch: name, dtype, shape, and its C-ordered data in pieces."""

    name: str
    dtype: np.dtype
    shape: tuple[int, ...]
    chunks: Iterable[np.ndarray]

    @classmethod
    def from_array(cls, name: str, array: np.ndarray) -> _Member:
        """A member whose data are one C-ordered array."""
        return cls(name, array.dtype, array.shape, [array])

    @property
    def nbytes(self) -> int:
        """Size of the data in bytes, without the header."""
        return self.dtype.itemsize * int(np.prod(self.shape, dtype=np.int64))


def _encode(layers: Iterable[_Layer], form: str, samples: int) -> Iterator[_Member]:
    """The members of one batch.

    Parameters
    ----------
    layers : iterable of _Layer
    form : {'trace', 'pair', 'bits'}
        ``trace``: ``<layer>.post``, and also ``<layer>.pre`` if a step did not start from the very
        tensor with which the previous step ended. ``pair``: always both. ``bits``:
        ``<layer>.changed``, u1, one bit per element of ``[T-1, B, ...]``, and ``<layer>.shape``.
    samples : int
        Samples in the batch.

    Yields
    ------
    _Member
        ``samples`` first. A layer without steps has an empty ``.post`` of shape ``[0, B]``.
    """
    yield _Member.from_array("samples", np.array(samples, dtype=np.int64))
    flushes = _flushes_subnormals()
    for layer in layers:
        if not layer.post or layer.defect() is not None:
            yield _no_steps(layer.name, samples)
        elif form == "bits" or flushes:
            shape = (len(layer.post), *layer.post[0].shape)
            packed = _changed_as_neurobench(layer) if flushes else _changed(layer)
            bits = (shape[0] - 1) * layer.post[0].numel()
            name = f"{layer.name}.changed"
            yield _Member(name, np.dtype(np.uint8), ((bits + 7) // 8,), packed)
            yield _Member.from_array(f"{layer.name}.shape", np.array(shape, dtype=np.int64))
        else:
            yield from _potentials(layer, with_pre=form == "pair")


def _no_steps(name: str, samples: int) -> _Member:
    """For a layer without steps in the batch: an empty ``<layer>.post`` of shape ``[0, B]``."""
    return _Member.from_array(f"{name}.post", np.empty((0, samples), dtype=np.float32))


def _potentials(layer: _Layer, with_pre: bool) -> Iterator[_Member]:
    """``<layer>.post`` and, if needed, ``<layer>.pre``: f2, f4 or f8, ``[T, B, ...]``."""
    import torch

    dtype = layer.dtype()
    if dtype == torch.bfloat16:  # NumPy has none; widening changes no zero difference
        dtype = torch.float32
    numpy_dtype = torch.empty(0, dtype=dtype).numpy().dtype
    shape = (len(layer.post), *layer.post[0].shape)
    yield _Member(f"{layer.name}.post", numpy_dtype, shape, _rows(layer.post, dtype))
    if with_pre or not layer.pre_is_previous_post():
        # Row 0 is ignored, and pre[0] belongs to the previous batch: its shape may differ.
        pre = [torch.zeros_like(layer.post[0]), *layer.pre[1:]]
        yield _Member(f"{layer.name}.pre", numpy_dtype, shape, _rows(pre, dtype))


def _rows(steps: list[torch.Tensor], dtype: torch.dtype) -> Iterator[np.ndarray]:
    """The steps as C-ordered NumPy arrays, copied only if necessary.

    Steps on another device are transferred together, which is faster than one by one.
    """
    import torch

    if steps[0].device.type != "cpu":
        steps = list(torch.stack([step.detach() for step in steps]).cpu())
    for step in steps:
        if step.dtype != dtype or step.requires_grad:
            step = step.detach().to(dtype)
        yield np.ascontiguousarray(step.numpy())


def _changed(layer: _Layer) -> Iterator[np.ndarray]:
    """Which elements changed: one bit per element of ``[T-1, B, ...]``, set if ``pre - post`` != 0.

    The subtraction matters: NaN counts, and so does ``inf - inf``, which ``pre != post`` misses.
    Eight steps at a time fill whole bytes for any layer size, and stay in the cache. NumPy uses
    one thread for this, which is as fast as torch's threads: on a busy machine those wait for each
    other in every step.
    """
    import torch

    dtype = torch.float64 if layer.dtype() == torch.float64 else torch.float32
    post = list(_rows(layer.post, dtype))
    pre = post if layer.pre_is_previous_post() else list(_rows(layer.pre[1:], dtype))
    difference = np.empty_like(post[0])
    changed = np.empty((8, *post[0].shape), dtype=bool)
    for begin in range(0, len(post) - 1, 8):
        pairs = list(zip(pre[begin : begin + 8], post[begin + 1 : begin + 9]))
        with np.errstate(all="ignore"):  # not around the yield, which would affect the caller
            for row, (before, after) in zip(changed, pairs):
                np.subtract(before, after, out=difference)
                np.not_equal(difference, 0, out=row)
        yield np.packbits(changed[: len(pairs)])


def _changed_as_neurobench(layer: _Layer) -> Iterator[np.ndarray]:
    """Like `_changed`, but with exactly NeuroBench's operations.

    If torch flushes subnormal numbers, each thread does so by its own setting. The count then
    depends on how an operation is split among threads, so only the same operations agree.
    """
    import torch

    if len(layer.post) > 1:
        difference = torch.stack(layer.pre[1:]) - torch.stack(layer.post[1:])
        yield np.packbits(torch.ne(difference, 0).cpu().numpy())


def _flushes_subnormals() -> bool:
    """Whether torch's arithmetic treats subnormal numbers as zero (set_flush_denormal)."""
    import torch

    smallest_normal = torch.tensor([2.0**-126])
    return not bool(smallest_normal * 0.5)


# --- The .npz file -------------------------------------------------------------------------------


def _write_npz(path: Path, members: Iterable[_Member]) -> None:
    """Write a stored (not deflated) ``.npz`` in one pass, without assembling whole arrays."""
    with open(path, "wb", buffering=1 << 16) as file, zipfile.ZipFile(file, "w") as archive:
        for member in members:
            header = _npy_header(member)
            info = zipfile.ZipInfo(f"{member.name}.npy")
            info.file_size = len(header) + member.nbytes  # zipfile decides by this about zip64
            with archive.open(info, "w") as out:
                out.write(header)
                for chunk in member.chunks:
                    if chunk.size:  # an empty array has no bytes to view
                        out.write(chunk.reshape(-1).view(np.uint8))


def _npy_header(member: _Member) -> bytes:
    """The header of a ``.npy`` file, version 1.0."""
    header = io.BytesIO()
    description = np.lib.format.dtype_to_descr(member.dtype)
    np.lib.format.write_array_header_1_0(
        header, {"descr": description, "fortran_order": False, "shape": tuple(member.shape)}
    )
    return header.getvalue()


# --- The run directory ---------------------------------------------------------------------------


class _RunDirectory:
    """The files of one run. Each is written under a temporary name and then renamed."""

    def __init__(self, path: Path, rank: int, world_size: int) -> None:
        self.path = path
        self.rank = rank
        self.world_size = world_size

    def claim(self, exist_ok: bool) -> None:
        """Create the directory and make this process the only writer for its rank.

        Raises
        ------
        FileExistsError
            The directory holds a run already (and `exist_ok` is false).
        RecorderError
            `exist_ok` with several processes, which cannot clear a directory safely.
        OSError
            The directory cannot be created or written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if exist_ok and self.world_size > 1:
            raise RecorderError(
                "exist_ok=True does not work with several processes: they cannot tell an old run "
                f"from one that another rank has just begun. Delete {self.path} first"
            )
        if exist_ok:
            self._clear()
        elif self._holds_another_run():
            raise FileExistsError(f"{self.path} already holds a run")
        claim = os.open(self._writer_file(), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        os.close(claim)

    def _writer_file(self) -> Path:
        return self.path / f".neurotop-writer-{self.rank}"

    def _holds_another_run(self) -> bool:
        """Whether the directory holds a run other than the one that is beginning."""
        if self.world_size == 1:
            return any(
                _RUN_FILES.fullmatch(entry.name) or _is_rank_of_a_run(entry)
                for entry in self.path.iterdir()
            )
        manifest = self.read_manifest()
        other = manifest is not None and manifest.get("world_size", 1) != self.world_size
        return other or self._writer_file().exists() or (self.path / "end.json").exists()

    def _clear(self) -> None:
        """Delete the files of an earlier run, and nothing else.

        This includes its acknowledgements, which would let `keep` delete uncounted batches.
        """
        ranks = [entry for entry in self.path.iterdir() if _is_rank_of_a_run(entry)]
        for directory in (self.path, *ranks):
            for entry in directory.iterdir():
                if _RUN_FILES.fullmatch(entry.name) or _TEMPORARY_FILES.fullmatch(entry.name):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def read_manifest(self) -> dict[str, Any] | None:
        """The manifest, or None if there is none yet."""
        try:
            return json.loads((self.path / "manifest.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file atomically."""
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        with self._renamed(name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def batch_name(self, number: int) -> str:
        """File name of a batch; with several ranks it names the one that wrote it."""
        rank = f"rank-{self.rank}." if self.world_size > 1 else ""
        return f"{rank}batch-{number:06d}.npz"

    @contextmanager
    def batch(self, number: int, members: Iterable[_Member]) -> Iterator[None]:
        """Write a batch; it becomes visible when the ``with`` block ends without an error."""
        with self._renamed(self.batch_name(number)) as temporary:
            _write_npz(temporary, members)
            yield

    @contextmanager
    def _renamed(self, name: str) -> Iterator[Path]:
        """A temporary path, renamed to `name` on success and deleted on an error."""
        suffix = f".{self.rank}.tmp" if self.world_size > 1 and name == "manifest.json" else ".tmp"
        temporary = self.path / f".{name}{suffix}"
        try:
            yield temporary
            os.replace(temporary, self.path / name)
        except BaseException:
            _delete(temporary)
            raise

    @contextmanager
    def lock(self, patience: float = 10.0) -> Iterator[None]:
        """Lock the files that all ranks write.

        A lock that is held for more than `patience` seconds belongs to a process that died.
        """
        if self.world_size == 1:
            yield
            return
        lock = self.path / ".neurotop-lock"
        begun = time.monotonic()
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                break
            except FileExistsError:
                if time.monotonic() - begun > patience:
                    _delete(lock)
                time.sleep(0.01)
        try:
            yield
        finally:
            _delete(lock)

    def counted(self, run_id: str) -> list[tuple[int, int]]:
        """Inclusive ranges of this rank's batch numbers that a watching neurotop has counted.

        Acknowledgements of another or an unknown run are ignored.
        """
        try:
            content = json.loads((self.path / COUNTED_FILE).read_text(encoding="utf-8"))
            if content["format"] != "neurotop.counted" or content["version"] != 1:
                return []
            if content["id"] != run_id:
                return []
            ranks = content.get("ranks", {})
            ranges = ranks.get(str(self.rank), []) if self.world_size > 1 else content["batches"]
            return [(int(first), int(last)) for first, last in ranges]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return []  # a missing or unreadable file acknowledges nothing

    def end(self, part: dict[str, Any]) -> None:
        """Write ``end.json``. Each of several ranks writes its own, and the last one the run's."""
        if self.world_size == 1:
            self.write_json("end.json", part)
            return
        with self.lock():
            self.write_json(f"rank-{self.rank}.end.json", {"rank": self.rank, **part})
            ends = [self.path / f"rank-{rank}.end.json" for rank in range(self.world_size)]
            if all(end.exists() for end in ends):
                ranks = [json.loads(end.read_text(encoding="utf-8")) for end in ends]
                total = {key: sum(rank[key] for rank in ranks) for key in ("samples", "batches")}
                self.write_json("end.json", {**total, "ranks": ranks})


def _is_rank_of_a_run(entry: Path) -> bool:
    """Whether an entry is a rank's directory with files of a run. Links do not count."""
    if not _RANK_DIRECTORIES.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
        return False
    return any(_RUN_FILES.fullmatch(inside.name) for inside in entry.iterdir())


def _delete(path: Path) -> None:
    """Delete a file, if it exists and can be deleted."""
    try:
        path.unlink()
    except OSError:
        pass


def _claimed_directory(options: _Options, rank: int, world_size: int) -> _RunDirectory:
    """The requested directory; for a single process, the first free one with a counter.

    Raises
    ------
    RecorderError
        Several processes were given a directory that holds a run.
    OSError
        The directory cannot be created or written.
    """
    path = options.directory
    for counter in range(2, 1_000_000):
        directory = _RunDirectory(path, rank, world_size)
        try:
            directory.claim(options.exist_ok)
            return directory
        except FileExistsError as error:
            if not path.is_dir():
                raise
            if world_size > 1:
                raise RecorderError(
                    f"{path} already holds a run (or rank {rank} of it): give all ranks another "
                    "directory, or delete this one"
                ) from error
            path = options.directory.with_name(f"{options.directory.name}-{counter}")
    raise RecorderError(f"found no free directory name like {options.directory}-2")


# --- One run -------------------------------------------------------------------------------------


class _Run:
    """One run from its first batch to its end.

    An error stops the recording with one warning, but never the benchmark. With ``strict=True``
    it is raised.
    """

    def __init__(self, options: _Options) -> None:
        self.options = options
        self.directory: _RunDirectory | None = None
        # Distinguishes this run from another of the same network in the same directory.
        self._id = uuid.uuid4().hex
        # The id in the manifest. With several ranks, it is that of the first to write it.
        self._run_id: str | None = None
        self.expected: dict[str, int] = {}
        self._layers: dict[str, dict[str, Any]] = {}
        self._varying: set[str] = set()
        self._warnings: dict[tuple[str, str], str] = {}
        self._unsaid: list[str] = []
        self._manifest: dict[str, Any] | None = None
        self._on_disk: list[int] = []
        self._batches = 0
        self._samples = 0
        self.stopped = False

    @property
    def path(self) -> Path:
        """Where the run is written: the requested directory, perhaps with a counter."""
        return self.directory.path if self.directory else self.options.directory

    def begin(self) -> None:
        """Claim the directory."""
        with self._guarded("cannot begin"):
            rank, world_size = _rank_and_world(self.options)
            self.directory = _claimed_directory(self.options, rank, world_size)
        if self.path != self.options.directory:
            message = f"{self.options.directory} already holds a run: recording to {self.path}"
            warnings.warn(message, RecorderWarning, stacklevel=2)

    def warn(self, traps: Iterable[_Trap]) -> None:
        """Store each warning once, for the manifest and for the user."""
        for key, text in traps:
            if key not in self._warnings:
                self._warnings[key] = text
                self._unsaid.append(text)

    def batch(self, layers: list[_Layer], samples: int, traps: Iterable[_Trap] = ()) -> None:
        """Write one batch, unless the recording has stopped.

        Parameters
        ----------
        layers : list of _Layer
            What the hooks saw in this batch.
        samples : int
            Samples in the batch.
        traps : iterable of warnings
            Warnings about the network as a whole.
        """
        if self.stopped or self.directory is None:
            return
        number = self._batches * self.directory.world_size + self.directory.rank
        with self._guarded(f"cannot write {self.directory.batch_name(number)}"):
            if not self.options.external_state:
                _check_state_is_visible(layers)
            self._learn(layers)
            self.warn(traps)
            self.warn(self._batch_traps(layers))
            with self.directory.batch(number, self._members(layers, samples)):
                self._write_manifest()  # before the batch becomes visible
            self._batches += 1
            self._samples += samples
            self._on_disk.append(number)
            self._prune()
        self.say()

    def say(self) -> None:
        """Issue the warnings stored since the last call."""
        unsaid, self._unsaid = self._unsaid, []
        for text in unsaid:
            warnings.warn(text, RecorderWarning, stacklevel=3)

    def note(self, traps: Iterable[_Trap]) -> None:
        """Warn between two batches, also in the manifest."""
        self.warn(traps)
        if self._unsaid and self._manifest is not None and not self.stopped:
            with self._guarded("cannot write manifest.json"):
                self._write_manifest()
        self.say()

    def finish(self, official: dict[str, Any] | None = None) -> None:
        """Write ``end.json``, with NeuroBench's own results if there are any.

        A recording that stopped writes none, since the directory does not hold the whole run.
        """
        if self.stopped or self.directory is None:
            return
        with self._guarded("cannot write end.json"):
            self._prune()
            self._write_manifest()
            part: dict[str, Any] = {"samples": self._samples, "batches": self._batches}
            self.directory.end({**part, "neurobench": official} if official else part)
        self.say()

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        """Turn any error into one warning, and stop the recording."""
        try:
            yield
        except Exception as error:  # a bug of the recorder must not end a benchmark either
            self.stopped = True
            reason = str(error) if isinstance(error, RecorderError) else _explain(error)
            text = f"neurotop {doing} in {self.path}: {reason}"
            if self.options.strict:
                raise RecorderError(text) from error
            text += ". The recording stops here; the benchmark goes on."
            self.warn([(("stopped", ""), text)])
            self._save_warnings()
            self.say()

    def _save_warnings(self) -> None:
        """Write to the manifest, if possible, why no more batches come."""
        if self._manifest is None:
            return
        try:
            self._write_manifest()
        except (OSError, RecorderError):
            pass  # the user gets the warning anyway; a full disk has no room for it

    def _batch_traps(self, layers: list[_Layer]) -> Iterator[_Trap]:
        for layer in layers:
            yield from _layer_traps(layer)
            if layer.name in self._varying:
                yield (
                    ("shape", layer.name),
                    f"layer '{layer.name}' has other shapes in other batches, so the manifest "
                    "gives none; the counts are exact.",
                )
        if _flushes_subnormals():
            yield (
                ("subnormal", ""),
                "torch flushes subnormal numbers to zero (torch.set_flush_denormal), which hides "
                "some of the smallest changes. So that the counts agree with NeuroBench, the "
                "batches are recorded as bits, with NeuroBench's own operations, whatever form= "
                "says.",
            )

    def _learn(self, layers: list[_Layer]) -> None:
        """Add the layers of a batch, and their shapes, to the manifest's."""
        for layer in layers:
            entry = {"name": layer.name, "neuron": layer.neuron, "reset": layer.reset}
            known = self._layers.setdefault(layer.name, entry)
            if not layer.post or layer.name in self._varying:
                continue
            shape = list(layer.post[0].shape[1:])
            if known.setdefault("shape", shape) != shape:
                # neurotop sets aside a batch that contradicts the manifest.
                self._varying.add(layer.name)
                del known["shape"]

    def _members(self, layers: list[_Layer], samples: int) -> Iterator[_Member]:
        """The batch's arrays: every layer of the manifest, even if it has lost its hooks."""
        yield from _encode(layers, self.options.form, samples)
        present = {layer.name for layer in layers}
        for name in self._layers:
            if name not in present:
                yield _no_steps(name, samples)

    def _write_manifest(self) -> None:
        """Write the manifest if it has changed. The first of several ranks creates it."""
        content = self._manifest_content()
        if content == self._manifest:
            return
        assert self.directory is not None
        with self.directory.lock():
            existing = self.directory.read_manifest() if self.directory.world_size > 1 else None
            merged = _merge_manifests(existing, content) if existing else content
            if merged != existing:
                self.directory.write_json("manifest.json", merged)
        self._manifest = content
        self._run_id = merged.get("id")

    def _manifest_content(self) -> dict[str, Any]:
        assert self.directory is not None
        several = self.directory.world_size > 1
        return {
            "format": "neurotop",
            "version": FORMAT_VERSION,
            "id": self._id,
            "run": self.options.name or self.path.name,
            "producer": _producer(),
            **self.expected,
            **({"keep": self.options.keep} if self.options.keep else {}),
            **({"world_size": self.directory.world_size} if several else {}),
            "warnings": list(self._warnings.values()),
            "layers": [dict(layer) for layer in self._layers.values()],
        }

    def _prune(self) -> None:
        """Delete the batches that a watching neurotop has counted, except the newest `keep`."""
        if self.options.keep is None or self._run_id is None:
            return
        assert self.directory is not None
        ranges = self.directory.counted(self._run_id)
        for number in self._on_disk[: -self.options.keep]:
            if any(first <= number <= last for first, last in ranges):
                _delete(self.directory.path / self.directory.batch_name(number))
                self._on_disk.remove(number)


def _rank_and_world(options: _Options) -> tuple[int, int]:
    """Rank and number of processes: from the options, torch.distributed or the environment."""
    if options.rank is not None and options.world_size is not None:
        return int(options.rank), int(options.world_size)
    import torch

    distributed = torch.distributed
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    rank, world_size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if rank.isdecimal() and world_size.isdecimal() and int(rank) < int(world_size):
        return int(rank), int(world_size)
    return 0, 1


def _merge_manifests(existing: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Another rank's manifest, with this rank's layers and warnings added.

    Raises
    ------
    RecorderError
        The two ranks do not run the same model.
    """
    layers = {layer["name"]: dict(layer) for layer in existing["layers"]}
    for layer in own["layers"]:
        other = layers.setdefault(layer["name"], dict(layer))
        if any(other[key] != layer[key] for key in ("neuron", "reset")):
            raise RecorderError(
                f"layer '{layer['name']}' is {layer['neuron']} with reset '{layer['reset']}' here "
                f"and {other['neuron']} with reset '{other['reset']}' in the manifest of another "
                "rank: all ranks must run the same model, or record to different directories"
            )
        if "shape" in layer:
            other.setdefault("shape", layer["shape"])
    new = [text for text in own["warnings"] if text not in existing["warnings"]]
    return {**existing, "layers": list(layers.values()), "warnings": existing["warnings"] + new}


@functools.cache
def _producer() -> str:
    """The versions of the recorder, NeuroBench, snnTorch and torch."""
    versions = [f"neurotop {__version__}"]
    for package in ("neurobench", "snntorch", "torch"):
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(versions)


def _explain(error: Exception) -> str:
    """An error in the user's terms, with advice."""
    if not isinstance(error, OSError):
        return f"{type(error).__name__}: {error}"
    reason = error.strerror or str(error)
    if error.errno in (28, 122):  # ENOSPC, EDQUOT, which the module errno lacks on some systems
        return f"{reason}; free some space, or record less with form='bits' or keep="
    return f"{reason}; check that the directory exists and can be written"


# --- Plain snnTorch ------------------------------------------------------------------------------


class Recording:
    """A recording of a network's batches: a context manager that `record` returns.

    Attributes
    ----------
    directory : pathlib.Path
        Where the run is written: the requested directory, perhaps with a counter.
    """

    def __init__(self, net: torch.nn.Module, options: _Options) -> None:
        self._net = net
        self._run = _Run(options)
        self._hooks: list[_MembraneHook] = []

    @property
    def directory(self) -> Path:
        """Where the run is written."""
        return self._run.path

    def __enter__(self) -> Recording:
        names = _qualified_names(self._net)
        layers = [_Layer(names[id(m)][0], m) for m in self._net.modules() if _is_spiking(m)]
        if not layers:
            raise RecorderError(
                f"{type(self._net).__name__} has no snntorch.SpikingNeuron layer to record"
            )
        options = self._run.options
        if not options.external_state:
            _check_state_is_visible(layers)
        given = {
            "expected_samples": options.expected_samples,
            "expected_batches": options.expected_batches,
        }
        self._run.expected = {key: int(value) for key, value in given.items() if value is not None}
        self._run.begin()
        self._run.warn(_plain_traps(self._net))
        self._hooks = [_MembraneHook(layer.name, layer.module) for layer in layers]
        return self

    def batch(self, samples: int) -> None:
        """Write everything the layers did since the last call, as one batch.

        Parameters
        ----------
        samples : int
            Samples in the batch, such as ``len(x)``.

        Raises
        ------
        ValueError
            `samples` is not a whole number, 0 or more.
        RecorderError
            The batch cannot be written, and ``strict=True`` was given.
        """
        if not _is_count(samples):
            raise ValueError(f"rec.batch({samples!r}): give the number of samples in the batch")
        layers = [hook.layer for hook in self._hooks]
        try:
            if any(layer.called for layer in layers):
                self._run.batch(layers, int(samples))
            else:
                text = (
                    "rec.batch() was called, but no layer was called since the last rec.batch(): "
                    "nothing written"
                )
                self._run.note([(("empty", ""), text)])
        finally:
            for hook in self._hooks:
                hook.reset()

    def __exit__(
        self,
        kind: type | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for hook in self._hooks:
            hook.remove()
        if kind is not None:
            if self._run.stopped:  # the user knows, perhaps from this very exception
                return
            text = f"the program stopped with {kind.__name__}: {error}"
            self._run.note([(("exception", ""), text)])
            return
        if any(hook.layer.called for hook in self._hooks):
            text = "the steps after the last rec.batch() were not written: call it after each batch"
            self._run.note([(("unwritten", ""), text)])
        self._run.finish()


def record(
    net: torch.nn.Module,
    directory: str | os.PathLike[str],
    *,
    form: str = "trace",
    name: str | None = None,
    keep: int | None = None,
    exist_ok: bool = False,
    strict: bool = False,
    external_state: bool = False,
    rank: int | None = None,
    world_size: int | None = None,
    expected_batches: int | None = None,
    expected_samples: int | None = None,
) -> Recording:
    """Record a snnTorch network without NeuroBench.

    Entering the ``with`` block sets the hooks, and leaving it removes them, also after an
    exception. Call ``rec.batch(samples)`` after each batch.

    Parameters
    ----------
    net : torch.nn.Module
        A network with ``snntorch.SpikingNeuron`` layers built with ``init_hidden=True``. Each
        layer's membrane potential ``mem``, shape ``[B, ...]``, is recorded before and after each
        call.
    directory : str or path
        The run's directory.
    form : {'trace', 'pair', 'bits'}
        What is written; see `Recorder`.
    name : str, optional
        The run's name on the dashboard; the directory's name by default.
    keep, exist_ok, strict, external_state, rank, world_size
        See `Recorder`.
    expected_batches, expected_samples : int, optional
        How many to expect from all ranks together, for the progress on the dashboard.

    Returns
    -------
    Recording
        A context manager.

    Raises
    ------
    TypeError
        `net` is no ``torch.nn.Module``.
    ValueError
        An option has an impossible value.
    RecorderError
        On entering the block: the network has no spiking layer, or one without
        ``init_hidden=True``. With ``strict=True``: whatever would otherwise stop the recording.

    Examples
    --------
    >>> with neurotop.record(net, "runs/exp1") as rec:  # doctest: +SKIP
    ...     for x, _ in loader:
    ...         net(x)
    ...         rec.batch(len(x))
    """
    if not hasattr(net, "named_modules"):
        raise TypeError(f"record() needs a torch.nn.Module, not {type(net).__name__}")
    options = _Options(
        directory=Path(directory),
        form=form,
        name=name,
        keep=keep,
        exist_ok=exist_ok,
        strict=strict,
        external_state=external_state,
        rank=rank,
        world_size=world_size,
        expected_batches=expected_batches,
        expected_samples=expected_samples,
    )
    return Recording(net, options)


# --- NeuroBench ----------------------------------------------------------------------------------


class _BenchmarkRun:
    """One ``Benchmark.run()``, seen from inside a metric.

    NeuroBench does not tell a metric that the run is over, what the other metrics returned,
    or how many batches to expect, and it swallows a metric's exceptions. The manager that calls
    the metric knows all of that, so the recorder wraps two methods of this manager while the run
    lasts: ``run_metrics``, and ``clean_results``, which ends a run. Neither wrapper changes an
    argument or a result, except that it removes the recorder's own entry.
    """

    def __init__(self, options: _Options, name: str) -> None:
        self.name = name
        self.run = _Run(options)
        self._error: RecorderError | None = None
        self._failed: set[str] = set()
        self._wrapped = False
        self._unwrap: Callable[[], None] = lambda: None

    def begin(self, caller: FrameType) -> None:
        """Begin the run; `caller` is the frame of the manager's ``initialize_metrics``."""
        from neurobench.metrics.manager.workload_manager import WorkloadMetricManager

        manager = caller.f_locals.get("self")
        if isinstance(manager, WorkloadMetricManager):
            loader = caller.f_back.f_locals.get("dataloader") if caller.f_back else None
        else:
            manager = loader = None
            text = (
                "this version of NeuroBench does not call the recorder as expected. The batches "
                "are recorded, but not the end of the run (end.json)."
            )
            self.run.warn([(("manager", ""), text)])
        self.run.expected = _expected(loader, _rank_and_world(self.run.options)[1])
        self.run.begin()
        if manager is not None:
            self._wrap(manager)
        if self.run.directory is not None:
            print(f"Recording to {self.run.path}; watch it with: neurotop watch {self.run.path}")

    def batch(self, model: Any, samples: int) -> None:
        """Record the batch that NeuroBench's hooks hold."""
        net, hooks = model.__net__(), model.activation_hooks
        try:
            layers = _neurobench_layers(net, hooks)
            self.run.batch(layers, samples, _network_traps(net, hooks))
        except RecorderError as error:
            if not self._wrapped:
                raise
            self._error = error  # NeuroBench would swallow it here; _after_metrics raises it

    def abandon(self) -> None:
        """Restore the manager after an exception has ended the run."""
        self._unwrap()

    def _wrap(self, manager: Any) -> None:
        run_metrics, clean_results = manager.run_metrics, manager.clean_results

        @functools.wraps(run_metrics)
        def run_metrics_then_look(*args: Any, **kwargs: Any) -> Any:
            results = run_metrics(*args, **kwargs)
            self._after_metrics(manager)
            return results

        @functools.wraps(clean_results)
        def finish_then_clean_results() -> None:
            official = _official_results(manager, self.name)
            self._unwrap()
            try:
                self.run.finish(official)
            finally:
                clean_results()

        def unwrap() -> None:
            self._wrapped, self._unwrap = False, lambda: None
            for method in (run_metrics, clean_results):
                if inspect.ismethod(method):  # makes the class's own method visible again
                    delattr(manager, method.__name__)
                else:  # another recorder had wrapped it before
                    setattr(manager, method.__name__, method)

        self._wrapped, self._unwrap = True, unwrap
        manager.run_metrics = run_metrics_then_look
        manager.clean_results = finish_then_clean_results

    def _after_metrics(self, manager: Any) -> None:
        """Warn about metrics that failed on a batch; raise the error of a strict recorder."""
        manager.results.pop(self.name, None)
        for name, metric in manager.metrics.items():
            kind = type(metric).__name__
            # NeuronOperations returns a dictionary; after an exception, NeuroBench puts 0.0.
            if kind == "NeuronOperations" and isinstance(manager.results.get(name), float):
                text = (
                    "NeuroBench's NeuronOperations failed on a batch and reports 0.0 for it. It "
                    "keeps a part of that batch's operations and none of its samples, so its "
                    "later figures are wrong too. neurotop's figures include every priced layer."
                )
                self.run.note([(("failed", kind), text)])
        if self._error is not None:
            error, self._error = self._error, None
            self._unwrap()
            raise error


def _expected(loader: Any, world_size: int) -> dict[str, int]:
    """How many batches and samples a ``DataLoader`` will yield, if that is certain.

    Each of several processes knows only its own part. With torch's ``DistributedSampler`` all
    parts are equal, so the total is known too.
    """
    from torch.utils.data import BatchSampler, DataLoader, IterableDataset
    from torch.utils.data.distributed import DistributedSampler

    if not isinstance(loader, DataLoader) or isinstance(loader.dataset, IterableDataset):
        return {}
    if world_size > 1:
        sampler = loader.sampler
        if not isinstance(sampler, DistributedSampler) or sampler.num_replicas != world_size:
            return {}
    try:
        batches = len(loader)
        expected = {"expected_batches": batches * world_size}
        if type(loader.batch_sampler) is BatchSampler and loader.batch_size:
            whole = batches * loader.batch_size if loader.drop_last else len(loader.sampler)
            expected = {"expected_samples": whole * world_size, **expected}
        return expected
    except TypeError:  # a sampler without a length
        return {}


def _official_results(manager: Any, own_name: str) -> dict[str, Any]:
    """NeuroBench's workload results as JSON values, keyed by the metrics' class names."""
    results = {}
    for name, metric in manager.metrics.items():
        if name != own_name and name in manager.results:
            results[type(metric).__name__] = _json_value(manager.results[name])
    return results


def _json_value(value: Any) -> Any:
    """A result as a JSON value: scalars unwrapped; NaN, infinity and other types become null."""
    if isinstance(value, dict):
        return {str(key): _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if hasattr(value, "item"):  # torch's and NumPy's scalars
        try:
            value = value.item()
        except (RuntimeError, ValueError):
            return None
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if isinstance(value, (bool, int, str)) or value is None else None


def Recorder(
    directory: str | os.PathLike[str],
    *,
    form: str = "trace",
    name: str | None = None,
    keep: int | None = None,
    exist_ok: bool = False,
    strict: bool = False,
    external_state: bool = False,
    rank: int | None = None,
    world_size: int | None = None,
) -> type:
    """Make a NeuroBench workload metric that records the run for the dashboard.

    It does not change NeuroBench's results.

    Parameters
    ----------
    directory : str or path
        The run's directory. If it already holds a run, the recorder uses the first free one of
        ``<directory>-2``, ``<directory>-3``, …, and warns.
    form : {'trace', 'pair', 'bits'}
        What is written; all forms give the same counts. ``trace``: the membrane potential after
        each step, and also before each step if that differs (checked in each batch).
        ``pair``: always both. ``bits``: one bit per element, set if it changed, a 32nd
        of a float32 trace. Half, float32 and float64 keep their type; bfloat16 becomes float32.
    name : str, optional
        The run's name on the dashboard; the directory's name by default.
    keep : int, optional
        Keep the newest `keep` batches (of each rank) and delete older ones, but only those that a
        watching neurotop has acknowledged as counted.
    exist_ok : bool
        Replace the run in the directory, if there is one.
    strict : bool
        Raise an error that would stop the recording, instead of warning.
    external_state : bool
        Accept layers built without ``init_hidden=True``, and record what NeuroBench's hooks see.
    rank, world_size : int, optional
        This process's rank, and the number of processes that record into one run. Taken by default
        from torch.distributed, else from the environment (``RANK``, ``WORLD_SIZE``), else one
        process.

    Returns
    -------
    type
        A class for ``metric_list``. After ``Benchmark.run()``, its attribute ``directory`` is the
        directory of the run.

    Raises
    ------
    ValueError
        An option has an impossible value.
    ImportError
        NeuroBench is not installed.

    Examples
    --------
    >>> recorder = neurotop.Recorder("runs/exp1", form="bits")  # doctest: +SKIP
    >>> benchmark = Benchmark(model, loader, [], [], [[], [NeuronOperations, recorder]])
    """
    from neurobench.metrics.abstract import AccumulatedMetric

    options = _Options(
        directory=Path(directory),
        form=form,
        name=name,
        keep=keep,
        exist_ok=exist_ok,
        strict=strict,
        external_state=external_state,
        rank=rank,
        world_size=world_size,
    )
    # NeuroBench stores metrics by class name, so two recorders in one list need two names.
    metric_name = f"Recorder({str(options.directory)!r})"

    class RecorderMetric(AccumulatedMetric):
        """Records each batch in NeuroBench's hooks; adds nothing to the results."""

        directory = options.directory

        def __init__(self) -> None:
            super().__init__(requires_hooks=True)
            self._benchmark_run: _BenchmarkRun | None = None

        def reset(self) -> None:
            """Begin a run. NeuroBench calls this once, before the first batch."""
            if self._benchmark_run is not None:
                self._benchmark_run.abandon()
            self._benchmark_run = _BenchmarkRun(options, metric_name)
            self._benchmark_run.begin(sys._getframe(1))
            type(self).directory = self._benchmark_run.run.path

        def __call__(self, model: Any, preds: torch.Tensor, data: tuple[torch.Tensor, ...]) -> str:
            """Record one batch of ``data[0].size(0)`` samples."""
            if self._benchmark_run is None:
                self.reset()
            assert self._benchmark_run is not None
            self._benchmark_run.batch(model, int(data[0].size(0)))
            return self.compute()

        def compute(self) -> str:
            """Where the run is written."""
            return str(type(self).directory)

    RecorderMetric.__name__ = RecorderMetric.__qualname__ = metric_name
    return RecorderMetric
