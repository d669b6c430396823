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
    from typing import Union

    import torch

    from .adapters import Adapter
    from .prices import Measured, Meter

    #: A layer that hooks saw, or one that was given as arrays.
    _AnyLayer = Union["_Layer", "_ArrayLayer"]
    _AnyHook = Union["_MembraneHook", "_ParallelHook", "_AdapterHook"]

__all__ = ["Recorder", "RecorderError", "RecorderWarning", "Recording", "__version__", "record"]
__version__ = "0.1.0"

FORMS = ("trace", "pair", "bits")
FORMAT_VERSION = 1
COUNTED_FILE = ".neurotop-counted.json"

#: Steps smaller than this are written and compared together.
BLOCK_BYTES = 1 << 20

#: The pairs (neuron, reset mechanism) for which NeuroBench 2.3.0's NeuronOperations has a price.
PRICED = frozenset(
    (neuron, reset)
    for neuron in ("Leaky", "Synaptic", "Lapicque", "Alpha")
    for reset in ("subtract", "zero")
)

#: The reset mechanism that each of snnTorch's state functions performs.
STATE_FUNCTION_RESETS = {"_base_sub": "subtract", "_base_zero": "zero", "_base_int": "none"}

_RUN_FILES = re.compile(r"manifest\.json|(rank-\d+\.)?(end\.json|batch-\d+(\.npz)?)|\.neurotop-.*")
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
        rank, world_size = self.rank, self.world_size
        if (
            rank is not None
            and world_size is not None
            and not (_is_count(rank) and _is_count(world_size) and rank < world_size)
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
    unhooked : str
        What to do about a layer that no hook watches; empty where one does.
    defects : list of str
        What was seen that keeps the batch from being recorded exactly.
    adapter : Adapter or None
        How the potential of a layer of another framework than snnTorch is seen.
    meter : Meter or None
        Measures the price of a layer for which NeuroBench has none.
    """

    name: str
    module: torch.nn.Module
    pre: list[torch.Tensor] = field(default_factory=list)
    post: list[torch.Tensor] = field(default_factory=list)
    called: bool = False
    unhooked: str = ""
    defects: list[str] = field(default_factory=list)
    adapter: Adapter | None = None
    meter: Meter | None = None

    @property
    def neuron(self) -> str:
        """Class name, NeuroBench's price key: a subclass of Leaky is not a Leaky."""
        return type(self.module).__name__

    @property
    def reset(self) -> str:
        """Reset mechanism as NeuroBench reads it: the string, not ``reset_mechanism_val``."""
        if self.adapter is not None:
            return self.adapter.reset(self.module)
        return str(getattr(self.module, "_reset_mechanism", "none"))

    def dtype(self) -> torch.dtype:
        """The smallest dtype that holds all steps (their precision may differ)."""
        import torch

        dtypes = {potential.dtype for potential in self.post + self.pre[1:]}
        return functools.reduce(torch.promote_types, dtypes)

    def manifest_entry(self) -> dict[str, Any]:
        """What the manifest says of the layer, but its shape."""
        entry: dict[str, Any] = {"name": self.name, "neuron": self.neuron, "reset": self.reset}
        return {**entry, **self.measured.manifest_entry()} if self.measured else entry

    @property
    def measured(self) -> Measured | None:
        """What its meter has found out, if it has one that has seen a call."""
        return None if self.meter is None else self.meter.measured

    def cost_advice(self) -> str:
        """The option that prices the layer, with the number that was measured."""
        option = f"--cost {self.neuron}:{self.reset}="
        if self.measured is None:
            return f"{option}OPERATIONS"
        if self.measured.unpriced:
            return f"{option}OPERATIONS (they cannot be measured: {self.measured.unpriced})"
        operations = self.measured.operations
        return f"{option}{len(operations)} (measured: {' '.join(operations)})"

    def traps(self) -> Iterator[_Trap]:
        """Everything about the layer in this batch that makes a figure other than it seems."""
        return _layer_traps(self) if self.adapter is None else _adapter_traps(self)

    def members(self, form: str) -> Iterator[_Member]:
        """The layer's arrays of a batch with at least one step; see `_encode`."""
        flushes = _flushes_subnormals()
        if form == "bits" or flushes:
            shape = (len(self.post), *self.post[0].shape)
            packed = _changed_as_neurobench(self) if flushes else _changed(self)
            yield from _bits(self.name, shape, packed)
        else:
            yield from _potentials(self, with_pre=form == "pair")

    def add_batch_axis(self) -> None:
        """Make the potentials of one sample without a batch axis ``[1, ...]``."""
        whole = {id(post): post[None] for post in self.post}
        self.pre = [whole.get(id(pre), pre[None]) for pre in self.pre]
        self.post = [whole[id(post)] for post in self.post]

    def pre_is_previous_post(self) -> bool:
        """Whether each step started from the very tensor with which the previous step ended."""
        return all(pre is post for pre, post in zip(self.pre[1:], self.post))

    def defect(self) -> str | None:
        """Why the steps of a call cannot be one ``[T, B, ...]`` array of floats, or None."""
        import torch

        if self.defects:
            return self.defects[0]
        if not self.post:
            return "it keeps no membrane potential ('mem')" if self.called else None
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


class _Steps:
    """Collects one layer's membrane potential before and after each step of a batch.

    Only detached potentials are kept: no inputs, no outputs, no autograd graph. They are copied in
    the first batch, and for good once the network changes one in place; else they are kept as they
    are, and their version tells whether that was right.
    """

    def __init__(self, layer: _Layer) -> None:
        self.layer = layer
        self._before: torch.Tensor | float | None = None
        self._is_previous = False
        self._last: torch.Tensor | None = None
        self._version: int | None = None
        self._changes_in_place = False
        self._copies = True

    def begin(self, before: torch.Tensor | float | None) -> None:
        """Keep the potential that a step begins with: one of all neurons, or None for zero."""
        post, last = self.layer.post, self._last
        self._is_previous = False
        if before is None or isinstance(before, (int, float)):
            self._before = before
            return
        if last is not None and post:
            same = _is_same(before, last)
            if same and not self._copies and _version(before) != self._version:
                self._lose_last()
            # A change through .data has no version: the copy shows it.
            if same and not self._copies and not before.is_inference():
                self._is_previous = True
            else:
                self._is_previous = _equals(before.detach(), post[-1])
                self._changes_in_place |= same and not self._is_previous
        self._before = before if self._is_previous else before.detach().clone()

    def end(self, after: torch.Tensor) -> None:
        """Keep the potential that a step ended with."""
        # Both ends are stored here, so that a forward that raised leaves no half step behind.
        layer, before = self.layer, self._before
        layer.called = True
        if self._is_previous:
            # Detaching makes a new object: identity with the step before is kept by using it.
            before = layer.post[-1]
        elif before is None or isinstance(before, (int, float)) or before.shape != after.shape:
            # The layer begins at rest; before the first step it does not matter.
            rest = before if isinstance(before, (int, float)) else 0.0
            before = after.detach().new_full(after.shape if layer.post else (0,), rest)
        layer.pre.append(before)
        copy = self._copies or after.is_inference()
        layer.post.append(after.detach().clone() if copy else after.detach())
        self._last, self._version = after, _version(after)

    def rows(self, before: torch.Tensor | float | None, potentials: torch.Tensor) -> None:
        """Keep all steps of one call, ``[T, B, ...]``, of which the first begins with `before`."""
        for after in potentials.detach():
            self.begin(before)
            self.end(after)
            before = after

    def was_called(self) -> None:
        """Note that the layer was called, whatever is seen of its potential."""
        self.layer.called = True

    def close(self) -> None:
        """The batch is over: see to its last potential."""
        if self._last is not None and self.layer.post and not self._copies:
            if _version(self._last) != self._version:
                self._lose_last()

    def reset(self) -> None:
        """Forget the batch."""
        if self.layer.post:
            self._copies = self._changes_in_place
        self._last = None
        self.layer.pre.clear()
        self.layer.post.clear()
        self.layer.defects.clear()
        self.layer.called = False

    def _lose_last(self) -> None:
        """The potential that the last step ended with was changed in place, and is not copied."""
        self._changes_in_place = True
        self._copies = True
        if len(self.layer.post) > 1:  # in the first step every neuron counts, whatever it holds
            self.layer.defects.append(
                "for the first time the network changed its potential in place after a step, "
                "so that the potential before the change is lost. Later batches are recorded: "
                "potentials are copied from here on"
            )


class _MembraneHook:
    """Hands a snnTorch layer's membrane potential around each call to `_Steps`.

    What counts is the potential that the layer begins with: the one that the network passes
    (``spk, mem = lif(x, mem)``), else the one that the layer kept.
    """

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        self.layer = _Layer(name, module)
        self.steps = _Steps(self.layer)
        self._passed = _passed_potential(module)
        self._forgets_state = _forgets_state(module)
        self._computes_all_steps = _computes_all_steps(module)
        enter, leave = _never_compiled(self._enter), _never_compiled(self._leave)
        self._handles = [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave),
        ]

    def _enter(self, module: torch.nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        passed = self._passed(inputs, named)
        if self._forgets_state:
            self.steps.begin(None)
        else:
            self.steps.begin(getattr(module, "mem", None) if passed is None else passed)

    def _leave(self, module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        self.layer.called = True
        if self._computes_all_steps:
            self.steps.rows(None, output[1] if isinstance(output, tuple) else output)
            return
        after = getattr(module, "mem", None)
        if after is not None:
            self.steps.end(after)

    def remove(self) -> None:
        """Remove the hooks from the layer."""
        for handle in self._handles:
            handle.remove()


class _ParallelHook:
    """Collects the potentials of a LeakyParallel: what its ``rnn`` returns, ``[T, B, ...]``."""

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        self.layer = _Layer(name, module)
        self.steps = _Steps(self.layer)
        rnn: Any = module.rnn
        self._handle = rnn.register_forward_hook(_never_compiled(self._leave))

    def _leave(self, _module: torch.nn.Module, _inputs: Any, output: Any) -> None:
        self.layer.called = True
        potentials = output[0]
        # Without a batch axis it is one sample.
        self.steps.rows(None, potentials if potentials.dim() > 2 else potentials[:, None])

    def remove(self) -> None:
        """Take the hook off the layer."""
        self._handle.remove()


class _StateWatch:
    """Notices where NeuroBench's hooks do not see the potential that a layer begins with.

    They keep ``layer.mem`` as it is, and look at it before the layer takes what it is passed.

    Attributes
    ----------
    name : str
        The layer's qualified name.
    passes_another : bool
        Whether a step, but the first of a batch, began with another potential than was kept.
    changes_in_place : bool
        Whether a potential was changed in place after its step.
    """

    def __init__(self, name: str, module: torch.nn.Module) -> None:
        self.name = name
        self.module = module
        self.passes_another = False
        self.changes_in_place = False
        self._passed = _passed_potential(module)
        self._last: torch.Tensor | None = None
        self._version: int | None = None
        enter, leave = _never_compiled(self._enter), _never_compiled(self._leave)
        self._handles = [
            module.register_forward_pre_hook(enter, with_kwargs=True),
            module.register_forward_hook(leave),
        ]

    def _enter(self, module: torch.nn.Module, inputs: Any, named: dict[str, Any]) -> None:
        passed, kept = self._passed(inputs, named), getattr(module, "mem", None)
        if self._last is None or kept is None:
            return
        self._look_at_version()
        if passed is not None and not _is_same(passed, kept) and not _equals(passed, kept):
            self.passes_another = True

    def _leave(self, module: torch.nn.Module, _inputs: Any, _output: Any) -> None:
        self._last = getattr(module, "mem", None)
        self._version = None if self._last is None else _version(self._last)

    def _look_at_version(self) -> None:
        if self._last is not None and _version(self._last) != self._version:
            self.changes_in_place = True

    def close(self) -> None:
        """The batch is over: the next step begins another."""
        self._look_at_version()
        self._last = None

    def remove(self) -> None:
        """Take the hooks off the layer."""
        for handle in self._handles:
            handle.remove()


class _AdapterHook:
    """Collects the potentials of a layer of another framework, as its adapter sees them."""

    def __init__(self, name: str, module: torch.nn.Module, adapter: Adapter) -> None:
        self.layer = _Layer(name, module, adapter=adapter)
        self.steps = _Steps(self.layer)
        self.remove = adapter.attach(module, self.steps)


def _passed_potential(
    module: torch.nn.Module,
) -> Callable[[tuple[Any, ...], dict[str, Any]], torch.Tensor | None]:
    """A function that finds the membrane potential among the arguments of a call of `module`."""
    import torch

    parameters = [*inspect.signature(module.forward).parameters]
    index = parameters.index("mem") if "mem" in parameters else sys.maxsize

    def passed(inputs: tuple[Any, ...], named: dict[str, Any]) -> torch.Tensor | None:
        found = inputs[index] if index < len(inputs) else named.get("mem")
        if isinstance(found, tuple) and found:  # DeltaLeaky's potential, and the one before
            found = found[0]
        return found if isinstance(found, torch.Tensor) else None

    return passed


def _forgets_state(module: torch.nn.Module) -> bool:
    """Whether snnTorch sets the layer's state to zero at each step.

    SLSTM compares the shape of its state with that of its input, not with its own.
    """
    return type(module).__name__ == "SLSTM" and module.input_size != module.hidden_size


def _computes_all_steps(module: torch.nn.Module) -> bool:
    """Whether one call of the layer is all time steps, ``[T, B, ...]``."""
    import snntorch

    return isinstance(module, getattr(snntorch, "StateLeaky", ()))


def _version(tensor: torch.Tensor) -> int | None:
    """How often `tensor` was changed in place; None where torch does not count (inference)."""
    return None if tensor.is_inference() else tensor._version


def _is_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both are the same memory in the same shape, as after ``detach()``."""
    if one is other:
        return True
    return (
        one.dtype == other.dtype
        and one.device == other.device
        and one.shape == other.shape
        and one.stride() == other.stride()
        and one.numel() > 0
        and one.data_ptr() == other.data_ptr()
    )


def _equals(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether both have the same values; NaN equals NaN."""
    import torch

    if (one.shape, one.dtype, one.device) != (other.shape, other.dtype, other.device):
        return False
    return torch.equal(one, other) or torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def _never_compiled(function: Callable[..., None]) -> Callable[..., None]:
    """`function` as a hook that torch.compile neither traces nor recompiles.

    torch._dynamo takes seconds to import, so it is asked for only where something else did.
    """
    disabled: list[Callable[..., None]] = []

    def hook(*arguments: Any) -> None:
        if not disabled:
            if "torch._dynamo" not in sys.modules:
                function(*arguments)
                return
            import torch

            compiler: Any = torch.compiler
            disabled.append(compiler.disable(function))
        disabled[0](*arguments)

    hook._torchdynamo_disable = True  # type: ignore[attr-defined]
    import torch

    skip_code = getattr(torch._C._dynamo.eval_frame, "skip_code", None)
    if skip_code is not None:
        skip_code(hook.__code__)
    return hook


def _meter_on(layer: _Layer, steps_are_seen: bool = True) -> Meter | None:
    """Begin to measure the price of `layer`; None where NeuroBench has one."""
    if (layer.neuron, layer.reset) in PRICED:
        return None
    try:
        from .prices import meter_on
    except ImportError:  # this file alone
        return None
    return meter_on(layer.module, layer.adapter, (lambda: layer.post) if steps_are_seen else None)


def _hook_on(name: str, module: torch.nn.Module) -> _AnyHook | None:
    """Begin to collect the potentials of `module`; None for what is no spiking layer."""
    if _is_spiking(module):
        return _MembraneHook(name, module)
    if type(module).__name__ == "LeakyParallel" and hasattr(module, "rnn"):
        return _ParallelHook(name, module)
    adapter = _adapter_for(module)
    return None if adapter is None else _AdapterHook(name, module, adapter)


def _adapter_for(module: torch.nn.Module) -> Adapter | None:
    """What sees the potential of a layer of another framework, if this is one."""
    try:
        from .adapters import adapter_for
    except ImportError:  # this file alone
        return None
    return adapter_for(module)


def _is_spiking(module: object) -> bool:
    """Whether `module` is one of snnTorch's spiking layers."""
    snntorch = sys.modules.get("snntorch")  # whoever has such a layer has imported it
    return snntorch is not None and isinstance(module, snntorch.SpikingNeuron)


def _qualified_names(net: torch.nn.Module) -> dict[int, list[str]]:
    """All qualified names of each module by its identity; a shared module has several.

    They are those of the network before torch.compile, which puts ``_orig_mod.`` before each.
    """
    names: dict[int, list[str]] = {}
    for name, module in net.named_modules(remove_duplicate=False):
        own = name.replace("_orig_mod.", "")
        names.setdefault(id(module), []).append(own or type(module).__name__)
    return names


def _modules(net: torch.nn.Module) -> list[torch.nn.Module]:
    """Each module once. Rockpool's ``modules()`` are others, its ``named_modules()`` are not."""
    return [module for _, module in net.named_modules()]


def _is_compiled(net: torch.nn.Module) -> bool:
    """Whether torch.compile has the network or a part of it."""
    return any(
        type(module).__name__ == "OptimizedModule"
        or getattr(module, "_compiled_call_impl", None) is not None
        for module in _modules(net)
    )


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Run compiled functions as they were written: compiled code can leave hooks out."""
    if "torch._dynamo" not in sys.modules:
        yield
        return
    import torch

    if hasattr(torch.compiler, "set_stance"):  # since torch 2.6
        with torch.compiler.set_stance("force_eager"):
            yield
    else:
        torch._dynamo.reset()  # what is compiled again has the hooks
        yield


def _neurobench_layers(model: Any, stale: dict[int, tuple[int, int, int]]) -> list[_Layer]:
    """The spiking layers as NeuroBench's own hooks saw them, then those it does not hook.

    A layer that NeuroBench hooked twice is listed twice, because NeuroBench counts it twice.

    Parameters
    ----------
    model : neurobench.models.NeuroBenchModel
        The network and the hooks on it.
    stale : dict of int to (int, int, int)
        By a hook's identity, how many inputs, potentials before and after it held when the run
        began: those of a run that was interrupted.
    """
    net = model.__net__()
    names = _qualified_names(net)
    seen: dict[int, int] = {}
    layers = []
    for hook in model.activation_hooks:
        if not hook.spiking:
            continue
        nth = seen.get(id(hook.layer), 0)
        seen[id(hook.layer)] = nth + 1
        own = names.get(id(hook.layer), [str(hook.name)])
        name = own[nth] if nth < len(own) else f"{own[-1]}#{nth + 1}"
        calls, before, after = stale.get(id(hook), (0, 0, 0))
        pre = _whole_pre(hook.pre_fire_mem_potential[before:])
        post = hook.post_fire_mem_potential[after:]
        if len(pre) == len(post) - 1:  # the layer had no potential before its first call
            pre.insert(0, post[0].new_zeros(0))
        called = len(hook.activation_inputs) > calls
        layers.append(_Layer(name, hook.layer, pre, post, called=called))
    for module in _modules(net):
        if _is_spiking(module) and id(module) not in seen:
            why = _why_unhooked(module, model)
            layers.append(_Layer(names[id(module)][0], module, unhooked=why))
    return layers


def _why_unhooked(module: torch.nn.Module, model: Any) -> str:
    """What the user can do about a spiking layer that NeuroBench has not hooked."""
    if not any(issubclass(type(module), kind) for kind in model.activation_modules):
        return (
            f"NeuroBench's {type(model).__name__} does not look for spiking layers: use "
            "SNNTorchModel, or call model.add_activation_module(snntorch.SpikingNeuron) before "
            "making the Benchmark."
        )
    if module is model.__net__():
        return "The network is itself one neuron: wrap it in torch.nn.Sequential(...)."
    return (
        "Another Benchmark on this model was deleted, which removed all hooks, or the layer was "
        "added after the Benchmark was made. Make one Benchmark, after the network is complete, "
        "and keep it."
    )


def _whole_pre(potentials: list[torch.Tensor | None]) -> list[torch.Tensor]:
    """The potentials before each step, an empty one for None (DeltaLeaky's before its first)."""
    import torch

    return [torch.zeros(0) if potential is None else potential for potential in potentials]


# --- Warnings about NeuroBench's figures ---------------------------------------------------------

#: A warning: a key, for which it is given once, and the text for the user.
_Trap = tuple[tuple[str, str], str]


def _layer_traps(layer: _Layer) -> Iterator[_Trap]:
    """Everything about one layer in one batch that makes a figure other than it seems.

    The layer has no `_Layer.defect`.
    """
    label = f"layer '{layer.name}' ({layer.neuron})"
    if (layer.neuron, layer.reset) not in PRICED:
        yield (
            ("unpriced", layer.name),
            f"{label} with reset '{layer.reset}' has no price in NeuroBench: NeuronOperations "
            "fails and reports 0.0 for the whole model. neurotop counts the layer's updates, "
            "leaves it out of the operations and keeps the other layers. Give the command the "
            f"operations of one update: {layer.cost_advice()}",
        )
    yield from _reset_traps(layer, label)
    if layer.unhooked:
        yield (
            ("unhooked", layer.name),
            f"{label} is not hooked by NeuroBench, so neither NeuroBench nor neurotop counts it. "
            + layer.unhooked,
        )
    elif layer.called and _computes_all_steps(layer.module):
        yield (
            ("at-once", layer.name),
            f"{label} computes all time steps in one call: NeuroBench sees one step, of which "
            "every neuron counts at every time. neurotop.record() counts step by step.",
        )
    elif not layer.called:
        yield (
            ("uncalled", layer.name),
            f"{label} was not called in a whole batch: NeuroBench's NeuronOperations fails and "
            "reports 0.0. Remove the layer or call it; neurotop counts the other layers.",
        )
    else:
        yield from _state_traps(layer, label)


def _adapter_traps(layer: _Layer) -> Iterator[_Trap]:
    """What there is to say about a layer of another framework than snnTorch."""
    label = f"layer '{layer.name}' ({layer.neuron})"
    yield (
        ("unpriced", layer.name),
        f"{label} with reset '{layer.reset}' has no price in NeuroBench: neurotop counts its "
        f"updates. Give the command the operations of one update: {layer.cost_advice()}",
    )
    if not layer.called:
        yield (
            ("uncalled", layer.name),
            f"{label} was not called in a whole batch: the batch's samples count for it, with no "
            "updates.",
        )
    elif layer.adapter is not None:
        first, post = layer.pre[0], layer.post[0]
        if first.shape == post.shape and bool(first.any()):
            yield (
                ("carried", layer.name),
                f"{label} began a batch with the potential of earlier samples: "
                f"{layer.adapter.reset_advice}.",
            )
        yield from _replaced_traps(layer, label)


def _replaced_traps(layer: _Layer, label: str) -> Iterator[_Trap]:
    """State that is reset or replaced between two steps of a batch."""
    if not layer.pre_is_previous_post():
        yield (
            ("reset-inside", layer.name),
            f"{label} did not begin each step with the potential at the end of the previous "
            "step (forward() resets or replaces the state). The potential before each step is "
            "recorded too, so the count stays exact.",
        )


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
    yield from _replaced_traps(layer, label)
    if post.requires_grad:
        yield (
            ("grad", ""),
            "The benchmark runs with gradients on, so NeuroBench's hooks keep the whole autograd "
            "graph of every batch in memory. Run the benchmark inside torch.no_grad().",
        )


def _watch_traps(watches: Iterable[_StateWatch]) -> Iterator[_Trap]:
    """Where NeuroBench compares other potentials than the layer computes with."""
    for watch in watches:
        label = f"layer '{watch.name}' ({type(watch.module).__name__})"
        if watch.passes_another:
            yield (
                ("passed", watch.name),
                f"{label} is passed another potential than it kept after the step before. "
                "NeuroBench compares with the kept one, and so do the recorded figures. Pass the "
                "potential that the layer returned; or record with neurotop.record(), which "
                "compares with the one that is passed.",
            )
        if watch.changes_in_place:
            yield (
                ("in-place", watch.name),
                f"The potential of {label} is changed in place between two steps. NeuroBench's "
                "hooks hold the changed potential, so its figures (and the recorded ones) are of "
                "that. Assign a new tensor instead, as in lif.mem = lif.mem.clamp(0); or record "
                "with neurotop.record(), which copies.",
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
    yield from _activation_traps(hook for hook in hooks if not hook.spiking)
    for module in _modules(net):
        own = names[id(module)]
        if type(module).__name__ in ("LeakyParallel", "LeakyKernel"):
            yield (
                ("parallel", own[0]),
                f"layer '{own[0]}' ({type(module).__name__}) computes all time steps at once and "
                "is no snntorch.SpikingNeuron: NeuroBench does not count it; it is not recorded.",
            )
        yield from _double_count_traps(own, hooked.get(id(module), 0))


def _activation_traps(hooks: Iterable[Any]) -> Iterator[_Trap]:
    """One warning for all activations that do not spike, and one for each layer of a framework."""
    silent: dict[int, str] = {}
    for hook in hooks:
        kind = type(hook.layer).__name__
        if _adapter_for(hook.layer) is not None:
            yield (
                ("framework", str(id(hook.layer))),
                f"layer '{hook.name}' ({kind}) spikes, but NeuroBench reads potentials of snnTorch "
                "only: its NeuronOperations fails and reports 0.0 for the whole model. Record the "
                "network with neurotop.record(net, directory), which knows this framework.",
            )
        else:
            silent.setdefault(id(hook.layer), f"'{hook.name}' ({kind})")
    if silent:
        some = ", ".join([*silent.values()][:3]) + (", …" if len(silent) > 3 else "")
        what = "activation does not spike" if len(silent) == 1 else "activations do not spike"
        yield (
            ("activation", ""),
            f"{len(silent)} {what}: {some}. NeuroBench's NeuronOperations fails and reports 0.0 "
            "for the whole model. They are not recorded; neurotop counts the spiking layers.",
        )


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


def _forgets_traps(modules: Iterable[tuple[str, torch.nn.Module]]) -> Iterator[_Trap]:
    """Layers whose state snnTorch sets to zero at every step."""
    for name, module in modules:
        if _forgets_state(module):
            yield (
                ("forgets", name),
                f"layer '{name}' ({type(module).__name__}) has input_size={module.input_size}, "
                f"hidden_size={module.hidden_size}: snnTorch then sets its state to zero at every "
                "step, so that it remembers nothing. Give both the same size, for instance by a "
                "torch.nn.Linear before the layer.",
            )


def _axes_traps(layers: Iterable[_AnyLayer], samples: int) -> Iterator[_Trap]:
    """A number of samples that is the number of time steps."""
    shapes = [(len(layer.post), layer.post[0].shape[0]) for layer in layers if layer.post]
    if shapes and all(samples == steps != batch for steps, batch in shapes):
        steps, batch = shapes[0]
        yield (
            ("axes", ""),
            f"rec.batch({samples}) was given the number of time steps ({steps}) as that of "
            f"samples; the potentials are of {batch} samples. Where the data are time-first, "
            "[T, B, ...], write rec.batch(x.shape[1]).",
        )


def _plain_traps(net: torch.nn.Module) -> Iterator[_Trap]:
    """Warnings about the network for users of plain snnTorch, before it runs."""
    names = _qualified_names(net)
    if _is_compiled(net):
        yield (
            ("compiled", ""),
            "The network is compiled (torch.compile). It runs uncompiled while it is recorded, "
            "because compiled code leaves out the hooks that see each step.",
        )
    for module in _modules(net):
        own = names[id(module)]
        if len(own) > 1 and _is_spiking(module):
            yield (
                ("shared", own[0]),
                f"layer '{own[0]}' is one module under several names ({', '.join(own)}): it is "
                "recorded once, under the first name. NeuroBench would hook it once for each "
                "parent and count it that many times.",
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


def _encode(layers: Iterable[_AnyLayer], form: str, samples: int) -> Iterator[_Member]:
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
    for layer in layers:
        if layer.post:
            yield from layer.members(form)
        else:
            yield _no_steps(layer.name, samples)


def _bits(name: str, shape: tuple[int, ...], packed: Iterable[np.ndarray]) -> Iterator[_Member]:
    """``<layer>.changed`` and ``<layer>.shape`` of a layer with potentials of `shape`."""
    bits = (shape[0] - 1) * int(np.prod(shape[1:], dtype=np.int64))
    yield _Member(f"{name}.changed", np.dtype(np.uint8), ((bits + 7) // 8,), packed)
    yield _Member.from_array(f"{name}.shape", np.array(shape, dtype=np.int64))


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

    Small steps come in blocks, ``[n, B, ...]``: writing each by itself takes longer than copying
    them. Steps on another device come over in one transfer, which is quicker than one for each.
    """
    import torch

    if steps[0].device.type != "cpu":
        steps = list(torch.stack([step.detach() for step in steps]).cpu())
    if _block_of(steps[0]) > 8:
        yield from _blocks(steps, dtype)
        return
    for step in steps:
        if step.dtype != dtype or step.requires_grad:
            step = step.detach().to(dtype)
        yield np.ascontiguousarray(step.numpy())


def _block_of(step: torch.Tensor) -> int:
    """How many steps make a block of about a MiB; a multiple of eight, which fill whole bytes."""
    return 8 * max(1, BLOCK_BYTES // (8 * max(1, step.numel() * step.element_size())))


def _blocks(steps: list[torch.Tensor], dtype: torch.dtype) -> Iterator[np.ndarray]:
    """Small steps in the CPU's memory as blocks, ``[n, B, ...]``."""
    import torch

    count = _block_of(steps[0])
    for begin in range(0, len(steps), count):
        block = steps[begin : begin + count]
        if len({step.dtype for step in block}) > 1:
            block = [step.to(dtype) for step in block]
        yield torch.stack(block).detach().to(dtype).numpy()


def _changed(layer: _Layer) -> Iterator[np.ndarray]:
    """Which elements changed: one bit per element of ``[T-1, B, ...]``, set if ``pre - post`` != 0.

    The subtraction matters: NaN counts and so does ``inf - inf``, which ``pre != post`` misses.
    Blocks of a MiB stay in the cache, and so many steps fill whole bytes whatever the layer's
    size. NumPy does this in one thread: as quick as torch's threads, which on a busy machine wait
    for each other in every step.
    """
    import torch

    if len(layer.post) < 2:
        return
    dtype = torch.float64 if layer.dtype() == torch.float64 else torch.float32
    is_same = layer.pre_is_previous_post()
    if layer.post[0].device.type == "cpu" and _block_of(layer.post[0]) > 8:
        before = layer.post[:-1] if is_same else layer.pre[1:]
        for one, other in zip(_blocks(before, dtype), _blocks(layer.post[1:], dtype)):
            with np.errstate(all="ignore"):
                changed = np.subtract(one, other) != 0
            yield np.packbits(changed)
        return
    post = _each_row(layer.post, dtype)
    pre = post if is_same else _each_row(layer.pre[1:], dtype)
    difference = np.empty_like(post[0])
    changed = np.empty((8, *post[0].shape), dtype=bool)
    for begin in range(0, len(post) - 1, 8):
        pairs = list(zip(pre[begin : begin + 8], post[begin + 1 : begin + 9]))
        with np.errstate(all="ignore"):  # not around the yield, which would affect the caller
            for row, (left, right) in zip(changed, pairs):
                np.subtract(left, right, out=difference)
                np.not_equal(difference, 0, out=row)
        yield np.packbits(changed[: len(pairs)])


def _each_row(steps: list[torch.Tensor], dtype: torch.dtype) -> list[np.ndarray]:
    """The steps one by one, whether `_rows` gives them so or in blocks."""
    axes = steps[0].dim()
    every = ((rows if rows.ndim > axes else rows[None]) for rows in _rows(steps, dtype))
    return [row for rows in every for row in rows]


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
    if "torch" not in sys.modules:
        return False
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
                        out.write(chunk.reshape(-1).view(np.uint8).data)


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
            if self._stopped_without_a_batch():
                self._clear()
                return False
            return any(
                _RUN_FILES.fullmatch(entry.name) or _is_rank_of_a_run(entry)
                for entry in self.path.iterdir()
            )
        manifest = self.read_manifest()
        other = manifest is not None and manifest.get("world_size", 1) != self.world_size
        return other or self._writer_file().exists() or (self.path / "end.json").exists()

    def _stopped_without_a_batch(self) -> bool:
        """Whether the files are those of a recording that stopped before its first batch."""
        names = {entry.name for entry in self.path.iterdir() if _RUN_FILES.fullmatch(entry.name)}
        if names - {COUNTED_FILE} != {"manifest.json"}:
            return False
        try:
            manifest = self.read_manifest()
        except ValueError:
            return False
        return isinstance(manifest, dict) and manifest.get("stopped") is True

    def release(self) -> None:
        """Let another run have the directory, which has no batch of this one."""
        _delete(self._writer_file())

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
            text = (self.path / "manifest.json").read_text(encoding="utf-8")
            manifest: dict[str, Any] = json.loads(text)
            return manifest
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

    def is_alone(self) -> bool:
        """Whether this is the first of several ranks, and no other has begun to record."""
        others = range(1, self.world_size)
        begun = any((self.path / f".neurotop-writer-{rank}").exists() for rank in others)
        return self.world_size > 1 and self.rank == 0 and not begun

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
        self._left_out: set[str] = set()
        self._skipped = 0
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
            _tell(message)

    def warn(self, traps: Iterable[_Trap]) -> None:
        """Store each warning once, for the manifest and for the user."""
        for key, text in traps:
            if key not in self._warnings:
                self._warnings[key] = text
                self._unsaid.append(text)

    def batch(self, layers: list[_AnyLayer], samples: int, traps: Iterable[_Trap] = ()) -> None:
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
            layers = self._recordable(layers)
            if not layers:
                self.say()
                return
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

    def _recordable(self, layers: list[_AnyLayer]) -> list[_AnyLayer]:
        """The layers whose steps can be written; none where the batch must not be written.

        A layer that cannot be recorded in the first batch is left out of the run. Later its batch
        is left out, since the batch's samples must not count without the layer's updates.

        Raises
        ------
        RecorderError
            There is no layer at all that can be recorded.
        """
        layers = [layer for layer in layers if layer.name not in self._left_out]
        defects = [(layer, defect) for layer in layers if (defect := layer.defect())]
        for layer, defect in defects:
            label = f"layer '{layer.name}' ({layer.neuron})"
            if self._batches:
                text = (
                    f"batch {self._batches + self._skipped + 1} is not recorded, since {label} "
                    f"cannot be: {defect}. Its samples are not counted; the other batches are."
                )
                self.note([(("batch", str(self._batches + self._skipped)), text)])
                continue
            self._left_out.add(layer.name)
            text = (
                f"{label} is left out of the run, since it cannot be recorded: {defect}. "
                "neurotop counts the other layers."
            )
            self.warn([(("defect", layer.name), text)])
        if self._batches and defects:
            self._skipped += 1
            return []
        layers = [layer for layer in layers if layer.name not in self._left_out]
        if not layers:
            raise RecorderError("the network has no spiking layer that can be recorded")
        return layers

    def refuse(self, reason: str) -> None:
        """Stop the recording before its first batch.

        Raises
        ------
        RecorderError
            The recording is strict.
        """
        if not self.stopped and self.directory is not None:
            with self._guarded("cannot record"):
                raise RecorderError(reason)

    def say(self) -> None:
        """Issue the warnings stored since the last call."""
        unsaid, self._unsaid = self._unsaid, []
        for text in unsaid:
            _tell(text)

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
            if not self._batches:
                text = "the run has no batch: nothing was recorded"
                self.warn([(("no-batch", ""), text)])
            self._prune()
            part: dict[str, Any] = {"samples": self._samples, "batches": self._batches}
            part |= {"neurobench": official} if official else {}
            # Ranks that were not given are those of the program, which may evaluate in one only.
            if self.options.rank is None and self.directory.is_alone():
                self._end_alone(part)
            else:
                self._write_manifest()
                self.directory.end(part)
        self.say()

    def _end_alone(self, part: dict[str, Any]) -> None:
        """End a run of which the other ranks have not even begun to record."""
        assert self.directory is not None
        text = (
            f"only rank 0 of {self.directory.world_size} has recorded, so the run ends with it. If "
            "only one rank evaluates, give it rank=0, world_size=1; else record in all of them."
        )
        self.warn([(("alone", ""), text)])
        self._write_manifest()
        content = self._manifest_content()
        content.pop("world_size", None)
        self.directory.write_json("manifest.json", content)
        self.directory.end(part)
        self.directory.write_json("end.json", {**part, "ranks": [{"rank": 0, **part}]})

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        """Turn any error into one warning, and stop the recording."""
        try:
            yield
        except Exception as error:  # a bug of the recorder must not end a benchmark either
            self.stopped = True
            reason = str(error) if isinstance(error, RecorderError) else _explain(error)
            text = f"neurotop {doing} in {self.path}: {reason}"
            told = f"{text}. The recording stops here; the benchmark goes on."
            if self.options.strict:
                self._warnings[("stopped", "")] = text
                self._save_warnings()
                raise RecorderError(text) from error
            self.warn([(("stopped", ""), told)])
            self._save_warnings()
            self.say()

    def _save_warnings(self) -> None:
        """Tell the dashboard why no more batches come, if that can still be written.

        A directory without a batch is free for the next run.
        """
        if self.directory is None:
            return
        try:
            self._write_manifest()
            if not self._batches:
                self.directory.release()
        except (OSError, RecorderError):
            pass  # the user gets the warning anyway; a full disk has no room for it

    def _batch_traps(self, layers: list[_AnyLayer]) -> Iterator[_Trap]:
        for layer in layers:
            yield from layer.traps()
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

    def _learn(self, layers: list[_AnyLayer]) -> None:
        """Add the layers of a batch, and their shapes, to the manifest's."""
        for layer in layers:
            entry = layer.manifest_entry()
            known = self._layers.setdefault(layer.name, entry)
            if "priced_by" in entry:  # the price can be measured later than in the first batch
                known.pop("unpriced", None)
                known.update(entry)
            if not layer.post or layer.name in self._varying:
                continue
            shape = list(layer.post[0].shape[1:])
            if known.setdefault("shape", shape) != shape:
                # neurotop sets aside a batch that contradicts the manifest.
                self._varying.add(layer.name)
                del known["shape"]

    def _members(self, layers: list[_AnyLayer], samples: int) -> Iterator[_Member]:
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
            merged = _merge_manifests(existing, content, self._manifest) if existing else content
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
            **({"stopped": True} if self.stopped else {}),
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


def _tell(text: str) -> None:
    """Warn at the user's line, also where an earlier recording of the process warned alike."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename in (
        __file__,
        contextmanager.__code__.co_filename,
    ):
        frame = frame.f_back
    where = frame.f_code.co_filename, frame.f_lineno
    module = frame.f_globals.get("__name__")
    warnings.warn_explicit(text, RecorderWarning, *where, module=module, registry={})


def _rank_and_world(options: _Options) -> tuple[int, int]:
    """Rank and number of processes: from the options, torch.distributed or the environment."""
    if options.rank is not None and options.world_size is not None:
        return int(options.rank), int(options.world_size)
    if "torch" in sys.modules:
        import torch

        distributed = torch.distributed
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
    rank, world_size = os.environ.get("RANK", ""), os.environ.get("WORLD_SIZE", "")
    if rank.isdecimal() and world_size.isdecimal() and int(rank) < int(world_size):
        return int(rank), int(world_size)
    return 0, 1


def _merge_manifests(
    existing: dict[str, Any], own: dict[str, Any], before: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Another rank's manifest, with this rank's layers and warnings added.

    `before` is what this rank has added already: a price that it has measured again replaces it.

    Raises
    ------
    RecorderError
        The two ranks do not run the same model.
    """
    layers = {layer["name"]: dict(layer) for layer in existing["layers"]}
    earlier = {layer["name"]: layer for layer in (before or {}).get("layers", [])}
    for layer in own["layers"]:
        other = layers.setdefault(layer["name"], dict(layer))
        if any(other[key] != layer[key] for key in ("neuron", "reset")):
            raise RecorderError(
                f"layer '{layer['name']}' is {layer['neuron']} with reset '{layer['reset']}' here "
                f"and {other['neuron']} with reset '{other['reset']}' in the manifest of another "
                "rank: all ranks must run the same model, or record to different directories"
            )
        _merge_layer(other, layer, earlier.get(layer["name"], {}))
    new = [text for text in own["warnings"] if text not in existing["warnings"]]
    return {**existing, "layers": list(layers.values()), "warnings": existing["warnings"] + new}


#: How a layer begins to say that the ranks have measured different prices.
_DIFFERING = "the ranks measured different prices"


def _merge_layer(other: dict[str, Any], own: dict[str, Any], earlier: dict[str, Any]) -> None:
    """Add what this rank says of a layer to what the others say.

    Where measured prices differ, the layer has none: no rank knows that of the whole run.
    """
    price = ("ops_per_update", "priced_by", "operations", "versions", "mode", "unpriced")
    if earlier.get("ops_per_update", other) == other.get("ops_per_update"):
        for key in price:
            other.pop(key, None)
    differ_already = str(other.get("unpriced", "")).startswith(_DIFFERING)
    prices = [entry.get("ops_per_update") for entry in (other, own)]
    if differ_already or (None not in prices and prices[0] != prices[1]):
        if not differ_already:
            both = " and ".join(
                f"{entry['ops_per_update']} ({entry.get('mode', 'cost=')})"
                for entry in (other, own)
            )
            for key in price:
                other.pop(key, None)
            other["unpriced"] = f"{_DIFFERING}: {both}"
        own = {key: value for key, value in own.items() if key not in price}
    for key, value in own.items():
        other.setdefault(key, value)
    if "priced_by" in other:
        other.pop("unpriced", None)


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

    def __init__(self, net: torch.nn.Module | None, options: _Options) -> None:
        self._net = net
        self._added: dict[str, _ArrayLayer | None] = {}
        self._run = _Run(options)
        self._hooks: list[_AnyHook] = []

    @property
    def directory(self) -> Path:
        """Where the run is written."""
        return self._run.path

    def __enter__(self) -> Recording:
        net = self._net
        options = self._run.options
        given = {
            "expected_samples": options.expected_samples,
            "expected_batches": options.expected_batches,
        }
        self._run.expected = {key: int(value) for key, value in given.items() if value is not None}
        try:
            if net is not None:
                self._watch(net)
            self._run.begin()
        except BaseException:
            self._remove_hooks()
            raise
        self._eager = _uncompiled()
        self._eager.__enter__()
        return self

    def _watch(self, net: torch.nn.Module) -> None:
        names = _qualified_names(net)
        for module in _modules(net):
            hook = _hook_on(names[id(module)][0], module)
            if hook is not None:
                self._hooks.append(hook)
                hook.layer.meter = _meter_on(hook.layer)
        if not self._hooks:
            raise RecorderError(
                f"{type(net).__name__} has no spiking layer that neurotop knows. Potentials can be "
                "given: neurotop.record(None, directory), then rec.add(name, potentials) before "
                "each rec.batch()"
            )
        self._run.warn(_plain_traps(net))
        self._run.warn(_forgets_traps((hook.layer.name, hook.layer.module) for hook in self._hooks))

    def _remove_hooks(self) -> None:
        for hook in self._hooks:
            if hook.layer.meter is not None:
                hook.layer.meter.remove()
            hook.remove()

    def add(
        self,
        layer: str,
        post: Any,
        pre: Any = None,
        *,
        neuron: str = "custom",
        reset: str = "none",
        cost: int | None = None,
    ) -> None:
        """Give the potentials of a layer that has no hooks, before `batch` writes them.

        Parameters
        ----------
        layer : str
            The layer's name, the same in all batches.
        post : array or iterable of arrays
            Potential after each step: ``[T, B, ...]`` of NumPy, torch or JAX (or anything with
            ``__array__`` or ``__dlpack__``), or the steps one by one, each ``[B, ...]``. A step
            without an axis is one sample.
        pre : array or iterable of arrays, optional
            Potential before each step, in the shape of `post`; its first row is not looked at. By
            default each step begins with what the step before ended with.
        neuron, reset : str
            Class name and reset mechanism, by which the command prices the layer.
        cost : int, optional
            Operations of one update, for the manifest (``ops_per_update``).

        Raises
        ------
        ValueError
            The arrays are no potentials of this form, the layer was given twice in one batch, or
            has the name of a layer that is recorded already.
        """
        name = str(layer)
        if self._added.get(name) is not None:
            raise ValueError(
                f"rec.add({name!r}): the layer was added already in this batch: give all of its "
                "steps in one call, for instance as a list"
            )
        if any(hook.layer.name == name for hook in self._hooks):
            raise ValueError(
                f"rec.add({name!r}): a layer of the network that is recorded has this name"
            )
        if not name or (cost is not None and not _is_count(cost)):
            raise ValueError(
                f"rec.add({name!r}, cost={cost!r}): give a name, and a whole number of operations"
            )
        rows = _rows_of(name, post)
        before = None if pre is None else _rows_of(name, pre)
        if before is not None and [row.shape for row in before] != [row.shape for row in rows]:
            raise ValueError(f"rec.add({name!r}): pre and post have different shapes")
        self._added[name] = _ArrayLayer(name, str(neuron), str(reset), cost, rows, before)

    def _missing_traps(self) -> Iterator[_Trap]:
        for name, layer in self._added.items():
            if layer is None:
                yield (
                    ("not-added", name),
                    f"layer '{name}' was not given to rec.add() before a rec.batch(): that batch's "
                    "samples count for it, with no updates.",
                )

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
        added = [layer for layer in self._added.values() if layer is not None]
        layers: list[_AnyLayer] = [*(hook.layer for hook in self._hooks), *added]
        try:
            if any(layer.called for layer in layers):
                for hook in self._hooks:
                    hook.steps.close()
                for layer in layers:
                    if samples == 1 and layer.post and layer.post[0].shape[:1] != (1,):
                        layer.add_batch_axis()
                traps = [*_axes_traps(layers, int(samples)), *self._missing_traps()]
                self._run.batch(layers, int(samples), traps)
            else:
                text = (
                    "rec.batch() was called, but no layer was called since the last rec.batch(): "
                    "nothing written"
                )
                self._run.note([(("empty", ""), text)])
        finally:
            for hook in self._hooks:
                hook.steps.reset()
            self._added = dict.fromkeys(self._added)

    def __exit__(
        self,
        kind: type | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._remove_hooks()
        self._eager.__exit__(None, None, None)
        if kind is not None:
            if self._run.stopped:  # the user knows, perhaps from this very exception
                return
            text = f"the program stopped with {kind.__name__}: {error}"
            self._run.note([(("exception", ""), text)])
            return
        if any(hook.layer.called for hook in self._hooks) or any(self._added.values()):
            text = "the steps after the last rec.batch() were not written: call it after each batch"
            self._run.note([(("unwritten", ""), text)])
        self._run.finish()


@dataclass
class _ArrayLayer:
    """One layer in one batch, given as arrays; what `_Layer` is for hooks.

    Attributes
    ----------
    name, neuron, reset : str
        As in the manifest.
    cost : int or None
        Operations of one update, where the user says.
    post : list of numpy.ndarray, each ``[B, ...]``
        Potential after each step.
    before : list of numpy.ndarray or None
        Potential before each step; None where it is the one that the step before ended with.
    """

    name: str
    neuron: str
    reset: str
    cost: int | None
    post: list[np.ndarray]
    before: list[np.ndarray] | None
    called = True
    unhooked = ""

    def defect(self) -> str | None:
        """Why the steps cannot be recorded: checked when they were given."""
        return None

    def add_batch_axis(self) -> None:
        """Make the potentials of one sample without a batch axis ``[1, ...]``."""
        self.post = [post[None] for post in self.post]
        self.before = None if self.before is None else [pre[None] for pre in self.before]

    def manifest_entry(self) -> dict[str, Any]:
        """What the manifest says of the layer, but its shape."""
        entry: dict[str, Any] = {"name": self.name, "neuron": self.neuron, "reset": self.reset}
        return entry if self.cost is None else {**entry, "ops_per_update": int(self.cost)}

    def traps(self) -> Iterator[_Trap]:
        """A layer without a price."""
        if (self.neuron, self.reset) not in PRICED:
            operations = "OPERATIONS" if self.cost is None else str(self.cost)
            yield (
                ("unpriced", self.name),
                f"layer '{self.name}' ({self.neuron}) with reset '{self.reset}' has no price in "
                "NeuroBench: neurotop counts its updates. Give the command the operations of one "
                f"update: --cost {self.neuron}:{self.reset}={operations}",
            )

    def members(self, form: str) -> Iterator[_Member]:
        """The layer's arrays of a batch with at least one step; see `_encode`."""
        post = np.stack(self.post)
        pre = None if self.before is None else np.stack(self.before)
        if pre is not None and np.array_equal(pre[1:], post[:-1], equal_nan=post.dtype.kind == "f"):
            pre = None
        if form == "bits":
            yield from _bits(self.name, post.shape, self._changed(pre, post))
            return
        yield _Member.from_array(f"{self.name}.post", post)
        if form == "pair" and pre is None:
            pre = np.concatenate([np.zeros_like(post[:1]), post[:-1]])
        if pre is not None:
            yield _Member.from_array(f"{self.name}.pre", pre.astype(post.dtype))

    def _changed(self, pre: np.ndarray | None, post: np.ndarray) -> Iterator[np.ndarray]:
        """Which elements changed, eight steps at a time: see `_changed`."""
        before = post[:-1] if pre is None else pre[1:]
        for begin in range(0, len(before), 8):
            one, other = before[begin : begin + 8], post[begin + 1 : begin + 9]
            if post.dtype.kind == "f":
                wide = np.float64 if post.dtype == np.float64 else np.float32
                with np.errstate(all="ignore"):
                    difference = one.astype(wide) - other.astype(wide)
                yield np.packbits(difference != 0)
            else:
                yield np.packbits(one != other)


def _rows_of(name: str, potentials: Any) -> list[np.ndarray]:
    """The steps of an array ``[T, B, ...]``, or of an iterable of steps, as NumPy's own copies.

    Raises
    ------
    ValueError
        They are no numbers that the format knows, or steps of different shapes.
    """
    is_array = hasattr(potentials, "shape")
    if is_array and len(potentials.shape) == 0:
        raise ValueError(f"rec.add({name!r}): one number has no time axis: give [T, B, ...]")
    steps = _on_host(potentials) if is_array else map(_on_host, potentials)
    rows = [np.array(step) for step in steps]
    rows = [row if row.ndim else row[None] for row in rows]
    if len({(row.shape, row.dtype) for row in rows}) > 1:
        raise ValueError(f"rec.add({name!r}): the steps have different shapes or types")
    for row in rows[:1]:
        kind, size = row.dtype.kind, row.dtype.itemsize
        if not (kind in "iu" or (kind == "f" and size in (2, 4, 8))):
            raise ValueError(
                f"rec.add({name!r}): {row.dtype} are no potentials; give floats of 16, 32 or 64 "
                "bits, or integers"
            )
    return rows


def _on_host(array: Any) -> np.ndarray:
    """An array of NumPy, torch, JAX or another library as one of NumPy."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        array = (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    elif not hasattr(array, "__array__") and hasattr(array, "__dlpack__"):
        array = np.from_dlpack(array)
    found: np.ndarray = np.asarray(array)
    return found.astype(np.float32) if found.dtype.name == "bfloat16" else found


def record(
    net: torch.nn.Module | None,
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
    """Record a network without NeuroBench.

    Entering the ``with`` block sets the hooks, and leaving it removes them, also after an
    exception. Call ``rec.batch(samples)`` after each batch.

    Parameters
    ----------
    net : torch.nn.Module or None
        A network with spiking layers of snnTorch or, with the package, of another framework. Each
        layer's membrane potential, ``[B, ...]``, is recorded before and after each step. None if
        only `Recording.add` is used.
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
        On entering the block: the network has no spiking layer. With ``strict=True``: whatever
        would otherwise stop the recording.

    Examples
    --------
    >>> with neurotop.record(net, "runs/exp1") as rec:  # doctest: +SKIP
    ...     for x, _ in loader:
    ...         net(x)
    ...         rec.batch(len(x))
    """
    if net is not None and not hasattr(net, "named_modules"):
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
        self._watches: list[_StateWatch] = []
        self._meters: dict[int, Meter] = {}
        self._stale: dict[int, tuple[int, int, int]] = {}
        self._wrapped = False
        self._unwrap: Callable[[], None] = lambda: None

    def begin(self, caller: FrameType) -> None:
        """Begin the run; `caller` is the frame of the manager's ``initialize_metrics``."""
        from neurobench.metrics.manager.workload_manager import WorkloadMetricManager

        manager = caller.f_locals.get("self")
        if isinstance(manager, WorkloadMetricManager):
            variables = caller.f_back.f_locals if caller.f_back else {}
            loader = variables.get("dataloader")
            model = getattr(variables.get("self"), "model", None)
        else:
            manager = loader = model = None
            text = (
                "this version of NeuroBench does not call the recorder as expected. The batches "
                "are recorded, but not the end of the run (end.json)."
            )
            self.run.warn([(("manager", ""), text)])
        self.run.expected = _expected(loader, _rank_and_world(self.run.options)[1])
        self.run.warn(_padding_traps(loader))
        self.run.begin()
        if manager is not None:
            self._wrap(manager)
        if model is not None:
            self._look_at(model)
        if self.run.directory is not None and not self.run.stopped:
            print(f"Recording to {self.run.path}; watch it with: neurotop watch {self.run.path}")

    def _look_at(self, model: Any) -> None:
        """See to what NeuroBench's hooks hold already, and to what they do not see."""
        net = model.__net__()
        for hook in model.activation_hooks:
            held = (
                len(hook.activation_inputs),
                len(hook.pre_fire_mem_potential),
                len(hook.post_fire_mem_potential),
            )
            if any(held):
                self._stale[id(hook)] = held
        if self._stale:
            text = (
                "NeuroBench's hooks still hold steps of a run that was interrupted, and NeuroBench "
                "adds them to this run's first batch: its figures are wrong. neurotop leaves them "
                "out. Call model.reset_hooks() before benchmark.run()."
            )
            self.run.warn([(("stale", ""), text)])
        if _is_compiled(net):
            self.run.refuse(
                "the network is compiled (torch.compile), and compiled code can leave out "
                "NeuroBench's hooks: its figures and the recorded ones can be much too small. "
                "Give NeuroBench the network as it was before torch.compile"
            )
        names = _qualified_names(net)
        spiking = [module for module in _modules(net) if _is_spiking(module)]
        self._watches = [_StateWatch(names[id(module)][0], module) for module in spiking]
        for module in spiking:
            meter = _meter_on(_Layer("", module), steps_are_seen=False)
            if meter is not None:
                self._meters[id(module)] = meter

    def batch(self, model: Any, samples: int) -> None:
        """Record the batch that NeuroBench's hooks hold."""
        net, hooks = model.__net__(), model.activation_hooks
        try:
            layers: list[_AnyLayer] = []
            for layer in _neurobench_layers(model, self._stale):
                layer.meter = self._meters.get(id(layer.module))
                layers.append(layer)
            self._stale = {}
            for watch in self._watches:
                watch.close()
            traps = [
                *_network_traps(net, hooks),
                *_watch_traps(self._watches),
                *_forgets_traps((watch.name, watch.module) for watch in self._watches),
            ]
            self.run.batch(layers, samples, traps)
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
            for watch in self._watches:
                watch.remove()
            for meter in self._meters.values():
                meter.remove()
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
            samples: Any = loader.sampler
            whole = batches * loader.batch_size if loader.drop_last else len(samples)
            expected = {"expected_samples": whole * world_size, **expected}
        return expected
    except TypeError:  # a sampler without a length
        return {}


def _padding_traps(loader: Any) -> Iterator[_Trap]:
    """Samples that a ``DistributedSampler`` gives twice, so that all ranks have as many."""
    from torch.utils.data.distributed import DistributedSampler

    sampler = getattr(loader, "sampler", None)
    if not isinstance(sampler, DistributedSampler) or sampler.drop_last:
        return
    dataset: Any = sampler.dataset
    repeated = sampler.total_size - len(dataset)
    if repeated > 0:
        yield (
            ("padding", ""),
            f"torch's DistributedSampler repeats {repeated} of {len(dataset)} samples, so that all "
            f"{sampler.num_replicas} ranks have as many: they count twice, in NeuroBench and in "
            "neurotop. Use a number of samples that the ranks can share, or drop_last=True.",
        )


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

    class RecorderMetric(AccumulatedMetric):  # type: ignore[misc]
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
